//! What is put into a request for the backend.

use http::HeaderValue;
use http::header::AUTHORIZATION;

use super::{Edits, Halt};
use crate::access::Permit;
use crate::calls::Purpose;
use crate::config::Attachment;
use crate::jwt::Verifier;
use crate::refusal::Reason;
use crate::state::State;
use crate::time::Now;
use crate::tokens::Get;

/// Gets the backend's tokens, all of them asked for before the first is waited for.
pub(super) fn attach<V: Verifier>(
    _: &Permit,
    attachments: &[Attachment],
    state: &mut State<V>,
    now: Now,
) -> Result<Edits, Halt> {
    let mut edits = Edits::default();
    let mut halt = None;
    for attachment in attachments {
        match state.tokens.get(&attachment.token, now) {
            Get::Token(token) => {
                // A token that cannot stand in a header is never stored.
                let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
                edits.set(AUTHORIZATION, value.map_err(|_| Halt::Refuse(Reason::Internal))?);
            }
            Get::Unavailable(wait) => halt = Some(Halt::Refuse(Reason::TokenUnavailable(wait))),
            Get::Wait => {
                halt.get_or_insert(Halt::Wait(Purpose::Token(attachment.token.fingerprint)));
            }
        }
    }
    halt.map_or(Ok(edits), Err)
}
