//! The Entra login host: metadata, keys, and tokens for client credentials.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{Method, StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::{Value, json};

use crate::{
    TokenSpec, clock,
    directory::{APPLICATIONS, TENANT, TENANT_DOMAIN},
    imds::names_the_api,
    mint::{issuer_v1, issuer_v2, mint_for},
    shared::Shared,
    signing::random_guid,
};

/// The login host's routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(discovery_v2))
        .route("/{tenant}/.well-known/openid-configuration", get(discovery_v1))
        .route("/{tenant}/discovery/v2.0/keys", get(jwks_v2))
        .route("/{tenant}/discovery/keys", get(jwks_v1))
        .route("/{tenant}/oauth2/v2.0/token", any(token))
}

/// How long the token endpoint's tokens live, in seconds. Entra draws it at random between 60 and
/// 90 minutes; tests want it fixed.
const TOKEN_LIFETIME: i64 = 3599;

async fn discovery_v2(Path(tenant): Path<String>) -> Result<Response, Error> {
    let tenant = Tenant::parse(&tenant)?;
    let mut document = discovery(&tenant, "/v2.0");
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
    let mut document = discovery(&tenant, "");
    extend(
        &mut document,
        json!({
            "issuer": issuer_v1(tenant.in_issuer()),
            "userinfo_endpoint": format!("{HOST}/{}/openid/userinfo", tenant.in_urls()),
            "microsoft_multi_refresh_token": true,
        }),
    );
    Ok(cacheable(document))
}

/// v2 keys say which issuer they are for.
async fn jwks_v2(State(shared): State<Arc<Shared>>, Path(tenant): Path<String>) -> Result<Response, Error> {
    let issuer = issuer_v2(Tenant::parse(&tenant)?.in_issuer());
    Ok(jwks(&shared, &json!({"issuer": issuer})))
}

/// v1 keys do not.
async fn jwks_v1(State(shared): State<Arc<Shared>>, Path(tenant): Path<String>) -> Result<Response, Error> {
    Tenant::parse(&tenant)?;
    Ok(jwks(&shared, &json!({})))
}

/// Client credentials with a secret (Entra: v2-oauth2-client-creds-grant-flow).
async fn token(
    State(shared): State<Arc<Shared>>,
    Path(tenant): Path<String>,
    method: Method,
    body: Bytes,
) -> Result<Json<Value>, Error> {
    let tenant = Tenant::parse(&tenant)?;
    if method != Method::POST {
        let text = format!("The endpoint only accepts POST requests. Received a {method} request.");
        return Err(Error::new("invalid_request", 900_561, text));
    }
    if tenant == Tenant::Any {
        let text = "Usage of the /common endpoint is not supported for the client credentials \
                    flow. Use a tenant-specific endpoint.";
        return Err(Error::new("invalid_request", 90_130, text));
    }
    let form: HashMap<_, _> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| {
        form.get(name).map(String::as_str).ok_or_else(|| {
            let text = format!("The request body must contain the following parameter: '{name}'.");
            Error::new("invalid_request", 900_144, text)
        })
    };

    let grant_type = field("grant_type")?;
    if grant_type != "client_credentials" {
        let text = format!("The app requested an unsupported grant type '{grant_type}'.");
        return Err(Error::new("unsupported_grant_type", 70_003, text));
    }
    let client_id = field("client_id")?;
    let application = APPLICATIONS
        .into_iter()
        .find(|application| application.client_id.eq_ignore_ascii_case(client_id))
        .ok_or_else(|| {
            let text = format!(
                "Application with identifier '{client_id}' was not found in the directory \
                 'Contoso'."
            );
            Error::new("unauthorized_client", 700_016, text)
        })?;
    let client_id = application.client_id;
    let Ok(secret) = field("client_secret") else {
        let text = "The request body must contain the following parameter: 'client_assertion' or \
                    'client_secret'.";
        return Err(Error::new("invalid_client", 7_000_218, text).unauthorized());
    };
    if shared.client_secret(client_id) != Some(secret) {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the \
             client secret value, not the client secret ID, for a secret added to app \
             '{client_id}'."
        );
        return Err(Error::new("invalid_client", 7_000_215, text).unauthorized());
    }
    let scope = field("scope")?;
    let Some(resource) = scope.strip_suffix("/.default") else {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for \
             the input parameter 'scope' is not valid. The scope {scope} is not valid."
        );
        return Err(Error::new("invalid_scope", 70_011, text));
    };
    if !names_the_api(resource) {
        let text =
            format!("The resource principal named {resource} was not found in the tenant named Contoso.");
        return Err(Error::new("invalid_resource", 500_011, text));
    }
    if application.roles.is_empty() {
        let text = format!(
            "Application '{client_id}'({}) is not assigned to a role for the application \
             '{resource}'(contoso-api).",
            application.name
        );
        return Err(Error::new("invalid_grant", 501_051, text));
    }

    let spec = TokenSpec::entra_v2().lifetime(TOKEN_LIFETIME);
    Ok(Json(json!({
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME,
        "ext_expires_in": TOKEN_LIFETIME,
        "access_token": mint_for(&application.into(), &spec, &shared.keys(), clock::now()),
    })))
}

