//! Which VM fetches a token, and how the others learn of it.
//!
//! Each record has one value in shared data: who holds the lease and until when, the last token, the last
//! failure ([`super::entry`]). It is seeded, then changed by compare-and-set only.

use super::entry::{Entry, Failure, Holder, LEASE, Token, key};
use crate::fingerprint::Fingerprint;
use crate::time::Now;

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
    pub(super) owner: u64,
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
        if !store.compare_and_set(&key(of), &entry.encode(of), version) {
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
            store.compare_and_set(&key(of), &entry.encode(of), version);
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

    /// Lengthens a lease that is ours, for one more call. One that was lost meanwhile is taken again.
    pub fn renew(self, of: Fingerprint, store: &mut impl SharedStore, now: Now) {
        let (mut entry, version) = Self::load(of, store, now);
        if !entry.is_held_by_other(self.owner, now) && version != Version::ABSENT {
            entry.holder = Some(Holder { owner: self.owner, until: now.monotonic.after(LEASE) });
            // If somebody else has written, the lease is as long as it was.
            store.compare_and_set(&key(of), &entry.encode(of), version);
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
            if store.compare_and_set(&key(of), &entry.encode(of), version) {
                break;
            }
        }
        entry
    }

    /// Reads the shared value. Where there is none it is seeded, so that a version exists.
    fn load(of: Fingerprint, store: &mut impl SharedStore, now: Now) -> (Entry, Version) {
        let key = key(of);
        if let Some((bytes, version)) = store.get(&key) {
            return (Entry::decode(of, &bytes, now).unwrap_or_default(), version);
        }
        store.compare_and_set(&key, &Entry::default().encode(of), Version::ABSENT);
        match store.get(&key) {
            Some((bytes, version)) => (Entry::decode(of, &bytes, now).unwrap_or_default(), version),
            None => (Entry::default(), Version::ABSENT),
        }
    }
}
