//! Entra's token endpoint: who asks, how they show it, for what; v1 and v2.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use gatepass_emulator::{
    Endpoint, Fault, TokenSpec,
    directory::{CALLER, CLUSTER_ISSUER, CONTOSO_API, KEY_VAULT, LEGACY_API, READER, STRANGER, TENANT},
};
use serde_json::{Value, json};

use crate::{
    assertions::{CLIENT_ASSERTION_TYPE, sign, thumbprint},
    support::{Form, Running, client_credentials, json, part, post_form, refused, start, verifies},
};

const V2: &str = "oauth2/v2.0/token";

#[tokio::test]
async fn v1_answers_with_strings_and_takes_a_resource() {
    let emulator = start().await;
    let mut fields = with_secret(&emulator);
    fields.retain(|(name, _)| *name != "scope");
    let refusal = ask(&emulator, "oauth2/token", &fields, 400).await;
    refused(&refusal, "invalid_request", 900_144);
    fields.push(("resource", CONTOSO_API.identifier_uri.to_owned()));
    let answer = ask(&emulator, "oauth2/token", &fields, 200).await;
    assert!(answer.as_object().unwrap().values().all(Value::is_string), "{answer}");
    assert_eq!((&answer["expires_in"], &answer["resource"]), (&json!("3599"), &json!("api://contoso-api")));
    let claims = part(answer["access_token"].as_str().unwrap(), 1);
    assert_eq!(claims["exp"].to_string(), answer["expires_on"]);
    assert_eq!(claims["ver"], "2.0", "the API says which version, not the endpoint");
    set(&mut fields, "resource", "api://contoso-api/.default");
    refused(&ask(&emulator, "oauth2/token", &fields, 400).await, "invalid_resource", 500_011);
}

#[tokio::test]
async fn the_api_decides_the_version_and_the_audience() {
    let emulator = start().await;
    for (resource, version, audience) in [
        ("api://contoso-api", "2.0", CONTOSO_API.client_id),
        ("api://contoso-api/", "2.0", CONTOSO_API.client_id),
        ("api://legacy-api", "1.0", "api://legacy-api"),
        ("api://legacy-api/", "1.0", "api://legacy-api/"),
        (LEGACY_API.client_id, "1.0", LEGACY_API.client_id),
        (KEY_VAULT.identifier_uri, "1.0", "https://vault.azure.net"),
    ] {
        let mut fields = with_secret(&emulator);
        set(&mut fields, "scope", &format!("{resource}/.default"));
        let answer = ask(&emulator, V2, &fields, 200).await;
        let claims = part(answer["access_token"].as_str().unwrap(), 1);
        assert_eq!((&claims["ver"], &claims["aud"]), (&json!(version), &json!(audience)), "{resource}");
    }
    let secret = emulator.client_secret(STRANGER.client_id).unwrap();
    let mut stranger = client_credentials(STRANGER.client_id, secret);
    set(&mut stranger, "scope", "api://legacy-api/.default");
    let answer = ask(&emulator, V2, &stranger, 200).await;
    assert!(part(answer["access_token"].as_str().unwrap(), 1).get("roles").is_none());
}

#[tokio::test]
async fn scopes_are_one_resource_with_default_behind_it() {
    let emulator = start().await;
    for (scope, error, code) in [
        ("api://contoso-api", "invalid_scope", 70_011),
        ("/.default", "invalid_scope", 70_011),
        ("api://contoso-api/Sample.Read", "invalid_scope", 70_011),
        ("api://contoso-api/.default openid", "invalid_scope", 70_011),
        ("api://contoso-api/.default api://legacy-api/.default", "invalid_scope", 700_022),
        ("api://nobody/.default", "invalid_resource", 500_011),
    ] {
        let mut fields = with_secret(&emulator);
        set(&mut fields, "scope", scope);
        refused(&ask(&emulator, V2, &fields, 400).await, error, code);
    }
    let mut fields = with_secret(&emulator);
    fields.push(("resource", "api://contoso-api".to_owned()));
    refused(&ask(&emulator, V2, &fields, 400).await, "invalid_request", 901_002);
}

