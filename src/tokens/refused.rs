//! A token that a backend has refused is suspect: it is replaced, but not dropped.

use std::rc::Rc;
use std::time::Duration;

use super::Definition;
use super::entry::Token;
use super::lease::{Lease, SharedStore};
use super::record::Record;
use super::source::Source;
use super::suspicion::Suspicion;
use crate::time::Now;

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

impl Record {
    /// A backend has refused the token of this generation: see [`super::Tokens::refused`].
    pub(super) fn refused(
        &mut self,
        generation: u64,
        claims: Option<&str>,
        eagerness: Eagerness,
        lease: &Lease,
        store: &mut impl SharedStore,
        now: Now,
    ) -> bool {
        let is_held = generation == self.generation && self.suspicion.is_none();
        let Some(token) = self.usable(now).filter(|_| is_held && self.definition.is_replaceable()) else {
            return false;
        };
        let is_young = token.fetched.until(now.monotonic) < eagerness.min_age;
        if is_young || (claims.is_some() && !self.definition.takes_claims()) {
            return false;
        }
        let entry = lease.read(self.definition.fingerprint, store, now);
        let is_under_way = entry.held_until(lease.owner, now).is_some();
        if let Some(other) = entry.token.filter(|other| self.replaces(other)) {
            // Another VM has replaced it already.
            self.hold(other);
            return false;
        }
        let last = self.replaced.max(entry.replaced);
        if !is_under_way && last.is_some_and(|at| at.until(now.monotonic) < eagerness.interval) {
            return false;
        }
        self.suspicion = Some(Suspicion { claims: claims.map(ToOwned::to_owned) });
        true
    }

    /// Whether the refused token of this generation is about to make way for another.
    pub(super) fn is_being_replaced(&self, generation: u64, now: Now) -> bool {
        let may_ask = self.fetching || self.not_before() <= now.monotonic;
        self.generation == generation && self.suspicion.is_some() && may_ask
    }

    /// Whether `other` was fetched after the token that is held.
    pub(super) fn replaces(&self, other: &Token) -> bool {
        self.held.as_ref().is_none_or(|held| held.fetched < other.fetched && held.value != other.value)
    }
}
