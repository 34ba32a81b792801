use std::rc::Rc;
use std::time::Duration;

use super::answer::{is_token, read_answer};
use super::entry::{Entry, Failure, Token};
use super::inputs::Inputs;
use super::lease::{Lease, SharedStore, Taken};
use super::source::Source;
use super::suspicion::{Suspicion, with_claims};
use super::timing::{refresh_after, retry_after};
use super::{Definition, Get, Health, Progress, UNUSED_AFTER};
use crate::calls::{self, Answer, CallFailure, CallRequest, Jitter, Unusable, WORTH_WAITING};
use crate::secret::SecretString;
use crate::time::{Monotonic, Now};

/// How often a VM that waits for another one looks at shared data, should its wake-up be lost.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How long a token that is a secret is held before that is looked at again.
const STATIC_LIFE: Duration = Duration::from_secs(60);
const STATIC_REFRESH: Duration = Duration::from_secs(30);

/// One token: empty, fetching, fresh, fresh and refreshing, or failed until.
pub(super) struct Record {
    pub(super) definition: Rc<Definition>,
    pub(super) held: Option<Token>,
    /// The number of tokens that were held so far.
    pub(super) generation: u64,
    /// A backend has refused the token that is held.
    pub(super) suspicion: Option<Suspicion>,
    /// When a fetch was last begun because of that.
    pub(super) replaced: Option<Monotonic>,
    pub(super) fetching: bool,
    /// Answers of the fetch under way that were not yet the token.
    step: usize,
    /// The call that is due next in it.
    next: Option<CallRequest>,
    failure: Failure,
    /// Since when there has been no success.
    failing: Option<Monotonic>,
    /// Failures before this do not count: the configuration was another one.
    forgiven: Monotonic,
    /// What the secrets of the last request were, as a number that says nothing about them.
    inputs: u64,
    /// The secrets of the last request that could be made, where there are several: a certificate and its key may be
    /// rotated one after the other.
    last_good: Vec<SecretString>,
    /// Until when there is no hope for a secret that the request needs.
    blocked: Option<Monotonic>,
    /// Whether a request has asked for it and found none.
    needed: bool,
    used: Monotonic,
    /// While another VM fetches: when to look again.
    look_again: Option<Monotonic>,
}

pub(super) enum Due {
    Call(CallRequest),
    Changed(Progress),
}

impl Record {
    pub(super) fn new(definition: Rc<Definition>) -> Self {
        Self {
            definition,
            held: None,
            generation: 0,
            suspicion: None,
            replaced: None,
            fetching: false,
            step: 0,
            next: None,
            failure: Failure::default(),
            failing: None,
            forgiven: Monotonic::default(),
            inputs: 0,
            last_good: Vec::new(),
            blocked: None,
            needed: false,
            used: Monotonic::default(),
            look_again: None,
        }
    }

    /// Whether it is in use, has a token that may yet be used, or is waited for.
    pub(super) fn is_wanted(&self, now: Now) -> bool {
        self.fetching || self.usable(now).is_some() || self.is_used(now)
    }

    fn is_used(&self, now: Now) -> bool {
        self.used.until(now.monotonic) < UNUSED_AFTER
    }

    pub(super) fn usable(&self, now: Now) -> Option<&Token> {
        self.held.as_ref().filter(|token| now.monotonic < token.expires)
    }

    pub(super) fn not_before(&self) -> Monotonic {
        Monotonic::from_nanoseconds(self.failure.not_before)
    }

