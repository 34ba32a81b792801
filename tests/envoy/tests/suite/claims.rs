//! Claims that an operation asks for, and algorithms that Envoy does not check.

use gatepass_emulator::{
    Algorithm, TokenSpec,
    directory::{CALLER, TENANT},
};
use gatepass_stack::Stack;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn an_operation_asks_for_claims_and_a_path_for_its_own_tenant() {
    let mut stack = start(
        Stack::builder()
            .edit(|tree| {
                let manager = gatepass_stack::tree::manager(tree).unwrap();
                let routes = manager.pointer_mut("/route_config/virtual_hosts/0/routes").unwrap();
                let tenants = json!({"match": {"prefix": "/tenants/"}, "route": {"cluster": "backend"}});
                routes.as_array_mut().unwrap().push(tenants);
            })
            .configure(|configuration| {
                let operations = configuration["operations"].as_array_mut().unwrap();
                operations.push(json!({
                    "match": {"path": {"template": "/tenants/{tid}/orders/{order}"}},
                    "validate": {"required_claims": [
                        {"name": "tid", "equals_parameter": "tid"},
                        {"name": "azp", "match": "any", "values": [CALLER.client_id]},
                        {"name": "scp", "separator": " ", "match": "not", "values": ["orders.none"]},
                    ]},
                }));
            }),
    )
    .await;
    let own = format!("/tenants/{TENANT}/orders/7");
    let answer = async |path: &str, spec: TokenSpec| {
        stack.send(GET, path, Some(&stack.emulator().issue(&spec))).await.unwrap().status
    };
    let good = TokenSpec::entra_v2;
    assert_eq!(answer(&own, good()).await, 200);
    assert_eq!(answer(&own, good().claim("scp", "orders.read")).await, 200);
    assert_eq!(answer(&own.to_uppercase().replace("/TENANTS", "/tenants"), good()).await, 401);
    for path in [
        "/tenants/other/orders/7",
        "/tenants/%7Bother%7D/orders/7",
        &format!("/tenants/{TENANT}%20/orders/7"),
    ] {
        assert_eq!(answer(path, good()).await, 401, "{path}");
    }
    assert_eq!(answer(&format!("/tenants/{TENANT}/orders"), good()).await, 404);
    assert_eq!(answer(&own, good().claim("azp", "somebody")).await, 401);
    assert_eq!(answer(&own, good().without_claim("azp")).await, 401);
    assert_eq!(answer(&own, good().claim("scp", "orders.read orders.none")).await, 401);
    assert_eq!(seen_by_backend(&stack).len(), 2);
    stack.counter_reaches("requests.refused.claim_missing", 1).await.unwrap();
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn a_signature_that_envoy_does_not_check_is_checked_in_the_vm() {
    let mut stack = start(Stack::builder().configure(|configuration| {
        configuration["issuers"]["contoso"]["algorithms"] = json!(["RS256", "PS256"]);
    }))
    .await;
    let token = stack.emulator().issue(&TokenSpec::entra_v2().algorithm(Algorithm::Ps256));
    assert_eq!(call(&stack, &token).await.status, 200);
    let (signing_input, signature) = token.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    for forged in [
        format!("{signing_input}.{turned}"),
        with_part(&token, 1, &json!({"roles": ["Sample.Read"]})),
        with_part(&token, 0, &json!({"alg": "RS256", "kid": decoded(&token, 0)["kid"]})),
    ] {
        assert_eq!(call(&stack, &forged).await.status, 401, "{forged}");
    }
    assert_eq!(seen_by_backend(&stack).len(), 1);
    assert_still_serves(&mut stack).await;
}