#[tokio::test]
async fn a_secret_comes_in_the_body_or_in_basic_and_is_encoded_in_both() {
    let emulator = start().await;
    let secret = emulator.client_secret(CALLER.client_id).unwrap();
    assert!(secret.contains('+') && secret.contains('%'), "it wants to be encoded");
    let fields = with_secret(&emulator);
    ask(&emulator, V2, &fields, 200).await;
    let rest: Vec<_> =
        fields.iter().filter(|(name, _)| ["grant_type", "scope"].contains(name)).cloned().collect();
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    for (secret, status) in [(encoded.as_str(), 200), (secret, 401)] {
        let basic = STANDARD.encode(format!("{}:{secret}", CALLER.client_id));
        let request = post_form(&emulator, emulator.login_url(&format!("/{TENANT}/{V2}")), &rest);
        json(request.header("authorization", format!("Basic {basic}")), status).await;
    }
    let body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={secret}&scope=api://contoso-api/.default",
        CALLER.client_id
    );
    let raw = emulator
        .client()
        .post(emulator.login_url(&format!("/{TENANT}/{V2}")))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    assert_eq!(raw.send().await.unwrap().status(), 401, "not encoded");
}

#[tokio::test]
async fn a_certificate_signs_with_either_algorithm_and_thumbprint() {
    let emulator = start().await;
    for (algorithm, name) in [("PS256", "x5t#S256"), ("RS256", "x5t")] {
        let header = json!({"alg": algorithm, "typ": "JWT", name: thumbprint(&emulator, name)});
        let fields = with_assertion(CALLER.client_id, sign(&emulator, &header, &certified_claims()));
        let answer = ask(&emulator, V2, &fields, 200).await;
        let claims = part(answer["access_token"].as_str().unwrap(), 1);
        assert_eq!((&claims["azp"], &claims["azpacr"]), (&json!(CALLER.client_id), &json!("2")));
        refused(&ask(&emulator, V2, &fields, 401).await, "invalid_client", 50_027);
        let seen = emulator.requests().pop().unwrap();
        assert_eq!((seen.endpoint, seen.field("client_id")), (Endpoint::Token, Some(CALLER.client_id)));
        assert!(seen.field("client_assertion").unwrap().starts_with("<redacted "));
        assert_eq!(seen.field("client_assertion_type"), Some(CLIENT_ASSERTION_TYPE));
        assert_eq!(seen.assertion.unwrap().header, *header.as_object().unwrap());
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificates_assertion_has_its_code() {
    let emulator = start().await;
    let good = json!({"alg": "PS256", "x5t#S256": thumbprint(&emulator, "x5t#S256")});
    let claims = |name: &str, value: Value| {
        let mut claims = certified_claims();
        claims[name] = value;
        claims
    };
    let now = certified_claims()["iat"].as_i64().unwrap();
    for (header, claims, code) in [
        (json!({"alg": "PS256", "x5t#S256": "AAAA"}), certified_claims(), 700_027),
        (json!({"alg": "PS256"}), certified_claims(), 700_027),
        (good.clone(), claims("aud", json!("https://elsewhere.example/token")), 700_023),
        (good.clone(), claims("sub", json!("somebody")), 700_021),
        (good.clone(), claims("exp", json!(now - 301)), 700_024),
        (good.clone(), claims("nbf", json!(now + 310)), 700_024),
        (good.clone(), claims("jti", Value::Null), 50_027),
    ] {
        let fields = with_assertion(CALLER.client_id, sign(&emulator, &header, &claims));
        refused(&ask(&emulator, V2, &fields, 401).await, "invalid_client", code);
    }
    let mut text = sign(&emulator, &good, &certified_claims());
    text.replace_range(text.len() - 6.., "AAAAAA");
    let fields = with_assertion(CALLER.client_id, text);
    refused(&ask(&emulator, V2, &fields, 401).await, "invalid_client", 700_027);
    for date in [json!((now + 60).to_string()), json!(now as f64 + 60.5)] {
        let claims = claims("exp", date);
        let fields = with_assertion(CALLER.client_id, sign(&emulator, &good, &claims));
        ask(&emulator, V2, &fields, 200).await;
    }
}

#[tokio::test]
async fn a_service_account_is_exchanged_where_a_federated_credential_names_it() {
    let emulator = start().await;
    let token = |spec: TokenSpec| emulator.issue(&spec);
    let good = TokenSpec::service_account();
    for (client_id, strength) in [(CALLER.client_id, "2"), (READER.client_id, "2")] {
        let answer = ask(&emulator, V2, &with_assertion(client_id, token(good.clone())), 200).await;
        let access = answer["access_token"].as_str().unwrap();
        assert!(verifies(access, &emulator.entra_keys().await));
        assert_eq!(
            (&part(access, 1)["azp"], &part(access, 1)["azpacr"]),
            (&json!(client_id), &json!(strength))
        );
    }
    let no_slash = CLUSTER_ISSUER.trim_end_matches('/');
    for (client_id, spec, status, error, code) in [
        (STRANGER.client_id, good.clone(), 400, "invalid_request", 70_021),
        (CALLER.client_id, good.clone().claim("iss", no_slash), 400, "invalid_request", 70_021),
        (
            CALLER.client_id,
            good.clone().claim("sub", "system:serviceaccount:a:b"),
            400,
            "invalid_request",
            70_021,
        ),
        (CALLER.client_id, good.clone().claim("aud", "api://other"), 400, "invalid_request", 70_021),
        (CALLER.client_id, good.clone().lifetime(-301), 401, "invalid_client", 700_024),
        (CALLER.client_id, good.header("alg", "RS512"), 401, "invalid_client", 700_027),
    ] {
        let refusal = ask(&emulator, V2, &with_assertion(client_id, token(spec)), status).await;
        refused(&refusal, error, code);
    }
}

#[tokio::test]
async fn lifetimes_capabilities_and_faults_show_in_the_answer() {
    let emulator = start().await;
    let mut fields = with_secret(&emulator);
    emulator.set_client_token_lifetime(Duration::from_secs(86_400));
    assert_eq!(ask(&emulator, V2, &fields, 200).await["refresh_in"], 43_200);
    fields.push(("claims", json!({"access_token": {"xms_cc": {"values": ["cp1"]}}}).to_string()));
    let answer = ask(&emulator, V2, &fields, 200).await;
    assert_eq!(part(answer["access_token"].as_str().unwrap(), 1)["xms_cc"], json!(["cp1"]));
    set(&mut fields, "claims", "{");
    refused(&ask(&emulator, V2, &fields, 400).await, "invalid_request", 90_023);

    let fields = with_secret(&emulator);
    emulator.script(
        Endpoint::Token,
        vec![
            Fault::merge(json!({"expires_in": "3599", "token_type": null})),
            Fault::throttled(Some(60)),
            Fault::aadsts(400, "invalid_grant", 53_003, "Access has been blocked."),
            Fault::page(),
        ],
    );
    let odd = ask(&emulator, V2, &fields, 200).await;
    assert_eq!((&odd["expires_in"], odd.get("token_type")), (&json!("3599"), None));
    let url = || emulator.login_url(&format!("/{TENANT}/{V2}"));
    let throttled = post_form(&emulator, url(), &fields).send().await.unwrap();
    assert_eq!(
        (throttled.status().as_u16(), &throttled.headers()["retry-after"]),
        (429, &"60".parse().unwrap())
    );
    assert_eq!(throttled.text().await.unwrap(), "Too Many Requests");
    let blocked: Value = post_form(&emulator, url(), &fields).send().await.unwrap().json().await.unwrap();
    refused(&blocked, "invalid_grant", 53_003);
    let page = post_form(&emulator, url(), &fields).send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), &page.headers()["content-type"]),
        (200, &"text/html".parse().unwrap())
    );
}

fn certified_claims() -> Value {
    let audience = format!("https://login.microsoftonline.com/{TENANT}/{V2}");
    crate::assertions::claims(CALLER.client_id, &audience)
}

fn with_secret(emulator: &Running) -> Form {
    client_credentials(CALLER.client_id, emulator.client_secret(CALLER.client_id).unwrap())
}

fn with_assertion(client_id: &str, assertion: String) -> Form {
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", client_id.to_owned()),
        ("scope", "api://contoso-api/.default".to_owned()),
        ("client_assertion_type", CLIENT_ASSERTION_TYPE.to_owned()),
        ("client_assertion", assertion),
    ]
}

fn set(fields: &mut Form, name: &str, value: &str) {
    for (_, old) in fields.iter_mut().filter(|(field, _)| *field == name) {
        value.clone_into(old);
    }
}

async fn ask(emulator: &Running, path: &str, fields: &Form, status: u16) -> Value {
    json(post_form(emulator, emulator.login_url(&format!("/{TENANT}/{path}")), fields), status).await
}
