//! What the tests have in common.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepass_emulator::{Action, Endpoint, Fault, LoggedRequest, TokenSpec};
use gatepass_stack::{Answer, Builder, Stack};
use reqwest::Method;
use serde_json::Value;
use tokio::time::sleep;

pub const GET: Method = Method::GET;
pub const POST: Method = Method::POST;
pub const DELETE: Method = Method::DELETE;

/// Starts a stack; a test cannot go on without one.
pub async fn start(builder: Builder) -> Stack {
    match builder.start().await {
        Ok(stack) => stack,
        Err(error) => panic!("{error}"),
    }
}

/// A stack as the reference configuration describes it.
pub async fn reference() -> Stack {
    start(Stack::builder()).await
}

/// The token of an application that may read and write.
pub fn good_token(stack: &Stack) -> String {
    stack.emulator().issue(&TokenSpec::entra_v2())
}

pub async fn get(stack: &Stack, path: &str) -> Answer {
    stack.get(path).await.unwrap()
}

/// Calls the protected API with a token.
pub async fn call(stack: &Stack, token: &str) -> Answer {
    stack.send(GET, "/protected", Some(token)).await.unwrap()
}

/// Requests that came to the backend.
pub fn seen_by_backend(stack: &Stack) -> Vec<LoggedRequest> {
    requests(stack, Endpoint::Backend)
}

/// Requests that came to one endpoint.
pub fn requests(stack: &Stack, endpoint: Endpoint) -> Vec<LoggedRequest> {
    let seen = stack.emulator().requests();
    seen.into_iter().filter(|request| request.endpoint == endpoint).collect()
}

/// After all that was done to it: both operations serve, and nothing in the VM has died.
pub async fn assert_still_serves(stack: &mut Stack) {
    assert!(stack.is_alive(), "Envoy has ended:\n{}", stack.log());
    for _ in 0..4 {
        let answer = call(stack, &good_token(stack)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = get(stack, "/unprotected").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let reloads = stack.stats("wasm.gatepass.vm_reload").await.unwrap();
    assert!(reloads.values().all(|count| *count == 0), "a VM has died: {reloads:?}");
    assert_no_crash(stack);
}

/// Nothing in the log says that the VM, or a callback in it, has died.
pub fn assert_no_crash(stack: &Stack) {
    const SIGNS: [&str; 6] = [
        "panicked at",
        "RuntimeError",
        "Wasm VM failed",
        "Function: proxy_",
        "Caught Segmentation",
        "[critical]",
    ];
    let log = stack.log();
    let lines: Vec<_> = log.lines().filter(|line| SIGNS.iter().any(|sign| line.contains(sign))).collect();
    assert!(lines.is_empty(), "{lines:#?}");
}

/// A refusal as API Management words it.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, message: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let expected = serde_json::json!({"statusCode": status, "message": message});
    assert_eq!(answer.json(), expected, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// 503, with the time after which to come again.
#[track_caller]
pub fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let seconds = answer.header("retry-after").and_then(|text| text.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=120).contains(&seconds)), "{:?}", answer.headers);
    assert_eq!(answer.json()["statusCode"], 503, "{}", answer.text());
}

/// All of them 200.
#[track_caller]
pub fn assert_all_good<E: std::fmt::Debug>(answers: Vec<Result<Answer, E>>) {
    let bad: Vec<_> = answers
        .into_iter()
        .filter(|answer| !answer.as_ref().is_ok_and(|answer| answer.status == 200))
        .map(|answer| answer.map(|answer| (answer.status, answer.text())))
        .collect();
    assert!(bad.is_empty(), "{} not 200, such as {:?}", bad.len(), bad.first());
}

/// A fault that answers with this body, as JSON.
pub fn answer(status: u16, body: &str) -> Fault {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Fault::new(Action::Answer { status, headers, body: body.to_owned() })
}

/// Asks until the answer is yes; how long it took.
pub async fn eventually<F: Future<Output = bool>>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> Duration {
    let started = Instant::now();
    while !ask().await {
        assert!(started.elapsed() < limit, "waited {limit:?} in vain for {what}");
        sleep(Duration::from_millis(100)).await;
    }
    started.elapsed()
}

/// One of a token's three parts, as text.
pub fn part(token: &str, index: usize) -> &str {
    token.split('.').nth(index).unwrap()
}

/// A token's header or payload, decoded.
pub fn decoded(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part(token, index)).unwrap()).unwrap()
}

/// The token with another part in the place of one, the signature as it was.
pub fn with_part(token: &str, index: usize, value: &Value) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    parts[index] = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}
