//! Keys: before the first set is there, when it cannot be had, and when it changes.

use std::time::{Duration, Instant};

use gatepass_emulator::{Action, Endpoint, Fault, Rotation, SigningKey, TokenSpec, directory::TENANT};
use gatepass_stack::Stack;
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::support::*;

const WORKERS: usize = 2;

#[tokio::test]
async fn requests_before_the_first_key_set_wait_for_it() {
    let late = || vec![Fault::late(Duration::from_secs(1)); 4];
    let stack = start(Stack::builder().prepare(move |emulator| {
        emulator.script(Endpoint::Discovery, late());
        emulator.script(Endpoint::Jwks, late());
    }))
    .await;
    let answers = calls_at_once(&stack, vec![good_token(&stack); 20]).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    // Each worker has keys of its own: they are never shared.
    let fetches = requests(&stack, Endpoint::Jwks).len();
    assert!((1..=WORKERS + 1).contains(&fetches), "{fetches} fetches of the key set");
}

#[tokio::test]
async fn without_keys_a_request_gets_503_in_time_and_200_when_they_come_back() {
    let stack = start(
        Stack::builder().configure(|configuration| configuration["wait"] = json!("4s")).prepare(|emulator| {
            emulator.set_default_fault(Endpoint::Jwks, Some(Fault::status(500)));
        }),
    )
    .await;
    let started = Instant::now();
    let answer = call(&stack, &good_token(&stack)).await;
    assert_unavailable(&answer);
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    stack.counter_reaches("requests.refused.keys_unavailable", 1).await.unwrap();
    assert_eq!(seen_by_backend(&stack), []);

    stack.emulator().clear_faults();
    eventually("keys", Duration::from_secs(35), || async {
        call(&stack, &good_token(&stack)).await.status == 200
    })
    .await;
    assert_no_crash(&stack);
}

