//! When documents are fetched, and how long they serve.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn the_discovery_document_is_fetched_first_and_then_the_key_set_that_it_names() {
    let mut vm = Vm::new();
    assert_eq!(vm.find(Some("k1")), "waits");
    vm.pump();
    assert_eq!(vm.asked, [DISCOVERY, JWKS]);
    assert_eq!(vm.progress, [Progress::Discovered, Progress::Loaded { dropped: 0 }]);
    assert_eq!(vm.find(Some("k1")), "found");
}

#[test]
fn both_are_kept_and_fetched_again_before_they_are_an_hour_old() {
    let mut vm = Vm::loaded();
    vm.advance(REFRESH.mul_f64(0.89));
    vm.pump();
    assert_eq!(vm.asked, [DISCOVERY, JWKS]);
    vm.advance(REFRESH.mul_f64(0.11));
    vm.pump();
    assert_eq!(vm.asked, [DISCOVERY, JWKS, DISCOVERY, JWKS]);
}

#[test]
fn nobody_waits_for_a_refresh() {
    let mut vm = Vm::loaded();
    vm.advance(REFRESH);
    assert_eq!(vm.find(Some("k1")), "found");
    let _under_way = vm.due();
    assert_eq!(vm.find(Some("k1")), "found");
}

#[test]
fn a_refresh_follows_a_key_set_that_moves() {
    let mut vm = Vm::loaded();
    vm.discovery(json!({"issuer": ISSUER, "jwks_uri": "https://idp.example/new"}));
    vm.answer("/new", 200, &json!({"keys": [TestKey::p256().jwk("k2")]}).to_string());
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!((vm.find(Some("k2")), vm.asked.last().unwrap().as_str()), ("found", "/new"));
}

