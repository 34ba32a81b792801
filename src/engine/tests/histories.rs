//! Random histories of one Envoy: several VMs, every source of tokens and secrets, endpoints that fail, secrets that
//! rotate, reloads, VMs that die, a wall clock that steps, somebody else who writes into shared data. Whatever happens:
//! no expired token and no secret that is too old is sent, one token request is under way for each token, every
//! request is answered in time, nobody is flooded, and there is always a way on.

mod servers;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::jwt::Random;
use crate::tokens::testing::{Dice, Memory};
use servers::{Clock, Servers};

const EVERY_SOURCE: &str = r#"{
    "wait": "10s",
    "secrets": {
        "key": {"file": {"cluster": "files", "path": "/key", "refresh": "30s"}},
        "ec": {"file": {"cluster": "files", "path": "/ec", "refresh": "30s"}},
        "vault": {"key_vault": {"vault": "https://contoso.vault.azure.net", "name": "k", "identity": "imds", "cluster": "vault"}}},
    "identities": {
        "imds": {"managed_identity": {"source": "imds", "cluster": "imds"}},
        "app": {"managed_identity": {"source": "app_service", "cluster": "platform"}},
        "arc": {"managed_identity": {"source": "arc", "cluster": "himds", "challenge_files": {"cluster": "challenges"}}},
        "pod": {"workload_identity": {"cluster": "login", "token": {"cluster": "files", "path": "/token", "refresh": "30s"}}},
        "chain": {"chain": ["pod", "imds"]},
        "secret": {"client_credentials": {"entra": {"tenant": "contoso.example", "cluster": "login"},
            "client_id": "a", "client_secret": {"ref": "key"}}},
        "vaulted": {"client_credentials": {"token_url": "https://idp.example/token", "cluster": "idp",
            "client_id": "b", "client_secret": {"ref": "vault"}}},
        "signed": {"client_credentials": {"token_url": "https://idp.example/token", "cluster": "signer",
            "client_id": "c", "private_key_jwt": {"private_key": {"ref": "ec"}, "algorithm": "ES256"}}},
        "static": {"static": {"token": {"ref": "key"}}}},
    "operations": [OPERATIONS]}"#;
/// The identities, and how their tokens begin.
const IDENTITIES: [(&str, &str); 9] = [
    ("imds", "imds-"),
    ("app", "platform-"),
    ("arc", "himds-"),
    ("pod", "login-"),
    ("chain", "login-"),
    ("secret", "login-"),
    ("vaulted", "idp-"),
    ("signed", "signer-"),
    ("static", "key-"),
];
/// Secrets that are attached themselves, and what they are called where they come from.
const SECRETS: [(&str, &str); 2] = [("key", "/key"), ("vault", "/secrets/k")];

