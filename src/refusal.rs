//! Why a request is refused, and how that looks to the caller.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use crate::access::{AmbiguousPath, Denied, HeaderDenied, RequiredHeader};
use crate::config::{BodyForm, OnFailure, Operation, SubscriptionRule};
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
    /// Operations are told apart by hosts, and this is none.
    #[error("`Host` or `:authority` is not a host")]
    HostInvalid,
    /// The path can be read in two ways.
    #[error("{0}")]
    PathAmbiguous(AmbiguousPath),
    /// There is no token.
    #[error(
        "there is no token where `validate.token` says that it stands (`Authorization`, if nothing is said)"
    )]
    TokenMissing,
    /// There is a credential of another scheme.
    #[error(
        "the header is not one token behind the scheme that `validate.token` asks for (`Bearer`, if nothing is said)"
    )]
    SchemeNotAllowed,
    /// There are several.
    #[error("there is more than one token: in its place, or in `Authorization` beside it")]
    TokenMultiple,
    /// The token is not good.
    #[error("{0}")]
    Token(Rejection),
    /// The token is good, but its holder may not do this.
    #[error("{0}")]
    Denied(Denied),
    /// There is no subscription key.
    #[error("there is no subscription key")]
    SubscriptionKeyMissing,
    /// There is a subscription key, but not one that opens this operation.
    #[error("no subscription that opens this operation has this key")]
    SubscriptionKeyInvalid,
    /// There are several.
    #[error("there is more than one subscription key")]
    SubscriptionKeyMultiple,
    /// A header that the operation asks for is not as it must be.
    #[error("{denied}")]
    Header {
        /// Why.
        denied: HeaderDenied,
        /// The number of the header in the operation.
        index: usize,
    },
    /// The keys of an issuer are not to be had.
    #[error("the issuer's keys are not to be had")]
    KeysUnavailable(Duration),
    /// More signatures are to be checked in the VM than it has time for.
    #[error("more signatures to check than this worker has time for")]
    KeysBusy,
    /// An outbound token is not to be had.
    #[error("no token for the backend is to be had")]
    TokenUnavailable(Duration),
    /// A secret that the request needs is not to be had.
    #[error("a secret is not to be had")]
    SecretUnavailable(Duration),
    /// Envoy's route leads elsewhere than the attached credential may go.
    #[error("the route leads to a cluster that the attached credential may not go to")]
    DestinationNotAllowed,
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
            Self::HostInvalid => "host_invalid",
            Self::PathAmbiguous(_) => "path_ambiguous",
            Self::TokenMissing => "token_missing",
            Self::SchemeNotAllowed => "scheme_not_allowed",
            Self::TokenMultiple => "token_multiple",
            Self::Token(rejection) => rejection.code(),
            Self::Denied(denied) => denied.code(),
            Self::SubscriptionKeyMissing => "subscription_key_missing",
            Self::SubscriptionKeyInvalid => "subscription_key_invalid",
            Self::SubscriptionKeyMultiple => "subscription_key_multiple",
            Self::Header { denied, .. } => denied.code(),
            Self::KeysUnavailable(_) => "keys_unavailable",
            Self::KeysBusy => "keys_busy",
            Self::TokenUnavailable(_) => "token_unavailable",
            Self::SecretUnavailable(_) => "secret_unavailable",
            Self::DestinationNotAllowed => "destination_not_allowed",
            Self::Internal => "internal",
        }
    }

    /// Whose fault it is, as a status.
    fn status(self, on_failure: &OnFailure) -> StatusCode {
        match self {
            Self::OperationNotFound => StatusCode::NOT_FOUND,
            Self::MethodInvalid | Self::HostInvalid | Self::PathAmbiguous(_) => StatusCode::BAD_REQUEST,
            Self::TokenMissing
            | Self::SchemeNotAllowed
            | Self::TokenMultiple
            | Self::Token(_)
            | Self::Header { .. } => on_failure.status,
            Self::SubscriptionKeyMissing | Self::SubscriptionKeyInvalid | Self::SubscriptionKeyMultiple => {
                StatusCode::UNAUTHORIZED
            }
            Self::Denied(_) => on_failure.forbidden_status,
            Self::KeysUnavailable(_)
            | Self::KeysBusy
            | Self::TokenUnavailable(_)
            | Self::SecretUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::DestinationNotAllowed | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the caller reads, in API Management's words where it has some. It says nothing that helps to
    /// forge a token.
    const fn message(self) -> &'static str {
        match self {
            Self::OperationNotFound => "Resource not found",
            Self::MethodInvalid => "The method of the request is not valid.",
            Self::HostInvalid => "The host of the request is not valid.",
            Self::PathAmbiguous(_) => "The path of the request is ambiguous.",
            Self::TokenMissing => "JWT not present.",
            Self::SchemeNotAllowed | Self::TokenMultiple | Self::Token(_) | Self::Denied(_) => "Invalid JWT.",
            Self::SubscriptionKeyMissing => {
                "Access denied due to missing subscription key. Make sure to include subscription key when making requests \
                 to an API."
            }
            Self::SubscriptionKeyInvalid | Self::SubscriptionKeyMultiple => {
                "Access denied due to invalid subscription key. Make sure to provide a valid key for an active \
                 subscription."
            }
            Self::Header { .. } => "A header of the request is missing or not allowed. Access denied.",
            Self::KeysUnavailable(_)
            | Self::KeysBusy
            | Self::TokenUnavailable(_)
            | Self::SecretUnavailable(_) => {
                "The service is not ready to authenticate this request. Try again later."
            }
            Self::DestinationNotAllowed | Self::Internal => "Internal server error",
        }
    }

    /// `WWW-Authenticate` (RFC 6750, section 3): the realm alone where there was no bearer token.
    fn challenge(self, expose_reason: bool) -> Option<String> {
        let error = match self {
            Self::TokenMissing | Self::SchemeNotAllowed => return Some(REALM.to_owned()),
            Self::TokenMultiple | Self::Token(_) => "invalid_token",
            Self::Denied(_) => "insufficient_scope",
            _ => return None,
        };
        let mut challenge = format!("{REALM}, error=\"{error}\"");
        if expose_reason {
            // The code alone: every byte of it may stand in a quoted string.
            let _ = write!(challenge, ", error_description=\"{}\"", self.code());
        }
        Some(challenge)
    }

    /// Whether it is about the caller's token, so that the operator's own message fits.
    const fn is_about_token(self) -> bool {
        matches!(
            self,
            Self::TokenMissing
                | Self::SchemeNotAllowed
                | Self::TokenMultiple
                | Self::Token(_)
                | Self::Denied(_)
        )
    }

    /// Whole seconds, at least one, after which to try again.
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::KeysUnavailable(wait) | Self::TokenUnavailable(wait) | Self::SecretUnavailable(wait) => {
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
    /// The status for a gRPC client, whose answer is trailers only.
    pub grpc_status: GrpcStatus,
    /// The headers, in lower case.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// The body; for a gRPC client the message.
    pub body: String,
}

/// A status of gRPC, as a number (grpc.io, status codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcStatus(pub u8);

impl From<StatusCode> for GrpcStatus {
    /// As gRPC maps the status of an answer that is not gRPC (grpc.io, HTTP to gRPC status code mapping), but for
    /// 500, which is `INTERNAL` here: it is we who say it, not somebody unknown on the way.
    fn from(status: StatusCode) -> Self {
        Self(match status.as_u16() {
            400 | 500 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502..=504 => 14,
            _ => 2,
        })
    }
}

/// What a refused request was, as far as its answer depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Whether it came from a gRPC client.
    pub is_grpc: bool,
}

