mod attach;
mod request;
mod upstream;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Edit, Pending, RequestHead, Step, start, wake};
use crate::calls::{Answer, Call, Outcome};
use crate::config::Configuration;
use crate::environment::Environment;
use crate::jwt::testing::encrypted::TestRandom;
use crate::jwt::testing::{TestKey, encode};
use crate::jwt::{Algorithm, Software};
use crate::state::{State, StreamId};
use crate::time::{Monotonic, Now, UnixTime};
use crate::tokens::lease::Alone;

mod configured_keys;
mod encrypted;
mod entra;
mod guards;
mod histories;
mod matching;
mod several_issuers;

const ISSUER: &str = "https://idp.example";
const CONFIGURATION: &str = r#"{
    "issuers": {"partner": {
        "discovery": "https://idp.example/.well-known/openid-configuration",
        "cluster": "idp", "algorithms": ["RS256", "ES256"], "hosts": {"keys.example": "keys"}}},
    "identities": {"gateway": {"managed_identity": {"source": "imds", "cluster": "imds"}}},
    "defaults": {"validate": {"issuer": "partner", "audiences": ["api"]}},
    "operations": [
        {"match": {"path": {"exact": "/protected"}},
         "validate": {"roles": {"GET": "Read", "DELETE": ["Delete", "Admin"], "POST": "Write"}}},
        {"match": {"path": {"prefix": "/any"}}},
        {"match": {"path": {"exact": "/relay"}}, "attach": [{"identity": "gateway", "resource": "api://backend"}]},
        {"match": {"path": {"exact": "/unprotected"}}, "anonymous": true,
         "attach": [{"identity": "gateway", "resource": "api://backend"}]}]}"#;

/// A gateway, an issuer and IMDS, all of them in memory.
struct World {
    configuration: Rc<Configuration>,
    state: State<Software>,
    now: Now,
    key: TestKey,
    /// What each path answers; a path that is not there never answers.
    answers: BTreeMap<&'static str, (u16, String)>,
    /// The paths that were asked for.
    asked: Vec<String>,
    open: Vec<Call>,
    last_stream: u32,
}

const DISCOVERY: &str = "/.well-known/openid-configuration";
const JWKS: &str = "/jwks";
const IMDS: &str = "/metadata/identity/oauth2/token";

impl World {
    fn new() -> Self {
        Self::with(CONFIGURATION, TestKey::p256())
    }

    fn with(configuration: &str, key: TestKey) -> Self {
        let configuration =
            Rc::new(Configuration::parse(configuration.as_bytes(), &Environment::default()).unwrap());
        let mut state = State::new(Software, 1).with_random(Box::new(TestRandom));
        state.install(&configuration, Now::default());
        let discovery = json!({"issuer": ISSUER, "jwks_uri": "https://idp.example/jwks"});
        let jwks = json!({"keys": [key.jwk("k1")]});
        let imds = json!({"access_token": "imds-token", "expires_in": "3600", "token_type": "Bearer"});
        let answers = BTreeMap::from([
            (DISCOVERY, (200, discovery.to_string())),
            (JWKS, (200, jwks.to_string())),
            (IMDS, (200, imds.to_string())),
        ]);
        let now = Now {
            monotonic: Monotonic::from_nanoseconds(1_000_000_000_000),
            wall: UnixTime::from_seconds(1_800_000_000),
        };
        Self { configuration, state, now, key, answers, asked: Vec::new(), open: Vec::new(), last_stream: 0 }
    }

    /// Another configuration, and nothing that was known before.
    fn begin_anew(&mut self, configuration: &str) {
        self.configuration =
            Rc::new(Configuration::parse(configuration.as_bytes(), &Environment::default()).unwrap());
        self.state = State::new(Software, 1).with_random(Box::new(TestRandom));
        self.state.install(&self.configuration, self.now);
    }

    fn publish(&mut self, keys: &[Value]) {
        self.answers.insert(JWKS, (200, json!({ "keys": keys }).to_string()));
    }

    fn claims(&self) -> Value {
        let now = self.now.wall.seconds();
        json!({"iss": ISSUER, "aud": "api", "nbf": now - 60, "exp": now + 600, "roles": ["Read", "Write"]})
    }

    fn header(&self) -> Value {
        json!({"alg": self.key.algorithm(), "typ": "JWT", "kid": "k1"})
    }

    /// A good token but for these members of its claims; `null` takes one away.
    fn token(&self, changes: Value) -> String {
        self.key.token(&self.header().to_string(), &changed(self.claims(), changes).to_string())
    }

    fn token_with_header(&self, changes: Value) -> String {
        self.key.token(&changed(self.header(), changes).to_string(), &self.claims().to_string())
    }

    fn advance(&mut self, seconds: u64) {
        self.now.monotonic = self.now.monotonic.after(Duration::from_secs(seconds));
        self.now.wall = UnixTime::from_seconds(self.now.wall.seconds() + seconds);
    }

    fn start(&mut self, method: &str, path: &str, authorization: &[&[u8]]) -> Step {
        let mut headers: Vec<(&[u8], &[u8])> =
            vec![(b":method", method.as_bytes()), (b":path", path.as_bytes())];
        headers.extend(authorization.iter().map(|value| (&b"authorization"[..], *value)));
        self.start_with(&headers)
    }

    fn start_with(&mut self, headers: &[(&[u8], &[u8])]) -> Step {
        self.last_stream += 1;
        let stream = StreamId(self.last_stream);
        start(&self.configuration, &mut self.state, stream, &RequestHead::new(headers), self.now)
    }

    /// Sends what is due and answers it, until nothing is due.
    fn pump(&mut self) {
        loop {
            let (calls, _) = self.state.due(&mut Alone, self.now);
            self.asked.extend(calls.iter().map(|call| call.request.url.path.clone()));
            self.open.extend(calls);
            let answerable = |call: &Call| self.answers.contains_key(path_of(call));
            let Some(index) = self.open.iter().position(answerable) else { return };
            let call = self.open.remove(index);
            let (status, body) = self.answers[path_of(&call)].clone();
            let answer = Outcome::Answer(Answer {
                status,
                retry_after: None,
                challenge: None,
                body: body.into_bytes(),
            });
            self.state.ended(call.id, &answer, &mut Alone, self.now);
        }
    }

    /// A request from beginning to end: `forwarded` with what is set, or the status and reason of the refusal.
    fn request(&mut self, method: &str, path: &str, authorization: &[&[u8]]) -> String {
        let step = self.start(method, path, authorization);
        self.finish(step)
    }