    pub(super) fn get(&mut self, now: Now) -> Get<'_> {
        self.used = now.monotonic;
        if let Some(token) = self.held.as_ref().filter(|token| now.monotonic < token.expires) {
            return Get::Token(&token.value);
        }
        self.needed = true;
        let wait = now.monotonic.until(self.not_before().max(self.blocked.unwrap_or_default()));
        if !self.fetching && wait > WORTH_WAITING { Get::Unavailable(wait) } else { Get::Wait }
    }

    pub(super) const fn is_fetching(&self) -> bool {
        self.fetching
    }

    /// How it does, where it is in use.
    pub(super) fn health(&self, now: Now) -> Option<Health> {
        let left = self.usable(now).map_or(Duration::ZERO, |token| now.monotonic.until(token.expires));
        let failing = self.failing.map_or(Duration::ZERO, |since| since.until(now.monotonic));
        self.is_used(now).then_some(Health { left, failing })
    }

    /// Whether a fresher token would be of use now.
    fn lacks(&self, now: Now) -> bool {
        let is_old = |token: &Token| token.refresh <= now.monotonic || self.suspicion.is_some();
        let lacks = self.usable(now).map_or(self.needed, is_old);
        lacks && self.is_used(now)
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Another VM has published something: looks at it, in a back-off too.
    pub(super) fn look(&mut self, lease: &Lease, store: &mut impl SharedStore, now: Now) -> Option<Progress> {
        self.look_again = None;
        if self.fetching || !self.lacks(now) {
            return None;
        }
        let entry = lease.read(self.definition.fingerprint, store, now);
        self.adopt(&entry, now)
    }

    pub(super) fn due(
        &mut self,
        lease: &Lease,
        store: &mut impl SharedStore,
        inputs: &mut impl Inputs,
        now: Now,
    ) -> Option<Due> {
        let of = self.definition.fingerprint;
        if let Some(request) = self.next.take() {
            lease.renew(of, store, now);
            return Some(Due::Call(request));
        }
        if self.fetching || !self.lacks(now) || self.look_again.is_some_and(|at| now.monotonic < at) {
            return None;
        }
        self.look_again = None;
        // They are looked at in a back-off too: a new secret ends it.
        let secrets = self.secrets(inputs, now);
        if now.monotonic < self.not_before() {
            return None;
        }
        if let (Source::Static(_), Ok(secrets)) = (&self.definition.source, &secrets) {
            return self.take_over(secrets, now).map(Due::Changed);
        }
        let mut seen = lease.read(of, store, now);
        if let Some(progress) = self.adopt(&seen, now) {
            return Some(Due::Changed(progress));
        }
        let secrets = match secrets {
            Ok(secrets) => secrets,
            Err(wait) => return self.block(wait, now).map(Due::Changed),
        };
        self.blocked = None;
        // A back-off that is over still tells how often the others have failed.
        if self.counts(&seen.failure) {
            self.failure.count = self.failure.count.max(seen.failure.count);
        }
        if seen.held_until(lease.owner, now).is_none() {
            match lease.take(of, &seen, store, now) {
                Taken::Won => return Some(self.begin(&secrets, lease, store, inputs, now)),
                Taken::Other(entry) => seen = entry,
            }
        }
        if let Some(progress) = self.adopt(&seen, now) {
            return Some(Due::Changed(progress));
        }
        let until = seen.held_until(lease.owner, now).unwrap_or_else(|| now.monotonic.after(LOOK_AGAIN));
        self.look_again = Some(until.min(now.monotonic.after(LOOK_AGAIN)));
        None
    }

    /// The secrets that a request is made of, if all are at hand. Others than last time end a back-off.
    fn secrets(&mut self, inputs: &mut impl Inputs, now: Now) -> Result<Vec<SecretString>, Option<Duration>> {
        let all = self.definition.source.secrets().into_iter().map(|secret| inputs.secret(secret, now));
        // Each is asked for before the first is waited for.
        let secrets = all.collect::<Vec<_>>().into_iter().collect::<Result<Vec<_>, _>>()?;
        if !secrets.is_empty() {
            let values: Vec<_> = secrets.iter().map(SecretString::expose).collect();
            let seen = self.definition.fingerprint.with(&values).short();
            if std::mem::replace(&mut self.inputs, seen) != seen {
                self.failure = Failure::default();
            }
        }
        Ok(secrets)
    }

    /// A secret is not at hand: news only where there is no hope for it, and only once.
    fn block(&mut self, wait: Option<Duration>, now: Now) -> Option<Progress> {
        let until = now.monotonic.after(wait?);
        self.failing.get_or_insert(now.monotonic);
        let was_blocked = self.blocked.replace(until).is_some_and(|until| now.monotonic < until);
        (!was_blocked).then_some(Progress::Failed(CallFailure::NoSecret))
    }

    /// The lease is ours: makes the first request.
    fn begin(
        &mut self,
        secrets: &[SecretString],
        lease: &Lease,
        store: &mut impl SharedStore,
        inputs: &mut impl Inputs,
        now: Now,
    ) -> Due {
        self.fetching = true;
        self.step = 0;
        if self.suspicion.is_some() {
            self.replaced = Some(now.monotonic);
            lease.note_replacement(self.definition.fingerprint, store, now);
        }
        let claims = self.suspicion.as_ref().and_then(|suspicion| suspicion.claims.as_deref());
        let Definition { source, target, .. } = &*self.definition;
        let request = source.request(target, secrets, inputs, now);
        let is_pair = secrets.len() > 1;
        let request = match request {
            Err(CallFailure::BadKey(_)) if is_pair && !self.last_good.is_empty() => {
                source.request(target, &self.last_good, inputs, now)
            }
            Ok(request) if is_pair => {
                self.last_good = secrets.to_vec();
                Ok(request)
            }
            request => request,
        };
        match request {
            Ok(request) => Due::Call(match claims {
                Some(claims) => with_claims(request, claims),
                None => request,
            }),
            Err(failure) => {
                let mut jitter = Jitter::new(self.inputs);
                Due::Changed(self.answered(Err(failure), lease, store, now, &mut jitter))
            }
        }
    }

    /// A secret that is a token: it is looked at again soon, and never shared.
    fn take_over(&mut self, secrets: &[SecretString], now: Now) -> Option<Progress> {
        let is_new = self.usable(now).is_none();
        let Some(value) = secrets.first().filter(|value| is_token(value.expose())).cloned() else {
            return self.block(Some(STATIC_REFRESH), now);
        };
        let (refresh, expires) = (now.monotonic.after(STATIC_REFRESH), now.monotonic.after(STATIC_LIFE));
        self.hold(Token { value, expires, refresh, fetched: now.monotonic });
        is_new.then_some(Progress::Fetched { life: STATIC_LIFE })
    }

    /// Whether a failure that somebody has shared counts here.
    fn counts(&self, failure: &Failure) -> bool {
        failure.inputs == self.inputs && self.forgiven.nanoseconds() <= failure.at
    }

    pub(super) fn forgive(&mut self, now: Now) {
        self.failure = Failure::default();
        self.forgiven = now.monotonic;
    }

    /// Takes over what another VM has published, if it is better than what is held here.
    fn adopt(&mut self, entry: &Entry, now: Now) -> Option<Progress> {
        let fresher = |token: &&Token| {
            self.usable(now).is_none_or(|held| held.expires < token.expires)
                || (self.suspicion.is_some() && self.replaces(token))
        };
        if let Some(token) = entry.token.as_ref().filter(fresher) {
            self.hold(token.clone());
            return Some(Progress::Shared);
        }
        if entry.failure.not_before > self.failure.not_before && self.counts(&entry.failure) {
            self.failing.get_or_insert(now.monotonic);
            self.failure = entry.failure;
            self.suspicion = None;
            return Some(Progress::Failed(CallFailure::Elsewhere));
        }
        None
    }

    pub(super) fn hold(&mut self, token: Token) {
        if self.held.as_ref().is_none_or(|held| held.value != token.value) {
            self.generation = self.generation.wrapping_add(1);
        }
        self.held = Some(token);
        self.suspicion = None;
        self.failure = Failure::default();
        self.failing = None;
        self.needed = false;
        self.blocked = None;
        self.look_again = None;
    }

    pub(super) fn answered(
        &mut self,
        answer: Result<&Answer, CallFailure>,
        lease: &Lease,
        store: &mut impl SharedStore,
        now: Now,
        jitter: &mut Jitter,
    ) -> Progress {
        let Definition { source, target, .. } = &*self.definition;
        match answer.ok().and_then(|answer| source.next_request(self.step, answer, target)) {
            None => self.ended(answer, lease, store, now, jitter),
            Some(Err(failure)) => self.ended(Err(failure), lease, store, now, jitter),
            Some(Ok(request)) => {
                self.step = self.step.saturating_add(1);
                self.next = Some(request);
                Progress::Continues
            }
        }
    }

    fn ended(
        &mut self,
        answer: Result<&Answer, CallFailure>,
        lease: &Lease,
        store: &mut impl SharedStore,
        now: Now,
        jitter: &mut Jitter,
    ) -> Progress {
        self.fetching = false;
        let of = self.definition.fingerprint;
        match self.fresh_token(answer, now, jitter) {
            Ok(token) => {
                let life = now.monotonic.until(token.expires);
                let refused = self.held.as_ref().filter(|_| self.suspicion.is_some());
                let shared = lease.publish_token(of, &token, refused, store, now);
                self.hold(shared);
                Progress::Fetched { life }
            }
            Err(failure) => {
                let asked = answer.ok().and_then(|answer| answer.retry_after.as_deref());
                self.failure = self.failed(failure, asked, now, jitter);
                self.suspicion = None;
                self.failing.get_or_insert(now.monotonic);
                lease.publish_failure(of, self.failure, store, now);
                Progress::Failed(failure)
            }
        }
    }

    fn fresh_token(
        &self,
        answer: Result<&Answer, CallFailure>,
        now: Now,
        jitter: &mut Jitter,
    ) -> Result<Token, CallFailure> {
        let answer = answer?;
        if answer.status != 200 {
            return Err(CallFailure::Status(answer.status));
        }
        let fetched = read_answer(&answer.body, self.definition.source.names_token_type(), now.wall)
            .map_err(CallFailure::Unusable)?;
        let token = Token {
            expires: now.monotonic.after(fetched.life),
            refresh: now.monotonic.after(refresh_after(&fetched, jitter)),
            value: fetched.token,
            fetched: now.monotonic,
        };
        let may_end_sooner = self.suspicion.is_some();
        match self.usable(now) {
            Some(held) if held.value == token.value || (token.expires <= held.expires && !may_end_sooner) => {
                Err(CallFailure::Unusable(Unusable::NotFresher))
            }
            _ => Ok(token),
        }
    }

    fn failed(&self, failure: CallFailure, asked: Option<&str>, now: Now, jitter: &mut Jitter) -> Failure {
        let failures = self.failure.count.saturating_add(1);
        let (count, not_before) = match self.usable(now).map(|token| now.monotonic.until(token.expires)) {
            None => (failures, calls::next_try(failures, failure, asked, now, jitter.next())),
            // Should the token end before one of these tries succeeds, the quick tries begin.
            Some(left) => {
                let asked = asked.and_then(|value| calls::retry_after(value, now.wall)).unwrap_or_default();
                (0, now.monotonic.after(retry_after(failure, left).max(asked)))
            }
        };
        let (not_before, at) = (not_before.nanoseconds(), now.monotonic.nanoseconds());
        Failure { count, not_before, at, inputs: self.inputs }
    }

    pub(super) fn lost(&mut self, lease: &Lease, store: &mut impl SharedStore, now: Now) {
        self.fetching = false;
        self.next = None;
        lease.release(self.definition.fingerprint, store, now);
    }
}
