//! The vault: secrets and their versions, and every refusal.

use gatepass_emulator::{
    Endpoint, Fault, SigningKey, TokenSpec, VaultSecret,
    directory::{GATEWAY, OTHER_TENANT, READER, VAULT_HOST},
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{Running, json, start};

#[tokio::test]
async fn a_managed_identity_reads_the_newest_version_or_the_one_it_names() {
    let emulator = start().await;
    let first = emulator.set_secret("functions-key", VaultSecret::new("one"));
    let answer =
        json(emulator.ask_imds("api-version=2018-02-01&resource=https://vault.azure.net"), 200).await;
    let token = answer["access_token"].as_str().unwrap();
    let read = async |path: &str| json(ask(&emulator, path).bearer_auth(token), 200).await;
    let secret = read("functions-key").await;
    assert_eq!(secret["value"], "one");
    assert_eq!(secret["id"], format!("https://{VAULT_HOST}/secrets/functions-key/{first}"));
    assert_eq!(secret["attributes"]["enabled"], true);
    assert!(secret["attributes"]["created"].is_i64() && secret.get("contentType").is_none());

    let put = emulator.client().put(emulator.control_url("/vault/secrets/functions-key"));
    let second = put.json(&json!({"value": "two", "content_type": "text/plain"})).send().await.unwrap();
    let second = second.text().await.unwrap();
    assert_eq!(read("Functions-Key").await["value"], "two");
    assert_eq!(read(&format!("functions-key/{second}")).await["contentType"], "text/plain");
    assert_eq!(read(&format!("functions-key/{first}")).await["value"], "one");
    assert_eq!(emulator.count(Endpoint::KeyVault), 4);
    assert!(!format!("{:?}", emulator.requests()).contains(token));
}

#[tokio::test]
async fn without_the_right_token_there_is_a_challenge() {
    let emulator = start().await;
    emulator.set_secret("a", VaultSecret::new("one"));
    let good = TokenSpec::entra_v1().client(GATEWAY.client_id).claim("aud", "https://vault.azure.net");
    for (spec, text) in [
        (None, "AKV10000"),
        (Some(good.clone().claim("aud", "https://vault.azure.net/")), "AKV10022"),
        (Some(good.clone().tenant(OTHER_TENANT)), "AKV10032"),
        (Some(good.clone().lifetime(-301)), "[TokenExpired]"),
        (Some(good.clone().signed_by(SigningKey::Foreign)), "[BearerReadAccessTokenFailed]"),
    ] {
        let mut request = ask(&emulator, "a");
        if let Some(spec) = spec {
            request = request.bearer_auth(emulator.issue(&spec));
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(
            challenge.starts_with("Bearer authorization=\"https://login.microsoftonline.com/"),
            "{challenge}"
        );
        assert!(challenge.ends_with("resource=\"https://vault.azure.net\""), "{challenge}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"]["code"], "Unauthorized");
        assert!(body["error"]["message"].as_str().unwrap().starts_with(text), "{body}");
    }
    json(ask(&emulator, "a").bearer_auth(emulator.issue(&good)), 200).await;
}

#[tokio::test]
async fn what_may_not_be_read_is_403_and_what_is_not_there_404() {
    let emulator = start().await;
    emulator.set_secret("off", VaultSecret::new("x").disabled());
    emulator.set_secret("on", VaultSecret::new("x"));
    let token = |client: &str| {
        let spec = TokenSpec::entra_v1().client(client).claim("aud", "https://vault.azure.net");
        emulator.issue(&spec)
    };
    let (gateway, reader) = (token(GATEWAY.client_id), token(READER.client_id));
    for (name, token, status, code, inner) in [
        ("off", &gateway, 403, "Forbidden", json!("SecretDisabled")),
        ("on", &reader, 403, "Forbidden", json!("ForbiddenByRbac")),
        ("none", &gateway, 404, "SecretNotFound", Value::Null),
        ("on/0123", &gateway, 404, "SecretNotFound", Value::Null),
    ] {
        let refusal = json(ask(&emulator, name).bearer_auth(token), status).await;
        assert_eq!(
            (&refusal["error"]["code"], &refusal["error"]["innererror"]["code"]),
            (&json!(code), &inner)
        );
    }
    emulator.allow_vault(READER.client_id, true);
    json(ask(&emulator, "on").bearer_auth(&reader), 200).await;
    emulator.delete_secret("on");
    json(ask(&emulator, "on").bearer_auth(&reader), 404).await;
    let url = emulator.url(VAULT_HOST, "/secrets/on");
    assert_eq!(json(emulator.client().get(url), 400).await["error"]["code"], "BadParameter");
    emulator.script(Endpoint::KeyVault, vec![Fault::throttled(Some(3))]);
    assert_eq!(ask(&emulator, "on").send().await.unwrap().headers()["retry-after"], "3");
}

fn ask(emulator: &Running, name: &str) -> RequestBuilder {
    emulator.client().get(emulator.url(VAULT_HOST, &format!("/secrets/{name}?api-version=7.4")))
}
