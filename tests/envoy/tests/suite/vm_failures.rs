//! A VM dies in the middle of its work: what its clients see, what the others see, and how it comes back.

use std::time::{Duration, Instant};

use gatepass_emulator::{Endpoint, Fault};
use gatepass_stack::{Answer, Build, Builder, Stack, tree};
use tokio::task::JoinHandle;

use crate::support::*;

/// A lease and the time that a call may take: no longer may a dead holder delay the others.
const LEASE_AND_TIMEOUT: Duration = Duration::from_secs(6 + 5);

fn with_policy(policy: &'static str) -> Builder {
    Stack::builder().build(Build::TestOnly).edit(move |tree| {
        tree::plugin(tree).unwrap()["failure_policy"] = policy.into();
    })
}

/// Requests over one connection, and so to one worker.
#[derive(Clone)]
struct Worker {
    client: reqwest::Client,
    gateway: String,
}

impl Worker {
    fn of(stack: &Stack) -> Self {
        let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
        Self { client, gateway: stack.url("") }
    }

    fn send(&self, test: Option<&'static str>) -> JoinHandle<Option<Answer>> {
        let mut request = self.client.get(format!("{}/unprotected", self.gateway));
        if let Some(test) = test {
            request = request.header("x-gatepass-test", test);
        }
        tokio::spawn(async move { Answer::read(request.send().await.ok()?).await.ok() })
    }

    async fn status(&self, test: Option<&'static str>) -> Option<u16> {
        self.send(test).await.unwrap().map(|answer| answer.status)
    }
}

#[tokio::test]
async fn a_vm_that_dies_with_the_lease_delays_the_others_no_longer_than_a_lease_and_a_timeout() {
    let stack = start(with_policy("FAIL_RELOAD").prepare(|emulator| {
        emulator.script(Endpoint::Imds, vec![Fault::late(Duration::from_secs(4))]);
    }))
    .await;
    let dying = Worker::of(&stack);
    let waiting = dying.send(None);
    eventually("the token request", Duration::from_secs(5), || async {
        stack.emulator().token_requests() == 1
    })
    .await;
    let started = Instant::now();
    let trapped = dying.send(Some("trap"));
    // Connections of their own: both workers have their share.
    let others = stack.at_once(20, &GET, "/unprotected").await;
    let delay = started.elapsed();
    let lost =
        others.iter().filter(|answer| !answer.as_ref().is_ok_and(|answer| answer.status == 200)).count();
    let (trapped, waiting) = (trapped.await.unwrap(), waiting.await.unwrap());
    let status = |answer: Option<Answer>| answer.map(|answer| answer.status);
    println!(
        "a dead holder of the lease: the others waited {delay:?}; {lost} of 20 lost; the trapped request {:?}, the one \
         that waited {:?}; {} token requests",
        status(trapped),
        status(waiting),
        stack.emulator().token_requests()
    );
    assert!(delay < LEASE_AND_TIMEOUT, "{delay:?}");
    assert!(stack.emulator().token_requests() <= 2);
    for _ in 0..8 {
        assert_eq!(get(&stack, "/unprotected").await.status, 200);
    }
}

#[tokio::test]
async fn with_fail_reload_a_vm_comes_back_warm() {
    let stack = start(with_policy("FAIL_RELOAD")).await;
    let worker = Worker::of(&stack);
    assert_eq!(worker.status(None).await, Some(200));
    let trapped = worker.status(Some("trap")).await;
    let started = Instant::now();
    let mut lost = 0;
    while worker.status(None).await != Some(200) {
        lost += 1;
        assert!(started.elapsed() < Duration::from_secs(15), "it does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "FAIL_RELOAD: the trapped request {trapped:?}; {lost} requests lost, one every 20 ms; back after {:?}",
        started.elapsed()
    );
    assert_eq!(trapped, Some(503));
    assert_eq!(stack.emulator().token_requests(), 1, "its token comes from shared data");
    assert_eq!(call(&stack, &good_token(&stack)).await.status, 200);
}

#[tokio::test]
async fn with_fail_reload_the_other_workers_go_on() {
    let stack = start(with_policy("FAIL_RELOAD").concurrency(2)).await;
    assert_eq!(get(&stack, "/unprotected").await.status, 200);
    let worker = Worker::of(&stack);
    assert_eq!(worker.status(Some("trap")).await, Some(503));
    let answers = stack.at_once(40, &GET, "/unprotected").await;
    let good =
        answers.iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)).count();
    println!("FAIL_RELOAD: {good} of 40 requests on both workers answered right after the trap");
    assert!(good > 0);
}

#[tokio::test]
async fn with_fail_closed_a_dead_vm_refuses_and_the_other_worker_goes_on() {
    let stack = start(with_policy("FAIL_CLOSED").concurrency(2)).await;
    assert_eq!(get(&stack, "/unprotected").await.status, 200);
    let worker = Worker::of(&stack);
    assert_eq!(worker.status(Some("trap")).await, Some(503));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(worker.status(None).await, Some(503), "it stays dead until the configuration changes");
    let seen = seen_by_backend(&stack).len();
    let answers = stack.at_once(40, &GET, "/unprotected").await;
    let good =
        answers.iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200)).count();
    println!("FAIL_CLOSED: {good} of 40 requests on both workers answered");
    assert!(good > 0);
    assert!(seen_by_backend(&stack).len() <= seen + 2 * good, "nothing passes unchecked");
}
