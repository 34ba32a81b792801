mod documents;
mod generations;
mod refresh;
mod unknown_key_ids;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Definition, ExpectedIssuer, Generation, Keys, Lookup, MAX_AGE, Progress, REFETCH_INTERVAL, REFRESH,
    Source,
};
use crate::calls::{Answer, CallFailure, Jitter, Unusable, Url};
use crate::fingerprint::Fingerprint;
use crate::jwt::testing::{TestKey, encode};
use crate::jwt::{Algorithm, JwkFault, PublicJwk, Software, SoftwareKey, Verifier};
use crate::time::{Monotonic, Now, UnixTime};

const ISSUER: &str = "https://idp.example";
const DISCOVERY: &str = "/.well-known/openid-configuration";
const JWKS: &str = "/jwks";

#[derive(Default)]
struct Counting {
    prepared: Cell<usize>,
}

impl Verifier for Counting {
    type Key = SoftwareKey;

    fn prepare(&self, jwk: &PublicJwk) -> Result<SoftwareKey, JwkFault> {
        self.prepared.set(self.prepared.get() + 1);
        Software.prepare(jwk)
    }

    fn is_slow(&self, algorithm: Algorithm) -> bool {
        Software.is_slow(algorithm)
    }

    fn verify(&self, algorithm: Algorithm, key: &SoftwareKey, message: &[u8], signature: &[u8]) -> bool {
        Software.verify(algorithm, key, message, signature)
    }
}

struct Vm {
    keys: Keys<Counting>,
    verifier: Counting,
    definition: Rc<Definition>,
    now: Now,
    jitter: Jitter,
    answers: BTreeMap<String, (u16, String)>,
    asked: Vec<String>,
    progress: Vec<Progress>,
}

fn definition(host: &str, hosts: &[(&str, &str)]) -> Rc<Definition> {
    let source = Source::Discovery {
        url: Url::parse(&format!("https://{host}{DISCOVERY}")).unwrap(),
        cluster: host.to_owned(),
        hosts: hosts.iter().map(|(host, cluster)| ((*host).to_owned(), (*cluster).to_owned())).collect(),
        expected: ExpectedIssuer::Exactly(format!("https://{host}")),
    };
    Rc::new(Definition::new("partner", vec![Algorithm::Rs256, Algorithm::Es256], source))
}

impl Vm {
    fn new() -> Self {
        Self::with_hosts(&[])
    }

    fn with_hosts(hosts: &[(&str, &str)]) -> Self {
        let now = Now {
            monotonic: Monotonic::from_nanoseconds(1_000_000_000_000),
            wall: UnixTime::from_seconds(1_800_000_000),
        };
        let mut vm = Self {
            keys: Keys::default(),
            verifier: Counting::default(),
            definition: definition("idp.example", hosts),
            now,
            jitter: Jitter::new(7),
            answers: BTreeMap::new(),
            asked: Vec::new(),
            progress: Vec::new(),
        };
        vm.discovery(json!({"issuer": ISSUER, "jwks_uri": "https://idp.example/jwks"}));
        vm.publish(&[TestKey::p256().jwk("k1")]);
        vm.keys.install(&vm.definition, &vm.verifier);
        vm
    }

    fn loaded() -> Self {
        let mut vm = Self::new();
        vm.pump();
        assert_eq!(vm.find(Some("k1")), "found");
        vm
    }

    fn discovery(&mut self, document: Value) {
        self.answer(DISCOVERY, 200, &document.to_string());
    }

    fn publish(&mut self, keys: &[Value]) {
        self.answer(JWKS, 200, &json!({ "keys": keys }).to_string());
    }

    fn answer(&mut self, path: &str, status: u16, body: &str) {
        self.answers.insert(path.to_owned(), (status, body.to_owned()));
    }

    fn advance(&mut self, duration: Duration) {
        self.now.monotonic = self.now.monotonic.after(duration);
    }

    fn seconds(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    fn due(&mut self) -> Vec<(Fingerprint, String)> {
        let due = self.keys.due(self.now);
        due.into_iter().map(|(of, call)| (of, format!("{}{}", call.url.authority, call.url.path))).collect()
    }

    fn pump(&mut self) {
        loop {
            let due = self.due();
            if due.is_empty() {
                return;
            }
            for (of, url) in due {
                let path = url[url.find('/').unwrap()..].to_owned();
                let (status, body) = self.answers[&path].clone();
                self.asked.push(path);
                let answer = Answer { status, retry_after: None, challenge: None, body: body.into_bytes() };
                self.take(of, Ok(&answer));
            }
        }
    }

    fn take(&mut self, of: Fingerprint, answer: Result<&Answer, CallFailure>) {
        let progress = self.keys.answered(of, answer, &self.verifier, self.now, &mut self.jitter);
        self.progress.extend(progress);
    }

    fn find(&mut self, key_id: Option<&str>) -> &'static str {
        self.find_for(key_id, Algorithm::Es256)
    }

    fn find_for(&mut self, key_id: Option<&str>, algorithm: Algorithm) -> &'static str {
        match self.keys.key(&self.definition, ISSUER, key_id, algorithm, &self.verifier, self.now) {
            Lookup::Found(_) => "found",
            Lookup::NotFound => "not found",
            Lookup::Wait => "waits",
            Lookup::Unavailable(_) => "unavailable",
        }
    }

    fn search(&mut self, key_id: &str) -> &'static str {
        if self.find(Some(key_id)) == "waits" {
            self.pump();
        }
        self.find(Some(key_id))
    }

    fn generation(&mut self) -> Option<Generation> {
        self.keys.generation(&self.definition, self.now)
    }

    fn asked_for(&self, path: &str) -> usize {
        self.asked.iter().filter(|asked| *asked == path).count()
    }

    fn dropped(&self) -> usize {
        match self.progress.last() {
            Some(Progress::Loaded { dropped }) => *dropped,
            other => panic!("{other:?}"),
        }
    }
}
