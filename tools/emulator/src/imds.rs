//! The managed-identity endpoint of a virtual machine (IMDS: how-to-use-vm-token,
//! instance-metadata-service).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::ALLOW},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Value, json};

use crate::{
    directory::TENANT,
    endpoint::IMDS_TOKEN_PATH,
    managed_identity::{Dialect, Problem, Question, Selector},
    shared::Shared,
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

const DIALECT: Dialect = Dialect {
    versions: &API_VERSIONS,
    selectors: &[
        ("client_id", Selector::Client),
        ("object_id", Selector::Object),
        ("msi_res_id", Selector::AzureResource),
    ],
};

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
pub(crate) struct Refusal {
    error: &'static str,
    description: String,
}

impl Refusal {
    /// `invalid_request`.
    pub(crate) fn request(description: impl Into<String>) -> Self {
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
    let metadata = headers.get("metadata").map(|value| value.as_bytes());
    if !metadata.is_some_and(|value| value.eq_ignore_ascii_case(b"true")) {
        return Err(Refusal::request("Required metadata header not specified"));
    }
    if headers.contains_key("x-forwarded-for") {
        return Err(Refusal::request("Requests with an X-Forwarded-For header are not allowed"));
    }
    Ok(Question::parse(query, &DIALECT)?.imds_answer(shared))
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::request(match problem {
            Problem::Twice(name) => format!("Query parameter '{name}' is specified more than once"),
            Problem::Missing(name) => format!("Required query variable '{name}' is missing"),
            Problem::Version(version) => format!("api-version '{version}' is not supported"),
            Problem::SeveralSelectors => {
                "Only one of client_id, object_id and msi_res_id may be specified".to_owned()
            }
            Problem::UnknownIdentity => "Identity not found".to_owned(),
            Problem::UnknownResource(resource) => {
                let description = format!(
                    "AADSTS50001: The application named {resource} was not found in the tenant named \
                     {TENANT}. This can happen if the application has not been installed by the \
                     administrator of the tenant or consented to by any user in the tenant. You \
                     might have sent your authentication request to the wrong tenant."
                );
                return Self { error: "invalid_resource", description };
            }
        })
    }
}
