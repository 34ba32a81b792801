//! Tokens that end soon are replaced before they do.

use std::time::{Duration, Instant};

use gatepass_emulator::{Action, Endpoint, Fault};
use gatepass_stack::Stack;
use tokio::time::sleep;

use crate::support::*;

#[tokio::test]
async fn short_lived_tokens_are_replaced_without_a_request_that_waits() {
    let stack = start(Stack::builder().prepare(|emulator| {
        emulator.set_token_lifetime(Duration::from_secs(12));
        // Slow enough to be seen, were a request to wait for it.
        emulator.set_default_fault(Endpoint::Imds, Some(Fault::late(Duration::from_millis(700))));
    }))
    .await;
    assert_eq!(get(&stack, "/unprotected").await.status, 200);
    let waited = stack.counter_reaches("requests.waited", 1).await.unwrap();

    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    while started.elapsed() < Duration::from_secs(26) {
        let sent = Instant::now();
        let answer = get(&stack, "/unprotected").await;
        assert_eq!(answer.status, 200, "after {:?}: {}", started.elapsed(), answer.text());
        slowest = slowest.max(sent.elapsed());
        sleep(Duration::from_millis(40)).await;
    }
    assert!(slowest < Duration::from_millis(600), "a request took {slowest:?}");
    let fetches = stack.emulator().token_requests();
    assert!((3..=8).contains(&fetches), "{fetches} token requests in 26 s");
    let waited_later = stack.counter("requests.waited").await.unwrap();
    // The second worker's first request may have waited for its first keys.
    assert!(waited_later <= waited + 2, "{waited_later} requests waited");
    assert_no_crash(&stack);
}

#[tokio::test]
async fn a_token_is_used_to_its_end_and_not_longer_when_it_cannot_be_replaced() {
    let stack = start(
        Stack::builder()
            .configure(|configuration| configuration["wait"] = serde_json::json!("2s"))
            .prepare(|emulator| emulator.set_token_lifetime(Duration::from_secs(10))),
    )
    .await;
    assert_eq!(get(&stack, "/unprotected").await.status, 200);
    let fetched = Instant::now();
    stack.emulator().set_default_fault(Endpoint::Imds, Some(Fault::new(Action::Close)));
    while fetched.elapsed() < Duration::from_secs(8) {
        assert_eq!(get(&stack, "/unprotected").await.status, 200, "{:?}", fetched.elapsed());
        sleep(Duration::from_millis(250)).await;
    }
    sleep(Duration::from_secs(3)).await;
    let seen = seen_by_backend(&stack).len();
    assert_unavailable(&get(&stack, "/unprotected").await);
    assert_eq!(seen_by_backend(&stack).len(), seen, "the backend saw an expired token");

    stack.emulator().clear_faults();
    eventually("a new token", Duration::from_secs(20), || async {
        get(&stack, "/unprotected").await.status == 200
    })
    .await;
    assert_no_crash(&stack);
}
