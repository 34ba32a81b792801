//! Subscription keys: found in the request, taken out of it, and compared with those that open the operation.

use http::HeaderValue;

use super::query::{Parameter, Repeated, parameter};
use super::{Edits, Halt, RequestHead};
use crate::calls::Purpose;
use crate::config::SubscriptionRule;
use crate::jwt::Verifier;
use crate::refusal::Reason;
use crate::secret::SecretString;
use crate::secrets::Get;
use crate::state::State;
use crate::time::Now;

/// Longer keys are nobody's: API Management's have 32 characters, and may be set to 256.
const MAX_KEY_BYTES: usize = 1024;

/// Reads the key that a request shows. Into `edits` goes its removal.
///
/// # Errors
/// There is none, or more than one.
pub(super) fn shown(
    rule: &SubscriptionRule,
    head: &RequestHead<'_>,
    edits: &mut Edits,
) -> Result<SecretString, Reason> {
    let mut lines = head.all(rule.header.as_str());
    let (header, another) = (lines.next(), lines.next());
    let path = edits.path().unwrap_or_else(|| head.first(":path"));
    let query = parameter(path, &rule.query).map_err(|Repeated| Reason::SubscriptionKeyMultiple)?;
    let key = match (header, &query) {
        (Some(_), _) if another.is_some() => return Err(Reason::SubscriptionKeyMultiple),
        (Some(_), Some(_)) => return Err(Reason::SubscriptionKeyMultiple),
        (Some(header), None) => header.to_vec(),
        (None, Some(query)) => query.value.clone().ok_or(Reason::SubscriptionKeyInvalid)?,
        (None, None) => return Err(Reason::SubscriptionKeyMissing),
    };
    if !rule.forward {
        hide(rule, query, edits)?;
    }
    let key = String::from_utf8(key).ok().filter(|key| key.len() <= MAX_KEY_BYTES);
    match key.ok_or(Reason::SubscriptionKeyInvalid)? {
        key if key.is_empty() => Err(Reason::SubscriptionKeyMissing),
        key => Ok(SecretString::new(key)),
    }
}

fn hide(rule: &SubscriptionRule, query: Option<Parameter>, edits: &mut Edits) -> Result<(), Reason> {
    match query {
        Some(query) => {
            let path = HeaderValue::from_bytes(&query.rest);
            edits.set_path(path.map_err(|_| Reason::SubscriptionKeyInvalid)?);
        }
        None => edits.remove(rule.header.clone()),
    }
    Ok(())
}

/// Lets a key pass that one of the operation's subscriptions has. Every one of their keys is compared, also behind the
/// one that fits.
pub(super) fn check<V: Verifier>(
    rule: &SubscriptionRule,
    key: &SecretString,
    state: &mut State<V>,
    now: Now,
) -> Result<(), Halt> {
    let mut is_good = false;
    let mut lack = Halt::Refuse(Reason::SubscriptionKeyInvalid);
    for candidate in &rule.keys {
        match state.secrets.get(candidate, now) {
            Get::Value(value) => is_good |= value.is_same(key),
            Get::Wait => lack = Halt::Wait(Purpose::Secret(candidate.fingerprint)),
            Get::Unavailable(wait) if !matches!(lack, Halt::Wait(_)) => {
                lack = Halt::Refuse(Reason::SecretUnavailable(wait));
            }
            Get::Unavailable(_) => {}
        }
    }
    if is_good { Ok(()) } else { Err(lack) }
}
