//! One VM: its roots, its streams, and the state that outlives them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::abi::{self, BufferType, MapType};
use super::crypto::HostVerifier;
use super::headers;
use super::metrics::Metrics;
use super::root::Root;
use super::shared::{self, Store};
use super::stream::{self, Action, Stream};
use crate::calls::{Answer, CALL_TIMEOUT, Call, CallId, MAX_ANSWER_BYTES, Outcome};
use crate::config::{Configuration, OnFailure};
use crate::engine::{self, RequestHead, Step};
use crate::observe::LogLevel;
use crate::refusal::{Reason, Refusal};
use crate::state::{State, StreamId};
use crate::time::Now;
use crate::tokens::lease::Alone;

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
    state: State<HostVerifier>,
    store: Store,
    owner: u64,
    roots: BTreeMap<u32, Root>,
    streams: BTreeMap<u32, Stream>,
    /// Calls under way: the host's number, and the root to which the answer comes.
    calls: BTreeMap<u32, (u32, CallId)>,
    /// Streams that may go on, but not from the callback in which that was found out.
    to_wake: BTreeSet<StreamId>,
    metrics: Metrics,
}

impl Vm {
    fn new() -> Self {
        // Without randomness the clock has to do: two VMs that start in the same nanosecond would then share
        // leases, which costs a second token request, not more.
        let verifier = HostVerifier::probe();
        let names: Vec<_> = verifier.by_host().iter().map(|algorithm| algorithm.name()).collect();
        abi::log(
            LogLevel::Info,
            &format!("signatures checked by Envoy: {}; by the VM: the others", names.join(", ")),
        );
        let owner = abi::random().unwrap_or_else(|| abi::now().monotonic.nanoseconds());
        Self {
            state: State::new(verifier, owner),
            store: Store::Alone(Alone),
            owner,
            roots: BTreeMap::new(),
            streams: BTreeMap::new(),
            calls: BTreeMap::new(),
            to_wake: BTreeSet::new(),
            metrics: Metrics::default(),
        }
    }

    pub(super) fn create_root(&mut self, root: u32) {
        self.roots.insert(root, Root::default());
    }

    pub(super) fn create_stream(&mut self, stream: u32, root: u32) {
        let configuration = self.roots.get(&root).and_then(|root| root.configuration.clone());
        self.streams.insert(stream, Stream { root, configuration, pending: None });
    }

