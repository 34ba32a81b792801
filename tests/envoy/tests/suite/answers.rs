//! What a refused client reads: the forms of a refusal.

use gatepass_emulator::{Endpoint, TokenSpec};
use gatepass_stack::{Answer, Builder, Stack, tree};
use reqwest::{Client, Method};
use serde_json::json;

use crate::support::*;

/// A gRPC request without a message, over HTTP/2.
async fn grpc(stack: &Stack, path: &str, token: Option<&str>) -> reqwest::Response {
    let client = Client::builder().http2_prior_knowledge().build().unwrap();
    let request = client
        .post(stack.url(path))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers");
    let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
    request.send().await.unwrap()
}

fn header<'a>(answer: &'a reqwest::Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_grpc_client_is_refused_with_trailers_only() {
    let stack = start(Stack::builder().configure(|configuration| {
        configuration["on_failure"] = json!({"forbidden_status": 403});
    }))
    .await;
    let good = good_token(&stack);
    for (path, token, status, message) in [
        ("/protected", None, "16", "JWT not present."),
        ("/protected", Some("x.y.z"), "16", "Invalid JWT."),
        ("/nowhere", None, "12", "Resource not found"),
        ("/a;b", None, "13", "The path of the request is ambiguous."),
    ] {
        let answer = grpc(&stack, path, token).await;
        assert_eq!(answer.status(), 200, "gRPC has a status of its own");
        assert_eq!(header(&answer, "content-type"), "application/grpc");
        assert_eq!(header(&answer, "grpc-status"), status, "{path}");
        assert_eq!(header(&answer, "grpc-message"), message, "{path}");
        assert_eq!(answer.bytes().await.unwrap(), "", "{path}");
    }
    // POST is permitted, so the role of a token without roles is what is missing.
    let stranger = stack.emulator().issue(&TokenSpec::entra_v2().without_claim("roles"));
    let answer = grpc(&stack, "/protected", Some(&stranger)).await;
    assert_eq!(header(&answer, "grpc-status"), "7");
    assert!(header(&answer, "www-authenticate").contains("insufficient_scope"));
    let answer = grpc(&stack, "/protected", Some(&good)).await;
    assert_eq!(header(&answer, "grpc-status"), "", "the backend answers");
}

#[tokio::test]
async fn a_grpc_client_is_told_that_the_service_is_unavailable() {
    let stack = start(
        Stack::builder()
            .configure(|configuration| configuration["wait"] = json!("500ms"))
            .prepare(|emulator| emulator.set_default_fault(Endpoint::Imds, Some(answer(500, "no")))),
    )
    .await;
    let answer = grpc(&stack, "/unprotected", None).await;
    assert_eq!(header(&answer, "grpc-status"), "14");
    assert_ne!(header(&answer, "retry-after"), "");
}

#[tokio::test]
async fn a_head_request_gets_the_status_and_the_headers_and_no_body() {
    let stack = reference().await;
    let answer = stack.send(Method::HEAD, "/protected", None).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (401, ""));
    assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="gatepass""#));
    assert_still_answers(&stack).await;
}

/// The connection of a HEAD request is in step: a body that was sent anyway would be the next answer.
async fn assert_still_answers(stack: &Stack) {
    assert_refused(&get(stack, "/protected").await, 401, "JWT not present.");
}

#[track_caller]
fn assert_problem(answer: &Answer, expected: &serde_json::Value) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.json(), *expected);
}

#[tokio::test]
async fn refusals_are_problem_details_where_that_is_wanted() {
    let stack = start(Stack::builder().configure(|configuration| {
        configuration["on_failure"] = json!({"body": "problem"});
        configuration["operations"][0]["on_failure"] =
            json!({"status": 403, "message": "No.", "expose_reason": true});
    }))
    .await;
    let not_found = json!({"title": "Not Found", "status": 404, "detail": "Resource not found"});
    assert_problem(&get(&stack, "/nowhere").await, &not_found);
    let refused = json!({"title": "Forbidden", "status": 403, "detail": "No.", "reason": "token_malformed"});
    let answer = call(&stack, "x.y").await;
    assert_problem(&answer, &refused);
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(
        challenge.ends_with(r#"error="invalid_token", error_description="token_malformed""#),
        "{challenge}"
    );
}

#[tokio::test]
async fn values_come_from_the_environment_that_envoy_hands_on() {
    let with_value = |value: Option<&'static str>| {
        Stack::builder().edit(move |tree| {
            let plugin = tree::plugin(tree).unwrap();
            if let Some(value) = value {
                plugin["vm_config"]["environment_variables"] = json!({"key_values": {"MESSAGE": value}});
            }
        })
    };
    let configure = |builder: Builder| {
        builder.configure(|configuration| {
            configuration["values"] = json!({"message": {"env": "MESSAGE"}});
            configuration["on_failure"] = json!({"message": "Sorry: ${message}"});
        })
    };
    let stack = start(configure(with_value(Some("go away")))).await;
    assert_refused(&get(&stack, "/protected").await, 401, "Sorry: go away");
    let refused = configure(with_value(None)).validate().unwrap();
    assert!(!refused.accepted && refused.log.contains("`MESSAGE` is not set"), "{}", refused.log);
}
