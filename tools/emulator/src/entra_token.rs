//! Entra's token endpoint: client credentials (Entra: v2-oauth2-client-creds-grant-flow), v1 and
//! v2.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method},
    routing::any,
};
use serde_json::{Value, json};

use crate::{
    TokenSpec, clock,
    directory::{Api, TENANT},
    entra::Tenant,
    entra_client::Client,
    entra_error::Error,
    json::extend,
    mint::mint,
    shared::Shared,
    token_request::TokenRequest,
};

/// The token endpoint's routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/{tenant}/oauth2/v2.0/token", any(v2)).route("/{tenant}/oauth2/token", any(v1))
}

async fn v2(
    State(shared): State<Arc<Shared>>,
    Path(tenant): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Error> {
    let (request, client) = admitted(&shared, &tenant, &method, &headers, &body)?;
    let grant = grant(&shared, &client, &request, requested_scope(&request)?)?;
    let mut answer = json!({
        "token_type": "Bearer",
        "expires_in": grant.lifetime,
        "ext_expires_in": grant.lifetime,
        "access_token": grant.token,
    });
    if grant.lifetime > REFRESH_IN_FROM {
        extend(&mut answer, json!({"refresh_in": grant.lifetime / 2}));
    }
    Ok(Json(answer))
}

async fn v1(
    State(shared): State<Arc<Shared>>,
    Path(tenant): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Error> {
    let (request, client) = admitted(&shared, &tenant, &method, &headers, &body)?;
    let resource = required(&request, "resource")?;
    let grant = grant(&shared, &client, &request, resource)?;
    Ok(Json(json!({
        "token_type": "Bearer",
        "expires_in": grant.lifetime.to_string(),
        "ext_expires_in": grant.lifetime.to_string(),
        "expires_on": (grant.now + grant.lifetime).to_string(),
        "not_before": grant.not_before.to_string(),
        "resource": resource,
        "access_token": grant.token,
    })))
}

/// Tokens that live longer than that come with `refresh_in`, in seconds.
const REFRESH_IN_FROM: i64 = 2 * 60 * 60;

/// The request and the client that it shows to have sent it.
fn admitted(
    shared: &Shared,
    tenant: &str,
    method: &Method,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(TokenRequest, Client), Error> {
    let segment = tenant;
    let tenant = Tenant::parse(segment)?;
    if method != Method::POST {
        let text = format!("The endpoint only accepts POST requests. Received a {method} request.");
        return Err(Error::new("invalid_request", 900_561, text));
    }
    let Tenant::One(tenant) = tenant else {
        let text = "Usage of the /common endpoint is not supported for the client credentials \
                    flow. Use a tenant-specific endpoint.";
        return Err(Error::new("invalid_request", 90_130, text));
    };
    let request = TokenRequest::parse(headers, body).map_err(|name| {
        let text = format!("The request contains the parameter '{name}' more than once.");
        Error::new("invalid_request", 90_023, text)
    })?;
    let grant_type = required(&request, "grant_type")?;
    if grant_type != "client_credentials" {
        let text = format!("The app requested an unsupported grant type '{grant_type}'.");
        return Err(Error::new("unsupported_grant_type", 70_003, text));
    }
    let client_id = match request.client_id() {
        Some(client_id) => client_id,
        None => required(&request, "client_id")?,
    };
    let client = Client::find(client_id).filter(|_| tenant == TENANT).ok_or_else(|| {
        let text =
            format!("Application with identifier '{client_id}' was not found in the directory '{tenant}'.");
        Error::new("unauthorized_client", 700_016, text)
    })?;
    let client = client.proven(shared, &request, segment)?;
    Ok((request, client))
}

fn required<'a>(request: &'a TokenRequest, name: &str) -> Result<&'a str, Error> {
    request.field(name).ok_or_else(|| {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        Error::new("invalid_request", 900_144, text)
    })
}

/// The resource that `scope` names: one, with `/.default` behind it.
fn requested_scope(request: &TokenRequest) -> Result<&str, Error> {
    if request.field("resource").is_some() {
        let text = "The 'resource' request parameter is not supported.";
        return Err(Error::new("invalid_request", 901_002, text));
    }
    let scope = required(request, "scope")?;
    let names: Vec<_> = scope.split(' ').filter(|name| !name.is_empty()).collect();
    if names.len() > 1 && names.iter().all(|name| name.ends_with("/.default")) {
        let text = format!(
            "The provided value for the input parameter 'scope' is not valid because it contains \
             more than one resource. Scope {scope} is not valid."
        );
        return Err(Error::new("invalid_scope", 700_022, text));
    }
    match names.as_slice() {
        [name] => name.strip_suffix("/.default").filter(|resource| !resource.is_empty()),
        _ => None,
    }
    .ok_or_else(|| {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for \
             the input parameter 'scope' is not valid. The scope {scope} is not valid."
        );
        Error::new("invalid_scope", 70_011, text)
    })
}

struct Grant {
    token: String,
    lifetime: i64,
    now: i64,
    not_before: i64,
}

fn grant(shared: &Shared, client: &Client, request: &TokenRequest, resource: &str) -> Result<Grant, Error> {
    let api = Api::named(resource).ok_or_else(|| {
        let text = format!(
            "The resource principal named {resource} was not found in the tenant named Contoso. This \
             can happen if the application has not been installed by the administrator of the tenant \
             or consented to by any user in the tenant."
        );
        Error::new("invalid_resource", 500_011, text)
    })?;
    if api.assignment_required && client.roles_on(&api).is_empty() {
        let text = format!(
            "Application '{}'({}) is not assigned to a role for the application '{resource}'({}).",
            client.client_id(),
            client.name(),
            api.name
        );
        return Err(Error::new("invalid_grant", 501_051, text));
    }
    let mut spec =
        TokenSpec { issuer: (&api).into(), lifetime: shared.client_token_lifetime(), ..TokenSpec::default() };
    if wants_capabilities(request)? {
        spec = spec.claim("xms_cc", json!(["cp1"]));
    }
    let now = clock::now();
    Ok(Grant {
        token: mint(&client.subject(&api, resource), &spec, &shared.keys(), now),
        lifetime: spec.lifetime,
        now,
        not_before: now + spec.not_before,
    })
}

/// Whether `claims` says that the client can handle claims challenges (`cp1`).
fn wants_capabilities(request: &TokenRequest) -> Result<bool, Error> {
    let Some(text) = request.field("claims") else {
        return Ok(false);
    };
    let claims: Value = serde_json::from_str(text).map_err(|_| {
        let text = "The 'claims' request parameter is not valid JSON.";
        Error::new("invalid_request", 90_023, text)
    })?;
    let values = claims.pointer("/access_token/xms_cc/values").and_then(Value::as_array);
    Ok(values.is_some_and(|values| values.iter().any(|value| value == "cp1")))
}
