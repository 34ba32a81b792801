//! Whose keys there are, and how they roll over.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crate::{
    Issuer, Rotation, SigningKey, TokenSpec,
    directory::CONSUMER_TENANT,
    keys::{KeyError, KeyPairs, key_error},
};

/// The keys of one issuer: those that it publishes, and the one before.
#[derive(Debug)]
pub(crate) struct KeyRing<T> {
    current: Arc<T>,
    previous: Arc<T>,
    still_published: Vec<Arc<T>>,
}

impl<T> KeyRing<T> {
    /// A ring whose one key has no predecessor.
    pub(crate) fn new(key: T) -> Self {
        let current = Arc::new(key);
        Self { previous: Arc::clone(&current), current, still_published: Vec::new() }
    }

    /// The key that signs.
    pub(crate) fn current(&self) -> &Arc<T> {
        &self.current
    }

    /// The key that signed before the last rotation.
    pub(crate) fn previous(&self) -> &Arc<T> {
        &self.previous
    }

    /// Every key that the issuer publishes, oldest first.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Arc<T>> {
        self.still_published.iter().chain([&self.current])
    }

    /// Makes `key` the one that signs.
    pub(crate) fn rotate(&mut self, key: T, rotation: Rotation) {
        self.previous = std::mem::replace(&mut self.current, Arc::new(key));
        match rotation {
            Rotation::Add => self.still_published.push(Arc::clone(&self.previous)),
            Rotation::Replace => self.still_published.clear(),
        }
    }
}

/// Every key of the emulator but those of its certificates.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Entra's, for every tenant of organisations; only the RSA keys are published.
    pub(crate) entra: KeyRing<KeyPairs>,
    /// The partner's.
    pub(crate) partner: KeyRing<KeyPairs>,
    /// Those that do not roll over.
    pub(crate) fixed: Arc<FixedKeys>,
}

/// Keys that do not roll over. Every emulator of a process has the same, for RSA keys are slow to
/// make and tests start many emulators.
#[derive(Debug)]
pub(crate) struct FixedKeys {
    /// Nobody's.
    pub(crate) foreign: KeyPairs,
    /// Of the tenant of personal accounts.
    pub(crate) consumers: KeyPairs,
    /// Of the customers' tenant.
    pub(crate) customers: KeyPairs,
    /// Of the cluster that issues service-account tokens.
    pub(crate) cluster: KeyPairs,
    /// Of the application that calls the API: registered with it.
    pub(crate) caller: KeyPairs,
}

impl FixedKeys {
    fn shared() -> Result<Arc<Self>, KeyError> {
        static MADE: Mutex<Option<Arc<FixedKeys>>> = Mutex::new(None);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = &*made {
            return Ok(Arc::clone(keys));
        }
        let [foreign, consumers, customers, cluster, caller] =
            generate_all(["nobody.example", "live.com", "b2clogin.com", "aks.oidc.example", "caller"])?;
        let keys = Arc::new(Self { foreign, consumers, customers, cluster, caller });
        *made = Some(Arc::clone(&keys));
        Ok(keys)
    }
}

impl Keys {
    /// Makes them, on several threads.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let fixed = FixedKeys::shared()?;
        let [older, newer, partner] = generate_all([ENTRA, ENTRA, PARTNER])?;
        let mut entra = KeyRing::new(older);
        entra.rotate(newer, Rotation::Add);
        Ok(Self { entra, partner: KeyRing::new(partner), fixed })
    }

    /// The keys that sign such a token.
    pub(crate) fn of(&self, spec: &TokenSpec) -> &KeyPairs {
        let ring = match (spec.key, spec.issuer) {
            (SigningKey::Foreign, _) => return &self.fixed.foreign,
            (SigningKey::Consumers, _) => return &self.fixed.consumers,
            (_, Issuer::B2c | Issuer::ExternalId) => return &self.fixed.customers,
            (_, Issuer::Cluster) => return &self.fixed.cluster,
            (_, Issuer::EntraV1 | Issuer::EntraV2) if spec.tenant == CONSUMER_TENANT => {
                return &self.fixed.consumers;
            }
            (_, Issuer::EntraV1 | Issuer::EntraV2) => &self.entra,
            (_, Issuer::Partner) => &self.partner,
        };
        match spec.key {
            SigningKey::Previous => ring.previous(),
            _ => ring.current(),
        }
    }
}

/// New keys for Entra and for the partner.
pub(crate) fn generate_successors() -> Result<[KeyPairs; 2], KeyError> {
    generate_all([ENTRA, PARTNER])
}

const ENTRA: &str = "accounts.accesscontrol.windows.net";
const PARTNER: &str = "idp.partner.example";

fn generate_all<const N: usize>(names: [&str; N]) -> Result<[KeyPairs; N], KeyError> {
    let made: Result<Vec<_>, _> = thread::scope(|scope| {
        let threads: Vec<_> =
            names.into_iter().map(|name| scope.spawn(move || KeyPairs::generate(name))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(key_error("its thread ended"))))
            .collect()
    });
    made?.try_into().map_err(|_| key_error("one of them is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_keeps_the_old_key_published_and_replacing_does_not() {
        let names = |ring: &KeyRing<&'static str>| -> Vec<&'static str> {
            ring.published().map(|key| **key).collect()
        };
        let mut ring = KeyRing::new("a");
        assert_eq!(names(&ring), ["a"]);
        ring.rotate("b", Rotation::Add);
        assert_eq!(names(&ring), ["a", "b"]);
        assert_eq!((**ring.previous(), **ring.current()), ("a", "b"));
        ring.rotate("c", Rotation::Replace);
        assert_eq!(names(&ring), ["c"]);
        assert_eq!((**ring.previous(), **ring.current()), ("b", "c"));
    }
}
