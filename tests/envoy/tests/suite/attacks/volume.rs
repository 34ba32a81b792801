//! Attacks by number: what a client can send for nothing must cost nothing that lasts.

use std::time::{Duration, Instant};

use gatepass_attacks::{Request, keys::base64url, token::decode};
use gatepass_stack::raw;
use tokio::task::JoinSet;

use super::{
    CORPUS, assert_serves,
    client::Http1,
    gateway::{self, Gateway},
};
use crate::support::*;

const CONNECTIONS: usize = 4;

/// Sends requests over a few connections that are kept; the answers.
async fn flood(gateway: &Gateway, requests: Vec<Request>) -> Vec<String> {
    let mut sent = JoinSet::new();
    for share in requests.chunks(requests.len().div_ceil(CONNECTIONS)) {
        let (share, address) = (share.to_vec(), gateway.stack.gateway());
        sent.spawn(async move {
            let mut connection = Http1::new(address);
            let mut answers = Vec::new();
            for request in share {
                answers.push(connection.send(&request).await);
            }
            answers
        });
    }
    sent.join_all().await.concat()
}

/// Tokens of the good one's signature, each with another value of this member of its header or payload.
fn forged(part: usize, member: &str, count: usize) -> Vec<Request> {
    let good = CORPUS.good("main", gateway::now());
    let token = CORPUS.good_token("main", gateway::now());
    let parts: Vec<&str> = token.split('.').collect();
    let mut object: serde_json::Value = serde_json::from_slice(&decode(parts[part])).unwrap();
    let mut request = |number: usize| {
        object[member] = format!("{member} {number}").into();
        let changed = base64url(object.to_string());
        let mut parts = parts.clone();
        parts[part] = &changed;
        let value = format!("Bearer {}", parts.join("."));
        Request { headers: vec![("authorization".to_owned(), value.into_bytes())], ..good.clone() }
    };
    (0..count).map(&mut request).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_kids_cause_no_more_fetches_than_the_budget() {
    let mut gateway = Gateway::start(&CORPUS).await;
    assert_serves(&mut gateway, &CORPUS).await;
    let fetches =
        |gateway: &Gateway| gateway.issuer.asked().iter().filter(|path| *path == "/main/jwks").count();
    let before = fetches(&gateway);
    let started = Instant::now();
    let answers = flood(&gateway, forged(0, "kid", 2_000)).await;
    assert!(answers.iter().all(|answer| answer == "401 key_not_found"), "{:?}", answers.iter().max());
    // Of each worker: three at once, and one in thirty seconds.
    let budget = 2 * (3 + usize::try_from(started.elapsed().as_secs() / 30).unwrap());
    let caused = fetches(&gateway) - before;
    assert!((1..=budget).contains(&caused), "{caused} fetches, {budget} are the budget");
    assert_serves(&mut gateway, &CORPUS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_bad_tokens_leave_nothing_in_memory() {
    let mut gateway = Gateway::start(&CORPUS).await;
    assert_serves(&mut gateway, &CORPUS).await;
    let bad = |count| [forged(1, "sub", count), forged(1, "exp", count), forged(0, "kid", count)].concat();
    flood(&gateway, bad(1_000)).await;
    let before = gateway.resident_memory();
    let answers = flood(&gateway, bad(3_334)).await;
    let after = gateway.resident_memory();
    assert!(answers.iter().all(|answer| answer.starts_with("401 ")), "{:?}", answers.iter().max());
    if let (Some(before), Some(after)) = (before, after) {
        println!("resident memory: {before} KiB, after 10,002 bad tokens {after} KiB");
        assert!(after < before + 8 * 1024, "{before} KiB before, {after} KiB after");
    }
    assert_serves(&mut gateway, &CORPUS).await;
}

#[tokio::test]
async fn nothing_waits_for_clients_that_have_hung_up() {
    let mut gateway = Gateway::start_with(&CORPUS, "60s").await;
    // Its issuer's keys are not to be had, but may be soon.
    let token = CORPUS.request(CORPUS.cases().find(|case| case.id == "F-html").unwrap(), gateway::now());
    let (_, value) = token.headers.last().unwrap();
    let line = [b"authorization: ", value.as_slice()].concat();
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = raw::Connection::open(gateway.stack.gateway()).await.unwrap();
        client.send(&raw::get(&token.path, &[&line])).await.unwrap();
        clients.push(client);
    }
    let waiting = async || gateway.stack.counter("waiting").await.unwrap();
    let limit = Duration::from_secs(5);
    eventually("requests to wait", limit, async || waiting().await >= 100).await;
    clients.into_iter().for_each(|client| client.reset().unwrap());
    eventually("nobody to wait", limit, async || waiting().await == 0).await;
    assert_serves(&mut gateway, &CORPUS).await;
}
