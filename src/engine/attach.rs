//! What is put into a request for the backend.

use std::rc::Rc;
use std::time::Duration;

use http::HeaderValue;

use super::attempt::{self, Done};
use super::{Edits, Halt, RequestHead, unavailable};
use crate::access::Permit;
use crate::calls::Purpose;
use crate::config::{Attachment, Credential, Existing, OnError, Operation};
use crate::header_name::HeaderName;
use crate::jwt::{Rejection, Verifier};
use crate::refusal::Reason;
use crate::secret::SecretString;
use crate::state::State;
use crate::time::Now;
use crate::tokens::Sent;
use crate::{secrets, tokens};

/// What becomes of the caller's own header, decided on what the caller sent.
pub(super) enum Original {
    /// It is not there, or is overwritten.
    Gone,
    /// It is there, and stays.
    Kept,
    /// It goes elsewhere.
    Moved(HeaderValue),
    /// It can neither stay nor go elsewhere.
    Unacceptable(Reason),
    /// An earlier attempt of the same request has settled it, and has sent the token of this generation.
    Settled(u64),
}

/// The headers of the caller that an operation's attachments want to write: one for each, or nothing where all are
/// gone, as they mostly are.
pub(super) struct Originals(Vec<Original>);

impl Originals {
    pub(super) fn read(operation: &Operation, head: &RequestHead<'_>) -> Self {
        let attachments = &operation.attachments;
        match head.last_attempt().and_then(|note| attempt::read(note, attachments.len())) {
            Some(done) => Self(done.into_iter().map(Original::from).collect()),
            None if attachments.iter().all(|attachment| attachment.existing == Existing::Overwrite) => {
                Self(Vec::new())
            }
            None => Self(attachments.iter().map(|attachment| original(attachment, head)).collect()),
        }
    }

    /// Each attachment with what becomes of the caller's own header.
    fn with<'o>(&'o self, operation: &'o Operation) -> impl Iterator<Item = (&'o Attachment, &'o Original)> {
        let originals = self.0.iter().chain(std::iter::repeat(&Original::Gone));
        operation.attachments.iter().zip(originals)
    }
}

impl From<Done> for Original {
    fn from(done: Done) -> Self {
        match done {
            Done::Kept => Self::Kept,
            Done::Written(generation) => Self::Settled(generation),
        }
    }
}

fn original(attachment: &Attachment, head: &RequestHead<'_>) -> Original {
    let mut values = head.all(attachment.header.as_str());
    let (value, another) = (values.next(), values.next());
    match (&attachment.existing, value) {
        (Existing::Overwrite, _) | (_, None) => Original::Gone,
        (_, Some(_)) if another.is_some() => Original::Unacceptable(Reason::TokenMultiple),
        (Existing::Keep, Some(_)) => Original::Kept,
        (Existing::MoveTo(_), Some(value)) => match HeaderValue::from_bytes(value) {
            Ok(value) => Original::Moved(value),
            Err(_) => Original::Unacceptable(Reason::Token(Rejection::Malformed)),
        },
    }
}

/// The headers of the caller that go before anything is fetched.
pub(super) fn stripped<'o>(
    operation: &'o Operation,
    originals: &'o Originals,
) -> impl Iterator<Item = &'o HeaderName> {
    originals.with(operation).flat_map(|(attachment, original)| {
        let (own, moved) = match original {
            Original::Kept => (None, None),
            // Where an earlier attempt has put the caller's header it stays.
            Original::Settled(_) => (Some(&attachment.header), None),
            _ => attachment.stripped(),
        };
        own.into_iter().chain(moved)
    })
}

/// How long a request waits for what it lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// As long as it may.
    Left,
    /// No longer.
    Over,
}

