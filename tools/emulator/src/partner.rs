//! The partner's identity provider: plain OpenID Connect, nothing of Microsoft's.

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::{
    directory::PARTNER_ISSUER as ISSUER,
    endpoint::{DISCOVERY_PATH, PARTNER_JWKS_PATH, PARTNER_TOKEN_PATH},
    shared::Shared,
};

/// The partner's routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(DISCOVERY_PATH, get(discovery)).route(PARTNER_JWKS_PATH, get(jwks))
}

async fn discovery() -> Json<Value> {
    Json(json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}{PARTNER_TOKEN_PATH}"),
        "jwks_uri": format!("{ISSUER}{PARTNER_JWKS_PATH}"),
        "response_types_supported": ["code"],
        "token_endpoint_auth_methods_supported": [
            "client_secret_basic", "client_secret_post", "private_key_jwt"
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"],
    }))
}

/// A key of each kind, and one of a type that nobody knows, which a reader has to ignore
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
        keys.extend(pair.jwks());
    }
    Json(json!({ "keys": keys }))
}