    /// A GET with these headers, from beginning to end.
    fn request_with(&mut self, path: &str, others: &[(&str, &str)]) -> String {
        let mut headers: Vec<(&[u8], &[u8])> = vec![(b":method", b"GET"), (b":path", path.as_bytes())];
        headers.extend(others.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let step = self.start_with(&headers);
        self.finish(step)
    }

    /// What becomes of a request, while all calls are answered.
    fn finish(&mut self, mut step: Step) -> String {
        for _ in 0..10 {
            match step {
                Step::Wait(pending) => {
                    self.pump();
                    let stream = StreamId(self.last_stream);
                    step = wake(*pending, &mut self.state, stream, self.now);
                }
                step => return told(&step),
            }
        }
        told(&step)
    }

    fn with_token(&mut self, method: &str, path: &str, token: &str) -> String {
        self.request(method, path, &[format!("Bearer {token}").as_bytes()])
    }

    /// Slow signature checks are rationed: one comes back in 5 ms.
    fn let_checks_come_back(&mut self) {
        self.now.monotonic = self.now.monotonic.after(Duration::from_millis(5));
    }

    fn asked_for(&self, path: &str) -> usize {
        self.asked.iter().filter(|asked| asked.starts_with(path)).count()
    }
}

fn path_of(call: &Call) -> &str {
    call.request.url.path.split('?').next().unwrap()
}

fn changed(mut object: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
            value => object[name] = value.clone(),
        }
    }
    object
}

fn shown(edit: &Edit<'_>) -> String {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    match edit {
        Edit::SetHeader(name, value) => format!(" {name}={}", text(value)),
        Edit::RemoveHeader(name) => format!(" -{name}"),
        Edit::SetFilterState(key, value) => format!(" {key}:={}", text(value)),
    }
}

fn told(step: &Step) -> String {
    match step {
        Step::Forward(edits) | Step::ForwardTo(edits, _) => {
            let edits: String = edits.iter().map(|edit| shown(&edit)).collect();
            format!("forwarded{edits}")
        }
        Step::Refuse(refusal) => format!("{} {}", refusal.status.as_u16(), refusal.reason.code()),
        Step::Wait(_) => "waits".to_owned(),
    }
}

fn waiting(step: Step) -> Box<Pending> {
    match step {
        Step::Wait(pending) => pending,
        step => panic!("{}", told(&step)),
    }
}

#[test]
fn a_good_token_with_the_role_of_the_operation_passes() {
    for key in [TestKey::rsa(), TestKey::p256()] {
        let mut world = World::with(CONFIGURATION, key);
        let token = world.token(json!({}));
        assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
        assert_eq!(world.with_token("GET", "/protected?x=1", &token), "forwarded");
        assert_eq!(world.with_token("POST", "/protected", &token), "forwarded");
        assert_eq!(world.with_token("GET", "/any/thing", &token), "forwarded");
        assert_eq!(world.asked, [DISCOVERY, JWKS], "keys are fetched once");
    }
}

#[test]
fn roles_are_by_method_exact_and_default_deny() {
    let mut world = World::new();
    let mut with_roles = |method: &str, roles: Value| {
        let token = world.token(json!({ "roles": roles }));
        world.with_token(method, "/protected", &token)
    };
    assert_eq!(with_roles("DELETE", json!(["Admin"])), "forwarded");
    assert_eq!(with_roles("GET", json!("Read")), "forwarded");
    for (method, roles) in [
        ("DELETE", json!(["Read", "Write"])),
        ("GET", json!(["read"])),
        ("GET", json!("Read,Write")),
        ("GET", json!([["Read"]])),
        ("GET", json!({"Read": true})),
        ("GET", json!([])),
        ("PATCH", json!(["Read", "Write", "Delete", "Admin"])),
    ] {
        assert_eq!(with_roles(method, roles.clone()), "401 claim_not_allowed", "{method} {roles}");
    }
    assert_eq!(with_roles("GET", Value::Null), "401 claim_missing");
}

#[test]
fn what_matches_no_operation_is_refused_and_costs_nothing() {
    let mut world = World::new();
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected/x", &token), "404 operation_not_found");
    assert_eq!(world.with_token("GET", "/", &token), "404 operation_not_found");
    assert_eq!(world.with_token("GET", "/any/../protected", &token), "400 path_ambiguous");
    assert_eq!(world.with_token("GET", "/any%2fthing", &token), "400 path_ambiguous");
    assert!(world.asked.is_empty());
}

#[test]
fn a_method_that_programs_read_differently_is_refused() {
    let mut world = World::new();
    let token = world.token(json!({}));
    for method in ["get", "Delete", "dELETE", "GE T", "", &"A".repeat(33)] {
        assert_eq!(world.with_token(method, "/protected", &token), "400 method_invalid", "{method}");
    }
}

