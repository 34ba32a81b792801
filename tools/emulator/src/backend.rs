//! The backend: shows whoever calls it what it was sent.
//!
//! Every path and method is answered with 200 and JSON. If `Authorization` holds a JWT, the body
//! has the members of API Management's `Jwt` object, else `"token": null`. Nothing is validated:
//! that is what stands in front of it. The member `request` is the request as it arrived.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::{Body, BodyDataStream},
    extract::Request,
    http::header::AUTHORIZATION,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

use crate::{
    decoded::Decoded,
    log::{redacted_headers, redacted_path},
    shared::Shared,
};

/// The backend's one route.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().fallback(echo)
}

async fn echo(request: Request) -> Response {
    let (head, body) = request.into_parts();
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
            "body_bytes": length(body).await,
        }),
    );
    ([("x-echo", "backend")], Json(answer)).into_response()
}

/// Reads the body to its end, keeping nothing of it.
async fn length(body: Body) -> u64 {
    let mut length = 0;
    let mut pieces: BodyDataStream = body.into_data_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        length += piece.len() as u64;
    }
    length
}