/// Gets the backend's credentials, all of them asked for before the first is waited for.
pub(super) fn attach<V: Verifier>(
    _: &Permit,
    operation: &Operation,
    originals: &Originals,
    state: &mut State<V>,
    patience: Patience,
    now: Now,
) -> Result<Edits, Halt> {
    let mut edits = Edits::default();
    let mut halt = None;
    for (attachment, original) in originals.with(operation) {
        let last = match original {
            Original::Kept => continue,
            Original::Unacceptable(reason) => return Err(Halt::Refuse(*reason)),
            Original::Settled(generation) if patience == Patience::Left => Some(*generation),
            Original::Gone | Original::Moved(_) | Original::Settled(_) => None,
        };
        match obtain(&attachment.credential, last, state, now) {
            Obtained::Value(value) => put(&mut edits, attachment, value)?,
            Obtained::Wait(purpose) if patience == Patience::Left => {
                halt.get_or_insert(Halt::Wait(purpose));
            }
            Obtained::Wait(purpose) => lack(&mut edits, attachment, unavailable(purpose), &mut halt),
            Obtained::Unavailable(reason) => lack(&mut edits, attachment, reason, &mut halt),
        }
        note_sent(&mut edits, &attachment.credential, state);
        put_elsewhere(&mut edits, &attachment.existing, original);
    }
    halt.map_or(Ok(edits), Err)
}

/// What was done about each attachment, once it has been done.
pub(super) fn done<'o, V: Verifier>(
    operation: &'o Operation,
    originals: &'o Originals,
    state: &'o State<V>,
) -> impl Iterator<Item = Done> {
    originals.with(operation).map(|(attachment, original)| match (original, &attachment.credential) {
        (Original::Kept, _) => Done::Kept,
        (_, Credential::Token(definition)) if definition.is_replaceable() => {
            Done::Written(state.tokens.generation(definition.fingerprint))
        }
        (_, Credential::Token(_) | Credential::Secret(_)) => Done::Written(0),
    })
}

enum Obtained<'s> {
    Value(&'s SecretString),
    Wait(Purpose),
    Unavailable(Reason),
}

fn obtain<'s, V: Verifier>(
    credential: &'s Credential,
    last: Option<u64>,
    state: &'s mut State<V>,
    now: Now,
) -> Obtained<'s> {
    match credential {
        Credential::Token(token) => match state.tokens.get_after(token, last, now) {
            tokens::Get::Token(value) => Obtained::Value(value),
            tokens::Get::Wait => Obtained::Wait(Purpose::Token(token.fingerprint)),
            tokens::Get::Unavailable(wait) => Obtained::Unavailable(Reason::TokenUnavailable(wait)),
        },
        Credential::Secret(secret) => match state.secrets.get(secret, now) {
            secrets::Get::Value(value) => Obtained::Value(value),
            secrets::Get::Wait => Obtained::Wait(Purpose::Secret(secret.fingerprint)),
            secrets::Get::Unavailable(wait) => Obtained::Unavailable(Reason::SecretUnavailable(wait)),
        },
    }
}

/// Which token it is that may go out, if it can be replaced.
fn note_sent<V: Verifier>(edits: &mut Edits, credential: &Credential, state: &State<V>) {
    if let Credential::Token(definition) = credential
        && definition.is_replaceable()
    {
        let generation = state.tokens.generation(definition.fingerprint);
        edits.note_sent(Sent { definition: Rc::clone(definition), generation });
    }
}

fn put(edits: &mut Edits, attachment: &Attachment, value: &SecretString) -> Result<(), Halt> {
    // A token that cannot stand in a header is never stored, but a secret may be anything.
    let unusable = |_| Halt::Refuse(Reason::SecretUnavailable(Duration::ZERO));
    edits.set(attachment.header.clone(), value.behind(&attachment.prefix).map_err(unusable)?);
    if !attachment.destinations.is_empty() {
        edits.restrict_to(&attachment.destinations);
    }
    Ok(())
}

/// The credential is not to be had: the request goes on without it and without the caller's, or not at all.
fn lack(edits: &mut Edits, attachment: &Attachment, reason: Reason, halt: &mut Option<Halt>) {
    match attachment.on_error {
        OnError::Refuse => *halt = Some(Halt::Refuse(reason)),
        OnError::Continue => edits.remove(attachment.header.clone()),
    }
}

fn put_elsewhere(edits: &mut Edits, existing: &Existing, original: &Original) {
    match (existing, original) {
        (Existing::MoveTo(target), Original::Moved(value)) => edits.set(target.clone(), value.clone()),
        (Existing::MoveTo(target), Original::Gone) => edits.remove(target.clone()),
        (Existing::MoveTo(_), _) => {}
        (Existing::Overwrite | Existing::Keep, _) => {}
    }
}