impl Refusal {
    /// The refusal of a request for `reason`, where no operation says how it looks.
    pub fn new(reason: Reason, on_failure: &OnFailure, asked: Asked) -> Self {
        Self::with(reason, on_failure, asked, Words::default())
    }

    /// The refusal of a request for `reason` by an operation.
    pub fn by(operation: &Operation, reason: Reason, asked: Asked) -> Self {
        let words = match reason {
            Reason::Header { denied, index } => {
                operation.required_headers.get(index).map(|header| Words::of_header(header, denied))
            }
            Reason::SubscriptionKeyMissing
            | Reason::SubscriptionKeyInvalid
            | Reason::SubscriptionKeyMultiple => operation.subscription.as_ref().map(Words::of_subscription),
            _ => None,
        };
        Self::with(reason, &operation.on_failure, asked, words.unwrap_or_default())
    }

    fn with(reason: Reason, on_failure: &OnFailure, asked: Asked, words: Words) -> Self {
        let status = words.status.unwrap_or_else(|| reason.status(on_failure));
        let own = on_failure.message.as_deref().filter(|_| reason.is_about_token());
        let message = words.message.as_deref().or(own).unwrap_or_else(|| reason.message());
        let code = on_failure.expose_reason.then_some(reason.code());
        let (content_type, body) = body(on_failure.body, status, message, code);
        let body = match (asked.is_grpc, code) {
            (true, Some(code)) => format!("{message} ({code})"),
            (true, None) => message.to_owned(),
            (false, _) => body,
        };
        let challenge = words.challenge.or_else(|| reason.challenge(on_failure.expose_reason));
        let mut headers = vec![("content-type", Cow::Borrowed(content_type))];
        headers.extend(challenge.map(|challenge| ("www-authenticate", Cow::Owned(challenge))));
        headers.extend(reason.retry_after().map(|seconds| ("retry-after", Cow::Owned(seconds.to_string()))));
        Self { reason, status, grpc_status: status.into(), headers, body }
    }

