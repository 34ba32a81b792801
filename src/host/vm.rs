//! One VM: its roots, its streams, and the state that outlives them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use litemap::LiteMap;

use super::abi::{self, BufferType, MapType};
use super::crypto::{Envoy, EnvoyVerifier};
use super::headers;
use super::metrics::Metrics;
use super::root::Root;
use super::shared::{self, Store};
use super::stream::{self, Action, Stream};
use crate::calls::{Answer, CALL_TIMEOUT, Call, CallId, CallRequest, MAX_ANSWER_BYTES, Outcome};
use crate::config::{Configuration, Position};
use crate::engine::{self, RequestHead, Step};
use crate::environment::Environment;
use crate::jwt::Random;
use crate::observe::{Gauge, LogLevel};
use crate::refusal::Refusal;
use crate::state::{State, StreamId};
use crate::time::Now;
use crate::tokens::lease::Alone;

/// Streams that go on, or are answered, from one callback. Envoy carries these out one inside the other, each
/// with a call into the VM when its stream ends, and a few hundred of them overflow the VM's stack.
const WAKE_AT_ONCE: usize = 32;

/// The largest configuration that is read.
const MAX_CONFIGURATION_BYTES: usize = 4 * 1024 * 1024;

thread_local! {
    static VM: RefCell<Option<Vm>> = const { RefCell::new(None) };
}

/// Runs `work` on the VM. `None` only if the host entered it while it was in a call of ours, which Envoy
/// does not do.
pub(super) fn with_vm<T>(work: impl FnOnce(&mut Vm) -> T) -> Option<T> {
    VM.with(|vm| match vm.try_borrow_mut() {
        Ok(mut vm) => Some(work(vm.get_or_insert_with(Vm::new))),
        Err(_) => {
            abi::log(LogLevel::Error, "a callback came in the middle of another one");
            None
        }
    })
}

pub(super) struct Vm {
    pub(super) state: State<EnvoyVerifier>,
    pub(super) store: Store,
    owner: u64,
    roots: LiteMap<u32, Root>,
    pub(super) streams: BTreeMap<u32, Stream>,
    /// Calls under way: the host's number, and the root to which the answer comes.
    calls: LiteMap<u32, (u32, CallId)>,
    /// Streams that may go on, but not from the callback in which that was found out.
    to_wake: BTreeSet<StreamId>,
    metrics: Metrics,
}

impl Vm {
    fn new() -> Self {
        let verifier = EnvoyVerifier::probe(Envoy);
        let names: Vec<_> = verifier.by_host().iter().map(|algorithm| algorithm.name()).collect();
        abi::log(
            LogLevel::Info,
            &format!("signatures checked by Envoy: {}; by the VM: the others", names.join(", ")),
        );
        // Without randomness the clock has to do: two VMs that start in the same nanosecond would then share
        // leases, which costs a second token request, not more.
        let owner =
            abi::random().map(u64::from_le_bytes).unwrap_or_else(|| abi::now().monotonic.nanoseconds());
        Self {
            state: State::new(verifier, owner).with_random(Box::new(HostRandom)),
            store: Store::Alone(Alone),
            owner,
            roots: LiteMap::new(),
            streams: BTreeMap::new(),
            calls: LiteMap::new(),
            to_wake: BTreeSet::new(),
            metrics: Metrics::default(),
        }
    }

    pub(super) fn create_root(&mut self, root: u32) {
        self.roots.insert(root, Root::default());
    }

    pub(super) fn create_stream(&mut self, stream: u32, root: u32) {
        let configuration = self.roots.get(&root).and_then(|root| root.configuration.clone());
        self.streams.insert(stream, Stream::new(root, configuration));
    }

