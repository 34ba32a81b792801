#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::{Value, json};
use superboring::sign::RsaPssSaltlen;

use super::*;
use crate::jwt::testing::{TestKey, encode};
use crate::jwt::{Jwk, Jwks};

fn read(jwk: &Value) -> Option<Jwk> {
    Jwks::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap().keys.pop()
}

fn prepare(key: &TestKey) -> SoftwareKey {
    Software.prepare(&read(&key.jwk("k")).unwrap().key).unwrap()
}

#[test]
fn a_signature_is_good_for_its_algorithm_key_and_message_alone() {
    let keys = TestKey::all();
    let others = TestKey::all();
    for ((key, other), algorithm) in keys.iter().zip(&others).zip(Algorithm::ALL) {
        let (signature, ready) = (key.sign("message"), prepare(key));
        for asked in Algorithm::ALL {
            let is_good = Software.verify(asked, &ready, b"message", &signature);
            assert_eq!(is_good, asked == algorithm, "{algorithm:?} as {asked:?}");
        }
        assert!(!Software.verify(algorithm, &ready, b"messagE", &signature), "{algorithm:?}");
        assert!(!Software.verify(algorithm, &prepare(other), b"message", &signature), "{algorithm:?}");
        let mut changed = signature.clone();
        changed[20] ^= 1;
        let longer = [signature.as_slice(), &[0]].concat();
        let led_by_zero = [&[0], signature.as_slice()].concat();
        for bad in [&changed, &longer, &led_by_zero, &signature[1..].to_vec(), &Vec::new()] {
            assert!(!Software.verify(algorithm, &ready, b"message", bad), "{algorithm:?}");
        }
    }
}

#[test]
fn the_salt_of_pss_is_as_long_as_the_hash() {
    let rsa = TestKey::rsa();
    let ready = prepare(&rsa);
    for (algorithm, bytes) in [(Algorithm::Ps256, 32), (Algorithm::Ps384, 48), (Algorithm::Ps512, 64)] {
        let key = rsa.signing(algorithm);
        for salt in [0, 20, 32, 48, 64, 100] {
            let signature = key.sign_with_salt("message", RsaPssSaltlen::custom(salt));
            let is_good = Software.verify(algorithm, &ready, b"message", &signature);
            assert_eq!(is_good, salt == bytes, "{algorithm:?} with {salt} bytes");
        }
    }
}

#[test]
fn a_key_is_for_its_familys_algorithms_or_for_the_one_that_it_names() {
    for key in TestKey::all() {
        let with_alg = |name: &str| {
            let mut jwk = key.jwk("k");
            jwk["alg"] = name.into();
            read(&jwk)
        };
        let without = read(&key.jwk("k")).unwrap();
        for algorithm in Algorithm::ALL {
            let fits = algorithm.family() == without.key.family();
            assert_eq!(without.is_for(algorithm), fits);
            let named = with_alg(algorithm.name());
            assert_eq!(named.is_some(), fits, "{} key for {algorithm:?}", key.algorithm());
            let Some(named) = named else { continue };
            assert!(Algorithm::ALL.into_iter().all(|other| named.is_for(other) == (other == algorithm)));
        }
        for name in ["none", "HS256", "RSA-OAEP", "rs256", ""] {
            assert!(with_alg(name).is_none(), "{name}");
        }
        assert_eq!(with_alg("Ed25519").is_some(), without.is_for(Algorithm::EdDsa));
    }
}

#[test]
fn points_that_are_none_or_weak_are_no_keys() {
    let ready = |jwk: &Value| read(jwk).is_some_and(|jwk| Software.prepare(&jwk.key).is_ok());
    for (algorithm, member, bytes) in
        [(Algorithm::Es256, "y", 32), (Algorithm::Es384, "y", 48), (Algorithm::EdDsa, "x", 32)]
    {
        let good = TestKey::new(algorithm).jwk("k");
        assert!(ready(&good), "{algorithm:?}");
        for bad in [vec![0; bytes], vec![255; bytes], vec![1; bytes - 1], vec![1; bytes + 1], Vec::new()] {
            let mut jwk = good.clone();
            jwk[member] = encode(bad).into();
            assert!(!ready(&jwk), "{jwk}");
        }
        let mut other_curve = good.clone();
        other_curve["crv"] = "P-521".into();
        assert!(!ready(&other_curve));
        let mut private = good.clone();
        private["d"] = encode([1; 32]).into();
        assert!(!ready(&private));
    }
    // The neutral element of Ed25519: every signature with R = S * B would be its own.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert!(!ready(&json!({"kty": "OKP", "crv": "Ed25519", "x": encode(neutral)})));
}

#[test]
fn ecdsa_signatures_become_der() {
    for (algorithm, bytes) in [(Algorithm::Es256, 32), (Algorithm::Es384, 48)] {
        let (mut r, mut s) = (vec![0; bytes], vec![0; bytes]);
        (r[bytes - 1], s[bytes - 1]) = (1, 0x80);
        let der = ecdsa_to_der(algorithm, &[r.as_slice(), &s].concat()).unwrap();
        assert_eq!(der, [0x30, 7, 2, 1, 1, 2, 2, 0, 0x80]);
        let zero = vec![0; bytes];
        for bad in [[&zero, &s], [&r, &zero], [&r, &vec![255; bytes]], [&r, &s[1..].to_vec()]] {
            assert_eq!(ecdsa_to_der(algorithm, &[bad[0].as_slice(), bad[1]].concat()), None);
        }
    }
    assert_eq!(ecdsa_to_der(Algorithm::Es384, &[1; 64]), None);
    assert_eq!(ecdsa_to_der(Algorithm::Es256, &[1; 96]), None);
    for other in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa] {
        assert_eq!(ecdsa_to_der(other, &[1; 64]), None);
    }
}
