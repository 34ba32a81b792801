use std::rc::{Rc, Weak};
use std::time::Duration;

use super::{Definition, Get, MAX_AGE, MAX_AGE_DENIED, Origin, Progress};
use crate::calls::{self, Answer, CallFailure, CallRequest, Jitter, WORTH_WAITING};
use crate::secret::SecretString;
use crate::time::{Monotonic, Now};
use crate::tokens::{self, UNUSED_AFTER};

/// The least time between two tries while a value is at hand.
const RETRY_WHILE_USABLE: Duration = Duration::from_secs(30);

/// One secret: empty, fetching, held, held and refreshing, or failed until.
pub(super) struct Record {
    pub(super) name: String,
    origin: Rc<Origin>,
    /// The definitions that it serves, some of them of configurations that are gone.
    definitions: Vec<Weak<Definition>>,
    held: Option<Held>,
    /// Since when the vault says that we may not have it.
    denied: Option<Monotonic>,
    fetching: bool,
    /// Failures in a row.
    failures: u32,
    next_try: Monotonic,
    /// When it was last asked for.
    asked: Option<Monotonic>,
    /// Whether it is read again although it is not yet time.
    reread: bool,
}

struct Held {
    value: SecretString,
    at: Monotonic,
}

impl Record {
    pub(super) fn new(definition: &Definition) -> Self {
        Self {
            name: definition.name.clone(),
            origin: Rc::clone(&definition.origin),
            definitions: Vec::new(),
            held: None,
            denied: None,
            fetching: false,
            failures: 0,
            next_try: Monotonic::default(),
            asked: None,
            reread: false,
        }
    }

    /// A configuration has it. It may want it to be read more often than others do.
    pub(super) fn adopt(&mut self, definition: &Rc<Definition>) {
        if self.definitions.iter().any(|known| known.as_ptr() == Rc::as_ptr(definition)) {
            return;
        }
        self.definitions.retain(|known| known.strong_count() > 0);
        self.definitions.push(Rc::downgrade(definition));
        self.origin = Rc::clone(&definition.origin);
    }

    /// Whether a configuration has it: otherwise its value is forgotten.
    pub(super) fn is_wanted(&self) -> bool {
        self.definitions.iter().any(|definition| definition.strong_count() > 0)
    }

    fn usable(&self, now: Now) -> Option<&Held> {
        let is_taken_away = self.denied.is_some_and(|since| since.until(now.monotonic) >= MAX_AGE_DENIED);
        self.held.as_ref().filter(|held| held.at.until(now.monotonic) < MAX_AGE && !is_taken_away)
    }

    /// What is held serves while it is fetched again, but not if nobody has asked for so long that a refresh has
    /// been left out; unless fetching fails.
    fn current(&self, now: Now) -> Option<&Held> {
        let limit = self.origin.refresh().saturating_mul(2);
        self.usable(now).filter(|held| self.failures > 0 || held.at.until(now.monotonic) < limit)
    }

    pub(super) fn get(&mut self, now: Now) -> Get<'_> {
        if let Origin::Fixed(value) = &*self.origin {
            return Get::Value(value);
        }
        self.asked = Some(now.monotonic);
        if self.current(now).is_none() {
            let wait = now.monotonic.until(self.next_try);
            let is_far = !self.fetching && wait > WORTH_WAITING;
            return if is_far { Get::Unavailable(wait) } else { Get::Wait };
        }
        self.held.as_ref().map_or(Get::Wait, |held| Get::Value(&held.value))
    }

    pub(super) fn reread(&mut self) {
        self.reread = true;
    }

    /// Whether it is to be fetched now: it is asked for and not here, or grows old and was asked for since it came.
    fn wants(&self, now: Now) -> bool {
        let Some(asked) = self.asked.filter(|asked| asked.until(now.monotonic) < UNUSED_AFTER) else {
            return false;
        };
        let is_old = self
            .usable(now)
            .is_none_or(|held| held.at < asked && held.at.until(now.monotonic) >= self.origin.refresh());
        !self.fetching && (self.reread || is_old) && self.next_try <= now.monotonic
    }

    pub(super) fn due(
        &mut self,
        token: &mut impl FnMut(&Rc<tokens::Definition>) -> Result<SecretString, Option<Duration>>,
        now: Now,
    ) -> Option<Result<CallRequest, CallFailure>> {
        if !self.wants(now) {
            return None;
        }
        let token = match self.origin.token().map(token) {
            None => None,
            Some(Ok(token)) => Some(token),
            Some(Err(None)) => return None,
            Some(Err(Some(wait))) => {
                self.failures = self.failures.saturating_add(1);
                self.next_try = now.monotonic.after(wait);
                return Some(Err(CallFailure::NoToken));
            }
        };
        let request = self.origin.request(token.as_ref())?;
        self.fetching = true;
        self.reread = false;
        Some(Ok(request))
    }

    pub(super) fn answered(
        &mut self,
        answer: Result<&Answer, CallFailure>,
        now: Now,
        jitter: &mut Jitter,
    ) -> Progress {
        self.fetching = false;
        match answer.and_then(|answer| self.origin.read(answer)) {
            Ok(value) => {
                let changed = self.held.as_ref().is_none_or(|held| held.value != value);
                self.held = Some(Held { value, at: now.monotonic });
                self.denied = None;
                self.failures = 0;
                self.next_try = now.monotonic;
                Progress::Fetched { changed }
            }
            Err(failure) => {
                let asked = answer.ok().and_then(|answer| answer.retry_after.as_deref());
                self.failed(failure, asked, now, jitter);
                Progress::Failed(failure)
            }
        }
    }

    fn failed(&mut self, failure: CallFailure, asked: Option<&str>, now: Now, jitter: &mut Jitter) {
        self.failures = self.failures.saturating_add(1);
        if self.origin.is_denial(failure) {
            self.denied = self.denied.or(Some(now.monotonic));
        }
        let soonest = match self.usable(now) {
            Some(_) => now.monotonic.after(RETRY_WHILE_USABLE),
            None => now.monotonic,
        };
        self.next_try = calls::next_try(self.failures, failure, asked, now, jitter.next()).max(soonest);
    }

    pub(super) fn lost(&mut self) {
        self.fetching = false;
    }
}
