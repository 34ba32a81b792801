//! The Entra login host: metadata and keys.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::header::CACHE_CONTROL,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::{
    directory::{CONSUMER_TENANT, LOGIN, OTHER_TENANT, OTHER_TENANT_DOMAIN, TENANT, TENANT_DOMAIN},
    entra_error::Error,
    json::extend,
    mint::{issuer_v1, issuer_v2},
    shared::Shared,
};

/// The login host's routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery_v2))
        .route("/{tenant}/.well-known/openid-configuration", get(discovery_v1))
        .route("/{tenant}/discovery/v2.0/keys", get(jwks_v2))
        .route("/{tenant}/discovery/keys", get(jwks_v1))
}

async fn discovery_v2(Path(tenant): Path<String>) -> Result<Response, Error> {
    let tenant = Tenant::parse(&tenant)?;
    let mut document = discovery(tenant, "/v2.0");
    extend(
        &mut document,
        json!({
            "issuer": issuer_v2(tenant.in_issuer()),
            "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        }),
    );
    Ok(cacheable(document))
}

async fn discovery_v1(Path(tenant): Path<String>) -> Result<Response, Error> {
    let tenant = Tenant::parse(&tenant)?;
    let mut document = discovery(tenant, "");
    extend(
        &mut document,
        json!({
            "issuer": issuer_v1(tenant.in_issuer()),
            "userinfo_endpoint": format!("{LOGIN}/{}/openid/userinfo", tenant.in_urls()),
            "microsoft_multi_refresh_token": true,
        }),
    );
    Ok(cacheable(document))
}

/// v2 keys say which issuer they are for. Those of `common` are for any tenant, but for the one of
/// personal accounts, whose key is for it alone.
async fn jwks_v2(State(shared): State<Arc<Shared>>, Path(tenant): Path<String>) -> Result<Response, Error> {
    let tenant = Tenant::parse(&tenant)?;
    let keys = published(&shared, tenant).into_iter().map(|(mut key, for_consumers)| {
        let name = if for_consumers { CONSUMER_TENANT } else { tenant.in_issuer() };
        extend(&mut key, json!({"issuer": issuer_v2(name)}));
        key
    });
    Ok(cacheable(json!({"keys": keys.collect::<Vec<_>>()})))
}

/// v1 keys do not.
async fn jwks_v1(State(shared): State<Arc<Shared>>, Path(tenant): Path<String>) -> Result<Response, Error> {
    let keys = published(&shared, Tenant::parse(&tenant)?).into_iter().map(|(key, _)| key);
    Ok(cacheable(json!({"keys": keys.collect::<Vec<_>>()})))
}

/// The keys for a tenant, each with whether it is the one of personal accounts.
fn published(shared: &Shared, tenant: Tenant) -> Vec<(Value, bool)> {
    let keys = shared.keys();
    let mut published = Vec::new();
    if tenant != Tenant::One(CONSUMER_TENANT) {
        published.extend(keys.entra.published().map(|pair| (pair.rsa.jwk(), false)));
    }
    if matches!(tenant, Tenant::One(CONSUMER_TENANT) | Tenant::Many("common")) {
        published.push((keys.fixed.consumers.rsa.jwk(), true));
    }
    for (key, _) in &mut published {
        extend(key, json!({"cloud_instance_name": CLOUD}));
    }
    published
}

const CLOUD: &str = "microsoftonline.com";

/// The tenant in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenant {
    /// One tenant, by its id: what its id, its domain or `consumers` names.
    One(&'static str),
    /// `common` or `organizations`: metadata for many tenants.
    Many(&'static str),
}

impl Tenant {
    /// The tenant that a segment of a path names.
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        match name.to_ascii_lowercase().as_str() {
            TENANT | TENANT_DOMAIN => Ok(Self::One(TENANT)),
            OTHER_TENANT | OTHER_TENANT_DOMAIN => Ok(Self::One(OTHER_TENANT)),
            CONSUMER_TENANT | "consumers" => Ok(Self::One(CONSUMER_TENANT)),
            "common" => Ok(Self::Many("common")),
            "organizations" => Ok(Self::Many("organizations")),
            _ => {
                let text = format!(
                    "Tenant '{name}' not found. Check to make sure you have the correct tenant \
                     ID and are signing into the correct cloud. Check with your subscription \
                     administrator, this may happen if there are no active subscriptions for the \
                     tenant."
                );
                Err(Error::new("invalid_tenant", 90_002, text))
            }
        }
    }

    fn in_urls(self) -> &'static str {
        match self {
            Self::One(name) | Self::Many(name) => name,
        }
    }

    fn in_issuer(self) -> &'static str {
        match self {
            Self::One(id) => id,
            Self::Many(_) => "{tenantid}",
        }
    }
}

/// What the v1 and the v2 document have in common; their endpoints differ in one segment, `version`.
fn discovery(tenant: Tenant, version: &str) -> Value {
    let (host, name) = (LOGIN, tenant.in_urls());
    let oauth2 = format!("{host}/{name}/oauth2{version}");
    json!({
        "jwks_uri": format!("{host}/{name}/discovery{version}/keys"),
        "token_endpoint": format!("{oauth2}/token"),
        "authorization_endpoint": format!("{oauth2}/authorize"),
        "device_authorization_endpoint": format!("{oauth2}/devicecode"),
        "end_session_endpoint": format!("{oauth2}/logout"),
        "token_endpoint_auth_methods_supported": [
            "client_secret_post", "private_key_jwt", "client_secret_basic"
        ],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "request_uri_parameter_supported": false,
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "claims_supported": [
            "sub", "iss", "cloud_instance_name", "cloud_instance_host_name",
            "cloud_graph_host_name", "msgraph_host", "aud", "exp", "iat", "auth_time", "acr",
            "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"
        ],
        "kerberos_endpoint": format!("{host}/{name}/kerberos"),
        "tenant_region_scope": match tenant {
            Tenant::One(_) => Some("EU"),
            Tenant::Many(_) => None,
        },
        "cloud_instance_name": CLOUD,
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    })
}

fn cacheable(document: Value) -> Response {
    ([(CACHE_CONTROL, "max-age=86400, private")], Json(document)).into_response()
}
