//! The plugin's configuration changes while requests wait for a token.

use std::time::{Duration, Instant};

use gatepass_emulator::{Endpoint, Fault, directory::CONTOSO_API};
use gatepass_stack::{Builder, Delivery, Stack, raw};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::*;

/// The identity endpoint takes three seconds for its first answers.
fn slow(delivery: Delivery) -> Builder {
    Stack::builder().delivery(delivery).prepare(|emulator| {
        emulator.script(Endpoint::Imds, vec![Fault::late(Duration::from_secs(3)); 2]);
    })
}

/// The reference configuration with another operation behind it: another text, the same tokens.
fn changed(number: usize) -> String {
    let mut configuration = Stack::reference_configuration().unwrap();
    let operations = configuration["operations"].as_array_mut().unwrap();
    operations.push(json!({"match": {"path": {"exact": format!("/new-{number}")}}, "anonymous": true}));
    configuration.to_string()
}

/// Twenty requests, as they will be answered.
fn twenty_waiting(stack: &Stack) -> tokio::task::JoinSet<u16> {
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let request = stack.client().get(stack.url("/unprotected"));
        waiting.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    waiting
}

async fn reload_with_waiting_requests(delivery: Delivery) {
    let mut stack = start(slow(delivery)).await;
    let waiting = twenty_waiting(&stack);
    eventually("the token request", Duration::from_secs(5), || async {
        stack.emulator().token_requests() == 1
    })
    .await;
    assert!(stack.reload_plugin(&changed(0)).await.unwrap(), "{}", stack.log());
    let after = twenty_waiting(&stack);

    let started = Instant::now();
    for (name, requests) in [("before", waiting), ("after", after)] {
        let statuses = requests.join_all().await;
        assert_eq!(statuses, [200; 20], "those that came {name} the reload");
    }
    assert!(started.elapsed() < Duration::from_secs(14), "{:?}", started.elapsed());
    let fetches = stack.emulator().token_requests();
    assert!((1..=2).contains(&fetches), "{fetches} token requests");
    assert_still_serves(&mut stack).await;
    assert_eq!(stack.emulator().token_requests(), fetches, "the token is kept");
}

