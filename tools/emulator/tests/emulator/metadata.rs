//! What is published for other tenants, for many tenants, for customers and by the cluster.

use gatepass_emulator::{
    Endpoint, SigningKey, TokenSpec,
    directory::{
        B2C_HOST, B2C_POLICY, CLUSTER_ISSUER, CONSUMER_TENANT, CUSTOMER_TENANT, CUSTOMER_TENANT_DOMAIN,
        EXTERNAL_ID_HOST, OTHER_TENANT, OTHER_TENANT_DOMAIN, TENANT,
    },
};
use serde_json::Value;

use crate::support::{Running, list, part, start, verifies};

const LOGIN: &str = "login.microsoftonline.com";

#[tokio::test]
async fn the_second_tenant_has_its_own_issuer_and_entras_keys() {
    let emulator = start().await;
    for (version, spec) in [("v2.0/", TokenSpec::entra_v2()), ("", TokenSpec::entra_v1())] {
        let (issuer, keys) = published(&emulator, LOGIN, &format!("/{OTHER_TENANT_DOMAIN}/{version}")).await;
        let token = emulator.issue(&spec.clone().tenant(OTHER_TENANT));
        assert_eq!(part(&token, 1)["iss"], issuer);
        assert_eq!(part(&token, 1)["tid"], OTHER_TENANT);
        assert!(verifies(&token, &keys));
        assert_ne!(part(&emulator.issue(&spec), 1)["iss"], issuer);
    }
}

#[tokio::test]
async fn the_key_of_personal_accounts_is_in_common_and_bound_to_its_tenant() {
    let emulator = start().await;
    let template = format!("https://{LOGIN}/{{tenantid}}/v2.0");
    let consumers = format!("https://{LOGIN}/{CONSUMER_TENANT}/v2.0");
    let own = emulator.issue(&TokenSpec::entra_v2().tenant(CONSUMER_TENANT));
    let confused = emulator.issue(&TokenSpec::entra_v2().signed_by(SigningKey::Consumers));
    assert_eq!(part(&own, 0)["kid"], part(&confused, 0)["kid"]);
    assert_eq!(part(&confused, 1)["tid"], TENANT);

    let (issuer, keys) = published(&emulator, LOGIN, "/common/v2.0/").await;
    assert_eq!(issuer, template);
    assert_eq!(issuers(&keys), [&template, &template, &consumers]);
    assert!(verifies(&own, &keys) && verifies(&confused, &keys));
    let (issuer, keys) = published(&emulator, LOGIN, "/organizations/v2.0/").await;
    assert_eq!(issuer, template);
    assert_eq!(issuers(&keys), [&template, &template]);
    assert!(!verifies(&own, &keys) && !verifies(&confused, &keys));
    let (issuer, keys) = published(&emulator, LOGIN, "/consumers/v2.0/").await;
    assert_eq!((&issuer, issuers(&keys)), (&Value::from(consumers.clone()), vec![&Value::from(consumers)]));
    let (issuer, keys) = published(&emulator, LOGIN, "/common/").await;
    assert_eq!(issuer, "https://sts.windows.net/{tenantid}/");
    assert!(keys.iter().all(|key| key.get("issuer").is_none()), "v1 keys have none");
}

#[tokio::test]
async fn customers_have_issuers_that_are_not_where_the_metadata_is() {
    let emulator = start().await;
    let policy = B2C_POLICY.to_ascii_lowercase();
    let b2c = format!("https://{B2C_HOST}/{CUSTOMER_TENANT}/v2.0/");
    let external_id = format!("https://{CUSTOMER_TENANT}.ciamlogin.com/{CUSTOMER_TENANT}/v2.0");
    for (host, path, issuer, spec) in [
        (B2C_HOST, format!("/{CUSTOMER_TENANT_DOMAIN}/{policy}/v2.0/"), &b2c, TokenSpec::b2c()),
        (B2C_HOST, format!("/tfp/{CUSTOMER_TENANT}/{B2C_POLICY}/v2.0/"), &b2c, TokenSpec::b2c()),
        (EXTERNAL_ID_HOST, format!("/{CUSTOMER_TENANT}/v2.0/"), &external_id, TokenSpec::external_id()),
    ] {
        emulator.clear_requests();
        let (published, keys) = published(&emulator, host, &path).await;
        let token = emulator.issue(&spec);
        assert_eq!((&published, &part(&token, 1)["iss"]), (&Value::from(issuer.as_str()), &published));
        assert!(verifies(&token, &keys));
        assert!(!verifies(&token, &emulator.entra_keys().await));
        let endpoints: Vec<_> = emulator.requests().iter().map(|request| request.endpoint).collect();
        assert_eq!(endpoints, [Endpoint::CustomerDiscovery, Endpoint::CustomerJwks, Endpoint::Jwks]);
    }
    let unknown = emulator.url(B2C_HOST, "/other/b2c_1_signin/v2.0/.well-known/openid-configuration");
    assert_eq!(emulator.client().get(unknown).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_cluster_publishes_the_key_of_its_service_account_tokens() {
    let emulator = start().await;
    let (host, path) = CLUSTER_ISSUER.trim_start_matches("https://").split_once('/').unwrap();
    let (issuer, keys) = published(&emulator, host, &format!("/{path}")).await;
    assert_eq!(issuer, CLUSTER_ISSUER);
    let token = emulator.issue(&TokenSpec::service_account());
    assert!(verifies(&token, &keys));
    assert_eq!(part(&token, 1)["aud"], serde_json::json!(["api://AzureADTokenExchange"]));
}

/// The issuer and the keys that the OpenID configuration under that path leads to, on that host.
async fn published(emulator: &Running, host: &str, path: &str) -> (Value, Vec<Value>) {
    let url = emulator.url(host, &format!("{path}.well-known/openid-configuration"));
    let document = emulator.get(url).await;
    let keys = document["jwks_uri"].as_str().unwrap();
    let keys = keys.strip_prefix(&format!("https://{host}")).unwrap();
    let keys = emulator.get(emulator.url(host, keys)).await;
    (document["issuer"].clone(), list(&keys["keys"]))
}

fn issuers(keys: &[Value]) -> Vec<&Value> {
    keys.iter().map(|key| &key["issuer"]).collect()
}
