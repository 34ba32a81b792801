#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

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

#[test]
fn the_discovery_document_is_fetched_first_and_then_the_key_set_that_it_names() {
    let mut vm = Vm::new();
    assert_eq!(vm.find(Some("k1")), "waits");
    vm.pump();
    assert_eq!(vm.asked, [DISCOVERY, JWKS]);
    assert_eq!(vm.progress, [Progress::Discovered, Progress::Loaded { dropped: 0 }]);
    assert_eq!(vm.find(Some("k1")), "found");
}

#[test]
fn both_are_kept_and_fetched_again_before_they_are_an_hour_old() {
    let mut vm = Vm::loaded();
    vm.advance(REFRESH.mul_f64(0.89));
    vm.pump();
    assert_eq!(vm.asked, [DISCOVERY, JWKS]);
    vm.advance(REFRESH.mul_f64(0.11));
    vm.pump();
    assert_eq!(vm.asked, [DISCOVERY, JWKS, DISCOVERY, JWKS]);
}

#[test]
fn nobody_waits_for_a_refresh() {
    let mut vm = Vm::loaded();
    vm.advance(REFRESH);
    assert_eq!(vm.find(Some("k1")), "found");
    let _under_way = vm.due();
    assert_eq!(vm.find(Some("k1")), "found");
}

#[test]
fn a_refresh_follows_a_key_set_that_moves() {
    let mut vm = Vm::loaded();
    vm.discovery(json!({"issuer": ISSUER, "jwks_uri": "https://idp.example/new"}));
    vm.answer("/new", 200, &json!({"keys": [TestKey::p256().jwk("k2")]}).to_string());
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!((vm.find(Some("k2")), vm.asked.last().unwrap().as_str()), ("found", "/new"));
}

#[test]
fn an_unknown_kid_waits_for_one_refetch_however_many_requests_ask() {
    let mut vm = Vm::loaded();
    vm.publish(&[TestKey::p256().jwk("k2")]);
    for _ in 0..100 {
        assert_eq!(vm.find(Some("k2")), "waits");
    }
    assert_eq!(vm.due().len(), 1);
    assert_eq!(vm.find(Some("k2")), "waits");
    assert!(vm.due().is_empty());
}

#[test]
fn a_refetch_brings_the_keys_of_a_rotation_and_drops_the_old_ones() {
    let mut vm = Vm::loaded();
    vm.publish(&[TestKey::p256().jwk("k2")]);
    assert_eq!(vm.search("k2"), "found");
    assert_eq!(vm.find(Some("k1")), "waits");
    assert_eq!(vm.asked, [DISCOVERY, JWKS, JWKS]);
}

#[test]
fn three_refetches_at_once_and_then_one_in_thirty_seconds() {
    let mut vm = Vm::loaded();
    let unknown: Vec<String> = (0..100).map(|index| format!("unknown-{index}")).collect();
    for key_id in &unknown {
        assert_eq!(vm.search(key_id), "not found");
    }
    assert_eq!(vm.asked_for(JWKS), 1 + 3);
    vm.advance(REFETCH_INTERVAL - Duration::from_millis(1));
    assert_eq!(vm.search("before"), "not found");
    assert_eq!(vm.asked_for(JWKS), 1 + 3);
    vm.advance(Duration::from_millis(1));
    assert_eq!(vm.search("after"), "not found");
    assert_eq!(vm.search("another"), "not found");
    assert_eq!(vm.asked_for(JWKS), 1 + 4);
}

#[test]
fn one_issuers_refetches_are_not_anothers() {
    let mut vm = Vm::loaded();
    for index in 0..10 {
        vm.search(&format!("unknown-{index}"));
    }
    let other = definition("other.example", &[]);
    vm.discovery(json!({"issuer": "https://other.example", "jwks_uri": "https://other.example/jwks"}));
    vm.keys.install(&other, &vm.verifier);
    vm.pump();
    let before = vm.asked_for(JWKS);
    let lookup =
        vm.keys.key(&other, "https://other.example", Some("k9"), Algorithm::Es256, &vm.verifier, vm.now);
    assert!(matches!(lookup, Lookup::Wait));
    vm.pump();
    assert_eq!(vm.asked_for(JWKS), before + 1);
}

