//! The keys of inbound issuers: discovery document, then JWK Set, both kept and refreshed.
//!
//! Keys stay inside one VM. They never go through shared data: it has no owner, and whoever may write there
//! would decide what we accept.

mod decryption;
mod definition;
mod document;
mod issuer;
mod issuer_name;
mod record;
mod shared;

use litemap::LiteMap;
use std::rc::Rc;
use std::time::Duration;

use crate::calls::{Answer, CallFailure, CallRequest, Jitter};
use crate::fingerprint::Fingerprint;
use crate::jwt::{Algorithm, Verifier};
use crate::time::Now;

pub use decryption::{
    ConfiguredDecryptionKey, Decrypted, DecryptionKeyKind, DecryptionKeyNumber, DecryptionKeys,
    find_decryption_key,
};
pub use definition::{Definition, Source};
pub use issuer::{CONSUMERS, Entra, Issuer, KeySource, Tenants};
pub use issuer_name::{ExpectedIssuer, ExpectedTenant, IssuerName, Version};
pub use record::Lookup;
use record::Record;
pub use shared::{SharedKey, SharedKeys};

/// How old keys become before they are fetched again.
pub const REFRESH: Duration = Duration::from_secs(3_600);

/// How long keys are used whose refresh keeps failing.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 3_600);

/// How long a `kid` that was not found is refused without another look.
pub const UNKNOWN_KEY_ID_MEMORY: Duration = Duration::from_secs(300);

/// Refetches that unknown `kid`s may cause at once, and how long it takes to regain one. One per 5 minutes,
/// as elsewhere, lets any unsigned token block a rotation.
pub const REFETCH_BURST: u32 = 3;
/// See [`REFETCH_BURST`].
pub const REFETCH_INTERVAL: Duration = Duration::from_secs(30);

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The first half is done; the next call is due.
    Discovered,
    /// The keys are here; so many of the set could not be used.
    Loaded {
        /// Keys that were dropped.
        dropped: usize,
    },
    /// There is nothing new to use.
    Failed(CallFailure),
}

/// A set of keys as it was between two changes, unique in its VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u64);

impl Generation {
    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// The keys of every issuer of a VM.
pub struct Keys<V: Verifier> {
    records: LiteMap<Fingerprint, Record<V>>,
    last_generation: Generation,
}

impl<V: Verifier> Default for Keys<V> {
    fn default() -> Self {
        Self { records: LiteMap::new(), last_generation: Generation::default() }
    }
}

impl<V: Verifier> Keys<V> {
    /// Begins to keep the keys of `definition`; what is already kept under its fingerprint stays.
    pub fn install(&mut self, definition: &Rc<Definition>, verifier: &V) {
        self.record(definition, verifier);
    }

    fn record(&mut self, definition: &Rc<Definition>, verifier: &V) -> &mut Record<V> {
        let last = &mut self.last_generation;
        let record = self.records.entry(definition.fingerprint).or_insert_with(|| {
            *last = last.next();
            Record::new(Rc::clone(definition), verifier, *last)
        });
        record.adopt(definition);
        record
    }

    /// Whether a token's `iss` is what the issuer calls itself, where keys are at hand. This may cause the first
    /// fetch, so it is asked only for tokens whose time and audience have passed.
    pub fn is_issuer(
        &mut self,
        definition: &Rc<Definition>,
        issuer: &str,
        verifier: &V,
        now: Now,
    ) -> Lookup<()> {
        self.record(definition, verifier).is_issuer(issuer, now)
    }

    /// How long ago the keys came that are at hand, by the issuer's name; of several key sets the oldest.
    pub fn ages(&self, now: Now) -> LiteMap<&str, Duration> {
        let mut ages: LiteMap<&str, Duration> = LiteMap::new();
        for record in self.records.values() {
            let Some(age) = record.age(now) else { continue };
            let oldest = ages.entry(&record.definition.name).or_default();
            *oldest = age.max(*oldest);
        }
        ages
    }

    /// The generation of the keys that are at hand; with another one, what was verified before is void.
    pub fn generation(&mut self, definition: &Rc<Definition>, now: Now) -> Option<Generation> {
        let record = self.records.get_mut(&definition.fingerprint)?;
        record.adopt(definition);
        record.generation(now)
    }

    /// The key that a token of `issuer` names. An unknown `kid` may cause a refetch, so this is asked only for
    /// tokens whose issuer, time and audience have passed.
    pub fn key(
        &mut self,
        definition: &Rc<Definition>,
        issuer: &str,
        key_id: Option<&str>,
        algorithm: Algorithm,
        verifier: &V,
        now: Now,
    ) -> Lookup<&V::Key> {
        self.record(definition, verifier).key(issuer, key_id, algorithm, now)
    }

    /// The calls that are due. Each that is returned counts as sent until its answer is handed in.
    pub fn due(&mut self, now: Now) -> Vec<(Fingerprint, CallRequest)> {
        self.records.retain(|_, record| record.is_wanted(now));
        let due = self.records.iter_mut();
        due.filter_map(|(fingerprint, record)| Some((*fingerprint, record.due(now)?))).collect()
    }

    /// The name of an issuer, for logs.
    pub fn name(&self, of: Fingerprint) -> &str {
        self.records.get(&of).map_or("", |record| &record.definition.name)
    }

    /// Takes an answer in.
    pub fn answered(
        &mut self,
        of: Fingerprint,
        answer: Result<&Answer, CallFailure>,
        verifier: &V,
        now: Now,
        jitter: &mut Jitter,
    ) -> Option<Progress> {
        let record = self.records.get_mut(&of)?;
        let next = self.last_generation.next();
        let progress = record.answered(answer, verifier, next, now, jitter);
        if record.generation(now) == Some(next) {
            self.last_generation = next;
        }
        Some(progress)
    }

    /// Takes back a call that will never be answered, because the root that made it is gone: not a failure,
    /// but due again at once.
    pub fn lost(&mut self, of: Fingerprint) {
        if let Some(record) = self.records.get_mut(&of) {
            record.lost();
        }
    }
}

#[cfg(test)]
mod tests;
