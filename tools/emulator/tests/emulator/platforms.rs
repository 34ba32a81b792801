//! The managed-identity endpoints that are not IMDS: App Service and what came of it, Arc, Service
//! Fabric, Cloud Shell, the AKS sidecar.

use std::{fs, time::Duration};

use gatepass_emulator::{
    DateShape, Endpoint, Fault,
    directory::{CONTOSO_API, GATEWAY, READER},
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{Running, json, now, part, start};

const TOKEN_PATH: &str = "/metadata/identity/oauth2/token";
const RESOURCE: &str = "resource=api://contoso-api";

#[tokio::test]
async fn app_service_answers_its_own_processes_without_expires_in() {
    let emulator = start().await;
    let header = emulator.identity_header();
    let ask = |query: &str| app_service(&emulator, query).header("x-identity-header", &header);
    let answer = json(ask(&format!("api-version=2019-08-01&{RESOURCE}")), 200).await;
    let names: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["access_token", "client_id", "expires_on", "not_before", "resource", "token_type"]);
    assert!(answer.as_object().unwrap().values().all(Value::is_string), "{answer}");
    assert_eq!(part(answer["access_token"].as_str().unwrap(), 1)["azp"], GATEWAY.client_id);
    for (name, value) in [
        ("client_id", READER.client_id),
        ("principal_id", READER.object_id),
        ("object_id", READER.object_id),
        ("mi_res_id", READER.resource_id.unwrap()),
    ] {
        let answer = json(ask(&format!("api-version=2025-03-30&{RESOURCE}&{name}={value}")), 200).await;
        assert_eq!(answer["client_id"], READER.client_id, "{name}");
    }
    for (query, status) in [
        ("api-version=2019-08-01", 400),
        ("api-version=2018-02-01&resource=api://contoso-api", 400),
        ("api-version=2019-08-01&resource=api://contoso-api&client_id=nobody", 400),
        ("api-version=2019-08-01&resource=api://contoso-api&client_id=a&mi_res_id=b", 400),
        ("api-version=2019-08-01&resource=api://nobody", 500),
    ] {
        assert_eq!(json(ask(query), status).await["statusCode"], status, "{query}");
    }
}

#[tokio::test]
async fn the_identity_header_is_wanted_and_rotates() {
    let emulator = start().await;
    let query = format!("api-version=2019-08-01&{RESOURCE}");
    let old = emulator.identity_header();
    json(app_service(&emulator, &query), 401).await;
    json(app_service(&emulator, &query).header("x-identity-header", &old), 200).await;
    let url = emulator.control_url("/identity-header/rotate");
    assert_eq!(emulator.client().post(url).send().await.unwrap().status(), 204);
    json(app_service(&emulator, &query).header("x-identity-header", &old), 401).await;
    let new = emulator.identity_header();
    json(app_service(&emulator, &query).header("x-identity-header", &new), 200).await;
    let seen = emulator.requests();
    assert!(seen.iter().all(|request| request.endpoint == Endpoint::AppService));
    assert!(!format!("{seen:?}").contains(&new), "a secret is in the log");
}

#[tokio::test]
async fn a_token_that_was_refused_is_replaced_if_its_hash_is_given() {
    let emulator = start().await;
    let header = emulator.identity_header();
    let ask = async |more: &str| {
        let query = format!("api-version=2025-03-30&{RESOURCE}{more}");
        let answer = json(app_service(&emulator, &query).header("x-identity-header", &header), 200).await;
        answer["access_token"].as_str().unwrap().to_owned()
    };
    let first = ask("").await;
    assert_eq!(ask("&token_sha256_to_refresh=00").await, first);
    let hash = ring::digest::digest(&ring::digest::SHA256, first.as_bytes());
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let second = ask(&format!("&token_sha256_to_refresh={hash}&xms_cc=cp1")).await;
    assert_ne!(second, first);
    assert_eq!(part(&second, 1)["xms_cc"], json!(["cp1"]));
}

