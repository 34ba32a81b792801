//! The managed-identity endpoint of App Service, Functions and Container Apps (App Service:
//! overview-managed-identity, REST endpoint reference), and Azure Machine Learning's, which grew
//! out of its first version.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::{
    clock::DateShape,
    endpoint::{APP_SERVICE_PATH, AZURE_ML_PATH},
    json::extend,
    managed_identity::{Dialect, Problem, Question, Selector},
    random::random_guid,
    shared::Shared,
};

/// The routes of both.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(APP_SERVICE_PATH, get(app_service)).route(AZURE_ML_PATH, get(azure_ml))
}

const DIALECT: Dialect = Dialect {
    versions: &["2019-08-01", "2025-03-30"],
    selectors: &[
        ("client_id", Selector::Client),
        ("principal_id", Selector::Object),
        ("object_id", Selector::Object),
        ("mi_res_id", Selector::AzureResource),
    ],
};

/// The first version, whose header is `secret` and whose date is a text.
const FIRST: Dialect = Dialect { versions: &["2017-09-01"], selectors: &[("clientid", Selector::Client)] };

async fn app_service(State(shared): State<Arc<Shared>>, headers: HeaderMap, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let is_first = query.split('&').any(|pair| pair == "api-version=2017-09-01");
    let (header, dialect) = if is_first { ("secret", &FIRST) } else { ("x-identity-header", &DIALECT) };
    if !shared.is_identity_header(headers.get(header)) {
        return refusal(StatusCode::UNAUTHORIZED, &format!("The header {header} is missing or wrong."));
    }
    let question = match Question::parse(query, dialect) {
        Ok(question) => question,
        Err(problem) => return refuse(problem),
    };
    let mut body = answer(&question, &shared);
    if is_first {
        let expires = question.answer(&shared).issued.expires;
        extend(&mut body, json!({"expires_on": DateShape::Linux.write(expires)}));
    }
    Json(body).into_response()
}

async fn azure_ml(State(shared): State<Arc<Shared>>, headers: HeaderMap, uri: Uri) -> Response {
    if !shared.is_identity_header(headers.get("secret")) {
        return refusal(StatusCode::UNAUTHORIZED, "The header secret is missing or wrong.");
    }
    match Question::parse(uri.query().unwrap_or_default(), &FIRST) {
        Ok(question) => Json(answer(&question, &shared)).into_response(),
        Err(problem) => refuse(problem),
    }
}

/// There is no `expires_in`.
fn answer(question: &Question, shared: &Shared) -> Value {
    let issued = question.answer(shared).issued;
    json!({
        "access_token": issued.token,
        "client_id": question.identity.client_id,
        "expires_on": issued.expires.to_string(),
        "not_before": issued.not_before.to_string(),
        "resource": question.resource,
        "token_type": "Bearer",
    })
}

fn refuse(problem: Problem) -> Response {
    let bad = StatusCode::BAD_REQUEST;
    match problem {
        Problem::Twice(name) => refusal(bad, &format!("The parameter {name} comes twice.")),
        Problem::Missing(name) => refusal(bad, &format!("The parameter {name} is missing.")),
        Problem::Version(version) => refusal(bad, &format!("The api-version {version} is not supported.")),
        Problem::SeveralSelectors => refusal(bad, "Only one identity may be specified."),
        Problem::UnknownIdentity => refusal(
            bad,
            "No User Assigned or Delegated Managed Identity found for specified \
             ClientId/ResourceId/PrincipalId.",
        ),
        // It does not say what is wrong with a resource.
        Problem::UnknownResource(_) => refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "An unexpected error occured while fetching the AAD Token.",
        ),
    }
}

fn refusal(status: StatusCode, message: &str) -> Response {
    let body = json!({
        "statusCode": status.as_u16(),
        "message": message,
        "correlationId": random_guid(),
    });
    (status, Json(body)).into_response()
}
