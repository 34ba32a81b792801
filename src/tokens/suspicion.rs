use form_urlencoded::byte_serialize;

use crate::calls::CallRequest;
use crate::secret::SecretString;

/// Why the token that is held is being replaced.
pub(super) struct Suspicion {
    /// What the backend wants to see in the next one: a JSON object.
    pub(super) claims: Option<String>,
}

/// Asks for claims too (Entra: continuous access evaluation, the parameter `claims`).
pub(super) fn with_claims(request: CallRequest, claims: &str) -> CallRequest {
    let claims: String = byte_serialize(claims.as_bytes()).collect();
    let body = SecretString::new([request.body.expose(), "&claims=", &claims].concat());
    CallRequest { body, ..request }
}
