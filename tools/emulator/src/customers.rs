//! The customers' tenant: what B2C and External ID publish.
//!
//! The issuers are not where the metadata is: B2C's has no policy in it, External ID's is on
//! another host.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use serde_json::{Value, json};

use crate::{
    directory::{B2C_HOST, B2C_POLICY, CUSTOMER_TENANT, CUSTOMER_TENANT_DOMAIN, EXTERNAL_ID_HOST},
    mint::{issuer_b2c, issuer_external_id},
    shared::Shared,
};

/// B2C's routes: the policy stands after the tenant, and `/tfp` may stand before it.
pub(crate) fn b2c() -> Router<Arc<Shared>> {
    let policy = Router::new()
        .route("/{tenant}/{policy}/v2.0/.well-known/openid-configuration", get(b2c_discovery))
        .route("/{tenant}/{policy}/discovery/v2.0/keys", get(b2c_keys));
    Router::new().nest("/tfp", policy.clone()).merge(policy)
}

/// External ID's routes.
pub(crate) fn external_id() -> Router<Arc<Shared>> {
    Router::new()
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(external_id_discovery))
        .route("/{tenant}/discovery/v2.0/keys", get(external_id_keys))
}

async fn b2c_discovery(
    Path((tenant, policy)): Path<(String, String)>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    known(&tenant, Some(&policy))?;
    let prefix = format!("https://{B2C_HOST}/{CUSTOMER_TENANT_DOMAIN}/{}", policy.to_ascii_lowercase());
    Ok(Json(document(&issuer_b2c(), &prefix)))
}

async fn b2c_keys(
    State(shared): State<Arc<Shared>>,
    Path((tenant, policy)): Path<(String, String)>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    known(&tenant, Some(&policy))?;
    Ok(Json(keys(&shared, None)))
}

async fn external_id_discovery(
    Path(tenant): Path<String>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    known(&tenant, None)?;
    let prefix = format!("https://{EXTERNAL_ID_HOST}/{CUSTOMER_TENANT}");
    Ok(Json(document(&issuer_external_id(), &prefix)))
}

async fn external_id_keys(
    State(shared): State<Arc<Shared>>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, (StatusCode, &'static str)> {
    known(&tenant, None)?;
    Ok(Json(keys(&shared, Some(issuer_external_id()))))
}

/// Both answer a tenant or a policy that is not theirs with 404 and a page.
fn known(tenant: &str, policy: Option<&str>) -> Result<(), (StatusCode, &'static str)> {
    let here = [CUSTOMER_TENANT, CUSTOMER_TENANT_DOMAIN].iter().any(|name| tenant.eq_ignore_ascii_case(name));
    let served = policy.is_none_or(|policy| policy.eq_ignore_ascii_case(B2C_POLICY));
    if here && served { Ok(()) } else { Err((StatusCode::NOT_FOUND, "The resource cannot be found.")) }
}

fn document(issuer: &str, prefix: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{prefix}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{prefix}/oauth2/v2.0/token"),
        "end_session_endpoint": format!("{prefix}/oauth2/v2.0/logout"),
        "jwks_uri": format!("{prefix}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "code id_token", "code token", "id_token", "token"],
        "scopes_supported": ["openid"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
    })
}

fn keys(shared: &Shared, issuer: Option<String>) -> Value {
    let mut key = shared.keys().fixed.customers.rsa.jwk();
    if let Value::Object(key) = &mut key {
        key.retain(|name, _| !name.starts_with("x5"));
        key.extend(issuer.map(|issuer| ("issuer".to_owned(), issuer.into())));
    }
    json!({ "keys": [key] })
}
