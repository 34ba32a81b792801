//! What one VM keeps across configurations: keys, tokens, calls under way, requests that wait. Each thing is
//! kept under the fingerprint of its definition, never under its name.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use litemap::LiteMap;

use crate::bucket::Bucket;
use crate::calls::{Answer, Call, CallFailure, CallId, CallRequest, Jitter, Outcome, Purpose};
use crate::challenge::Remedy;
use crate::collect::one_by_one;
use crate::config::Configuration;
use crate::fingerprint::Fingerprint;
use crate::jwt::{Random, Verifier};
use crate::keys::{self, DecryptionKeys, Keys};
use crate::observe::{Counter, Counters, LogLevel, LogLine};
use crate::refusal_log::{Line, Outcome as RefusalOutcome, RefusalLog, Refused};
use crate::secret::SecretString;
use crate::secrets::{self, Secrets};
use crate::time::{Monotonic, Now};
use crate::tokens::lease::{Lease, SharedStore};
use crate::tokens::{self, Eagerness, ErrorAnswer, Inputs, Sent, Tokens};
use crate::verdicts::Verdicts;

/// Requests that may wait at once, in the whole VM.
pub const MAX_WAITING: usize = 4_096;
/// Of these, those that may wait for one thing, and for keys together: nothing about them is proved yet.
pub const MAX_WAITING_FOR_ONE: usize = MAX_WAITING / 2;

/// Signature checks in the VM that may be made at once, and how long it takes to regain one: 200 per second, a
/// fifth of a worker. Unsigned tokens must not take all of it.
const SLOW_CHECKS: u32 = 200;
const SLOW_CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// A request, as the host numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// One VM's state.
pub struct State<V: Verifier> {
    /// Checks signatures.
    pub verifier: V,
    /// Keys of inbound issuers.
    pub keys: Keys<V>,
    /// Outbound tokens.
    pub tokens: Tokens,
    /// Secrets.
    pub secrets: Secrets,
    /// Tokens that were verified before.
    pub verdicts: Verdicts,
    /// Requests that wait.
    pub waiting: Waiting,
    /// Keys that tokens are encrypted to.
    pub decryption_keys: DecryptionKeys,
    /// Slow signature checks that may still be made, and what costs as much.
    pub slow_checks: Bucket,
    /// What was counted and not yet written.
    pub counters: Counters,
    /// What is said about refused requests.
    pub refusals: RefusalLog,
    log: Vec<LogLine>,
    lease: Lease,
    jitter: Jitter,
    random: Box<dyn Random>,
    calls: LiteMap<CallId, Purpose>,
    last_call: u64,
}

impl<V: Verifier> State<V> {
    /// The state of a VM that is known to others by `owner`, a random number.
    pub fn new(verifier: V, owner: u64) -> Self {
        Self {
            verifier,
            keys: Keys::default(),
            tokens: Tokens::default(),
            secrets: Secrets::default(),
            verdicts: Verdicts::default(),
            waiting: Waiting::default(),
            decryption_keys: DecryptionKeys::default(),
            slow_checks: Bucket::new(SLOW_CHECKS, SLOW_CHECK_INTERVAL),
            counters: Counters::default(),
            refusals: RefusalLog::default(),
            log: Vec::new(),
            lease: Lease::new(owner),
            jitter: Jitter::new(owner),
            random: Box::new(NoRandom),
            calls: LiteMap::new(),
            last_call: 0,
        }
    }

    /// Takes randomness from `random`. Without it nothing is signed, and nothing decrypted with an RSA key.
    #[must_use]
    pub fn with_random(self, random: Box<dyn Random>) -> Self {
        Self { random, ..self }
    }

    /// Where randomness comes from.
    pub fn random(&mut self) -> &mut dyn Random {
        self.random.as_mut()
    }

    /// Begins to keep what a configuration needs: the keys of its issuers at once, its secrets when they are asked for.
    pub fn install(&mut self, configuration: &Configuration, now: Now) {
        for definition in configuration.issuers.iter().flat_map(|issuer| issuer.definitions()) {
            self.keys.install(definition, &self.verifier);
        }
        for secret in &configuration.secrets {
            self.secrets.install(secret);
        }
        self.decryption_keys.keep(configuration.decryption_keys());
        self.tokens.forgive(now);
        self.log.extend(configuration.notices.iter().cloned());
    }

