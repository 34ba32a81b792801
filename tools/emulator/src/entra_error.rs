//! Entra's refusals.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{clock, directory::LOGIN, random::random_guid};

/// A refusal in Entra's words (Entra: reference-error-codes).
#[derive(Debug)]
pub(crate) struct Error {
    status: StatusCode,
    error: &'static str,
    code: u32,
    text: String,
}

impl Error {
    /// A refusal with 400.
    pub(crate) fn new(error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, code, text: text.into() }
    }

    /// The same with 401.
    pub(crate) fn unauthorized(mut self) -> Self {
        self.status = StatusCode::UNAUTHORIZED;
        self
    }
}

impl Error {
    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        let (trace, correlation) = (random_guid(), random_guid());
        let time = clock::iso_8601(clock::now()).unwrap_or_default();
        let time = time.replace('T', " ");
        json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
                self.code, self.text
            ),
            "error_codes": [self.code],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{LOGIN}/error?code={}", self.code),
        })
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}