const HOST: &str = "https://login.microsoftonline.com";

/// The tenant in a path.
#[derive(Debug, PartialEq)]
enum Tenant {
    /// The directory's one tenant, by its id or its domain.
    Contoso,
    /// `common` or `organizations`: metadata for every tenant.
    Any,
}

impl Tenant {
    fn parse(name: &str) -> Result<Self, Error> {
        match name.to_ascii_lowercase().as_str() {
            TENANT | TENANT_DOMAIN => Ok(Self::Contoso),
            "common" | "organizations" => Ok(Self::Any),
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

    fn in_urls(&self) -> &'static str {
        match self {
            Self::Contoso => TENANT,
            Self::Any => "common",
        }
    }

    fn in_issuer(&self) -> &'static str {
        match self {
            Self::Contoso => TENANT,
            Self::Any => "{tenantid}",
        }
    }
}

/// What the v1 and the v2 document have in common; their endpoints differ in one segment, `version`.
fn discovery(tenant: &Tenant, version: &str) -> Value {
    let (host, name) = (HOST, tenant.in_urls());
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
            Tenant::Contoso => Some("EU"),
            Tenant::Any => None,
        },
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
        "rbac_url": "https://pas.windows.net",
    })
}

fn jwks(shared: &Shared, members: &Value) -> Response {
    let keys: Vec<_> = shared
        .keys()
        .entra
        .published()
        .map(|pair| {
            let mut jwk = pair.rsa.jwk();
            extend(&mut jwk, members.clone());
            jwk
        })
        .collect();
    cacheable(json!({ "keys": keys }))
}

fn cacheable(document: Value) -> Response {
    ([(CACHE_CONTROL, "max-age=86400, private")], Json(document)).into_response()
}

fn extend(object: &mut Value, members: Value) {
    if let (Value::Object(object), Value::Object(members)) = (object, members) {
        object.extend(members);
    }
}

/// A refusal in Entra's words (Entra: reference-error-codes).
#[derive(Debug)]
struct Error {
    status: StatusCode,
    error: &'static str,
    code: u32,
    text: String,
}

impl Error {
    fn new(error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, code, text: text.into() }
    }

    fn unauthorized(mut self) -> Self {
        self.status = StatusCode::UNAUTHORIZED;
        self
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (trace, correlation) = (random_guid(), random_guid());
        let time = clock::iso_8601(clock::now()).unwrap_or_default();
        let time = time.replace('T', " ");
        let body = json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
                self.code, self.text
            ),
            "error_codes": [self.code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{HOST}/error?code={}", self.code),
        });
        (self.status, Json(body)).into_response()
    }
}
