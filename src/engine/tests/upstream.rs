//! The filter of a cluster: once per attempt, with the headers that the last attempt left.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::challenge::Remedy;
use crate::engine::Edits;
use crate::tokens::Eagerness;
use crate::tokens::lease::Alone;

const TOKEN: &str = "/token";

fn world(attach: &str) -> World {
    let json = format!(
        r#"{{"position": "upstream",
            "secrets": {{"secret": {{"file": {{"cluster": "files", "path": "/secret"}}}}}},
            "identities": {{"partner": {{"client_credentials": {{"token_url": "https://login.example/token",
                "cluster": "login", "client_id": "c", "client_secret": {{"ref": "secret"}}}}}}}},
            "operations": [{{"match": {{"path": {{"prefix": "/api"}}}}, "attach": [{attach}]}}]}}"#
    );
    let mut world = World::with(&json, TestKey::p256());
    world.answers.insert("/secret", (200, "s".to_owned()));
    world.issue("t1");
    world
}

fn token_with(options: &str) -> String {
    format!(r#"{{"identity": "partner", "resource": "r"{options}}}"#)
}

impl World {
    fn issue(&mut self, token: &str) {
        let answer = json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"});
        self.answers.insert(TOKEN, (200, answer.to_string()));
    }
}

/// A request on its way through attempts: its headers as Envoy keeps them, and the note in the filter state.
struct Attempts {
    headers: Vec<(String, Vec<u8>)>,
    note: Option<Vec<u8>>,
    edits: Option<Edits>,
}

impl Attempts {
    fn of(path: &str, headers: &[(&str, &str)]) -> Self {
        let pseudo = [(":method", "POST"), (":path", path)];
        let headers = pseudo.iter().chain(headers);
        let headers = headers.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Self { headers, note: None, edits: None }
    }

    fn start(&mut self, world: &mut World) -> Step {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        world.last_stream += 1;
        let head = RequestHead::new(&headers).after(self.note.as_deref());
        let stream = StreamId(world.last_stream);
        start(&world.configuration, &mut world.state, stream, &head, world.now)
    }

    /// Makes one attempt; the headers besides the pseudo headers, as the backend sees them.
    fn attempt(&mut self, world: &mut World) -> String {
        let mut step = self.start(world);
        while let Step::Wait(pending) = step {
            for name in pending.stripped() {
                self.headers.retain(|(header, _)| header != name.as_str());
            }
            world.pump();
            step = wake(*pending, &mut world.state, StreamId(world.last_stream), world.now);
        }
        match step {
            Step::Forward(edits) => self.apply(edits),
            step => return told(&step),
        }
        let mut seen: Vec<_> = self.headers.iter().filter(|(name, _)| !name.starts_with(':')).collect();
        seen.sort();
        seen.into_iter().map(|(name, value)| format!("{name}={} ", String::from_utf8_lossy(value))).collect()
    }

    fn apply(&mut self, edits: Edits) {
        for edit in edits.iter() {
            match edit {
                Edit::SetFilterState(_, note) => self.note = Some(note.to_vec()),
                Edit::SetHeader(name, value) => {
                    self.headers.retain(|(header, _)| header != name);
                    self.headers.push((name.to_owned(), value.to_vec()));
                }
                Edit::RemoveHeader(name) => self.headers.retain(|(header, _)| header != name),
            }
        }
        self.edits = Some(edits);
    }

    /// The backend refuses the attempt.
    fn refused(&mut self, world: &mut World, remedy: &Remedy) {
        let sent = self.edits.take().unwrap().into_sent();
        world.state.refused(&sent, remedy, Eagerness::BEFORE_A_RETRY, &mut Alone, world.now);
    }
}

#[test]
fn a_refused_attempt_is_made_again_with_another_token() {
    let mut world = world(&token_with(""));
    let mut request = Attempts::of("/api", &[("authorization", "Basic mine")]);
    assert_eq!(request.attempt(&mut world), "authorization=Bearer t1 ");
    world.issue("t2");
    request.refused(&mut world, &Remedy::AnotherToken);
    assert_eq!(request.attempt(&mut world), "authorization=Bearer t2 ");
    assert_eq!(world.asked_for(TOKEN), 2);
    // Again too soon: the third attempt goes out with what is there.
    request.refused(&mut world, &Remedy::AnotherToken);
    assert_eq!(request.attempt(&mut world), "authorization=Bearer t2 ");
    assert_eq!(world.asked_for(TOKEN), 2);
}

#[test]
fn an_attempt_after_another_failure_sends_the_same_token() {
    let mut world = world(&token_with(""));
    let mut request = Attempts::of("/api", &[]);
    for _ in 0..3 {
        assert_eq!(request.attempt(&mut world), "authorization=Bearer t1 ");
    }
    request.refused(&mut world, &Remedy::None);
    assert_eq!(request.attempt(&mut world), "authorization=Bearer t1 ");
    assert_eq!(world.asked_for(TOKEN), 1);
}

#[test]
fn keep_is_decided_on_what_the_caller_sent() {
    let mut world = world(&token_with(r#", "existing": "keep""#));
    let mut own = Attempts::of("/api", &[("authorization", "Basic mine")]);
    let mut none = Attempts::of("/api", &[]);
    assert_eq!(own.attempt(&mut world), "authorization=Basic mine ");
    assert_eq!(none.attempt(&mut world), "authorization=Bearer t1 ");
    world.issue("t2");
    none.refused(&mut world, &Remedy::AnotherToken);
    assert_eq!(own.attempt(&mut world), "authorization=Basic mine ");
    assert_eq!(none.attempt(&mut world), "authorization=Bearer t2 ");
}

#[test]
fn move_to_is_decided_on_what_the_caller_sent() {
    let mut world = world(&token_with(r#", "existing": {"move_to": "x-caller"}"#));
    let mut own = Attempts::of("/api", &[("authorization", "Basic mine"), ("x-caller", "spoofed")]);
    let mut none = Attempts::of("/api", &[("x-caller", "spoofed")]);
    assert_eq!(own.attempt(&mut world), "authorization=Bearer t1 x-caller=Basic mine ");
    assert_eq!(none.attempt(&mut world), "authorization=Bearer t1 ");
    world.issue("t2");
    own.refused(&mut world, &Remedy::AnotherToken);
    assert_eq!(own.attempt(&mut world), "authorization=Bearer t2 x-caller=Basic mine ");
    assert_eq!(none.attempt(&mut world), "authorization=Bearer t2 ");
    assert_eq!(own.attempt(&mut world), "authorization=Bearer t2 x-caller=Basic mine ");
}

#[test]
fn what_was_moved_stays_where_a_later_attempt_finds_no_token() {
    let mut world = world(&token_with(r#", "existing": {"move_to": "x-caller"}, "on_error": "continue""#));
    world.answers.insert(TOKEN, (400, String::new()));
    let mut request = Attempts::of("/api", &[("authorization", "Basic mine")]);
    for _ in 0..2 {
        assert_eq!(request.attempt(&mut world), "x-caller=Basic mine ");
    }
    world.issue("t1");
    world.advance(100);
    assert_eq!(request.attempt(&mut world), "authorization=Bearer t1 x-caller=Basic mine ");
}

#[test]
fn the_next_attempt_goes_on_with_the_old_token_when_no_other_is_to_be_had() {
    let mut world = world(&token_with(""));
    let mut request = Attempts::of("/api", &[]);
    assert_eq!(request.attempt(&mut world), "authorization=Bearer t1 ");
    world.answers.insert(TOKEN, (500, String::new()));
    request.refused(&mut world, &Remedy::AnotherToken);
    assert_eq!(request.attempt(&mut world), "authorization=Bearer t1 ");

    // The endpoint never answers: it waits as long as it may, and then goes on.
    let mut world = self::world(&token_with(""));
    let mut request = Attempts::of("/api", &[]);
    assert_eq!(request.attempt(&mut world), "authorization=Bearer t1 ");
    world.answers.remove(TOKEN);
    request.refused(&mut world, &Remedy::AnotherToken);
    let pending = waiting(request.start(&mut world));
    world.pump();
    world.advance(15);
    let step = wake(*pending, &mut world.state, StreamId(world.last_stream), world.now);
    assert!(told(&step).starts_with("forwarded authorization=Bearer t1"), "{}", told(&step));
}

#[test]
fn what_matches_nothing_passes_unchanged_and_what_is_ambiguous_does_not() {
    let mut world = world(&token_with(""));
    let mut other = Attempts::of("/other", &[("authorization", "Basic mine")]);
    assert_eq!(other.attempt(&mut world), "authorization=Basic mine ");
    assert_eq!(other.note, None);
    assert_eq!(Attempts::of("//api", &[]).attempt(&mut world), "400 path_ambiguous");
    assert_eq!(world.asked_for(TOKEN), 0);
}
