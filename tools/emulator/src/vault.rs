//! The secrets of the vault, and who may read them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    clock,
    directory::{CALLER, GATEWAY},
    random::random_guid,
};

/// A secret as it is put into the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultSecret {
    /// Its value.
    pub value: String,
    /// Its content type, such as `text/plain`.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Whether it may be read; true by default.
    #[serde(default = "yes")]
    pub enabled: bool,
}

impl VaultSecret {
    /// An enabled one, without a content type.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self { value: value.to_owned(), content_type: None, enabled: true }
    }

    /// One that may not be read.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }
}

fn yes() -> bool {
    true
}

/// One version of a secret.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Its id: 32 hexadecimal digits.
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) secret: VaultSecret,
}

/// The vault.
#[derive(Debug)]
pub(crate) struct Vault(Mutex<Contents>);

#[derive(Debug)]
struct Contents {
    /// Oldest version first; names in lower case.
    secrets: HashMap<String, Vec<Version>>,
    /// Client ids.
    readers: HashSet<String>,
}

impl Vault {
    /// An empty vault that the gateway's identity and the caller application may read.
    pub(crate) fn new() -> Self {
        let readers = [GATEWAY.client_id, CALLER.client_id].map(str::to_owned).into();
        Self(Mutex::new(Contents { secrets: HashMap::new(), readers }))
    }

    /// Adds a version and returns its id.
    pub(crate) fn set(&self, name: &str, secret: VaultSecret) -> String {
        let id = random_guid().replace('-', "");
        let version = Version { id: id.clone(), created: clock::now(), secret };
        self.lock().secrets.entry(name.to_ascii_lowercase()).or_default().push(version);
        id
    }

    /// Removes a secret with all its versions.
    pub(crate) fn delete(&self, name: &str) {
        self.lock().secrets.remove(&name.to_ascii_lowercase());
    }

    /// The version with that id, else the newest.
    pub(crate) fn get(&self, name: &str, id: Option<&str>) -> Option<Version> {
        let contents = self.lock();
        let versions = contents.secrets.get(&name.to_ascii_lowercase())?;
        match id {
            Some(id) => versions.iter().find(|version| version.id == id),
            None => versions.last(),
        }
        .cloned()
    }

    /// Lets a client read, or not.
    pub(crate) fn allow(&self, client_id: &str, allowed: bool) {
        let mut contents = self.lock();
        if allowed {
            contents.readers.insert(client_id.to_owned());
        } else {
            contents.readers.remove(client_id);
        }
    }

    /// Whether a client may read.
    pub(crate) fn allows(&self, client_id: &str) -> bool {
        self.lock().readers.contains(client_id)
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