async fn reload_after_the_waiting_client_has_left(delivery: Delivery) {
    let mut stack = start(slow(delivery)).await;
    let mut client = raw::Connection::open(stack.gateway()).await.unwrap();
    client.send(&raw::get(b"/unprotected", &[])).await.unwrap();
    eventually("the token request", Duration::from_secs(5), || async {
        stack.emulator().token_requests() == 1
    })
    .await;
    client.reset().unwrap();
    assert!(stack.reload_plugin(&changed(0)).await.unwrap(), "{}", stack.log());

    let started = Instant::now();
    assert_all_good(stack.at_once(20, &GET, "/unprotected").await);
    assert!(started.elapsed() < Duration::from_secs(14), "{:?}", started.elapsed());
    let fetches = stack.emulator().token_requests();
    assert!((1..=2).contains(&fetches), "{fetches} token requests");
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn requests_that_wait_survive_a_reload_of_the_listener() {
    reload_with_waiting_requests(Delivery::Lds).await;
}

#[tokio::test]
async fn requests_that_wait_survive_a_reload_of_the_filter_alone() {
    reload_with_waiting_requests(Delivery::Ecds).await;
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_survives_a_reload_of_the_listener() {
    reload_after_the_waiting_client_has_left(Delivery::Lds).await;
}

#[tokio::test]
async fn a_fetch_that_nobody_waits_for_survives_a_reload_of_the_filter_alone() {
    reload_after_the_waiting_client_has_left(Delivery::Ecds).await;
}

#[tokio::test]
async fn requests_that_wait_for_a_token_that_the_new_configuration_has_no_use_for_are_answered() {
    for delivery in [Delivery::Lds, Delivery::Ecds] {
        let mut stack = start(slow(delivery)).await;
        let waiting = twenty_waiting(&stack);
        eventually("the token request", Duration::from_secs(5), || async {
            stack.emulator().token_requests() == 1
        })
        .await;
        let mut configuration = Stack::reference_configuration().unwrap();
        // The same audience by its other name: another token all the same.
        configuration["operations"][1]["attach"][0]["resource"] = json!(CONTOSO_API.client_id);
        assert!(stack.reload_plugin(&configuration.to_string()).await.unwrap());
        let after = twenty_waiting(&stack);
        assert_eq!(waiting.join_all().await, [200; 20], "{delivery:?}");
        assert_eq!(after.join_all().await, [200; 20], "{delivery:?}");
        assert_still_serves(&mut stack).await;
    }
}

#[tokio::test]
async fn requests_that_wait_survive_one_reload_after_the_other() {
    for delivery in [Delivery::Lds, Delivery::Ecds] {
        let mut stack = start(slow(delivery).concurrency(4)).await;
        let mut waiting = Vec::new();
        for number in 0..8 {
            waiting.push(twenty_waiting(&stack));
            sleep(Duration::from_millis(150)).await;
            assert!(stack.reload_plugin(&changed(number)).await.unwrap(), "{}", stack.log());
        }
        let started = Instant::now();
        for requests in waiting {
            assert_eq!(requests.join_all().await, [200; 20], "{delivery:?}");
        }
        assert!(started.elapsed() < Duration::from_secs(14), "{:?}", started.elapsed());
        assert_still_serves(&mut stack).await;
    }
}

#[tokio::test]
async fn a_refresh_in_flight_survives_a_reload_before_the_token_ends() {
    tokio::join!(refresh_over_a_reload(Delivery::Lds), refresh_over_a_reload(Delivery::Ecds));
}

async fn refresh_over_a_reload(delivery: Delivery) {
    let mut stack = start(Stack::builder().delivery(delivery).prepare(|emulator| {
        emulator.set_token_lifetime(Duration::from_secs(14));
        emulator
            .script(Endpoint::Imds, vec![Fault::late(Duration::ZERO), Fault::late(Duration::from_secs(2))]);
    }))
    .await;
    assert_eq!(get(&stack, "/unprotected").await.status, 200);
    let first = Instant::now();
    // At half-life, about 7 s.
    eventually("the refresh", Duration::from_secs(10), || async { stack.emulator().token_requests() == 2 })
        .await;
    assert!(stack.reload_plugin(&changed(0)).await.unwrap(), "{}", stack.log());
    while first.elapsed() < Duration::from_secs(17) {
        let sent = Instant::now();
        assert_eq!(get(&stack, "/unprotected").await.status, 200, "{:?}", first.elapsed());
        assert!(sent.elapsed() < Duration::from_millis(1500), "{delivery:?} waited");
        sleep(Duration::from_millis(100)).await;
    }
    let fetches = stack.emulator().token_requests();
    assert!((2..=4).contains(&fetches), "{delivery:?}: {fetches} token requests");
}

#[tokio::test]
async fn the_token_is_kept_over_reloads_and_no_request_fails_meanwhile() {
    for delivery in [Delivery::Lds, Delivery::Ecds] {
        let mut stack = start(Stack::builder().delivery(delivery)).await;
        assert_eq!(get(&stack, "/unprotected").await.status, 200);
        for number in 0..5 {
            let traffic = twenty_waiting(&stack);
            assert!(stack.reload_plugin(&changed(number)).await.unwrap(), "{}", stack.log());
            assert_eq!(traffic.join_all().await, [200; 20]);
        }
        assert_eq!(stack.emulator().token_requests(), 1, "{delivery:?}");
        assert_still_serves(&mut stack).await;
        assert_eq!(stack.emulator().token_requests(), 1, "{delivery:?}");
    }
}

#[tokio::test]
async fn a_reload_while_the_first_keys_are_fetched_loses_no_request() {
    for delivery in [Delivery::Lds, Delivery::Ecds] {
        let mut stack = start(Stack::builder().delivery(delivery).prepare(|emulator| {
            emulator.script(Endpoint::Jwks, vec![Fault::late(Duration::from_secs(2)); 3]);
        }))
        .await;
        let waiting = twenty_waiting(&stack);
        sleep(Duration::from_millis(500)).await;
        assert!(stack.reload_plugin(&changed(0)).await.unwrap(), "{}", stack.log());
        assert_eq!(waiting.join_all().await, [200; 20], "{delivery:?}");
        assert_still_serves(&mut stack).await;
    }
}

#[tokio::test]
async fn a_new_configuration_counts_from_the_next_request_on() {
    for delivery in [Delivery::Lds, Delivery::Ecds] {
        let mut stack = start(Stack::builder().delivery(delivery)).await;
        let token = good_token(&stack);
        assert_eq!(call(&stack, &token).await.status, 200);
        let mut configuration = Stack::reference_configuration().unwrap();
        configuration["defaults"]["validate"]["audiences"] = json!(["api://another"]);
        assert!(stack.reload_plugin(&configuration.to_string()).await.unwrap());
        // A verdict of the old configuration is none of the new one.
        for _ in 0..8 {
            assert_eq!(call(&stack, &token).await.status, 401, "{delivery:?}");
        }
    }
}

#[tokio::test]
async fn a_bad_configuration_is_refused_and_the_old_one_goes_on() {
    for delivery in [Delivery::Lds, Delivery::Ecds] {
        let mut stack = start(Stack::builder().delivery(delivery)).await;
        assert_eq!(get(&stack, "/unprotected").await.status, 200);
        let mut unknown = Stack::reference_configuration().unwrap();
        unknown["operatoins"] = Value::Null;
        for bad in ["not JSON", &unknown.to_string()] {
            assert!(!stack.reload_plugin(bad).await.unwrap(), "{delivery:?} took {bad}");
            assert_eq!(get(&stack, "/unprotected").await.status, 200, "{delivery:?}");
            assert_eq!(call(&stack, &good_token(&stack)).await.status, 200, "{delivery:?}");
            assert_eq!(get(&stack, "/protected").await.status, 401, "{delivery:?}");
        }
        assert!(stack.log().contains("operatoins"), "{}", stack.log());
        assert!(stack.reload_plugin(&changed(0)).await.unwrap(), "a good one is taken again");
        assert_eq!(get(&stack, "/unprotected").await.status, 200);
        assert_eq!(stack.emulator().token_requests(), 1);
    }
}
