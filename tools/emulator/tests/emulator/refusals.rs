//! What the backend and the workflow refuse, and what they have seen.

use gatepass_emulator::{
    Challenge, Endpoint, LoggedRequest, TokenSpec, WorkflowPolicy,
    directory::{GATEWAY, OTHER_TENANT, TENANT},
};
use serde_json::{Value, json};

use crate::support::{Running, json, start};

const WORKFLOW: &str = "/workflows/9a1c3f5e/triggers/manual/paths/invoke";

#[tokio::test]
async fn the_next_requests_are_refused_one_each_and_their_bodies_are_seen() {
    let emulator = start().await;
    let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1"}}}"#;
    emulator.refuse_next(vec![
        Challenge::invalid_token(),
        Challenge::insufficient_scope().status(403),
        Challenge::insufficient_claims(claims),
        Challenge::without_error(),
        Challenge::without_header(),
    ]);
    for (status, text) in [
        (401, Some("error=\"invalid_token\"")),
        (403, Some("error=\"insufficient_scope\"")),
        (401, Some("error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4i")),
        (401, Some("Bearer realm=\"backend\"")),
        (401, None),
        (200, None),
    ] {
        let request = emulator.client().post(emulator.backend_url("/orders")).body("twelve bytes");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
        match text {
            Some(text) => assert!(challenge.unwrap().contains(text), "{challenge:?}"),
            None => assert_eq!(challenge, None),
        }
    }
    for seen in emulator.requests() {
        assert_eq!(seen.body_bytes, Some(12));
        assert!(seen.body_sha256.as_ref().unwrap().starts_with("d4ce2c527afe674c"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_token_is_refused_by_its_hash_until_that_is_taken_back() {
    let emulator = start().await;
    let (old, new) = (emulator.issue(&TokenSpec::entra_v2()), emulator.issue(&TokenSpec::entra_v2()));
    let ask = async |token: &str| {
        let request = emulator.client().get(emulator.backend_url("/")).bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(&old).await, 200);
    let hash = emulator.requests()[0].token_sha256.clone().unwrap();
    let url = emulator.control_url(&format!("/refusals/{hash}"));
    let challenge = serde_json::to_value(Challenge::invalid_token()).unwrap();
    assert_eq!(emulator.client().put(url).json(&challenge).send().await.unwrap().status(), 204);
    assert_eq!([ask(&old).await, ask(&old).await, ask(&new).await], [401, 401, 200]);
    emulator.clear_refusals();
    assert_eq!(ask(&old).await, 200);
}

#[tokio::test]
async fn the_workflow_runs_for_the_issuer_audience_and_caller_of_its_policy() {
    let emulator = start().await;
    let resource = "api-version=2018-02-01&resource=https://management.azure.com";
    let answer = json(emulator.ask_imds(resource), 200).await;
    let token = answer["access_token"].as_str().unwrap();
    let run = async |token: &str, query: &str| {
        let url = emulator.backend_url(&format!("{WORKFLOW}{query}"));
        emulator.client().post(url).bearer_auth(token).body("{}").send().await.unwrap()
    };
    let accepted = run(token, "").await;
    assert_eq!(accepted.status(), 202);
    assert!(accepted.headers().contains_key("x-ms-workflow-run-id"));
    let seen: LoggedRequest = emulator.requests().pop().unwrap();
    assert_eq!(
        (seen.endpoint, &seen.claims.unwrap()["appid"]),
        (Endpoint::Workflow, &json!(GATEWAY.client_id))
    );

    let good =
        TokenSpec::entra_v1().claim("aud", "https://management.azure.com").claim("oid", GATEWAY.object_id);
    assert_eq!(run(&emulator.issue(&good), "").await.status(), 202);
    let v2 = TokenSpec::entra_v2().claim("aud", "https://management.azure.com");
    for (spec, claim) in [
        (good.clone().claim("aud", "https://management.azure.com/"), "aud"),
        (good.clone().tenant(OTHER_TENANT), "iss"),
        (v2, "iss"),
        (good.clone().claim("oid", "somebody-else"), "oid"),
    ] {
        let refused = run(&emulator.issue(&spec), "").await;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["x-emulator-claim"]),
            (401, &claim.parse().unwrap())
        );
        assert_eq!(code(refused).await, "MisMatchingOAuthClaims");
    }
    let both = run(token, "?sp=a&sig=b").await;
    assert_eq!(code(both).await, "DirectApiInvalidAuthorizationScheme");
    let expired = run(&emulator.issue(&good.clone().lifetime(-301)), "").await;
    assert_eq!(code(expired).await, "AuthenticationFailed");
    let nobody = emulator.client().post(emulator.backend_url(WORKFLOW)).send().await.unwrap();
    assert_eq!(code(nobody).await, "DirectApiAuthorizationRequired");
    set_policy(&emulator).await;
    assert_eq!(run(token, "").await.status(), 401);
}

async fn set_policy(emulator: &Running) {
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let policy = serde_json::to_value(WorkflowPolicy { issuer, ..WorkflowPolicy::default() }).unwrap();
    let url = emulator.control_url("/workflow-policy");
    assert_eq!(emulator.client().put(url).json(&policy).send().await.unwrap().status(), 204);
}

async fn code(refused: reqwest::Response) -> Value {
    refused.json::<Value>().await.unwrap()["error"]["code"].clone()
}
