//! What is counted, and by which name.
//!
//! Envoy shows a counter `gatepass.x` as `wasmcustom.gatepass.x`. Names and reason codes are stable.

use litemap::LiteMap;

/// Counters since they were last taken. Summed in the VM and written on tick, because each write crosses
/// into the host.
#[derive(Debug, Default)]
pub struct Counters(LiteMap<Counter, u64>);

/// One thing that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// A request was let pass.
    Forwarded,
    /// A request was refused, for the reason of this code.
    Refused(&'static str),
    /// A request was let pass that would have been refused, for the reason of this code, if its operation enforced.
    WouldRefuse(&'static str),
    /// A line about a refused request was not written: there had been enough of them.
    LogSuppressed,
    /// A request began to wait for keys or a token.
    Waited,
    /// A claim that a header or filter state was to have could not be written without ambiguity.
    ClaimOmitted,
    /// A token was remembered, so that its signature was not checked again.
    Remembered,
    /// A token was not remembered, so that its signature was checked.
    NotRemembered,
    /// A call for keys was sent.
    KeysRequested,
    /// Keys were loaded or found unchanged.
    KeysFetched,
    /// A call for keys failed, with this code.
    KeysFailed(&'static str),
    /// Keys of a set that could not be used.
    KeysDropped,
    /// A token request was sent.
    TokenRequested,
    /// A token was fetched.
    TokenFetched,
    /// A token request failed, with this code.
    TokenFailed(&'static str),
    /// A token is replaced because a backend refused it.
    TokenRefused,
    /// A token was taken over from another VM.
    TokenShared,
    /// A token request was sent to this source.
    SourceRequested(&'static str),
    /// A token came from this source.
    SourceFetched(&'static str),
    /// A token request to this source failed.
    SourceFailed(&'static str),
    /// A call for a secret was sent.
    SecretRequested,
    /// A secret was read.
    SecretFetched,
    /// A secret was read and is another one than before.
    SecretChanged,
    /// A secret could not be read, for this code.
    SecretFailed(&'static str),
}

impl Counter {
    /// Its name.
    pub fn name(self) -> String {
        let (name, code) = match self {
            Self::Forwarded => ("requests.forwarded", None),
            Self::Refused(code) => ("requests.refused", Some(code)),
            Self::WouldRefuse(code) => ("requests.would_refuse", Some(code)),
            Self::LogSuppressed => ("log.suppressed", None),
            Self::Waited => ("requests.waited", None),
            Self::ClaimOmitted => ("claims.omitted", None),
            Self::Remembered => ("verdicts.remembered", None),
            Self::NotRemembered => ("verdicts.missed", None),
            Self::KeysRequested => ("keys.requested", None),
            Self::KeysFetched => ("keys.fetched", None),
            Self::KeysFailed(code) => ("keys.failed", Some(code)),
            Self::KeysDropped => ("keys.dropped", None),
            Self::TokenRequested => ("tokens.requested", None),
            Self::TokenFetched => ("tokens.fetched", None),
            Self::TokenFailed(code) => ("tokens.failed", Some(code)),
            Self::TokenRefused => ("tokens.refused", None),
            Self::TokenShared => ("tokens.shared", None),
            Self::SourceRequested(source) => ("sources.requested", Some(source)),
            Self::SourceFetched(source) => ("sources.fetched", Some(source)),
            Self::SourceFailed(source) => ("sources.failed", Some(source)),
            Self::SecretRequested => ("secrets.requested", None),
            Self::SecretFetched => ("secrets.fetched", None),
            Self::SecretChanged => ("secrets.changed", None),
            Self::SecretFailed(code) => ("secrets.failed", Some(code)),
        };
        code.map_or_else(|| format!("gatepass.{name}"), |code| format!("gatepass.{name}.{code}"))
    }
}

/// What stands at a value now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gauge {
    /// Requests that wait, over all VMs.
    Waiting,
    /// Tokens that are remembered, over all VMs.
    Remembered,
    /// Seconds since the keys of the issuer of this name came, in the VM that wrote last.
    KeysAge(String),
    /// Token requests under way, each with a lease that is held, over all VMs.
    Leases,
    /// Bytes of linear memory, over all VMs. A VM gives none of it back.
    Memory,
    /// Seconds that are left of the token of the identity of this name that ends first.
    SecondsLeft(String),
    /// Seconds for which fetching a token of the identity of this name has been failing.
    FailingSeconds(String),
}

impl Gauge {
    /// Its name. An operator's name may hold anything: what is neither a letter, a digit nor `-` is written as `_` and
    /// two hexadecimal digits for each byte.
    pub fn name(&self) -> String {
        match self {
            Self::Waiting => "gatepass.waiting".to_owned(),
            Self::Remembered => "gatepass.verdicts.entries".to_owned(),
            Self::KeysAge(issuer) => named("gatepass.keys.age_seconds.", issuer),
            Self::Leases => "gatepass.tokens.leases".to_owned(),
            Self::Memory => "gatepass.memory_bytes".to_owned(),
            Self::SecondsLeft(identity) => named("gatepass.tokens.seconds_left.", identity),
            Self::FailingSeconds(identity) => named("gatepass.tokens.failing_seconds.", identity),
        }
    }

    /// The identity that it is about.
    pub fn identity(&self) -> Option<&str> {
        match self {
            Self::SecondsLeft(identity) | Self::FailingSeconds(identity) => Some(identity),
            _ => None,
        }
    }

    /// Whether each VM adds its own part to the value.
    pub const fn is_sum(&self) -> bool {
        !matches!(self, Self::KeysAge(_) | Self::SecondsLeft(_) | Self::FailingSeconds(_))
    }
}

fn named(prefix: &str, name: &str) -> String {
    let mut text = prefix.to_owned();
    for byte in name.bytes() {
        match byte {
            b'-' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text.push(char::from(byte)),
            _ => text.push_str(&format!("_{byte:02x}")),
        }
    }
    text
}

impl Counters {
    /// Counts one.
    pub fn count(&mut self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts several.
    pub fn add(&mut self, counter: Counter, by: usize) {
        let sum = self.0.entry(counter).or_default();
        *sum = sum.saturating_add(by as u64);
    }

    /// Takes what was counted since the last time.
    pub fn take(&mut self) -> LiteMap<Counter, u64> {
        std::mem::take(&mut self.0)
    }
}

/// A line for the log. It never holds a token, a secret or a part of the configuration's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub text: String,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For those who follow single requests.
    Debug,
    /// Something that happens rarely and is in order.
    Info,
    /// Something that the operator should look at.
    Warn,
    /// Something that stops us from doing our work.
    Error,
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn an_issuers_name_is_written_so_that_no_two_are_one() {
        let name = |issuer: &str| Gauge::KeysAge(issuer.to_owned()).name();
        assert_eq!(name("contoso-1"), "gatepass.keys.age_seconds.contoso-1");
        assert_eq!(name("a.b_c\u{e4}"), "gatepass.keys.age_seconds.a_2eb_5fc_c3_a4");
    }
}
