//! Issuers other than Entra, by discovery.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepass_emulator::{
    Algorithm, Endpoint, Fault, SigningKey, TokenSpec,
    directory::{CONTOSO_API, PARTNER_ISSUER},
};
use gatepass_stack::{Builder, Delivery, Stack, tree};
use serde_json::json;

use crate::support::*;

/// The protected API trusts the partner instead of the tenant.
fn partner() -> Builder {
    Stack::builder().edit(|tree| tree::add_login_host(tree, "partner-idp", "idp.partner.example")).configure(
        |configuration| {
            configuration["issuers"]["partner"] = json!({
                "discovery": "https://idp.partner.example/.well-known/openid-configuration",
                "cluster": "partner-idp",
                "algorithms": ["RS256", "ES256"],
            });
            configuration["operations"][0]["validate"] =
                json!({"issuer": "partner", "audiences": [CONTOSO_API.client_id]});
        },
    )
}

#[tokio::test]
async fn a_partners_tokens_are_accepted_with_either_of_its_algorithms() {
    let stack = start(partner()).await;
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let token = stack.emulator().issue(&TokenSpec::partner().algorithm(algorithm));
        for _ in 0..3 {
            let answer = call(&stack, &token).await;
            assert_eq!(answer.status, 200, "{algorithm:?}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn an_operation_that_trusts_the_partner_trusts_nobody_else() {
    let stack = start(partner()).await;
    let issue = |spec: TokenSpec| stack.emulator().issue(&spec);
    let es256 = || TokenSpec::partner().algorithm(Algorithm::Es256);
    let kid = |spec: TokenSpec| decoded(&stack.emulator().issue(&spec), 0)["kid"].clone();
    assert_eq!(call(&stack, &issue(TokenSpec::partner())).await.status, 200);
    for (name, token) in [
        ("the tenant's token", issue(TokenSpec::entra_v2())),
        ("PS256", issue(TokenSpec::partner().algorithm(Algorithm::Ps256))),
        ("alg none", issue(TokenSpec::partner().algorithm(Algorithm::None))),
        ("expired", issue(es256().lifetime(-10))),
        (
            "a foreign ES256 key under a known name",
            issue(es256().signed_by(SigningKey::Foreign).header("kid", kid(es256()))),
        ),
        ("ES256 with the name of the RSA key", issue(es256().header("kid", kid(TokenSpec::partner())))),
        ("RS256 with the name of the ES256 key", issue(TokenSpec::partner().header("kid", kid(es256())))),
    ] {
        let answer = call(&stack, &token).await;
        assert_eq!(answer.status, 401, "{name}: {}", answer.text());
    }
    assert_eq!(seen_by_backend(&stack).len(), 1);
}

#[tokio::test]
async fn keys_that_stand_in_the_configuration_need_no_issuer_within_reach() {
    const SECRET: &str = "a shared key of at least 32 bytes";
    let mut stack = start(Stack::builder().concurrency(1).delivery(Delivery::Ecds).prepare(|emulator| {
        emulator.set_default_fault(Endpoint::PartnerDiscovery, Some(Fault::status(500)));
        emulator.set_default_fault(Endpoint::PartnerJwks, Some(Fault::status(500)));
    }))
    .await;
    let es256 = || TokenSpec::partner().algorithm(Algorithm::Es256);
    let hs256 = || TokenSpec::partner().algorithm(Algorithm::Hs256).hmac_secret(SECRET);
    let mut configuration = Stack::reference_configuration().unwrap();
    let keys = [stack.emulator().public_key(&TokenSpec::partner()), stack.emulator().public_key(&es256())];
    configuration["issuers"]["offline"] = json!({"issuer": PARTNER_ISSUER, "jwks": {"keys": keys}});
    configuration["issuers"]["shared"] = json!({"issuer": PARTNER_ISSUER,
        "symmetric_keys": [{"key": {"inline": URL_SAFE_NO_PAD.encode(SECRET)}}]});
    for (issuer, cases) in [
        (
            "offline",
            [(TokenSpec::partner(), 200), (es256(), 200), (hs256(), 401), (TokenSpec::entra_v2(), 401)],
        ),
        (
            "shared",
            [(TokenSpec::partner(), 401), (es256(), 401), (hs256(), 200), (hs256().hmac_secret("x"), 401)],
        ),
    ] {
        configuration["operations"][0]["validate"] =
            json!({"issuer": issuer, "audiences": [CONTOSO_API.client_id]});
        assert!(stack.reload_plugin(&configuration.to_string()).await.unwrap(), "{}", stack.log());
        for (spec, status) in cases {
            let answer = call(&stack, &stack.emulator().issue(&spec)).await;
            assert_eq!(answer.status, status, "{issuer} {:?}: {}", spec.algorithm, answer.text());
        }
    }
    assert_eq!(requests(&stack, Endpoint::PartnerJwks), []);
    assert!(!stack.log().contains(SECRET) && !stack.log().contains(&URL_SAFE_NO_PAD.encode(SECRET)));
}

#[tokio::test]
async fn a_key_set_may_be_named_without_a_discovery_document() {
    let stack = start(partner().configure(|configuration| {
        configuration["issuers"]["partner"] = json!({
            "jwks_uri": format!("{PARTNER_ISSUER}/jwks"), "issuer": PARTNER_ISSUER, "cluster": "partner-idp",
        });
    }))
    .await;
    assert_eq!(call(&stack, &stack.emulator().issue(&TokenSpec::partner())).await.status, 200);
    assert_eq!(requests(&stack, Endpoint::PartnerDiscovery), []);
}
