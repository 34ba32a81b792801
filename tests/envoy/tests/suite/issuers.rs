//! Issuers other than Entra, by discovery.

use gatepass_emulator::{Algorithm, SigningKey, TokenSpec, directory::CONTOSO_API};
use gatepass_stack::{Builder, Stack, tree};
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
