//! An unprotected API calls a protected one on the same gateway with its managed identity.

use std::collections::BTreeSet;

use gatepass_emulator::directory::GATEWAY;
use gatepass_stack::{Answer, Stack, tree};

use crate::support::*;

#[tokio::test]
async fn the_backend_sees_the_gateways_token_with_its_roles() {
    let stack = reference().await;
    let answer = get(&stack, "/unprotected").await;
    let token = answer.json();
    assert_eq!(token["Subject"], GATEWAY.object_id, "{}", answer.text());
    assert_eq!(token["Claims"]["roles"], serde_json::json!(GATEWAY.roles));
    assert_eq!(token["request"]["path"], "/protected");
}

#[tokio::test]
async fn one_token_serves_all_methods_even_after_a_thousand_refused_deletes() {
    let stack = reference().await;
    let mut issued = BTreeSet::new();
    for method in [GET, POST, GET, POST] {
        let answer = stack.send(method, "/unprotected", None).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        issued.extend(answer.issued_at());
    }
    for _ in 0..20 {
        for answer in stack.at_once(50, &DELETE, "/unprotected").await {
            assert_refused(&answer.unwrap(), 401, "Invalid JWT.");
        }
    }
    issued.extend(get(&stack, "/unprotected").await.issued_at());
    assert_eq!(issued.len(), 1, "{issued:?}");
    assert_eq!(stack.emulator().token_requests(), 1);
    stack.counter_reaches("requests.refused.claim_not_allowed", 1000).await.unwrap();
}

#[tokio::test]
async fn a_missing_role_is_told_from_a_bad_token() {
    let stack = reference().await;
    let token = good_token(&stack);
    let answer = stack.send(DELETE, "/protected", Some(&token)).await.unwrap();
    assert_refused(&answer, 401, "Invalid JWT.");
    assert_challenge(&answer, Some("insufficient_scope"));
    let spec = gatepass_emulator::TokenSpec::entra_v2().without_claim("roles");
    let answer = call(&stack, &stack.emulator().issue(&spec)).await;
    assert_refused(&answer, 401, "Invalid JWT.");
    assert_challenge(&answer, Some("insufficient_scope"));
}

#[tokio::test]
async fn what_is_no_operation_is_not_found_even_where_a_route_exists() {
    let stack = start(Stack::builder().edit(|tree| {
        // A route for everything, so that it is the filter that refuses.
        let routes = tree::manager(tree)
            .and_then(|manager| manager.pointer_mut("/route_config/virtual_hosts/0/routes"))
            .and_then(serde_json::Value::as_array_mut)
            .unwrap();
        routes.push(serde_json::json!({"match": {"prefix": "/"}, "route": {"cluster": "backend"}}));
    }))
    .await;
    for path in ["/", "/unknown", "/protected/below", "/protectedx", "/unprotecte", "/Protectedx"] {
        for token in [None, Some(good_token(&stack))] {
            let answer = stack.send(GET, path, token.as_deref()).await.unwrap();
            assert_refused(&answer, 404, "Resource not found");
        }
    }
    assert_eq!(seen_by_backend(&stack), []);
    stack.counter_reaches("requests.refused.operation_not_found", 12).await.unwrap();
    // Another spelling of an operation is that operation: a backend may read it so.
    for path in ["/Protected", "/protected/", "/PROTECTED/", "/%50rotected"] {
        assert_refused(&get(&stack, path).await, 401, "JWT not present.");
    }
    assert_eq!(seen_by_backend(&stack), []);
}

#[tokio::test]
async fn the_configuration_may_be_text_as_well_as_a_struct() {
    let text = Stack::reference_configuration().unwrap().to_string();
    for builder in [Stack::builder(), Stack::builder().configuration(&text)] {
        let stack = start(builder).await;
        assert_eq!(get(&stack, "/unprotected").await.status, 200);
        assert_eq!(get(&stack, "/protected").await.status, 401);
    }
}

#[track_caller]
fn assert_challenge(answer: &Answer, error: Option<&str>) {
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with("Bearer realm=\""), "{challenge}");
    match error {
        Some(error) => assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}"),
        None => assert!(!challenge.contains("error"), "{challenge}"),
    }
}
