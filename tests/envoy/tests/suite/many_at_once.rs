//! However many requests wait, on however many workers: one token request.

use std::time::{Duration, Instant};

use gatepass_emulator::{Endpoint, Fault};
use gatepass_stack::Stack;

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