#[tokio::test]
async fn a_token_without_a_chance_is_refused_at_once_though_there_are_no_keys() {
    let stack = start(Stack::builder().prepare(|emulator| {
        emulator.set_default_fault(Endpoint::Jwks, Some(Fault::new(Action::Hang)));
    }))
    .await;
    let started = Instant::now();
    let expired = stack.emulator().issue(&TokenSpec::entra_v2().lifetime(-10));
    assert_eq!(get(&stack, "/protected").await.status, 401);
    let token = "x".repeat(100);
    assert_eq!(call(&stack, &token).await.status, 401);
    // The issuer's name comes from its discovery document, which is there.
    eventually("the discovery document", Duration::from_secs(5), || async {
        call(&stack, &expired).await.status == 401
    })
    .await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_new_key_is_found_with_one_fetch_a_worker() {
    let stack = reference().await;
    let old = good_token(&stack);
    assert!(calls_at_once(&stack, vec![old.clone(); 8]).await.iter().all(|status| *status == 200));
    stack.emulator().clear_requests();

    stack.emulator().rotate_keys(Rotation::Add);
    let new = good_token(&stack);
    assert_ne!(decoded(&old, 0)["kid"], decoded(&new, 0)["kid"]);
    let answers = calls_at_once(&stack, vec![new; 20]).await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    let fetches = requests(&stack, Endpoint::Jwks).len();
    assert!((1..=WORKERS).contains(&fetches), "{fetches} fetches of the key set");
    // The old key is still published.
    assert_eq!(call(&stack, &old).await.status, 200);
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_believed_no_longer() {
    let stack = reference().await;
    let old = good_token(&stack);
    assert!(calls_at_once(&stack, vec![old.clone(); 8]).await.iter().all(|status| *status == 200));
    stack.emulator().rotate_keys(Rotation::Replace);
    let new = good_token(&stack);
    // Each worker learns of it when it meets a token of the new key.
    eventually("both workers to learn of it", Duration::from_secs(10), || async {
        let new = calls_at_once(&stack, vec![new.clone(); 6]).await;
        assert!(new.iter().all(|status| *status == 200), "{new:?}");
        let old = calls_at_once(&stack, vec![old.clone(); 6]).await;
        old.iter().all(|status| *status == 401)
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_a_few_fetches_only() {
    let mut stack = reference().await;
    assert_eq!(call(&stack, &good_token(&stack)).await.status, 200);
    stack.emulator().clear_requests();
    let tokens = (0..200)
        .map(|number| {
            let spec = TokenSpec::entra_v2()
                .signed_by(SigningKey::Foreign)
                .header("kid", format!("unknown-{number}"));
            stack.emulator().issue(&spec)
        })
        .collect();
    let answers = calls_at_once(&stack, tokens).await;
    assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
    // A burst of three for each worker.
    let fetches = requests(&stack, Endpoint::Jwks).len();
    assert!(fetches <= 3 * WORKERS + 1, "{fetches} fetches of the key set");
    assert_eq!(seen_by_backend(&stack), []);
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn an_outage_of_the_key_set_is_noticed_by_new_keys_alone() {
    let mut stack = start(Stack::builder().concurrency(1).configure(short_wait)).await;
    let known = good_token(&stack);
    assert_eq!(call(&stack, &known).await.status, 200);
    for fault in [
        Fault::status(500),
        Fault::status(302),
        Fault::new(Action::Hang),
        Fault::new(Action::Close),
        answer(200, r#"{"keys":[]}"#),
    ] {
        stack.emulator().set_default_fault(Endpoint::Jwks, Some(fault));
        stack.emulator().rotate_keys(Rotation::Add);
        let new = good_token(&stack);
        let (new, other) = tokio::join!(call(&stack, &new), async {
            // A token that nobody has seen before, with a key that is here.
            sleep(Duration::from_millis(200)).await;
            call(&stack, &known).await
        });
        assert_eq!(other.status, 200, "{}", other.text());
        assert!(matches!(new.status, 401 | 503), "{}", new.text());
    }
    stack.emulator().clear_faults();
    eventually("the new key", Duration::from_secs(100), || async {
        call(&stack, &good_token(&stack)).await.status == 200
    })
    .await;
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn while_a_slow_key_set_is_fetched_only_tokens_of_its_new_keys_wait() {
    let stack = start(Stack::builder().concurrency(1)).await;
    let known = good_token(&stack);
    assert_eq!(call(&stack, &known).await.status, 200);
    stack.emulator().rotate_keys(Rotation::Add);
    stack.emulator().script(Endpoint::Jwks, vec![Fault::late(Duration::from_secs(3))]);
    let new = good_token(&stack);
    let started = Instant::now();
    let (new, known) = tokio::join!(calls_at_once(&stack, vec![new; 20]), async {
        sleep(Duration::from_millis(500)).await;
        for _ in 0..10 {
            assert_eq!(call(&stack, &known).await.status, 200);
        }
        started.elapsed()
    });
    assert!(known < Duration::from_millis(2_500), "{known:?}");
    assert!(new.iter().all(|status| *status == 200), "{new:?}");
    assert!(started.elapsed() >= Duration::from_secs(3));
}

#[tokio::test]
async fn documents_that_an_issuer_would_not_publish_are_not_believed() {
    let document =
        |issuer: &str, keys: &str| answer(200, &json!({"issuer": issuer, "jwks_uri": keys}).to_string());
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let keys = format!("https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys");
    tokio::join!(
        no_keys_after("another host", document(&issuer, "https://keys.example/keys")),
        no_keys_after("no TLS", document(&issuer, &keys.replace("https", "http"))),
        no_keys_after("a page", answer(200, "<html></html>")),
        no_keys_after("another issuer", document("https://issuer.example", &keys)),
    );
}

#[tokio::test]
async fn key_sets_that_hold_no_keys_are_not_believed() {
    let large = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(5 << 20));
    let symmetric = json!({"keys": [{"kty": "oct", "kid": "k", "k": "c2VjcmV0"}]}).to_string();
    tokio::join!(
        no_key_set("a page", answer(200, "<html></html>")),
        no_key_set("half of it", Fault::new(Action::Truncate)),
        no_key_set("5 MiB", answer(200, &large)),
        no_key_set("a symmetric key", answer(200, &symmetric)),
    );
}

async fn no_key_set(name: &str, fault: Fault) {
    let mut stack = start(
        Stack::builder()
            .concurrency(1)
            .configure(short_wait)
            .prepare(move |emulator| emulator.set_default_fault(Endpoint::Jwks, Some(fault))),
    )
    .await;
    let status = call(&stack, &good_token(&stack)).await.status;
    assert!(matches!(status, 401 | 503), "{name}: {status}");
    assert_eq!(seen_by_backend(&stack), [], "{name}");
    stack.emulator().clear_faults();
    eventually(&format!("keys after: {name}"), Duration::from_secs(40), || async {
        call(&stack, &good_token(&stack)).await.status == 200
    })
    .await;
    assert_still_serves(&mut stack).await;
}

async fn no_keys_after(name: &str, discovery: Fault) {
    let stack = start(Stack::builder().concurrency(1).configure(short_wait).prepare(move |emulator| {
        emulator.set_default_fault(Endpoint::Discovery, Some(discovery));
    }))
    .await;
    let answer = call(&stack, &good_token(&stack)).await;
    assert_eq!(answer.status, 503, "{name}: {}", answer.text());
    assert_eq!(requests(&stack, Endpoint::Jwks), [], "{name}");
    assert_eq!(seen_by_backend(&stack), [], "{name}");
    assert_no_crash(&stack);
}

fn short_wait(configuration: &mut serde_json::Value) {
    configuration["wait"] = json!("3s");
}

async fn calls_at_once(stack: &Stack, tokens: Vec<String>) -> Vec<u16> {
    let mut calls = JoinSet::new();
    for token in tokens {
        let request = stack.client().get(stack.url("/protected")).bearer_auth(token);
        calls.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    calls.join_all().await
}