    /// A backend has refused a token that was sent: it is replaced where `remedy` gives reason to hope. The call for
    /// the next one is due then.
    pub fn refused(
        &mut self,
        sent: &[Sent],
        remedy: &Remedy,
        eagerness: Eagerness,
        store: &mut impl SharedStore,
        now: Now,
    ) {
        let claims = match remedy {
            Remedy::AnotherToken => None,
            Remedy::Claims(claims) => Some(claims.as_str()),
            Remedy::None => return,
        };
        for sent in sent {
            if self.tokens.refused(sent, claims, eagerness, &self.lease, store, now) {
                self.counters.count(Counter::TokenRefused);
                let name = &sent.definition.identity;
                let text =
                    format!("identity {name:?}: a backend refused the token, another one is asked for");
                self.log.push(LogLine { level: LogLevel::Warn, text });
            }
        }
    }

    /// The calls that are due now, and the streams that may go on because another VM did the work.
    pub fn due(&mut self, store: &mut impl SharedStore, now: Now) -> (Vec<Call>, BTreeSet<StreamId>) {
        let mut calls = Vec::new();
        for (of, request) in self.keys.due(now) {
            self.counters.count(Counter::KeysRequested);
            calls.push(self.call(Purpose::Keys(of), request));
        }
        let mut streams = BTreeSet::new();
        // A secret may need a token, and that token another secret. What is left when the call for that one has
        // ended is due then.
        for _ in 0..2 {
            self.due_secrets(&mut calls, &mut streams, now);
            self.due_tokens(&mut calls, &mut streams, store, now);
        }
        (calls, streams)
    }

    fn due_secrets(&mut self, calls: &mut Vec<Call>, streams: &mut BTreeSet<StreamId>, now: Now) {
        let Self { secrets, tokens, .. } = self;
        let due = secrets.due(
            |definition| match tokens.get(definition, now) {
                tokens::Get::Token(token) => Ok(token.clone()),
                tokens::Get::Wait => Err(None),
                tokens::Get::Unavailable(wait) => Err(Some(wait)),
            },
            now,
        );
        for (of, request) in due.calls {
            self.counters.count(Counter::SecretRequested);
            calls.push(self.call(Purpose::Secret(of), request));
        }
        for (of, failure) in due.failed {
            self.note_secret(of, secrets::Progress::Failed(failure));
            streams.append(&mut self.waiting.take(Purpose::Secret(of)));
        }
    }

    fn due_tokens(
        &mut self,
        calls: &mut Vec<Call>,
        streams: &mut BTreeSet<StreamId>,
        store: &mut impl SharedStore,
        now: Now,
    ) {
        let Self { secrets, random, .. } = self;
        let mut inputs = OfState { secrets, random: random.as_mut() };
        let due = self.tokens.due(&self.lease, store, &mut inputs, now);
        for (of, request) in due.calls {
            self.counters.count(Counter::TokenRequested);
            if let Some(definition) = self.tokens.definition(of) {
                self.counters.count(Counter::SourceRequested(definition.source()));
            }
            calls.push(self.call(Purpose::Token(of), request));
        }
        streams.append(&mut self.token_changes(due.changed));
    }

    /// Another VM has woken this one: the streams that may go on.
    pub fn woken(&mut self, store: &mut impl SharedStore, now: Now) -> BTreeSet<StreamId> {
        let changed = self.tokens.look(&self.lease, store, now);
        self.token_changes(changed)
    }

    fn token_changes(&mut self, changed: Vec<(Fingerprint, tokens::Progress)>) -> BTreeSet<StreamId> {
        let mut streams = BTreeSet::new();
        for (of, progress) in changed {
            self.note_token(of, progress, &ErrorAnswer::default());
            streams.append(&mut self.waiting.take(Purpose::Token(of)));
        }
        streams
    }

    fn call(&mut self, purpose: Purpose, request: CallRequest) -> Call {
        self.last_call = self.last_call.wrapping_add(1);
        let id = CallId(self.last_call);
        self.calls.insert(id, purpose);
        Call { id, request }
    }

    /// A call has ended: the streams that may go on. An outcome of a call that is not known is ignored.
    pub fn ended(
        &mut self,
        id: CallId,
        outcome: &Outcome,
        store: &mut impl SharedStore,
        now: Now,
    ) -> BTreeSet<StreamId> {
        match outcome {
            Outcome::Answer(answer) => self.answered(id, Ok(answer), store, now),
            Outcome::NoAnswer => self.answered(id, Err(CallFailure::NoAnswer), store, now),
        }
    }

