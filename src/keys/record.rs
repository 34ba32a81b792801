use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::definition::{Source, get};
use super::document::{Discovered, KeySet, Origin};
use super::{
    Definition, Generation, MAX_AGE, Progress, REFETCH_BURST, REFETCH_INTERVAL, REFRESH,
    UNKNOWN_KEY_ID_MEMORY,
};
use crate::bucket::Bucket;
use crate::calls::{self, Answer, CallFailure, CallRequest, Jitter, WORTH_WAITING};
use crate::jwt::{Algorithm, Verifier};
use crate::time::{Monotonic, Now};

/// Unknown `kid`s that are remembered, at the most.
const MAX_UNKNOWN: usize = 1_024;
/// A longer `kid` is unknown without a look.
const MAX_KEY_ID_BYTES: usize = 256;
/// The least time between two tries while keys are at hand.
const RETRY_WHILE_USABLE: Duration = Duration::from_secs(30);

/// The answer to a question about keys.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// Here it is.
    Found(T),
    /// There is no such key, and nobody will be asked.
    NotFound,
    /// A call is under way, or will be soon.
    Wait,
    /// It is not to be had before this much time has passed.
    Unavailable(Duration),
}

/// The keys of one issuer.
pub(super) struct Record<V: Verifier> {
    pub(super) definition: Rc<Definition>,
    loaded: Option<Loaded<V::Key>>,
    discovered: Option<Discovered>,
    fetch: Fetch,
    /// Whether no token has asked for it, and it is not fetched before that.
    dormant: bool,
    failures: u32,
    /// When discovery document and keys are fetched again as a matter of course.
    refresh: Monotonic,
    /// Before this nothing is fetched: back-off.
    next_try: Monotonic,
    /// Refetches that unknown `kid`s may cause.
    budget: Bucket,
    /// Unknown `kid`s, and until when they are not looked for again.
    unknown: BTreeMap<String, Monotonic>,
    /// Unknown `kid`s that the next call for keys is for.
    sought: BTreeSet<String>,
    /// Unknown `kid`s that the call for keys under way is for.
    asked: BTreeSet<String>,
}

struct Loaded<K> {
    origin: Origin,
    keys: KeySet<K>,
    generation: Generation,
    at: Monotonic,
}

/// How far a fetch is: idle, discovery under way, its document here and the JWKS due, JWKS under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fetch {
    Idle,
    Discovery,
    Discovered,
    Jwks,
}

impl<V: Verifier> Record<V> {
    pub(super) fn new(definition: Rc<Definition>, verifier: &V, generation: Generation) -> Self {
        let loaded = match &definition.source {
            Source::Configured { issuer, keys, .. } => Some(Loaded {
                origin: Origin::of(issuer),
                keys: KeySet::configured(keys, &definition.algorithms, verifier),
                generation,
                at: Monotonic::default(),
            }),
            Source::Discovery { .. } | Source::KeySet { .. } => None,
        };
        Self {
            loaded,
            discovered: definition.source.known(),
            fetch: Fetch::Idle,
            dormant: definition.on_demand,
            definition,
            failures: 0,
            refresh: Monotonic::default(),
            next_try: Monotonic::default(),
            budget: Bucket::new(REFETCH_BURST, REFETCH_INTERVAL),
            unknown: BTreeMap::new(),
            sought: BTreeSet::new(),
            asked: BTreeSet::new(),
        }
    }

    /// Whether a configuration has it, or could soon have it again: what was fetched is worth keeping.
    pub(super) fn is_wanted(&self, now: Now) -> bool {
        let is_worth_keeping = self.usable(now).is_some_and(|loaded| !loaded.keys.is_configured());
        self.is_configured() || self.fetch != Fetch::Idle || is_worth_keeping
    }

    /// Whether a configuration has it. Otherwise nothing more is fetched, and what is here grows old.
    fn is_configured(&self) -> bool {
        Rc::strong_count(&self.definition) > 1
    }

    fn usable(&self, now: Now) -> Option<&Loaded<V::Key>> {
        let is_young = |loaded: &&Loaded<V::Key>| loaded.at.until(now.monotonic) < MAX_AGE;
        self.loaded.as_ref().filter(|loaded| loaded.keys.is_configured() || is_young(loaded))
    }

