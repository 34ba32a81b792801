//! The corpus against the core, without Envoy.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use gatepass::calls::{Answer, Call, MAX_ANSWER_BYTES, Outcome};
use gatepass::config::Configuration;
use gatepass::engine::{self, Edit, Edits, RequestHead, Step};
use gatepass::environment::Environment;
use gatepass::jwt::{Random, Software};
use gatepass::state::{State, StreamId};
use gatepass::time::{Monotonic, Now, UnixTime};
use gatepass::tokens::lease::Alone;

use crate::Corpus;
use crate::world::{Published, Request};

/// A gateway and its issuers, all of them in memory.
pub struct Gateway {
    configuration: Rc<Configuration>,
    state: State<Software>,
    now: Now,
    documents: BTreeMap<String, Published>,
    /// The paths that the gateway has asked for.
    pub asked: Vec<String>,
    /// What the backend got of the last request that was let pass: see [`crate::case::Backend`].
    pub forwarded: String,
    last_stream: u32,
}

struct ThreadRandom;

impl Random for ThreadRandom {
    fn seed(&mut self) -> Option<[u8; 32]> {
        Some(rand::random())
    }
}

impl Gateway {
    /// The gateway of a corpus.
    pub fn new(corpus: &Corpus) -> Self {
        let configuration = corpus.configuration().to_string();
        let configuration = Configuration::parse(configuration.as_bytes(), &Environment::default())
            .unwrap_or_else(|faults| panic!("{faults:#?}"));
        let configuration = Rc::new(configuration);
        let mut state = State::new(Software, 1).with_random(Box::new(ThreadRandom));
        state.install(&configuration, Now::default());
        let now = Now {
            monotonic: Monotonic::from_nanoseconds(1_000_000_000_000),
            wall: UnixTime::from_seconds(1_800_000_000),
        };
        let documents = corpus.documents(now.wall.seconds());
        Self {
            configuration,
            state,
            now,
            documents,
            asked: Vec::new(),
            forwarded: String::new(),
            last_stream: 0,
        }
    }

    /// The wall clock, in seconds.
    pub const fn now(&self) -> u64 {
        self.now.wall.seconds()
    }

    /// Lets time go by.
    pub fn advance(&mut self, time: Duration) {
        self.now.monotonic = self.now.monotonic.after(time);
        self.now.wall = UnixTime::from_seconds(self.now.wall.seconds() + time.as_secs());
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.state.waiting.len()
    }

    /// A request from beginning to end: its status, and the reason where it was refused.
    pub fn send(&mut self, request: &Request) -> String {
        let mut headers: Vec<(&[u8], &[u8])> = vec![
            (b":method", request.method.as_bytes()),
            (b":authority", request.host.as_bytes()),
            (b":path", &request.path),
        ];
        headers.extend(request.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())));
        let stream = self.stream();
        let head = RequestHead::new(&headers);
        let mut step = engine::start(&self.configuration, &mut self.state, stream, &head, self.now);
        while let Step::Wait(pending) = step {
            let mut awake = self.pump();
            while !awake.contains(&stream) {
                self.now.monotonic = self.now.monotonic.after(Duration::from_millis(100));
                awake.extend(self.state.waiting.take_late(self.now));
                awake.extend(self.pump());
            }
            step = engine::wake(*pending, &mut self.state, stream, self.now);
        }
        match step {
            Step::Forward(edits) | Step::ForwardTo(edits, _) => {
                self.forwarded = edited(request, &edits);
                "200".to_owned()
            }
            Step::Refuse(refusal) => format!("{} {}", refusal.status.as_u16(), refusal.reason.code()),
            Step::Wait(_) => "waits".to_owned(),
        }
    }

    fn stream(&mut self) -> StreamId {
        self.last_stream += 1;
        StreamId(self.last_stream)
    }

    /// Sends what is due and answers it, until nothing is due: who may go on.
    fn pump(&mut self) -> BTreeSet<StreamId> {
        let mut awake = BTreeSet::new();
        loop {
            let (calls, streams) = self.state.due(&mut Alone, self.now);
            awake.extend(streams);
            if calls.is_empty() {
                return awake;
            }
            for call in calls {
                let outcome = self.answer(&call);
                awake.extend(self.state.ended(call.id, &outcome, &mut Alone, self.now));
            }
        }
    }

    fn answer(&mut self, call: &Call) -> Outcome {
        let path = &call.request.url.path;
        self.asked.push(path.clone());
        match self.documents.get(path) {
            // The host does not hand in more.
            Some(document) if document.body.len() > MAX_ANSWER_BYTES => Outcome::NoAnswer,
            Some(document) => {
                let Published { status, body, .. } = document.clone();
                Outcome::Answer(Answer { status, retry_after: None, challenge: None, body })
            }
            None => {
                Outcome::Answer(Answer { status: 404, retry_after: None, challenge: None, body: Vec::new() })
            }
        }
    }
}

/// A request with the changes that the gateway makes, as text.
fn edited(request: &Request, edits: &Edits) -> String {
    let mut path = request.path.clone();
    let mut headers = request.headers.clone();
    for edit in edits.iter() {
        match edit {
            Edit::SetHeader(":path", value) => path = value.to_vec(),
            Edit::SetHeader(name, value) => {
                headers.retain(|(known, _)| known != name);
                headers.push((name.to_owned(), value.to_vec()));
            }
            Edit::RemoveHeader(name) => headers.retain(|(known, _)| known != name),
            Edit::SetFilterState(..) => {}
        }
    }
    let lines = headers.iter().map(|(name, value)| format!("\n{name}: {}", String::from_utf8_lossy(value)));
    String::from_utf8_lossy(&path).into_owned() + &lines.collect::<String>()
}
