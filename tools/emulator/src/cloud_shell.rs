//! Cloud Shell's managed-identity endpoint, and the sidecar of AKS workload identity that answers
//! as IMDS does (azwi-proxy).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use crate::{
    endpoint::{CLOUD_SHELL_PATH, IMDS_TOKEN_PATH},
    imds::Refusal,
    managed_identity::{Dialect, Question, Selector},
    shared::Shared,
};

/// The routes of both.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(CLOUD_SHELL_PATH, post(cloud_shell)).route(IMDS_TOKEN_PATH, get(sidecar))
}

/// The identity is that of the user of the shell; nothing chooses another.
const CLOUD_SHELL: Dialect = Dialect { versions: &[], selectors: &[] };

/// The sidecar looks at two parameters; `api-version` is not one of them.
const SIDECAR: Dialect = Dialect { versions: &[], selectors: &[("client_id", Selector::Client)] };

async fn cloud_shell(State(shared): State<Arc<Shared>>, headers: HeaderMap, form: String) -> Response {
    if headers.get("metadata").is_none_or(|value| value != "true") {
        return Refusal::request("Required metadata header not specified").into_response();
    }
    answer(&shared, &form, &CLOUD_SHELL)
}

async fn sidecar(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    answer(&shared, uri.query().unwrap_or_default(), &SIDECAR)
}

fn answer(shared: &Shared, query: &str, dialect: &Dialect) -> Response {
    match Question::parse(query, dialect) {
        Ok(question) => Json(question.imds_answer(shared)).into_response(),
        Err(problem) => Refusal::from(problem).into_response(),
    }
}
