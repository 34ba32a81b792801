//! What is attached, and what becomes of the caller's own headers.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::observe::Counter;

/// An anonymous operation `/a` that attaches this.
fn world(attach: &str) -> World {
    let operation = format!(
        r#""operations": [{{"match": {{"path": {{"exact": "/a"}}}}, "anonymous": true, "attach": [{attach}]}},"#
    );
    World::with(&CONFIGURATION.replacen(r#""operations": ["#, &operation, 1), TestKey::p256())
}

fn token_with(options: &str) -> String {
    format!(r#"{{"identity": "gateway", "resource": "api://backend"{options}}}"#)
}

const KEY: &str = r#"{"secret": "key", "header": "x-key"}"#;

/// A secret named `key` that Envoy serves under `/key`.
fn with_secret(attach: &str) -> World {
    let secrets = r#"{"secrets": {"key": {"file": {"cluster": "files", "path": "/key"}}}, "#;
    let operation = format!(
        r#""operations": [{{"match": {{"path": {{"exact": "/a"}}}}, "anonymous": true, "attach": [{attach}]}},"#
    );
    let json = CONFIGURATION.replacen(r#""operations": ["#, &operation, 1).replacen('{', secrets, 1);
    let mut world = World::with(&json, TestKey::p256());
    world.answers.insert("/key", (200, "s3cret\n".to_owned()));
    world
}

fn sent(world: &mut World, headers: &[(&str, &[u8])]) -> Step {
    let mut all: Vec<(&[u8], &[u8])> = vec![(b":method", b"GET"), (b":path", b"/a")];
    all.extend(headers.iter().map(|(name, value)| (name.as_bytes(), *value)));
    world.start_with(&all)
}

fn ask(world: &mut World, headers: &[(&str, &[u8])]) -> String {
    let step = sent(world, headers);
    world.finish(step)
}

fn stripped(step: &Step) -> Vec<String> {
    match step {
        Step::Wait(pending) => pending.stripped().map(|name| name.as_str().to_owned()).collect(),
        step => panic!("{}", told(step)),
    }
}

const CALLERS: (&str, &[u8]) = ("authorization", b"Basic caller");

#[test]
fn header_and_prefix_are_options() {
    let mut world = world(&token_with(r#", "header": "X-Token", "prefix": """#));
    assert_eq!(ask(&mut world, &[CALLERS]), "forwarded x-token=imds-token");
    let mut world = self::world(&token_with(r#", "prefix": "SharedKey t=""#));
    assert_eq!(ask(&mut world, &[]), "forwarded authorization=SharedKey t=imds-token");
}

#[test]
fn overwrite_takes_the_callers_header_before_the_fetch() {
    let mut world = world(&token_with(""));
    let step = sent(&mut world, &[CALLERS, CALLERS]);
    assert_eq!(stripped(&step), ["authorization"]);
    assert_eq!(world.finish(step), "forwarded authorization=Bearer imds-token");
}

#[test]
fn where_the_caller_has_the_header_keep_fetches_nothing() {
    let mut world = world(&token_with(r#", "existing": "keep""#));
    assert_eq!(ask(&mut world, &[CALLERS]), "forwarded");
    assert_eq!(ask(&mut world, &[("authorization", b"\xff")]), "forwarded");
    assert_eq!(ask(&mut world, &[CALLERS, CALLERS]), "401 token_multiple");
    assert_eq!(world.asked_for(IMDS), 0);
    assert_eq!(ask(&mut world, &[]), "forwarded authorization=Bearer imds-token");
    assert_eq!(world.asked_for(IMDS), 1);
}

#[test]
fn move_to_moves_the_callers_header_and_drops_what_pretends_to_be_it() {
    let mut world = world(&token_with(r#", "existing": {"move_to": "x-caller"}"#));
    let spoofed = ("x-caller", &b"Basic spoofed"[..]);
    let step = sent(&mut world, &[CALLERS, spoofed]);
    assert_eq!(stripped(&step), ["authorization", "x-caller"]);
    assert_eq!(world.finish(step), "forwarded x-caller=Basic caller authorization=Bearer imds-token");
    assert_eq!(ask(&mut world, &[spoofed]), "forwarded -x-caller authorization=Bearer imds-token");
    assert_eq!(ask(&mut world, &[CALLERS, CALLERS]), "401 token_multiple");
    assert_eq!(ask(&mut world, &[("authorization", b"a\nb")]), "401 token_malformed");
    let answer = ask(&mut world, &[("authorization", b"\xff")]);
    assert_eq!(answer, "forwarded authorization=Bearer imds-token x-caller=\u{fffd}");
}

#[test]
fn continue_goes_on_without_the_token_and_without_the_callers_header() {
    for failure in [503, 400] {
        let mut world = world(&token_with(r#", "on_error": "continue""#));
        world.answers.insert(IMDS, (failure, String::new()));
        let mut step = sent(&mut world, &[CALLERS]);
        // Until the deadline, or until a failure says that there is nothing to wait for.
        while let Step::Wait(pending) = step {
            world.pump();
            world.advance(1);
            step = wake(*pending, &mut world.state, StreamId(world.last_stream), world.now);
        }
        assert_eq!(told(&step), "forwarded -authorization", "{failure}");
    }
    let mut world = world(&token_with(r#", "on_error": "continue", "existing": {"move_to": "x-caller"}"#));
    world.answers.insert(IMDS, (400, String::new()));
    assert_eq!(ask(&mut world, &[CALLERS]), "forwarded -authorization x-caller=Basic caller");
}

#[test]
fn a_request_that_may_go_on_without_a_token_waits_no_longer_than_its_time() {
    let mut world = world(&token_with(r#", "on_error": "continue""#));
    world.answers.remove(IMDS);
    let pending = waiting(sent(&mut world, &[CALLERS]));
    world.advance(14);
    let pending = waiting(wake(*pending, &mut world.state, StreamId(1), world.now));
    world.advance(1);
    let step = wake(*pending, &mut world.state, StreamId(1), world.now);
    assert_eq!(told(&step), "forwarded -authorization");
}

#[test]
fn what_is_kept_stays_while_another_token_is_waited_for() {
    let second = r#"{"identity": "gateway", "resource": "api://second", "header": "x-second"}"#;
    let mut world = world(&[&token_with(r#", "existing": "keep""#), second].join(","));
    let step = sent(&mut world, &[CALLERS]);
    assert_eq!(stripped(&step), ["x-second"]);
    assert_eq!(world.finish(step), "forwarded x-second=Bearer imds-token");
}

#[test]
fn several_are_attached_or_none() {
    let second = r#"{"identity": "gateway", "resource": "api://second", "header": "x-second"}"#;
    let two = [&token_with(""), second].join(",");
    let mut world = world(&two);
    assert_eq!(
        ask(&mut world, &[CALLERS]),
        "forwarded authorization=Bearer imds-token x-second=Bearer imds-token"
    );
    assert_eq!(world.asked_for(IMDS), 2);
    let mut world = self::world(&two);
    world.answers.insert(IMDS, (400, String::new()));
    assert_eq!(ask(&mut world, &[CALLERS]), "503 token_unavailable");
}

#[test]
fn a_token_goes_only_where_it_may() {
    let mut world = world(&token_with(r#", "to": {"clusters": ["orders", "stock"]}"#));
    let mut step = sent(&mut world, &[CALLERS]);
    while let Step::Wait(pending) = step {
        world.pump();
        step = wake(*pending, &mut world.state, StreamId(world.last_stream), world.now);
    }
    let Step::ForwardTo(edits, pending) = step else { panic!("{}", told(&step)) };
    for cluster in [&b"orders"[..], b"stock"] {
        assert!(pending.depart(&edits, Some(cluster), &mut world.state).is_ok());
    }
    for cluster in [None, Some(&b""[..]), Some(b"orders2"), Some(b"Orders"), Some(b"order")] {
        let refusal = pending.depart(&edits, cluster, &mut world.state).unwrap_err();
        assert_eq!((refusal.status.as_u16(), refusal.reason.code()), (500, "destination_not_allowed"));
    }
}

#[test]
fn every_request_is_counted_once_also_where_its_destination_is_looked_at() {
    let mut world = world(&token_with(r#", "to": {"clusters": ["orders"]}"#));
    assert_eq!(ask(&mut world, &[]), "forwarded authorization=Bearer imds-token");
    let step = sent(&mut world, &[]);
    let Step::ForwardTo(edits, pending) = step else { panic!("{}", told(&step)) };
    let forwarded = |world: &mut World| world.state.counters.take().get(&Counter::Forwarded).copied();
    assert_eq!(forwarded(&mut world), None);
    pending.depart(&edits, Some(b"orders"), &mut world.state).unwrap();
    assert_eq!(forwarded(&mut world), Some(1));
}

#[test]
fn a_secret_goes_into_its_header_as_it_is() {
    let mut world = with_secret(KEY);
    let step = sent(&mut world, &[("x-key", b"the caller's")]);
    assert_eq!(stripped(&step), ["x-key"]);
    assert_eq!(world.finish(step), "forwarded x-key=s3cret");
    assert_eq!(ask(&mut world, &[]), "forwarded x-key=s3cret");
    assert_eq!(world.asked_for("/key"), 1);
    let mut world = with_secret(&format!("{KEY}, {}", token_with("")));
    assert_eq!(ask(&mut world, &[]), "forwarded x-key=s3cret authorization=Bearer imds-token");
}

#[test]
fn a_secret_that_is_not_to_be_had_or_cannot_stand_in_a_header_refuses_the_request() {
    for answer in [(404, String::new()), (200, "two\nlines".to_owned())] {
        let mut world = with_secret(KEY);
        world.answers.insert("/key", answer);
        let mut step = sent(&mut world, &[]);
        while let Step::Wait(pending) = step {
            world.pump();
            world.advance(1);
            step = wake(*pending, &mut world.state, StreamId(world.last_stream), world.now);
        }
        assert_eq!(told(&step), "503 secret_unavailable");
    }
}