#[test]
fn a_guard_holds_for_every_spelling_of_its_path() {
    let configuration = CONFIGURATION.replace(
        r#""operations": ["#,
        r#""operations": [{"match": {"path": {"prefix": "/admin"}}}, {"match": {"path": {"exact": "/odata/$batch"}}},"#,
    );
    let configuration =
        configuration.replace("]}]}", r#"]}, {"match": {"path": {"prefix": "/"}}, "anonymous": true}]}"#);
    let mut world = World::with(&configuration, TestKey::p256());
    assert_eq!(world.request("GET", "/else", &[]), "forwarded");
    for path in
        ["/admin", "/ADMIN/x", "/admin/", "/%61dmin/x", "/%41dmin", "/odata/%24batch", "/OData/$Batch/"]
    {
        assert_eq!(world.request("GET", path, &[]), "401 token_missing", "{path}");
    }
    for path in ["/admin%3Bx=1/y", "/x/%c0%ae%c0%ae/admin", "/a{b", "/x//admin"] {
        assert_eq!(world.request("GET", path, &[]), "400 path_ambiguous", "{path}");
    }
}

#[test]
fn a_bad_token_is_refused_before_any_call_or_signature_check() {
    let mut world = World::new();
    let now = world.now.wall.seconds();
    let good = world.token(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let (head, body, signature) = (parts[0], parts[1], parts[2]);
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "token_malformed"),
        ("x".into(), "token_malformed"),
        (format!("{head}.{body}"), "token_malformed"),
        (format!("{head}.{body}."), "token_malformed"),
        (format!("{head}..{signature}"), "token_malformed"),
        (format!(".{body}.{signature}"), "token_malformed"),
        (format!("{good}."), "token_malformed"),
        (format!(".{good}"), "token_malformed"),
        (format!("{good}.x.y"), "token_malformed"),
        (format!("{good}="), "token_malformed"),
        (format!("{head}.{body}=.{signature}"), "token_malformed"),
        (format!("{head}.{body}\n.{signature}"), "token_malformed"),
        (format!("{good}, Bearer {good}"), "token_malformed"),
        (format!("{good} {good}"), "token_malformed"),
        ("a".repeat(16 * 1024 + 1), "token_too_large"),
        (world.key.token("[]", "{}"), "token_malformed"),
        (world.key.token("{}", "{}"), "token_malformed"),
        (world.key.token(r#"{"alg":"ES256","alg":"ES256"}"#, "{}"), "token_malformed"),
        (world.key.token(r#"{"alg":["ES256"]}"#, "{}"), "token_malformed"),
        (world.key.token(r#"{"alg":"ES256","kid":7}"#, "{}"), "token_malformed"),
        (world.key.token(r#"{"alg":"ES256"}"#, "[]"), "token_malformed"),
        (world.key.token(r#"{"alg":"ES256"}"#, r#"{"roles":["r"],"roles":["Admin"]}"#), "token_malformed"),
        (world.token_with_header(json!({"crit": ["exp"]})), "critical_header_not_supported"),
        (world.token_with_header(json!({"crit": []})), "critical_header_not_supported"),
        (world.token_with_header(json!({"b64": false})), "critical_header_not_supported"),
        (world.token_with_header(json!({"zip": "DEF"})), "token_type_not_allowed"),
        (world.token_with_header(json!({"typ": "JWE"})), "token_type_not_allowed"),
        (world.token_with_header(json!({"typ": "dpop+jwt"})), "token_type_not_allowed"),
        (world.token_with_header(json!({"alg": "none"})), "algorithm_not_allowed"),
        (world.token_with_header(json!({"alg": "nOnE"})), "algorithm_not_allowed"),
        (world.token_with_header(json!({"alg": "HS256"})), "algorithm_not_allowed"),
        (world.token_with_header(json!({"alg": "es256"})), "algorithm_not_allowed"),
        (world.token_with_header(json!({"alg": "ES384"})), "algorithm_not_allowed"),
        (world.token(json!({"exp": now})), "token_expired"),
        (world.token(json!({"exp": 0})), "token_expired"),
        (world.token(json!({"exp": null})), "expiration_missing"),
        (world.token(json!({"exp": "soon"})), "claim_type_invalid"),
        (world.token(json!({"nbf": now + 1})), "token_not_yet_valid"),
        (world.token(json!({"aud": null})), "audience_not_allowed"),
        (world.token(json!({"aud": "API"})), "audience_not_allowed"),
        (world.token(json!({"aud": "api/"})), "audience_not_allowed"),
        (world.token(json!({"aud": "api other"})), "audience_not_allowed"),
        (world.token(json!({"aud": []})), "audience_not_allowed"),
        (world.token(json!({"aud": {"api": 1}})), "claim_type_invalid"),
        (world.token(json!({"iss": null})), "issuer_not_allowed"),
        (world.token(json!({"iss": [ISSUER]})), "claim_type_invalid"),
    ];
    for (token, reason) in cases {
        assert_eq!(world.with_token("GET", "/protected", &token), format!("401 {reason}"), "{token}");
    }
    assert!(world.asked.is_empty(), "{:?}", world.asked);
    assert_eq!(world.with_token("GET", "/protected", &good), "forwarded", "the good one still passes");
}

#[test]
fn an_issuer_that_is_not_trusted_is_refused_once_the_trusted_ones_are_known() {
    let mut world = World::new();
    for issuer in ["https://idp.example/", "https://IDP.example", "https://evil.example", ""] {
        let token = world.token(json!({ "iss": issuer }));
        assert_eq!(world.with_token("GET", "/protected", &token), "401 issuer_not_allowed", "{issuer}");
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_signature_is_refused() {
    let mut world = World::new();
    let good = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected", &good), "forwarded");
    let (signing_input, _) = good.rsplit_once('.').unwrap();
    let signature = world.key.sign(signing_input);
    for bit in 0..signature.len() * 8 {
        let mut forged = signature.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        world.let_checks_come_back();
        let token = format!("{signing_input}.{}", encode(forged));
        assert_eq!(world.with_token("GET", "/protected", &token), "401 signature_invalid", "bit {bit}");
    }
    for length in 1..signature.len() {
        world.let_checks_come_back();
        let token = format!("{signing_input}.{}", encode(&signature[..length]));
        assert_eq!(world.with_token("GET", "/protected", &token), "401 signature_invalid", "length {length}");
    }
    for forged in [vec![0; 64], [signature.clone(), vec![0]].concat(), [vec![0], signature].concat()] {
        let token = format!("{signing_input}.{}", encode(forged));
        assert_eq!(world.with_token("GET", "/protected", &token), "401 signature_invalid");
    }
}

#[test]
fn slow_signature_checks_are_rationed() {
    let mut world = World::new();
    let good = world.token(json!({}));
    let (signing_input, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{signing_input}.{}", encode([7; 64]));
    let mut answers = BTreeMap::new();
    for _ in 0..300 {
        *answers.entry(world.with_token("GET", "/protected", &forged)).or_insert(0) += 1;
    }
    assert_eq!(
        answers,
        BTreeMap::from([("401 signature_invalid".into(), 200), ("503 keys_busy".into(), 100)])
    );
    world.let_checks_come_back();
    assert_eq!(world.with_token("GET", "/protected", &good), "forwarded");
}

#[test]
fn the_key_decides_the_algorithm_and_the_issuer_decides_the_key() {
    let rsa = TestKey::rsa();
    let mut world = World::new();
    world.publish(&[world.key.jwk("k1"), rsa.jwk("k2")]);
    let good = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected", &good), "forwarded");
    // The kid of one key with the algorithm of the other.
    let crossed = world.token_with_header(json!({"kid": "k2"}));
    assert_eq!(world.with_token("GET", "/protected", &crossed), "401 key_not_found");
    // Somebody else's key under our kid.
    let foreign = TestKey::p256().token(&world.header().to_string(), &world.claims().to_string());
    assert_eq!(world.with_token("GET", "/protected", &foreign), "401 signature_invalid");
    // A key that travels in the token is not looked at.
    let attacker = TestKey::p256();
    let header =
        changed(world.header(), json!({"jwk": attacker.jwk("k1"), "jku": "https://evil.example/jwks"}));
    let own_key = attacker.token(&header.to_string(), &world.claims().to_string());
    assert_eq!(world.with_token("GET", "/protected", &own_key), "401 signature_invalid");
}

#[test]
fn a_token_without_kid_needs_the_only_key_that_fits() {
    let mut world = World::new();
    let token = world.token_with_header(json!({"kid": null}));
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    let mut world = World::new();
    world.publish(&[world.key.jwk("k1"), TestKey::p256().jwk("k2")]);
    let token = world.token_with_header(json!({"kid": null}));
    assert_eq!(world.with_token("GET", "/protected", &token), "401 key_not_found");
}

#[test]
fn credentials_are_one_bearer_token() {
    let mut world = World::new();
    let token = world.token(json!({}));
    let mut request = |values: &[&str]| {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        world.request("GET", "/protected", &values)
    };
    let bearer = format!("Bearer {token}");
    assert_eq!(request(&[]), "401 token_missing");
    assert_eq!(request(&[&bearer]), "forwarded");
    assert_eq!(request(&[&format!("bearer {token}")]), "forwarded");
    assert_eq!(request(&[&format!("BEARER  {token}")]), "forwarded");
    assert_eq!(request(&[&bearer, &bearer]), "401 token_multiple");
    assert_eq!(request(&["", &bearer]), "401 token_multiple");
    for other in ["", "Bearer", "Basic eDp5", &token, &format!("Bearer\t{token}"), &format!("Bearer:{token}")]
    {
        assert_eq!(request(&[other]), "401 scheme_not_allowed", "{other}");
    }
    assert_eq!(world.request("GET", "/protected", &[b"Bearer \xa1"]), "401 token_malformed");
}

#[test]
fn an_attached_token_replaces_what_the_client_sent() {
    let mut world = World::new();
    for sent in
        [&[][..], &[&b"Bearer client"[..]], &[&b"Basic eDp5"[..]], &[&b"a"[..], &b"b"[..]], &[&b"\xff"[..]]]
    {
        let told = world.request("GET", "/unprotected", sent);
        assert_eq!(told, "forwarded authorization=Bearer imds-token");
    }
    assert_eq!(world.asked_for(IMDS), 1);
}

#[test]
fn nothing_is_attached_before_the_caller_is_admitted() {
    let mut world = World::new();
    assert_eq!(world.request("GET", "/relay", &[]), "401 token_missing");
    assert_eq!(world.asked_for(IMDS), 0, "a refused caller costs no token request");
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/relay", &token), "forwarded authorization=Bearer imds-token");
}

#[test]
fn a_token_that_ends_while_its_request_waits_is_refused() {
    let mut world = World::new();
    let token = world.token(json!({"exp": world.now.wall.seconds() + 5}));
    let authorization = format!("Bearer {token}");
    let first = waiting(world.start("GET", "/relay", &[authorization.as_bytes()]));
    // Its caller is admitted, then it waits for IMDS.
    world.answers.remove(IMDS);
    world.pump();
    let second = waiting(wake(*first, &mut world.state, StreamId(1), world.now));
    world.advance(5);
    assert_eq!(told(&wake(*second, &mut world.state, StreamId(1), world.now)), "401 token_expired");
}

#[test]
fn requests_before_the_first_keys_wait_and_go_on_together() {
    let mut world = World::new();
    let bearer = format!("Bearer {}", world.token(json!({})));
    let pending: Vec<_> =
        (0..50).map(|_| waiting(world.start("GET", "/protected", &[bearer.as_bytes()]))).collect();
    assert_eq!(world.state.waiting.len(), 50);
    world.pump();
    assert_eq!(world.asked, [DISCOVERY, JWKS]);
    assert!(world.state.waiting.is_empty());
    for (stream, pending) in (1..).zip(pending) {
        assert_eq!(told(&wake(*pending, &mut world.state, StreamId(stream), world.now)), "forwarded");
    }
}

#[test]
fn a_request_waits_until_its_deadline_and_no_longer() {
    let mut world = World::new();
    world.answers.clear();
    let bearer = format!("Bearer {}", world.token(json!({})));
    let pending = waiting(world.start("GET", "/protected", &[bearer.as_bytes()]));
    world.advance(14);
    assert!(world.state.waiting.take_late(world.now).is_empty());
    world.advance(1);
    assert_eq!(world.state.waiting.take_late(world.now).len(), 1);
    assert_eq!(told(&wake(*pending, &mut world.state, StreamId(1), world.now)), "503 keys_unavailable");
}

#[test]
fn a_stream_that_is_gone_waits_for_nothing() {
    let mut world = World::new();
    let _ = waiting(world.start("GET", "/unprotected", &[]));
    assert_eq!(world.state.waiting.len(), 1);
    world.state.waiting.remove(StreamId(1));
    assert!(world.state.waiting.is_empty());
}

#[test]
fn waiting_is_bounded_and_nothing_takes_more_than_half_of_it() {
    use crate::state::{MAX_WAITING, MAX_WAITING_FOR_ONE};
    let mut world = World::new();
    world.answers.clear();
    let bearer = format!("Bearer {}", world.token(json!({})));
    for _ in 0..MAX_WAITING_FOR_ONE {
        let _ = waiting(world.start("GET", "/unprotected", &[]));
    }
    assert_eq!(told(&world.start("GET", "/unprotected", &[])), "503 token_unavailable");
    for _ in 0..MAX_WAITING_FOR_ONE {
        let _ = waiting(world.start("GET", "/protected", &[bearer.as_bytes()]));
    }
    assert_eq!(told(&world.start("GET", "/protected", &[bearer.as_bytes()])), "503 keys_unavailable");
    assert_eq!(world.state.waiting.len(), MAX_WAITING);
}

#[test]
fn a_rotated_key_is_found_by_a_refetch_and_unknown_kids_run_out_of_them() {
    let mut world = World::new();
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    world.publish(&[world.key.jwk("k1"), world.key.jwk("k2")]);
    let rotated = world.token_with_header(json!({"kid": "k2"}));
    assert_eq!(world.with_token("GET", "/protected", &rotated), "forwarded");
    assert_eq!(world.asked, [DISCOVERY, JWKS, JWKS], "one refetch, without the discovery document");
    // Two refetches are left; then unknown kids are refused at once, and the known ones still pass.
    for unknown in 0..200 {
        let token = world.token_with_header(json!({"kid": format!("unknown-{unknown}")}));
        assert_eq!(world.with_token("GET", "/protected", &token), "401 key_not_found");
    }
    assert_eq!(world.asked_for(JWKS), 4);
    assert_eq!(world.with_token("GET", "/protected", &rotated), "forwarded");
    // The budget comes back, one per 30 s.
    world.advance(31);
    world.publish(&[world.key.jwk("k3")]);
    let rotated = world.token_with_header(json!({"kid": "k3"}));
    assert_eq!(world.with_token("GET", "/protected", &rotated), "forwarded");
    assert_eq!(world.asked_for(JWKS), 5);
    assert_eq!(world.with_token("GET", "/protected", &token), "401 key_not_found", "the old key is gone");
}

#[test]
fn an_unknown_kid_causes_no_refetch_unless_time_and_audience_have_passed() {
    let mut world = World::new();
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    let header = json!({"alg": "ES256", "kid": "unknown"}).to_string();
    for changes in [json!({"exp": 1}), json!({"aud": "other"}), json!({"iss": "https://evil.example"})] {
        let token = world.key.token(&header, &changed(world.claims(), changes).to_string());
        assert!(world.with_token("GET", "/protected", &token).starts_with("401"));
    }
    assert_eq!(world.asked_for(JWKS), 1);
}

#[test]
fn unknown_kids_do_not_put_off_the_discovery_document() {
    let mut world = World::new();
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    for half_hour in 1..=20 {
        world.advance(1_800);
        let token = world.key.token(
            &changed(world.header(), json!({"kid": format!("unknown-{half_hour}")})).to_string(),
            &world.claims().to_string(),
        );
        assert_eq!(world.with_token("GET", "/protected", &token), "401 key_not_found");
    }
    assert!(world.asked_for(DISCOVERY) >= 8, "{}", world.asked_for(DISCOVERY));
}

#[test]
fn a_known_kid_with_another_algorithm_costs_no_refetch() {
    let mut world = World::new();
    world.publish(&[world.key.jwk("k1"), TestKey::rsa().jwk("k2")]);
    for _ in 0..5 {
        let token = world.token_with_header(json!({"kid": "k2"}));
        assert_eq!(world.with_token("GET", "/protected", &token), "401 key_not_found");
    }
    assert_eq!(world.asked_for(JWKS), 1);
}

#[test]
fn an_issuer_that_no_configuration_has_is_not_asked_again() {
    let mut world = World::new();
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    let other = CONFIGURATION.replace("idp.example", "other.example");
    world.configuration = Rc::new(Configuration::parse(other.as_bytes(), &Environment::default()).unwrap());
    world.state.install(&world.configuration, world.now);
    world.answers.clear();
    for _ in 0..30 {
        world.advance(3_600);
        world.pump();
    }
    assert_eq!(world.asked_for(JWKS), 1);
}

#[test]
fn keys_are_refreshed_within_the_hour_and_survive_an_outage_of_a_day() {
    let mut world = World::new();
    let token = world.token(json!({"exp": world.now.wall.seconds() + 1_000_000}));
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    world.advance(3_600);
    world.pump();
    assert_eq!(world.asked, [DISCOVERY, JWKS, DISCOVERY, JWKS]);
    world.answers.insert(DISCOVERY, (500, String::new()));
    for _ in 0..23 {
        world.advance(3_600);
        world.pump();
        assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    }
    world.advance(3_600);
    world.pump();
    assert_eq!(world.with_token("GET", "/protected", &token), "503 keys_unavailable");
}

#[test]
fn a_long_outage_is_told_at_once_and_its_end_is_noticed() {
    let mut world = World::new();
    world.answers.insert(DISCOVERY, (503, String::new()));
    let token = world.token(json!({}));
    for _ in 0..8 {
        world.pump();
        world.advance(30);
    }
    world.pump();
    assert_eq!(world.with_token("GET", "/protected", &token), "503 keys_unavailable");
    let asked = world.asked.len();
    assert!(asked <= 12, "{asked} calls in 4 minutes");
    let discovery = json!({"issuer": ISSUER, "jwks_uri": "https://idp.example/jwks"});
    world.answers.insert(DISCOVERY, (200, discovery.to_string()));
    world.advance(40);
    world.pump();
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
}

#[test]
fn a_document_that_cannot_be_used_is_a_failure_and_not_a_loop() {
    for (path, body) in [
        (DISCOVERY, "<html>"),
        (DISCOVERY, r#"{"issuer": ""}"#),
        (DISCOVERY, r#"{"issuer": "https://other.example", "jwks_uri": "https://idp.example/jwks"}"#),
        (DISCOVERY, r#"{"issuer": "https://idp.example", "jwks_uri": "http://idp.example/jwks"}"#),
        (DISCOVERY, r#"{"issuer": "https://idp.example", "jwks_uri": "https://evil.example/jwks"}"#),
        (JWKS, ""),
        (JWKS, r#"{"keys": {}}"#),
        (JWKS, r#"{"keys": []}"#),
        (JWKS, r#"{"keys": [null, {"kty": "oct", "k": "AAAA"}]}"#),
    ] {
        let mut world = World::new();
        world.answers.insert(path, (200, body.to_owned()));
        let token = world.token(json!({}));
        assert_eq!(world.with_token("GET", "/protected", &token), "waits", "{body}");
        assert!(world.asked.len() <= 2, "{body}: {:?}", world.asked);
    }
}

#[test]
fn keys_may_be_on_another_host_that_is_configured() {
    let mut world = World::new();
    let discovery = json!({"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks"});
    world.answers.insert(DISCOVERY, (200, discovery.to_string()));
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
}

#[test]
fn weak_odd_and_repeated_keys_are_dropped() {
    let mut world = World::new();
    let good = world.key.jwk("k1");
    let odd = |changes: Value| changed(good.clone(), changes);
    world.publish(&[
        good.clone(),
        odd(json!({"kid": "enc", "use": "enc"})),
        odd(json!({"kid": "ops", "key_ops": ["encrypt"]})),
        odd(json!({"kid": "ops2", "key_ops": ["verify", "verify"]})),
        odd(json!({"kid": "alg", "alg": "ES384"})),
        odd(json!({"kid": "private", "d": "AAAA"})),
        odd(json!({"kid": "off-curve", "y": good["x"]})),
        odd(json!({"kid": "short", "x": "AAAA"})),
        odd(json!({"kid": "twice"})),
        odd(json!({"kid": "twice"})),
        json!({"kty": "RSA", "kid": "weak", "n": encode([0xff; 128]), "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "e1", "n": encode([0xff; 256]), "e": "AQ"}),
        json!({"kty": "new", "kid": "new"}),
    ]);
    let mut with_kid = |kid: &str| {
        let token = world.token_with_header(json!({ "kid": kid }));
        world.with_token("GET", "/any", &token)
    };
    assert_eq!(with_kid("k1"), "forwarded");
    for kid in ["enc", "ops", "ops2", "alg", "private", "off-curve", "short", "twice", "weak", "e1", "new"] {
        assert_eq!(with_kid(kid), "401 key_not_found", "{kid}");
    }
}

#[test]
fn a_key_of_another_issuer_in_the_same_set_is_not_used() {
    let mut world = World::new();
    let named = |kid: &str, issuer: &str| changed(world.key.jwk(kid), json!({ "issuer": issuer }));
    let keys = [named("ours", ISSUER), named("theirs", "https://other.example")];
    world.publish(&keys);
    let mut with_kid = |kid: &str| {
        let token = world.token_with_header(json!({ "kid": kid }));
        world.with_token("GET", "/any", &token)
    };
    assert_eq!(with_kid("ours"), "forwarded");
    assert_eq!(with_kid("theirs"), "401 key_not_found");
}

#[test]
fn a_refusal_has_api_managements_body_and_a_challenge() {
    let mut world = World::new();
    let refusal = |step: Step| match step {
        Step::Refuse(refusal) => refusal,
        step => panic!("{}", told(&step)),
    };
    let missing = refusal(world.start("GET", "/protected", &[]));
    assert_eq!(missing.body, r#"{"statusCode":401,"message":"JWT not present."}"#);
    assert!(missing.headers.contains(&("www-authenticate", r#"Bearer realm="gatepass""#.into())));
    let bad = refusal(world.start("GET", "/protected", &[b"Bearer x"]));
    assert_eq!(bad.body, r#"{"statusCode":401,"message":"Invalid JWT."}"#);
    assert!(
        bad.headers
            .contains(&("www-authenticate", r#"Bearer realm="gatepass", error="invalid_token""#.into()))
    );
    let nowhere = refusal(world.start("GET", "/nowhere", &[]));
    assert_eq!(nowhere.body, r#"{"statusCode":404,"message":"Resource not found"}"#);
    assert_eq!(nowhere.headers.len(), 1);
}

#[test]
fn statuses_and_message_follow_on_failure() {
    let configuration = CONFIGURATION.replacen(
        '{',
        r#"{"on_failure": {"status": 400, "forbidden_status": 403, "message": "No."}, "#,
        1,
    );
    let mut world = World::with(&configuration, TestKey::p256());
    let token = world.token(json!({"roles": []}));
    assert_eq!(world.with_token("GET", "/protected", &token), "403 claim_not_allowed");
    assert_eq!(world.request("GET", "/protected", &[]), "400 token_missing");
    assert_eq!(world.request("GET", "/nowhere", &[]), "404 operation_not_found");
    match world.start("GET", "/protected", &[]) {
        Step::Refuse(refusal) => assert_eq!(refusal.body, r#"{"statusCode":400,"message":"No."}"#),
        step => panic!("{}", told(&step)),
    }
}

#[test]
fn a_token_that_was_verified_is_remembered_and_looked_at_again() {
    let mut world = World::new();
    let token = world.token(json!({"exp": world.now.wall.seconds() + 5}));
    // More often than signatures may be checked.
    for _ in 0..500 {
        assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    }
    assert_eq!(world.state.verdicts.len(), 1);
    assert_eq!(world.with_token("DELETE", "/protected", &token), "401 claim_not_allowed");
    world.advance(5);
    assert_eq!(world.with_token("GET", "/protected", &token), "401 token_expired");
    assert!(world.state.verdicts.is_empty());
}

#[test]
fn what_is_remembered_ends_with_the_keys_that_it_was_verified_with() {
    let mut world = World::new();
    let token = world.token(json!({"exp": world.now.wall.seconds() + 100_000}));
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    // The same keys again change nothing.
    world.advance(3_600);
    world.pump();
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    assert_eq!(world.asked_for(JWKS), 2);
    // Other keys: the token must be verified anew, and its key is gone.
    world.publish(&[TestKey::p256().jwk("k1")]);
    world.advance(3_600);
    world.pump();
    assert_eq!(world.with_token("GET", "/protected", &token), "401 signature_invalid");
    assert!(world.state.verdicts.is_empty());
}

#[test]
fn what_one_operation_remembers_another_does_not_trust_by_itself() {
    let configuration = CONFIGURATION
        .replace(
            r#""issuers": {"#,
            r#""issuers": {"other": {"discovery": "https://other.example/.well-known/openid-configuration", "cluster": "o"},"#,
        )
        .replace(
            r#""operations": ["#,
            r#""operations": [{"match": {"path": {"exact": "/other"}}, "validate": {"issuer": "other"}},
                {"match": {"path": {"exact": "/audience"}}, "validate": {"audiences": ["else"]}},"#,
        );
    let mut world = World::with(&configuration, TestKey::p256());
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
    assert_eq!(world.with_token("GET", "/audience", &token), "401 audience_not_allowed");
    assert_ne!(world.with_token("GET", "/other", &token), "forwarded");
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
}

#[test]
fn a_permit_that_is_remembered_is_for_these_rules_and_this_method_and_no_parameter() {
    let own = r#""operations": [
        {"match": {"path": {"template": "/tenants/{tid}"}},
         "validate": {"required_claims": [{"name": "tid", "equals_parameter": "tid"}]}},
        {"match": {"path": {"exact": "/writers"}}, "validate": {"roles": "Write"}},
        {"match": {"path": {"exact": "/admins"}}, "validate": {"roles": "Admin"}},"#;
    let configuration = CONFIGURATION.replace(r#""operations": ["#, own);
    let mut world = World::with(&configuration, TestKey::p256());
    let token = world.token(json!({"tid": "t1"}));
    for _ in 0..3 {
        assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
        assert_eq!(world.with_token("DELETE", "/protected", &token), "401 claim_not_allowed");
        assert_eq!(world.with_token("GET", "/admins", &token), "401 claim_not_allowed");
        assert_eq!(world.with_token("GET", "/writers", &token), "forwarded");
        assert_eq!(world.with_token("GET", "/tenants/t1", &token), "forwarded");
        assert_eq!(world.with_token("GET", "/tenants/t2", &token), "401 claim_not_allowed");
        // A parameter that is still encoded is none, and equals nothing.
        assert_eq!(world.with_token("GET", "/tenants/t%201", &token), "401 claim_not_allowed");
    }
    // The same operation of another configuration is another one.
    let stricter = configuration.replace(r#""roles": "Write""#, r#""roles": "Admin""#);
    for (configuration, said) in [(&stricter, "401 claim_not_allowed"), (&configuration, "forwarded")] {
        assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
        let next = Configuration::parse(configuration.as_bytes(), &Environment::default()).unwrap();
        world.configuration = Rc::new(next);
        world.state.install(&world.configuration, world.now);
        assert_eq!(world.with_token("GET", "/writers", &token), said);
    }
    assert_eq!(world.state.verdicts.len(), 1);
}

#[test]
fn a_forged_token_is_not_remembered() {
    let mut world = World::new();
    let good = world.token(json!({}));
    let forged = format!("{}.{}", good.rsplit_once('.').unwrap().0, encode([7; 64]));
    assert_eq!(world.with_token("GET", "/protected", &forged), "401 signature_invalid");
    assert!(world.state.verdicts.is_empty());
}

const TENANTS: &str = r#""operations": [
    {"match": {"methods": ["GET"], "path": {"template": "/tenants/{tid}/orders/{order}"}},
     "validate": {"required_claims": [
        {"name": "tid", "equals_parameter": "tid"},
        {"name": "scp", "separator": " ", "match": "any", "values": ["orders.read", "orders.write"]},
        {"path": ["realm_access", "groups"], "match": "not", "values": ["suspended"]}]}},
    {"match": {"path": {"template": "/tenants/{tenant}"}},
     "validate": {"required_claims": [{"name": "tid", "equals_parameter": "tenant"}]}},"#;

fn tenants() -> World {
    World::with(&CONFIGURATION.replacen(r#""operations": ["#, TENANTS, 1), TestKey::p256())
}

#[test]
fn a_caller_reaches_what_belongs_to_its_tenant_alone() {
    let mut world = tenants();
    let token = world.token(json!({"tid": "t1", "scp": "profile orders.read"}));
    for path in ["/tenants/t1/orders/7", "/Tenants/%741/orders/7/?tid=t2", "/tenants/t1"] {
        assert_eq!(world.with_token("GET", path, &token), "forwarded", "{path}");
    }
    for path in [
        "/tenants/t2/orders/7",
        "/tenants/T1/orders/7",
        "/tenants/t1%20/orders/7",
        "/tenants/t2?tid=t1",
        "/tenants/orders",
    ] {
        assert_eq!(world.with_token("GET", path, &token), "401 claim_not_allowed", "{path}");
    }
    for path in ["/tenants/t1%2f../orders/7", "/tenants/t2/../t1", "/tenants/t1%252f/orders/7"] {
        assert_eq!(world.with_token("GET", path, &token), "400 path_ambiguous", "{path}");
    }
    for path in ["/tenants", "/tenants/", "/tenants/t1/orders", "/tenants/t1/orders/7/lines"] {
        assert_eq!(world.with_token("GET", path, &token), "404 operation_not_found", "{path}");
    }
    assert_eq!(world.with_token("POST", "/tenants/t1/orders/7", &token), "404 operation_not_found");
}

#[test]
fn every_required_claim_must_be_satisfied() {
    let mut world = tenants();
    let mut with_claims = |changes: Value| {
        let token = world.token(changed(json!({"tid": "t1", "scp": "orders.write"}), changes));
        world.with_token("GET", "/tenants/t1/orders/7", &token)
    };
    assert_eq!(with_claims(json!({})), "forwarded");
    assert_eq!(with_claims(json!({"realm_access": {"groups": ["staff"]}})), "forwarded");
    for (changes, reason) in [
        (json!({"scp": "profile"}), "claim_not_allowed"),
        (json!({"scp": null}), "claim_missing"),
        (json!({"tid": null}), "claim_missing"),
        (json!({"tid": ["t2"]}), "claim_not_allowed"),
        (json!({"realm_access": {"groups": ["staff", "suspended"]}}), "claim_not_allowed"),
    ] {
        assert_eq!(with_claims(changes.clone()), format!("401 {reason}"), "{changes}");
    }
}

#[test]
fn parameters_outlive_the_wait_for_keys() {
    let mut world = tenants();
    let token = world.token(json!({"tid": "t1"}));
    for (path, said) in [("/tenants/t1", "forwarded"), ("/tenants/t2", "401 claim_not_allowed")] {
        world.state = State::new(Software, 1);
        world.state.install(&world.configuration, world.now);
        let bearer = format!("Bearer {token}");
        let pending = waiting(world.start("GET", path, &[bearer.as_bytes()]));
        world.pump();
        let stream = StreamId(world.last_stream);
        let mut step = wake(*pending, &mut world.state, stream, world.now);
        if let Step::Wait(pending) = step {
            world.pump();
            step = wake(*pending, &mut world.state, stream, world.now);
        }
        assert_eq!(told(&step), said, "{path}");
    }
}

#[test]
fn the_first_operation_that_matches_decides_also_where_a_template_would_fit_better() {
    let operations = r#""operations": [
        {"match": {"path": {"exact": "/orders/new"}}, "anonymous": true},
        {"match": {"path": {"template": "/orders/{id}"}}},
        {"match": {"path": {"prefix": "/orders"}}, "anonymous": true},"#;
    let configuration = CONFIGURATION.replacen(r#""operations": ["#, operations, 1);
    let mut world = World::with(&configuration, TestKey::p256());
    for (path, said) in [
        ("/orders/new", "forwarded"),
        ("/orders/7", "401 token_missing"),
        ("/orders/7/", "401 token_missing"),
        ("/orders/7/lines", "forwarded"),
        ("/orders", "forwarded"),
    ] {
        assert_eq!(world.request("GET", path, &[]), said, "{path}");
    }
}

/// The usual configuration with these algorithms for its issuer.
fn with_algorithms(names: &[&str]) -> String {
    CONFIGURATION.replace(r#"["RS256", "ES256"]"#, &json!(names).to_string())
}

#[test]
fn tokens_of_every_algorithm_are_accepted_and_tampered_ones_refused() {
    let names = Algorithm::ALL.map(Algorithm::name);
    for key in TestKey::all() {
        let name = key.algorithm();
        let mut world = World::with(&with_algorithms(&names), key);
        let good = world.token(json!({}));
        assert_eq!(world.with_token("GET", "/any", &good), "forwarded", "{name}");
        let (signing_input, signature) = good.rsplit_once('.').unwrap();
        let (header, _) = signing_input.split_once('.').unwrap();
        let payload = encode(changed(world.claims(), json!({"roles": ["Admin"]})).to_string());
        let turned: String = signature.chars().rev().collect();
        for bad in [format!("{header}.{payload}.{signature}"), format!("{signing_input}.A{turned}")] {
            world.let_checks_come_back();
            let verdict = world.with_token("GET", "/any", &bad);
            assert!(
                matches!(&*verdict, "401 signature_invalid" | "401 token_malformed"),
                "{name}: {verdict}"
            );
        }
        world.let_checks_come_back();
        assert_eq!(world.with_token("GET", "/any", &good), "forwarded", "{name}");
    }
}

#[test]
fn issuer_key_and_header_must_agree_on_the_algorithm() {
    let all = Algorithm::ALL.map(Algorithm::name);
    let rsa = TestKey::rsa();
    let forwarded = "forwarded";
    /// What the issuer allows, the `alg` of its RSA key, the header's `alg`, how the token is really signed, and
    /// what becomes of it.
    type Case<'c> = (&'c [&'c str], Option<&'c str>, &'c str, Algorithm, &'c str);
    let cases: [Case<'_>; 16] = [
        (&all, None, "RS256", Algorithm::Rs256, forwarded),
        (&all, None, "RS512", Algorithm::Rs512, forwarded),
        (&all, None, "PS384", Algorithm::Ps384, forwarded),
        (&all, None, "PS256", Algorithm::Rs256, "401 signature_invalid"),
        (&all, None, "RS256", Algorithm::Ps256, "401 signature_invalid"),
        (&all, None, "RS256", Algorithm::Rs512, "401 signature_invalid"),
        (&all, None, "ES256", Algorithm::Rs256, "401 key_not_found"),
        (&all, None, "EdDSA", Algorithm::Rs256, "401 key_not_found"),
        (&all, Some("PS256"), "PS256", Algorithm::Ps256, forwarded),
        (&all, Some("PS256"), "RS256", Algorithm::Rs256, "401 key_not_found"),
        (&all, Some("PS256"), "PS384", Algorithm::Ps384, "401 key_not_found"),
        (&all, Some("RS256"), "PS256", Algorithm::Ps256, "401 key_not_found"),
        (&["PS256"], None, "PS256", Algorithm::Ps256, forwarded),
        (&["RS256"], None, "PS256", Algorithm::Ps256, "401 algorithm_not_allowed"),
        (&["RS256"], None, "RS384", Algorithm::Rs384, "401 algorithm_not_allowed"),
        (&["RS256"], None, "HS256", Algorithm::Rs256, "401 algorithm_not_allowed"),
    ];
    for (allowed, key_is_for, header, signed, expected) in cases {
        let mut world = World::with(&with_algorithms(allowed), rsa.signing(signed));
        world.publish(&[changed(world.key.jwk("k1"), json!({ "alg": key_is_for }))]);
        let token = world.token_with_header(json!({ "alg": header }));
        let what = format!("{allowed:?}, {key_is_for:?}, {header}, {signed:?}");
        assert_eq!(world.with_token("GET", "/any", &token), expected, "{what}");
    }
}

#[test]
fn eddsa_and_ed25519_are_one_algorithm() {
    for configured in ["EdDSA", "Ed25519"] {
        for header in ["EdDSA", "Ed25519"] {
            for key_is_for in [json!(null), json!("EdDSA"), json!("Ed25519")] {
                let mut world = World::with(&with_algorithms(&[configured]), TestKey::new(Algorithm::EdDsa));
                world.publish(&[changed(world.key.jwk("k1"), json!({ "alg": key_is_for }))]);
                let token = world.token_with_header(json!({ "alg": header }));
                assert_eq!(world.with_token("GET", "/any", &token), "forwarded", "{configured}, {header}");
            }
        }
    }
}

#[test]
fn without_a_kid_exactly_one_key_must_fit_the_algorithm() {
    let first = TestKey::rsa();
    let mut world = World::with(&with_algorithms(&["RS256", "PS256"]), first.clone());
    let keys = |first_is_for: Value| {
        let second = TestKey::rsa().jwk("k2");
        [changed(first.jwk("k1"), json!({ "alg": first_is_for })), changed(second, json!({"alg": "PS256"}))]
    };
    let token = world.token_with_header(json!({ "kid": null }));
    world.publish(&keys(json!("RS256")));
    assert_eq!(world.with_token("GET", "/any", &token), "forwarded");

    let mut world = World::with(&with_algorithms(&["RS256", "PS256"]), first.signing(Algorithm::Ps256));
    let token = world.token_with_header(json!({ "kid": null }));
    world.publish(&keys(json!(null)));
    assert_eq!(world.with_token("GET", "/any", &token), "401 key_not_found", "two keys fit PS256");
    let token = world.token_with_header(json!({}));
    assert_eq!(world.with_token("GET", "/any", &token), "forwarded", "its kid says which");
}

#[test]
fn an_issuer_is_kept_as_long_as_one_of_two_configurations_has_it() {
    let mut world = World::new();
    world.answers.insert(DISCOVERY, (503, String::new()));
    // Another listener's configuration with the same issuer comes and goes, while no keys are to be had.
    let other = Rc::new(Configuration::parse(CONFIGURATION.as_bytes(), &Environment::default()).unwrap());
    world.state.install(&other, world.now);
    world.pump();
    drop(other);
    world.advance(1);
    world.pump();
    let token = world.token(json!({}));
    assert_eq!(world.with_token("GET", "/protected", &token), "waits");
    let discovery = json!({"issuer": ISSUER, "jwks_uri": "https://idp.example/jwks"});
    world.answers.insert(DISCOVERY, (200, discovery.to_string()));
    world.advance(60);
    world.pump();
    assert_eq!(world.with_token("GET", "/protected", &token), "forwarded");
}
