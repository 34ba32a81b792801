//! The cluster's service-account issuer, as AKS publishes it (Kubernetes: service account issuer
//! discovery).

use std::sync::Arc;

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

use crate::{
    directory::CLUSTER_ISSUER,
    endpoint::{CLUSTER_JWKS_PATH, DISCOVERY_PATH},
    shared::Shared,
};

/// The cluster's routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route(&format!("/{{cluster}}{DISCOVERY_PATH}"), get(discovery))
        .route(&format!("/{{cluster}}{CLUSTER_JWKS_PATH}"), get(jwks))
}

async fn discovery() -> Json<Value> {
    let keys = CLUSTER_JWKS_PATH.trim_start_matches('/');
    Json(json!({
        "issuer": CLUSTER_ISSUER,
        "jwks_uri": format!("{CLUSTER_ISSUER}{keys}"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let mut key = shared.keys().fixed.cluster.rsa.jwk();
    if let Value::Object(key) = &mut key {
        key.insert("alg".to_owned(), "RS256".into());
        key.retain(|name, _| !name.starts_with("x5"));
    }
    Json(json!({ "keys": [key] }))
}
