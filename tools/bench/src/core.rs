//! What is counted: requests through the core, as the host would hand them in.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use gatepass::calls::{Answer, Outcome};
use gatepass::config::Configuration;
use gatepass::engine::{self, RequestHead, Step};
use gatepass::environment::Environment;
use gatepass::jwt::{Algorithm, JwkFault, PublicJwk, Verifier};
use gatepass::state::{State, StreamId};
use gatepass::time::{Monotonic, Now, UnixTime};
use gatepass::tokens::lease::Alone;
use serde_json::{Value, json};

const START: u64 = 1_800_000_000;

/// When a token that lives for an hour is being replaced, and has not ended.
const REFRESHED_BY: Duration = Duration::from_secs(3_500);

/// Accepts every signature: a signature's cost is the crypto library's, not the core's.
struct AcceptAll;

impl Verifier for AcceptAll {
    type Key = ();

    fn prepare(&self, _: &PublicJwk) -> Result<(), JwkFault> {
        Ok(())
    }

    fn is_slow(&self, _: Algorithm) -> bool {
        false
    }

    fn verify(&self, _: Algorithm, (): &(), _: &[u8], _: &[u8]) -> bool {
        true
    }
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The caller's token was seen before, its role is checked, the backend's token is attached
    Warm,
    /// The same, the operation being the last of a thousand
    WarmThousandOperations,
    /// The same, with ten thousand tokens in turn
    WarmManyTokens,
    /// Every request brings a token that was never seen; its signature counts as good at once
    Cold,
    /// The backend's token is fetched again, and the keys where they are due, after one warm request
    Refresh,
    /// No token
    Refused,
    /// No operation
    NotFound,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Warm,
        Self::WarmThousandOperations,
        Self::WarmManyTokens,
        Self::Cold,
        Self::Refresh,
        Self::Refused,
        Self::NotFound,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::WarmThousandOperations => "warm-thousand-operations",
            Self::WarmManyTokens => "warm-many-tokens",
            Self::Cold => "cold",
            Self::Refresh => "refresh",
            Self::Refused => "refused",
            Self::NotFound => "not-found",
        }
    }

    const fn operations(self) -> usize {
        if matches!(self, Self::WarmThousandOperations) { 1_000 } else { 1 }
    }
}

/// A VM with its keys and its token at hand.
pub(crate) struct World {
    kind: Kind,
    configuration: Rc<Configuration>,
    state: State<AcceptAll>,
    now: Now,
    tokens: Vec<String>,
    path: String,
}

impl World {
    /// Prepares as many requests as will be made.
    pub(crate) fn new(kind: Kind, requests: usize) -> Self {
        let last = kind.operations() - 1;
        let configuration = configuration(kind.operations()).to_string();
        let configuration = Configuration::parse(configuration.as_bytes(), &Environment::default());
        let tokens = match kind {
            Kind::Cold => requests,
            Kind::WarmManyTokens => 10_000,
            _ => 1,
        };
        let mut world = Self {
            kind,
            configuration: Rc::new(configuration.unwrap_or_else(|faults| unreachable!("{faults:?}"))),
            state: State::new(AcceptAll, 1),
            now: Now { monotonic: Monotonic::from_nanoseconds(1), wall: UnixTime::from_seconds(START) },
            tokens: (0..tokens).map(token).collect(),
            path: if kind == Kind::NotFound {
                "/nowhere".to_owned()
            } else {
                format!("/api/{last}/items?x=1")
            },
        };
        world.state.install(&world.configuration, world.now);
        let warm_up = if kind == Kind::Cold { 0 } else { world.tokens.len() };
        // The first one waits for keys and the token; it is of no kind that is counted.
        world.settle(&token(usize::MAX >> 1));
        for index in 0..warm_up {
            world.request(index);
        }
        world
    }

    fn settle(&mut self, text: &str) {
        let bearer = format!("Bearer {text}");
        let mut step = start(&self.configuration, &mut self.state, &bearer, &self.path, self.now);
        while let Step::Wait(pending) = step {
            self.answer_calls();
            self.now.monotonic = self.now.monotonic.after(Duration::from_millis(1));
            step = engine::wake(*pending, &mut self.state, StreamId(1), self.now);
        }
    }

