//! The knobs of [`Emulator`](crate::Emulator) over HTTP, as JSON.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /health` | 200 once everything listens |
//! | `GET /directory` | the tenant, the API, who may call it, and the secrets |
//! | `GET /requests` | `{"token_requests": 1, "requests": [...]}` |
//! | `DELETE /requests` | forgets them |
//! | `POST /faults/{endpoint}` | queues a list of faults, one for each of the next requests |
//! | `PUT /faults/{endpoint}` | one fault for every request |
//! | `DELETE /faults/{endpoint}` | takes back both |
//! | `POST /keys/rotate?mode=add\|replace` | new keys for Entra and the partner |
//! | `PUT /token-lifetime` | `{"seconds": 86400}`: the lifetime of IMDS's tokens |
//! | `PUT /client-token-lifetime` | the same for the token endpoints' tokens |
//! | `POST /identity-header/rotate` | another `IDENTITY_HEADER`; `GET /directory` shows it |
//! | `GET /files/{name}`, `PUT` | a file of the state directory's folder `files`: a credential of the caller's |
//! | `PUT /vault/secrets/{name}` | a [`VaultSecret`], or a newer version of it; answers the version's id |
//! | `DELETE /vault/secrets/{name}` | removes it |
//! | `PUT /vault/readers/{client_id}`, `DELETE` | who may read the vault |
//! | `POST /refusals` | a list of [`Challenge`]s, one for each of the backend's next requests |
//! | `PUT /refusals/{token_sha256}` | a [`Challenge`] for every request with that token |
//! | `DELETE /refusals` | takes back both |
//! | `PUT /workflow-policy` | a [`WorkflowPolicy`] |
//! | `POST /tokens` | makes the token that a [`TokenSpec`] describes; answers its text |

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::{get, post, put},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Challenge, Endpoint, Fault, LoggedRequest, Rotation, TokenSpec, VaultSecret, WorkflowPolicy,
    directory::{APIS, APPLICATIONS, Api, CONTOSO_API, MANAGED_IDENTITIES, TENANT},
    shared::Shared,
};

/// The control interface's routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/health", get(async || Json(json!({"status": "ready"}))))
        .route("/directory", get(directory))
        .route("/requests", get(requests).delete(clear_requests))
        .route("/faults/{endpoint}", post(script).put(set_default_fault).delete(clear_faults))
        .route("/keys/rotate", post(rotate_keys))
        .route("/token-lifetime", put(set_token_lifetime))
        .route("/client-token-lifetime", put(set_client_token_lifetime))
        .route("/identity-header/rotate", post(rotate_identity_header))
        .route("/files/{name}", get(file).put(put_file))
        .route("/vault/secrets/{name}", put(set_secret).delete(delete_secret))
        .route("/vault/readers/{client_id}", put(allow_vault).delete(forbid_vault))
        .route("/refusals", post(refuse_next).delete(clear_refusals))
        .route("/refusals/{token}", put(refuse_token))
        .route("/workflow-policy", put(set_workflow_policy))
        .route("/tokens", post(issue))
}

