//! The tokens that the managed-identity endpoints hand out again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{directory::ManagedIdentity, random::sha256_hex};

/// The same token for an identity and a resource until a third of its life is over, so that a
/// client which refreshes at half-life gets a fresh one. Asking again does not make a new one.
#[derive(Debug, Default)]
pub(crate) struct TokenCache(Mutex<HashMap<(&'static str, String), Issued>>);

/// A token and its dates (`NumericDate`).
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) at: i64,
    pub(crate) not_before: i64,
    pub(crate) expires: i64,
}

impl TokenCache {
    /// Forgets every token.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Forgets the token that is kept if that is its SHA-256.
    pub(crate) fn forget(&self, identity: &ManagedIdentity, resource: &str, sha256: &str) {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (identity.client_id, resource.to_owned());
        if issued.get(&key).is_some_and(|known| sha256_hex(known.token.as_bytes()) == sha256) {
            issued.remove(&key);
        }
    }

    /// The token that is kept, else the one that `issue` makes.
    pub(crate) fn get(
        &self,
        identity: &ManagedIdentity,
        resource: &str,
        now: i64,
        issue: impl FnOnce() -> Issued,
    ) -> Issued {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (identity.client_id, resource.to_owned());
        if let Some(known) = issued.get(&key)
            && now < known.at + (known.expires - known.at) / 3
        {
            return known.clone();
        }
        let new = issue();
        issued.insert(key, new.clone());
        new
    }
}
