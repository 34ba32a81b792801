//! An identity endpoint that is down when Envoy starts, in all the ways in which it can be.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gatepass_emulator::{Action, Endpoint, Fault};
use gatepass_stack::{Builder, Stack, ports::Reservation, tree};
use serde_json::json;
use tokio::{io::copy_bidirectional, net::TcpStream};

use crate::support::*;

const WAIT: Duration = Duration::from_secs(3);
/// Back-off grows with the time that the endpoint is down, which is short here.
const RECOVERY: Duration = Duration::from_secs(15);

fn impatient() -> Builder {
    Stack::builder()
        .concurrency(1)
        .configure(|configuration| configuration["wait"] = json!(format!("{}s", WAIT.as_secs())))
}

async fn is_down_then_up(name: &str, fault: Fault) {
    let mut stack = start(impatient().prepare(move |emulator| {
        emulator.set_default_fault(Endpoint::Imds, Some(fault));
    }))
    .await;
    assert_down(name, &stack).await;
    stack.emulator().clear_faults();
    assert_comes_up(name, &mut stack).await;
}

/// 503 in time, with and without a token from the client; the backend sees neither.
async fn assert_down(name: &str, stack: &Stack) {
    let started = Instant::now();
    let (bare, with_token) = tokio::join!(
        stack.get("/unprotected"),
        stack.get_with("/unprotected", &[("authorization", "Bearer from-the-client")])
    );
    for answer in [bare, with_token] {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 503, "{name}: {}", answer.text());
        assert_unavailable(&answer);
    }
    assert!(started.elapsed() < WAIT + Duration::from_secs(3), "{name}: {:?}", started.elapsed());
    assert_eq!(seen_by_backend(stack), [], "{name}");
    stack.counter_reaches("requests.refused.token_unavailable", 2).await.unwrap();
    assert_no_crash(stack);
}

async fn assert_comes_up(name: &str, stack: &mut Stack) {
    eventually(&format!("a token after: {name}"), RECOVERY, || async {
        get(stack, "/unprotected").await.status == 200
    })
    .await;
    for request in seen_by_backend(stack) {
        assert!(request.claims.is_some(), "{name}: the backend saw no token: {request:?}");
    }
    assert_still_serves(stack).await;
}

/// To a place where a token would be had, if it were followed.
fn redirect() -> Fault {
    let location = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=api://contoso-api";
    let headers = vec![("location".to_owned(), location.to_owned())];
    Fault::new(Action::Answer { status: 307, headers, body: String::new() })
}

#[tokio::test]
async fn an_endpoint_that_answers_with_errors() {
    tokio::join!(
        is_down_then_up("500", Fault::status(500)),
        is_down_then_up("404", Fault::status(404)),
        is_down_then_up("429 in plain text", answer(429, "Too Many Requests")),
        is_down_then_up("a redirect", redirect()),
    );
}

#[tokio::test]
async fn an_endpoint_that_answers_200_without_a_token() {
    let no_end = r#"{"access_token":"not-a-token","token_type":"Bearer","resource":"api://contoso-api"}"#;
    let control = r#"{"access_token":"x\r\nx-injected: 1","expires_in":"86399","token_type":"Bearer"}"#;
    tokio::join!(
        is_down_then_up("a page", answer(200, "<html><body>Sign in</body></html>")),
        is_down_then_up("nothing", answer(200, "")),
        is_down_then_up("no end", answer(200, no_end)),
        is_down_then_up("a line break in the token", answer(200, control)),
    );
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer() {
    tokio::join!(
        is_down_then_up("close", Fault::new(Action::Close)),
        is_down_then_up("hang", Fault::new(Action::Hang)),
        is_down_then_up("half of the body", Fault::new(Action::Truncate)),
        is_down_then_up("a byte a second", Fault::new(Action::Drip { bytes_per_second: 1 })),
    );
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_and_comes_up_later() {
    let port = Arc::new(Reservation::new().unwrap());
    let number = port.address().port();
    let mut stack = start(impatient().edit(move |tree| tree::redirect(tree, "imds", number))).await;
    assert_down("connection refused", &stack).await;

    let listener = port.listen().unwrap();
    let imds = stack.emulator().imds();
    let relay = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(imds).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    assert_comes_up("connection refused", &mut stack).await;
    assert_eq!(stack.emulator().token_requests(), 1);
    relay.abort();
}

#[tokio::test]
async fn a_request_that_waits_is_answered_when_the_endpoint_comes_up_in_time() {
    let stack = start(Stack::builder().prepare(|emulator| {
        emulator.script(Endpoint::Imds, vec![Fault::status(500); 2]);
    }))
    .await;
    assert_all_good(stack.at_once(10, &GET, "/unprotected").await);
    assert_eq!(stack.emulator().token_requests(), 3);
}

#[tokio::test]
async fn a_request_waits_fifteen_seconds_and_no_longer() {
    let stack = start(Stack::builder().prepare(|emulator| {
        emulator.set_default_fault(Endpoint::Imds, Some(Fault::new(Action::Hang)));
    }))
    .await;
    let started = Instant::now();
    let answers = stack.at_once(20, &GET, "/unprotected").await;
    for answer in answers {
        assert_unavailable(&answer.unwrap());
    }
    assert!(started.elapsed() < Duration::from_secs(17), "{:?}", started.elapsed());
    assert_no_crash(&stack);
}

#[tokio::test]
async fn a_body_that_comes_slowly_but_in_time_is_waited_for() {
    let stack = start(Stack::builder().prepare(|emulator| {
        // A token answer has about two kilobytes.
        emulator.script(Endpoint::Imds, vec![Fault::new(Action::Drip { bytes_per_second: 1_500 })]);
    }))
    .await;
    assert_eq!(get(&stack, "/unprotected").await.status, 200, "{}", stack.log());
    assert_eq!(stack.emulator().token_requests(), 1);
}

#[tokio::test]
async fn an_identity_that_is_not_assigned_is_told_in_the_log_and_asked_for_once_a_minute() {
    const REFUSAL: &str =
        r#"{"error":"invalid_request","error_description":"AADSTS50001: c4n4ry Identity not found"}"#;
    let stack = start(Stack::builder().prepare(|emulator| {
        emulator.set_default_fault(Endpoint::Imds, Some(answer(400, REFUSAL)));
    }))
    .await;
    for _ in 0..20 {
        let answer = get(&stack, "/unprotected").await;
        assert_unavailable(&answer);
        let headers = format!("{:?}", answer.headers);
        assert!(!answer.text().contains("c4n4ry") && !headers.contains("c4n4ry"), "the endpoint's words");
    }
    assert_eq!(stack.emulator().token_requests(), 1);
    assert!(stack.log().contains("no token: status 400 (invalid_request, AADSTS50001"), "{}", stack.log());
    assert!(!stack.log().contains("c4n4ry"), "{}", stack.log());
    stack.counter_reaches("tokens.failed.status", 1).await.unwrap();
    stack.counter_reaches("sources.failed.imds", 1).await.unwrap();
}
