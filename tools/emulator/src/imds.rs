//! The managed-identity endpoint of a virtual machine (IMDS: how-to-use-vm-token,
//! instance-metadata-service).

use std::{collections::HashMap, sync::Arc};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::ALLOW},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Value, json};

use crate::{
    TokenSpec, clock,
    directory::{self, Api, MANAGED_IDENTITIES, ManagedIdentity},
    endpoint::IMDS_TOKEN_PATH,
    mint::{Subject, mint},
    shared::Shared,
    token_cache::Issued,
};

/// IMDS's routes. Methods other than GET are 405.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(IMDS_TOKEN_PATH, any(token))
}

/// The versions that the instance metadata service lists as supported and that know identities.
const API_VERSIONS: [&str; 28] = [
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
    "2024-03-15",
    "2025-04-07",
];

/// The parameters that choose a user-assigned identity; at most one of them.
const SELECTORS: [&str; 3] = ["client_id", "object_id", "msi_res_id"];

async fn token(State(shared): State<Arc<Shared>>, method: Method, headers: HeaderMap, uri: Uri) -> Response {
    if method != Method::GET {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET")]).into_response();
    }
    match answer(&shared, &headers, uri.query().unwrap_or_default()) {
        Ok(body) => Json(body).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

/// Why a token is refused: always 400.
#[derive(Debug, PartialEq)]
struct Refusal {
    error: &'static str,
    description: String,
}

impl Refusal {
    fn request(description: impl Into<String>) -> Self {
        Self { error: "invalid_request", description: description.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": self.error, "error_description": self.description});
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

fn answer(shared: &Shared, headers: &HeaderMap, query: &str) -> Result<Value, Refusal> {
    let question = Question::parse(headers, query)?;
    let now = clock::now();
    let lifetime = shared.token_lifetime();
    let issued = shared.imds_tokens.get(&question.identity, &question.resource, now, || {
        let Question { identity, api, resource } = &question;
        let spec = TokenSpec { issuer: api.into(), lifetime, ..TokenSpec::default() };
        Issued {
            token: mint(&Subject::identity(identity, api, resource), &spec, &shared.keys(), now),
            at: now,
            not_before: now.saturating_add(spec.not_before),
            expires: now.saturating_add(lifetime),
        }
    });
    let left = issued.expires - now;
    Ok(json!({
        "access_token": issued.token,
        "client_id": question.identity.client_id,
        "expires_in": left.to_string(),
        "expires_on": issued.expires.to_string(),
        "ext_expires_in": left.to_string(),
        "not_before": issued.not_before.to_string(),
        "refresh_token": "",
        "resource": question.resource,
        "token_type": "Bearer",
    }))
}

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Question {
    identity: ManagedIdentity,
    api: Api,
    resource: String,
}

impl Question {
    fn parse(headers: &HeaderMap, query: &str) -> Result<Self, Refusal> {
        let metadata = headers.get("metadata").map(|value| value.as_bytes());
        if !metadata.is_some_and(|value| value.eq_ignore_ascii_case(b"true")) {
            return Err(Refusal::request("Required metadata header not specified"));
        }
        if headers.contains_key("x-forwarded-for") {
            return Err(Refusal::request("Requests with an X-Forwarded-For header are not allowed"));
        }

        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let name = name.to_ascii_lowercase();
            if parameters.contains_key(&name) {
                let text = format!("Query parameter '{name}' is specified more than once");
                return Err(Refusal::request(text));
            }
            parameters.insert(name, value.into_owned());
        }
        let given = |name: &str| parameters.get(name).filter(|value| !value.is_empty());

        let version = given("api-version")
            .ok_or_else(|| Refusal::request("Required query variable 'api-version' is missing"))?;
        if !API_VERSIONS.contains(&version.as_str()) {
            let text = format!("api-version '{version}' is not supported");
            return Err(Refusal::request(text));
        }
        let resource = given("resource")
            .ok_or_else(|| Refusal::request("Required query variable 'resource' is missing"))?;
        let identity = identity(&given)?;
        let api = Api::named(resource).ok_or_else(|| Refusal {
            error: "invalid_resource",
            description: format!(
                "AADSTS50001: The application named {resource} was not found in the tenant named \
                     {}. This can happen if the application has not been installed by the \
                     administrator of the tenant or consented to by any user in the tenant. You \
                     might have sent your authentication request to the wrong tenant.",
                directory::TENANT
            ),
        })?;
        Ok(Self { identity, api, resource: resource.clone() })
    }
}

fn identity<'a>(given: &impl Fn(&str) -> Option<&'a String>) -> Result<ManagedIdentity, Refusal> {
    let mut chosen = SELECTORS.into_iter().filter_map(|name| Some((name, given(name)?)));
    let Some((selector, value)) = chosen.next() else {
        return Ok(directory::GATEWAY);
    };
    if chosen.next().is_some() {
        return Err(Refusal::request("Only one of client_id, object_id and msi_res_id may be specified"));
    }
    MANAGED_IDENTITIES
        .into_iter()
        .find(|identity| {
            let own = match selector {
                "client_id" => Some(identity.client_id),
                "object_id" => Some(identity.object_id),
                _ => identity.resource_id,
            };
            own.is_some_and(|own| own.eq_ignore_ascii_case(value))
        })
        .ok_or_else(|| Refusal::request("Identity not found"))
}
