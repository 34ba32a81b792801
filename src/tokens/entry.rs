//! What the VMs of one Envoy share about a token, as bytes.
//!
//! Every plugin with the same `vm_id` can write here, so what is read is hostile input. A value begins with a seal, a
//! hash over the record's fingerprint and the value: what another version of Gatepass wrote, another plugin, or
//! Gatepass itself for another identity, counts for nothing. Neither the key nor the value shows the fingerprint, but
//! whoever knows an identity's definition can make both: this keeps mistakes out, not an attacker.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::answer::is_token;
use crate::calls::CALL_TIMEOUT;
use crate::fingerprint::Fingerprint;
use crate::secret::SecretString;
use crate::time::{Monotonic, Now};

/// How long a lease lasts: one call and a second, so that one dead holder fits into a waiter's time.
pub const LEASE: Duration = CALL_TIMEOUT.saturating_add(Duration::from_secs(1));

/// The largest value that is read.
const MAX_ENTRY_BYTES: usize = 64 * 1024;
/// The longest remaining life, and the longest back-off, that is believed.
const MAX_LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);
const MAX_BACK_OFF: Duration = Duration::from_secs(3_600);
/// The bytes of a seal: a fingerprint in hexadecimal.
const SEAL_BYTES: usize = 64;

/// A token as it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token itself.
    pub value: SecretString,
    /// When it ends.
    pub expires: Monotonic,
    /// When it is refreshed.
    pub refresh: Monotonic,
    /// When it was fetched.
    pub fetched: Monotonic,
}

/// The last failure, as all VMs obey it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Failures in a row.
    pub count: u32,
    /// Before this reading of the monotonic clock, in nanoseconds, nobody tries again.
    pub not_before: u64,
    /// When it happened.
    pub at: u64,
    /// What the request was made of: it says nothing about one with other secrets.
    pub inputs: u64,
}

/// The shared value of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Who fetches, and until when it may.
    pub holder: Option<Holder>,
    /// The last token.
    pub token: Option<Token>,
    /// The last failure, if nothing good has come since.
    pub failure: Failure,
    /// When a fetch was last begun because a backend had refused the token.
    pub replaced: Option<Monotonic>,
}

/// Who fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The VM.
    pub owner: u64,
    /// Until when.
    pub until: Monotonic,
}

impl Entry {
    /// Whether another VM than `owner` holds the lease.
    pub fn is_held_by_other(&self, owner: u64, now: Now) -> bool {
        self.holder.is_some_and(|holder| holder.owner != owner && now.monotonic < holder.until)
    }

    /// Until when another VM than `owner` holds the lease.
    pub fn held_until(&self, owner: u64, now: Now) -> Option<Monotonic> {
        self.holder.filter(|_| self.is_held_by_other(owner, now)).map(|holder| holder.until)
    }

    /// The value as it is shared under [`key`].
    pub fn encode(&self, of: Fingerprint) -> Vec<u8> {
        let wire = Wire {
            holder: self.holder.map(|holder| (holder.owner, holder.until.nanoseconds())),
            token: self.token.as_ref().map(|token| {
                let Token { value, expires, refresh, fetched } = token;
                let [expires, refresh, fetched] = [expires, refresh, fetched].map(|at| at.nanoseconds());
                (value.expose().to_owned(), expires, refresh, fetched)
            }),
            failure: self.failure,
            replaced: self.replaced.map(Monotonic::nanoseconds),
        };
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        [seal(of, &body).as_bytes(), &body].concat()
    }

    /// Reads a value. What cannot be true is taken for nothing: a lease or a back-off far in the future, a
    /// token that cannot stand in a header or has ended.
    pub(super) fn decode(of: Fingerprint, bytes: &[u8], now: Now) -> Option<Self> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return None;
        }
        let (its_seal, body) = bytes.split_at_checked(SEAL_BYTES)?;
        if its_seal != seal(of, body).as_bytes() {
            return None;
        }
        let wire: Wire = serde_json::from_slice(body).ok()?;
        // The writer's clock was read a little later than ours may have been, at the start of this callback.
        let soon = |nanoseconds, limit| {
            let at = Monotonic::from_nanoseconds(nanoseconds);
            Some(at).filter(|at| now.monotonic < *at && *at <= now.monotonic.after(limit).after(LEASE))
        };
        let holder =
            wire.holder.and_then(|(owner, until)| Some(Holder { owner, until: soon(until, LEASE)? }));
        let token = wire.token.filter(|(value, ..)| is_token(value)).and_then(
            |(value, expires, refresh, fetched)| {
                let expires = soon(expires, MAX_LIFE)?;
                let refresh = Monotonic::from_nanoseconds(refresh).min(expires);
                let fetched = Monotonic::from_nanoseconds(fetched).min(now.monotonic);
                Some(Token { value: SecretString::new(value), expires, refresh, fetched })
            },
        );
        let failure = match soon(wire.failure.not_before, MAX_BACK_OFF) {
            Some(_) => wire.failure,
            None => Failure { not_before: 0, ..wire.failure },
        };
        let replaced =
            wire.replaced.map(Monotonic::from_nanoseconds).filter(|at| *at <= now.monotonic.after(LEASE));
        Some(Self { holder, token, failure, replaced })
    }
}

/// A shared value as bytes; times in nanoseconds of the monotonic clock.
#[derive(Serialize, Deserialize)]
struct Wire {
    holder: Option<(u64, u64)>,
    token: Option<(String, u64, u64, u64)>,
    failure: Failure,
    replaced: Option<u64>,
}

/// The key of a record's value. It has the version of the format in it, so that two versions of Gatepass with one
/// `vm_id` do not undo each other's leases.
pub fn key(of: Fingerprint) -> String {
    format!("gatepass.token.4.{}", of.with(&["key"]))
}

/// The seal before a value.
pub fn seal(of: Fingerprint, body: &[u8]) -> String {
    of.with(&["seal"]).with_bytes(body).to_string()
}
