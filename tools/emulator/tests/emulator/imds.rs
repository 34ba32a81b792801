//! IMDS answers and refuses as Azure does.

use std::time::Duration;

use gatepass_emulator::{
    Rotation,
    directory::{CONTOSO_API, GATEWAY, READER, TENANT},
};
use serde_json::json;

use crate::support::{json, part, start, verifies};

const GOOD: &str = "api-version=2018-02-01&resource=api://contoso-api";

#[tokio::test]
async fn every_member_of_the_answer_is_a_string() {
    let emulator = start().await;
    let answer = emulator.imds_token().await;
    let members = answer.as_object().unwrap();
    assert_eq!(
        members.keys().collect::<Vec<_>>(),
        [
            "access_token",
            "client_id",
            "expires_in",
            "expires_on",
            "ext_expires_in",
            "not_before",
            "refresh_token",
            "resource",
            "token_type"
        ]
    );
    assert!(members.values().all(|value| value.is_string()), "{answer}");
    assert_eq!(answer["client_id"], GATEWAY.client_id);
    assert_eq!(answer["resource"], "api://contoso-api");
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["refresh_token"], "");
    let left: u32 = answer["expires_in"].as_str().unwrap().parse().unwrap();
    assert!((86_390..=86_400).contains(&left), "{left}");
}

