//! Unknown `kid`s: what they cause, and what they do not.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn an_unknown_kid_waits_for_one_refetch_however_many_requests_ask() {
    let mut vm = Vm::loaded();
    vm.publish(&[TestKey::p256().jwk("k2")]);
    for _ in 0..100 {
        assert_eq!(vm.find(Some("k2")), "waits");
    }
    assert_eq!(vm.due().len(), 1);
    assert_eq!(vm.find(Some("k2")), "waits");
    assert!(vm.due().is_empty());
}

#[test]
fn a_refetch_brings_the_keys_of_a_rotation_and_drops_the_old_ones() {
    let mut vm = Vm::loaded();
    vm.publish(&[TestKey::p256().jwk("k2")]);
    assert_eq!(vm.search("k2"), "found");
    assert_eq!(vm.find(Some("k1")), "waits");
    assert_eq!(vm.asked, [DISCOVERY, JWKS, JWKS]);
}

#[test]
fn three_refetches_at_once_and_then_one_in_thirty_seconds() {
    let mut vm = Vm::loaded();
    let unknown: Vec<String> = (0..100).map(|index| format!("unknown-{index}")).collect();
    for key_id in &unknown {
        assert_eq!(vm.search(key_id), "not found");
    }
    assert_eq!(vm.asked_for(JWKS), 1 + 3);
    vm.advance(REFETCH_INTERVAL - Duration::from_millis(1));
    assert_eq!(vm.search("before"), "not found");
    assert_eq!(vm.asked_for(JWKS), 1 + 3);
    vm.advance(Duration::from_millis(1));
    assert_eq!(vm.search("after"), "not found");
    assert_eq!(vm.search("another"), "not found");
    assert_eq!(vm.asked_for(JWKS), 1 + 4);
}

#[test]
fn one_issuers_refetches_are_not_anothers() {
    let mut vm = Vm::loaded();
    for index in 0..10 {
        vm.search(&format!("unknown-{index}"));
    }
    let other = definition("other.example", &[]);
    vm.discovery(json!({"issuer": "https://other.example", "jwks_uri": "https://other.example/jwks"}));
    vm.keys.install(&other, &vm.verifier);
    vm.pump();
    let before = vm.asked_for(JWKS);
    let lookup =
        vm.keys.key(&other, "https://other.example", Some("k9"), Algorithm::Es256, &vm.verifier, vm.now);
    assert!(matches!(lookup, Lookup::Wait));
    vm.pump();
    assert_eq!(vm.asked_for(JWKS), before + 1);
}

#[test]
fn with_the_budget_spent_an_unknown_kid_is_refused_at_once_and_known_ones_serve() {
    let mut vm = Vm::loaded();
    for index in 0..4 {
        vm.search(&format!("unknown-{index}"));
    }
    assert_eq!(vm.find(Some("one-more")), "not found");
    assert_eq!(vm.find(Some("k1")), "found");
    assert!(vm.due().is_empty());
}

#[test]
fn a_kid_that_was_not_found_is_refused_for_five_minutes_and_spends_nothing() {
    let mut vm = Vm::loaded();
    for _ in 0..1_000 {
        assert_eq!(vm.search("unknown"), "not found");
    }
    assert_eq!(vm.asked_for(JWKS), 2);
    assert_eq!(vm.search("another"), "not found");
    vm.seconds(299);
    assert_eq!(vm.search("a third"), "not found");
    assert_eq!(vm.find(Some("unknown")), "not found", "also after other refetches");
    assert_eq!(vm.asked_for(JWKS), 4);
    vm.seconds(1);
    assert_eq!(vm.find(Some("unknown")), "waits");
}

#[test]
fn a_kid_that_a_later_set_brings_is_found_though_it_was_not_before() {
    let mut vm = Vm::loaded();
    assert_eq!(vm.search("k2"), "not found");
    vm.publish(&[TestKey::p256().jwk("k2")]);
    assert_eq!(vm.search("k3"), "not found");
    assert_eq!(vm.find(Some("k2")), "found");
}

#[test]
fn kids_that_were_not_found_are_remembered_within_bounds_and_long_ones_never() {
    let mut vm = Vm::loaded();
    assert_eq!(vm.find(Some(&"k".repeat(257))), "not found");
    assert_eq!(vm.find(Some(&"k".repeat(256))), "waits");
    for round in 0..20 {
        for index in 0..2_000 {
            let _ = vm.find(Some(&format!("unknown-{round}-{index}")));
        }
        let kept = vm.keys.records.values().map(|record| record.unknown_key_ids()).sum::<usize>();
        assert!((1..=2 * 1_024).contains(&kept), "{kept}");
        vm.pump();
        vm.seconds(30);
    }
}

#[test]
fn a_kid_seen_while_a_call_is_under_way_is_looked_for_again_afterwards() {
    let mut vm = Vm::loaded();
    assert_eq!(vm.find(Some("k2")), "waits");
    let due = vm.due();
    assert_eq!(vm.find(Some("k3")), "waits");
    let body = json!({"keys": [TestKey::p256().jwk("k1")]}).to_string().into_bytes();
    vm.take(due[0].0, Ok(&Answer { status: 200, retry_after: None, challenge: None, body }));
    assert_eq!(vm.find(Some("k2")), "not found");
    vm.publish(&[TestKey::p256().jwk("k3")]);
    assert_eq!(vm.search("k3"), "found");
}

#[test]
fn unknown_kids_that_come_together_share_one_refetch_of_the_budget() {
    let mut vm = Vm::loaded();
    for index in 0..10 {
        assert_eq!(vm.find(Some(&format!("unknown-{index}"))), "waits");
    }
    vm.pump();
    assert_eq!((vm.find(Some("unknown-9")), vm.asked_for(JWKS)), ("not found", 2));
    assert_eq!((vm.search("b"), vm.search("c"), vm.asked_for(JWKS)), ("not found", "not found", 4));
}

#[test]
fn after_a_failed_refetch_an_unknown_kid_is_told_to_come_again_and_a_known_one_serves() {
    let mut vm = Vm::loaded();
    vm.answer(JWKS, 500, "");
    assert_eq!(vm.search("k2"), "unavailable");
    assert_eq!((vm.find(Some("k3")), vm.find(Some("k1"))), ("unavailable", "found"));
    vm.publish(&[TestKey::p256().jwk("k2")]);
    vm.seconds(40);
    assert_eq!(vm.search("k2"), "found");
}