    /// Answers what is asked for now: how many calls it was.
    fn answer_calls(&mut self) -> usize {
        let (calls, _) = self.state.due(&mut Alone, self.now);
        let number = calls.len();
        for call in calls {
            let body = answer(&call.request.url.path);
            let answer = Answer { status: 200, retry_after: None, challenge: None, body };
            self.state.ended(call.id, &Outcome::Answer(answer), &mut Alone, self.now);
        }
        number
    }

    /// One request, whose answer is what its kind says.
    pub(crate) fn request(&mut self, index: usize) {
        let text = self.tokens.get(index % self.tokens.len()).map(String::as_str).unwrap_or_default();
        let bearer = if self.kind == Kind::Refused { String::new() } else { format!("Bearer {text}") };
        let step = black_box(start(&self.configuration, &mut self.state, &bearer, &self.path, self.now));
        let is_refusal = matches!(step, Step::Refuse(_));
        let must_refuse = matches!(self.kind, Kind::Refused | Kind::NotFound);
        assert_eq!(is_refusal, must_refuse, "{:?}: {step:?}", self.kind);
        if self.kind == Kind::Refresh {
            self.now.monotonic = self.now.monotonic.after(REFRESHED_BY);
            assert!(self.answer_calls() > 0, "nothing is due");
        }
    }
}

fn start(
    configuration: &Rc<Configuration>,
    state: &mut State<AcceptAll>,
    bearer: &str,
    path: &str,
    now: Now,
) -> Step {
    let headers: [(&[u8], &[u8]); 12] = [
        (b":authority", b"api.contoso.example"),
        (b":path", path.as_bytes()),
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b"user-agent", b"bench/1.0"),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"gzip, br"),
        (b"content-type", b"application/json"),
        (b"x-forwarded-proto", b"https"),
        (b"x-request-id", b"6d3f7a1c-90f1-4a9b-8a6e-1b2c3d4e5f60"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"authorization", bearer.as_bytes()),
    ];
    let headers = if bearer.is_empty() {
        headers.split_last().map_or(&headers[..], |(_, rest)| rest)
    } else {
        &headers
    };
    engine::start(configuration, state, StreamId(1), &RequestHead::new(headers), now)
}

fn configuration(operations: usize) -> Value {
    let operation = |index| {
        json!({
            "match": {"methods": ["GET"], "path": {"prefix": format!("/api/{index}")}},
            "validate": {"roles": {"GET": "Sample.Read", "*": "Sample.Write"}},
            "attach": [{"identity": "gateway", "resource": "api://backend"}],
        })
    };
    json!({
        "issuers": {"contoso": {"discovery": "https://idp.example/.well-known/openid-configuration", "cluster": "idp"}},
        "identities": {"gateway": {"managed_identity": {"source": "imds", "cluster": "imds"}}},
        "defaults": {"validate": {"issuer": "contoso", "audiences": ["api://bench"]}},
        "operations": (0..operations).map(operation).collect::<Vec<_>>(),
    })
}

/// About 1 KiB, as Entra's are.
fn token(number: usize) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "k"});
    let claims = json!({
        "iss": "https://idp.example", "aud": "api://bench", "exp": START + 3_600, "nbf": START - 60, "iat": START - 60,
        "azp": "11111111-2222-4333-8444-555555555555", "azpacr": "2", "oid": "9f0e1d2c-3b4a-4958-8776-655443322110",
        "sub": "9f0e1d2c-3b4a-4958-8776-655443322110", "roles": ["Sample.Read", "Sample.Write"],
        "tid": "7f3c9a52-1d0e-4b68-9c47-2a5d8e6b1f90", "uti": format!("{number:024}"), "ver": "2.0",
    });
    // No two tokens have the same signature.
    let signature = BASE64_URL_SAFE_NO_PAD.encode((number as u64).to_le_bytes().repeat(32));
    format!("{}.{}.{signature}", part(&header), part(&claims))
}

fn answer(path: &str) -> Vec<u8> {
    let modulus = format!("{}w", "_".repeat(341));
    let answer = match path {
        "/.well-known/openid-configuration" => {
            json!({"issuer": "https://idp.example", "jwks_uri": "https://idp.example/keys"})
        }
        "/keys" => json!({"keys": [{"kty": "RSA", "kid": "k", "n": modulus, "e": "AQAB"}]}),
        _ => json!({"access_token": "t".repeat(1_500), "expires_in": "3600", "token_type": "Bearer"}),
    };
    answer.to_string().into_bytes()
}
