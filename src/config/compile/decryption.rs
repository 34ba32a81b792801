//! Keys that inbound tokens are encrypted to.

use std::rc::Rc;

use super::Compiler;
use super::issuer_keys::SAME_ID;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::jwt::KeyManagement;
use crate::keys::{ConfiguredDecryptionKey, DecryptionKeyKind};

impl Compiler {
    /// The keys of one list. Those that are fetched later are looked at when they are here.
    pub(super) fn decryption_keys(
        &mut self,
        path: &Path,
        raw: &[raw::DecryptionKey],
    ) -> Option<Rc<[ConfiguredDecryptionKey]>> {
        if raw.is_empty() {
            let why = "leave it out where no token is encrypted";
            return self.fault(path, FaultKind::Empty(why));
        }
        let mut keys: Vec<ConfiguredDecryptionKey> = Vec::new();
        for (index, raw) in raw.iter().enumerate() {
            let path = path.item(index);
            let key = self.decryption_key(&path, raw.clone())?;
            if keys.iter().any(|other| other.id.is_some() && other.id == key.id) {
                return self.fault(&path, FaultKind::Invalid(SAME_ID));
            }
            keys.push(key);
        }
        Some(keys.into())
    }

    fn decryption_key(&mut self, path: &Path, raw: raw::DecryptionKey) -> Option<ConfiguredDecryptionKey> {
        let id = match raw.id {
            Some(id) => Some(self.text(&path.member("id"), id)?),
            None => None,
        };
        let (kind, field, position) = match (raw.private_key, raw.symmetric_key) {
            (Some(position), None) => (DecryptionKeyKind::Private, "private_key", position),
            (None, Some(position)) => (DecryptionKeyKind::Symmetric, "symmetric_key", position),
            _ => return self.not_exactly_one(path, &["private_key", "symmetric_key"]),
        };
        let algorithms = match raw.algorithms {
            Some(names) => self.key_management(&path.member("algorithms"), &names, kind)?,
            None => Vec::new(),
        };
        let path = path.member(field);
        let secret = self.secret_position(&path, position)?;
        let key = ConfiguredDecryptionKey::new(id, secret, kind, algorithms);
        match key.secret.fixed().and_then(|value| key.read(value).err()) {
            Some(bad) => self.fault(&path, FaultKind::DecryptionKey(bad)),
            None => Some(key),
        }
    }

    fn key_management(
        &mut self,
        path: &Path,
        names: &[String],
        kind: DecryptionKeyKind,
    ) -> Option<Vec<KeyManagement>> {
        if names.is_empty() {
            return self.fault(path, FaultKind::Empty("leave it out for what is usual"));
        }
        let known: &[KeyManagement] = match kind {
            DecryptionKeyKind::Private => &KeyManagement::PRIVATE,
            DecryptionKeyKind::Symmetric => &KeyManagement::SYMMETRIC,
        };
        let mut algorithms = Vec::new();
        for (index, name) in names.iter().enumerate() {
            match KeyManagement::from_name(name).filter(|algorithm| known.contains(algorithm)) {
                Some(algorithm) => algorithms.push(algorithm),
                None => {
                    let expected = known.iter().map(|known| known.name().to_owned()).collect();
                    let kind = FaultKind::UnknownWord { word: name.clone(), expected };
                    return self.fault(&path.item(index), kind);
                }
            }
        }
        if kind == DecryptionKeyKind::Symmetric && algorithms.len() != 1 {
            let why = "a symmetric key is for one algorithm: what is used in two ways is weaker in both";
            return self.fault(path, FaultKind::Invalid(why));
        }
        Some(algorithms)
    }
}
