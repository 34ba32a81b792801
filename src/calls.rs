//! Requests to other servers: what they are, how they end, and how long to wait before the next one.
//!
//! The core never sends anything. It hands out a [`Call`] and is told its [`Outcome`] later.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::fingerprint::Fingerprint;
use crate::jwt::BadKey;
use crate::secret::SecretString;
use crate::time::{Monotonic, Now, UnixTime};

/// How long a call may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer that is read; more is a failure.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// A call's number, unique within a VM's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// What a call is for: the record that its outcome belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Keys of an issuer ([`crate::keys`]).
    Keys(Fingerprint),
    /// An outbound token ([`crate::tokens`]).
    Token(Fingerprint),
    /// A secret ([`crate::secrets`]).
    Secret(Fingerprint),
}

/// An absolute `http` or `https` URL in the parts that a request needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub https: bool,
    /// Host and, where given, port: the request's `:authority`.
    pub authority: String,
    /// Path and query, beginning with `/`.
    pub path: String,
}

impl Url {
    /// Reads an absolute URL without user information or fragment (RFC 3986).
    pub fn parse(text: &str) -> Option<Self> {
        let uri: http::Uri = text.parse().ok()?;
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        if authority.contains('@') || text.contains('#') || uri.host()?.is_empty() {
            return None;
        }
        Some(Self {
            https,
            authority: authority.to_ascii_lowercase(),
            path: uri.path_and_query()?.as_str().to_owned(),
        })
    }

    /// Whether its host is this machine's own: loopback, or link-local as Azure's metadata service.
    pub fn is_local(&self) -> bool {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => &self.authority,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback() || ip.is_link_local())
            || host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unicast_link_local())
    }

    /// The value of `:scheme`.
    pub const fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.path)
    }
}

/// A request to another server. The URL says whom it is for; Envoy's cluster says where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The number that its outcome carries.
    pub id: CallId,
    /// What is sent.
    pub request: CallRequest,
}

/// The request of a record, before it has a number. `Debug` prints neither headers' values nor the body: either
/// may hold a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRequest {
    /// Envoy's cluster.
    pub cluster: String,
    /// The method: `GET` or `POST`.
    pub method: &'static str,
    /// The logical URL.
    pub url: Url,
    /// Headers beside the pseudo headers.
    pub headers: Vec<(&'static str, SecretString)>,
    /// The body; empty for none.
    pub body: SecretString,
}

impl CallRequest {
    /// A `GET` of `url` through `cluster`.
    pub fn get(cluster: &str, url: Url) -> Self {
        let body = SecretString::new(String::new());
        Self { cluster: cluster.to_owned(), method: "GET", url, headers: Vec::new(), body }
    }

    /// A `POST` of a form (`application/x-www-form-urlencoded`) to `url` through `cluster`.
    pub fn post(cluster: &str, url: Url, form: String) -> Self {
        let body = SecretString::new(form);
        let request = Self { cluster: cluster.to_owned(), method: "POST", url, headers: Vec::new(), body };
        request.with("content-type", "application/x-www-form-urlencoded".to_owned())
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, SecretString::new(value)));
        self
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(candidate, _)| *candidate == name)?;
        Some(value.expose())
    }
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server, or Envoy in its place (503, 504), answered.
    Answer(Answer),
    /// There is no answer: reset, too large, or never sent.
    NoAnswer,
}

/// An answer. Its body may hold a token, so `Debug` does not print it.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Retry-After` (RFC 9110, section 10.2.3), where present and text.
    pub retry_after: Option<String>,
    /// `WWW-Authenticate`, where present and text.
    pub challenge: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a call did not bring what it was made for. Counted and logged; the answer's text never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum CallFailure {
    /// The call could not be sent: no such cluster, or none of its hosts is healthy.
    #[error("the call could not be sent (does the cluster exist?)")]
    NotSent,
    /// No answer came: a reset, or an answer over [`MAX_ANSWER_BYTES`].
    #[error("no answer (reset, or larger than 256 KiB)")]
    NoAnswer,
    /// The answer's status was not 200. Envoy itself answers 503 for an unreachable host and 504 after
    /// [`CALL_TIMEOUT`].
    #[error("status {0}")]
    Status(u16),
    /// The body was not what was asked for.
    #[error("an answer that cannot be used: {0}")]
    Unusable(Unusable),
    /// The token that the call must carry is not to be had.
    #[error("the token for this call is not to be had")]
    NoToken,
    /// A secret that the request is made of is not to be had.
    #[error("a secret that the request needs is not to be had")]
    NoSecret,
    /// A key or certificate that the request is signed with cannot be used.
    #[error("a key that cannot be used: {0}")]
    BadKey(BadKey),
    /// The request could not be signed: the host has no randomness, or the key refused.
    #[error("the request could not be signed")]
    NotSigned,
    /// Another VM of this Envoy made the call; its log has the reason.
    #[error("a failure in another worker")]
    Elsewhere,
}

/// What is wrong with an answer of status 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unusable {
    /// Not a JSON object with the members that are asked for.
    #[error("not the JSON that is asked for")]
    NotTheJson,
    /// A token that cannot stand in a header, or none.
    #[error("no token, or one that cannot stand in a header")]
    NoToken,
    /// Nothing says when the token ends, or it has ended.
    #[error("no end of the token's life, or one in the past")]
    NoExpiry,
    /// A token whose `token_type` is not `Bearer`.
    #[error("a token_type other than Bearer")]
    TokenType,
    /// The discovery document names a `jwks_uri` that is not `https`, or on a host that is not configured.
    #[error("a jwks_uri on a host that is not configured")]
    JwksUri,
    /// The discovery document is another issuer's (OpenID Connect Discovery 1.0, section 4.3).
    #[error("a discovery document whose `issuer` is not the one that is configured")]
    Issuer,
    /// The endpoint gave the token that is held already, or one that ends no later.
    #[error("a token no fresher than the one that is held")]
    NotFresher,
    /// No text, an empty one, or one over [`crate::secrets::MAX_SECRET_BYTES`].
    #[error("no secret: not text, empty, or over 64 KiB")]
    NoSecret,
    /// A secret that its vault has disabled.
    #[error("a secret that is disabled")]
    Disabled,
    /// A challenge that does not name a file where challenges lie, or a file that holds none.
    #[error("not a challenge of the Arc agent")]
    Challenge,
    /// Not one key that can be used.
    #[error("no key that can be used")]
    NoKeys,
}