#[derive(Serialize)]
struct Requests {
    token_requests: usize,
    requests: Vec<LoggedRequest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mode {
    mode: Rotation,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    seconds: u64,
}

type Control = State<Arc<Shared>>;

async fn directory(State(shared): Control) -> Json<Value> {
    let applications: Vec<_> = APPLICATIONS
        .iter()
        .map(|application| {
            json!({
                "name": application.name,
                "client_id": application.client_id,
                "object_id": application.object_id,
                "roles": application.roles,
                "client_secret": shared.client_secret(application.client_id),
            })
        })
        .collect();
    let identities: Vec<_> = MANAGED_IDENTITIES
        .iter()
        .map(|identity| {
            json!({
                "name": identity.name,
                "client_id": identity.client_id,
                "object_id": identity.object_id,
                "resource_id": identity.resource_id,
                "roles": identity.roles,
            })
        })
        .collect();
    let apis: Vec<_> = APIS.iter().map(api).collect();
    Json(json!({
        "tenant": TENANT,
        "api": api(&CONTOSO_API),
        "apis": apis,
        "identity_header": shared.identity_header(),
        "managed_identities": identities,
        "applications": applications,
    }))
}

fn api(api: &Api) -> Value {
    json!({
        "name": api.name,
        "client_id": api.client_id,
        "identifier_uri": api.identifier_uri,
        "app_roles": api.app_roles,
    })
}

async fn requests(State(shared): Control) -> Json<Requests> {
    Json(Requests { token_requests: shared.log.token_requests(), requests: shared.log.requests() })
}

async fn clear_requests(State(shared): Control) -> StatusCode {
    shared.log.clear();
    StatusCode::NO_CONTENT
}

async fn script(
    State(shared): Control,
    Path(endpoint): Path<Endpoint>,
    Json(faults): Json<Vec<Fault>>,
) -> StatusCode {
    shared.faults.script(endpoint, faults);
    StatusCode::NO_CONTENT
}

async fn set_default_fault(
    State(shared): Control,
    Path(endpoint): Path<Endpoint>,
    Json(fault): Json<Fault>,
) -> StatusCode {
    shared.faults.set_default(endpoint, Some(fault));
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(shared): Control, Path(endpoint): Path<Endpoint>) -> StatusCode {
    shared.faults.clear(Some(endpoint));
    StatusCode::NO_CONTENT
}

async fn rotate_keys(
    State(shared): Control,
    Query(Mode { mode }): Query<Mode>,
) -> Result<StatusCode, (StatusCode, String)> {
    match tokio::task::spawn_blocking(move || shared.rotate_keys(mode)).await {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(error)) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

async fn set_token_lifetime(
    State(shared): Control,
    Json(Lifetime { seconds }): Json<Lifetime>,
) -> StatusCode {
    shared.set_token_lifetime(Duration::from_secs(seconds));
    StatusCode::NO_CONTENT
}

async fn set_client_token_lifetime(
    State(shared): Control,
    Json(Lifetime { seconds }): Json<Lifetime>,
) -> StatusCode {
    shared.set_client_token_lifetime(Duration::from_secs(seconds));
    StatusCode::NO_CONTENT
}

async fn rotate_identity_header(State(shared): Control) -> StatusCode {
    shared.rotate_identity_header();
    StatusCode::NO_CONTENT
}

type FileAnswer<T> = Result<T, (StatusCode, String)>;

async fn file(State(shared): Control, Path(name): Path<String>) -> FileAnswer<String> {
    shared.files.get(&name).map_err(|error| (StatusCode::NOT_FOUND, error.to_string()))
}

async fn put_file(
    State(shared): Control,
    Path(name): Path<String>,
    content: String,
) -> FileAnswer<StatusCode> {
    let problem = |error: std::io::Error| (StatusCode::BAD_REQUEST, error.to_string());
    shared.files.put(&name, &content).map(|()| StatusCode::NO_CONTENT).map_err(problem)
}

async fn set_secret(
    State(shared): Control,
    Path(name): Path<String>,
    Json(secret): Json<VaultSecret>,
) -> String {
    shared.vault.set(&name, secret)
}

async fn delete_secret(State(shared): Control, Path(name): Path<String>) -> StatusCode {
    shared.vault.delete(&name);
    StatusCode::NO_CONTENT
}

async fn allow_vault(State(shared): Control, Path(client_id): Path<String>) -> StatusCode {
    shared.vault.allow(&client_id, true);
    StatusCode::NO_CONTENT
}

async fn forbid_vault(State(shared): Control, Path(client_id): Path<String>) -> StatusCode {
    shared.vault.allow(&client_id, false);
    StatusCode::NO_CONTENT
}

async fn refuse_next(State(shared): Control, Json(challenges): Json<Vec<Challenge>>) -> StatusCode {
    shared.challenges.script(challenges);
    StatusCode::NO_CONTENT
}

async fn refuse_token(
    State(shared): Control,
    Path(token): Path<String>,
    Json(challenge): Json<Challenge>,
) -> StatusCode {
    shared.challenges.refuse(&token, challenge);
    StatusCode::NO_CONTENT
}

async fn clear_refusals(State(shared): Control) -> StatusCode {
    shared.challenges.clear();
    StatusCode::NO_CONTENT
}

async fn set_workflow_policy(State(shared): Control, Json(policy): Json<WorkflowPolicy>) -> StatusCode {
    shared.set_workflow_policy(policy);
    StatusCode::NO_CONTENT
}

async fn issue(State(shared): Control, Json(spec): Json<TokenSpec>) -> String {
    shared.issue(&spec)
}