#[test]
fn a_failed_refresh_keeps_the_last_good_set_for_a_day() {
    for (path, status, body) in [
        (DISCOVERY, 500, ""),
        (DISCOVERY, 200, "<html>"),
        (DISCOVERY, 302, ""),
        (JWKS, 503, ""),
        (JWKS, 200, "{}"),
        (JWKS, 200, r#"{"keys": []}"#),
        (JWKS, 307, ""),
    ] {
        let mut vm = Vm::loaded();
        let generation = vm.generation();
        vm.answer(path, status, body);
        vm.advance(MAX_AGE - Duration::from_secs(1));
        vm.pump();
        assert!(matches!(vm.progress.last(), Some(Progress::Failed(_))), "{path} {status}");
        assert_eq!((vm.find(Some("k1")), vm.generation()), ("found", generation), "{path} {status}");
        vm.seconds(1);
        assert_ne!(vm.find(Some("k1")), "found", "{path} {status}");
        assert_eq!(vm.generation(), None);
    }
}

#[test]
fn a_failed_refresh_is_tried_again_after_thirty_seconds_at_the_earliest() {
    let mut vm = Vm::loaded();
    vm.answer(DISCOVERY, 500, "");
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!(vm.asked_for(DISCOVERY), 2);
    vm.seconds(29);
    vm.pump();
    assert_eq!(vm.asked_for(DISCOVERY), 2);
    vm.seconds(31);
    vm.pump();
    assert_eq!(vm.asked_for(DISCOVERY), 3);
}

#[test]
fn before_the_first_set_a_request_waits_for_a_try_that_is_near_and_for_no_later_one() {
    let mut vm = Vm::new();
    vm.answer(DISCOVERY, 500, "");
    let mut seen = Vec::new();
    for _ in 0..60 {
        vm.pump();
        seen.push(vm.find(Some("k1")));
        vm.seconds(1);
    }
    assert_eq!(seen[0], "waits");
    assert!(seen.contains(&"unavailable"), "{seen:?}");
    assert!(vm.asked.len() < 15, "{}", vm.asked.len());
}

#[test]
fn a_call_whose_answer_never_comes_is_made_again_at_once() {
    let mut vm = Vm::loaded();
    assert_eq!(vm.find(Some("k2")), "waits");
    let due = vm.due();
    vm.keys.lost(due[0].0);
    vm.publish(&[TestKey::p256().jwk("k2")]);
    assert_eq!(vm.search("k2"), "found");
}

#[test]
fn keys_on_demand_are_fetched_when_a_token_asks_or_another_configuration_wants_them_at_once() {
    let on_demand = || {
        let definition = Rc::try_unwrap(definition("idp.example", &[])).unwrap();
        Rc::new(definition.on_demand())
    };
    for at_once in [false, true] {
        let mut vm = Vm::new();
        vm.keys = Keys::default();
        let lazy = on_demand();
        vm.keys.install(&lazy, &vm.verifier);
        vm.pump();
        vm.advance(REFRESH);
        vm.pump();
        assert!(vm.asked.is_empty(), "nobody has asked");
        match at_once {
            true => vm.keys.install(&vm.definition, &vm.verifier),
            false => drop(vm.keys.is_issuer(&lazy, ISSUER, &vm.verifier, vm.now)),
        }
        vm.pump();
        vm.advance(REFRESH);
        vm.pump();
        assert_eq!(vm.asked, [DISCOVERY, JWKS, DISCOVERY, JWKS], "and refreshed from then on");
    }
}

#[test]
fn keys_are_refreshed_for_a_later_configuration_that_meets_remembered_tokens_alone() {
    let mut vm = Vm::loaded();
    let later = definition("idp.example", &[]);
    vm.keys.install(&later, &vm.verifier);
    vm.definition = later;
    assert!(vm.generation().is_some());
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!(vm.asked_for(JWKS), 2);
}

#[test]
fn a_refresh_comes_up_to_a_tenth_sooner_so_that_workers_do_not_act_in_step() {
    let mut seen = Vec::new();
    for seed in 0..40 {
        let mut vm = Vm::new();
        vm.jitter = Jitter::new(seed);
        vm.pump();
        let mut age = Duration::ZERO;
        while vm.due().is_empty() {
            vm.seconds(10);
            age += Duration::from_secs(10);
        }
        seen.push(age);
    }
    let (soonest, latest) = (seen.iter().min().unwrap(), seen.iter().max().unwrap());
    assert!(*soonest >= REFRESH.mul_f64(0.9) && *soonest < REFRESH.mul_f64(0.93), "{soonest:?}");
    assert!(*latest <= REFRESH && *latest > REFRESH.mul_f64(0.97), "{latest:?}");
}

impl Vm {
    /// A configuration without the issuer takes the place of this one.
    fn retire(&mut self) {
        self.definition = definition("other.example", &[]);
    }
}

#[test]
fn keys_that_no_configuration_has_any_more_are_kept_while_they_serve_and_never_fetched() {
    let mut vm = Vm::loaded();
    vm.retire();
    assert!(vm.due().is_empty());
    vm.advance(MAX_AGE - Duration::from_secs(1));
    assert!(vm.due().is_empty());
    assert_eq!(vm.keys.records.len(), 1);
    vm.seconds(1);
    assert!(vm.due().is_empty());
    assert!(vm.keys.records.is_empty());
}

#[test]
fn what_no_configuration_has_any_more_is_kept_for_the_answer_that_is_on_its_way() {
    let mut vm = Vm::new();
    let under_way = vm.due();
    vm.retire();
    assert!(vm.due().is_empty());
    assert_eq!(vm.keys.records.len(), 1);
    vm.take(under_way[0].0, Err(CallFailure::Status(500)));
    assert!(vm.due().is_empty());
    assert!(vm.keys.records.is_empty());
}

#[test]
fn keys_of_a_configuration_end_with_it() {
    let mut vm = Vm::new();
    let source = Source::Configured { issuer: ISSUER.to_owned(), keys: Vec::new(), digest: String::new() };
    let configured = Rc::new(Definition::new("offline", vec![Algorithm::Es256], source));
    vm.keys.install(&configured, &vm.verifier);
    let _due = vm.due();
    assert_eq!((vm.keys.records.len(), vm.keys.name(configured.fingerprint)), (2, "offline"));
    let fingerprint = configured.fingerprint;
    drop(configured);
    let _due = vm.due();
    assert_eq!((vm.keys.records.len(), vm.keys.name(fingerprint)), (1, ""));
}

#[test]
fn the_age_that_is_shown_is_that_of_the_oldest_set_of_an_issuer() {
    let mut vm = Vm::new();
    assert!(vm.keys.ages(vm.now).is_empty());
    vm.pump();
    vm.seconds(100);
    // The same name, another host.
    let other = definition("other.example", &[]);
    vm.discovery(json!({"issuer": "https://other.example", "jwks_uri": "https://other.example/jwks"}));
    vm.keys.install(&other, &vm.verifier);
    vm.pump();
    vm.seconds(7);
    assert_eq!(vm.keys.ages(vm.now), litemap::LiteMap::from_iter([("partner", Duration::from_secs(107))]));
}
