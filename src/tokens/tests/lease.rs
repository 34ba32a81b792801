//! Who fetches, and what is believed of what is shared.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::tokens::entry::{LEASE, Token, key, seal};

#[test]
fn a_lease_counts_for_a_vm_whose_clock_was_read_a_little_earlier() {
    let (of, mut store) = (Fingerprint::of(&["x"]), Memory::default());
    let seen = Lease::new(1).read(of, &mut store, at(5));
    assert_eq!(Lease::new(1).take(of, &seen, &mut store, at(5)), Taken::Won);
    let seen = Lease::new(2).read(of, &mut store, at(0));
    assert!(matches!(Lease::new(2).take(of, &seen, &mut store, at(0)), Taken::Other(_)));
}

fn held(name: &str, expires: u64) -> Token {
    let expires = at(expires).monotonic;
    let fetched = Monotonic::default();
    Token { value: SecretString::new(name.into()), expires, refresh: expires, fetched }
}

#[test]
fn a_lease_has_one_winner_also_when_two_take_it_at_the_same_time() {
    let of = Fingerprint::of(&["x"]);
    for seeded in [false, true] {
        let mut store = Memory::default();
        if seeded {
            Lease::new(5).release(of, &mut store, at(0));
        }
        let seen = Lease::new(1).read(of, &mut store, at(0));
        store.rival = Some(of);
        assert!(
            matches!(Lease::new(1).take(of, &seen, &mut store, at(0)), Taken::Other(_)),
            "seeded: {seeded}"
        );
        assert!(Lease::new(1).read(of, &mut store, at(0)).is_held_by_other(1, at(0)));
    }
}

#[test]
fn a_lease_can_be_taken_over_when_its_time_is_up() {
    let (of, mut store) = (Fingerprint::of(&["x"]), Memory::default());
    let seen = Lease::new(1).read(of, &mut store, at(0));
    assert_eq!(Lease::new(1).take(of, &seen, &mut store, at(0)), Taken::Won);
    let lease = LEASE.as_millis() as u64;
    for (now, won) in [(lease - 1, false), (lease, true)] {
        let seen = Lease::new(2).read(of, &mut store, at(now));
        assert_eq!(Lease::new(2).take(of, &seen, &mut store, at(now)) == Taken::Won, won, "{now}");
    }
}

#[test]
fn a_publication_never_replaces_a_token_that_lives_longer() {
    let (of, mut store) = (Fingerprint::of(&["x"]), Memory::default());
    Lease::new(1).publish_token(of, &held("long", 9_000), None, &mut store, at(0));
    let kept = Lease::new(2).publish_token(of, &held("short", 5_000), None, &mut store, at(0));
    assert_eq!(kept.value.expose(), "long");
    let kept = Lease::new(2).publish_token(of, &held("longer", 9_001), None, &mut store, at(0));
    assert_eq!(kept.value.expose(), "longer");
    assert_eq!(store.wakes, 3);
}

/// A value that somebody wrote who knows how.
fn sealed(of: Fingerprint, body: &str) -> Vec<u8> {
    [seal(of, body.as_bytes()).as_bytes(), body.as_bytes()].concat()
}

