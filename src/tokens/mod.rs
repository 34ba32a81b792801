//! Outbound tokens: fetched once in the whole Envoy, kept, and refreshed before they end.
//!
//! [`Tokens`] keeps one [`record::Record`] per resolved identity and resource. A request waits only while there is
//! no usable token. Which VM fetches is settled by a [`lease`]; how a token is asked for and what an answer
//! means is each source's own file.

mod answer;
mod app_service;
mod arc;
mod assertion;
mod client_credentials;
mod dates;
pub mod entry;
mod error_answer;
mod imds;
mod inputs;
pub mod lease;
mod record;
mod refused;
mod source;
mod suspicion;
mod target;
#[cfg(test)]
pub(crate) mod testing;
mod timing;

use std::rc::Rc;
use std::time::Duration;

use litemap::LiteMap;

use crate::calls::{Answer, CallFailure, CallRequest, Jitter};
use crate::fingerprint::Fingerprint;
use crate::secret::SecretString;
use crate::time::Now;

pub use answer::{Fetched, read_answer};
pub use app_service::AppService;
pub use arc::Arc;
pub use assertion::{AssertionKeyId, SignedAssertion};
pub use client_credentials::{ClientCredentials, Credential, Dialect};
pub use error_answer::ErrorAnswer;
pub use imds::{AssignedIdentity, Imds};
pub use inputs::Inputs;
use lease::{Lease, SharedStore};
use record::Record;
pub use refused::{Eagerness, Sent};
pub use source::Source;
pub use target::Target;

/// How long a token is kept fresh that no request asks for.
pub const UNUSED_AFTER: Duration = Duration::from_secs(3_600);

/// Where a token comes from and what it is for.
#[derive(Debug)]
pub struct Definition {
    /// The identity's name in the configuration, for logs.
    pub identity: String,
    /// What it is known by. Equal definitions share one token.
    pub fingerprint: Fingerprint,
    source: Source,
    /// What it is for, in the word and form that the source wants.
    target: (&'static str, String),
}

impl Definition {
    /// A token of `source` for `target`.
    ///
    /// # Errors
    /// Why the source has no token for such a target: what to write instead.
    pub fn new(identity: &str, source: Source, target: &Target) -> Result<Self, &'static str> {
        let target = source.target(target)?;
        let mut parts = source.parts();
        parts.extend([target.0.to_owned(), target.1.clone()]);
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let fingerprint = Fingerprint::of(&parts);
        Ok(Self { identity: identity.to_owned(), fingerprint, source, target })
    }

    /// What it is for: the parameter of the token request, and its value.
    pub fn target(&self) -> (&'static str, &str) {
        (self.target.0, &self.target.1)
    }

    /// The name of the source, for counters.
    pub const fn source(&self) -> &'static str {
        self.source.name()
    }
}

/// The answer to the question for a token.
#[derive(Debug, PartialEq, Eq)]
pub enum Get<'t> {
    /// Here it is.
    Token(&'t SecretString),
    /// A call is under way, here or in another VM, or will be soon.
    Wait,
    /// It is not to be had before this much time has passed.
    Unavailable(Duration),
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A token came with the answer; it lives this long.
    Fetched {
        /// Its remaining life.
        life: Duration,
    },
    /// The answer was not yet the token; the next call is due.
    Continues,
    /// Another VM had a token.
    Shared,
    /// There is nothing new to use.
    Failed(CallFailure),
}

/// How an identity does in this VM, over all that it gets tokens for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The life that is left of the token that ends first; none where there is no token.
    pub left: Duration,
    /// How long fetching has been failing; none while it does not.
    pub failing: Duration,
}

/// The outbound tokens of a VM.
#[derive(Default)]
pub struct Tokens {
    records: LiteMap<Fingerprint, Record>,
}

