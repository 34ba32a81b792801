mod clock;
mod inputs;
mod lease;
mod model;
mod refused;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::rc::Rc;
use std::time::Duration;

use super::entry::Failure;
use super::lease::{Alone, Lease, Taken};
use super::testing::{Dice, Memory};
use super::{AssignedIdentity, Definition, Get, Imds, Inputs, Progress, Source, Target, Tokens};
use crate::calls::{Answer, CALL_TIMEOUT, CallFailure, Jitter, Unusable};
use crate::fingerprint::Fingerprint;
use crate::jwt::Random;
use crate::secret::SecretString;
use crate::time::{Monotonic, Now, UnixTime};

fn imds(identity: AssignedIdentity) -> Source {
    Source::Imds(Imds { cluster: "imds".into(), identity })
}

fn definition(resource: &str) -> Rc<Definition> {
    let target = Target::Resource(resource.into());
    Rc::new(Definition::new("gateway", imds(AssignedIdentity::System), &target).unwrap())
}

fn at(milliseconds: u64) -> Now {
    Now {
        monotonic: Monotonic::from_nanoseconds(milliseconds * 1_000_000),
        wall: UnixTime::from_seconds(1_800_000_000 + milliseconds / 1_000),
    }
}

fn token_answer(name: &str, life: u64) -> Answer {
    let body = format!(r#"{{"access_token":"{name}","expires_in":"{life}","token_type":"Bearer"}}"#);
    Answer { status: 200, retry_after: None, challenge: None, body: body.into_bytes() }
}

fn status(status: u16) -> Answer {
    Answer { status, retry_after: None, challenge: None, body: Vec::new() }
}

/// For sources that need nothing.
pub(super) struct NoInputs;

impl Inputs for NoInputs {
    fn secret(&mut self, _: Fingerprint, _: Now) -> Result<SecretString, Option<Duration>> {
        Err(None)
    }
}

impl Random for NoInputs {
    fn seed(&mut self) -> Option<[u8; 32]> {
        Some([7; 32])
    }
}

/// One VM that shares with nobody, and its clock in milliseconds.
struct Vm {
    tokens: Tokens,
    definition: Rc<Definition>,
    now: u64,
}

impl Vm {
    fn new() -> Self {
        Self { tokens: Tokens::default(), definition: definition("api://a"), now: 1_000_000 }
    }

    /// The token that a request gets now; `Err` with the seconds to wait, or with none while it waits.
    fn get(&mut self) -> Result<String, Option<u64>> {
        match self.tokens.get(&self.definition, at(self.now)) {
            Get::Token(token) => Ok(token.expose().to_owned()),
            Get::Wait => Err(None),
            Get::Unavailable(wait) => Err(Some(wait.as_secs())),
        }
    }

    fn calls(&mut self) -> usize {
        self.tokens.due(&Lease::new(1), &mut Alone, &mut NoInputs, at(self.now)).calls.len()
    }

    fn answer(&mut self, answer: &Answer) -> Progress {
        let (lease, mut jitter) = (Lease::new(1), Jitter::new(7));
        let of = self.definition.fingerprint;
        self.tokens.answered(of, Ok(answer), &lease, &mut Alone, at(self.now), &mut jitter).unwrap()
    }

    /// The milliseconds until a call is due, a request being made every 100 ms.
    fn until_call(&mut self, limit: u64) -> Option<u64> {
        let start = self.now;
        while self.now - start <= limit {
            let _ = self.get();
            if self.calls() == 1 {
                return Some(self.now - start);
            }
            self.now += 100;
        }
        None
    }
}

#[test]
fn one_call_serves_all_and_the_token_is_kept() {
    let mut vm = Vm::new();
    assert_eq!(vm.calls(), 0, "nobody has asked");
    for _ in 0..50 {
        assert_eq!(vm.get(), Err(None));
    }
    assert_eq!((vm.calls(), vm.calls()), (1, 0));
    assert_eq!(vm.answer(&token_answer("t1", 3_600)), Progress::Fetched { life: Duration::from_secs(3_600) });
    vm.now += 1_000_000;
    assert_eq!((vm.get(), vm.calls()), (Ok("t1".into()), 0));
}

#[test]
fn equal_definitions_share_a_token_and_others_never_do() {
    assert_eq!(definition("api://a").fingerprint, definition("api://a").fingerprint);
    assert_ne!(definition("api://a").fingerprint, definition("api://b").fingerprint);
    let of =
        |identity| Definition::new("x", imds(identity), &Target::Resource("r".into())).unwrap().fingerprint;
    let scope = Definition::new("y", imds(AssignedIdentity::System), &Target::Scope("r/.default".into()));
    assert_eq!(of(AssignedIdentity::System), scope.unwrap().fingerprint);
    assert_ne!(of(AssignedIdentity::ClientId("1".into())), of(AssignedIdentity::ObjectId("1".into())));
    assert_ne!(of(AssignedIdentity::ClientId("1".into())), of(AssignedIdentity::System));
}

#[test]
fn a_token_is_refreshed_at_the_time_that_its_life_says() {
    // (life in seconds, earliest and latest refresh in seconds)
    for (life, earliest, latest) in
        [(86_400, 38_880, 43_201), (3_600, 2_970, 3_301), (300, 135, 151), (12, 5, 7)]
    {
        let mut vm = Vm::new();
        let _ = (vm.get(), vm.calls(), vm.answer(&token_answer("t1", life)));
        let after = vm.until_call(life * 1_000).unwrap() / 1_000;
        assert!((earliest..=latest).contains(&after), "life {life} s: refreshed after {after} s");
        assert_eq!(vm.get(), Ok("t1".into()), "nobody waits for a refresh");
    }
}

#[test]
fn refresh_in_is_obeyed() {
    let mut vm = Vm::new();
    let _ = (vm.get(), vm.calls());
    let body = br#"{"access_token":"t1","expires_in":3600,"refresh_in":600}"#;
    vm.answer(&Answer { status: 200, retry_after: None, challenge: None, body: body.to_vec() });
    let after = vm.until_call(3_600_000).unwrap() / 1_000;
    assert!((540..=601).contains(&after), "{after}");
}

#[test]
fn a_failed_refresh_keeps_the_token_and_is_tried_again_not_sooner_than_after_30_s() {
    let mut vm = Vm::new();
    let _ = (vm.get(), vm.calls(), vm.answer(&token_answer("t1", 3_600)));
    vm.until_call(3_600_000).unwrap();
    for _ in 0..3 {
        vm.answer(&status(500));
        assert_eq!(vm.get(), Ok("t1".into()));
        let wait = vm.until_call(60_000).unwrap();
        assert!((30_000..=31_000).contains(&wait), "{wait}");
    }
}

#[test]
fn an_expired_token_is_never_given() {
    let mut vm = Vm::new();
    let _ = (vm.get(), vm.calls(), vm.answer(&token_answer("t1", 60)));
    vm.now += 59_999;
    assert_eq!(vm.get(), Ok("t1".into()));
    vm.now += 1;
    assert_eq!(vm.get(), Err(None));
}

#[test]
fn the_next_try_is_waited_for_while_it_is_near_and_a_longer_outage_is_not() {
    let mut vm = Vm::new();
    assert_eq!(vm.until_call(0), Some(0));
    let mut waits = Vec::new();
    for _ in 0..6 {
        vm.answer(&status(500));
        assert_eq!(vm.get(), Err(None), "a near try is waited for");
        waits.push(vm.until_call(60_000).unwrap());
    }
    for (wait, at_least) in waits.iter().zip([800, 1_000, 1_200, 1_000, 2_000, 4_000]) {
        assert!((at_least..=at_least * 6 / 5 + 100).contains(wait), "{waits:?}");
    }
    vm.answer(&status(500));
    assert!(matches!(vm.get(), Err(Some(7..=9))), "{:?}", vm.get());
    // It is tried again without anybody waiting, and the first good answer ends the outage.
    assert!(vm.until_call(60_000).is_some());
    vm.answer(&token_answer("t1", 3_600));
    assert_eq!(vm.get(), Ok("t1".into()));
}

#[test]
fn the_quick_tries_begin_when_a_token_ends_after_failed_refreshes() {
    let mut vm = Vm::new();
    let _ = (vm.get(), vm.calls(), vm.answer(&token_answer("t1", 3_600)));
    let mut calls = 0;
    while vm.get().is_ok() {
        if vm.until_call(1_000_000).is_some() && vm.get().is_ok() {
            vm.answer(&status(500));
            calls += 1;
        }
    }
    assert!(calls > 5, "{calls}");
    // The last call was made without a token.
    for quick in [800, 1_000, 1_200] {
        vm.answer(&status(500));
        let wait = vm.until_call(60_000).unwrap();
        assert!((quick..=quick * 6 / 5 + 100).contains(&wait), "{wait}");
    }
}

#[test]
fn a_vm_that_joins_an_outage_late_does_not_begin_the_quick_tries_again() {
    let (of, mut store) = (definition("api://a").fingerprint, Memory::default());
    let failure = Failure { count: 8, not_before: at(1_000).monotonic.nanoseconds(), ..Failure::default() };
    Lease::new(1).publish_failure(of, failure, &mut store, at(0));
    let (lease, mut late, definition) = (Lease::new(2), Tokens::default(), definition("api://a"));
    let _ = late.get(&definition, at(2_000));
    assert_eq!(late.due(&lease, &mut store, &mut NoInputs, at(2_000)).calls.len(), 1);
    late.answered(of, Ok(&status(500)), &lease, &mut store, at(2_000), &mut Jitter::new(1));
    assert!(matches!(late.get(&definition, at(2_000)), Get::Unavailable(wait) if wait.as_secs() >= 30));
}

#[test]
fn a_permanent_error_is_told_at_once_and_tried_again_after_a_minute() {
    let mut vm = Vm::new();
    vm.until_call(0);
    vm.answer(&status(400));
    assert!(matches!(vm.get(), Err(Some(60..=72))));
    let wait = vm.until_call(90_000).unwrap();
    assert!((60_000..=72_100).contains(&wait), "{wait}");
}

#[test]
fn what_may_heal_is_tried_again_soon_and_what_cannot_is_not() {
    for (code, soon) in [
        (400, false),
        (401, false),
        (403, false),
        (405, false),
        (404, true),
        (408, true),
        (410, true),
        (429, true),
        (500, true),
        (502, true),
        (503, true),
        (504, true),
        (302, true),
    ] {
        let mut vm = Vm::new();
        vm.until_call(0);
        assert_eq!(vm.answer(&status(code)), Progress::Failed(CallFailure::Status(code)));
        assert_eq!(vm.until_call(2_000).is_some(), soon, "{code}");
    }
}

#[test]
fn ten_thousand_callers_after_the_refresh_point_cause_one_refresh_and_get_the_old_token() {
    let mut vm = Vm::new();
    let _ = (vm.get(), vm.calls(), vm.answer(&token_answer("t1", 86_400)));
    vm.now += 50_000_000;
    let mut calls = 0;
    for _ in 0..10_000 {
        assert_eq!(vm.get(), Ok("t1".into()));
        calls += vm.calls();
    }
    assert_eq!(calls, 1);
    vm.answer(&token_answer("t2", 86_400));
    assert_eq!((vm.get(), vm.calls()), (Ok("t2".into()), 0));
}

#[test]
fn retry_after_is_obeyed() {
    let mut vm = Vm::new();
    vm.until_call(0);
    vm.answer(&Answer {
        status: 429,
        retry_after: Some("20".into()),
        challenge: None,
        body: b"Too Many Requests".to_vec(),
    });
    assert_eq!(vm.get(), Err(Some(20)), "nobody waits for what will not come");
    assert_eq!(vm.until_call(60_000), Some(20_000));
}

#[test]
fn the_same_token_again_counts_as_a_failure_and_is_not_asked_for_in_a_loop() {
    let mut vm = Vm::new();
    let _ = (vm.get(), vm.calls(), vm.answer(&token_answer("t1", 86_400)));
    vm.until_call(86_400_000).unwrap();
    let again = vm.answer(&token_answer("t1", 43_200));
    assert_eq!(again, Progress::Failed(CallFailure::Unusable(Unusable::NotFresher)));
    let wait = vm.until_call(86_400_000).unwrap() / 1_000;
    assert!(wait > 3_600, "asked again after {wait} s of twelve hours");
}

#[test]
fn a_token_that_nobody_uses_is_not_refreshed_and_its_record_ends() {
    let mut vm = Vm::new();
    let _ = (vm.get(), vm.calls(), vm.answer(&token_answer("t1", 86_400)));
    vm.now += 50_000_000;
    assert_eq!(vm.calls(), 0);
    assert_eq!(vm.tokens.records.len(), 1);
    vm.now += 86_400_000;
    assert_eq!(vm.calls(), 0);
    assert_eq!(vm.tokens.records.len(), 0);
}