    /// A call could not be sent: the streams that may go on.
    pub fn not_sent(&mut self, id: CallId, store: &mut impl SharedStore, now: Now) -> BTreeSet<StreamId> {
        self.answered(id, Err(CallFailure::NotSent), store, now)
    }

    fn answered(
        &mut self,
        id: CallId,
        answer: Result<&Answer, CallFailure>,
        store: &mut impl SharedStore,
        now: Now,
    ) -> BTreeSet<StreamId> {
        let Some(purpose) = self.calls.remove(&id) else { return BTreeSet::new() };
        match purpose {
            Purpose::Keys(of) => {
                match self.keys.answered(of, answer, &self.verifier, now, &mut self.jitter) {
                    None | Some(keys::Progress::Discovered) => return BTreeSet::new(),
                    Some(progress) => self.note_keys(of, progress),
                }
            }
            Purpose::Token(of) => {
                let progress = self.tokens.answered(of, answer, &self.lease, store, now, &mut self.jitter);
                if let Some(tokens::Progress::Continues) = progress {
                    return BTreeSet::new();
                }
                if let Some(progress) = progress {
                    let said = answer.map(|answer| ErrorAnswer::read(&answer.body)).unwrap_or_default();
                    self.note_token(of, progress, &said);
                }
            }
            Purpose::Secret(of) => {
                if let Some(progress) = self.secrets.answered(of, answer, now, &mut self.jitter) {
                    self.note_secret(of, progress);
                }
            }
        }
        self.waiting.take(purpose)
    }

    /// The root that made these calls is gone, and their answers with it.
    pub fn lost(&mut self, calls: impl IntoIterator<Item = CallId>, store: &mut impl SharedStore, now: Now) {
        for id in calls {
            match self.calls.remove(&id) {
                Some(Purpose::Keys(of)) => self.keys.lost(of),
                Some(Purpose::Token(of)) => self.tokens.lost(of, &self.lease, store, now),
                Some(Purpose::Secret(of)) => self.secrets.lost(of),
                None => {}
            }
        }
    }

    /// Counts and logs a request that was refused, or would have been.
    pub fn note_refusal(&mut self, refused: &Refused<'_>) {
        self.counters.count(match refused.outcome {
            RefusalOutcome::Refused => Counter::Refused(refused.code),
            RefusalOutcome::OnlyReported => Counter::WouldRefuse(refused.code),
        });
        match self.refusals.line(refused) {
            Line::Written(line) => self.log.push(line),
            Line::Suppressed => self.counters.count(Counter::LogSuppressed),
            Line::Unwanted => {}
        }
    }

    /// The log lines that have come together.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.log)
    }

    fn note_keys(&mut self, of: Fingerprint, progress: keys::Progress) {
        let name = self.keys.name(of);
        let line = match progress {
            keys::Progress::Discovered => return,
            keys::Progress::Loaded { dropped } => {
                self.counters.count(Counter::KeysFetched);
                self.counters.add(Counter::KeysDropped, dropped);
                let text = format!("issuer {name:?}: keys loaded ({dropped} of the set cannot be used)");
                LogLine { level: LogLevel::Info, text }
            }
            keys::Progress::Failed(failure) => {
                self.counters.count(Counter::KeysFailed(failure.code()));
                let text = format!("issuer {name:?}: keys not loaded: {failure}");
                LogLine { level: LogLevel::Warn, text }
            }
        };
        self.log.push(line);
    }

    fn note_secret(&mut self, of: Fingerprint, progress: secrets::Progress) {
        let name = self.secrets.name(of);
        let (level, text) = match progress {
            secrets::Progress::Fetched { changed } => {
                self.counters.count(Counter::SecretFetched);
                if !changed {
                    return;
                }
                self.counters.count(Counter::SecretChanged);
                (LogLevel::Info, format!("secret {name:?}: a new value was read"))
            }
            secrets::Progress::Failed(failure) => {
                self.counters.count(Counter::SecretFailed(failure.code()));
                (LogLevel::Warn, format!("secret {name:?}: not read: {failure}"))
            }
        };
        self.log.push(LogLine { level, text });
    }

    fn note_token(&mut self, of: Fingerprint, progress: tokens::Progress, said: &ErrorAnswer) {
        let Some(definition) = self.tokens.definition(of).map(Rc::clone) else { return };
        let name = &definition.identity;
        let (counter, level, text) = match progress {
            tokens::Progress::Fetched { life } => {
                let text = format!("identity {name:?}: token fetched, it lives {} s", life.as_secs());
                self.counters.count(Counter::SourceFetched(definition.source()));
                (Counter::TokenFetched, LogLevel::Info, text)
            }
            tokens::Progress::Continues => return,
            tokens::Progress::Shared => {
                let text = format!("identity {name:?}: token taken over from another worker");
                (Counter::TokenShared, LogLevel::Debug, text)
            }
            tokens::Progress::Failed(failure) => {
                let level = if failure == CallFailure::Elsewhere { LogLevel::Debug } else { LogLevel::Warn };
                let text = format!("identity {name:?}: no token: {failure}{said}");
                if failure != CallFailure::Elsewhere {
                    self.counters.count(Counter::SourceFailed(definition.source()));
                }
                if let CallFailure::Status(400 | 401) = failure {
                    // The secret may be an old one.
                    self.tokens.secrets(of).into_iter().for_each(|secret| self.secrets.reread(secret));
                }
                (Counter::TokenFailed(failure.code()), level, text)
            }
        };
        self.counters.count(counter);
        self.log.push(LogLine { level, text });
    }
}

