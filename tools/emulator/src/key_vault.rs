//! Azure Key Vault: one vault, its secrets by name (Key Vault: Get Secret, REST API error codes).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use crate::{
    bearer::{Refused, check},
    directory::{KEY_VAULT, LOGIN, TENANT, VAULT_HOST},
    json::extend,
    shared::Shared,
    vault::Version,
};

/// The vault's routes.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/secrets/{name}", get(newest))
        .route("/secrets/{name}/", get(newest))
        .route("/secrets/{name}/{version}", get(version))
}

const API_VERSIONS: [&str; 9] = ["2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"];

async fn newest(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    answer(&shared, &headers, &uri, &name, None)
}

async fn version(
    State(shared): State<Arc<Shared>>,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    answer(&shared, &headers, &uri, &name, Some(&version))
}

fn answer(shared: &Shared, headers: &HeaderMap, uri: &Uri, name: &str, version: Option<&str>) -> Response {
    let query = uri.query().unwrap_or_default();
    let api_version = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "api-version");
    let Some((_, api_version)) = api_version else {
        return refusal(StatusCode::BAD_REQUEST, "BadParameter", "api-version must be specified", None);
    };
    if !API_VERSIONS.contains(&api_version.as_ref()) {
        let text = format!("The specified version ({api_version}) is not recognized.");
        return refusal(StatusCode::BAD_REQUEST, "BadParameter", &text, None);
    }
    // The audience has no slash at the end.
    let caller = match check(shared, headers, &[KEY_VAULT.identifier_uri, KEY_VAULT.client_id]) {
        Ok(caller) => caller,
        Err(refused) => return unauthorized(refused),
    };
    if !shared.vault.allows(&caller.client_id) {
        let text = format!(
            "Caller is not authorized to perform action on resource.\r\nCaller: appid={};oid={}\r\n\
             Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'",
            caller.client_id, caller.object_id
        );
        return refusal(StatusCode::FORBIDDEN, "Forbidden", &text, Some("ForbiddenByRbac"));
    }
    let Some(found) = shared.vault.get(name, version) else {
        let text = format!("A secret with (name/id) {name} was not found in this key vault.");
        return refusal(StatusCode::NOT_FOUND, "SecretNotFound", &text, None);
    };
    if !found.secret.enabled {
        let text = "Operation get is not allowed on a disabled secret.";
        return refusal(StatusCode::FORBIDDEN, "Forbidden", text, Some("SecretDisabled"));
    }
    Json(bundle(name, found)).into_response()
}

fn bundle(name: &str, Version { id, created, secret }: Version) -> Value {
    let mut bundle = json!({
        "value": secret.value,
        "id": format!("https://{VAULT_HOST}/secrets/{name}/{id}"),
        "attributes": {
            "enabled": true,
            "created": created,
            "updated": created,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        },
        "tags": {},
    });
    if let Some(content_type) = secret.content_type {
        extend(&mut bundle, json!({"contentType": content_type}));
    }
    bundle
}

/// 401 with the challenge that says where to get which token.
fn unauthorized(refused: Refused) -> Response {
    let text = match refused {
        Refused::Missing => "AKV10000: Request is missing a Bearer or PoP token.".to_owned(),
        Refused::Signature => "[BearerReadAccessTokenFailed] Error validating token: signature.".to_owned(),
        Refused::Time => "[TokenExpired] Error validating token: lifetime.".to_owned(),
        Refused::Issuer(found) => {
            format!(
                "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{TENANT}/, found {found}."
            )
        }
        Refused::Audience(found) => {
            format!("AKV10022: Invalid audience. Expected {}, found: {found}.", KEY_VAULT.identifier_uri)
        }
    };
    let challenge =
        format!("Bearer authorization=\"{LOGIN}/{TENANT}\", resource=\"{}\"", KEY_VAULT.identifier_uri);
    let refusal = refusal(StatusCode::UNAUTHORIZED, "Unauthorized", &text, None);
    ([(WWW_AUTHENTICATE, challenge)], refusal).into_response()
}

fn refusal(status: StatusCode, code: &str, message: &str, inner: Option<&str>) -> Response {
    let mut error = json!({"code": code, "message": message});
    if let Some(code) = inner {
        extend(&mut error, json!({"innererror": {"code": code}}));
    }
    (status, Json(json!({ "error": error }))).into_response()
}