impl Tokens {
    /// The token of `definition`, for a request that needs it now.
    pub fn get(&mut self, definition: &Rc<Definition>, now: Now) -> Get<'_> {
        self.get_after(definition, None, now)
    }

    /// The same for a request whose last attempt went out with the token of this generation: if that was refused, the
    /// request waits for the one that replaces it.
    pub fn get_after(&mut self, definition: &Rc<Definition>, last: Option<u64>, now: Now) -> Get<'_> {
        let record = self.records.entry(definition.fingerprint);
        let record = record.or_insert_with(|| Record::new(Rc::clone(definition)));
        match last {
            Some(generation) if record.is_being_replaced(generation, now) => Get::Wait,
            _ => record.get(now),
        }
    }

    /// Which of its tokens a record holds, to know it again by.
    pub fn generation(&self, of: Fingerprint) -> u64 {
        self.records.get(&of).map_or(0, Record::generation)
    }

    /// A backend has refused a token, and another one may do, with `claims` if it asks for some. Whether the token
    /// is going to be replaced because of it.
    pub fn refused(
        &mut self,
        sent: &Sent,
        claims: Option<&str>,
        eagerness: Eagerness,
        lease: &Lease,
        store: &mut impl SharedStore,
        now: Now,
    ) -> bool {
        let record = self.records.get_mut(&sent.definition.fingerprint);
        record.is_some_and(|record| record.refused(sent.generation, claims, eagerness, lease, store, now))
    }

    /// The calls that are due and for which this VM holds the lease, and the records whose state another VM
    /// has changed.
    pub fn due(
        &mut self,
        lease: &Lease,
        store: &mut impl SharedStore,
        inputs: &mut impl Inputs,
        now: Now,
    ) -> Due {
        self.records.retain(|_, record| record.is_wanted(now));
        let mut due = Due::default();
        for (fingerprint, record) in &mut self.records {
            match record.due(lease, store, inputs, now) {
                Some(record::Due::Call(request)) => due.calls.push((*fingerprint, request)),
                Some(record::Due::Changed(progress)) => due.changed.push((*fingerprint, progress)),
                None => {}
            }
        }
        due
    }

    /// Another VM has woken this one: the records that have changed because of it.
    pub fn look(
        &mut self,
        lease: &Lease,
        store: &mut impl SharedStore,
        now: Now,
    ) -> Vec<(Fingerprint, Progress)> {
        let records = self.records.iter_mut();
        records.filter_map(|(of, record)| Some((*of, record.look(lease, store, now)?))).collect()
    }

    /// What a record is kept for.
    pub fn definition(&self, of: Fingerprint) -> Option<&Rc<Definition>> {
        self.records.get(&of).map(|record| &record.definition)
    }

    /// The secrets that a record's requests are made of.
    pub fn secrets(&self, of: Fingerprint) -> Vec<Fingerprint> {
        self.definition(of).map(|definition| definition.source.secrets()).unwrap_or_default()
    }

    /// How the identities do whose tokens are in use.
    pub fn health(&self, now: Now) -> LiteMap<&str, Health> {
        let mut all: LiteMap<&str, Health> = LiteMap::new();
        for record in self.records.values() {
            let Some(health) = record.health(now) else { continue };
            let worst = all.entry(&record.definition.identity).or_insert(health);
            *worst = Health { left: worst.left.min(health.left), failing: worst.failing.max(health.failing) };
        }
        all
    }

    /// Fetches under way, each with a lease that is held.
    pub fn fetching(&self) -> usize {
        self.records.values().filter(|record| record.is_fetching()).count()
    }

    /// A new configuration has come: what failed under the last one may be tried at once.
    pub fn forgive(&mut self, now: Now) {
        self.records.iter_mut().for_each(|(_, record)| record.forgive(now));
    }

    /// Takes an answer in and tells the other VMs.
    pub fn answered(
        &mut self,
        of: Fingerprint,
        answer: Result<&Answer, CallFailure>,
        lease: &Lease,
        store: &mut impl SharedStore,
        now: Now,
        jitter: &mut Jitter,
    ) -> Option<Progress> {
        self.records.get_mut(&of).map(|record| record.answered(answer, lease, store, now, jitter))
    }

    /// Takes back a call that will never be answered, because the root that made it is gone, and lets go of
    /// its lease.
    pub fn lost(&mut self, of: Fingerprint, lease: &Lease, store: &mut impl SharedStore, now: Now) {
        if let Some(record) = self.records.get_mut(&of) {
            record.lost(lease, store, now);
        }
    }
}

/// What [`Tokens::due`] found.
#[derive(Default)]
pub struct Due {
    /// Calls to send.
    pub calls: Vec<(Fingerprint, CallRequest)>,
    /// Records that changed because of another VM.
    pub changed: Vec<(Fingerprint, Progress)>,
}

#[cfg(test)]
mod tests;
