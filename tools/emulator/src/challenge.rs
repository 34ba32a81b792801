//! What the backend refuses tokens with.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// A refusal of the backend: a status and `WWW-Authenticate` (RFC 6750 section 3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// The status, 401 by default.
    #[serde(default = "unauthorized")]
    pub status: u16,
    /// The value of `WWW-Authenticate`; none without it.
    #[serde(default)]
    pub www_authenticate: Option<String>,
}

fn unauthorized() -> u16 {
    401
}

impl Challenge {
    /// 401 with that value of `WWW-Authenticate`.
    #[must_use]
    pub fn new(www_authenticate: &str) -> Self {
        Self { status: unauthorized(), www_authenticate: Some(www_authenticate.to_owned()) }
    }

    /// `error="invalid_token"`: another token might do.
    #[must_use]
    pub fn invalid_token() -> Self {
        Self::new("Bearer error=\"invalid_token\", error_description=\"The token has been revoked\"")
    }

    /// `error="insufficient_scope"`: another token of the same client will not do.
    #[must_use]
    pub fn insufficient_scope() -> Self {
        Self::new("Bearer error=\"insufficient_scope\", scope=\"orders.write\"")
    }

    /// `error="insufficient_claims"` with the claims (JSON) to ask for, as Continuous Access
    /// Evaluation has it.
    #[must_use]
    pub fn insufficient_claims(claims: &str) -> Self {
        let claims = STANDARD.encode(claims);
        Self::new(&format!(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             error=\"insufficient_claims\", claims=\"{claims}\""
        ))
    }

    /// A challenge that names no error.
    #[must_use]
    pub fn without_error() -> Self {
        Self::new("Bearer realm=\"backend\"")
    }

    /// 401 without a challenge.
    #[must_use]
    pub fn without_header() -> Self {
        Self { status: unauthorized(), www_authenticate: None }
    }

    /// The same with another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

/// The refusals that wait for requests.
#[derive(Debug, Default)]
pub(crate) struct Challenges(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: VecDeque<Challenge>,
    /// By the SHA-256 of the token.
    tokens: HashMap<String, Challenge>,
}

impl Challenges {
    /// Refuses the next requests, one each.
    pub(crate) fn script(&self, challenges: Vec<Challenge>) {
        self.lock().next.extend(challenges);
    }

    /// Refuses every request with that token.
    pub(crate) fn refuse(&self, token_sha256: &str, challenge: Challenge) {
        self.lock().tokens.insert(token_sha256.to_owned(), challenge);
    }

    /// Takes back every refusal.
    pub(crate) fn clear(&self) {
        *self.lock() = Waiting::default();
    }

    /// The refusal of the request that has just come.
    pub(crate) fn next(&self, token_sha256: Option<&str>) -> Option<Challenge> {
        let mut waiting = self.lock();
        let of_token = token_sha256.and_then(|hash| waiting.tokens.get(hash).cloned());
        of_token.or_else(|| waiting.next.pop_front())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
