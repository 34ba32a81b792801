//! Client assertions (RFC 7523), taken apart and checked.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use ring::digest;
use serde_json::{Map, Value};

use crate::{Algorithm, decoded::Decoded, keys::KeyPairs};

/// How far clocks may differ, in seconds: as Entra has it.
const CLOCK_SKEW: i64 = 300;

/// A JWT that a client shows; nothing of it is true before it is checked.
#[derive(Debug)]
pub(crate) struct Assertion<'a> {
    text: &'a str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> Assertion<'a> {
    /// None if it is no JWT.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let Decoded { header, claims } = Decoded::from_authorization(text)?;
        Some(Self { text, header, claims })
    }

    /// A claim that is a text; empty if there is none.
    pub(crate) fn claim(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A header parameter that is a text; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.header.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether one of these is its audience.
    pub(crate) fn is_for(&self, audiences: &[&str]) -> bool {
        let is_one = |value: &Value| value.as_str().is_some_and(|text| audiences.contains(&text));
        match self.claims.get("aud") {
            Some(Value::Array(values)) => values.iter().any(is_one),
            Some(value) => is_one(value),
            None => false,
        }
    }

    /// Whether it may be used at that time. `exp` is needed, `nbf` is not; both may be texts, as
    /// MSAL.NET writes them.
    pub(crate) fn is_timely(&self, now: i64) -> bool {
        let date = |name: &str| match self.claims.get(name)? {
            Value::String(text) => text.parse().ok(),
            // A date may have a fraction (RFC 7519 section 2), and MSAL for Python writes one.
            value => value.as_f64().map(|date| date as i64),
        };
        let begun =
            !self.claims.contains_key("nbf") || date("nbf").is_some_and(|nbf| nbf <= now + CLOCK_SKEW);
        begun && date("exp").is_some_and(|exp| now < exp + CLOCK_SKEW)
    }

    /// Whether one of these algorithms has signed it with that key.
    pub(crate) fn is_signed_by(&self, keys: &KeyPairs, algorithms: &[Algorithm]) -> bool {
        let algorithm = serde_json::from_value(self.header.get("alg").cloned().unwrap_or_default());
        let (Ok(algorithm), Some((signed, signature))) = (algorithm, self.text.rsplit_once('.')) else {
            return false;
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        algorithms.contains(&algorithm) && keys.verify(algorithm, signed.as_bytes(), &signature)
    }

    /// Whether it names that certificate (DER): `x5t#S256`, `x5t`, or the thumbprint as `kid`, in
    /// either alphabet of base64.
    pub(crate) fn names(&self, certificate: &[u8]) -> bool {
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate);
        let sha256 = digest::digest(&digest::SHA256, certificate);
        let named = [("x5t#S256", &sha256), ("x5t", &sha1), ("kid", &sha1)]
            .into_iter()
            .find(|(name, _)| self.header.contains_key(*name));
        named.is_some_and(|(name, thumbprint)| {
            let text = self.header(name).trim_end_matches('=');
            let bytes = URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text));
            bytes.is_ok_and(|bytes| bytes == thumbprint.as_ref())
        })
    }
}

/// The `jti` of assertions that have been used.
#[derive(Debug, Default)]
pub(crate) struct UsedAssertions(Mutex<HashSet<String>>);

impl UsedAssertions {
    /// Whether the assertion has a `jti` and is used for the first time; from now on it is used.
    pub(crate) fn first_use(&self, assertion: &Assertion<'_>) -> bool {
        let jti = assertion.claim("jti");
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !jti.is_empty() && used.insert(format!("{} {jti}", assertion.claim("iss")))
    }
}
