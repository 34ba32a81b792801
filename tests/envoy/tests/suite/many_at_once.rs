//! However many requests wait, on however many workers: one token request.

use std::time::{Duration, Instant};

use gatepass_emulator::{Endpoint, Fault};
use gatepass_stack::{Stack, tree};
use serde_json::{Value, json};

use crate::support::*;

async fn at_once_against_a_cold_cache(workers: u32, count: usize) {
    let mut stack = start(Stack::builder().concurrency(workers).prepare(|emulator| {
        emulator.script(Endpoint::Imds, vec![Fault::late(Duration::from_secs(1)); 3]);
    }))
    .await;
    let started = Instant::now();
    assert_all_good(stack.at_once(count, &GET, "/unprotected").await);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!(stack.emulator().token_requests(), 1);
    assert_still_serves(&mut stack).await;
    assert_eq!(stack.emulator().token_requests(), 1);
}

#[tokio::test]
async fn fifty_requests_on_one_worker_cost_one_token_request() {
    at_once_against_a_cold_cache(1, 50).await;
}

#[tokio::test]
async fn fifty_requests_on_two_workers_cost_one_token_request() {
    at_once_against_a_cold_cache(2, 50).await;
}

#[tokio::test]
async fn three_hundred_requests_on_two_workers_cost_one_token_request() {
    at_once_against_a_cold_cache(2, 300).await;
}

#[tokio::test]
async fn three_hundred_requests_on_four_workers_cost_one_token_request() {
    at_once_against_a_cold_cache(4, 300).await;
}

#[tokio::test]
async fn a_thousand_requests_on_two_and_on_four_workers_cost_one_token_request() {
    for workers in [2, 4] {
        at_once_against_a_cold_cache(workers, 1_000).await;
    }
}

/// Envoy carries out the answers of one callback one inside the other: a few hundred overflow the VM's stack.
#[tokio::test]
async fn nine_hundred_waiting_requests_of_one_worker_are_refused_together_and_the_vm_lives_on() {
    let mut stack = start(Stack::builder().concurrency(1).prepare(|emulator| {
        let refusal = answer(400, r#"{"error":"invalid_request"}"#).after(Duration::from_secs(2));
        emulator.script(Endpoint::Imds, vec![refusal]);
    }))
    .await;
    let answers = stack.at_once_on_one_connection(900, &GET, "/unprotected").await.unwrap();
    assert_eq!(answers.len(), 900);
    for answer in answers {
        assert_unavailable(&answer.unwrap());
    }
    assert_eq!(stack.emulator().token_requests(), 1);
    assert!(stack.is_alive());
    assert_eq!(call(&stack, &good_token(&stack)).await.status, 200);
    assert_no_crash(&stack);
}

#[tokio::test]
async fn nine_hundred_waiting_requests_of_one_worker_go_on_together_and_the_vm_lives_on() {
    let mut stack =
        start(Stack::builder().concurrency(1).edit(answer_unprotected_at_once).prepare(|emulator| {
            emulator.script(Endpoint::Imds, vec![Fault::late(Duration::from_secs(2))]);
        }))
        .await;
    assert_all_good(stack.at_once_on_one_connection(900, &GET, "/unprotected").await.unwrap());
    assert_eq!(stack.emulator().token_requests(), 1);
    assert_still_serves(&mut stack).await;
}

/// A route that ends a request while it is let go on, as one to a dead host does.
fn answer_unprotected_at_once(tree: &mut Value) {
    let routes =
        tree::manager(tree).unwrap()["route_config"]["virtual_hosts"][0]["routes"].as_array_mut().unwrap();
    let route = routes.iter_mut().find(|route| route["match"]["path"] == "/unprotected").unwrap();
    *route = json!({"match": {"path": "/unprotected"}, "direct_response": {"status": 200}});
}
