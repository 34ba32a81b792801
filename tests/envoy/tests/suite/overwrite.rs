//! What the client sends in `Authorization` never reaches the backend where the gateway attaches a token.

use gatepass_emulator::{Endpoint, Fault, directory::GATEWAY};
use gatepass_stack::{Stack, tree};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn the_clients_token_is_replaced() {
    let stack = reference().await;
    let good = format!("Bearer {}", good_token(&stack));
    for lines in [
        vec![("authorization", "Bearer from-the-client")],
        vec![("authorization", good.as_str())],
        vec![("authorization", "Bearer one"), ("authorization", "Basic two")],
        vec![("Authorization", "Bearer one"), ("aUTHORIZATION", good.as_str())],
    ] {
        let answer = stack.get_with("/unprotected", &lines).await.unwrap();
        assert_eq!(answer.status, 200, "{lines:?}: {}", answer.text());
        assert_eq!(answer.json()["Subject"], GATEWAY.object_id, "{lines:?}");
    }
}

#[tokio::test]
async fn the_clients_token_does_not_pass_when_there_is_no_other() {
    // Straight to the backend, so that the protected API cannot hide what passes.
    let stack = start(
        Stack::builder()
            .configure(|configuration| configuration["wait"] = json!("2s"))
            .edit(|tree| {
                let route = tree::manager(tree)
                    .and_then(|manager| manager.pointer_mut("/route_config/virtual_hosts/0/routes/1/route"))
                    .unwrap();
                *route = json!({"cluster": "backend"});
            })
            .prepare(|emulator| {
                emulator.set_default_fault(Endpoint::Imds, Some(Fault::status(500)));
            }),
    )
    .await;
    let two = [("authorization", "Bearer one"), ("authorization", "Basic two")];
    let (without, with_one, with_two) = tokio::join!(
        stack.get("/unprotected"),
        stack.get_with("/unprotected", &two[..1]),
        stack.get_with("/unprotected", &two),
    );
    for answer in [without, with_one, with_two] {
        assert_unavailable(&answer.unwrap());
    }
    assert_eq!(seen_by_backend(&stack), []);

    stack.emulator().clear_faults();
    eventually("a token", std::time::Duration::from_secs(15), || async {
        get(&stack, "/unprotected").await.status == 200
    })
    .await;
    let answer = stack.get_with("/unprotected", &two).await.unwrap();
    assert_eq!(answer.json()["Subject"], GATEWAY.object_id, "{}", answer.text());
    assert_eq!(answer.seen("authorization").len(), 1, "{}", answer.text());
}
