//! What is put into a request for the backend.

use super::{Edits, Halt};
use crate::access::Permit;
use crate::calls::Purpose;
use crate::config::Attachment;
use crate::jwt::Verifier;
use crate::refusal::Reason;
use crate::secret::SecretString;
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
                let value = SecretString::new(format!("Bearer {}", token.expose()));
                edits.set.push(("authorization", value));
            }
            Get::Unavailable(wait) => halt = Some(Halt::Refuse(Reason::TokenUnavailable(wait))),
            Get::Wait => {
                halt.get_or_insert(Halt::Wait(Purpose::Token(attachment.token.fingerprint)));
            }
        }
    }
    halt.map_or(Ok(edits), Err)
}
