//! The agent of Azure Arc: a token for who can read a file (Arc: managed-identity-authentication).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{
        HeaderMap, StatusCode, Uri,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Map, json};

use crate::{
    challenge_files::ChallengeFiles,
    endpoint::IMDS_TOKEN_PATH,
    imds::Refusal,
    json::extend,
    managed_identity::{Dialect, Question, Selector},
    random::random_guid,
    shared::Shared,
};

/// The agent's route.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(IMDS_TOKEN_PATH, get(token))
}

const DIALECT: Dialect = Dialect {
    versions: &["2019-11-01", "2020-06-01", "2021-02-01"],
    selectors: &[
        ("client_id", Selector::Client),
        ("object_id", Selector::Object),
        ("msi_res_id", Selector::AzureResource),
    ],
};

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, uri: Uri) -> Response {
    if headers.get("metadata").is_none_or(|value| value != "true") {
        return Refusal::request("Required metadata header not specified").into_response();
    }
    let question = match Question::parse(uri.query().unwrap_or_default(), &DIALECT) {
        Ok(question) => question,
        Err(problem) => return Refusal::from(problem).into_response(),
    };
    let secret = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    if !secret.is_some_and(|secret| shared.arc.close(secret)) {
        return challenge(&shared.arc);
    }
    let mut answer = question.imds_answer(&shared);
    // A selector comes back, so that clients know an agent that ignores it.
    let selected = question.selected_by.map(|(name, value)| (name.to_owned(), value.into()));
    extend(&mut answer, Map::from_iter(selected).into());
    Json(answer).into_response()
}

fn challenge(challenges: &ChallengeFiles) -> Response {
    match challenges.open() {
        Ok(path) => {
            let realm = format!("Basic realm={}", path.display());
            let body = json!({
                "error": "unauthorized_client",
                "error_description": "Missing Basic Authorization header",
                "error_codes": [401],
                "correlation_id": random_guid(),
            });
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, realm)], Json(body)).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
