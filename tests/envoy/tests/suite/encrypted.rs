//! Encrypted tokens: what the module does with them in Envoy's VM, randomness and rations among it.

use gatepass_attacks::{
    case::Encryption,
    encrypted,
    keys::{self, KeySpec, Keys},
    text::Text,
};
use gatepass_emulator::TokenSpec;
use gatepass_stack::{Builder, Stack};
use serde_json::json;

use crate::support::*;

const MESSAGE: &str = "Invalid JWT.";

fn recipients() -> Keys {
    let rsa = KeySpec::Rsa { bits: 2_048, e: None };
    keys::generate(&[("rsa".to_owned(), rsa), ("shared".to_owned(), KeySpec::Symmetric)].into())
}

/// The protected API opens tokens; the other operations do not.
fn with(keys: &Keys) -> Builder {
    let secret = |name: &str| json!({"inline": String::from_utf8(keys[name].secret()).unwrap()});
    let keys = json!([{"private_key": secret("rsa")}, {"symmetric_key": secret("shared")}]);
    Stack::builder().concurrency(1).configure(move |configuration| {
        configuration["operations"][0]["validate"]["decryption_keys"] = keys;
    })
}

fn encrypt(keys: &Keys, key: &str, signed: &str) -> String {
    let algorithm = if key == "rsa" { "RSA-OAEP-256" } else { "dir" };
    let encryption = Encryption { algorithm: algorithm.to_owned(), key: key.to_owned() };
    encrypted::good(&encryption, &Text::new(keys, 0), signed)
}

#[tokio::test]
async fn a_signed_token_within_is_checked_like_any_other() {
    let keys = recipients();
    let mut stack = start(with(&keys)).await;
    let issue = |spec: TokenSpec| stack.emulator().issue(&spec);
    let (good, expired) = (issue(TokenSpec::entra_v2()), issue(TokenSpec::entra_v2().lifetime(-10)));
    for key in ["rsa", "shared"] {
        let token = encrypt(&keys, key, &good);
        for _ in 0..3 {
            let answer = call(&stack, &token).await;
            assert_eq!(answer.status, 200, "{key}: {}", answer.text());
        }
        for (name, token) in [
            ("expired", encrypt(&keys, key, &expired)),
            ("claims alone", encrypt(&keys, key, "{}")),
            ("encrypted twice", encrypt(&keys, key, &token)),
            ("another tag", format!("{}AAAAAAAAAAA", &token[..token.len() - 11])),
        ] {
            let answer = call(&stack, &token).await;
            assert_eq!(answer.status, 401, "{key}, {name}");
            assert_refused(&answer, 401, MESSAGE);
        }
    }
    assert_eq!(call(&stack, &good).await.status, 200, "one that is not encrypted");
    assert_eq!(seen_by_backend(&stack).len(), 7);
    let secrets = [good, String::from_utf8(keys["shared"].secret()).unwrap(), "PRIVATE KEY".to_owned()];
    let log = stack.log();
    assert!(!secrets.iter().any(|secret| log.contains(secret)), "a key or what was in a token is in the log");
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn text_that_costs_a_decryption_is_rationed() {
    let keys = recipients();
    let mut stack = start(with(&keys)).await;
    let good = good_token(&stack);
    let token = encrypt(&keys, "rsa", &good);
    assert_eq!(call(&stack, &token).await.status, 200);
    let bad = format!("{}AAAAAAAAAAA", &token[..token.len() - 11]);
    let mut statuses = Vec::new();
    let began = std::time::Instant::now();
    for _ in 0..100 {
        let answer = call(&stack, &bad).await;
        statuses.push(answer.status);
    }
    let took = began.elapsed();
    let refused = statuses.iter().filter(|status| **status == 401).count();
    let busy = statuses.iter().filter(|status| **status == 503).count();
    println!("{refused} decryptions and {busy} refusals without one in {took:?}");
    assert_eq!(refused + busy, 100, "{statuses:?}");
    let allowed = 20 + usize::try_from(took.as_millis() / 50).unwrap() + 1;
    assert!((20..=allowed).contains(&refused), "{refused} of at most {allowed}");
    // What was opened before costs nothing, and what is not encrypted neither.
    assert_eq!(call(&stack, &token).await.status, 200);
    assert_eq!(call(&stack, &good).await.status, 200);
    assert_still_serves(&mut stack).await;
}