#[tokio::test]
async fn the_first_version_and_azure_ml_want_a_secret_and_write_dates_their_way() {
    let emulator = start().await;
    let header = emulator.identity_header();
    let query = format!("api-version=2017-09-01&{RESOURCE}&clientid={}", READER.client_id);
    let answer = json(app_service(&emulator, &query).header("secret", &header), 200).await;
    assert!(answer["expires_on"].as_str().unwrap().ends_with(" +00:00"), "{answer}");
    json(app_service(&emulator, &query).header("x-identity-header", &header), 401).await;
    let ml = || emulator.client().get(format!("http://{}/azureml/token?{query}", emulator.platforms()));
    let answer = json(ml().header("secret", &header), 200).await;
    assert_eq!(answer["client_id"], READER.client_id);
    assert!(answer["expires_on"].as_str().unwrap().parse::<i64>().unwrap() > now());
    json(ml(), 401).await;
    let odd = DateShape::Windows.write(now() + 60);
    emulator.script(Endpoint::AzureMl, vec![Fault::merge(json!({"expires_on": odd}))]);
    assert_eq!(json(ml().header("secret", &header), 200).await["expires_on"], odd);
}

#[tokio::test]
async fn arc_gives_a_token_for_the_content_of_a_file_once() {
    let emulator = start().await;
    let query = format!("api-version=2020-06-01&{RESOURCE}&client_id={}", READER.client_id);
    let ask = || {
        let url = format!("http://{}{TOKEN_PATH}?{query}", emulator.arc());
        emulator.client().get(url).header("metadata", "true")
    };
    let challenge = ask().send().await.unwrap();
    assert_eq!(challenge.status(), 401);
    let challenge = challenge.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let path = challenge.strip_prefix("Basic realm=").unwrap();
    assert!(path.ends_with(".key"), "{path}");
    let secret = fs::read_to_string(path).unwrap();
    assert!(secret.len() <= 4096);
    let with_secret = || ask().header("authorization", format!("Basic {secret}"));
    let answer = json(with_secret(), 200).await;
    assert_eq!((&answer["client_id"], answer["expires_in"].is_string()), (&json!(READER.client_id), true));
    assert!(!fs::exists(path).unwrap());
    assert_eq!(with_secret().send().await.unwrap().status(), 401, "another file");
    let url = format!("http://{}{TOKEN_PATH}?{query}", emulator.arc());
    assert_eq!(json(emulator.client().get(url), 400).await["error"], "invalid_request");
    assert!(emulator.requests().iter().all(|request| request.endpoint == Endpoint::Arc));
}

#[tokio::test]
async fn service_fabric_answers_with_a_number_and_its_own_errors() {
    let emulator = start().await;
    let header = emulator.identity_header();
    let ask =
        |query: &str| emulator.client().get(emulator.url("localhost", &format!("{TOKEN_PATH}?{query}")));
    let good = format!("api-version=2019-07-01-preview&{RESOURCE}");
    let answer = json(ask(&good).header("secret", &header), 200).await;
    assert!(answer["expires_on"].is_i64(), "{answer}");
    assert_eq!(emulator.requests()[0].endpoint, Endpoint::ServiceFabric);
    for (request, status, code) in [
        (ask(&good), 400, "SecretHeaderNotFound"),
        (ask(&good).header("secret", "wrong"), 404, "ManagedIdentityNotFound"),
        (ask("api-version=2020-05-01").header("secret", &header), 400, "ArgumentNullOrEmpty"),
        (ask("api-version=1&resource=a").header("secret", &header), 400, "InvalidApiVersion"),
    ] {
        assert_eq!(json(request, status).await["error"]["code"], code);
    }
    assert_eq!(emulator.login_thumbprint().len(), 40);
}

#[tokio::test]
async fn cloud_shell_takes_a_form_and_the_sidecar_a_query() {
    let emulator = start().await;
    let shell = || {
        let url = format!("http://{}/cloudshell/oauth2/token", emulator.platforms());
        emulator.client().post(url).body(RESOURCE)
    };
    let answer = json(shell().header("metadata", "true"), 200).await;
    assert_eq!(part(answer["access_token"].as_str().unwrap(), 1)["aud"], CONTOSO_API.client_id);
    json(shell(), 400).await;
    let url =
        format!("http://{}{TOKEN_PATH}?{RESOURCE}&client_id={}", emulator.platforms(), READER.client_id);
    let answer = json(emulator.client().get(url), 200).await;
    assert_eq!(answer["client_id"], READER.client_id);
    let endpoints: Vec<_> = emulator.requests().iter().map(|request| request.endpoint).collect();
    assert_eq!(endpoints, [Endpoint::CloudShell, Endpoint::CloudShell, Endpoint::WorkloadProxy]);
    emulator.set_token_lifetime(Duration::from_secs(60));
    assert_eq!(json(shell().header("metadata", "true"), 200).await["expires_in"], "60");
}

fn app_service(emulator: &Running, query: &str) -> RequestBuilder {
    emulator.client().get(format!("http://{}/msi/token?{query}", emulator.platforms()))
}