#[test]
fn what_somebody_else_wrote_does_no_harm() {
    let (of, mut store) = (Fingerprint::of(&["x"]), Memory::default());
    let lease = Lease::new(1);
    let year = 31_536_000_000_000_000_u64;
    let failure =
        |not_before| format!(r#""failure":{{"count":1,"not_before":{not_before},"at":0,"inputs":0}}"#);
    for text in [
        String::new(),
        "garbage".into(),
        "[".repeat(100_000),
        format!(r#"{{"holder":[7,{year}],"token":null,{}}}"#, failure(0)),
        format!(r#"{{"holder":null,"token":["a\r\nb",{year},0,0],{}}}"#, failure(0)),
        format!(r#"{{"holder":null,"token":["t",{year},0,0],{}}}"#, failure(0)),
        format!(r#"{{"holder":null,"token":["t",0,0,0],{}}}"#, failure(0)),
        format!(r#"{{"holder":null,"token":null,{}}}"#, failure(year)),
    ] {
        for bytes in [text.clone().into_bytes(), sealed(of, &text)] {
            store.values.insert(key(of), (bytes, 77));
            let seen = lease.read(of, &mut store, at(0));
            assert_eq!((&seen.token, seen.failure.not_before), (&None, 0), "{text:.60}");
            assert_eq!(lease.take(of, &seen, &mut store, at(0)), Taken::Won, "{text:.60}");
            lease.release(of, &mut store, at(0));
        }
    }
}

#[test]
fn a_token_that_is_not_this_records_own_is_not_believed() {
    let [of, other] = [Fingerprint::of(&["x"]), Fingerprint::of(&["y"])];
    let lease = Lease::new(1);
    let mut store = Memory::default();
    lease.publish_token(other, &held("theirs", 9_000), None, &mut store, at(0));
    let theirs = store.values[&key(other)].0.clone();
    let body = |bytes: &[u8]| String::from_utf8(bytes[64..].to_vec()).unwrap();
    let mut damaged = sealed(of, &body(&theirs));
    let last = damaged.iter().rposition(|byte| *byte == b't').unwrap();
    damaged[last] = b'x';
    for (name, bytes, token) in [
        ("another record's", theirs.clone(), None),
        ("without a seal", body(&theirs).into_bytes(), None),
        ("with another value's seal", [&sealed(of, "{}")[..64], &theirs[64..]].concat(), None),
        ("damaged", damaged, None),
        ("its own", sealed(of, &body(&theirs)), Some("theirs")),
    ] {
        store.values.insert(key(of), (bytes, 77));
        let read = lease.read(of, &mut store, at(0)).token;
        assert_eq!(read.as_ref().map(|token| token.value.expose()), token, "{name}");
    }
}

#[test]
fn the_shared_key_does_not_show_what_the_seal_is_made_of() {
    let of = Fingerprint::of(&["x"]);
    assert_ne!(key(of), key(Fingerprint::of(&["y"])));
    assert!(!key(of).contains(&of.to_string()));
    assert_ne!(seal(of, b"a"), seal(of, b"b"));
}

/// A VM over shared data, at a time in milliseconds.
struct Sharing {
    lease: Lease,
    tokens: Tokens,
}

impl Sharing {
    fn new(owner: u64) -> Self {
        Self { lease: Lease::new(owner), tokens: Tokens::default() }
    }

    fn get(&mut self, now: u64) -> Option<String> {
        match self.tokens.get(&definition("api://a"), at(now)) {
            Get::Token(token) => Some(token.expose().to_owned()),
            Get::Wait | Get::Unavailable(_) => None,
        }
    }

    fn calls(&mut self, store: &mut Memory, now: u64) -> usize {
        self.tokens.due(&self.lease, store, &mut NoInputs, at(now)).calls.len()
    }

    fn answer(&mut self, store: &mut Memory, now: u64) {
        let (of, answer) = (definition("api://a").fingerprint, token_answer("t", 3_600));
        self.tokens.answered(of, Ok(&answer), &self.lease, store, at(now), &mut Jitter::new(1));
    }
}

#[test]
fn a_vm_fetches_only_what_its_own_streams_use() {
    let (mut store, mut busy, mut idle) = (Memory::default(), Sharing::new(1), Sharing::new(2));
    let _ = busy.get(0);
    assert_eq!((idle.calls(&mut store, 0), busy.calls(&mut store, 0)), (0, 1));
    busy.answer(&mut store, 0);
    // Nor does it refresh what another VM's streams use, when that one does not.
    assert_eq!(idle.calls(&mut store, 3_500_000), 0);
}

#[test]
fn a_vm_that_nobody_wakes_finds_the_token_by_itself() {
    let (mut store, mut winner, mut other) = (Memory::default(), Sharing::new(1), Sharing::new(2));
    let _ = (winner.get(0), other.get(0));
    assert_eq!((winner.calls(&mut store, 0), other.calls(&mut store, 0)), (1, 0));
    winner.answer(&mut store, 100);
    assert_eq!((other.calls(&mut store, 250), other.get(250).as_deref()), (0, Some("t")));
}

#[test]
fn a_vm_that_starts_later_begins_warm() {
    let (mut store, mut first, mut later) = (Memory::default(), Sharing::new(1), Sharing::new(2));
    let _ = first.get(0);
    assert_eq!(first.calls(&mut store, 0), 1);
    first.answer(&mut store, 0);
    assert_eq!(later.get(60_000), None);
    assert_eq!((later.calls(&mut store, 60_000), later.get(60_000).as_deref()), (0, Some("t")));
}

#[test]
fn a_lease_lasts_for_one_call_and_a_second_and_a_waiter_outlives_a_dead_holder() {
    assert_eq!(LEASE, CALL_TIMEOUT + Duration::from_secs(1));
    let wait = crate::config::Configuration::parse(
        br#"{"operations":[{"match":{"path":{"prefix":"/"}},"anonymous":true}]}"#,
        &crate::environment::Environment::default(),
    );
    assert!(LEASE + CALL_TIMEOUT < wait.unwrap().wait);
}

#[test]
fn a_back_off_holds_for_all_vms() {
    let (of, mut store) = (Fingerprint::of(&["x"]), Memory::default());
    let failure = Failure { count: 2, not_before: at(5_000).monotonic.nanoseconds(), ..Failure::default() };
    Lease::new(1).publish_failure(of, failure, &mut store, at(0));
    assert_eq!(Lease::new(2).read(of, &mut store, at(0)).failure, failure);
}
