//! Subscription keys, required headers, what is only reported, and what operators see of refusals.

use std::time::Duration;

use gatepass_emulator::TokenSpec;
use gatepass_stack::{Answer, Builder, Stack};
use serde_json::{Value, json};

use crate::support::*;

const KEY: &str = "Ocp-Apim-Subscription-Key";

/// The protected API with these fields beside its roles, as far as they do not replace them.
fn with(fields: Value) -> Builder {
    Stack::builder().configure(move |configuration| {
        configuration["subscription_keys"] =
            json!({"orders": {"primary": {"inline": "first"}, "secondary": {"inline": "second"}, "products": ["p"]}});
        let operation = configuration["operations"][0].as_object_mut().unwrap();
        operation.extend(fields.as_object().unwrap().clone());
    })
}

async fn ask(stack: &Stack, path: &str, headers: &[(&str, &str)]) -> Answer {
    stack.get_with(path, headers).await.unwrap()
}

#[tokio::test]
async fn a_subscription_key_opens_the_api_and_does_not_reach_the_backend() {
    let stack = start(with(json!({"validate": "none", "subscription_key": {"products": ["p"]}}))).await;
    assert_eq!(ask(&stack, "/protected?x=1", &[(KEY, "first")]).await.status, 200);
    assert_eq!(ask(&stack, "/protected?x=1&subscription-key=second", &[]).await.status, 200);
    for request in seen_by_backend(&stack) {
        let shown = format!("{request:?}").to_lowercase();
        assert!(!shown.contains("subscription") && shown.contains("/protected?x=1"), "{shown}");
    }
    let missing = "Access denied due to missing subscription key. Make sure to include subscription key when making \
                   requests to an API.";
    let answer = ask(&stack, "/protected", &[]).await;
    assert_refused(&answer, 401, missing);
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with("AzureApiManagementKey ") && challenge.contains(KEY), "{challenge}");
    let invalid = "Access denied due to invalid subscription key. Make sure to provide a valid key for an active \
                   subscription.";
    assert_refused(&ask(&stack, "/protected", &[(KEY, "third")]).await, 401, invalid);
    let twice = ask(&stack, "/protected", &[(KEY, "first"), (KEY, "second")]).await;
    assert_refused(&twice, 401, invalid);
}

#[tokio::test]
async fn a_required_header_is_asked_for() {
    let required = json!([{"name": "X-Client", "values": ["web"]}]);
    let stack = start(with(json!({"require_headers": required}))).await;
    let bearer = format!("Bearer {}", good_token(&stack));
    let token = ("authorization", bearer.as_str());
    assert_eq!(ask(&stack, "/protected", &[token, ("x-client", "web")]).await.status, 200);
    let answer = ask(&stack, "/protected", &[token]).await;
    assert_refused(&answer, 401, "Header X-Client was not found in the request. Access denied.");
    assert_eq!(
        ask(&stack, "/protected", &[token, ("x-client", "web"), ("x-client", "web")]).await.status,
        401
    );
}

#[tokio::test]
async fn what_is_only_reported_passes_and_gains_nothing() {
    let claims = json!([{"claim": "azp", "header": "X-Client-Id"}]);
    let stack = start(with(json!({"enforce": false, "validate": {"claims_to_headers": claims}}))).await;
    let answer = ask(&stack, "/protected", &[("x-client-id", "forged")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = format!("{:?}", seen_by_backend(&stack)).to_lowercase();
    assert!(!seen.contains("x-client-id") && !seen.contains("forged"), "{seen}");
    stack.counter_reaches("requests.would_refuse.token_missing", 1).await.unwrap();
    assert_eq!(ask(&stack, "/nowhere", &[]).await.status, 404);
}

#[tokio::test]
async fn prometheus_shows_the_reason_as_a_label() {
    let stack = reference().await;
    for _ in 0..3 {
        assert_eq!(get(&stack, "/protected").await.status, 401);
    }
    assert_eq!(call(&stack, &good_token(&stack)).await.status, 200);
    stack.counter_reaches("requests.refused.token_missing", 3).await.unwrap();
    let limit = Duration::from_secs(5);
    for line in [
        "gatepass_requests_refused{reason=\"token_missing\"} 3",
        "gatepass_requests_forwarded{} 1",
        "gatepass_keys_age_seconds{issuer=\"contoso\"} ",
        "gatepass_verdicts_entries{} 1",
        "gatepass_verdicts_missed{} 1",
        "gatepass_memory_bytes{} ",
    ] {
        eventually(line, limit, || async {
            stack.admin().get("/stats/prometheus").await.unwrap().contains(line)
        })
        .await;
    }
}

#[tokio::test]
async fn the_log_has_a_line_for_a_refusal_and_not_one_for_each_of_a_flood() {
    let stack = start(Stack::builder().concurrency(1)).await;
    // Nothing is logged before the first tick has asked for the level.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stranger = stack.emulator().issue(&TokenSpec::entra_v2().claim("roles", json!(["Other"])));
    assert_eq!(call(&stack, &stranger).await.status, 401);
    let line = "refused: claim_not_allowed, operations[0], client ";
    eventually(line, Duration::from_secs(5), || async { stack.log().contains(line) }).await;
    for _ in 0..60 {
        assert_eq!(get(&stack, "/nowhere").await.status, 404);
    }
    let lines = stack.log().matches("refused: operation_not_found").count();
    assert!((1..=30).contains(&lines), "{lines}");
    eventually("suppressed lines to be counted", Duration::from_secs(5), || async {
        stack.counter("log.suppressed").await.unwrap() >= 30
    })
    .await;
    assert!(!stack.log().contains(&stranger[..40]), "a token in the log");
}
