//! What is attached to a request, and where it may go.

use std::time::Duration;

use gatepass_emulator::{Endpoint, Fault, directory::GATEWAY};
use gatepass_stack::{Builder, Stack, tree};
use serde_json::{Value, json};

use crate::support::*;

/// The gateway with these options for what `/unprotected` attaches, and these routes before its own.
fn attaching(options: Value, routes: Value) -> Builder {
    Stack::builder()
        .configure(move |configuration| {
            let attach = &mut configuration["operations"][1]["attach"][0];
            for (name, value) in options.as_object().unwrap() {
                attach[name] = value.clone();
            }
        })
        .edit(move |tree| {
            let own = tree::manager(tree)
                .and_then(|manager| manager.pointer_mut("/route_config/virtual_hosts/0/routes"))
                .and_then(Value::as_array_mut)
                .unwrap();
            let routes = routes.as_array().unwrap();
            own.splice(0..0, routes.iter().cloned());
        })
}

fn to(cluster: &str) -> Value {
    json!({"to": {"clusters": [cluster]}})
}

#[tokio::test]
async fn a_token_goes_to_the_clusters_that_it_may_go_to_alone() {
    let stack = start(attaching(to("gateway"), json!([]))).await;
    for _ in 0..4 {
        assert_eq!(get(&stack, "/unprotected").await.status, 200);
    }
    let stack = start(attaching(to("backend"), json!([]))).await;
    for _ in 0..4 {
        assert_refused(&get(&stack, "/unprotected").await, 500, "Internal server error");
    }
    assert_eq!(seen_by_backend(&stack), []);
    eventually("the line in the access log", Duration::from_secs(5), || async {
        stack.log().contains("gatepass.destination_not_allowed")
    })
    .await;
    stack.counter_reaches("requests.refused.destination_not_allowed", 4).await.unwrap();
}

/// Routes that a header of the client decides, before the one for everybody.
fn routes_by(header: &str) -> Value {
    let named = json!([{"name": header, "string_match": {"exact": "client"}}]);
    json!([
        {"match": {"path": "/unprotected", "headers": named}, "route": {"cluster": "backend"}},
        {"match": {"path": "/unprotected"}, "route": {"cluster": "gateway", "prefix_rewrite": "/protected"}},
    ])
}

#[tokio::test]
async fn a_client_that_chooses_the_route_does_not_choose_who_gets_the_token() {
    let stack = start(attaching(to("gateway"), routes_by("x-environment"))).await;
    for _ in 0..4 {
        assert_eq!(get(&stack, "/unprotected").await.status, 200);
        let answer = stack.get_with("/unprotected", &[("x-environment", "client")]).await.unwrap();
        assert_refused(&answer, 500, "Internal server error");
    }
}

/// Envoy chooses such a route anew behind the last filter, and shows the filter the old one until then. Should this
/// fail one day, Envoy shows the new one: then the limit in docs/outbound.md is gone.
#[tokio::test]
async fn a_route_that_matches_on_the_attached_header_itself_is_not_seen() {
    let stack = start(attaching(to("backend"), routes_by("authorization"))).await;
    let answer = stack.get_with("/unprotected", &[("authorization", "client")]).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn keep_and_move_to_decide_about_the_callers_header() {
    let stack = start(attaching(json!({"existing": "keep"}), straight_to_the_backend())).await;
    let mine = [("authorization", "Basic mine")];
    for _ in 0..4 {
        let answer = stack.get_with("/unprotected", &mine).await.unwrap();
        assert_eq!(answer.json()["token"], Value::Null, "{}", answer.text());
    }
    assert_eq!(stack.emulator().token_requests(), 0);
    assert_eq!(get(&stack, "/unprotected").await.json()["Subject"], GATEWAY.object_id);

    let moved = json!({"existing": {"move_to": "x-caller"}});
    let stack = start(attaching(moved, straight_to_the_backend())).await;
    for own in [&mine[..], &[("authorization", "Basic mine"), ("x-caller", "spoofed"), ("X-Caller", "again")]]
    {
        let answer = stack.get_with("/unprotected", own).await.unwrap();
        assert_eq!(answer.json()["Subject"], GATEWAY.object_id, "{}", answer.text());
        assert_eq!(answer.seen("x-caller"), ["Basic mine"]);
    }
    let answer = stack.get_with("/unprotected", &[("x-caller", "spoofed")]).await.unwrap();
    assert_eq!(answer.seen("x-caller"), [""; 0], "{}", answer.text());
    assert_no_crash(&stack);
}

#[tokio::test]
async fn continue_goes_on_without_the_token_and_without_the_clients() {
    let options = json!({"on_error": "continue"});
    let stack = start(attaching(options, straight_to_the_backend()).prepare(|emulator| {
        emulator.set_default_fault(Endpoint::Imds, Some(Fault::status(400)));
    }))
    .await;
    for _ in 0..4 {
        let answer = stack.get_with("/unprotected", &[("authorization", "Basic mine")]).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.seen("authorization"), [""; 0], "{}", answer.text());
    }
    assert_no_crash(&stack);
}

/// So that the backend's answer shows what it was sent.
fn straight_to_the_backend() -> Value {
    json!([{"match": {"path": "/unprotected"}, "route": {"cluster": "backend"}}])
}