    /// The answer where no keys are at hand: a call that is soon due is waited for, a later one is not.
    fn unloaded<T>(&self, now: Now) -> Lookup<T> {
        let wait = now.monotonic.until(self.next_try);
        if self.fetch == Fetch::Idle && wait > WORTH_WAITING {
            Lookup::Unavailable(wait)
        } else {
            Lookup::Wait
        }
    }

    /// A configuration asks for it. The one that it was made for may be gone by now.
    pub(super) fn adopt(&mut self, definition: &Rc<Definition>) {
        self.dormant &= definition.on_demand;
        if !self.is_configured() {
            self.definition = Rc::clone(definition);
        }
    }

    pub(super) fn is_issuer(&mut self, issuer: &str, now: Now) -> Lookup<()> {
        self.dormant = false;
        match self.usable(now) {
            Some(loaded) if loaded.origin.issuer.is(issuer) => Lookup::Found(()),
            Some(_) => Lookup::NotFound,
            None => self.unloaded(now),
        }
    }

    /// How long ago the keys came that are at hand. Those of the configuration have no age.
    pub(super) fn age(&self, now: Now) -> Option<Duration> {
        let loaded = self.loaded.as_ref().filter(|loaded| !loaded.keys.is_configured())?;
        Some(loaded.at.until(now.monotonic))
    }

    pub(super) fn generation(&self, now: Now) -> Option<Generation> {
        self.usable(now).map(|loaded| loaded.generation)
    }

    pub(super) fn key(
        &mut self,
        issuer: &str,
        key_id: Option<&str>,
        algorithm: Algorithm,
        now: Now,
    ) -> Lookup<&V::Key> {
        let Some(loaded) = self.usable(now) else { return self.unloaded(now) };
        match key_id {
            Some(key_id) if !loaded.keys.is_configured() && !loaded.keys.has(key_id) => {
                self.seek(key_id, now)
            }
            _ => match self.loaded.as_ref().and_then(|loaded| loaded.keys.find(issuer, key_id, algorithm)) {
                Some(key) => Lookup::Found(key),
                None => Lookup::NotFound,
            },
        }
    }

    /// Decides whether an unknown `kid` is worth a refetch.
    fn seek<T>(&mut self, key_id: &str, now: Now) -> Lookup<T> {
        let is_remembered = self.unknown.get(key_id).is_some_and(|until| now.monotonic < *until);
        if key_id.len() > MAX_KEY_ID_BYTES || is_remembered || self.sought.len() >= MAX_UNKNOWN {
            return Lookup::NotFound;
        }
        if self.fetch == Fetch::Jwks {
            // Asked before this `kid` was seen, its answer proves nothing about it: look again afterwards.
            return Lookup::Wait;
        }
        if self.fetch == Fetch::Idle && !self.sought.contains(key_id) {
            if now.monotonic < self.next_try {
                return Lookup::Unavailable(now.monotonic.until(self.next_try));
            }
            let is_due = self.refresh <= now.monotonic || !self.sought.is_empty();
            if !is_due && !self.budget.spend(now.monotonic) {
                return Lookup::NotFound;
            }
        }
        self.sought.insert(key_id.to_owned());
        Lookup::Wait
    }

    pub(super) fn due(&mut self, now: Now) -> Option<CallRequest> {
        let is_due = self.refresh <= now.monotonic || !self.sought.is_empty();
        let is_known = match self.fetch {
            Fetch::Discovered => true,
            Fetch::Idle if self.dormant || !is_due || !self.is_configured() => return None,
            Fetch::Idle if self.next_try <= now.monotonic => now.monotonic < self.refresh,
            _ => return None,
        };
        let discovery = self.definition.source.discovery_request();
        match (self.discovered.clone(), discovery) {
            (Some(discovered), discovery) if is_known || discovery.is_none() => {
                self.fetch = Fetch::Jwks;
                self.asked = std::mem::take(&mut self.sought);
                Some(get(&discovered.cluster, discovered.jwks))
            }
            (_, discovery) => {
                self.fetch = if discovery.is_some() { Fetch::Discovery } else { Fetch::Idle };
                discovery
            }
        }
    }

