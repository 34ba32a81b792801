//! Why a request is refused, and how that looks to the caller.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use crate::access::{AmbiguousPath, Denied};
use crate::config::OnFailure;
use crate::jwt::Rejection;

/// The realm of every challenge (RFC 9110, section 11.5).
const REALM: &str = r#"Bearer realm="gatepass""#;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No operation matches.
    #[error("no operation matches the method and path")]
    OperationNotFound,
    /// The method is not one that all programs read alike.
    #[error("the method is not a token in capitals")]
    MethodInvalid,
    /// The path can be read in two ways.
    #[error("{0}")]
    PathAmbiguous(AmbiguousPath),
    /// There is no token.
    #[error("there is no `Authorization` header")]
    TokenMissing,
    /// There is a credential of another scheme.
    #[error("the `Authorization` header is not `Bearer` and one token")]
    SchemeNotAllowed,
    /// There are several.
    #[error("there is more than one `Authorization` header")]
    TokenMultiple,
    /// The token is not good.
    #[error("{0}")]
    Token(Rejection),
    /// The token is good, but its holder may not do this.
    #[error("{0}")]
    Denied(Denied),
    /// The keys of an issuer are not to be had.
    #[error("the issuer's keys are not to be had")]
    KeysUnavailable(Duration),
    /// More signatures are to be checked in the VM than it has time for.
    #[error("more signatures to check than this worker has time for")]
    KeysBusy,
    /// An outbound token is not to be had.
    #[error("no token for the backend is to be had")]
    TokenUnavailable(Duration),
    /// A fault of ours.
    #[error("an internal fault")]
    Internal,
}

impl Reason {
    /// The stable code, as counters, logs and docs have it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OperationNotFound => "operation_not_found",
            Self::MethodInvalid => "method_invalid",
            Self::PathAmbiguous(_) => "path_ambiguous",
            Self::TokenMissing => "token_missing",
            Self::SchemeNotAllowed => "scheme_not_allowed",
            Self::TokenMultiple => "token_multiple",
            Self::Token(rejection) => rejection.code(),
            Self::Denied(denied) => denied.code(),
            Self::KeysUnavailable(_) => "keys_unavailable",
            Self::KeysBusy => "keys_busy",
            Self::TokenUnavailable(_) => "token_unavailable",
            Self::Internal => "internal",
        }
    }

    /// Whose fault it is, as a status.
    fn status(self, on_failure: &OnFailure) -> StatusCode {
        match self {
            Self::OperationNotFound => StatusCode::NOT_FOUND,
            Self::MethodInvalid | Self::PathAmbiguous(_) => StatusCode::BAD_REQUEST,
            Self::TokenMissing | Self::SchemeNotAllowed | Self::TokenMultiple | Self::Token(_) => {
                on_failure.status
            }
            Self::Denied(_) => on_failure.forbidden_status,
            Self::KeysUnavailable(_) | Self::KeysBusy | Self::TokenUnavailable(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the caller reads, in API Management's words where it has some. It says nothing that helps to
    /// forge a token.
    const fn message(self) -> &'static str {
        match self {
            Self::OperationNotFound => "Resource not found",
            Self::MethodInvalid => "The method of the request is not valid.",
            Self::PathAmbiguous(_) => "The path of the request is ambiguous.",
            Self::TokenMissing => "JWT not present.",
            Self::SchemeNotAllowed | Self::TokenMultiple | Self::Token(_) | Self::Denied(_) => "Invalid JWT.",
            Self::KeysUnavailable(_) | Self::KeysBusy | Self::TokenUnavailable(_) => {
                "The service is not ready to authenticate this request. Try again later."
            }
            Self::Internal => "Internal server error",
        }
    }

    /// `WWW-Authenticate` (RFC 6750, section 3): the realm alone where there was no bearer token.
    fn challenge(self) -> Option<String> {
        let error = match self {
            Self::TokenMissing | Self::SchemeNotAllowed => return Some(REALM.to_owned()),
            Self::TokenMultiple | Self::Token(_) => "invalid_token",
            Self::Denied(_) => "insufficient_scope",
            _ => return None,
        };
        Some(format!("{REALM}, error=\"{error}\""))
    }

    /// Whole seconds, at least one, after which to try again.
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::KeysUnavailable(wait) | Self::TokenUnavailable(wait) => {
                Some(wait.as_millis().div_ceil(1_000).clamp(1, 3_600) as u64)
            }
            Self::KeysBusy => Some(1),
            _ => None,
        }
    }
}

/// A refusal, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// The status.
    pub status: StatusCode,
    /// The headers, in lower case.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body: API Management's, as JSON.
    pub body: String,
}

impl Refusal {
    /// The refusal of a request for `reason`.
    pub fn new(reason: Reason, on_failure: &OnFailure) -> Self {
        let status = reason.status(on_failure);
        let own = on_failure.message.as_deref().filter(|_| reason.challenge().is_some());
        let message = own.unwrap_or_else(|| reason.message());
        let body = serde_json::to_string(&Body { status_code: status.as_u16(), message }).unwrap_or_default();
        let mut headers = vec![("content-type", Cow::Borrowed("application/json"))];
        headers.extend(reason.challenge().map(|challenge| ("www-authenticate", Cow::Owned(challenge))));
        headers.extend(reason.retry_after().map(|seconds| ("retry-after", Cow::Owned(seconds.to_string()))));
        Self { reason, status, headers, body }
    }

    /// The answer to a fault of ours: the request is never let pass.
    pub fn internal() -> Self {
        Self::new(Reason::Internal, &OnFailure::default())
    }
}

/// API Management's body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'m> {
    status_code: u16,
    message: &'m str,
}
