//! Entra's token endpoint: client credentials.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::Method,
    routing::any,
};
use serde_json::{Value, json};

use crate::{
    TokenSpec, clock,
    directory::{APPLICATIONS, Api},
    entra::Tenant,
    entra_error::Error,
    mint::{Subject, mint},
    shared::Shared,
};

/// The token endpoint's routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/{tenant}/oauth2/v2.0/token", any(token))
}

/// How long the token endpoint's tokens live, in seconds. Entra draws it at random between 60 and
/// 90 minutes; tests want it fixed.
const TOKEN_LIFETIME: i64 = 3599;

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
    if matches!(tenant, Tenant::Many(_)) {
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
    let Some(api) = Api::named(resource) else {
        let text =
            format!("The resource principal named {resource} was not found in the tenant named Contoso.");
        return Err(Error::new("invalid_resource", 500_011, text));
    };
    if api.assignment_required && application.roles_on(&api).is_empty() {
        let text = format!(
            "Application '{client_id}'({}) is not assigned to a role for the application \
             '{resource}'({}).",
            application.name, api.name
        );
        return Err(Error::new("invalid_grant", 501_051, text));
    }

    let spec = TokenSpec { issuer: (&api).into(), lifetime: TOKEN_LIFETIME, ..TokenSpec::default() };
    let subject = Subject::application(&application, &api, resource);
    Ok(Json(json!({
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME,
        "ext_expires_in": TOKEN_LIFETIME,
        "access_token": mint(&subject, &spec, &shared.keys(), clock::now()),
    })))
}