    /// The answer to a fault of ours: the request is never let pass.
    pub fn internal() -> Self {
        Self::new(Reason::Internal, &OnFailure::default(), Asked::default())
    }
}

/// What an operation has to say about a refusal.
#[derive(Default)]
struct Words {
    status: Option<StatusCode>,
    message: Option<String>,
    challenge: Option<String>,
}

impl Words {
    /// API Management's (`check-header`), but that a value of the request is not repeated.
    fn of_header(header: &RequiredHeader, denied: HeaderDenied) -> Self {
        let name = &header.written;
        let message = header.message.clone().unwrap_or_else(|| match denied {
            HeaderDenied::Missing => format!("Header {name} was not found in the request. Access denied."),
            HeaderDenied::NotAllowed => format!("Header {name} value is not allowed. Access denied."),
            HeaderDenied::Multiple => format!("Header {name} occurs more than once. Access denied."),
        });
        Self { status: header.status, message: Some(message), challenge: None }
    }

    /// API Management's challenge.
    fn of_subscription(rule: &SubscriptionRule) -> Self {
        let name = &rule.written;
        let challenge = format!("AzureApiManagementKey realm=\"gatepass\",name=\"{name}\",type=\"header\"");
        Self { challenge: Some(challenge), ..Self::default() }
    }
}

/// The type of the body, and the body.
fn body(
    form: BodyForm,
    status: StatusCode,
    message: &str,
    reason: Option<&'static str>,
) -> (&'static str, String) {
    let title = status.canonical_reason().unwrap_or("Refused");
    let (content_type, body) = match form {
        BodyForm::Apim => (
            "application/json",
            serde_json::to_string(&ApimBody { status_code: status.as_u16(), message, reason }),
        ),
        BodyForm::Problem => (
            "application/problem+json",
            serde_json::to_string(&Problem { title, status: status.as_u16(), detail: message, reason }),
        ),
    };
    (content_type, body.unwrap_or_default())
}

/// API Management's body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ApimBody<'m> {
    status_code: u16,
    message: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Problem details (RFC 9457). Without a `type` the title is the status' own, section 4.2.1.