    /// Takes a configuration, or refuses it and says in the log what is wrong.
    pub(super) fn configure(&mut self, root: u32) -> bool {
        let json = abi::buffer(BufferType::PluginConfiguration, MAX_CONFIGURATION_BYTES).unwrap_or_default();
        match Configuration::parse(&json, &environment()) {
            Ok(mut configuration) => {
                if configuration.position == Position::Upstream {
                    stand_upstream(&mut configuration);
                }
                self.state.install(&configuration, abi::now());
                let root = self.roots.entry(root).or_default();
                root.configuration = Some(Rc::new(configuration));
                root.start_ticking();
                self.choose_store();
                true
            }
            Err(faults) => {
                for fault in &faults {
                    abi::log(LogLevel::Error, &format!("configuration refused: {fault}"));
                }
                false
            }
        }
    }

    /// Shared data belongs to everybody with the same `vm_id`, and an empty one is everybody's: there VMs share
    /// only if the configuration says so. What one plugin keeps to itself no other of this VM gives away.
    fn choose_store(&mut self) {
        let wanted = self.roots.values().filter_map(|root| root.configuration.as_ref()?.shared_cache).min();
        let is_named = abi::property("plugin_vm_id").is_ok_and(|id| !id.is_empty());
        if wanted.is_none() && !is_named {
            let text = "the plugin has no vm_id, so workers do not share tokens; set vm_config.vm_id, or shared_cache: \
                        on if no other plugin runs without one";
            abi::log(LogLevel::Warn, text);
        }
        self.store = if wanted.unwrap_or(is_named) { Store::Shared } else { Store::Alone(Alone) };
    }

    pub(super) fn tick(&mut self, root: u32) {
        let now = abi::now();
        let owner = self.owner;
        if let Some(root_context) = self.roots.get_mut(&root).filter(|root| root.queue.is_none()) {
            root_context.queue = self.store.open_queue(owner, root);
        }
        let late = self.state.waiting.take_late(now);
        self.go_on(root, late, now);
        let waiting = self.state.waiting.len();
        let busy = waiting > 0 || !self.to_wake.is_empty();
        if let Some(root) = self.roots.get_mut(&root) {
            root.adjust_ticking(busy);
        }
        self.state.refusals.renew(abi::is_logged(LogLevel::Info), now.monotonic);
        self.write_metrics(now);
    }

    fn write_metrics(&mut self, now: Now) {
        self.metrics.count(&mut self.state.counters);
        let as_value = |count| u64::try_from(count).unwrap_or(u64::MAX);
        self.metrics.set(Gauge::Waiting, as_value(self.state.waiting.len()));
        self.metrics.set(Gauge::Remembered, as_value(self.state.verdicts.len()));
        self.metrics.set(Gauge::Memory, as_value(abi::memory_bytes()));
        self.metrics.set(Gauge::Leases, as_value(self.state.tokens.fetching()));
        let health = self.state.tokens.health(now);
        self.metrics.reset_unused(|identity| health.contains_key(identity));
        for (identity, health) in health {
            self.metrics.set(Gauge::SecondsLeft(identity.to_owned()), health.left.as_secs());
            self.metrics.set(Gauge::FailingSeconds(identity.to_owned()), health.failing.as_secs());
        }
        for (issuer, age) in self.state.keys.ages(now) {
            self.metrics.set(Gauge::KeysAge(issuer.to_owned()), age.as_secs());
        }
    }

    pub(super) fn queue_ready(&mut self, root: u32, queue: u32) {
        let now = abi::now();
        // One look serves all messages that have come together.
        while abi::dequeue(queue).is_ok() {}
        let streams = self.state.woken(&mut self.store, now);
        self.go_on(root, streams, now);
    }

    pub(super) fn call_ended(&mut self, root: u32, token: u32, headers: u32, body_size: usize) {
        let Some((_, call)) = self.calls.remove(&token) else { return };
        let now = abi::now();
        let outcome = match headers {
            0 => Outcome::NoAnswer,
            _ => read_answer(body_size).map_or(Outcome::NoAnswer, Outcome::Answer),
        };
        let streams = self.state.ended(call, &outcome, &mut self.store, now);
        self.go_on(root, streams, now);
    }

