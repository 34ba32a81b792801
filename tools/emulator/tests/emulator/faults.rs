//! Faults: each kind, as a client meets it.

use std::time::{Duration, Instant};

use gatepass_emulator::{
    Action, Endpoint, Fault, TokenSpec,
    directory::{B2C_HOST, CLUSTER_HOST, TENANT, VAULT_HOST},
};

use crate::support::{Running, json, start};

const IMDS_PATH: &str = "/metadata/identity/oauth2/token";

#[tokio::test]
async fn scripted_answers_come_once_each_and_in_order() {
    let emulator = start().await;
    emulator.script(
        Endpoint::Imds,
        vec![
            Fault::new(Action::Answer {
                status: 429,
                headers: vec![
                    ("retry-after".to_owned(), "7".to_owned()),
                    ("content-type".to_owned(), "text/plain".to_owned()),
                ],
                body: "Too Many Requests".to_owned(),
            }),
            Fault::status(503),
            Fault::new(Action::Normal),
        ],
    );
    let ask = async || ask(&emulator).await.unwrap();
    let throttled = ask().await;
    assert_eq!(throttled.status(), 429);
    assert_eq!(throttled.headers()["retry-after"], "7");
    assert_eq!(throttled.text().await.unwrap(), "Too Many Requests");
    assert_eq!(ask().await.status(), 503);
    assert_eq!(ask().await.status(), 200);
    assert_eq!(ask().await.status(), 200);
    let statuses: Vec<_> = emulator.requests().iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [Some(429), Some(503), Some(200), Some(200)]);
    assert_eq!(emulator.token_requests(), 4);
}