#[derive(Serialize)]
struct Problem<'m> {
    title: &'static str,
    status: u16,
    detail: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn header<'r>(refusal: &'r Refusal, name: &str) -> Option<&'r str> {
        refusal.headers.iter().find(|(candidate, _)| *candidate == name).map(|(_, value)| value.as_ref())
    }

    const EXPIRED: Reason = Reason::Token(Rejection::Expired);
    const GRPC: Asked = Asked { is_grpc: true };

    #[test]
    fn problem_details_say_what_api_managements_body_says() {
        let on_failure = OnFailure { body: BodyForm::Problem, ..OnFailure::default() };
        let refusal = Refusal::new(EXPIRED, &on_failure, Asked::default());
        assert_eq!(refusal.body, r#"{"title":"Unauthorized","status":401,"detail":"Invalid JWT."}"#);
        assert_eq!(header(&refusal, "content-type"), Some("application/problem+json"));
        let refusal = Refusal::new(EXPIRED, &OnFailure::default(), Asked::default());
        assert_eq!(refusal.body, r#"{"statusCode":401,"message":"Invalid JWT."}"#);
        assert_eq!(header(&refusal, "content-type"), Some("application/json"));
    }

    #[test]
    fn the_reason_is_told_only_where_the_operator_wants_it() {
        for body in [BodyForm::Apim, BodyForm::Problem] {
            let told = OnFailure { body, expose_reason: true, ..OnFailure::default() };
            let refusal = Refusal::new(EXPIRED, &told, Asked::default());
            assert!(refusal.body.ends_with(r#","reason":"token_expired"}"#), "{}", refusal.body);
            let challenge = header(&refusal, "www-authenticate").unwrap();
            assert!(challenge.ends_with(r#", error_description="token_expired""#), "{challenge}");
            let refusal =
                Refusal::new(EXPIRED, &OnFailure { body, ..OnFailure::default() }, Asked::default());
            assert!(!format!("{:?}{}", refusal.headers, refusal.body).contains("expired"), "{refusal:?}");
        }
        let told = OnFailure { expose_reason: true, ..OnFailure::default() };
        let refusal = Refusal::new(Reason::TokenMissing, &told, Asked::default());
        assert_eq!(header(&refusal, "www-authenticate"), Some(REALM), "no token, so no error");
    }

    #[test]
    fn a_grpc_client_reads_the_message_alone() {
        let told = OnFailure { expose_reason: true, ..OnFailure::default() };
        assert_eq!(Refusal::new(EXPIRED, &OnFailure::default(), GRPC).body, "Invalid JWT.");
        assert_eq!(Refusal::new(EXPIRED, &told, GRPC).body, "Invalid JWT. (token_expired)");
        let statuses = [400, 401, 403, 404, 418, 429, 500, 503]
            .map(|status| GrpcStatus::from(StatusCode::from_u16(status).unwrap()).0);
        assert_eq!(statuses, [13, 16, 7, 12, 2, 14, 13, 14]);
    }

    #[test]
    fn insufficient_scope_is_said_whatever_the_status() {
        for forbidden_status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND] {
            let on_failure = OnFailure { forbidden_status, ..OnFailure::default() };
            let refusal = Refusal::new(Reason::Denied(Denied::ClaimMissing), &on_failure, Asked::default());
            assert_eq!(refusal.status, forbidden_status);
            let challenge = header(&refusal, "www-authenticate").unwrap();
            assert!(challenge.ends_with(r#"error="insufficient_scope""#), "{challenge}");
        }
    }

    #[test]
    fn the_operators_message_is_for_tokens_and_their_holders() {
        let own = OnFailure { message: Some("No.".into()), ..OnFailure::default() };
        for (reason, is_own) in [
            (Reason::TokenMissing, true),
            (EXPIRED, true),
            (Reason::Denied(Denied::ClaimMissing), true),
            (Reason::OperationNotFound, false),
            (Reason::KeysBusy, false),
        ] {
            let refusal = Refusal::new(reason, &own, Asked::default());
            assert_eq!(refusal.body.contains("No."), is_own, "{reason}");
        }
    }
}