    pub(super) fn request_headers(&mut self, id: u32) -> Action {
        let step = self.decide(id).unwrap_or_else(|| Step::Refuse(Refusal::internal()));
        self.write_log();
        match self.streams.get_mut(&id) {
            Some(stream) => stream.settle(step, &mut self.state),
            None => stream::fault(),
        }
    }

    /// What happens to a request. `None` is a fault of ours.
    fn decide(&mut self, id: u32) -> Option<Step> {
        let now = abi::now();
        let stream = self.streams.get(&id)?;
        let (root, configuration) = (stream.root, stream.configuration.clone()?);
        let bytes = abi::header_pairs(MapType::Request).ok()?;
        let pairs = headers::parse(&bytes);
        let last_attempt = match configuration.position {
            Position::Listener => None,
            Position::Upstream => abi::property(&configuration.attempts).ok(),
        };
        let head = RequestHead::new(&pairs).after(last_attempt.as_deref());
        match engine::start(&configuration, &mut self.state, StreamId(id), &head, now) {
            Step::Wait(pending) => Some(self.begin_to_wait(id, root, pending, now)),
            step => Some(step),
        }
    }

    /// The body or the trailers of a request: they stay here as long as its headers do.
    pub(super) fn more_of_request(&self, id: u32) -> Action {
        match self.streams.get(&id) {
            Some(stream) if stream.admitted => Action::Continue,
            _ => Action::Pause,
        }
    }

    /// Sends the calls that a request waits for. Another VM may have done the work already; then it goes on.
    fn begin_to_wait(&mut self, id: u32, root: u32, pending: Box<engine::Pending>, now: Now) -> Step {
        let (calls, streams) = self.state.due(&mut self.store, now);
        self.to_wake.extend(streams);
        self.send(root, calls, now);
        if abi::set_effective_context(id).is_err() {
            return Step::Wait(pending);
        }
        if let Some(root) = self.roots.get_mut(&root) {
            root.adjust_ticking(true);
        }
        self.write_log();
        let is_ready = self.to_wake.remove(&StreamId(id));
        self.call_again(root);
        match is_ready {
            true => engine::wake(*pending, &mut self.state, StreamId(id), now),
            false => Step::Wait(pending),
        }
    }

    pub(super) fn delete(&mut self, context: u32) {
        if self.streams.remove(&context).is_some() {
            self.state.waiting.remove(StreamId(context));
            self.to_wake.remove(&StreamId(context));
            return;
        }
        if let Some(mut root) = self.roots.remove(&context) {
            let its = self.calls.values().filter(|(of, _)| *of == context).map(|(_, call)| *call);
            let lost: Vec<_> = its.collect();
            self.calls.retain(|_, (of, _)| *of != context);
            self.state.lost(lost, &mut self.store, abi::now());
            root.stop_ticking();
            if let Some(queue) = root.queue {
                shared::close_queue(queue);
            }
            if !self.roots.is_empty() {
                self.choose_store();
            }
        }
    }

    /// The end of every callback of a root: sends what is due and lets streams go on, some of them now.
    fn go_on(&mut self, root: u32, streams: BTreeSet<StreamId>, now: Now) {
        self.to_wake.extend(streams);
        let (calls, streams) = self.state.due(&mut self.store, now);
        self.to_wake.extend(streams);
        self.send(root, calls, now);
        for _ in 0..WAKE_AT_ONCE {
            let Some(stream) = self.to_wake.pop_first() else { break };
            self.wake_one(stream, now);
        }
        if abi::set_effective_context(root).is_err() {
            abi::log(LogLevel::Error, "the root context is gone in the middle of its own callback");
        }
        self.call_again(root);
        self.write_log();
    }

    /// Asks for another callback of `root` if streams are left that may go on.
    fn call_again(&mut self, root: u32) {
        if self.to_wake.is_empty() {
            return;
        }
        if let Some(root) = self.roots.get_mut(&root)
            && !root.queue.is_some_and(shared::ring)
        {
            root.start_ticking();
        }
    }

