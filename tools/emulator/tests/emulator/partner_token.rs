//! The partner's token endpoint: three ways to show who asks, and scope, audience, resource or none.

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepass_emulator::{
    Algorithm, Endpoint,
    directory::{CALLER, CONTOSO_API},
};
use serde_json::{Value, json};

use crate::{
    assertions::{CLIENT_ASSERTION_TYPE, claims, sign},
    support::{Form, json, part, post_form, start, verifies},
};

const AUDIENCES: [&str; 2] = ["https://idp.partner.example", "https://idp.partner.example/token"];

#[tokio::test]
async fn a_secret_in_basic_or_in_the_body_gives_a_token() {
    let emulator = start().await;
    let secret = emulator.client_secret(CALLER.client_id).unwrap();
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{}:{secret}", CALLER.client_id)));
    let ask = |fields: &Form| post_form(&emulator, emulator.partner_url("/token"), fields);
    let answer = json(ask(&grant(&[])).header("authorization", basic(&encoded)), 200).await;
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(3599)));
    let token = answer["access_token"].as_str().unwrap();
    assert!(verifies(token, &emulator.partner_keys().await));
    assert_eq!(part(token, 1)["aud"], CONTOSO_API.client_id);
    let post = grant(&[("client_id", CALLER.client_id), ("client_secret", secret)]);
    json(ask(&post), 200).await;
    assert_eq!(emulator.requests().pop().unwrap().endpoint, Endpoint::PartnerToken);

    let refused = ask(&grant(&[])).header("authorization", basic("wrong")).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));
    let both = ask(&post).header("authorization", basic(&encoded));
    assert_eq!(json(both, 401).await["error"], "invalid_client");
}

#[tokio::test]
async fn a_private_key_of_either_kind_signs_an_assertion_once() {
    let emulator = start().await;
    let ask = |fields: &Form| post_form(&emulator, emulator.partner_url("/token"), fields);
    let keys = [("RS256", Algorithm::Rs256), ("PS256", Algorithm::Ps256), ("ES256", Algorithm::Es256)];
    for ((name, algorithm), audience) in keys.into_iter().zip(AUDIENCES.into_iter().cycle()) {
        let header = json!({"alg": name, "kid": emulator.client_key_id(algorithm)});
        let fields = asserted(sign(&emulator, &header, &claims(CALLER.client_id, audience)));
        json(ask(&fields), 200).await;
        assert_eq!(json(ask(&fields), 401).await["error"], "invalid_client", "used before");
    }
    let kid = emulator.client_key_id(Algorithm::Es256);
    let good = claims(CALLER.client_id, AUDIENCES[0]);
    let edited = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    for (header, claims) in [
        (json!({"alg": "ES256"}), good.clone()),
        (json!({"alg": "ES256", "kid": "other"}), good.clone()),
        (json!({"alg": "ES256", "kid": kid}), edited("aud", json!("https://login.microsoftonline.com"))),
        (json!({"alg": "ES256", "kid": kid}), edited("sub", json!("other"))),
        (json!({"alg": "ES256", "kid": kid}), edited("exp", json!(1))),
        (json!({"alg": "ES256", "kid": kid}), edited("jti", Value::Null)),
    ] {
        let refusal = json(ask(&asserted(sign(&emulator, &header, &claims))), 401).await;
        assert_eq!(refusal["error"], "invalid_client", "{header} {claims}");
    }
}

#[tokio::test]
async fn what_is_asked_for_is_granted_or_refused_by_its_name() {
    let emulator = start().await;
    let secret = emulator.client_secret(CALLER.client_id).unwrap();
    let client = [("client_id", CALLER.client_id), ("client_secret", secret)];
    let ask = |more: &[(&'static str, &str)]| {
        post_form(&emulator, emulator.partner_url("/token"), &grant(&[client.as_slice(), more].concat()))
    };
    let granted = json(ask(&[("scope", "orders.read orders.write")]), 200).await;
    assert_eq!(granted["scope"], "orders.read orders.write");
    assert_eq!(part(granted["access_token"].as_str().unwrap(), 1)["scope"], "orders.read orders.write");
    for name in ["audience", "resource"] {
        let granted = json(ask(&[(name, "api://legacy-api")]), 200).await;
        assert_eq!(part(granted["access_token"].as_str().unwrap(), 1)["aud"], "api://legacy-api");
        assert_eq!(json(ask(&[(name, "api://nobody")]), 400).await["error"], "invalid_target");
    }
    assert_eq!(json(ask(&[("scope", "orders.read admin")]), 400).await["error"], "invalid_scope");
    let mut other = grant(&client);
    other[0].1 = "password".to_owned();
    let refusal = json(post_form(&emulator, emulator.partner_url("/token"), &other), 400).await;
    assert_eq!(refusal["error"], "unsupported_grant_type");
}

fn grant(more: &[(&'static str, &str)]) -> Form {
    let all = [("grant_type", "client_credentials")].into_iter().chain(more.iter().copied());
    all.map(|(name, value)| (name, value.to_owned())).collect()
}

fn asserted(assertion: String) -> Form {
    grant(&[("client_assertion_type", CLIENT_ASSERTION_TYPE), ("client_assertion", &assertion)])
}
