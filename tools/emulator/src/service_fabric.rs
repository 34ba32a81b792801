//! Service Fabric's managed-identity endpoint: HTTPS, its certificate pinned by thumbprint
//! (Service Fabric: how-to-managed-identity-service-fabric-app-code).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use crate::{
    endpoint::IMDS_TOKEN_PATH,
    managed_identity::{Dialect, Problem, Question},
    random::random_guid,
    shared::Shared,
};

/// The endpoint's route.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(IMDS_TOKEN_PATH, get(token))
}

/// Which identity an application has is set in the cluster, not asked for.
const DIALECT: Dialect = Dialect { versions: &["2019-07-01-preview", "2020-05-01"], selectors: &[] };

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, uri: Uri) -> Response {
    let Some(secret) = headers.get("secret") else {
        return refusal(
            StatusCode::BAD_REQUEST,
            "SecretHeaderNotFound",
            "Secret is not found in the request headers.",
        );
    };
    if !shared.is_identity_header(Some(secret)) {
        return refusal(
            StatusCode::NOT_FOUND,
            "ManagedIdentityNotFound",
            "Managed identity not found for the specified application host.",
        );
    }
    match Question::parse(uri.query().unwrap_or_default(), &DIALECT) {
        Ok(question) => {
            let issued = question.answer(&shared).issued;
            Json(json!({
                "token_type": "Bearer",
                "access_token": issued.token,
                "expires_on": issued.expires,
                "resource": question.resource,
            }))
            .into_response()
        }
        Err(Problem::Missing(name)) => {
            let text = format!("The parameter '{name}' should not be null or empty string.");
            refusal(StatusCode::BAD_REQUEST, "ArgumentNullOrEmpty", &text)
        }
        Err(Problem::Version(_)) => {
            refusal(StatusCode::BAD_REQUEST, "InvalidApiVersion", "The api-version is not supported.")
        }
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "An error occurred."),
    }
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let error = json!({"correlationId": random_guid(), "code": code, "message": message});
    (status, Json(json!({ "error": error }))).into_response()
}
