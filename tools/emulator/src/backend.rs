//! The backend: shows whoever calls it what it was sent.
//!
//! Every path and method is answered with 200 and JSON. If `Authorization` holds a JWT, the body
//! has the members of API Management's `Jwt` object, else `"token": null`. Nothing is validated:
//! that is what stands in front of it. The member `request` is the request as it arrived. What it
//! is told to refuse it refuses when it has read the body.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::{Body, BodyDataStream},
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use ring::digest;
use serde_json::{Map, Value, json};

use crate::{
    Challenge,
    decoded::Decoded,
    log::bearer,
    random::{hex, sha256_hex},
    redact::{redacted_headers, redacted_path},
    shared::Shared,
};

/// The backend's one route.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().fallback(echo)
}

async fn echo(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let (length, sha256) = read(body).await;
    if let Some(&number) = head.extensions.get() {
        shared.log.note_body(number, length, sha256);
    }
    let token = bearer(&head.headers).map(|token| sha256_hex(token.as_bytes()));
    if let Some(challenge) = shared.challenges.next(token.as_deref()) {
        return refuse(&challenge);
    }
    let decoded = head
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(Decoded::from_authorization);
    let mut answer = match decoded {
        Some(decoded) => decoded.as_jwt_object(),
        None => Map::from_iter([("token".to_owned(), Value::Null)]),
    };
    let mut headers = Map::new();
    for (name, value) in redacted_headers(&head.uri, &head.headers) {
        let values = headers.entry(name).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value.into());
        }
    }
    answer.insert(
        "request".to_owned(),
        json!({
            "method": head.method.as_str(),
            "path": redacted_path(&head.uri),
            "headers": headers,
            "body_bytes": length,
        }),
    );
    ([("x-echo", "backend")], Json(answer)).into_response()
}

fn refuse(challenge: &Challenge) -> Response {
    let status = StatusCode::from_u16(challenge.status).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = (status, "the backend refuses this token").into_response();
    let value = challenge.www_authenticate.as_deref().and_then(|value| HeaderValue::from_str(value).ok());
    if let Some(value) = value {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}

/// Reads the body to its end, keeping nothing of it but its length and its SHA-256.
async fn read(body: Body) -> (u64, String) {
    let (mut length, mut hash) = (0, digest::Context::new(&digest::SHA256));
    let mut pieces: BodyDataStream = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        length += piece.len() as u64;
        hash.update(&piece);
    }
    (length, hex(hash.finish().as_ref()))
}