#[test]
fn with_the_budget_spent_an_unknown_kid_is_refused_at_once_and_known_ones_serve() {
    let mut vm = Vm::loaded();
    for index in 0..4 {
        vm.search(&format!("unknown-{index}"));
    }
    assert_eq!(vm.find(Some("one-more")), "not found");
    assert_eq!(vm.find(Some("k1")), "found");
    assert!(vm.due().is_empty());
}

#[test]
fn a_kid_that_was_not_found_is_refused_for_five_minutes_and_spends_nothing() {
    let mut vm = Vm::loaded();
    for _ in 0..1_000 {
        assert_eq!(vm.search("unknown"), "not found");
    }
    assert_eq!(vm.asked_for(JWKS), 2);
    vm.seconds(299);
    assert_eq!(vm.find(Some("unknown")), "not found");
    assert_eq!(vm.asked_for(JWKS), 2);
    vm.seconds(2);
    assert_eq!(vm.find(Some("unknown")), "waits");
}

#[test]
fn a_kid_that_a_later_set_brings_is_found_though_it_was_not_before() {
    let mut vm = Vm::loaded();
    assert_eq!(vm.search("k2"), "not found");
    vm.publish(&[TestKey::p256().jwk("k2")]);
    assert_eq!(vm.search("k3"), "not found");
    assert_eq!(vm.find(Some("k2")), "found");
}

#[test]
fn kids_that_were_not_found_are_remembered_within_bounds_and_long_ones_never() {
    let mut vm = Vm::loaded();
    assert_eq!(vm.find(Some(&"k".repeat(257))), "not found");
    for round in 0..20 {
        for index in 0..2_000 {
            let _ = vm.find(Some(&format!("unknown-{round}-{index}")));
        }
        let kept = vm.keys.records.values().map(|record| record.unknown_key_ids()).sum::<usize>();
        assert!((1..=2 * 1_024).contains(&kept), "{kept}");
        vm.pump();
        vm.seconds(30);
    }
}

#[test]
fn a_kid_seen_while_a_call_is_under_way_is_looked_for_again_afterwards() {
    let mut vm = Vm::loaded();
    assert_eq!(vm.find(Some("k2")), "waits");
    let due = vm.due();
    assert_eq!(vm.find(Some("k3")), "waits");
    let body = json!({"keys": [TestKey::p256().jwk("k1")]}).to_string().into_bytes();
    vm.take(due[0].0, Ok(&Answer { status: 200, retry_after: None, challenge: None, body }));
    assert_eq!(vm.find(Some("k2")), "not found");
    vm.publish(&[TestKey::p256().jwk("k3")]);
    assert_eq!(vm.search("k3"), "found");
}

#[test]
fn without_a_kid_exactly_one_key_must_fit_the_algorithm() {
    let mut vm = Vm::new();
    vm.publish(&[TestKey::p256().jwk("k1"), TestKey::rsa().jwk("k2")]);
    vm.pump();
    assert_eq!(vm.find_for(None, Algorithm::Es256), "found");
    assert_eq!(vm.find_for(None, Algorithm::Rs256), "found");
    assert_eq!(vm.find_for(None, Algorithm::Es384), "not found");
    vm.publish(&[TestKey::p256().jwk("k1"), TestKey::p256().jwk("k2")]);
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!(vm.find_for(None, Algorithm::Es256), "not found");
    assert!(vm.due().is_empty(), "a token without kid causes no refetch");
}

