use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::document::{Discovered, KeySet};
use super::{
    Definition, MAX_AGE, Progress, REFETCH_BURST, REFETCH_INTERVAL, REFRESH, UNKNOWN_KEY_ID_MEMORY, get,
};
use crate::calls::{self, Answer, CallFailure, CallRequest, Jitter, QUICK_TRIES};
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
    failures: u32,
    next_try: Monotonic,
    budget: Budget,
    /// Unknown `kid`s, and until when they are not looked for again.
    unknown: BTreeMap<String, Monotonic>,
    /// Unknown `kid`s that the fetch under way is for.
    sought: BTreeSet<String>,
}

struct Loaded<K> {
    issuer: String,
    keys: KeySet<K>,
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
    pub(super) fn new(definition: Rc<Definition>) -> Self {
        Self {
            definition,
            loaded: None,
            discovered: None,
            fetch: Fetch::Idle,
            failures: 0,
            next_try: Monotonic::default(),
            budget: Budget::default(),
            unknown: BTreeMap::new(),
            sought: BTreeSet::new(),
        }
    }

    /// Whether a configuration still has it, or could soon have it again.
    pub(super) fn is_wanted(&self, now: Now) -> bool {
        Rc::strong_count(&self.definition) > 1 || self.fetch != Fetch::Idle || self.usable(now).is_some()
    }

    fn usable(&self, now: Now) -> Option<&Loaded<V::Key>> {
        self.loaded.as_ref().filter(|loaded| loaded.at.until(now.monotonic) < MAX_AGE)
    }

    /// The answer where no keys are at hand: the quick tries are worth waiting for, a longer outage is not.
    fn unloaded<T>(&self, now: Now) -> Lookup<T> {
        if self.failures > QUICK_TRIES && self.fetch == Fetch::Idle {
            return Lookup::Unavailable(now.monotonic.until(self.next_try));
        }
        Lookup::Wait
    }

    pub(super) fn issuer(&self, now: Now) -> Lookup<&str> {
        self.usable(now).map_or_else(|| self.unloaded(now), |loaded| Lookup::Found(loaded.issuer.as_str()))
    }

    pub(super) fn key(&mut self, key_id: Option<&str>, algorithm: Algorithm, now: Now) -> Lookup<&V::Key> {
        // The lookup is done twice because a borrow that is returned cannot be given up in one branch.
        let known = self.usable(now).map(|loaded| loaded.keys.find(key_id, algorithm).is_some());
        match (known, key_id) {
            (None, _) => self.unloaded(now),
            (Some(true), _) => {
                match self.loaded.as_ref().and_then(|loaded| loaded.keys.find(key_id, algorithm)) {
                    Some(key) => Lookup::Found(key),
                    None => Lookup::NotFound,
                }
            }
            (Some(false), None) => Lookup::NotFound,
            (Some(false), Some(key_id)) => self.seek(key_id, now),
        }
    }

    /// Decides whether an unknown `kid` is worth a refetch.
    fn seek<T>(&mut self, key_id: &str, now: Now) -> Lookup<T> {
        if key_id.len() > MAX_KEY_ID_BYTES
            || self.unknown.get(key_id).is_some_and(|until| now.monotonic < *until)
        {
            return Lookup::NotFound;
        }
        let under_way = self.fetch != Fetch::Idle || self.next_try <= now.monotonic;
        if under_way && self.sought.contains(key_id) {
            return Lookup::Wait;
        }
        if self.failures > 0 {
            return Lookup::Unavailable(now.monotonic.until(self.next_try));
        }
        if !under_way {
            if !self.budget.spend(now.monotonic) {
                return Lookup::NotFound;
            }
            self.next_try = now.monotonic;
        }
        if self.sought.len() >= MAX_UNKNOWN {
            return Lookup::NotFound;
        }
        self.sought.insert(key_id.to_owned());
        Lookup::Wait
    }

