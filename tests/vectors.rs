//! Published vectors against the core: Wycheproof's JWS, JWK and JWE sets, and the examples of RFC 7515, 7520 and 8037.
//!
//! They are third-party files, read from `$VECTORS_DIR` and never copied here. They run against the core and
//! not through Envoy, because none of their payloads is a set of claims: a filter would refuse them all.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at a surprise"
)]

mod encrypted;
mod figures;

use std::collections::BTreeMap;
use std::path::PathBuf;

use gatepass::jwt::{Algorithm, Jwks, Software, Verifier, verify_jws};
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
        Software.prepare(&jwk.key).is_ok_and(|key| {
            let mut fitting = Algorithm::ALL.into_iter().filter(|algorithm| jwk.is_for(*algorithm));
            fitting.any(|algorithm| verify_jws(token, algorithm, &key, &Software).is_ok())
        })
    })
}

/// What a key is for and Gatepass does not have, so that even its valid tokens are refused.
fn unsupported(key: &Value) -> Option<String> {
    let algorithm = key["alg"].as_str();
    if key["kty"] == "oct" {
        return Some("symmetric".to_owned());
    }
    algorithm.filter(|name| Algorithm::from_name(name).is_none()).map(ToOwned::to_owned)
}

/// Counts of one set of vectors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    tried: usize,
    accepted: usize,
    /// Valid, but for what Gatepass does not have; tried as well, and none is accepted.
    unsupported: BTreeMap<String, Vec<u64>>,
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
            tally.tried += 1;
            let id = test["tcId"].as_u64().unwrap();
            // A set that mixes symmetric and public keys is used without the symmetric ones.
            let missing: Option<Vec<_>> = keys.iter().map(unsupported).collect();
            match (test["result"] == "valid", is_accepted(keys.clone(), test["jws"].as_str().unwrap())) {
                (true, true) => tally.accepted += 1,
                (true, false) => match missing {
                    Some(missing) => tally.unsupported.entry(missing.join(", ")).or_default().push(id),
                    None => tally.wrongly_rejected.push(id),
                },
                (false, true) => tally.wrongly_accepted.push(id),
                (false, false) => {}
            }
        }
    }
    println!("{file}: {tally:?}");
    let what = format!("Wycheproof `{file}`");
    figures::assert_in_readme(
        &what,
        [tally.tried, tally.wrongly_accepted.len(), tally.wrongly_rejected.len()],
    );
    Some(tally)
}

#[test]
fn wycheproofs_json_web_signatures_are_judged_as_they_should_be() {
    let Some(tally) = run_wycheproof("json_web_signature_test.json") else { return };
    assert_eq!((tally.tried, tally.accepted), (401, 31));
    // 346 and 350: the key says PS256, the token PS384. 349: its `key_ops` is the one word "sign, verify", which
    // is no operation.
    assert_eq!((tally.wrongly_accepted, tally.wrongly_rejected), (vec![], vec![346, 349, 350]));
    // 347 and 351: the key is for "ES521", which no registry knows.
    let symmetric = vec![1, 348, 352, 357, 358, 359, 372, 373, 376, 377];
    let unsupported = [("ES521".to_owned(), vec![347, 351]), ("symmetric".to_owned(), symmetric)];
    assert_eq!(tally.unsupported, unsupported.into());
}

#[test]
fn wycheproofs_json_web_keys_are_judged_as_they_should_be() {
    let Some(tally) = run_wycheproof("json_web_key_test.json") else { return };
    assert_eq!((tally.tried, tally.accepted), (26, 1));
    // 7: a key with the ROCA weakness, which no check of ours recognises.
    assert_eq!((tally.wrongly_accepted, tally.wrongly_rejected), (vec![7], vec![]));
    let symmetric = [("symmetric", vec![13, 14, 15]), ("symmetric, symmetric", vec![2])];
    assert_eq!(tally.unsupported, symmetric.map(|(what, ids)| (what.to_owned(), ids)).into());
}

#[test]
fn the_examples_of_the_rfcs_verify() {
    let Some(folder) = vectors() else { return };
    let folder = folder.join("latchset-jose");
    for example in ["rfc7515_A.2", "rfc7515_A.3", "rfc7520_4.1", "rfc7520_4.2"] {
        let key = read(folder.join(format!("{example}.jwk")));
        let token = std::fs::read_to_string(folder.join(format!("{example}.jwsc"))).unwrap();
        assert!(is_accepted(vec![key.clone()], token.trim()), "{example}");
        assert!(!is_accepted(vec![key], &token.trim().replacen('e', "f", 1)), "{example}, changed");
    }
    let unsigned = std::fs::read_to_string(folder.join("rfc7515_A.5.jwsc")).unwrap();
    let key = read(folder.join("rfc7515_A.2.jwk"));
    assert!(!is_accepted(vec![key], unsigned.trim()), "alg none");
}

#[test]
fn the_example_of_ed25519_verifies() {
    let Some(folder) = vectors() else { return };
    let example = read(folder.join("cookbook/curve25519/jws.json"));
    let (key, token) = (&example["input"]["key"], example["output"]["compact"].as_str().unwrap());
    assert!(is_accepted(vec![key.clone()], token));
    assert!(!is_accepted(vec![key.clone()], &token.replace(".RXhh", ".RXhi")), "changed");
}