/// What a VM has for token requests.
struct OfState<'s> {
    secrets: &'s mut Secrets,
    random: &'s mut dyn Random,
}

impl Inputs for OfState<'_> {
    fn secret(&mut self, of: Fingerprint, now: Now) -> Result<SecretString, Option<Duration>> {
        match self.secrets.input(of, now) {
            secrets::Get::Value(value) => Ok(value.clone()),
            secrets::Get::Wait => Err(None),
            secrets::Get::Unavailable(wait) => Err(Some(wait)),
        }
    }
}

impl Random for OfState<'_> {
    fn seed(&mut self) -> Option<[u8; 32]> {
        self.random.seed()
    }

    fn sign(&mut self, arguments: &[u8]) -> Option<Vec<u8>> {
        self.random.sign(arguments)
    }
}

/// No randomness: nothing can be signed.
struct NoRandom;

impl Random for NoRandom {
    fn seed(&mut self) -> Option<[u8; 32]> {
        None
    }
}

/// The requests that wait, by what they wait for. Bounded by [`MAX_WAITING`] in all, and by half of it for each
/// thing that is waited for, and for keys together.
#[derive(Debug, Default)]
pub struct Waiting {
    streams: BTreeMap<StreamId, (Purpose, Monotonic)>,
    by_purpose: BTreeMap<Purpose, BTreeSet<StreamId>>,
    for_keys: usize,
}

impl Waiting {
    /// Lets a stream wait until `deadline`, if there is room. Whether there was.
    #[must_use]
    pub fn add(&mut self, stream: StreamId, purpose: Purpose, deadline: Monotonic) -> bool {
        self.remove(stream);
        let for_keys = matches!(purpose, Purpose::Keys(_));
        let for_the_same = self.by_purpose.get(&purpose).map_or(0, BTreeSet::len);
        let is_full = self.streams.len() >= MAX_WAITING
            || for_the_same >= MAX_WAITING_FOR_ONE
            || (for_keys && self.for_keys >= MAX_WAITING_FOR_ONE);
        if is_full {
            return false;
        }
        self.for_keys = self.for_keys.saturating_add(usize::from(for_keys));
        self.by_purpose.entry(purpose).or_default().insert(stream);
        self.streams.insert(stream, (purpose, deadline));
        true
    }

    /// A stream waits no longer: it is gone, or goes on.
    pub fn remove(&mut self, stream: StreamId) {
        let Some((purpose, _)) = self.streams.remove(&stream) else { return };
        self.for_keys = self.for_keys.saturating_sub(usize::from(matches!(purpose, Purpose::Keys(_))));
        if let Some(streams) = self.by_purpose.get_mut(&purpose) {
            streams.remove(&stream);
            if streams.is_empty() {
                self.by_purpose.remove(&purpose);
            }
        }
    }

    /// Takes out all that wait for `purpose`.
    fn take(&mut self, purpose: Purpose) -> BTreeSet<StreamId> {
        let streams = self.by_purpose.get(&purpose).cloned().unwrap_or_default();
        streams.iter().for_each(|stream| self.remove(*stream));
        streams
    }

    /// Takes out all whose deadline has passed.
    pub fn take_late(&mut self, now: Now) -> BTreeSet<StreamId> {
        let late = self.streams.iter().filter(|(_, (_, deadline))| *deadline <= now.monotonic);
        let late: BTreeSet<_> = one_by_one(late.map(|(stream, _)| *stream));
        late.iter().for_each(|stream| self.remove(*stream));
        late
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}
