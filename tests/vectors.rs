//! Published vectors against the core: Wycheproof's JWS and JWK sets, and the examples of RFC 7515 and RFC 7520.
//!
//! They are third-party files, read from `$VECTORS_DIR` and never copied here. They run against the core and
//! not through Envoy, because none of their payloads is a set of claims: a filter would refuse them all.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at a surprise"
)]

use std::path::PathBuf;

use gatepass::jwt::{Jwks, Software, Verifier, verify_jws};
use serde_json::{Value, json};

/// The folder with the vectors, if there is one.
fn vectors() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors");
    let folder = std::env::var_os("VECTORS_DIR").map_or_else(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: there is no {}; set VECTORS_DIR", folder.display());
    None
}

fn read(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(&path).unwrap())
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A key without its private members, which the files have and we refuse.
fn public(mut key: Value) -> Value {
    for private in ["d", "p", "q", "dp", "dq", "qi"] {
        key.as_object_mut().unwrap().remove(private);
    }
    key
}

/// Whether one key of the set verifies the token.
fn is_accepted(keys: Vec<Value>, token: &str) -> bool {
    let set = json!({"keys": keys.into_iter().map(public).collect::<Vec<_>>()});
    let set = Jwks::parse(set.to_string().as_bytes()).unwrap();
    set.keys.iter().any(|jwk| {
        let key = Software.prepare(&jwk.key);
        key.is_ok_and(|key| verify_jws(token, jwk.algorithm, &key, &Software).is_ok())
    })
}

/// Whether a key is for an algorithm that Gatepass does not have, so that even its valid tokens are refused.
fn is_unsupported(key: &Value) -> bool {
    !matches!(key["alg"].as_str(), None | Some("RS256" | "ES256")) || key["kty"] == "oct"
}

/// Counts of one set of vectors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    tried: usize,
    unsupported: usize,
    wrongly_accepted: Vec<u64>,
    wrongly_rejected: Vec<u64>,
}

fn run_wycheproof(file: &str) -> Option<Tally> {
    let mut tally = Tally::default();
    for group in read(vectors()?.join("wycheproof").join(file))["testGroups"].as_array().unwrap() {
        let keys = match &group["private"]["keys"] {
            Value::Array(keys) => keys.clone(),
            _ => vec![group["private"].clone()],
        };
        for test in group["tests"].as_array().unwrap() {
            let valid = test["result"] == "valid";
            if valid && keys.iter().all(is_unsupported) {
                tally.unsupported += 1;
                continue;
            }
            tally.tried += 1;
            // A set that mixes symmetric and public keys is used without the symmetric ones.
            match (valid, is_accepted(keys.clone(), test["jws"].as_str().unwrap())) {
                (true, false) => tally.wrongly_rejected.push(test["tcId"].as_u64().unwrap()),
                (false, true) => tally.wrongly_accepted.push(test["tcId"].as_u64().unwrap()),
                _ => {}
            }
        }
    }
    println!("{file}: {tally:?}");
    Some(tally)
}

#[test]
fn wycheproofs_json_web_signatures_are_judged_as_they_should_be() {
    let Some(tally) = run_wycheproof("json_web_signature_test.json") else { return };
    // 349: its `key_ops` is the one word "sign, verify", which is no operation.
    assert_eq!((tally.wrongly_accepted, tally.wrongly_rejected), (vec![], vec![349]));
    assert_eq!(tally.tried + tally.unsupported, 401);
    assert!(tally.tried > 350, "{}", tally.tried);
}

#[test]
fn wycheproofs_json_web_keys_are_judged_as_they_should_be() {
    let Some(tally) = run_wycheproof("json_web_key_test.json") else { return };
    // 7: a key with the ROCA weakness, which no check of ours recognises.
    assert_eq!((tally.wrongly_accepted, tally.wrongly_rejected), (vec![7], vec![]));
    assert_eq!(tally.tried + tally.unsupported, 26);
}

#[test]
fn the_examples_of_the_rfcs_verify() {
    let Some(folder) = vectors() else { return };
    let folder = folder.join("latchset-jose");
    for example in ["rfc7515_A.2", "rfc7515_A.3", "rfc7520_4.1"] {
        let key = read(folder.join(format!("{example}.jwk")));
        let token = std::fs::read_to_string(folder.join(format!("{example}.jwsc"))).unwrap();
        assert!(is_accepted(vec![key.clone()], token.trim()), "{example}");
        assert!(!is_accepted(vec![key], &token.trim().replacen('e', "f", 1)), "{example}, changed");
    }
    let unsigned = std::fs::read_to_string(folder.join("rfc7515_A.5.jwsc")).unwrap();
    let key = read(folder.join("rfc7515_A.2.jwk"));
    assert!(!is_accepted(vec![key], unsigned.trim()), "alg none");
}
