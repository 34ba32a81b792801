//! What stands in for Envoy and the network: calls are answered here, and a signature is checked only if there are keys
//! to check it with.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use gatepass::calls::{Answer, CallRequest, Outcome};
use gatepass::config::Configuration;
use gatepass::engine::{self, RequestHead, Step};
use gatepass::jwt::{Algorithm, JwkFault, PublicJwk, Software, Verifier};
use gatepass::state::{State, StreamId};
use gatepass::time::{Monotonic, Now, UnixTime};
use gatepass::tokens::lease::Alone;

use crate::token::SystemRandom;

/// Checks signatures, unless there are no keys to check them with.
pub(super) struct Checker {
    /// Whether the key set is the operator's.
    pub(super) has_keys: bool,
}

impl Verifier for Checker {
    type Key = Option<<Software as Verifier>::Key>;

    fn prepare(&self, jwk: &PublicJwk) -> Result<Self::Key, JwkFault> {
        if self.has_keys { Software.prepare(jwk).map(Some) } else { Ok(None) }
    }

    fn is_slow(&self, _: Algorithm) -> bool {
        false
    }

    fn verify(&self, algorithm: Algorithm, key: &Self::Key, message: &[u8], signature: &[u8]) -> bool {
        key.as_ref().is_none_or(|key| Software.verify(algorithm, key, message, signature))
    }
}

/// Answers a request without the network.
pub(super) type Respond<'r> = &'r dyn Fn(&CallRequest) -> Option<String>;

/// Takes a request through the filter's engine, to its end.
pub(super) fn decide(
    configuration: &Rc<Configuration>,
    headers: &[(&[u8], &[u8])],
    checker: Checker,
    wall: u64,
    respond: Respond<'_>,
) -> Step {
    const STREAM: StreamId = StreamId(1);
    const MAX_ROUNDS: u64 = 100;
    let mut state = State::new(checker, 1).with_random(Box::new(SystemRandom));
    let mut now = Now { monotonic: Monotonic::from_nanoseconds(1), wall: UnixTime::from_seconds(wall) };
    state.install(configuration, now);
    let mut step = engine::start(configuration, &mut state, STREAM, &RequestHead::new(headers), now);
    for _ in 0..MAX_ROUNDS {
        let Step::Wait(pending) = step else { break };
        let (calls, _) = state.due(&mut Alone, now);
        for call in calls {
            let body = respond(&call.request);
            let outcome = body.map_or(Outcome::NoAnswer, |body| Outcome::Answer(answer(&body)));
            state.ended(call.id, &outcome, &mut Alone, now);
        }
        // The monotonic clock alone: what waits for the next try gets it, and the token stays as old as it is.
        now.monotonic = now.monotonic.after(Duration::from_secs(1));
        step = engine::wake(*pending, &mut state, STREAM, now);
    }
    step
}

fn answer(body: &str) -> Answer {
    Answer { status: 200, retry_after: None, challenge: None, body: body.as_bytes().to_vec() }
}

/// A key set that fits any token: used where signatures are not checked.
pub(super) fn any_keys(key_id: Option<&str>, algorithm: &str) -> String {
    // Points and numbers that are valid keys of nobody.
    const P256: [&str; 2] =
        ["axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"];
    const P384: [&str; 2] = [
        "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3",
        "NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f",
    ];
    let modulus = "_".repeat(341) + "w";
    let mut key: BTreeMap<&str, &str> = match algorithm.get(..2) {
        Some("ES") if algorithm == "ES256" => {
            [("kty", "EC"), ("crv", "P-256"), ("x", P256[0]), ("y", P256[1])].into_iter().collect()
        }
        Some("ES") => [("kty", "EC"), ("crv", "P-384"), ("x", P384[0]), ("y", P384[1])].into_iter().collect(),
        Some("Ed") => {
            let point = "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY";
            [("kty", "OKP"), ("crv", "Ed25519"), ("x", point)].into_iter().collect()
        }
        _ => [("kty", "RSA"), ("n", modulus.as_str()), ("e", "AQAB")].into_iter().collect(),
    };
    key.extend(key_id.map(|key_id| ("kid", key_id)));
    serde_json::json!({"keys": [key]}).to_string()
}
