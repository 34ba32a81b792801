//! Everything at once: reloads, clients that leave, an identity endpoint that fails now and then.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gatepass_emulator::{Action, Endpoint, Fault};
use gatepass_stack::{Delivery, Stack, raw};
use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::support::*;

const ROUNDS: usize = 24;

fn faults() -> Vec<Fault> {
    vec![
        Fault::late(Duration::from_millis(900)),
        Fault::status(500),
        Fault::new(Action::Close),
        Fault::late(Duration::from_millis(300)),
        Fault::new(Action::Truncate),
        answer(200, "<html></html>"),
    ]
}

async fn storm(delivery: Delivery) {
    let mut stack =
        start(Stack::builder().delivery(delivery).concurrency(4).drain_seconds(2).prepare(|emulator| {
            // Short, so that there is something to fetch all the time.
            emulator.set_token_lifetime(Duration::from_secs(8));
            emulator.script(Endpoint::Imds, faults());
        }))
        .await;
    let token = good_token(&stack);
    let mut requests = JoinSet::new();
    for round in 0..ROUNDS {
        for path in ["/unprotected", "/protected", "/unprotected"] {
            let request = stack.client().get(stack.url(path)).bearer_auth(&token);
            requests.spawn(async move {
                let sent = Instant::now();
                let status = request.send().await.unwrap().status().as_u16();
                (path, status, sent.elapsed())
            });
        }
        let mut leaving = Vec::new();
        for _ in 0..6 {
            let mut client = raw::Connection::open(stack.gateway()).await.unwrap();
            client.send(&raw::get(b"/unprotected", &[b"x-\xff: \xff"])).await.unwrap();
            client.send(&raw::get(b"/unprotected", &[b"x-name: \xff"])).await.unwrap();
            leaving.push(client);
        }
        if round % 3 == 0 {
            let mut configuration = Stack::reference_configuration().unwrap();
            configuration["wait"] = json!(format!("{}ms", 10_000 + round));
            assert!(stack.reload_plugin(&configuration.to_string()).await.unwrap(), "{}", stack.log());
        }
        if round % 8 == 5 {
            stack.emulator().script(Endpoint::Imds, faults());
        }
        sleep(Duration::from_millis(250)).await;
        for (number, client) in leaving.into_iter().enumerate() {
            if number % 2 == 0 {
                client.reset().unwrap();
            }
        }
    }
    for (path, status, took) in requests.join_all().await {
        assert!(status == 200 || (status, path) == (503, "/unprotected"), "{path}: {status}");
        assert!(took < Duration::from_secs(14), "{path} took {took:?}");
    }
    stack.emulator().clear_faults();
    eventually("a token after the storm", Duration::from_secs(20), || async {
        get(&stack, "/unprotected").await.status == 200
    })
    .await;
    assert_still_serves(&mut stack).await;

    assert_no_token_was_used_after_its_end(&stack);
}

fn assert_no_token_was_used_after_its_end(stack: &Stack) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seen = seen_by_backend(stack);
    // The emulator's clock begins with it; its newest entry is of this moment.
    let newest = seen.last().unwrap().at_ms;
    for request in seen {
        let claims = request.claims.expect("the backend saw a request without a token");
        let end = Duration::from_secs(claims["exp"].as_u64().unwrap());
        let came = now - Duration::from_millis(newest - request.at_ms);
        assert!(came < end + Duration::from_secs(1), "a token was used {:?} after its end", came - end);
    }
}

#[tokio::test]
async fn nothing_hangs_or_dies_in_a_storm_with_reloads_of_the_listener() {
    storm(Delivery::Lds).await;
}

#[tokio::test]
async fn nothing_hangs_or_dies_in_a_storm_with_reloads_of_the_filter_alone() {
    storm(Delivery::Ecds).await;
}