impl CallFailure {
    /// The stable code, for counters and log lines.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::NoAnswer => "no_answer",
            Self::Status(_) => "status",
            Self::Unusable(_) => "unusable",
            Self::NoToken => "no_token",
            Self::NoSecret => "no_secret",
            Self::BadKey(_) | Self::NotSigned => "not_signed",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// Whether trying again soon is pointless: the request itself is at fault.
    pub const fn is_permanent(self) -> bool {
        matches!(self, Self::Status(400 | 401 | 403 | 405) | Self::BadKey(_))
    }
}

/// The wait before the next try after `failures` failures in a row, while nothing usable is at hand.
///
/// Three quick tries, 0.8 s to 3 s after the first failure, then waits from 1 s doubling to 30 s: IMDS's own
/// outages heal in seconds to 70 s. A permanent fault waits 60 s. `jitter` (0 to 255) makes it up to a fifth
/// longer, so that many VMs do not call in step.
pub fn back_off(failures: u32, failure: CallFailure, jitter: u8) -> Duration {
    let base = match failures {
        _ if failure.is_permanent() => 60_000,
        0 | 1 => 800,
        2 => 1_000,
        3 => 1_200,
        4 => 1_000,
        5 => 2_000,
        6 => 4_000,
        7 => 8_000,
        8 => 16_000,
        _ => 30_000,
    };
    let longer = u64::from(jitter).saturating_mul(base / 5) / 255;
    Duration::from_millis(u64::saturating_add(base, longer))
}

/// A request waits for a call that is due within this time, and not for a later one.
pub const WORTH_WAITING: Duration = Duration::from_secs(5);

/// How long `Retry-After` asks to wait, in seconds or as a date (RFC 9110, section 10.2.3); at most an hour.
pub fn retry_after(value: &str, now: UnixTime) -> Option<Duration> {
    let wait = value.trim().parse().map(Duration::from_secs).ok().or_else(|| {
        let date = httpdate::parse_http_date(value).ok()?;
        let seconds = date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
        Some(now.until(UnixTime::from_seconds(seconds)))
    })?;
    Some(wait.min(Duration::from_secs(3_600)))
}

/// When the next try may be made after `failure`, obeying `Retry-After`.
pub fn next_try(failures: u32, failure: CallFailure, asked: Option<&str>, now: Now, jitter: u8) -> Monotonic {
    let asked = asked.and_then(|value| retry_after(value, now.wall)).unwrap_or_default();
    now.monotonic.after(back_off(failures, failure, jitter).max(asked))
}

/// A source of small variations, so that VMs do not act in step. Not for secrets (SplitMix64).
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// A sequence that `seed` determines.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 56) as u8
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn an_absolute_url_is_taken_apart() {
        let url = Url::parse("https://IdP.example:8443/.well-known/x?y=1").unwrap();
        assert_eq!(
            (url.https, url.authority.as_str(), url.path.as_str()),
            (true, "idp.example:8443", "/.well-known/x?y=1")
        );
        assert_eq!(Url::parse("http://169.254.169.254").unwrap().path, "/");
    }

    #[test]
    fn what_is_not_an_absolute_http_url_is_refused() {
        for text in [
            "",
            "/path",
            "ftp://x/",
            "https://",
            "https:///x",
            "https://u:p@x/",
            "https://x/#f",
            "https://x y/",
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_local_host_is_an_address_of_this_machine_and_no_name_that_begins_like_one() {
        for text in [
            "http://localhost:42356/x",
            "http://127.0.0.1",
            "http://127.1.2.3:80/",
            "http://169.254.169.254/",
            "http://[::1]:80/",
            "http://[fe80::1]/",
        ] {
            assert!(Url::parse(text).unwrap().is_local(), "{text}");
        }
        for text in [
            "http://localhost.example/",
            "http://127.0.0.1.example/",
            "http://10.0.0.1/",
            "http://[2001:db8::1]/",
            "http://example:80/",
        ] {
            assert!(!Url::parse(text).unwrap().is_local(), "{text}");
        }
    }

    #[test]
    fn back_off_grows_to_thirty_seconds_and_a_permanent_fault_waits_a_minute() {
        let waits: Vec<_> = (1..11).map(|n| back_off(n, CallFailure::Status(500), 0).as_millis()).collect();
        assert_eq!(waits, [800, 1_000, 1_200, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(back_off(1, CallFailure::Status(400), 0), Duration::from_secs(60));
        for jitter in 0..=255 {
            let wait = back_off(1, CallFailure::NoAnswer, jitter).as_millis();
            assert!((800..=960).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_an_hour() {
        let now = UnixTime::from_seconds(784_111_770);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("86400", now), Some(Duration::from_secs(3_600)));
        assert_eq!(retry_after("Sat, 05 Nov 1994 08:49:37 GMT", now), Some(Duration::ZERO));
        for value in ["", "-1", "soon"] {
            assert_eq!(retry_after(value, now), None, "{value}");
        }
    }
}
