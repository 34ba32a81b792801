use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::fingerprint::Fingerprint;
use crate::jwt::{BadDecryptionKey, DecryptionKey, KeyManagement};
use crate::secret::SecretString;
use crate::secrets;

/// A key that tokens are encrypted to, as it is configured.
#[derive(Debug)]
pub struct ConfiguredDecryptionKey {
    /// Its `kid`.
    pub id: Option<String>,
    /// Where it comes from.
    pub secret: Rc<secrets::Definition>,
    kind: DecryptionKeyKind,
    /// What it may be used for; nothing where that is what its kind is for.
    algorithms: Vec<KeyManagement>,
    fingerprint: Fingerprint,
}

/// How a key for decryption is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecryptionKeyKind {
    /// A private key in PEM.
    Private,
    /// A key that is shared, in base64.
    Symmetric,
}

impl ConfiguredDecryptionKey {
    /// The key `secret`, for tokens with the `kid` `id`; `algorithms` is what it may be used for, or is empty for what
    /// is usual.
    pub fn new(
        id: Option<String>,
        secret: Rc<secrets::Definition>,
        kind: DecryptionKeyKind,
        algorithms: Vec<KeyManagement>,
    ) -> Self {
        let kind_name = match kind {
            DecryptionKeyKind::Private => "private",
            DecryptionKeyKind::Symmetric => "symmetric",
        };
        let mut parts = vec!["decryption key", kind_name];
        parts.extend(algorithms.iter().map(|algorithm| algorithm.name()));
        let fingerprint = secret.fingerprint.with(&parts);
        Self { id, secret, kind, algorithms, fingerprint }
    }

    /// The key that `value`, the secret's, is.
    ///
    /// # Errors
    /// [`BadDecryptionKey`]
    pub fn read(&self, value: &SecretString) -> Result<DecryptionKey, BadDecryptionKey> {
        match self.kind {
            DecryptionKeyKind::Private => DecryptionKey::from_pem(value, &self.algorithms),
            DecryptionKeyKind::Symmetric => DecryptionKey::from_base64(value, &self.algorithms),
        }
    }

    /// Whether it may be for `algorithm`, as far as that is known before its value is.
    fn may_be_for(&self, algorithm: KeyManagement) -> bool {
        match self.kind {
            _ if !self.algorithms.is_empty() => self.algorithms.contains(&algorithm),
            DecryptionKeyKind::Private => KeyManagement::PRIVATE.contains(&algorithm),
            DecryptionKeyKind::Symmetric => algorithm == KeyManagement::Direct,
        }
    }
}

/// The key for `algorithm` with this `kid`, or the only one that a token may mean.
pub fn find_decryption_key<'k>(
    keys: &'k [ConfiguredDecryptionKey],
    key_id: Option<&str>,
    algorithm: KeyManagement,
) -> Option<&'k ConfiguredDecryptionKey> {
    let name = key_id.filter(|name| keys.iter().any(|key| key.id.as_deref() == Some(name)));
    let mut fitting = keys
        .iter()
        .filter(|key| key.may_be_for(algorithm) && (key_id.is_none() || key.id.as_deref() == name));
    let found = fitting.next()?;
    fitting.next().is_none().then_some(found)
}

/// Which value of which key: no two in a VM have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecryptionKeyNumber(u64);

/// What was in an encrypted token: whatever somebody wrote, with nothing proved.
pub struct Decrypted {
    /// A signed token, if it is one.
    pub text: SecretString,
    /// The key that it was encrypted to.
    pub key: DecryptionKeyNumber,
}

/// Keys for decryption that a VM has read, so that it reads each of them once.
#[derive(Default)]
pub struct DecryptionKeys {
    read: BTreeMap<Fingerprint, ReadKey>,
    last: u64,
}

struct ReadKey {
    value: SecretString,
    key: Rc<DecryptionKey>,
    number: DecryptionKeyNumber,
}

impl DecryptionKeys {
    /// The key that `value` is now.
    ///
    /// # Errors
    /// [`BadDecryptionKey`]
    pub fn get(
        &mut self,
        configured: &ConfiguredDecryptionKey,
        value: &SecretString,
    ) -> Result<(Rc<DecryptionKey>, DecryptionKeyNumber), BadDecryptionKey> {
        if let Some(known) = self.read.get(&configured.fingerprint).filter(|known| known.value.is_same(value))
        {
            return Ok((Rc::clone(&known.key), known.number));
        }
        let key = Rc::new(configured.read(value)?);
        self.last = self.last.wrapping_add(1);
        let number = DecryptionKeyNumber(self.last);
        let known = ReadKey { value: value.clone(), key: Rc::clone(&key), number };
        self.read.insert(configured.fingerprint, known);
        Ok((key, number))
    }

    /// Whether `number` is what `value` of this key is known by.
    pub fn is_current(
        &self,
        configured: &ConfiguredDecryptionKey,
        value: &SecretString,
        number: DecryptionKeyNumber,
    ) -> bool {
        let known = self.read.get(&configured.fingerprint);
        known.is_some_and(|known| known.number == number && known.value.is_same(value))
    }

    /// Forgets all keys but these.
    pub fn keep<'k>(&mut self, configured: impl Iterator<Item = &'k ConfiguredDecryptionKey>) {
        let wanted: BTreeSet<_> = configured.map(|key| key.fingerprint).collect();
        self.read.retain(|fingerprint, _| wanted.contains(fingerprint));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::secrets::Origin;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn configured(name: &str) -> ConfiguredDecryptionKey {
        let origin = Origin::Fixed(SecretString::new(name.to_owned()));
        let secret = Rc::new(secrets::Definition::new(name, origin));
        ConfiguredDecryptionKey::new(None, secret, DecryptionKeyKind::Symmetric, Vec::new())
    }

    #[test]
    fn a_key_that_no_configuration_has_is_forgotten() {
        let value = SecretString::new("AAECAwQFBgcICQoLDA0ODw==".to_owned());
        let (stays, goes) = (configured("stays"), configured("goes"));
        let mut keys = DecryptionKeys::default();
        let numbers = BTreeMap::from([
            ("stays", keys.get(&stays, &value).unwrap().1),
            ("goes", keys.get(&goes, &value).unwrap().1),
        ]);
        keys.keep([&stays].into_iter());
        assert!(keys.is_current(&stays, &value, numbers["stays"]));
        assert!(!keys.is_current(&goes, &value, numbers["goes"]));
    }
}