#[tokio::test]
async fn the_token_is_a_v2_token_that_the_published_keys_verify() {
    let emulator = start().await;
    let answer = emulator.imds_token().await;
    let token = answer["access_token"].as_str().unwrap();
    assert!((1300..1650).contains(&token.len()), "{}", token.len());

    let header = part(token, 0);
    assert_eq!(header["typ"], "JWT");
    assert_eq!(header["alg"], "RS256");
    assert_eq!(header.as_object().unwrap().len(), 3, "v2 has no x5t: {header}");
    let claims = part(token, 1);
    for (name, value) in [
        ("aud", json!(CONTOSO_API.client_id)),
        ("iss", json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0"))),
        ("azp", json!(GATEWAY.client_id)),
        ("azpacr", json!("2")),
        ("idtyp", json!("app")),
        ("oid", json!(GATEWAY.object_id)),
        ("sub", json!(GATEWAY.object_id)),
        ("roles", json!(["Sample.Read", "Sample.Write"])),
        ("tid", json!(TENANT)),
        ("ver", json!("2.0")),
        ("nbf", claims["iat"].clone()),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    for name in ["aio", "rh", "uti"] {
        assert!(claims[name].is_string(), "{name}");
    }
    assert_eq!(claims["exp"].to_string(), answer["expires_on"].as_str().unwrap());
    assert_eq!(claims["nbf"].to_string(), answer["not_before"].as_str().unwrap());
    assert!(verifies(token, &emulator.entra_keys().await));
}

#[tokio::test]
async fn asking_again_gives_the_same_token_until_the_lifetime_changes() {
    let emulator = start().await;
    let first = emulator.imds_token().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let second = emulator.imds_token().await;
    assert_eq!(first["access_token"], second["access_token"]);
    assert_ne!(first["expires_in"], second["expires_in"], "what is left, not the whole life");

    emulator.set_token_lifetime(Duration::from_secs(600));
    let third = emulator.imds_token().await;
    assert_ne!(first["access_token"], third["access_token"]);
    assert_eq!(third["expires_in"], "600");
    assert_eq!(emulator.token_requests(), 3);
}

#[tokio::test]
async fn a_token_is_replaced_once_a_third_of_its_life_is_over() {
    let emulator = start().await;
    emulator.set_token_lifetime(Duration::from_secs(6));
    let first = emulator.imds_token().await;
    tokio::time::sleep(Duration::from_millis(3100)).await;
    let second = emulator.imds_token().await;
    assert_ne!(first["access_token"], second["access_token"]);
}

#[tokio::test]
async fn a_rotation_does_not_touch_the_token_that_is_cached() {
    let emulator = start().await;
    let before = emulator.imds_token().await;
    emulator.rotate_keys(Rotation::Replace);
    let after = emulator.imds_token().await;
    assert_eq!(before["access_token"], after["access_token"]);
    assert!(!verifies(after["access_token"].as_str().unwrap(), &emulator.entra_keys().await));
}

#[tokio::test]
async fn the_resource_may_be_the_uri_or_the_client_id_with_or_without_a_slash() {
    let emulator = start().await;
    for resource in [
        "api://contoso-api",
        "api://contoso-api/",
        CONTOSO_API.client_id,
        &CONTOSO_API.client_id.to_uppercase(),
        "api%3A%2F%2Fcontoso-api",
    ] {
        let query = format!("api-version=2019-08-01&resource={resource}");
        let answer = json(emulator.ask_imds(&query), 200).await;
        let claims = part(answer["access_token"].as_str().unwrap(), 1);
        assert_eq!(claims["aud"], CONTOSO_API.client_id, "{resource}");
    }
}

#[tokio::test]
async fn a_user_assigned_identity_is_chosen_by_any_of_its_names() {
    let emulator = start().await;
    let resource_id = READER.resource_id.unwrap();
    for selector in [
        format!("client_id={}", READER.client_id),
        format!("client_id={}", READER.client_id.to_uppercase()),
        format!("object_id={}", READER.object_id),
        format!("msi_res_id={resource_id}"),
    ] {
        let answer = json(emulator.ask_imds(&format!("{GOOD}&{selector}")), 200).await;
        assert_eq!(answer["client_id"], READER.client_id, "{selector}");
        let claims = part(answer["access_token"].as_str().unwrap(), 1);
        assert_eq!(claims["oid"], READER.object_id);
        assert_eq!(claims["roles"], json!(["Sample.Read"]));
    }
}

#[tokio::test]
async fn what_azure_refuses_is_refused_with_400() {
    let emulator = start().await;
    let client_id = READER.client_id;
    for (query, error, words) in [
        ("resource=api://contoso-api".to_owned(), "invalid_request", "'api-version' is missing"),
        ("api-version=2017-01-01&resource=api://contoso-api".to_owned(), "invalid_request", "not supported"),
        ("api-version=2018-02-01".to_owned(), "invalid_request", "'resource' is missing"),
        ("api-version=2018-02-01&resource=".to_owned(), "invalid_request", "'resource' is missing"),
        (format!("{GOOD}&resource=api://contoso-api"), "invalid_request", "more than once"),
        (format!("{GOOD}&api-version=2018-02-01"), "invalid_request", "more than once"),
        (
            format!("{GOOD}&client_id={client_id}&object_id={}", READER.object_id),
            "invalid_request",
            "Only one of",
        ),
        (format!("{GOOD}&client_id={TENANT}"), "invalid_request", "Identity not found"),
        (format!("{GOOD}&object_id={client_id}"), "invalid_request", "Identity not found"),
        ("api-version=2018-02-01&resource=api://unknown".to_owned(), "invalid_resource", "AADSTS50001"),
        (
            "api-version=2018-02-01&resource=api://contoso-api/.default".to_owned(),
            "invalid_resource",
            "AADSTS50001",
        ),
    ] {
        let refusal = json(emulator.ask_imds(&query), 400).await;
        assert_eq!(refusal["error"], error, "{query}");
        let description = refusal["error_description"].as_str().unwrap();
        assert!(description.contains(words), "{query}: {description}");
    }
}

#[tokio::test]
async fn the_metadata_header_must_be_there_and_x_forwarded_for_must_not() {
    let emulator = start().await;
    let plain = || emulator.client().get(emulator.imds_url(GOOD));
    for request in [plain(), plain().header("metadata", "false")] {
        let refusal = json(request, 400).await;
        assert_eq!(
            refusal,
            json!({
                "error": "invalid_request",
                "error_description": "Required metadata header not specified"
            })
        );
    }
    let forwarded = plain().header("metadata", "true").header("x-forwarded-for", "10.0.0.1");
    let refusal = json(forwarded, 400).await;
    assert!(refusal["error_description"].as_str().unwrap().contains("X-Forwarded-For"));
    assert_eq!(emulator.token_requests(), 3, "refused ones count too");
}

#[tokio::test]
async fn another_method_is_405_and_another_path_404() {
    let emulator = start().await;
    let client = emulator.client();
    for method in [reqwest::Method::POST, reqwest::Method::HEAD, reqwest::Method::DELETE] {
        let request = client.request(method, emulator.imds_url(GOOD)).header("metadata", "true");
        assert_eq!(request.send().await.unwrap().status(), 405);
    }
    let elsewhere = format!("http://{}/metadata/instance", emulator.imds());
    assert_eq!(client.get(elsewhere).send().await.unwrap().status(), 404);
    assert_eq!(emulator.token_requests(), 3);
    assert_eq!(emulator.requests().len(), 4);
}
