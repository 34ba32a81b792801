//! Which documents, and which keys in them, are believed.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[test]
fn without_a_kid_exactly_one_key_must_fit_the_algorithm() {
    let mut vm = Vm::new();
    vm.publish(&[TestKey::p256().jwk("k1"), TestKey::rsa().jwk("k2")]);
    vm.pump();
    assert_eq!(vm.find_for(None, Algorithm::Es256), "found");
    assert_eq!(vm.find_for(None, Algorithm::Rs256), "found");
    assert_eq!(vm.find_for(None, Algorithm::Es384), "not found");
    vm.publish(&[TestKey::p256().jwk("k1"), TestKey::p256().jwk("k2")]);
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!(vm.find_for(None, Algorithm::Es256), "not found");
    assert!(vm.due().is_empty(), "a token without kid causes no refetch");
}

#[test]
fn weak_and_odd_keys_are_dropped_and_counted() {
    let good = TestKey::p256().jwk("good");
    let odd = |kid: &str, member: &str, value: Value| {
        let mut key = good.clone();
        key["kid"] = json!(kid);
        key[member] = value;
        key
    };
    let rsa = |kid: &str, modulus: usize, exponent: &[u8]| json!({"kty": "RSA", "kid": kid, "n": encode(vec![0xff; modulus]), "e": encode(exponent)});
    let bad = [
        rsa("1024 bits", 128, &[1, 0, 1]),
        rsa("2040 bits", 255, &[1, 0, 1]),
        rsa("8200 bits", 1_025, &[1, 0, 1]),
        rsa("exponent 1", 256, &[1]),
        rsa("even exponent", 256, &[1, 0, 0]),
        rsa("exponent 0", 256, &[0]),
        odd("for encryption", "use", json!("enc")),
        odd("an unknown use", "use", json!("tls")),
        odd("to encrypt", "key_ops", json!(["encrypt"])),
        odd("to sign", "key_ops", json!(["sign"])),
        odd("operations twice", "key_ops", json!(["verify", "verify"])),
        odd("of another algorithm", "alg", json!("ES384")),
        odd("of no algorithm", "alg", json!("none")),
        odd("symmetric algorithm", "alg", json!("HS256")),
        odd("private", "d", json!("AAAA")),
        odd("off the curve", "y", good["x"].clone()),
        odd("short", "x", json!("AAAA")),
        odd("short in the other coordinate", "y", json!("AAAA")),
        odd("another curve", "crv", json!("secp256k1")),
        odd("another issuer", "issuer", json!("https://other.example")),
        odd("duplicate", "use", json!("sig")),
        odd("duplicate", "use", json!("sig")),
        json!({"kty": "oct", "kid": "symmetric", "k": encode([7; 32]), "alg": "HS256"}),
        json!({"kty": "oct", "kid": "symmetric as RS256", "k": encode([7; 32]), "alg": "RS256"}),
        json!({"kid": "without kty"}),
        json!(null),
        json!("text"),
    ];
    let mut vm = Vm::new();
    let mut keys = bad.to_vec();
    keys.push(good.clone());
    vm.publish(&keys);
    vm.pump();
    assert_eq!(vm.dropped(), bad.len());
    assert_eq!(vm.find(Some("good")), "found");
    for key in &bad {
        if let Some(key_id) = key.get("kid").and_then(Value::as_str) {
            vm.advance(REFETCH_INTERVAL);
            assert_eq!(vm.search(key_id), "not found", "{key_id}");
        }
    }
}

#[test]
fn certificates_and_thumbprints_beside_a_key_are_not_looked_at() {
    let mut vm = Vm::new();
    let mut key = TestKey::p256().jwk("k1");
    key["x5c"] = json!(["bm90IGEgY2VydGlmaWNhdGU="]);
    key["x5t"] = json!("another");
    key["x5u"] = json!("https://evil.example/");
    vm.publish(&[key]);
    vm.pump();
    assert_eq!(vm.find(Some("k1")), "found");
    assert_eq!(vm.asked, [DISCOVERY, JWKS]);
}

#[test]
fn a_set_of_nothing_but_bad_keys_is_a_failure() {
    let mut vm = Vm::new();
    vm.publish(&[json!({"kty": "oct", "k": "AAAA"})]);
    vm.pump();
    assert_eq!(vm.progress.last(), Some(&Progress::Failed(CallFailure::Unusable(Unusable::NoKeys))));
}

#[test]
fn the_first_hundred_keys_of_a_set_are_used_and_the_others_dropped() {
    let mut vm = Vm::new();
    let key = TestKey::p256();
    let keys: Vec<_> = (0..10_000).map(|index| key.jwk(&index.to_string())).collect();
    vm.publish(&keys);
    vm.pump();
    assert_eq!(vm.dropped(), 9_900);
    assert_eq!(vm.verifier.prepared.get(), 100);
    assert_eq!((vm.find(Some("99")), vm.search("100")), ("found", "not found"));
}

#[test]
fn keys_are_fetched_by_https_alone_and_from_no_host_that_is_not_configured() {
    for (jwks_uri, is_fetched) in [
        ("https://idp.example/jwks", true),
        ("https://IDP.example/jwks", true),
        ("https://keys.example/jwks", true),
        ("http://idp.example/jwks", false),
        ("http://keys.example/jwks", false),
        ("https://evil.example/jwks", false),
        ("https://idp.example.evil.example/jwks", false),
        ("https://evil.example@idp.example/jwks", false),
        ("https://idp.example:8443/jwks", false),
        ("//idp.example/jwks", false),
        ("/jwks", false),
        ("file:///jwks", false),
        ("", false),
    ] {
        let mut vm = Vm::with_hosts(&[("keys.example", "keys")]);
        vm.discovery(json!({"issuer": ISSUER, "jwks_uri": jwks_uri}));
        vm.pump();
        assert_eq!(vm.find(Some("k1")) == "found", is_fetched, "{jwks_uri}");
        assert_eq!(vm.asked_for(JWKS), usize::from(is_fetched), "{jwks_uri}");
    }
}

#[test]
fn a_redirect_is_a_failure_wherever_it_leads() {
    for path in [DISCOVERY, JWKS] {
        for status in [301, 302, 303, 307, 308] {
            let mut vm = Vm::new();
            vm.answer(path, status, &json!({"keys": [TestKey::p256().jwk("k1")]}).to_string());
            vm.pump();
            assert_eq!(vm.progress.last(), Some(&Progress::Failed(CallFailure::Status(status))));
        }
    }
}
