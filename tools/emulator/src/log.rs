//! What was asked, without the secrets.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use axum::http::{HeaderMap, Method, Uri, header::AUTHORIZATION};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Endpoint,
    decoded::Decoded,
    endpoint::IMDS_TOKEN_PATH,
    random::sha256_hex,
    redact::{redacted_field, redacted_headers, redacted_path},
};

/// One request that the emulator has seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// What it was for.
    pub endpoint: Endpoint,
    /// When its head had been read: milliseconds since the emulator started.
    pub at_ms: u64,
    /// The method.
    pub method: String,
    /// The path with its query; the values of secret parameters are redacted.
    pub path: String,
    /// The header fields in the order in which they came, names in lower case. A value that is a
    /// secret reads `<redacted N bytes>`.
    pub headers: Vec<(String, String)>,
    /// The form of the body in the order of the wire, decoded; secrets as in `headers`. Only for
    /// token endpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub form: Vec<(String, String)>,
    /// The client assertion of the form, taken apart and not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<LoggedAssertion>,
    /// How many bytes the body had, once it has been read. Only for the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// The SHA-256 of the body, in lower-case hexadecimal. Only for the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<String>,
    /// The claims of the bearer token, not verified. Only for the backend, the
    /// vault and the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Map<String, Value>>,
    /// The SHA-256 of the bearer token, in lower-case hexadecimal; where `claims` are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_sha256: Option<String>,
    /// The status of the answer; none while there is none, and for ever after a hang or a close.
    pub status: Option<u16>,
}

/// A client assertion without its signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedAssertion {
    /// Its header parameters.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
}

impl LoggedRequest {
    /// The value of a parameter of the form.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The value of the first header field of that name (in lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// The number of a request in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogNumber(pub(crate) usize);

/// Everything seen since the start or the last clearing.
#[derive(Debug)]
pub(crate) struct RequestLog {
    started: Instant,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// The number of the oldest request that is still here; numbers never come twice.
    first: usize,
    requests: VecDeque<LoggedRequest>,
    token_requests: usize,
}

impl RequestLog {
    /// An empty log, whose time begins now.
    pub(crate) fn new() -> Self {
        Self { started: Instant::now(), entries: Mutex::default() }
    }

    /// Notes a request whose head has been read; the answer is `finish`.
    pub(crate) fn begin(&self, endpoint: Endpoint, method: &Method, uri: &Uri, headers: &HeaderMap) -> usize {
        let bearer = bearer(headers).filter(|_| shows_tokens(endpoint));
        let request = LoggedRequest {
            endpoint,
            at_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            method: method.to_string(),
            path: redacted_path(uri),
            headers: redacted_headers(uri, headers),
            form: Vec::new(),
            assertion: None,
            body_bytes: None,
            body_sha256: None,
            claims: bearer.and_then(Decoded::from_authorization).map(|token| token.claims),
            token_sha256: bearer.map(|token| sha256_hex(token.as_bytes())),
            status: None,
        };
        let mut entries = self.lock();
        if endpoint == Endpoint::Imds && uri.path() == IMDS_TOKEN_PATH {
            entries.token_requests += 1;
        }
        if entries.requests.len() == LIMIT {
            entries.requests.pop_front();
            entries.first += 1;
        }
        entries.requests.push_back(request);
        entries.first + entries.requests.len() - 1
    }

    /// Notes the form that a request has brought, if it is still in the log.
    pub(crate) fn note_form(&self, number: usize, body: &[u8]) {
        let fields: Vec<_> = form_urlencoded::parse(body).into_owned().collect();
        let assertion = fields.iter().find(|(name, _)| name == "client_assertion");
        let assertion = assertion.and_then(|(_, text)| Decoded::from_authorization(text));
        self.change(number, |request| {
            request.form = fields.into_iter().map(redacted_field).collect();
            request.assertion =
                assertion.map(|Decoded { header, claims }| LoggedAssertion { header, claims });
        });
    }

    /// Notes the body that a request has brought, if it is still in the log.
    pub(crate) fn note_body(&self, LogNumber(number): LogNumber, bytes: u64, sha256: String) {
        self.change(number, |request| {
            request.body_bytes = Some(bytes);
            request.body_sha256 = Some(sha256);
        });
    }

    /// How many of the requests in the log were for that endpoint.
    pub(crate) fn count(&self, endpoint: Endpoint) -> usize {
        self.lock().requests.iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// Notes the status that a request was answered with, if it is still in the log.
    pub(crate) fn finish(&self, number: usize, status: u16) {
        self.change(number, |request| request.status = Some(status));
    }

    /// What is in the log, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<LoggedRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    /// How many requests came to IMDS's token path.
    pub(crate) fn token_requests(&self) -> usize {
        self.lock().token_requests
    }

    /// Forgets everything; answers to what is under way are not noted.
    pub(crate) fn clear(&self) {
        let mut entries = self.lock();
        entries.first += entries.requests.len();
        entries.requests.clear();
        entries.token_requests = 0;
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut LoggedRequest)) {
        let mut entries = self.lock();
        let index = number.checked_sub(entries.first);
        if let Some(request) = index.and_then(|index| entries.requests.get_mut(index)) {
            change(request);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many requests are kept; the oldest go first.
const LIMIT: usize = 20_000;

/// Whether tokens that come there are shown taken apart.
fn shows_tokens(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Backend | Endpoint::KeyVault | Endpoint::Workflow)
}

/// The bearer token (RFC 6750 section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.";

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn begin(log: &RequestLog, endpoint: Endpoint, path: &str, fields: &HeaderMap) -> usize {
        log.begin(endpoint, &Method::GET, &path.parse().unwrap(), fields)
    }

    #[test]
    fn claims_are_kept_for_the_backend_only() {
        let log = RequestLog::new();
        let bearer = headers(&[("authorization", &format!("Bearer {JWT}"))]);
        begin(&log, Endpoint::Backend, "/", &bearer);
        begin(&log, Endpoint::Imds, "/", &bearer);
        let requests = log.requests();
        assert_eq!(requests[0].claims.as_ref().unwrap()["sub"], "a");
        assert_eq!(requests[1].claims, None);
    }

    #[test]
    fn an_answer_finds_its_request_also_after_a_clearing() {
        let log = RequestLog::new();
        let before = begin(&log, Endpoint::Imds, IMDS_TOKEN_PATH, &HeaderMap::new());
        log.clear();
        let after = begin(&log, Endpoint::Imds, IMDS_TOKEN_PATH, &HeaderMap::new());
        log.finish(before, 500);
        assert_eq!(log.requests()[0].status, None);
        log.finish(after, 200);
        assert_eq!(log.requests()[0].status, Some(200));
        assert_eq!(log.token_requests(), 1);
    }

    #[test]
    fn the_oldest_requests_go_when_the_log_is_full() {
        let log = RequestLog::new();
        for _ in 0..=LIMIT {
            begin(&log, Endpoint::Imds, IMDS_TOKEN_PATH, &HeaderMap::new());
        }
        assert_eq!(log.requests().len(), LIMIT);
        assert_eq!(log.token_requests(), LIMIT + 1);
    }
}
