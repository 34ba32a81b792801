//! The backend answers 401, and the filter stands in the listener: the client sees the answer, the next ones do not.

use std::time::Duration;

use gatepass_emulator::{Challenge, Endpoint, Fault, directory::CALLER};
use gatepass_stack::{Build, Builder, Stack, tree};
use serde_json::json;
use tokio::time::sleep;

use crate::support::*;
use crate::upstream::{client_credentials, with_secret};

/// A gateway that attaches a client's token towards the backend.
fn listener() -> Builder {
    with_secret(Stack::builder().build(Build::ResponseHeaders), |tree, secret| {
        let configuration = json!({"identities": {"partner": client_credentials(secret)}, "operations": [
            {"match": {"path": {"prefix": "/"}}, "anonymous": true,
             "attach": [{"identity": "partner", "resource": "api://contoso-api"}]}]});
        tree::set_configuration(tree, &configuration.to_string());
        let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "backend"}});
        tree::manager(tree).unwrap()["route_config"]["virtual_hosts"][0]["routes"] = json!([route]);
    })
}

async fn with_an_old_token() -> Stack {
    let stack = start(listener()).await;
    for _ in 0..8 {
        assert_eq!(get(&stack, "/orders").await.status, 200);
    }
    sleep(Duration::from_secs(61)).await;
    stack
}

fn token_requests(stack: &Stack) -> usize {
    requests(stack, Endpoint::Token).len()
}

/// Side by side: each of them waits a minute for its token to be old enough.
#[tokio::test]
async fn what_becomes_of_tokens_that_the_backend_refuses() {
    tokio::join!(
        a_thousand_refused_deletes_cost_no_token_request_and_delay_nothing(),
        a_token_that_the_backend_calls_invalid_is_replaced_once_and_serves_until_then(
            Challenge::invalid_token()
        ),
        a_token_that_the_backend_calls_invalid_is_replaced_once_and_serves_until_then(
            Challenge::without_error()
        ),
        a_token_that_the_backend_calls_invalid_is_replaced_once_and_serves_until_then(
            Challenge::without_header()
        ),
        claims_that_the_backend_asks_for_go_to_the_token_endpoint(),
        a_young_token_is_not_replaced_and_neither_is_one_that_envoy_refused_itself(),
    );
}

async fn a_thousand_refused_deletes_cost_no_token_request_and_delay_nothing() {
    let stack = with_an_old_token().await;
    assert_eq!(token_requests(&stack), 1);
    stack.emulator().refuse_next(vec![Challenge::insufficient_scope(); 1_000]);
    for _ in 0..10 {
        for answer in stack.at_once(100, &DELETE, "/orders").await {
            assert_eq!(answer.unwrap().status, 401);
        }
    }
    let started = std::time::Instant::now();
    assert_eq!(get(&stack, "/orders").await.status, 200);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    sleep(Duration::from_secs(2)).await;
    assert_eq!((token_requests(&stack), stack.counter("tokens.refused").await.unwrap()), (1, 0));
    assert_no_crash(&stack);
}

async fn a_token_that_the_backend_calls_invalid_is_replaced_once_and_serves_until_then(challenge: Challenge) {
    let stack = with_an_old_token().await;
    stack.emulator().set_default_fault(Endpoint::Token, Some(Fault::late(Duration::from_secs(2))));
    stack.emulator().refuse_next(vec![challenge.clone(); 20]);
    for _ in 0..20 {
        let answer = get(&stack, "/orders").await;
        assert_eq!(answer.status, 401, "the client sees it");
    }
    // The old one serves while the next one is fetched, and nobody waits.
    let started = std::time::Instant::now();
    assert_eq!(get(&stack, "/orders").await.status, 200);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    eventually("another token", Duration::from_secs(6), || async { token_requests(&stack) == 2 }).await;
    let old = seen_by_backend(&stack)[0].token_sha256.clone();
    eventually("its use", Duration::from_secs(6), || async {
        assert_eq!(get(&stack, "/orders").await.status, 200);
        seen_by_backend(&stack).last().unwrap().token_sha256 != old
    })
    .await;
    // Not again within five minutes.
    stack.emulator().refuse_next(vec![challenge.clone(); 4]);
    for _ in 0..4 {
        assert_eq!(get(&stack, "/orders").await.status, 401);
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(token_requests(&stack), 2, "{challenge:?}");
    assert_no_crash(&stack);
}

async fn claims_that_the_backend_asks_for_go_to_the_token_endpoint() {
    let stack = with_an_old_token().await;
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#;
    stack.emulator().refuse_next(vec![Challenge::insufficient_claims(claims)]);
    assert_eq!(get(&stack, "/orders").await.status, 401);
    eventually("another token", Duration::from_secs(6), || async { token_requests(&stack) == 2 }).await;
    assert_eq!(requests(&stack, Endpoint::Token)[1].field("claims"), Some(claims));
    assert_eq!(seen_by_backend(&stack).last().unwrap().claims.as_ref().unwrap()["oid"], CALLER.object_id);
}

/// The first token is a minute old for none of them.
async fn a_young_token_is_not_replaced_and_neither_is_one_that_envoy_refused_itself() {
    let stack = start(listener().edit(|tree| {
        let route = json!({"match": {"path": "/local"}, "direct_response": {"status": 401}});
        let routes = &mut tree::manager(tree).unwrap()["route_config"]["virtual_hosts"][0]["routes"];
        routes.as_array_mut().unwrap().insert(0, route);
    }))
    .await;
    assert_eq!(get(&stack, "/orders").await.status, 200);
    stack.emulator().refuse_next(vec![Challenge::invalid_token(); 4]);
    for _ in 0..4 {
        assert_eq!(get(&stack, "/orders").await.status, 401);
    }
    sleep(Duration::from_secs(61)).await;
    for _ in 0..8 {
        assert_eq!(get(&stack, "/local").await.status, 401);
    }
    sleep(Duration::from_secs(2)).await;
    assert_eq!(token_requests(&stack), 1);
    assert_no_crash(&stack);
}
