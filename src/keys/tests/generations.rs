//! What is verified holds as long as the keys that verified it.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn a_key_is_made_ready_once_and_not_for_each_token() {
    let mut vm = Vm::loaded();
    for _ in 0..100 {
        assert_eq!(vm.find(Some("k1")), "found");
    }
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!(vm.verifier.prepared.get(), 1);
}

#[test]
fn a_set_with_the_same_bytes_changes_nothing() {
    let mut vm = Vm::loaded();
    let generation = vm.generation();
    for _ in 0..5 {
        vm.advance(REFRESH);
        vm.pump();
    }
    assert_eq!(vm.asked_for(JWKS), 6);
    assert_eq!((vm.generation(), vm.verifier.prepared.get()), (generation, 1));
}

#[test]
fn a_set_with_other_bytes_is_a_generation_that_no_set_of_the_vm_had_before() {
    let mut vm = Vm::loaded();
    let other = definition("other.example", &[]);
    vm.keys.install(&other, &vm.verifier);
    let mut seen = vec![vm.generation().unwrap()];
    let key = TestKey::p256();
    for round in 0..10 {
        vm.discovery(json!({"issuer": ISSUER, "jwks_uri": "https://idp.example/jwks"}));
        vm.publish(&[key.jwk("k1"), json!({ "round": round })]);
        vm.advance(REFRESH);
        for (of, path) in vm.due() {
            let host = if of == other.fingerprint { "other.example" } else { "idp.example" };
            let issuer = format!("https://{host}");
            assert!(path.ends_with(DISCOVERY));
            let body = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")}).to_string();
            vm.take(
                of,
                Ok(&Answer { status: 200, retry_after: None, challenge: None, body: body.into_bytes() }),
            );
        }
        vm.pump();
        seen.push(vm.generation().unwrap());
        seen.push(vm.keys.generation(&other, vm.now).unwrap());
    }
    let count = seen.len();
    seen.sort_unstable_by_key(|generation| format!("{generation:?}"));
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn an_issuer_that_changes_its_name_begins_a_generation() {
    let mut vm = Vm::loaded();
    let generation = vm.generation();
    vm.discovery(json!({"issuer": format!("{ISSUER}/"), "jwks_uri": "https://idp.example/jwks"}));
    vm.advance(REFRESH);
    vm.pump();
    assert_ne!(vm.generation(), generation);
    let mut is_issuer =
        |issuer: &str| vm.keys.is_issuer(&vm.definition, issuer, &vm.verifier, vm.now) == Lookup::Found(());
    assert!(is_issuer("https://idp.example/"));
    assert!(!is_issuer("https://idp.example"));
}