    /// Sends calls from the context of a root that is alive: there the answers come to. Those that cannot be
    /// sent are failures; who waited for them is woken at the next tick.
    fn send(&mut self, root: u32, calls: Vec<Call>, now: Now) {
        let root =
            if self.roots.contains_key(&root) { Some(root) } else { self.roots.keys().next().copied() };
        for call in calls {
            let sent = root.filter(|root| abi::set_effective_context(*root).is_ok()).and_then(|root| {
                let token = send(&call.request)?;
                self.calls.insert(token, (root, call.id));
                Some(())
            });
            if sent.is_none() {
                let streams = self.state.not_sent(call.id, &mut self.store, now);
                self.to_wake.extend(streams);
            }
        }
    }

    fn wake_one(&mut self, id: StreamId, now: Now) {
        let Some(stream) = self.streams.get_mut(&id.0) else { return };
        let Some(pending) = stream.pending.take() else { return };
        let step = engine::wake(*pending, &mut self.state, id, now);
        // It has lost what it must lose, and its context is not in effect.
        if let Step::Wait(pending) = step {
            stream.pending = Some(pending);
            return;
        }
        // Where the context cannot be put into effect the client is gone: nothing may be done to it.
        if abi::set_effective_context(id.0).is_err() {
            return;
        }
        if stream.settle(step, &mut self.state) == Action::Continue
            && let Err(status) = abi::continue_request()
        {
            abi::log(LogLevel::Error, &format!("a request could not go on ({status:?})"));
        }
    }

    pub(super) fn write_log(&mut self) {
        for line in self.state.take_log() {
            abi::log(line.level, &line.text);
        }
    }
}

/// The variables that `vm_config.environment_variables` names; one that is not UTF-8 counts as not set.
fn environment() -> Environment {
    let variables = std::env::vars_os();
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Several plugins may stand in one cluster: each has a note of its own for the next attempt.
fn stand_upstream(configuration: &mut Configuration) {
    let name = abi::property("plugin_name").unwrap_or_default();
    configuration.attempts = format!("gatepass.attempt.{}", String::from_utf8_lossy(&name)).into();
    if !cfg!(feature = "response_headers") {
        let text = "an upstream filter, but not the build that looks at answers: a token that a backend refuses is not \
                    replaced before the retry; load gatepass-response-headers.wasm";
        abi::log(LogLevel::Warn, text);
    }
}

/// The host's part in signatures.
struct HostRandom;

impl Random for HostRandom {
    fn seed(&mut self) -> Option<[u8; 32]> {
        abi::random()
    }

    fn sign(&mut self, arguments: &[u8]) -> Option<Vec<u8>> {
        abi::call_foreign_function("sign", arguments).ok()
    }
}

fn send(call: &CallRequest) -> Option<u32> {
    let mut pairs = vec![
        (":method", call.method),
        (":scheme", call.url.scheme()),
        (":authority", call.url.authority.as_str()),
        (":path", call.url.path.as_str()),
    ];
    pairs.extend(call.headers.iter().map(|(name, value)| (*name, value.expose())));
    let body = call.body.expose().as_bytes();
    abi::http_call(&call.cluster, &headers::serialize(&pairs), body, CALL_TIMEOUT).ok()
}

fn read_answer(body_size: usize) -> Option<Answer> {
    if body_size > MAX_ANSWER_BYTES {
        return None;
    }
    let bytes = abi::header_pairs(MapType::CallResponse).ok()?;
    let pairs = headers::parse(&bytes);
    let value = |name: &[u8]| {
        let (_, value) = pairs.iter().find(|(candidate, _)| *candidate == name)?;
        std::str::from_utf8(value).ok()
    };
    let status = value(b":status")?.parse().ok()?;
    let retry_after = value(b"retry-after").map(ToOwned::to_owned);
    let challenge = value(b"www-authenticate").map(ToOwned::to_owned);
    let body = match body_size {
        0 => Vec::new(),
        _ => abi::buffer(BufferType::CallResponseBody, body_size).ok()?,
    };
    Some(Answer { status, retry_after, challenge, body })
}
