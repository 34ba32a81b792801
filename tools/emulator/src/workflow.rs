//! A secured workflow of Logic Apps or Power Automate: it runs for who has the right token (Logic
//! Apps: logic-apps-securing-a-logic-app, authorization policies).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::json;

use crate::{
    bearer::{Expected, Refused, check_for},
    endpoint::WORKFLOW_PATH,
    random::random_guid,
    shared::Shared,
};

/// The workflow's route.
pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new().route(WORKFLOW_PATH, post(trigger))
}

async fn trigger(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let has_signature = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "sig");
    let policy = shared.workflow_policy();
    let expected = Expected { issuers: &[&policy.issuer], audiences: &[&policy.audience] };
    let caller = match check_for(&shared, request.headers(), &expected) {
        Ok(_) if has_signature => {
            let text = "The request has both SAS authentication scheme and 'Bearer' authorization \
                        scheme. Only one scheme should be used.";
            return refusal(StatusCode::UNAUTHORIZED, "DirectApiInvalidAuthorizationScheme", text);
        }
        Ok(caller) => caller,
        Err(Refused::Missing) => {
            let text = "The request must be authenticated by an OAuth token.";
            return refusal(StatusCode::UNAUTHORIZED, "DirectApiAuthorizationRequired", text);
        }
        Err(Refused::Signature | Refused::Time) => {
            let text = "The provided authentication token is not valid.";
            return refusal(StatusCode::UNAUTHORIZED, "AuthenticationFailed", text);
        }
        Err(Refused::Issuer(_)) => return mismatch("iss"),
        Err(Refused::Audience(_)) => return mismatch("aud"),
    };
    let known = |id: &String| *id == caller.client_id || *id == caller.object_id;
    if !policy.callers.is_empty() && !policy.callers.iter().any(known) {
        return mismatch("oid");
    }
    let run = random_guid().replace('-', "");
    (StatusCode::ACCEPTED, [("x-ms-workflow-run-id", run)]).into_response()
}

/// The claim is named in a header field of the emulator's: Azure does not say which it is.
fn mismatch(claim: &'static str) -> Response {
    let text = "One or more claims either missing or does not match with the open authentication \
                access control policy.";
    let refusal = refusal(StatusCode::UNAUTHORIZED, "MisMatchingOAuthClaims", text);
    ([("x-emulator-claim", claim)], refusal).into_response()
}

fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error": {"code": code, "message": message}}))).into_response()
}