#[test]
fn a_failed_refresh_keeps_the_last_good_set_for_a_day() {
    for (path, status, body) in [
        (DISCOVERY, 500, ""),
        (DISCOVERY, 200, "<html>"),
        (DISCOVERY, 302, ""),
        (JWKS, 503, ""),
        (JWKS, 200, "{}"),
        (JWKS, 200, r#"{"keys": []}"#),
        (JWKS, 307, ""),
    ] {
        let mut vm = Vm::loaded();
        let generation = vm.generation();
        vm.answer(path, status, body);
        vm.advance(MAX_AGE - Duration::from_secs(1));
        vm.pump();
        assert!(matches!(vm.progress.last(), Some(Progress::Failed(_))), "{path} {status}");
        assert_eq!((vm.find(Some("k1")), vm.generation()), ("found", generation), "{path} {status}");
        vm.seconds(1);
        assert_ne!(vm.find(Some("k1")), "found", "{path} {status}");
        assert_eq!(vm.generation(), None);
    }
}

#[test]
fn a_failed_refresh_is_tried_again_after_thirty_seconds_at_the_earliest() {
    let mut vm = Vm::loaded();
    vm.answer(DISCOVERY, 500, "");
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!(vm.asked_for(DISCOVERY), 2);
    vm.seconds(29);
    vm.pump();
    assert_eq!(vm.asked_for(DISCOVERY), 2);
    vm.seconds(31);
    vm.pump();
    assert_eq!(vm.asked_for(DISCOVERY), 3);
}

#[test]
fn before_the_first_set_a_request_waits_for_a_try_that_is_near_and_for_no_later_one() {
    let mut vm = Vm::new();
    vm.answer(DISCOVERY, 500, "");
    let mut seen = Vec::new();
    for _ in 0..60 {
        vm.pump();
        seen.push(vm.find(Some("k1")));
        vm.seconds(1);
    }
    assert_eq!(seen[0], "waits");
    assert!(seen.contains(&"unavailable"), "{seen:?}");
    assert!(vm.asked.len() < 15, "{}", vm.asked.len());
}

#[test]
fn a_key_is_made_ready_once_and_not_for_each_token() {
    let mut vm = Vm::loaded();
    for _ in 0..100 {
        assert_eq!(vm.find(Some("k1")), "found");
    }
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!(vm.verifier.prepared.get(), 1);
}

#[test]
fn weak_and_odd_keys_are_dropped_and_counted() {
    let good = TestKey::p256().jwk("good");
    let odd = |kid: &str, member: &str, value: Value| {
        let mut key = good.clone();
        key["kid"] = json!(kid);
        key[member] = value;
        key
    };
    let rsa = |kid: &str, modulus: usize, exponent: &[u8]| json!({"kty": "RSA", "kid": kid, "n": encode(vec![0xff; modulus]), "e": encode(exponent)});
    let bad = [
        rsa("1024 bits", 128, &[1, 0, 1]),
        rsa("2040 bits", 255, &[1, 0, 1]),
        rsa("8200 bits", 1_025, &[1, 0, 1]),
        rsa("exponent 1", 256, &[1]),
        rsa("even exponent", 256, &[1, 0, 0]),
        rsa("exponent 0", 256, &[0]),
        odd("for encryption", "use", json!("enc")),
        odd("an unknown use", "use", json!("tls")),
        odd("to encrypt", "key_ops", json!(["encrypt"])),
        odd("to sign", "key_ops", json!(["sign"])),
        odd("operations twice", "key_ops", json!(["verify", "verify"])),
        odd("of another algorithm", "alg", json!("ES384")),
        odd("of no algorithm", "alg", json!("none")),
        odd("symmetric algorithm", "alg", json!("HS256")),
        odd("private", "d", json!("AAAA")),
        odd("off the curve", "y", good["x"].clone()),
        odd("short", "x", json!("AAAA")),
        odd("another curve", "crv", json!("secp256k1")),
        odd("another issuer", "issuer", json!("https://other.example")),
        odd("duplicate", "use", json!("sig")),
        odd("duplicate", "use", json!("sig")),
        json!({"kty": "oct", "kid": "symmetric", "k": encode([7; 32]), "alg": "HS256"}),
        json!({"kty": "oct", "kid": "symmetric as RS256", "k": encode([7; 32]), "alg": "RS256"}),
        json!({"kid": "without kty"}),
        json!(null),
        json!("text"),
    ];
    let mut vm = Vm::new();
    let mut keys = bad.to_vec();
    keys.push(good.clone());
    vm.publish(&keys);
    vm.pump();
    assert_eq!(vm.dropped(), bad.len());
    assert_eq!(vm.find(Some("good")), "found");
    for key in &bad {
        if let Some(key_id) = key.get("kid").and_then(Value::as_str) {
            vm.advance(REFETCH_INTERVAL);
            assert_eq!(vm.search(key_id), "not found", "{key_id}");
        }
    }
}

#[test]
fn certificates_and_thumbprints_beside_a_key_are_not_looked_at() {
    let mut vm = Vm::new();
    let mut key = TestKey::p256().jwk("k1");
    key["x5c"] = json!(["bm90IGEgY2VydGlmaWNhdGU="]);
    key["x5t"] = json!("another");
    key["x5u"] = json!("https://evil.example/");
    vm.publish(&[key]);
    vm.pump();
    assert_eq!(vm.find(Some("k1")), "found");
    assert_eq!(vm.asked, [DISCOVERY, JWKS]);
}

#[test]
fn a_set_of_nothing_but_bad_keys_is_a_failure() {
    let mut vm = Vm::new();
    vm.publish(&[json!({"kty": "oct", "k": "AAAA"})]);
    vm.pump();
    assert_eq!(vm.progress.last(), Some(&Progress::Failed(CallFailure::Unusable(Unusable::NoKeys))));
}

#[test]
fn the_first_hundred_keys_of_a_set_are_used_and_the_others_dropped() {
    let mut vm = Vm::new();
    let key = TestKey::p256();
    let keys: Vec<_> = (0..10_000).map(|index| key.jwk(&index.to_string())).collect();
    vm.publish(&keys);
    vm.pump();
    assert_eq!(vm.dropped(), 9_900);
    assert_eq!(vm.verifier.prepared.get(), 100);
    assert_eq!((vm.find(Some("99")), vm.search("100")), ("found", "not found"));
}

#[test]
fn a_set_with_the_same_bytes_changes_nothing() {
    let mut vm = Vm::loaded();
    let generation = vm.generation();
    for _ in 0..5 {
        vm.advance(REFRESH);
        vm.pump();
    }
    assert_eq!(vm.asked_for(JWKS), 6);
    assert_eq!((vm.generation(), vm.verifier.prepared.get()), (generation, 1));
}

#[test]
fn a_set_with_other_bytes_is_a_generation_that_no_set_of_the_vm_had_before() {
    let mut vm = Vm::loaded();
    let other = definition("other.example", &[]);
    vm.keys.install(&other, &vm.verifier);
    let mut seen = vec![vm.generation().unwrap()];
    let key = TestKey::p256();
    for round in 0..10 {
        vm.discovery(json!({"issuer": ISSUER, "jwks_uri": "https://idp.example/jwks"}));
        vm.publish(&[key.jwk("k1"), json!({ "round": round })]);
        vm.advance(REFRESH);
        for (of, path) in vm.due() {
            let host = if of == other.fingerprint { "other.example" } else { "idp.example" };
            let issuer = format!("https://{host}");
            assert!(path.ends_with(DISCOVERY));
            let body = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")}).to_string();
            vm.take(
                of,
                Ok(&Answer { status: 200, retry_after: None, challenge: None, body: body.into_bytes() }),
            );
        }
        vm.pump();
        seen.push(vm.generation().unwrap());
        seen.push(vm.keys.generation(&other, vm.now).unwrap());
    }
    let count = seen.len();
    seen.sort_unstable_by_key(|generation| format!("{generation:?}"));
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn an_issuer_that_changes_its_name_begins_a_generation() {
    let mut vm = Vm::loaded();
    let generation = vm.generation();
    vm.discovery(json!({"issuer": format!("{ISSUER}/"), "jwks_uri": "https://idp.example/jwks"}));
    vm.advance(REFRESH);
    vm.pump();
    assert_ne!(vm.generation(), generation);
    let mut is_issuer =
        |issuer: &str| vm.keys.is_issuer(&vm.definition, issuer, &vm.verifier, vm.now) == Lookup::Found(());
    assert!(is_issuer("https://idp.example/"));
    assert!(!is_issuer("https://idp.example"));
}

#[test]
fn keys_are_fetched_by_https_alone_and_from_no_host_that_is_not_configured() {
    for (jwks_uri, is_fetched) in [
        ("https://idp.example/jwks", true),
        ("https://IDP.example/jwks", true),
        ("https://keys.example/jwks", true),
        ("http://idp.example/jwks", false),
        ("http://keys.example/jwks", false),
        ("https://evil.example/jwks", false),
        ("https://idp.example.evil.example/jwks", false),
        ("https://evil.example@idp.example/jwks", false),
        ("https://idp.example:8443/jwks", false),
        ("//idp.example/jwks", false),
        ("/jwks", false),
        ("file:///jwks", false),
        ("", false),
    ] {
        let mut vm = Vm::with_hosts(&[("keys.example", "keys")]);
        vm.discovery(json!({"issuer": ISSUER, "jwks_uri": jwks_uri}));
        vm.pump();
        assert_eq!(vm.find(Some("k1")) == "found", is_fetched, "{jwks_uri}");
        assert_eq!(vm.asked_for(JWKS), usize::from(is_fetched), "{jwks_uri}");
    }
}

#[test]
fn a_redirect_is_a_failure_wherever_it_leads() {
    for path in [DISCOVERY, JWKS] {
        for status in [301, 302, 303, 307, 308] {
            let mut vm = Vm::new();
            vm.answer(path, status, &json!({"keys": [TestKey::p256().jwk("k1")]}).to_string());
            vm.pump();
            assert_eq!(vm.progress.last(), Some(&Progress::Failed(CallFailure::Status(status))));
        }
    }
}

#[test]
fn a_call_whose_answer_never_comes_is_made_again_at_once() {
    let mut vm = Vm::loaded();
    assert_eq!(vm.find(Some("k2")), "waits");
    let due = vm.due();
    vm.keys.lost(due[0].0);
    vm.publish(&[TestKey::p256().jwk("k2")]);
    assert_eq!(vm.search("k2"), "found");
}

#[test]
fn keys_on_demand_are_fetched_when_a_token_asks_or_another_configuration_wants_them_at_once() {
    let on_demand = || {
        let definition = Rc::try_unwrap(definition("idp.example", &[])).unwrap();
        Rc::new(definition.on_demand())
    };
    for at_once in [false, true] {
        let mut vm = Vm::new();
        vm.keys = Keys::default();
        let lazy = on_demand();
        vm.keys.install(&lazy, &vm.verifier);
        vm.pump();
        vm.advance(REFRESH);
        vm.pump();
        assert!(vm.asked.is_empty(), "nobody has asked");
        match at_once {
            true => vm.keys.install(&vm.definition, &vm.verifier),
            false => drop(vm.keys.is_issuer(&lazy, ISSUER, &vm.verifier, vm.now)),
        }
        vm.pump();
        vm.advance(REFRESH);
        vm.pump();
        assert_eq!(vm.asked, [DISCOVERY, JWKS, DISCOVERY, JWKS], "and refreshed from then on");
    }
}

#[test]
fn keys_are_refreshed_for_a_later_configuration_that_meets_remembered_tokens_alone() {
    let mut vm = Vm::loaded();
    let later = definition("idp.example", &[]);
    vm.keys.install(&later, &vm.verifier);
    vm.definition = later;
    assert!(vm.generation().is_some());
    vm.advance(REFRESH);
    vm.pump();
    assert_eq!(vm.asked_for(JWKS), 2);
}
