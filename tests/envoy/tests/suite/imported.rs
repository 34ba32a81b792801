//! Policies of API Management that `gatepass import` has turned into a configuration and routes, on the real Envoy. What
//! stands here is what `tools/gatepass/tests/cmd/import-*.toml` hold the command to.

use std::sync::{Arc, Mutex};

use gatepass_emulator::{
    Algorithm, Emulator, Endpoint, TokenSpec,
    directory::{CALLER, GATEWAY, LEGACY_API, READER},
};
use gatepass_stack::{Builder, Stack, tree};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::*;

/// What was imported: the configuration, and Envoy's routes.
fn imported(name: &str) -> (Value, Vec<Value>) {
    let file = format!("{}/../../tools/gatepass/tests/cmd/import-{name}.stdout", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).unwrap();
    let documents = serde_yaml_ng::Deserializer::from_str(&text).map(|one| Value::deserialize(one).unwrap());
    let [configuration, envoy] = documents.collect::<Vec<_>>().try_into().unwrap();
    (configuration, envoy["routes"].as_array().unwrap().clone())
}

/// An Envoy with the imported routes ahead of one that leads everything to the backend, and with the secrets that the
/// import asks for in the environment.
fn gateway(
    name: &str,
    change: impl FnOnce(&mut Value),
    secrets: impl FnOnce(&Emulator) -> Vec<(&'static str, String)> + Send + 'static,
) -> Builder {
    let (mut configuration, mut routes) = imported(name);
    change(&mut configuration);
    routes.push(json!({"match": {"prefix": "/"}, "route": {"cluster": "backend"}}));
    for route in &mut routes {
        // A route that only rewrites leads to the API's own backend, which API Management knows by itself.
        if route["route"]["cluster"].is_null() {
            route["route"]["cluster"] = json!("backend");
        }
    }
    let noted = Arc::new(Mutex::new(Vec::new()));
    let to_note = Arc::clone(&noted);
    Stack::builder()
        .prepare(move |emulator| *to_note.lock().unwrap() = secrets(emulator))
        .configuration(&configuration.to_string())
        .edit(move |tree| {
            // The gateway calls itself under the name of its backend, or by its own host.
            for (name, like) in
                [("localhost", "gateway"), ("gateway-contoso-example", "gateway"), ("workflow", "backend")]
            {
                let mut copy = tree::cluster(tree, like).unwrap().clone();
                copy["name"] = json!(name);
                tree::clusters(tree).unwrap().push(copy);
            }
            let variables: serde_json::Map<_, _> = noted
                .lock()
                .unwrap()
                .drain(..)
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect();
            tree::plugin(tree).unwrap()["vm_config"]["environment_variables"] =
                json!({"key_values": variables});
            let hosts = tree::manager(tree).unwrap().pointer_mut("/route_config/virtual_hosts/0").unwrap();
            hosts["routes"] = json!(routes);
        })
}

#[tokio::test]
async fn a_managed_identity_calls_the_protected_api_and_may_not_delete() {
    let stack = start(gateway("managed-identity", |_| {}, |_| Vec::new())).await;
    for (method, status) in [(GET, 200), (POST, 200), (DELETE, 401)] {
        let answer = stack.send(method.clone(), "/unprotected", None).await.unwrap();
        assert_eq!(answer.status, status, "{method}: {}", answer.text());
        let own = stack.send(method.clone(), "/protected", Some(&good_token(&stack))).await.unwrap();
        assert_eq!(own.status, status, "{method}: {}", own.text());
        assert_refused(&stack.send(method, "/protected", None).await.unwrap(), 401, "JWT not present.");
    }
    assert_eq!(stack.emulator().token_requests(), 1);
    let reader = TokenSpec::entra_v2().client(READER.client_id).roles(READER.roles);
    let answer = stack.send(POST, "/protected", Some(&stack.emulator().issue(&reader))).await.unwrap();
    assert_refused(&answer, 401, "Invalid JWT.");
}

#[tokio::test]
async fn tokens_that_a_policy_gets_by_hand_are_got_by_the_filter() {
    // What an import cannot know: the provider of Credential Manager is defined outside the policy.
    let provider = |configuration: &mut Value| {
        let text = configuration.to_string();
        let text = text
            .replace(
                "https://TOKEN-ENDPOINT/token",
                "https://login.microsoftonline.com/7f3c9a52-1d0e-4b68-9c47-2a5d8e6b1f90/oauth2/v2.0/token",
            )
            .replace("CLIENT-ID", CALLER.client_id)
            .replace("SCOPE", "api://contoso-api/.default")
            .replace(r#""cluster":"credential-provider""#, r#""cluster":"login""#);
        *configuration = serde_json::from_str(&text).unwrap();
    };
    let secrets = |emulator: &Emulator| {
        let secret = emulator.client_secret(CALLER.client_id).unwrap().to_owned();
        vec![
            ("OAUTH_CLIENT_SECRET", secret.clone()),
            ("CREDENTIAL_PROVIDER_SECRET", secret),
            ("CLIENT_CERTIFICATE", emulator.client_certificate()),
            ("CLIENT_PRIVATE_KEY", emulator.client_key(Algorithm::Rs256).unwrap()),
        ]
    };
    let stack = start(gateway("backend-tokens", provider, secrets)).await;
    for (path, strength) in [
        ("credential-manager", "1"),
        ("send-request-with-secret", "1"),
        ("send-request-with-certificate", "2"),
    ] {
        let path = format!("/unprotected/{path}");
        let first = get(&stack, &path).await;
        assert_eq!(first.status, 200, "{path}: {} {}", first.text(), stack.log());
        assert_eq!(first.json()["Claims"]["azpacr"][0], strength, "{path}: {}", first.text());
        assert_eq!(first.json()["request"]["path"], "/protected", "{path}");
        assert_eq!(first.issued_at(), get(&stack, &path).await.issued_at(), "{path}");
    }
    assert_refused(&get(&stack, "/unprotected/without-authentication").await, 401, "JWT not present.");
    // The identities with the same secret are two by name and one by what they are: they share a token.
    assert_eq!(stack.emulator().count(Endpoint::Token), 2);
    let secret = stack.emulator().client_secret(CALLER.client_id).unwrap();
    assert!(!stack.log().contains(secret), "a secret is in the log");
}

#[tokio::test]
async fn a_backend_is_reached_by_the_right_application_in_the_right_role_with_the_function_key() {
    let stack =
        start(gateway("passwordless", |_| {}, |_| vec![("FUNCTIONS_KEY", "f1nction-key".to_owned())])).await;
    let spec = || {
        let spec = TokenSpec::entra_v1().client(GATEWAY.client_id).roles(&["BackendAPI.Access"]);
        spec.claim("aud", LEGACY_API.client_id)
    };
    let ask = async |spec: &TokenSpec| {
        stack.send(POST, "/backend", Some(&stack.emulator().issue(spec))).await.unwrap()
    };
    let answer = ask(&spec()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = seen_by_backend(&stack).pop().unwrap();
    assert_eq!(seen.header("x-functions-key"), Some("<redacted 12 bytes>"));
    let refused = "Unauthorized. Access token is missing or invalid.";
    assert_refused(&stack.send(POST, "/backend", None).await.unwrap(), 401, refused);
    for wrong in [
        spec().client(READER.client_id),
        spec().roles(&["Sample.Read"]),
        spec().without_claim("roles"),
        spec().claim("aud", LEGACY_API.identifier_uri),
    ] {
        assert_refused(&ask(&wrong).await, 401, refused);
    }
    assert_eq!(seen_by_backend(&stack).len(), 1);
    assert!(!stack.log().contains("f1nction-key"), "the key is in the log");
}

#[tokio::test]
async fn a_workflow_runs_for_the_gateway_and_never_sees_the_callers_token() {
    let stack = start(gateway("workflow", |_| {}, |_| Vec::new())).await;
    let token = good_token(&stack);
    for token in [None, Some(token.as_str())] {
        let answer = stack.send(POST, "/workflow", token).await.unwrap();
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    // The policy answers other methods itself, which Gatepass does not do.
    assert_refused(&get(&stack, "/workflow").await, 404, "Resource not found");
    assert_eq!(stack.emulator().count(Endpoint::Workflow), 2);
}
