//! A request's body stays here as long as its headers do.

use std::time::Duration;

use gatepass_emulator::{Endpoint, Fault};
use gatepass_stack::{Stack, tree};
use reqwest::{Client, Version};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::support::*;

/// The setting under which Envoy goes on with a request whose headers are held back, as soon as more of it
/// arrives, unless the filter says otherwise each time.
async fn under_headers_stop_iteration(prepare: fn(&gatepass_emulator::Emulator)) -> Stack {
    start(
        Stack::builder()
            .edit(|tree| {
                tree::plugin(tree).unwrap()["allow_on_headers_stop_iteration"] = json!(true);
            })
            .prepare(prepare),
    )
    .await
}

fn clients() -> [Client; 2] {
    let http1 = Client::builder().http1_only().no_proxy();
    let http2 = Client::builder().http2_prior_knowledge().no_proxy();
    [http1.build().unwrap(), http2.build().unwrap()]
}

#[tokio::test]
async fn a_body_does_not_carry_an_unchecked_request_to_the_backend() {
    let mut stack = under_headers_stop_iteration(|emulator| {
        emulator.set_default_fault(Endpoint::Jwks, Some(Fault::late(Duration::from_secs(60))));
    })
    .await;
    let forged =
        with_part(&good_token(&stack), 1, &json!({"iss": "x", "aud": "y", "exp": 4_000_000_000_u64}));
    for http in clients() {
        for token in [good_token(&stack), forged.clone()] {
            let request = http.post(stack.url("/protected")).bearer_auth(token).body("body".repeat(1_000));
            let answer = timeout(Duration::from_secs(2), request.send()).await;
            assert!(!answer.is_ok_and(|answer| answer.unwrap().status() == 200));
        }
    }
    assert_eq!(seen_by_backend(&stack), []);
    stack.emulator().clear_faults();
    assert_no_crash(&stack);
    assert!(stack.is_alive());
}

#[tokio::test]
async fn a_body_arrives_whole_after_its_request_has_waited() {
    let mut stack = under_headers_stop_iteration(|emulator| {
        emulator.set_default_fault(Endpoint::Imds, Some(Fault::late(Duration::from_secs(1))));
    })
    .await;
    for http in clients() {
        let request =
            http.post(stack.url("/unprotected")).bearer_auth("clients-own").body("body".repeat(1_000));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["request"]["body_bytes"], 4_000, "{body}");
        assert!(body["Claims"]["roles"].is_array(), "{body}");
        sleep(Duration::from_millis(50)).await;
    }
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn a_method_in_lower_case_is_refused_over_http2_too() {
    let mut stack = reference().await;
    let [_, http2] = clients();
    let token = good_token(&stack);
    for method in ["delete", "Delete", "get"] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request =
            http2.request(method, stack.url("/protected")).bearer_auth(&token).version(Version::HTTP_2);
        let answer = request.send().await;
        assert!(!answer.is_ok_and(|answer| answer.status() != 400));
    }
    assert_eq!(seen_by_backend(&stack), []);
    assert_still_serves(&mut stack).await;
}
