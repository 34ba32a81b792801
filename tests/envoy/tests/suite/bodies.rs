//! Requests with bodies, and requests of other protocols.

use std::time::Duration;

use gatepass_emulator::{Endpoint, Fault};
use gatepass_stack::Stack;

use crate::support::*;

/// Several times what Envoy buffers for a connection.
const LARGE: usize = 300_000;

async fn post(stack: &Stack, path: &str, size: usize) -> (u16, serde_json::Value) {
    let request = stack.client().post(stack.url(path)).body(vec![b'x'; size]);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_body_is_whole_after_a_wait() {
    let mut stack = start(Stack::builder().prepare(|emulator| {
        emulator.script(Endpoint::Imds, vec![Fault::late(Duration::from_secs(1)); 2]);
    }))
    .await;
    let (small, large, empty) = tokio::join!(
        post(&stack, "/unprotected", 10),
        post(&stack, "/unprotected", LARGE),
        post(&stack, "/unprotected", 0),
    );
    for ((status, body), size) in [(small, 10), (large, LARGE), (empty, 0)] {
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["request"]["body_bytes"], size, "{body}");
    }
    assert_eq!(stack.emulator().token_requests(), 1);
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body() {
    let mut stack = reference().await;
    for size in [10, LARGE] {
        let (status, body) = post(&stack, "/protected", size).await;
        assert_eq!(status, 401, "{body}");
        assert_eq!(body["message"], "JWT not present.");
    }
    assert_eq!(seen_by_backend(&stack), []);
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn a_grpc_client_reads_the_refusal_in_its_own_terms() {
    let stack = reference().await;
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    let answer = stack.get_with("/protected", &grpc).await.unwrap();
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("16")), "unauthenticated");
    let answer = stack.get_with("/unknown", &grpc).await.unwrap();
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("12")), "unimplemented");
}
