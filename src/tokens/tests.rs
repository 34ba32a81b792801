mod clock;
mod refused;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::lease::{Alone, Failure, LEASE, Lease, SharedStore, Taken, Token, Version};
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
fn a_lease_counts_for_a_vm_whose_clock_was_read_a_little_earlier() {
    let (of, mut store) = (Fingerprint::of(&["x"]), Memory::default());
    let seen = Lease::new(1).read(of, &mut store, at(5));
    assert_eq!(Lease::new(1).take(of, &seen, &mut store, at(5)), Taken::Won);
    let seen = Lease::new(2).read(of, &mut store, at(0));
    assert!(matches!(Lease::new(2).take(of, &seen, &mut store, at(0)), Taken::Other(_)));
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

/// Shared data of one Envoy: values with versions, as its host keeps them.
#[derive(Default)]
struct Memory {
    values: BTreeMap<String, (Vec<u8>, u32)>,
    last_version: u32,
    wakes: usize,
    /// Whether somebody else's VM takes the lease just before the next write.
    rival: Option<Fingerprint>,
}

impl SharedStore for Memory {
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.values.get(key).map(|(value, version)| (value.clone(), Version(*version)))
    }

    fn compare_and_set(&mut self, key: &str, value: &[u8], version: Version) -> bool {
        if let Some(of) = self.rival.take() {
            let seen = Lease::new(99).read(of, self, at(0));
            assert_eq!(Lease::new(99).take(of, &seen, self, at(0)), Taken::Won);
        }
        // The host ignores the version where there is no value.
        if self.values.get(key).is_some_and(|(_, current)| Version(*current) != version) {
            return false;
        }
        self.last_version += 1;
        self.values.insert(key.to_owned(), (value.to_vec(), self.last_version));
        true
    }

    fn wake_others(&mut self) {
        self.wakes += 1;
    }
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

#[test]
fn what_somebody_else_wrote_does_no_harm() {
    let (of, mut store) = (Fingerprint::of(&["x"]), Memory::default());
    let lease = Lease::new(1);
    lease.release(of, &mut store, at(0));
    let key = store.values.keys().next().unwrap().clone();
    let good = String::from_utf8(store.values[&key].0.clone()).unwrap();
    let year = 31_536_000_000_000_000_u64;
    let failure =
        |not_before| format!(r#""failure":{{"count":1,"not_before":{not_before},"at":0,"inputs":0}}"#);
    for text in [
        String::new(),
        "garbage".into(),
        "[".repeat(100_000),
        good.replace("\"format\":3", "\"format\":2"),
        format!(r#"{{"format":3,"holder":[7,{year}],"token":null,{}}}"#, failure(0)),
        format!(r#"{{"format":3,"holder":null,"token":["a\r\nb",{year},0,0],{}}}"#, failure(0)),
        format!(r#"{{"format":3,"holder":null,"token":["t",{year},0,0],{}}}"#, failure(0)),
        format!(r#"{{"format":3,"holder":null,"token":["t",0,0,0],{}}}"#, failure(0)),
        format!(r#"{{"format":3,"holder":null,"token":null,{}}}"#, failure(year)),
    ] {
        store.values.insert(key.clone(), (text.clone().into_bytes(), 77));
        let seen = lease.read(of, &mut store, at(0));
        assert_eq!((&seen.token, seen.failure.not_before), (&None, 0), "{text:.60}");
        assert_eq!(lease.take(of, &seen, &mut store, at(0)), Taken::Won, "{text:.60}");
        lease.release(of, &mut store, at(0));
    }
}

#[test]
fn a_back_off_holds_for_all_vms() {
    let (of, mut store) = (Fingerprint::of(&["x"]), Memory::default());
    let failure = Failure { count: 2, not_before: at(5_000).monotonic.nanoseconds(), ..Failure::default() };
    Lease::new(1).publish_failure(of, failure, &mut store, at(0));
    assert_eq!(Lease::new(2).read(of, &mut store, at(0)).failure, failure);
}

/// Random numbers for the model below; the seed is printed when it fails.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A call under way: the VM that made it, and when it times out.
struct Flight {
    vm: usize,
    until: u64,
}

/// Several VMs over one store, with calls that end well, badly or late, VMs that die, and lost wake-ups.
struct World {
    store: Memory,
    vms: Vec<(Lease, Tokens)>,
    flights: Vec<Flight>,
    now: u64,
    issued: u64,
    /// When each issued token ends, in milliseconds.
    ends: BTreeMap<String, u64>,
    definition: Rc<Definition>,
}

impl World {
    fn new(vms: u64) -> Self {
        let vms = (0..vms).map(|owner| (Lease::new(owner + 1), Tokens::default())).collect();
        let (store, flights, ends) = (Memory::default(), Vec::new(), BTreeMap::new());
        Self { store, vms, flights, now: 50_000, issued: 0, ends, definition: definition("api://a") }
    }

    fn request(&mut self, vm: usize) -> bool {
        match self.vms[vm].1.get(&self.definition, at(self.now)) {
            Get::Token(token) => {
                assert!(self.now < self.ends[token.expose()], "an expired token was given");
                true
            }
            _ => false,
        }
    }

    fn tick(&mut self, vm: usize) {
        let (lease, tokens) = &mut self.vms[vm];
        for _ in tokens.due(lease, &mut self.store, &mut NoInputs, at(self.now)).calls {
            self.flights.push(Flight { vm, until: self.now + CALL_TIMEOUT.as_millis() as u64 });
        }
        assert!(self.flights.len() <= 1, "two token requests at a time");
    }

    fn end(&mut self, flight: Flight, answer: &Answer, dice: &mut Dice) {
        let mut jitter = Jitter::new(dice.roll(1 << 30));
        let (lease, tokens) = &mut self.vms[flight.vm];
        tokens.answered(
            self.definition.fingerprint,
            Ok(answer),
            lease,
            &mut self.store,
            at(self.now),
            &mut jitter,
        );
    }

    fn answer(&mut self, dice: &mut Dice) {
        let Some(flight) = self.flights.pop() else { return };
        let answer = match dice.roll(4) {
            0 => status(500),
            _ => {
                self.issued += 1;
                let (name, life) = (format!("t{}", self.issued), 1 + dice.roll(20));
                self.ends.insert(name.clone(), self.now + life * 1_000);
                token_answer(&name, life)
            }
        };
        self.end(flight, &answer, dice);
    }

    fn advance(&mut self, milliseconds: u64, dice: &mut Dice) {
        self.now += milliseconds;
        while let Some(index) = self.flights.iter().position(|flight| flight.until <= self.now) {
            let flight = self.flights.remove(index);
            self.end(flight, &status(504), dice);
        }
    }

    /// A VM dies with its memory; its call goes on somewhere, but nobody hears the answer.
    fn die(&mut self, vm: usize, dice: &mut Dice) {
        self.flights.retain(|flight| flight.vm != vm);
        self.vms[vm] = (Lease::new(1_000 + dice.roll(1 << 30)), Tokens::default());
    }

    fn wake(&mut self, vm: usize) {
        let (lease, tokens) = &mut self.vms[vm];
        tokens.look(lease, &mut self.store, at(self.now));
    }
}

#[test]
fn in_random_histories_there_is_one_call_at_a_time_no_expired_token_and_always_a_way_on() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut world = World::new(1 + dice.roll(4));
        let vms = world.vms.len() as u64;
        for _ in 0..300 {
            let vm = dice.roll(vms) as usize;
            match dice.roll(12) {
                0..=3 => {
                    world.request(vm);
                }
                4..=6 => world.tick(vm),
                7 => world.answer(&mut dice),
                8 | 9 => world.advance(dice.roll(3_000), &mut dice),
                10 => world.wake(vm),
                _ => world.die(vm, &mut dice),
            }
        }
        // Whatever happened: with an endpoint that answers, every VM has a token within a minute.
        for vm in 0..world.vms.len() {
            let served = (0..600).any(|_| {
                let served = world.request(vm);
                (0..world.vms.len()).for_each(|vm| world.tick(vm));
                if let Some(flight) = world.flights.pop() {
                    let name = format!("last{}.{}", vm, world.now);
                    world.ends.insert(name.clone(), world.now + 600_000);
                    world.end(flight, &token_answer(&name, 600), &mut dice);
                }
                world.advance(100, &mut dice);
                served
            });
            assert!(served, "seed {seed}: VM {vm} never got a token");
        }
    }
}

#[test]
fn a_root_that_goes_away_lets_go_of_its_call_and_lease() {
    let mut world = World::new(2);
    world.request(0);
    world.tick(0);
    assert_eq!(world.flights.len(), 1);
    world.flights.clear();
    let (lease, tokens) = &mut world.vms[0];
    tokens.lost(world.definition.fingerprint, lease, &mut world.store, at(world.now));
    world.tick(0);
    assert_eq!(world.flights.len(), 1, "the call is made again at once");
}
