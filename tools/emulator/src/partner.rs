//! The partner's identity provider: plain OpenID Connect, nothing of Microsoft's.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::shared::Shared;

/// The partner's issuer, without a slash at the end.
pub(crate) const ISSUER: &str = "https://idp.partner.example";

/// The path of its OpenID configuration (OpenID Connect Discovery section 4).
pub(crate) const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// The path of its key set.
pub(crate) const JWKS_PATH: &str = "/jwks";

/// The partner's routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(DISCOVERY_PATH, get(discovery)).route(JWKS_PATH, get(jwks))
}

async fn discovery() -> Json<Value> {
    Json(json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": format!("{ISSUER}{JWKS_PATH}"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    }))
}

/// The RSA and P-256 keys, and one of a type that nobody knows, which a reader has to ignore
/// (RFC 7517 section 5).
async fn jwks(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let mut keys = vec![json!({
        "kty": "CONTOSO-LATTICE",
        "use": "sig",
        "kid": "of-a-type-that-nobody-knows",
        "alg": "CL1024",
        "p": "AQAB",
    })];
    for pair in shared.keys().partner.published() {
        keys.push(pair.rsa.jwk());
        keys.push(pair.ec.jwk());
    }
    Json(json!({ "keys": keys }))
}
