//! A token that a backend has refused is suspect: it is replaced, but not dropped.

use std::rc::Rc;
use std::time::Duration;

use form_urlencoded::byte_serialize;

use super::Definition;
use super::source::Source;
use crate::calls::CallRequest;
use crate::secret::SecretString;

/// Which token went out with a request.
#[derive(Clone, Debug)]
pub struct Sent {
    /// What it is a token of.
    pub definition: Rc<Definition>,
    /// Which one of the record's tokens, counted in this VM.
    pub generation: u64,
}

impl PartialEq for Sent {
    fn eq(&self, other: &Self) -> bool {
        self.definition.fingerprint == other.definition.fingerprint && self.generation == other.generation
    }
}

impl Eq for Sent {}

/// How soon, and how often, a refused token is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eagerness {
    /// A younger token is not replaced: the next one would be refused as well.
    pub min_age: Duration,
    /// The least time between two replacements of one record, in the whole Envoy.
    pub interval: Duration,
}

impl Eagerness {
    /// Where the request is not tried again.
    pub const ONCE: Self = Self { min_age: Duration::from_secs(60), interval: Duration::from_secs(300) };
    /// Where Envoy tries the request again with the new token.
    pub const BEFORE_A_RETRY: Self = Self { min_age: Duration::ZERO, interval: Duration::from_secs(30) };
}

/// Why the token that is held is being replaced.
pub(super) struct Suspicion {
    /// What the backend wants to see in the next one: a JSON object.
    pub(super) claims: Option<String>,
}

impl Definition {
    /// Whether asking again brings another token. The endpoints of managed identities keep the one that they gave.
    pub const fn is_replaceable(&self) -> bool {
        match self.source {
            Source::Imds(_) | Source::AppService(_) | Source::Arc(_) | Source::Static(_) => false,
            Source::ClientCredentials(_) => true,
        }
    }

    /// Whether the endpoint can be asked for a token with certain claims.
    pub(super) fn takes_claims(&self) -> bool {
        matches!(&self.source, Source::ClientCredentials(client) if client.is_entra())
    }
}

/// Asks for claims too (Entra: continuous access evaluation, the parameter `claims`).
pub(super) fn with_claims(request: CallRequest, claims: &str) -> CallRequest {
    let claims: String = byte_serialize(claims.as_bytes()).collect();
    let body = SecretString::new([request.body.expose(), "&claims=", &claims].concat());
    CallRequest { body, ..request }
}