fn configuration() -> Rc<Configuration> {
    let anonymous = |name: &str, attach: Value| {
        json!({"match": {"path": {"exact": format!("/{name}")}}, "anonymous": true, "attach": [attach]})
            .to_string()
    };
    let tokens =
        IDENTITIES.map(|(name, _)| anonymous(name, json!({"identity": name, "resource": "api://a"})));
    let secrets = SECRETS
        .map(|(name, _)| anonymous(&format!("secret-{name}"), json!({"secret": name, "header": "x-secret"})));
    let text = EVERY_SOURCE.replace("OPERATIONS", &[tokens.join(","), secrets.join(",")].join(","));
    let environment = [
        ("IDENTITY_ENDPOINT", "http://localhost:42356/msi/token"),
        ("IDENTITY_HEADER", "header"),
        ("AZURE_CLIENT_ID", "d"),
        ("AZURE_TENANT_ID", "contoso.example"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/token"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Rc::new(Configuration::parse(text.as_bytes(), &environment.into_iter().collect()).unwrap())
}

struct Seed(u8);

impl Random for Seed {
    fn seed(&mut self) -> Option<[u8; 32]> {
        self.0 = self.0.wrapping_add(1);
        Some([self.0; 32])
    }
}

/// What a VM has last read of a secret.
#[derive(Clone)]
struct Read {
    value: String,
    at: u64,
    denied: Option<u64>,
}

struct Vm {
    state: State<Software>,
    configuration: Rc<Configuration>,
    /// Requests that wait, what for, and until when they may.
    waiting: BTreeMap<StreamId, (Box<Pending>, String, u64)>,
    reads: BTreeMap<&'static str, Read>,
}

impl Vm {
    fn new(dice: &mut Dice, now: Now) -> Self {
        let (state, configuration) = (State::new(Software, dice.roll(1 << 30)), configuration());
        let mut state = state.with_random(Box::new(Seed(0)));
        state.install(&configuration, now);
        Self { state, configuration, waiting: BTreeMap::new(), reads: BTreeMap::new() }
    }
}

/// A call under way.
struct Flight {
    vm: usize,
    call: Call,
    until: u64,
}

struct Histories {
    vms: Vec<Vm>,
    store: Memory,
    servers: Servers,
    flights: Vec<Flight>,
    clock: Clock,
    dice: Dice,
    last_stream: u32,
    /// When each thing was asked for, and when something happened that may be a reason to ask again.
    asked: BTreeMap<String, Vec<u64>>,
    events: Vec<u64>,
    /// When somebody else last wrote into shared data.
    tampered: u64,
    /// Values that a file or the vault has had.
    served: usize,
}

impl Histories {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let clock = Clock { milliseconds: 100_000_000, stepped: 0 };
        let vms = (0..1 + dice.roll(4)).map(|_| Vm::new(&mut dice, clock.now())).collect();
        Self {
            vms,
            store: Memory::default(),
            servers: Servers::new(),
            flights: Vec::new(),
            clock,
            dice,
            last_stream: 0,
            asked: BTreeMap::new(),
            events: Vec::new(),
            tampered: 0,
            served: 0,
        }
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    /// A request; whether it was answered with what it asked for.
    fn request(&mut self, vm: usize, path: &str) -> bool {
        self.last_stream += 1;
        let (stream, now) = (StreamId(self.last_stream), self.now());
        let served = self.served;
        let target = format!("/{path}");
        let head: [(&[u8], &[u8]); 2] = [(b":method", b"GET"), (b":path", target.as_bytes())];
        let one = &mut self.vms[vm];
        match start(&one.configuration, &mut one.state, stream, &RequestHead::new(&head), now) {
            Step::Wait(pending) => {
                one.waiting.insert(stream, (pending, path.to_owned(), self.clock.milliseconds + 10_000));
                self.due(vm);
            }
            step => self.settle(vm, path, &step),
        }
        self.served > served
    }

    /// Sends what is due.
    fn due(&mut self, vm: usize) {
        let now = self.now();
        let (calls, streams) = self.vms[vm].state.due(&mut self.store, now);
        for call in calls {
            self.note_call(vm, &call);
            if !self.servers.good && self.dice.roll(20) == 0 {
                let streams = self.vms[vm].state.not_sent(call.id, &mut self.store, now);
                self.wake(vm, &streams);
                continue;
            }
            self.flights.push(Flight { vm, call, until: self.clock.milliseconds + 5_000 });
        }
        self.wake(vm, &streams);
        self.assert_one_call_at_a_time();
    }

    fn note_call(&mut self, vm: usize, call: &Call) {
        let asked = self.asked.entry(thing(vm, call)).or_default();
        asked.push(self.clock.milliseconds);
        let minute_ago = self.clock.milliseconds - 60_000;
        asked.retain(|at| *at > minute_ago);
        self.events.retain(|at| *at > minute_ago);
        let limit = 30 + 10 * self.events.len();
        assert!(asked.len() <= limit, "{}: {} calls in a minute", thing(vm, call), asked.len());
    }

    fn assert_one_call_at_a_time(&self) {
        // Who overwrites a lease can have another token fetched meanwhile; Arc's takes three calls.
        if self.clock.milliseconds < self.tampered + 16_000 {
            return;
        }
        let now = self.clock.milliseconds;
        let in_time = self.flights.iter().filter(|flight| now < flight.until);
        let mut under_way: Vec<_> = in_time.map(|flight| thing(flight.vm, &flight.call)).collect();
        under_way.sort();
        assert!(under_way.windows(2).all(|pair| pair[0] != pair[1]), "two calls at a time: {under_way:?}");
    }

    fn wake(&mut self, vm: usize, streams: &std::collections::BTreeSet<StreamId>) {
        for stream in streams {
            let now = self.now();
            let one = &mut self.vms[vm];
            let Some((pending, path, until)) = one.waiting.remove(stream) else { continue };
            match wake(*pending, &mut one.state, *stream, now) {
                Step::Wait(pending) => drop(one.waiting.insert(*stream, (pending, path, until))),
                step => self.settle(vm, &path, &step),
            }
        }
    }

    /// What a request must not be answered with.
    fn settle(&mut self, vm: usize, path: &str, step: &Step) {
        let told = told(step);
        if let Some(token) = told.strip_prefix("forwarded authorization=Bearer ") {
            let (_, prefix) = IDENTITIES.iter().find(|(name, _)| *name == path).unwrap();
            assert!(token.starts_with(prefix), "{path} got the token of another: {token}");
            let is_static = path == "static";
            assert!(
                is_static || self.clock.milliseconds < self.servers.ends[token],
                "an expired token: {token}"
            );
            self.served += 1;
        } else if let Some(value) = told.strip_prefix("forwarded x-secret=") {
            let reads = &self.vms[vm].reads;
            let read = reads.values().find(|read| read.value == value).expect("a value that was replaced");
            let age = |since: u64| self.clock.milliseconds - since;
            assert!(age(read.at) < 24 * 3_600_000, "a value of yesterday");
            assert!(read.denied.is_none_or(|at| age(at) < 900_000), "a value that the vault denies");
            self.served += 1;
        } else {
            assert!(matches!(told.as_str(), "503 token_unavailable" | "503 secret_unavailable"), "{told}");
        }
    }

    fn tick(&mut self, vm: usize) {
        let now = self.now();
        let late = self.vms[vm].state.waiting.take_late(now);
        self.wake(vm, &late);
        self.due(vm);
        let mut limits = self.vms[vm].waiting.values().map(|(_, _, until)| *until);
        assert!(limits.all(|until| self.clock.milliseconds < until), "a request waits for too long");
    }

    fn woken(&mut self, vm: usize) {
        let now = self.now();
        let streams = self.vms[vm].state.woken(&mut self.store, now);
        self.wake(vm, &streams);
    }

    /// One of the calls under way is answered.
    fn answer(&mut self) {
        if self.flights.is_empty() {
            return;
        }
        let index = self.dice.roll(self.flights.len() as u64) as usize;
        let flight = self.flights.swap_remove(index);
        let outcome = self.servers.answer(&flight.call.request, self.clock, &mut self.dice);
        self.ended(&flight, &outcome);
    }

    fn ended(&mut self, flight: &Flight, outcome: &Outcome) {
        self.note_read(flight, outcome);
        let now = self.now();
        let streams = self.vms[flight.vm].state.ended(flight.call.id, outcome, &mut self.store, now);
        self.wake(flight.vm, &streams);
        self.due(flight.vm);
    }

    fn note_read(&mut self, flight: &Flight, outcome: &Outcome) {
        let path = flight.call.request.url.path.as_str();
        let Some((_, name)) = SECRETS.iter().find(|(_, name)| path.starts_with(name)) else { return };
        let Outcome::Answer(answer) = outcome else { return };
        let (at, reads) = (self.clock.milliseconds, &mut self.vms[flight.vm].reads);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let value = match flight.call.request.cluster.as_str() {
            "files" => Some(text).filter(|text| !text.is_empty()),
            _ => serde_json::from_str(&text)
                .ok()
                .and_then(|json: Value| Some(json["value"].as_str()?.to_owned())),
        };
        match (answer.status, value) {
            (200, Some(value)) => drop(reads.insert(*name, Read { value, at, denied: None })),
            (401 | 403 | 404, _) if flight.call.request.cluster == "vault" => {
                if let Some(read) = reads.get_mut(name) {
                    read.denied.get_or_insert(at);
                }
            }
            _ => {}
        }
    }

    fn advance(&mut self, milliseconds: u64) {
        let end = self.clock.milliseconds + milliseconds;
        while self.clock.milliseconds < end {
            // Where nothing waits, a root ticks once a second; over hours it is enough to look now and then.
            let step = if milliseconds > 60_000 { milliseconds / 20 } else { 250 };
            self.clock.milliseconds += step;
            let now = self.clock.milliseconds;
            while let Some(index) = self.flights.iter().position(|flight| flight.until <= now) {
                let flight = self.flights.swap_remove(index);
                let timeout =
                    Answer { status: 504, retry_after: None, challenge: None, body: b"timeout".to_vec() };
                self.ended(&flight, &Outcome::Answer(timeout));
            }
            (0..self.vms.len()).for_each(|vm| self.tick(vm));
            if milliseconds > 60_000 {
                self.some_traffic();
            }
        }
    }

    /// Everything is in use, also while hours pass.
    fn some_traffic(&mut self) {
        for path in paths() {
            let vm = self.dice.roll(self.vms.len() as u64) as usize;
            self.request(vm, &path);
        }
        for _ in 0..self.flights.len() {
            self.answer();
        }
    }

    /// A VM dies with all that it holds; nobody hears the answers to its calls.
    fn die(&mut self, vm: usize) {
        self.events.push(self.clock.milliseconds);
        self.flights.retain(|flight| flight.vm != vm);
        self.vms[vm] = Vm::new(&mut self.dice, self.clock.now());
    }

    /// Another configuration; under ECDS the old root goes with its calls.
    fn reload(&mut self, vm: usize, is_lost: bool) {
        self.events.push(self.clock.milliseconds);
        let now = self.now();
        if is_lost {
            let gone = self.flights.extract_if(.., |flight| flight.vm == vm).map(|flight| flight.call.id);
            let gone: Vec<_> = gone.collect();
            self.vms[vm].state.lost(gone, &mut self.store, now);
        }
        let one = &mut self.vms[vm];
        one.configuration = configuration();
        one.state.install(&one.configuration, now);
        self.due(vm);
    }

    /// Somebody else writes: garbage, half of a value, another record's value, or nothing at all.
    fn tamper(&mut self) {
        self.tampered = self.clock.milliseconds;
        self.events.push(self.clock.milliseconds);
        let keys: Vec<_> = self.store.values.keys().cloned().collect();
        if keys.is_empty() {
            return;
        }
        let mut any = || keys[self.dice.roll(keys.len() as u64) as usize].clone();
        let (one, other) = (any(), any());
        let mut value = self.store.values[&other].0.clone();
        match self.dice.roll(4) {
            0 => value = b"garbage".to_vec(),
            1 => value.truncate(value.len() / 2),
            2 => value.clear(),
            _ => {}
        }
        let version = self.store.values[&one].1 + 1_000;
        self.store.values.insert(one, (value, version));
    }

    fn something(&mut self) {
        let vm = self.dice.roll(self.vms.len() as u64) as usize;
        match self.dice.roll(40) {
            0..=15 => {
                let paths = paths();
                let path = &paths[self.dice.roll(paths.len() as u64) as usize];
                self.request(vm, path);
            }
            16..=27 => self.answer(),
            28 | 29 => self.woken(vm),
            30..=33 => {
                let milliseconds = 250 * (1 + self.dice.roll(12));
                self.advance(milliseconds);
            }
            34 => {
                let minutes = [2, 6, 25, 300, 1_500][self.dice.roll(5) as usize];
                self.advance(minutes * 60_000);
            }
            35 => {
                self.events.push(self.clock.milliseconds);
                self.servers.rotate(&mut self.dice);
            }
            36 => self.servers.gives = self.dice.roll(2) == 0,
            37 => self.clock.stepped = [-3_600, 0, 3_600][self.dice.roll(3) as usize],
            38 => match self.dice.roll(3) {
                0 => self.die(vm),
                kind => self.reload(vm, kind == 1),
            },
            _ => self.tamper(),
        }
    }

    /// With endpoints that answer, every VM serves everything, soon.
    fn end(&mut self, seed: u64) {
        (self.servers.good, self.servers.gives) = (true, true);
        let deadline = self.clock.milliseconds + 200_000;
        for vm in 0..self.vms.len() {
            for path in paths() {
                while !self.request(vm, &path) {
                    assert!(self.clock.milliseconds < deadline, "seed {seed}: VM {vm} never got {path}");
                    while !self.flights.is_empty() {
                        self.answer();
                    }
                    self.advance(500);
                }
            }
        }
        self.advance(11_000);
        let shared: Vec<_> =
            self.store.values.values().map(|(value, _)| String::from_utf8_lossy(value)).collect();
        for secret in self.servers.files.values().chain([&self.servers.vault]) {
            assert!(shared.iter().all(|value| !value.contains(secret.as_str())), "a secret is shared");
        }
        assert!(self.vms.iter().all(|vm| vm.waiting.is_empty() && vm.state.waiting.is_empty()));
    }
}

fn paths() -> Vec<String> {
    let secrets = SECRETS.iter().map(|(name, _)| format!("secret-{name}"));
    IDENTITIES.iter().map(|(name, _)| (*name).to_owned()).chain(secrets).collect()
}

/// What a call is for. Tokens are fetched once in the whole Envoy, secrets by each VM.
fn thing(vm: usize, call: &Call) -> String {
    let request = &call.request;
    match request.cluster.as_str() {
        "files" | "vault" => format!("{} for {vm}", request.url.path),
        "himds" | "challenges" => "arc".to_owned(),
        cluster => {
            let mut form = form_urlencoded::parse(request.body.expose().as_bytes());
            let client = form.find(|(name, _)| name == "client_id").unwrap_or_default().1;
            format!("{cluster} {} {client}", request.url.path)
        }
    }
}

#[test]
fn a_chain_never_switches_to_its_next_identity_when_the_chosen_one_fails() {
    let mut histories = Histories::new(1);
    histories.servers.good = true;
    let mut asked = 0;
    for _ in 0..200 {
        assert!(!histories.request(0, "chain"));
        for flight in std::mem::take(&mut histories.flights) {
            let cluster = flight.call.request.cluster.as_str();
            assert!(matches!(cluster, "files" | "login"), "{cluster}");
            asked += usize::from(cluster == "login");
            let outcome = match cluster {
                "files" => {
                    histories.servers.answer(&flight.call.request, histories.clock, &mut histories.dice)
                }
                _ => servers::answer(500, ""),
            };
            histories.ended(&flight, &outcome);
        }
        histories.advance(1_000);
    }
    assert!(asked > 5, "{asked}");
}

#[test]
fn whatever_happens_tokens_and_secrets_are_good_and_there_is_a_way_on() {
    for seed in 0..SEEDS {
        let mut histories = Histories::new(seed);
        for _ in 0..150 {
            histories.something();
        }
        histories.end(seed);
    }
}

/// In WebAssembly without optimisation each takes longer.
const SEEDS: u64 = if cfg!(target_arch = "wasm32") { 4 } else { 40 };
