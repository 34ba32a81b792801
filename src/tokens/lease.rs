//! Which VM fetches a token, and how the others learn of it.
//!
//! Each record has one value in shared data: who holds the lease and until when, the last token, the last
//! failure. It is seeded, then changed by compare-and-set only. What is read from there is hostile input:
//! every plugin with the same `vm_id` can write it.

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
/// Tries of one change while others change the value too.
const MAX_TRIES: usize = 16;

/// Data that the VMs of one Envoy share.
pub trait SharedStore {
    /// The value under `key` and its version, where there is one.
    fn get(&mut self, key: &str) -> Option<(Vec<u8>, Version)>;

    /// Puts `value` where the version is still `version`, or where there is nothing. Whether it was put.
    fn compare_and_set(&mut self, key: &str, value: &[u8], version: Version) -> bool;

    /// Tells the other VMs that something has changed.
    fn wake_others(&mut self);
}

/// The version of a shared value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

impl Version {
    /// A version that no value has: with it a value is put only where there is none.
    pub const ABSENT: Self = Self(u32::MAX);
}

/// No sharing: a VM that has every lease for itself.
#[derive(Debug, Default)]
pub struct Alone;

impl SharedStore for Alone {
    fn get(&mut self, _: &str) -> Option<(Vec<u8>, Version)> {
        None
    }

    fn compare_and_set(&mut self, _: &str, _: &[u8], _: Version) -> bool {
        true
    }

    fn wake_others(&mut self) {}
}

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

/// How the attempt to take a lease ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// The lease is ours.
    Won,
    /// Another VM has it, or has just published: this is what it wrote.
    Other(Entry),
}

/// One VM's hand in the leases.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    owner: u64,
}

impl Lease {
    /// A VM that is known by `owner`, a number that no other VM has.
    pub const fn new(owner: u64) -> Self {
        Self { owner }
    }

    /// What is shared about a record.
    pub fn read(self, of: Fingerprint, store: &mut impl SharedStore, now: Now) -> Entry {
        Self::load(of, store, now).0
    }

    /// Tries to take the lease of a record whose shared value was just found to be `seen`.
    pub fn take(self, of: Fingerprint, seen: &Entry, store: &mut impl SharedStore, now: Now) -> Taken {
        let (mut entry, version) = Self::load(of, store, now);
        if entry != *seen || entry.is_held_by_other(self.owner, now) {
            return Taken::Other(entry);
        }
        if version == Version::ABSENT {
            // Nothing can be shared here: everybody is on its own.
            return Taken::Won;
        }
        entry.holder = Some(Holder { owner: self.owner, until: now.monotonic.after(LEASE) });
        if !store.compare_and_set(&key(of), &entry.encode(), version) {
            return Taken::Other(Self::load(of, store, now).0);
        }
        // The winner reads again: had the key been absent, everybody's write would have succeeded.
        let written = Self::load(of, store, now).0;
        match written.holder {
            Some(holder) if holder.owner == self.owner => Taken::Won,
            _ => Taken::Other(written),
        }
    }

    /// Notes in a lease that is ours that the fetch replaces a refused token.
    pub fn note_replacement(self, of: Fingerprint, store: &mut impl SharedStore, now: Now) {
        let (mut entry, version) = Self::load(of, store, now);
        if version != Version::ABSENT {
            entry.replaced = Some(now.monotonic);
            // If somebody else has written, the note is lost: one more replacement may follow.
            store.compare_and_set(&key(of), &entry.encode(), version);
        }
    }

    /// Publishes a token, lets go of the lease, and wakes the others. A token that lives longer stays, unless it is
    /// `refused`; what is shared afterwards is returned.
    pub fn publish_token(
        self,
        of: Fingerprint,
        token: &Token,
        refused: Option<&Token>,
        store: &mut impl SharedStore,
        now: Now,
    ) -> Token {
        let entry = self.change(of, store, now, |entry| {
            let is_refused = |held: &Token| refused.is_some_and(|refused| refused.value == held.value);
            if entry.token.as_ref().is_none_or(|held| held.expires < token.expires || is_refused(held)) {
                entry.token = Some(token.clone());
            }
            entry.failure = Failure::default();
        });
        store.wake_others();
        entry.token.unwrap_or_else(|| token.clone())
    }

