//! Microsoft Entra ID as an issuer: versions, tenants, applications; B2C and External ID.

use gatepass_emulator::{
    Algorithm, Endpoint, SigningKey, TokenSpec,
    directory::{
        B2C_HOST, B2C_POLICY, CONSUMER_TENANT, CONTOSO_API, CUSTOMER_TENANT, CUSTOMER_TENANT_DOMAIN,
        EXTERNAL_ID_HOST, OTHER_TENANT, TENANT, TENANT_DOMAIN,
    },
};
use gatepass_stack::{Builder, Stack, tree};
use serde_json::{Value, json};

use crate::support::*;

/// The protected API trusts Entra as this says.
fn entra(entra: Value) -> Builder {
    Stack::builder().concurrency(1).configure(move |configuration| {
        configuration["issuers"]["entra"] = json!({ "entra": entra });
        configuration["operations"][0]["validate"] =
            json!({"issuer": "entra", "audiences": [CONTOSO_API.client_id]});
    })
}

async fn assert_answers(stack: &Stack, cases: impl IntoIterator<Item = (&'static str, TokenSpec, u16)>) {
    for (name, spec, status) in cases {
        let answer = call(stack, &stack.emulator().issue(&spec)).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
    }
}

/// Of version 1.0, for the protected API.
fn v1() -> TokenSpec {
    TokenSpec::entra_v1().claim("aud", CONTOSO_API.client_id)
}

#[tokio::test]
async fn tokens_of_both_versions_pass_and_the_older_ones_keys_are_fetched_when_one_comes() {
    let mut stack = start(entra(json!({"tenant": TENANT, "cluster": "login"}))).await;
    let is_v1 = |path: &str| !path.contains("v2.0");
    let fetched =
        |stack: &Stack| requests(stack, Endpoint::Jwks).iter().filter(|request| is_v1(&request.path)).count();
    assert_answers(&stack, [("v2", TokenSpec::entra_v2(), 200)]).await;
    assert_answers(
        &stack,
        [
            ("v1 for another audience", TokenSpec::entra_v1().claim("aud", "api://other"), 401),
            ("v1 that has ended", v1().lifetime(-10), 401),
            ("v1 of another tenant", v1().tenant(OTHER_TENANT), 401),
        ],
    )
    .await;
    assert_eq!(fetched(&stack), 0, "no keys for tokens that cannot be good");
    assert_answers(
        &stack,
        [
            ("v1", v1(), 200),
            ("v1 again", v1(), 200),
            ("v1 with a foreign key", v1().signed_by(SigningKey::Foreign), 401),
            ("v1 that calls itself v2", v1().claim("ver", "2.0"), 401),
            ("v2 that calls itself v1", TokenSpec::entra_v2().claim("ver", "1.0"), 401),
            ("without a version", TokenSpec::entra_v2().without_claim("ver"), 401),
            ("of another tenant", TokenSpec::entra_v2().tenant(OTHER_TENANT), 401),
            ("without a tenant", TokenSpec::entra_v2().without_claim("tid"), 401),
            ("with another tenant's id", TokenSpec::entra_v2().claim("tid", OTHER_TENANT), 401),
        ],
    )
    .await;
    assert!((1..=2).contains(&fetched(&stack)), "{}", fetched(&stack));
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn a_tenant_may_be_named_by_its_domain() {
    let stack = start(entra(json!({"tenant": TENANT_DOMAIN, "cluster": "login"}))).await;
    assert_answers(
        &stack,
        [
            ("v2", TokenSpec::entra_v2(), 200),
            ("v1", v1(), 200),
            ("of another tenant", TokenSpec::entra_v2().tenant(OTHER_TENANT), 401),
        ],
    )
    .await;
}

#[tokio::test]
async fn organizations_are_all_tenants_or_some_and_no_personal_accounts() {
    let of = |tenant: &str| TokenSpec::entra_v2().tenant(tenant);
    let (any, some) = (json!("any"), json!([OTHER_TENANT]));
    for (tenants, own) in [(any, 200), (some, 401)] {
        let entra = entra(json!({"tenant": "organizations", "tenants": tenants, "cluster": "login"}));
        let stack = start(entra).await;
        assert_answers(
            &stack,
            [
                ("the tenant's", of(TENANT), own),
                ("the tenant's, v1", v1(), own),
                ("another tenant's", of(OTHER_TENANT), 200),
                ("another tenant's, v1", v1().tenant(OTHER_TENANT), 200),
                ("a person's", of(CONSUMER_TENANT), 401),
                ("another tenant's with a tenant's id", of(OTHER_TENANT).claim("tid", TENANT), 401),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn common_takes_personal_accounts_with_their_own_key_and_no_other() {
    let stack = start(entra(json!({"tenant": "common", "tenants": "any", "cluster": "login"}))).await;
    let emulator = stack.emulator();
    let kid =
        |tenant: &str| decoded(&emulator.issue(&TokenSpec::entra_v2().tenant(tenant)), 0)["kid"].clone();
    assert_ne!(kid(TENANT), kid(CONSUMER_TENANT));
    let personal = || TokenSpec::entra_v2().tenant(CONSUMER_TENANT);
    assert_answers(
        &stack,
        [
            ("a person's", personal(), 200),
            ("the tenant's", TokenSpec::entra_v2(), 200),
            (
                "the tenant's under the name of the persons' key",
                TokenSpec::entra_v2().header("kid", kid(CONSUMER_TENANT)),
                401,
            ),
            // Signed with the key for persons, and said to be the tenant's.
            (
                "the tenant's with the persons' key",
                personal()
                    .claim("tid", TENANT)
                    .claim("iss", format!("https://login.microsoftonline.com/{TENANT}/v2.0")),
                401,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn only_the_applications_that_may_call_do_and_only_by_themselves() {
    const PORTAL: &str = "11111111-2222-4333-8444-555555555555";
    let stack = start(Stack::builder().concurrency(1).configure(|configuration| {
        configuration["issuers"]["entra"] = json!({"entra": {"tenant": TENANT, "cluster": "login"}});
        configuration["operations"][0]["validate"] = json!({
            "issuer": "entra", "audiences": "any", "backend_application_ids": [CONTOSO_API.client_id],
            "client_application_ids": [PORTAL.to_uppercase()], "token_type": "app",
        });
    }))
    .await;
    let v2 = TokenSpec::entra_v2;
    assert_answers(
        &stack,
        [
            ("v2", v2().client(PORTAL), 200),
            ("v1", v1().client(PORTAL), 200),
            (
                "v1 for the App ID URI",
                v1().client(PORTAL).claim("aud", format!("api://{}", CONTOSO_API.client_id)),
                200,
            ),
            ("another client", v2(), 401),
            ("v2 with the claim of v1", v2().claim("appid", PORTAL), 401),
            ("v1 with the claim of v2", v1().claim("azp", PORTAL), 401),
            ("for a user", v2().client(PORTAL).delegated("read"), 401),
            ("for another API", v2().client(PORTAL).claim("aud", PORTAL), 401),
        ],
    )
    .await;
    stack.counter_reaches("requests.refused.client_not_allowed", 3).await.unwrap();
    stack.counter_reaches("requests.refused.caller_type_not_allowed", 1).await.unwrap();
}

#[tokio::test]
async fn what_is_asked_of_one_issuers_tokens_holds_for_no_others() {
    let stack = start(
        Stack::builder()
            .concurrency(1)
            .edit(|tree| tree::add_login_host(tree, "partner-idp", "idp.partner.example"))
            .configure(|configuration| {
                configuration["issuers"]["entra"] = json!({"entra": {"tenant": TENANT, "cluster": "login"}});
                configuration["issuers"]["partner"] = json!({
                    "discovery": "https://idp.partner.example/.well-known/openid-configuration",
                    "cluster": "partner-idp", "algorithms": ["RS256", "ES256"]});
                configuration["operations"][0]["validate"] = json!({"any_of": [
                    {"issuer": "entra", "audiences": [CONTOSO_API.client_id], "roles": "Sample.Read"},
                    {"issuer": "partner", "audiences": ["api://partner"], "client_application_ids": ["portal"]},
                ]});
            }),
    )
    .await;
    let partner = || TokenSpec::partner().claim("aud", "api://partner").client("portal");
    assert_answers(
        &stack,
        [
            ("the tenant's", TokenSpec::entra_v2(), 200),
            ("the partner's", partner(), 200),
            ("the partner's, ES256", partner().algorithm(Algorithm::Es256), 200),
            (
                "the tenant's for the partner's audience",
                TokenSpec::entra_v2().claim("aud", "api://partner"),
                401,
            ),
            ("the partner's for the tenant's audience", partner().claim("aud", CONTOSO_API.client_id), 401),
            ("the tenant's without the role", TokenSpec::entra_v2().roles(&["Sample.Write"]), 401),
            (
                "the partner's with the role and another client",
                partner().client("x").roles(&["Sample.Read"]),
                401,
            ),
            ("the tenant's with ES256", TokenSpec::entra_v2().algorithm(Algorithm::Es256), 401),
        ],
    )
    .await;
}

#[tokio::test]
async fn customers_come_from_b2c_and_external_id_by_their_discovery_documents() {
    let b2c = format!(
        "https://{B2C_HOST}/tfp/{CUSTOMER_TENANT_DOMAIN}/{B2C_POLICY}/v2.0/.well-known/openid-configuration"
    );
    let external =
        format!("https://{EXTERNAL_ID_HOST}/{CUSTOMER_TENANT}/v2.0/.well-known/openid-configuration");
    for (host, discovery, issuer, good, other) in [
        (
            B2C_HOST,
            b2c,
            format!("https://{B2C_HOST}/{CUSTOMER_TENANT}/v2.0/"),
            TokenSpec::b2c(),
            TokenSpec::external_id(),
        ),
        (
            EXTERNAL_ID_HOST,
            external,
            format!("https://{CUSTOMER_TENANT}.ciamlogin.com/{CUSTOMER_TENANT}/v2.0"),
            TokenSpec::external_id(),
            TokenSpec::b2c(),
        ),
    ] {
        let stack = start(
            Stack::builder()
                .concurrency(1)
                .edit(|tree| tree::add_login_host(tree, "customers", host))
                .configure(move |configuration| {
                    configuration["issuers"]["customers"] =
                        json!({"discovery": discovery, "issuer": issuer, "cluster": "customers"});
                    configuration["operations"][0]["validate"] =
                        json!({"issuer": "customers", "audiences": [CONTOSO_API.client_id]});
                }),
        )
        .await;
        assert_answers(
            &stack,
            [
                ("a customer's", good.clone(), 200),
                ("the other service's", other, 401),
                ("the tenant's", TokenSpec::entra_v2(), 401),
                ("with a foreign key", good.signed_by(SigningKey::Foreign), 401),
            ],
        )
        .await;
    }
}