    pub(super) fn answered(
        &mut self,
        answer: Result<&Answer, CallFailure>,
        verifier: &V,
        next: Generation,
        now: Now,
        jitter: &mut Jitter,
    ) -> Progress {
        let stage = std::mem::replace(&mut self.fetch, Fetch::Idle);
        let body = answer.and_then(|answer| match answer.status {
            200 => Ok(answer.body.as_slice()),
            status => Err(CallFailure::Status(status)),
        });
        let progress = body
            .and_then(|body| self.take_in(stage, body, verifier, next, now).map_err(CallFailure::Unusable));
        match progress {
            Ok(Progress::Discovered) => {
                self.refresh = now.monotonic.after(sooner(REFRESH, jitter));
                Progress::Discovered
            }
            Ok(progress) => {
                self.failures = 0;
                if self.definition.source.discovery_request().is_none() {
                    self.refresh = now.monotonic.after(sooner(REFRESH, jitter));
                }
                self.remember_unknown(now);
                progress
            }
            Err(failure) => {
                let asked = answer.ok().and_then(|answer| answer.retry_after.as_deref());
                self.fail(failure, asked, now, jitter);
                Progress::Failed(failure)
            }
        }
    }

    fn take_in(
        &mut self,
        stage: Fetch,
        body: &[u8],
        verifier: &V,
        next: Generation,
        now: Now,
    ) -> Result<Progress, calls::Unusable> {
        if stage == Fetch::Discovery {
            self.discovered = Some(Discovered::parse(body, &self.definition.source)?);
            self.fetch = Fetch::Discovered;
            return Ok(Progress::Discovered);
        }
        let origin = self.discovered.as_ref().map(|discovered| discovered.origin.clone());
        let origin = origin.ok_or(calls::Unusable::Issuer)?;
        match &mut self.loaded {
            Some(loaded) if loaded.origin == origin && loaded.keys.is_from(body) => loaded.at = now.monotonic,
            loaded => {
                let keys = KeySet::parse(body, &origin, &self.definition, verifier)?;
                *loaded = Some(Loaded { origin, keys, generation: next, at: now.monotonic });
            }
        }
        let dropped = self.loaded.as_ref().map_or(0, |loaded| loaded.keys.dropped());
        Ok(Progress::Loaded { dropped })
    }

    fn fail(&mut self, failure: CallFailure, asked: Option<&str>, now: Now, jitter: &mut Jitter) {
        self.failures = self.failures.saturating_add(1);
        let next = calls::next_try(self.failures, failure, asked, now, jitter.next());
        self.next_try = match self.usable(now) {
            Some(_) => next.max(now.monotonic.after(RETRY_WHILE_USABLE)),
            None => next,
        };
        self.refresh = Monotonic::default();
        self.sought.clear();
        self.asked.clear();
    }

    /// After a good fetch: what it was asked for and did not bring is remembered for a while.
    fn remember_unknown(&mut self, now: Now) {
        self.unknown.retain(|_, until| now.monotonic < *until);
        for key_id in std::mem::take(&mut self.asked) {
            let is_known = self.loaded.as_ref().is_some_and(|loaded| loaded.keys.has(&key_id));
            if !is_known && self.unknown.len() < MAX_UNKNOWN {
                self.unknown.insert(key_id, now.monotonic.after(UNKNOWN_KEY_ID_MEMORY));
            }
        }
    }

    /// Unknown `kid`s that are kept.
    #[cfg(test)]
    pub(super) fn unknown_key_ids(&self) -> usize {
        self.unknown.len() + self.sought.len() + self.asked.len()
    }

    /// The call under way will not be answered: it is due again.
    pub(super) fn lost(&mut self) {
        self.sought.append(&mut self.asked);
        self.fetch = Fetch::Idle;
        self.refresh = Monotonic::default();
    }
}

/// `duration` made up to a tenth shorter, so that VMs do not act in step.
fn sooner(duration: Duration, jitter: &mut Jitter) -> Duration {
    let tenth = duration.as_millis() / 10;
    let less = tenth.saturating_mul(u128::from(jitter.next())) / 255;
    duration.saturating_sub(Duration::from_millis(u64::try_from(less).unwrap_or_default()))
}