#[tokio::test]
async fn the_default_fault_lasts_until_it_is_taken_back() {
    let emulator = start().await;
    emulator.set_default_fault(Endpoint::Imds, Some(Fault::status(500)));
    for _ in 0..3 {
        assert_eq!(ask(&emulator).await.unwrap().status(), 500);
    }
    emulator.set_default_fault(Endpoint::Imds, None);
    assert_eq!(ask(&emulator).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_fault_strikes_only_its_endpoint() {
    let emulator = start().await;
    let paths = [
        (Endpoint::Discovery, format!("/{TENANT}/v2.0/.well-known/openid-configuration")),
        (Endpoint::Discovery, format!("/{TENANT}/.well-known/openid-configuration")),
        (Endpoint::Jwks, format!("/{TENANT}/discovery/v2.0/keys")),
        (Endpoint::Jwks, format!("/{TENANT}/discovery/keys")),
        (Endpoint::Token, format!("/{TENANT}/oauth2/v2.0/token")),
        (Endpoint::Token, format!("/{TENANT}/oauth2/token")),
        (Endpoint::PartnerToken, "/token".to_owned()),
        (Endpoint::ServiceFabric, IMDS_PATH.to_owned()),
        (Endpoint::PartnerDiscovery, "/.well-known/openid-configuration".to_owned()),
        (Endpoint::PartnerJwks, "/jwks".to_owned()),
        (Endpoint::Other, "/nothing/here".to_owned()),
    ];
    for (struck, _) in &paths {
        emulator.set_default_fault(*struck, Some(Fault::status(418)));
        for (endpoint, path) in &paths {
            let answer = emulator.client().get(emulator.login_url(path)).send().await.unwrap();
            assert_eq!(answer.status() == 418, endpoint == struck, "{struck:?} {path}");
        }
        emulator.clear_faults();
    }
    json(emulator.client().get(emulator.backend_url("/")), 200).await;
    emulator.set_default_fault(Endpoint::Backend, Some(Fault::status(418)));
    let answer = emulator.client().get(emulator.backend_url("/")).send().await.unwrap();
    assert_eq!(answer.status(), 418);
}

#[tokio::test]
async fn every_platform_has_faults_of_its_own() {
    let emulator = start().await;
    let platforms = emulator.platforms();
    let urls = [
        (Endpoint::AppService, format!("http://{platforms}/msi/token")),
        (Endpoint::AzureMl, format!("http://{platforms}/azureml/token")),
        (Endpoint::CloudShell, format!("http://{platforms}/cloudshell/oauth2/token")),
        (Endpoint::WorkloadProxy, format!("http://{platforms}{IMDS_PATH}")),
        (Endpoint::Arc, format!("http://{}{IMDS_PATH}", emulator.arc())),
        (Endpoint::KeyVault, emulator.url(VAULT_HOST, "/secrets/a")),
        (Endpoint::CustomerDiscovery, emulator.url(B2C_HOST, "/t/p/v2.0/.well-known/openid-configuration")),
        (Endpoint::CustomerJwks, emulator.url(B2C_HOST, "/t/p/discovery/v2.0/keys")),
        (Endpoint::ClusterDiscovery, emulator.url(CLUSTER_HOST, "/.well-known/openid-configuration")),
        (Endpoint::ClusterJwks, emulator.url(CLUSTER_HOST, "/openid/v1/jwks")),
        (Endpoint::Workflow, emulator.backend_url("/workflows/9a1c3f5e/triggers/manual/paths/invoke")),
    ];
    for (struck, _) in &urls {
        emulator.script(*struck, vec![Fault::throttled(None)]);
    }
    for (endpoint, url) in &urls {
        let answer = emulator.client().post(url).send().await.unwrap();
        assert_eq!(answer.status(), 429, "{endpoint:?}");
        assert_eq!(answer.text().await.unwrap(), "Too Many Requests");
        assert_eq!(emulator.count(*endpoint), 1);
    }
}

#[tokio::test]
async fn a_late_answer_comes_after_its_delay() {
    let emulator = start().await;
    emulator.script(Endpoint::Imds, vec![Fault::late(Duration::from_millis(400))]);
    let asked = Instant::now();
    assert_eq!(ask(&emulator).await.unwrap().status(), 200);
    assert!(asked.elapsed() >= Duration::from_millis(400));
}

#[tokio::test]
async fn a_hang_lasts_as_long_as_the_client_waits() {
    let emulator = start().await;
    emulator.script(Endpoint::Imds, vec![Fault::new(Action::Hang)]);
    let asked = Instant::now();
    let request = emulator.ask_imds("").timeout(Duration::from_millis(500));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert_eq!(emulator.requests()[0].status, None);
    assert_eq!(ask(&emulator).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_closed_connection_is_an_error_and_no_answer() {
    let emulator = start().await;
    for endpoint in [Endpoint::Imds, Endpoint::Backend] {
        emulator.set_default_fault(endpoint, Some(Fault::new(Action::Close)));
    }
    for request in [emulator.ask_imds(""), emulator.client().get(emulator.backend_url("/"))] {
        let error = request.send().await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    }
    assert!(emulator.requests().iter().all(|seen| seen.status.is_none()));
}

#[tokio::test]
async fn a_truncated_answer_has_the_full_length_and_half_of_the_body() {
    let emulator = start().await;
    let whole = ask(&emulator).await.unwrap().content_length();
    emulator.script(Endpoint::Imds, vec![Fault::new(Action::Truncate)]);
    let mut answer = ask(&emulator).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.content_length(), whole);
    let mut received = 0;
    let end = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => received += chunk.len() as u64,
            end => break end,
        }
    };
    assert!(end.is_err());
    assert_eq!(received, whole.unwrap() / 2);
}

#[tokio::test]
async fn a_dripping_answer_is_whole_and_slow() {
    let emulator = start().await;
    let path = format!("/{TENANT}/v2.0/.well-known/openid-configuration");
    let url = emulator.login_url(&path);
    let whole = emulator.client().get(&url).send().await.unwrap().text().await.unwrap();
    let rate = u32::try_from(whole.len()).unwrap();
    emulator.script(Endpoint::Discovery, vec![Fault::new(Action::Drip { bytes_per_second: rate })]);
    let asked = Instant::now();
    let dripped = emulator.client().get(&url).send().await.unwrap();
    assert_eq!(dripped.content_length(), Some(u64::from(rate)));
    assert_eq!(dripped.text().await.unwrap(), whole);
    assert!(asked.elapsed() >= Duration::from_millis(900), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_stopped_emulator_frees_its_ports() {
    let emulator = start().await;
    emulator.set_default_fault(Endpoint::Imds, Some(Fault::new(Action::Hang)));
    let addresses = [emulator.imds(), emulator.login(), emulator.backend(), emulator.control()];
    let hanging = tokio::spawn(emulator.ask_imds("").send());
    while emulator.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = emulator.issue(&TokenSpec::default());
    drop(emulator);
    assert!(hanging.await.unwrap().is_err());
    for address in addresses {
        std::net::TcpListener::bind(address).unwrap();
    }
}

async fn ask(emulator: &Running) -> reqwest::Result<reqwest::Response> {
    emulator.ask_imds("api-version=2018-02-01&resource=api://contoso-api").send().await
}
