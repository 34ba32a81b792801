//! Tokens that are encrypted: what is in them is taken out before anything else is looked at.

use std::rc::Rc;
use std::time::Duration;

use super::{Halt, rejected};
use crate::calls::Purpose;
use crate::config::Validate;
use crate::jwt::{DecryptFailure, EncryptedToken, Rejection, Verifier};
use crate::keys::{ConfiguredDecryptionKey, Decrypted, DecryptionKeyNumber, find_decryption_key};
use crate::observe::Counter;
use crate::refusal::Reason;
use crate::secret::SecretString;
use crate::secrets;
use crate::state::State;
use crate::time::Now;

/// Whether an operation takes `token` for an encrypted one.
pub(super) fn is_encrypted(validate: &Validate, token: &[u8]) -> bool {
    !validate.decryption_keys.is_empty() && EncryptedToken::is_one(token)
}

/// Takes out what is in an encrypted token.
pub(super) fn decrypt<V: Verifier>(
    validate: &Validate,
    text: &str,
    state: &mut State<V>,
    now: Now,
) -> Result<Rc<Decrypted>, Halt> {
    let token = EncryptedToken::parse(text).map_err(rejected)?;
    let configured = find_decryption_key(&validate.decryption_keys, token.key_id(), token.algorithm());
    let configured = configured.ok_or_else(|| rejected(Rejection::NotDecrypted))?;
    let value = value(configured, &mut state.secrets, now)?;
    let Ok((key, number)) = state.decryption_keys.get(configured, value) else {
        state.counters.count(Counter::KeysFailed("unusable"));
        return Err(Halt::Refuse(Reason::SecretUnavailable(Duration::ZERO)));
    };
    if !key.is_for(token.algorithm()) {
        return Err(rejected(Rejection::NotDecrypted));
    }
    if !state.slow_checks.spend_many(key.effort(), now.monotonic) {
        return Err(Halt::Refuse(Reason::KeysBusy));
    }
    match token.decrypt(&key, state.random()) {
        Ok(text) => Ok(Rc::new(Decrypted { text, key: number })),
        Err(DecryptFailure::Rejected(rejection)) => Err(rejected(rejection)),
        Err(DecryptFailure::NoRandomness) => Err(Halt::Refuse(Reason::Internal)),
    }
}

/// Whether the key that a token was encrypted to is still one of the operation's.
pub(super) fn opens<V: Verifier>(
    validate: &Validate,
    number: DecryptionKeyNumber,
    state: &mut State<V>,
    now: Now,
) -> bool {
    let State { secrets, decryption_keys, .. } = state;
    validate.decryption_keys.iter().any(|configured| {
        value(configured, secrets, now)
            .is_ok_and(|value| decryption_keys.is_current(configured, value, number))
    })
}

fn value<'s>(
    configured: &'s ConfiguredDecryptionKey,
    secrets: &'s mut secrets::Secrets,
    now: Now,
) -> Result<&'s SecretString, Halt> {
    match secrets.get(&configured.secret, now) {
        secrets::Get::Value(value) => Ok(value),
        secrets::Get::Wait => Err(Halt::Wait(Purpose::Secret(configured.secret.fingerprint))),
        secrets::Get::Unavailable(wait) => Err(Halt::Refuse(Reason::SecretUnavailable(wait))),
    }
}
