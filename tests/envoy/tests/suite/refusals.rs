//! What an inbound token must not be.

use std::collections::BTreeMap;

use gatepass_emulator::{Algorithm, SigningKey, TokenSpec};
use gatepass_stack::Stack;
use serde_json::json;

use crate::support::*;

/// A request that must be refused: its name, its `Authorization` lines, and the reason in the counters.
struct Attack {
    name: &'static str,
    authorization: Vec<String>,
    reason: &'static str,
}

#[tokio::test]
async fn every_bad_token_is_refused_and_nothing_of_it_reaches_the_backend() {
    let mut stack = reference().await;
    let control = call(&stack, &good_token(&stack)).await;
    assert_eq!(control.status, 200, "{}", control.text());
    stack.emulator().clear_requests();

    let attacks = attacks(&stack);
    let mut wrong = Vec::new();
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for attack in &attacks {
        let headers: Vec<_> =
            attack.authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let answer = stack.get_with("/protected", &headers).await.unwrap();
        let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
        let message = if attack.reason == "token_missing" { "JWT not present." } else { "Invalid JWT." };
        // RFC 6750, section 3.1: no error where there was no bearer token, or another method.
        let bare = matches!(attack.reason, "token_missing" | "scheme_not_allowed");
        if answer.status != 401
            || answer.json() != json!({"statusCode": 401, "message": message})
            || !challenge.starts_with("Bearer realm=\"")
            || challenge.contains("error=\"invalid_token\"") == bare
            || challenge.contains("insufficient_scope")
        {
            wrong.push(format!("{}: {} {} {challenge}", attack.name, answer.status, answer.text()));
        }
        *reasons.entry(attack.reason).or_default() += 1;
    }
    assert_eq!(seen_by_backend(&stack), []);

    // The counters say why.
    let mut counted = BTreeMap::new();
    for (reason, expected) in &reasons {
        let name = format!("requests.refused.{reason}");
        let found = match stack.counter_reaches(&name, *expected).await {
            Ok(found) => found,
            Err(_) => stack.counter(&name).await.unwrap(),
        };
        counted.insert(*reason, found);
    }
    let all = stack.stats("wasmcustom.gatepass.requests.refused").await.unwrap();
    assert_eq!(counted, reasons, "all: {all:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");

    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn a_token_is_refused_as_soon_as_it_has_expired() {
    let stack = reference().await;
    let token = stack.emulator().issue(&TokenSpec::entra_v2().lifetime(4));
    for _ in 0..4 {
        // Every worker has seen it, and may have kept its verdict.
        assert_eq!(call(&stack, &token).await.status, 200);
    }
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    for _ in 0..8 {
        assert_refused(&call(&stack, &token).await, 401, "Invalid JWT.");
    }
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let stack = reference().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let value = format!("{scheme} {}", good_token(&stack));
        let answer = stack.get_with("/protected", &[("authorization", &value)]).await.unwrap();
        assert_eq!(answer.status, 200, "{scheme}: {}", answer.text());
    }
}

fn attacks(stack: &Stack) -> Vec<Attack> {
    let issue = |spec: &TokenSpec| stack.emulator().issue(spec);
    let spec = TokenSpec::entra_v2;
    let good = good_token(stack);
    let kid = decoded(&good, 0)["kid"].clone();

    let mut attacks: Vec<Attack> = Vec::new();
    let mut lines = |name, authorization: &[String], reason| {
        attacks.push(Attack { name, authorization: authorization.to_vec(), reason });
    };
    lines("no Authorization", &[], "token_missing");
    lines("Basic", &["Basic dXNlcjpwYXNzd29yZA==".to_owned()], "scheme_not_allowed");
    // Envoy joins them with a comma before any filter sees them.
    lines("two lines, both good", &[format!("Bearer {good}"), format!("Bearer {good}")], "token_malformed");
    lines(
        "two lines, one Basic",
        &["Basic dXNlcjpwYXNzd29yZA==".to_owned(), format!("Bearer {good}")],
        "scheme_not_allowed",
    );
    lines("two in one line", &[format!("Bearer {good}, Bearer {good}")], "token_malformed");

    let mut token = |name, token: String, reason| {
        let authorization = vec![format!("Bearer {token}")];
        attacks.push(Attack { name, authorization, reason });
    };
    token("garbage", "garbage".to_owned(), "token_malformed");
    token("three dots", "...".to_owned(), "token_malformed");
    token("two parts", good.rsplit_once('.').unwrap().0.to_owned(), "token_malformed");
    token("four parts", format!("{good}.e30"), "token_malformed");
    token("padding", format!("{good}=="), "token_malformed");
    token("17 KiB", format!("{good}{}", "A".repeat(17 * 1024)), "token_too_large");
    token("expired", issue(&spec().lifetime(-10)), "token_expired");
    token("not yet valid", issue(&spec().not_before(600)), "token_not_yet_valid");
    token("no end", issue(&spec().without_claim("exp")), "expiration_missing");
    token("another audience", issue(&spec().claim("aud", "api://other")), "audience_not_allowed");
    token("no audience", issue(&spec().without_claim("aud")), "audience_not_allowed");
    token(
        "another tenant",
        issue(
            &spec()
                .claim("iss", "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0"),
        ),
        "issuer_not_allowed",
    );
    token("no issuer", issue(&spec().without_claim("iss")), "issuer_not_allowed");
    token("the partner's", issue(&TokenSpec::partner()), "issuer_not_allowed");
    token("expiry as text", issue(&spec().claim("exp", "9999999999")), "claim_type_invalid");
    token("unknown key", issue(&spec().signed_by(SigningKey::Foreign)), "key_not_found");
    token(
        "a foreign key under a known name",
        issue(&spec().signed_by(SigningKey::Foreign).header("kid", kid.clone())),
        "signature_invalid",
    );
    token("alg none", issue(&spec().algorithm(Algorithm::None)), "token_malformed");
    token(
        "HS256 with the public key as secret",
        issue(&spec().algorithm(Algorithm::Hs256).header("kid", kid.clone())),
        "algorithm_not_allowed",
    );
    token("PS256", issue(&spec().algorithm(Algorithm::Ps256)), "algorithm_not_allowed");
    token("ES256", issue(&spec().algorithm(Algorithm::Es256)), "algorithm_not_allowed");
    token("crit", issue(&spec().header("crit", json!(["exp"]))), "critical_header_not_supported");
    token("another type", issue(&spec().header("typ", "logout+jwt")), "token_type_not_allowed");

    let mut payload = decoded(&good, 1);
    payload["roles"] = json!(["Sample.Read", "Sample.Delete"]);
    token("another payload", with_part(&good, 1, &payload), "signature_invalid");
    token("another signature", with_other_signature(&good), "signature_invalid");
    token("no signature", good.rsplit_once('.').unwrap().0.to_owned() + ".", "token_malformed");
    let mut header = decoded(&good, 0);
    header["alg"] = json!("RS512");
    token("another algorithm in the header", with_part(&good, 0, &header), "algorithm_not_allowed");
    attacks
}

/// Another character in the middle of the signature.
fn with_other_signature(token: &str) -> String {
    let place = token.len() - 100;
    let other = if token.as_bytes()[place] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &token[..place], &token[place + 1..])
}
