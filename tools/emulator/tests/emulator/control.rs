//! The control interface does what the methods do.

use std::net::{Ipv4Addr, SocketAddr};

use gatepass_emulator::{
    Algorithm, Emulator, Endpoint, Fault, LoggedRequest, Options, SigningKey, StartError, TokenSpec,
    directory::CALLER,
};
use serde_json::{Value, json};

use crate::support::{json, part, start, verifies};

#[tokio::test]
async fn requests_are_listed_and_forgotten() {
    let emulator = start().await;
    emulator.imds_token().await;
    let url = emulator.control_url("/requests");
    let seen = emulator.get(url.clone()).await;
    assert_eq!(seen["token_requests"], 1);
    let requests: Vec<LoggedRequest> = serde_json::from_value(seen["requests"].clone()).unwrap();
    assert_eq!(requests, emulator.requests());
    assert_eq!(emulator.client().delete(&url).send().await.unwrap().status(), 204);
    assert_eq!(emulator.get(url).await, json!({"token_requests": 0, "requests": []}));
    assert_eq!(emulator.token_requests(), 0);
}

#[tokio::test]
async fn faults_are_scripted_set_and_taken_back() {
    let emulator = start().await;
    let url = emulator.control_url("/faults/imds");
    let client = emulator.client();
    let two = json!([{"action": {"answer": {"status": 410}}}, {"delay_ms": 1, "action": "close"}]);
    assert_eq!(client.post(&url).json(&two).send().await.unwrap().status(), 204);
    let always = json!({"action": {"answer": {"status": 404, "body": "gone"}}});
    assert_eq!(client.put(&url).json(&always).send().await.unwrap().status(), 204);

    assert_eq!(emulator.ask_imds("").send().await.unwrap().status(), 410);
    assert!(emulator.ask_imds("").send().await.is_err());
    assert_eq!(emulator.ask_imds("").send().await.unwrap().text().await.unwrap(), "gone");
    assert_eq!(client.delete(&url).send().await.unwrap().status(), 204);
    emulator.imds_token().await;
}

#[tokio::test]
async fn what_it_does_not_understand_it_refuses() {
    let emulator = start().await;
    let client = emulator.client();
    let post = |path: &str, body: Value| client.post(emulator.control_url(path)).json(&body);
    for (request, status) in [
        (post("/faults/unknown", json!([])), 400),
        (post("/faults/imds", json!([{"action": "explode"}])), 422),
        (post("/faults/imds", json!([{"delay": 5}])), 422),
        (post("/tokens", json!({"audience": "x"})), 422),
        (post("/keys/rotate?mode=lose", json!({})), 400),
        (post("/keys/rotate", json!({})), 400),
        (client.put(emulator.control_url("/token-lifetime")).json(&json!({"hours": 1})), 422),
        (client.get(emulator.control_url("/nothing")), 404),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.url());
    }
    assert_eq!(emulator.requests(), [], "the control interface is not in the log");
}

#[tokio::test]
async fn keys_rotate_and_lifetimes_change() {
    let emulator = start().await;
    let client = emulator.client();
    for (mode, keys) in [("add", 3), ("replace", 1)] {
        let url = emulator.control_url(&format!("/keys/rotate?mode={mode}"));
        assert_eq!(client.post(url).send().await.unwrap().status(), 204);
        assert_eq!(emulator.entra_keys().await.len(), keys);
    }
    let lifetime = client.put(emulator.control_url("/token-lifetime"));
    let answer = lifetime.json(&json!({"seconds": 90})).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(emulator.imds_token().await["expires_in"], "90");
}

#[tokio::test]
async fn tokens_are_made_to_order() {
    let emulator = start().await;
    let url = emulator.control_url("/tokens");
    let spec = json!({
        "issuer": "partner",
        "algorithm": "ES256",
        "claims": {"scope": "orders.read", "roles": null},
        "header": {"typ": "at+jwt"},
        "lifetime": 60,
        "not_before": 0,
    });
    let token = emulator.client().post(&url).json(&spec).send().await.unwrap().text().await;
    let token = token.unwrap();
    assert!(verifies(&token, &emulator.partner_keys().await));
    assert_eq!(part(&token, 0)["typ"], "at+jwt");
    assert_eq!(part(&token, 1)["scope"], "orders.read");
    assert!(part(&token, 1).get("roles").is_none());

    let spec = TokenSpec::entra_v1().signed_by(SigningKey::Foreign).algorithm(Algorithm::Ps256);
    let token = emulator.client().post(&url).json(&spec).send().await.unwrap().text().await;
    let token = token.unwrap();
    assert_eq!(part(&token, 0)["alg"], "PS256");
    assert!(!verifies(&token, &emulator.entra_keys().await));
    let default = json(emulator.client().get(emulator.control_url("/health")), 200).await;
    assert_eq!(default, json!({"status": "ready"}));
}

#[tokio::test]
async fn the_directory_says_who_there_is() {
    let emulator = start().await;
    let directory = emulator.get(emulator.control_url("/directory")).await;
    assert_eq!(directory["api"]["identifier_uri"], "api://contoso-api");
    let caller = &directory["applications"][0];
    assert_eq!(caller["client_id"], CALLER.client_id);
    assert_eq!(caller["client_secret"].as_str(), emulator.client_secret(CALLER.client_id));
}

#[tokio::test]
async fn it_listens_on_loopback_only() {
    let state = tempfile::tempdir().unwrap();
    let mut options = Options::on_free_ports(state.path().to_owned());
    options.control = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let refused = Emulator::start(options).await.unwrap_err();
    assert!(matches!(refused, StartError::ControlNotOnLoopback(_)), "{refused}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let emulator = start().await;
    let state = tempfile::tempdir().unwrap();
    let mut options = Options::on_free_ports(state.path().to_owned());
    options.backend = emulator.backend();
    let refused = Emulator::start(options).await.unwrap_err();
    let text = refused.to_string();
    assert_eq!(text, format!("cannot listen on {} as the backend", emulator.backend()));
    emulator.script(Endpoint::Imds, vec![Fault::status(500)]);
    assert_eq!(emulator.ask_imds("").send().await.unwrap().status(), 500, "still there");
}