    pub(super) fn due(&mut self, now: Now) -> Option<CallRequest> {
        // A refetch for an unknown `kid` needs no new discovery document; a refresh does.
        let skip_discovery = match self.fetch {
            Fetch::Discovered => true,
            Fetch::Idle if self.next_try <= now.monotonic => !self.sought.is_empty(),
            _ => return None,
        };
        match self.discovered.clone().filter(|_| skip_discovery) {
            Some(discovered) => {
                self.fetch = Fetch::Jwks;
                Some(get(discovered.cluster, discovered.jwks))
            }
            None => {
                self.fetch = Fetch::Discovery;
                Some(self.definition.discovery_request())
            }
        }
    }

    pub(super) fn next_due(&self) -> Option<Monotonic> {
        match self.fetch {
            Fetch::Idle => Some(self.next_try),
            Fetch::Discovered => Some(Monotonic::default()),
            Fetch::Discovery | Fetch::Jwks => None,
        }
    }

    pub(super) fn answered(
        &mut self,
        answer: Result<&Answer, CallFailure>,
        verifier: &V,
        now: Now,
        jitter: &mut Jitter,
    ) -> Progress {
        let stage = std::mem::replace(&mut self.fetch, Fetch::Idle);
        let body = answer.and_then(|answer| match answer.status {
            200 => Ok(answer.body.as_slice()),
            status => Err(CallFailure::Status(status)),
        });
        let progress =
            body.and_then(|body| self.take_in(stage, body, verifier, now).map_err(CallFailure::Unusable));
        match progress {
            Ok(Progress::Loaded { dropped }) => {
                self.failures = 0;
                self.next_try = now.monotonic.after(sooner(REFRESH, jitter));
                self.forget_unknown(now);
                Progress::Loaded { dropped }
            }
            Ok(progress) => progress,
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
        now: Now,
    ) -> Result<Progress, calls::Unusable> {
        if stage == Fetch::Discovery {
            self.discovered = Some(Discovered::parse(body, &self.definition)?);
            self.fetch = Fetch::Discovered;
            return Ok(Progress::Discovered);
        }
        let issuer = self.discovered.as_ref().map(|discovered| discovered.issuer.clone()).unwrap_or_default();
        match &mut self.loaded {
            Some(loaded) if loaded.issuer == issuer && loaded.keys.is_from(body) => loaded.at = now.monotonic,
            loaded => {
                let keys = KeySet::parse(body, &issuer, &self.definition, verifier)?;
                *loaded = Some(Loaded { issuer, keys, at: now.monotonic });
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
        self.sought.clear();
    }

    /// After a good fetch: what was sought and is still unknown is remembered for a while.
    fn forget_unknown(&mut self, now: Now) {
        self.unknown.retain(|_, until| now.monotonic < *until);
        for key_id in std::mem::take(&mut self.sought) {
            let known = self.loaded.as_ref().is_some_and(|loaded| {
                Algorithm::ALL.iter().any(|algorithm| loaded.keys.find(Some(&key_id), *algorithm).is_some())
            });
            if !known && self.unknown.len() < MAX_UNKNOWN {
                self.unknown.insert(key_id, now.monotonic.after(UNKNOWN_KEY_ID_MEMORY));
            }
        }
    }

    pub(super) const fn lost(&mut self) {
        self.fetch = Fetch::Idle;
    }
}

/// `duration` made up to a tenth shorter, so that VMs do not act in step.
fn sooner(duration: Duration, jitter: &mut Jitter) -> Duration {
    let tenth = duration.as_millis() / 10;
    let less = tenth.saturating_mul(u128::from(jitter.next())) / 255;
    duration.saturating_sub(Duration::from_millis(u64::try_from(less).unwrap_or_default()))
}

/// Refetches that unknown `kid`s may cause: a bucket of [`REFETCH_BURST`], one back per [`REFETCH_INTERVAL`].
struct Budget {
    left: u32,
    since: Monotonic,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: REFETCH_BURST, since: Monotonic::default() }
    }
}

impl Budget {
    fn spend(&mut self, now: Monotonic) -> bool {
        while self.left < REFETCH_BURST && self.since.after(REFETCH_INTERVAL) <= now {
            self.left = self.left.saturating_add(1);
            self.since = self.since.after(REFETCH_INTERVAL);
        }
        if self.left == REFETCH_BURST {
            self.since = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}
