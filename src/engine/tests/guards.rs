//! What an operation asks for beside a token, and what it only reports.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::json;

use super::*;
use crate::observe::Counter;

/// The usual configuration with this operation alone, at `/a`.
fn world(rest: &str) -> World {
    let mut world = World::new();
    let configuration = CONFIGURATION.split(r#""operations":"#).next().unwrap();
    world.begin_anew(&format!(
        r#"{configuration}
        "secrets": {{"file": {{"file": {{"cluster": "files", "path": "/key"}}}}}},
        "subscription_keys": {{
            "one": {{"primary": {{"inline": "key-1"}}, "secondary": {{"inline": "key-2"}}, "products": ["a"]}},
            "two": {{"primary": {{"inline": "key-3"}}, "products": ["b", "c"]}},
            "later": {{"primary": {{"ref": "file"}}, "secondary": {{"inline": "key-4"}}, "products": ["later"]}}}},
        "operations": [{{"match": {{"path": {{"prefix": "/a"}}}}, {rest}}}]}}"#
    ));
    world
}

fn sent(world: &mut World, path: &str, headers: &[(&str, &str)]) -> String {
    let mut all: Vec<(&[u8], &[u8])> = vec![(b":method", b"GET"), (b":path", path.as_bytes())];
    all.extend(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let step = world.start_with(&all);
    world.finish(step)
}

const KEY: &str = "ocp-apim-subscription-key";
const BY_KEY: &str = r#""validate": "none", "subscription_key": {"products": ["a", "c"]}"#;

#[test]
fn a_key_of_any_of_the_products_opens_an_operation_and_stays_here() {
    let mut world = world(BY_KEY);
    for key in ["key-1", "key-2", "key-3"] {
        assert_eq!(sent(&mut world, "/a", &[(KEY, key)]), format!("forwarded -{KEY}"));
        assert_eq!(
            sent(&mut world, &format!("/a?x=1&subscription-key={key}"), &[]),
            "forwarded :path=/a?x=1"
        );
        assert_eq!(sent(&mut world, &format!("/a?Subscription-%4Bey={key}"), &[]), "forwarded :path=/a");
    }
    for key in ["key-4", "key-", "key-11", "KEY-1", " key-1", "key-1,key-1", &"k".repeat(2_000)] {
        assert_eq!(sent(&mut world, "/a", &[(KEY, key)]), "401 subscription_key_invalid", "{key}");
    }
    for (path, headers) in [("/a", &[][..]), ("/a", &[(KEY, "")]), ("/a?subscription-key", &[])] {
        assert_eq!(sent(&mut world, path, headers), "401 subscription_key_missing", "{path}");
    }
    for (path, headers) in [
        ("/a", &[(KEY, "key-1"), (KEY, "key-1")][..]),
        ("/a?subscription-key=key-1", &[(KEY, "key-1")]),
        ("/a?subscription-key=key-1&subscription-key=key-1", &[]),
    ] {
        assert_eq!(sent(&mut world, path, headers), "401 subscription_key_multiple", "{path}");
    }
}

#[test]
fn a_key_may_stand_elsewhere_and_be_forwarded() {
    let rule = r#""validate": "none", "subscription_key":
        {"products": ["a"], "header": "X-Key", "query": "key", "forward": true}"#;
    let mut world = world(rule);
    assert_eq!(sent(&mut world, "/a", &[("x-key", "key-1")]), "forwarded");
    assert_eq!(sent(&mut world, "/a?key=key-1", &[]), "forwarded");
    assert_eq!(sent(&mut world, "/a", &[(KEY, "key-1")]), "401 subscription_key_missing");
}

#[test]
fn a_key_does_not_replace_a_token_where_both_are_asked_for() {
    let mut world = world(r#""subscription_key": {"products": ["a"]}"#);
    assert_eq!(sent(&mut world, "/a", &[(KEY, "key-1")]), "401 token_missing");
    let bearer = format!("Bearer {}", world.token(json!({})));
    assert_eq!(sent(&mut world, "/a", &[("authorization", &bearer)]), "401 subscription_key_missing");
    assert_eq!(
        sent(&mut world, "/a", &[("authorization", &bearer), (KEY, "x")]),
        "401 subscription_key_invalid"
    );
    assert_eq!(
        sent(&mut world, "/a", &[("authorization", &bearer), (KEY, "key-1")]),
        format!("forwarded -{KEY}")
    );
}

#[test]
fn a_request_waits_for_a_key_that_is_not_yet_known() {
    let mut world = world(r#""validate": "none", "subscription_key": {"products": ["later"]}"#);
    assert_eq!(
        sent(&mut world, "/a", &[(KEY, "key-4")]),
        format!("forwarded -{KEY}"),
        "the known one is enough"
    );
    world.answers.insert("/key", (200, "from-file\n".into()));
    assert_eq!(sent(&mut world, "/a", &[(KEY, "from-file")]), format!("forwarded -{KEY}"));
    assert_eq!(sent(&mut world, "/a", &[(KEY, "x")]), "401 subscription_key_invalid");
}

#[test]
fn a_key_that_is_not_to_be_had_is_503_and_not_a_wrong_key() {
    let mut world = world(r#""validate": "none", "subscription_key": {"products": ["later"]}"#);
    world.answers.insert("/key", (500, String::new()));
    let step = world.start_with(&[(b":method", b"GET"), (b":path", b"/a"), (KEY.as_bytes(), b"x")]);
    world.advance(20);
    assert_eq!(world.finish(step), "503 secret_unavailable");
}

#[test]
fn api_managements_words_and_challenge_are_used_for_keys() {
    let mut world = world(BY_KEY);
    let Step::Refuse(refusal) = world.start_with(&[(b":method", b"GET"), (b":path", b"/a")]) else {
        panic!()
    };
    assert_eq!(
        refusal.body,
        r#"{"statusCode":401,"message":"Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API."}"#
    );
    let challenge = refusal.headers.iter().find(|(name, _)| *name == "www-authenticate").unwrap();
    assert_eq!(
        challenge.1,
        r#"AzureApiManagementKey realm="gatepass",name="Ocp-Apim-Subscription-Key",type="header""#
    );
}

#[test]
fn a_required_header_is_asked_for_in_api_managements_words_or_the_operators() {
    let mut world = world(
        r#""anonymous": true, "require_headers": [
            {"name": "X-Client", "values": ["Web", "app"], "ignore_case": true},
            {"name": "X-Trace", "status": 400, "message": "Trace it."}]"#,
    );
    assert_eq!(sent(&mut world, "/a", &[("x-client", "WEB"), ("x-trace", "1")]), "forwarded");
    for (headers, said) in [
        (
            &[("x-trace", "1")][..],
            (401, "header_missing", "Header X-Client was not found in the request. Access denied."),
        ),
        (
            &[("x-client", "tv"), ("x-trace", "1")],
            (401, "header_not_allowed", "Header X-Client value is not allowed. Access denied."),
        ),
        (
            &[("x-client", "web"), ("x-client", "web")],
            (401, "header_multiple", "Header X-Client occurs more than once. Access denied."),
        ),
        (&[("x-client", "web")], (400, "header_missing", "Trace it.")),
    ] {
        let mut all: Vec<(&[u8], &[u8])> = vec![(b":method", b"GET"), (b":path", b"/a")];
        all.extend(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let Step::Refuse(refusal) = world.start_with(&all) else { panic!("{headers:?}") };
        let (status, code, message) = said;
        assert_eq!((refusal.status.as_u16(), refusal.reason.code()), (status, code), "{headers:?}");
        assert_eq!(refusal.body, format!(r#"{{"statusCode":{status},"message":"{message}"}}"#));
    }
}

#[test]
fn an_optional_token_may_be_missing_but_not_bad() {
    let mut world = world(r#""validate": {"optional": true}"#);
    assert_eq!(sent(&mut world, "/a", &[]), "forwarded");
    let good = format!("Bearer {}", world.token(json!({})));
    assert_eq!(sent(&mut world, "/a", &[("authorization", &good)]), "forwarded");
    world.let_checks_come_back();
    let expired = format!("Bearer {}", world.token(json!({"exp": 1})));
    assert_eq!(sent(&mut world, "/a", &[("authorization", &expired)]), "401 token_expired");
    assert_eq!(sent(&mut world, "/a", &[("authorization", "Basic eDp5")]), "401 scheme_not_allowed");
}

#[test]
fn a_token_that_lives_too_long_is_refused() {
    let mut world = world(r#""validate": {"max_lifetime": "10m"}"#);
    let now = world.now.wall.seconds();
    for (iat, said) in [(now, "forwarded"), (now - 1, "401 token_lifetime_not_allowed")] {
        let bearer = format!("Bearer {}", world.token(json!({"iat": iat, "exp": now + 600})));
        assert_eq!(sent(&mut world, "/a", &[("authorization", &bearer)]), said);
        world.let_checks_come_back();
    }
    let bearer = format!("Bearer {}", world.token(json!({})));
    assert_eq!(sent(&mut world, "/a", &[("authorization", &bearer)]), "401 issued_at_missing");
}

const REPORTED: &str = r#""enforce": false, "validate": {"roles": "Read", "inbound_token": {"move_to": "X-Token"},
    "claims_to_headers": [{"claim": "sub", "header": "X-User"}]}"#;

#[test]
fn what_is_only_reported_passes_without_an_identity_and_is_counted_and_logged() {
    let mut world = world(REPORTED);
    world.state.refusals.renew(true, world.now.monotonic);
    let good = format!("Bearer {}", world.token(json!({"sub": "u"})));
    assert_eq!(
        sent(&mut world, "/a", &[("authorization", &good)]),
        format!("forwarded -authorization x-token={} x-user=u", &good["Bearer ".len()..])
    );
    world.let_checks_come_back();
    world.state.counters.take();
    let none = format!("Bearer {}", world.token(json!({"roles": null, "sub": "u", "azp": "app-1"})));
    let place = good.len() - 10;
    let other = if &good[place..=place] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &good[..place], &good[place + 1..]);
    for (bearer, reason) in [
        (None, "token_missing"),
        (Some("Bearer x"), "token_malformed"),
        (Some(&none), "claim_missing"),
        (Some(&forged), "signature_invalid"),
    ] {
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", *bearer)).collect();
        let mut all = vec![("x-user", "forged"), ("x-token", "forged")];
        all.extend(headers);
        let told = sent(&mut world, "/a", &all);
        assert!(told.starts_with("forwarded") && !told.contains('='), "{reason}: {told}");
        let counted = world.state.counters.take();
        assert_eq!(counted.get(&Counter::WouldRefuse(reason)), Some(&1), "{counted:?}");
        assert_eq!(counted.get(&Counter::Forwarded), Some(&1), "{counted:?}");
        world.let_checks_come_back();
    }
    let log: Vec<_> = world.state.take_log().into_iter().map(|line| line.text).collect();
    let last: Vec<_> = log.iter().filter(|line| line.starts_with("would be refused")).collect();
    assert_eq!(last.len(), 4, "{log:?}");
    assert_eq!(last[2], "would be refused: claim_missing, operations[0], client app-1");
    assert!(!log.iter().any(|line| line.contains("forged") || line.contains("eyJ")), "{log:?}");
}

#[test]
fn report_only_lets_neither_a_wrong_path_nor_a_missing_key_pass() {
    let mut world = world(r#""enforce": false, "subscription_key": {"products": ["a"]}"#);
    assert_eq!(sent(&mut world, "/b", &[]), "404 operation_not_found");
    assert_eq!(sent(&mut world, "/a/../b", &[]), "400 path_ambiguous");
    assert_eq!(sent(&mut world, "/a", &[]), "401 subscription_key_missing");
}

#[test]
fn report_only_waits_for_keys_as_usual_and_passes_without_them() {
    let mut world = world(REPORTED);
    world.answers.clear();
    let good = format!("Bearer {}", world.token(json!({})));
    let step =
        world.start_with(&[(b":method", b"GET"), (b":path", b"/a"), (b"authorization", good.as_bytes())]);
    assert!(matches!(step, Step::Wait(_)));
    world.advance(16);
    let told = world.finish(step);
    assert!(told.starts_with("forwarded") && !told.contains('='), "{told}");
    assert_eq!(world.state.counters.take().get(&Counter::WouldRefuse("keys_unavailable")), Some(&1));
}

#[test]
fn a_refusal_is_logged_with_its_operation_and_its_caller() {
    let mut world = world(r#""validate": {"roles": "Admin"}"#);
    world.state.refusals.renew(true, world.now.monotonic);
    sent(&mut world, "/nowhere", &[]);
    let bearer = format!("Bearer {}", world.token(json!({"appid": "app-1", "secret": "canary"})));
    sent(&mut world, "/a", &[("authorization", &bearer)]);
    let log: Vec<_> = world.state.take_log().into_iter().map(|line| line.text).collect();
    let refused: Vec<_> = log.iter().filter(|line| line.starts_with("refused")).collect();
    assert_eq!(
        refused,
        ["refused: operation_not_found", "refused: claim_not_allowed, operations[0], client app-1"]
    );
}

#[test]
fn token_and_key_both_leave_the_query() {
    let mut world = world(
        r#""validate": {"token": {"query": "access_token"}, "inbound_token": "remove"},
        "subscription_key": {"products": ["a"]}"#,
    );
    let token = world.token(json!({}));
    for query in [
        format!("access_token={token}&x=1&subscription-key=key-1"),
        format!("subscription-key=key-1&access_token={token}&x=1"),
    ] {
        assert_eq!(sent(&mut world, &format!("/a?{query}"), &[]), "forwarded :path=/a?x=1");
    }
}

#[test]
fn a_key_that_is_forwarded_stays_though_the_gateway_writes_its_header_elsewhere() {
    let rest = r#""validate": "none", "subscription_key": {"products": ["a"], "header": "X-Key", "forward": FORWARD}},
        {"match": {"path": {"exact": "/b"}}, "headers": {"set": {"X-Key": "of the gateway"}}"#;
    let mut forwards = world(&rest.replace("FORWARD", "true"));
    assert_eq!(sent(&mut forwards, "/a", &[("x-key", "key-1"), ("x_key", "forged")]), "forwarded -x_key");
    assert_eq!(sent(&mut forwards, "/b", &[("x-key", "forged")]), "401 token_missing");
    let mut hides = world(&rest.replace("FORWARD", "false"));
    assert_eq!(sent(&mut hides, "/a", &[("x-key", "key-1")]), "forwarded -x-key");
}

#[test]
fn a_request_that_waits_more_than_once_is_counted_once() {
    let mut world = World::new();
    let token = format!("Bearer {}", world.token(json!({})));
    let step = world.start("GET", "/relay", &[token.as_bytes()]);
    assert_eq!(world.finish(step), "forwarded authorization=Bearer imds-token");
    assert_eq!(world.asked.len(), 3, "it waited for keys, and then for a token");
    assert_eq!(world.state.counters.take().get(&Counter::Waited), Some(&1));
}

#[test]
fn a_grpc_client_is_one_whose_content_type_says_so() {
    let mut world = World::new();
    for (content_type, is_grpc) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc-web", false),
        ("application/grpcx", false),
        ("application/json", false),
        ("", false),
    ] {
        let headers: [(&[u8], &[u8]); 3] =
            [(b":method", b"POST"), (b":path", b"/protected"), (b"content-type", content_type.as_bytes())];
        let Step::Refuse(refusal) = world.start_with(&headers) else { panic!("{content_type}") };
        assert_eq!(!refusal.body.starts_with('{'), is_grpc, "{content_type}");
    }
}