    /// Takes a configuration, or refuses it and says in the log what is wrong.
    pub(super) fn configure(&mut self, root: u32) -> bool {
        let json = abi::buffer(BufferType::PluginConfiguration, MAX_CONFIGURATION_BYTES).unwrap_or_default();
        match Configuration::parse(&json) {
            Ok(configuration) => {
                self.choose_store(configuration.shared_cache);
                self.state.install(&configuration);
                let root = self.roots.entry(root).or_default();
                root.configuration = Some(Rc::new(configuration));
                root.start_ticking();
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

    /// Shared data belongs to everybody with the same `vm_id`, and an empty one is everybody's: there VMs
    /// share only if the configuration says so.
    fn choose_store(&mut self, wanted: Option<bool>) {
        let named = abi::property("plugin_vm_id").is_ok_and(|id| !id.is_empty());
        if wanted.is_none() && !named {
            let text = "the plugin has no vm_id, so workers do not share tokens; set vm_config.vm_id, or \
                        shared_cache: on if no other plugin runs without one";
            abi::log(LogLevel::Warn, text);
        }
        self.store = if wanted.unwrap_or(named) { Store::Shared } else { Store::Alone(Alone) };
    }

    pub(super) fn tick(&mut self, root: u32) {
        let now = abi::now();
        let owner = self.owner;
        if let Some(root_context) = self.roots.get_mut(&root).filter(|root| root.queue.is_none()) {
            root_context.queue = shared::open_queue(owner, root);
        }
        let mut streams = std::mem::take(&mut self.to_wake);
        streams.append(&mut self.state.waiting.take_late(now));
        self.wake(root, streams, now);
        self.pump(root, now);
        let waiting = self.state.waiting.len();
        if let Some(root) = self.roots.get_mut(&root) {
            root.adjust_ticking(waiting > 0);
        }
        self.metrics.write(&mut self.state.counters, waiting);
        self.write_log();
    }

    pub(super) fn queue_ready(&mut self, root: u32, queue: u32) {
        let now = abi::now();
        // One look serves all messages that have come together.
        while abi::dequeue(queue).is_ok() {}
        let streams = self.state.woken(&mut self.store, now);
        self.wake(root, streams, now);
        self.pump(root, now);
        self.write_log();
    }

    pub(super) fn call_ended(&mut self, root: u32, token: u32, headers: u32, body_size: usize) {
        let Some((_, call)) = self.calls.remove(&token) else { return };
        let now = abi::now();
        let outcome = match headers {
            0 => Outcome::NoAnswer,
            _ => read_answer(body_size).map_or(Outcome::NoAnswer, Outcome::Answer),
        };
        let streams = self.state.ended(call, &outcome, &mut self.store, now);
        self.wake(root, streams, now);
        self.pump(root, now);
        self.write_log();
    }

    pub(super) fn request_headers(&mut self, id: u32) -> Action {
        let now = abi::now();
        let Some(stream) = self.streams.get(&id) else { return internal_fault() };
        let Some(configuration) = stream.configuration.clone() else { return internal_fault() };
        let root = stream.root;
        let Ok(bytes) = abi::header_pairs(MapType::RequestHeaders) else { return internal_fault() };
        let pairs = headers::parse(&bytes);
        let head = RequestHead::new(&pairs);
        let mut step = engine::start(&configuration, &mut self.state, StreamId(id), &head, now);
        if let Step::Wait(pending) = step {
            step = self.begin_to_wait(id, root, pending, now);
        }
        match step {
            Step::Forward(edits) if stream::apply(&edits) => Action::Continue,
            Step::Forward(_) => internal_fault(),
            Step::Refuse(refusal) => {
                stream::refuse(&refusal);
                Action::Pause
            }
            Step::Wait(pending) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.pending = Some(pending);
                }
                Action::Pause
            }
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
        match self.to_wake.remove(&StreamId(id)) {
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
        if let Some(root) = self.roots.remove(&context) {
            let (lost, kept) =
                std::mem::take(&mut self.calls).into_iter().partition(|(_, (of, _))| *of == context);
            self.calls = kept;
            let lost: BTreeMap<u32, (u32, CallId)> = lost;
            self.state.lost(lost.into_values().map(|(_, call)| call), &mut self.store, abi::now());
            if let Some(queue) = root.queue {
                shared::close_queue(queue);
            }
        }
    }

    /// Sends what is due, and wakes whom another VM has helped. Called with `root` in effect.
    fn pump(&mut self, root: u32, now: Now) {
        let (calls, streams) = self.state.due(&mut self.store, now);
        self.send(root, calls, now);
        self.wake(root, streams, now);
    }

    /// Sends calls from the context of a root that is alive: there the answers come to. Those that cannot be
    /// sent are failures; who waited for them is woken at the next tick.
    fn send(&mut self, root: u32, calls: Vec<Call>, now: Now) {
        let root =
            if self.roots.contains_key(&root) { Some(root) } else { self.roots.keys().next().copied() };
        for call in calls {
            let sent = root.filter(|root| abi::set_effective_context(*root).is_ok()).and_then(|root| {
                let token = send(&call)?;
                self.calls.insert(token, (root, call.id));
                Some(())
            });
            if sent.is_none() {
                let streams = self.state.not_sent(call.id, &mut self.store, now);
                self.to_wake.extend(streams);
            }
        }
    }

    /// Lets streams go on, and puts `root` back into effect.
    fn wake(&mut self, root: u32, streams: BTreeSet<StreamId>, now: Now) {
        for stream in &streams {
            self.wake_one(*stream, now);
        }
        if !streams.is_empty() && abi::set_effective_context(root).is_err() {
            abi::log(LogLevel::Error, "the root context is gone in the middle of its own callback");
        }
    }

    fn wake_one(&mut self, id: StreamId, now: Now) {
        let Some(pending) = self.streams.get_mut(&id.0).and_then(|stream| stream.pending.take()) else {
            return;
        };
        match engine::wake(*pending, &mut self.state, id, now) {
            Step::Wait(pending) => {
                if let Some(stream) = self.streams.get_mut(&id.0) {
                    stream.pending = Some(pending);
                }
            }
            // Where the context cannot be put into effect the client is gone: nothing may be done to it.
            _ if abi::set_effective_context(id.0).is_err() => {}
            Step::Forward(edits) if stream::apply(&edits) => {
                if let Err(status) = abi::continue_request() {
                    abi::log(LogLevel::Error, &format!("a request could not go on ({status:?})"));
                }
            }
            Step::Forward(_) => stream::refuse(&internal_refusal()),
            Step::Refuse(refusal) => stream::refuse(&refusal),
        }
    }

    fn write_log(&mut self) {
        for line in self.state.take_log() {
            abi::log(line.level, &line.text);
        }
    }
}

fn send(call: &Call) -> Option<u32> {
    let mut pairs = vec![
        (":method", call.method),
        (":scheme", call.url.scheme()),
        (":authority", call.url.authority.as_str()),
        (":path", call.url.path.as_str()),
    ];
    pairs.extend(call.headers.iter().map(|(name, value)| (*name, value.as_str())));
    abi::http_call(&call.cluster, &headers::serialize(&pairs), CALL_TIMEOUT).ok()
}

fn read_answer(body_size: usize) -> Option<Answer> {
    if body_size > MAX_ANSWER_BYTES {
        return None;
    }
    let bytes = abi::header_pairs(MapType::CallResponseHeaders).ok()?;
    let pairs = headers::parse(&bytes);
    let value = |name: &[u8]| {
        let (_, value) = pairs.iter().find(|(candidate, _)| *candidate == name)?;
        std::str::from_utf8(value).ok()
    };
    let status = value(b":status")?.parse().ok()?;
    let retry_after = value(b"retry-after").map(ToOwned::to_owned);
    let body = match body_size {
        0 => Vec::new(),
        _ => abi::buffer(BufferType::CallResponseBody, body_size).ok()?,
    };
    Some(Answer { status, retry_after, body })
}

/// A fault of ours: the request is answered with 500, never let pass.
fn internal_fault() -> Action {
    stream::refuse(&internal_refusal());
    Action::Pause
}

fn internal_refusal() -> Refusal {
    Refusal::new(Reason::Internal, &OnFailure::default())
}