    /// Publishes a failure, lets go of the lease, and wakes the others.
    pub fn publish_failure(self, of: Fingerprint, failure: Failure, store: &mut impl SharedStore, now: Now) {
        self.change(of, store, now, |entry| entry.failure = failure);
        store.wake_others();
    }

    /// Lets go of the lease without an outcome.
    pub fn release(self, of: Fingerprint, store: &mut impl SharedStore, now: Now) {
        self.change(of, store, now, |_| {});
        store.wake_others();
    }

    /// Lengthens a lease that is ours, for one more call.
    pub fn renew(self, of: Fingerprint, store: &mut impl SharedStore, now: Now) {
        let (mut entry, version) = Self::load(of, store, now);
        if entry.holder.is_some_and(|holder| holder.owner == self.owner) {
            entry.holder = Some(Holder { owner: self.owner, until: now.monotonic.after(LEASE) });
            // If somebody else has written, the lease is as long as it was.
            store.compare_and_set(&key(of), &entry.encode(), version);
        }
    }

    /// Changes the shared value and drops our lease, against whatever others do meanwhile.
    fn change(
        self,
        of: Fingerprint,
        store: &mut impl SharedStore,
        now: Now,
        mut edit: impl FnMut(&mut Entry),
    ) -> Entry {
        let mut entry = Entry::default();
        for _ in 0..MAX_TRIES {
            let version;
            (entry, version) = Self::load(of, store, now);
            edit(&mut entry);
            if entry.holder.is_some_and(|holder| holder.owner == self.owner) {
                entry.holder = None;
            }
            if store.compare_and_set(&key(of), &entry.encode(), version) {
                break;
            }
        }
        entry
    }

    /// Reads the shared value. Where there is none it is seeded, so that a version exists.
    fn load(of: Fingerprint, store: &mut impl SharedStore, now: Now) -> (Entry, Version) {
        let key = key(of);
        if let Some((bytes, version)) = store.get(&key) {
            return (Entry::decode(&bytes, now).unwrap_or_default(), version);
        }
        store.compare_and_set(&key, &Entry::default().encode(), Version::ABSENT);
        match store.get(&key) {
            Some((bytes, version)) => (Entry::decode(&bytes, now).unwrap_or_default(), version),
            None => (Entry::default(), Version::ABSENT),
        }
    }
}

impl Entry {
    /// Whether another VM than `owner` holds the lease.
    pub fn is_held_by_other(&self, owner: u64, now: Now) -> bool {
        self.holder.is_some_and(|holder| holder.owner != owner && now.monotonic < holder.until)
    }

    /// Until when another VM holds the lease.
    pub fn held_until(&self, lease: Lease, now: Now) -> Option<Monotonic> {
        self.holder.filter(|_| self.is_held_by_other(lease.owner, now)).map(|holder| holder.until)
    }

    fn encode(&self) -> Vec<u8> {
        let wire = Wire {
            format: FORMAT,
            holder: self.holder.map(|holder| (holder.owner, holder.until.nanoseconds())),
            token: self.token.as_ref().map(|token| {
                let Token { value, expires, refresh, fetched } = token;
                let [expires, refresh, fetched] = [expires, refresh, fetched].map(|at| at.nanoseconds());
                (value.expose().to_owned(), expires, refresh, fetched)
            }),
            failure: self.failure,
            replaced: self.replaced.map(Monotonic::nanoseconds),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads a value. What cannot be true is taken for nothing: a lease or a back-off far in the future, a
    /// token that cannot stand in a header or has ended.
    fn decode(bytes: &[u8], now: Now) -> Option<Self> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return None;
        }
        let wire: Wire = serde_json::from_slice(bytes).ok().filter(|wire: &Wire| wire.format == FORMAT)?;
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

/// The version of the format; what has another one is not read.
const FORMAT: u32 = 3;

/// A shared value as bytes; times in nanoseconds of the monotonic clock.
#[derive(Serialize, Deserialize)]
struct Wire {
    format: u32,
    holder: Option<(u64, u64)>,
    token: Option<(String, u64, u64, u64)>,
    failure: Failure,
    replaced: Option<u64>,
}

fn key(of: Fingerprint) -> String {
    format!("gatepass.token.{of}")
}
