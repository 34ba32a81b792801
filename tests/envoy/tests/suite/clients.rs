//! Clients that leave while they wait.

use std::time::Duration;

use gatepass_emulator::{Endpoint, Fault};
use gatepass_stack::{Stack, raw};
use tokio::time::sleep;

use crate::support::*;

fn slow_identity_endpoint() -> gatepass_stack::Builder {
    Stack::builder().prepare(|emulator| {
        emulator.script(Endpoint::Imds, vec![Fault::late(Duration::from_secs(2)); 3]);
    })
}

/// Twenty clients ask, and leave: half with a good-bye, half without.
async fn come_and_go(stack: &Stack, stay: Duration) {
    let request = raw::get(b"/unprotected", &[]);
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = raw::Connection::open(stack.gateway()).await.unwrap();
        client.send(&request).await.unwrap();
        clients.push(client);
    }
    sleep(stay).await;
    for (number, client) in clients.into_iter().enumerate() {
        if number % 2 == 0 {
            client.reset().unwrap();
        }
    }
}

#[tokio::test]
async fn those_who_stay_are_answered_when_others_hang_up() {
    let mut stack = start(slow_identity_endpoint()).await;
    // Those who leave came first: it may be one of theirs that started the fetch.
    let (staying, ()) = tokio::join!(
        async {
            sleep(Duration::from_millis(100)).await;
            stack.at_once(10, &GET, "/unprotected").await
        },
        come_and_go(&stack, Duration::from_millis(200)),
    );
    assert_all_good(staying);
    assert_eq!(stack.emulator().token_requests(), 1);
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn the_token_is_fetched_although_all_have_hung_up() {
    let mut stack = start(slow_identity_endpoint()).await;
    come_and_go(&stack, Duration::from_millis(200)).await;
    assert_all_good(stack.at_once(10, &GET, "/unprotected").await);
    assert_eq!(stack.emulator().token_requests(), 1);
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn clients_that_leave_at_the_moment_of_the_answer_do_no_harm() {
    let mut stack = start(slow_identity_endpoint()).await;
    come_and_go(&stack, Duration::from_millis(1995)).await;
    assert_all_good(stack.at_once(10, &GET, "/unprotected").await);
    assert_eq!(stack.emulator().token_requests(), 1);
    assert_still_serves(&mut stack).await;
}
