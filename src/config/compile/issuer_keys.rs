//! Keys of issuers that stand in the configuration itself. What would merely be dropped from a fetched set is a fault
//! here.

use super::Compiler;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::jwt::{Algorithm, Jwk, JwkFault, PublicJwk, Software, SymmetricKey, Verifier, sha256};
use crate::keys::{SharedKey, Source};

impl Compiler {
    /// Keys that stand in the configuration, and the algorithms that they may sign with: those that are named, or
    /// all that they fit.
    pub(super) fn configured_keys(
        &mut self,
        path: &Path,
        issuer: String,
        keys: Vec<(Path, Option<Jwk>)>,
        algorithms: Option<Vec<Algorithm>>,
    ) -> Option<(Source, Vec<Algorithm>)> {
        let mut good: Vec<Jwk> = Vec::new();
        let mut is_good = !keys.is_empty();
        for (path, key) in keys {
            let Some(key) = key else {
                is_good = false;
                continue;
            };
            if good.iter().any(|other| other.key_id.is_some() && other.key_id == key.key_id) {
                is_good = self.fault::<()>(&path, FaultKind::Invalid(SAME_ID)).is_some();
            }
            good.push(key);
        }
        let fits = |algorithm: &Algorithm| good.iter().any(|key| key.is_for(*algorithm));
        let algorithms = match algorithms {
            None => Algorithm::ALL.into_iter().filter(fits).collect(),
            Some(named) if is_good && !named.iter().all(fits) => {
                let why = "none of the keys fits one of these algorithms; remove the algorithm, or leave `algorithms` \
                           out for all that the keys fit";
                return self.fault(&path.member("algorithms"), FaultKind::Invalid(why));
            }
            Some(named) => named,
        };
        if is_good && !good.iter().all(|key| algorithms.iter().any(|algorithm| key.is_for(*algorithm))) {
            let why = "one of the keys fits none of these algorithms; add the algorithm, or remove the key";
            return self.fault(&path.member("algorithms"), FaultKind::Invalid(why));
        }
        let digest =
            sha256(format!("{good:?}").as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        is_good.then_some((Source::Configured { issuer, keys: good, digest }, algorithms))
    }

    /// The keys of a JWK Set (RFC 7517, section 5).
    pub(super) fn jwks(&mut self, path: &Path, jwks: &raw::Jwks) -> Vec<(Path, Option<Jwk>)> {
        let path = path.member("jwks").member("keys");
        self.some_keys(&path, jwks.keys.len());
        let mut keys = Vec::new();
        for (index, item) in jwks.keys.iter().enumerate() {
            let path = path.item(index);
            let key = Jwk::read(item).and_then(|jwk| Software.prepare(&jwk.key).map(|_| jwk));
            let key = key.map_or_else(|fault| self.fault(&path, FaultKind::Invalid(why(fault))), Some);
            keys.push((path, key));
        }
        keys
    }

    /// Public keys and certificates in PEM.
    pub(super) fn public_keys(&mut self, path: &Path, raw: &[raw::PublicKey]) -> Vec<(Path, Option<Jwk>)> {
        let path = path.member("public_keys");
        self.some_keys(&path, raw.len());
        let mut keys = Vec::new();
        for (index, raw) in raw.iter().enumerate() {
            let path = path.item(index);
            let key_id = raw.id.clone().map(|id| self.text(&path.member("id"), id));
            let key = PublicJwk::from_pem(&raw.pem)
                .or_else(|bad| self.fault(&path.member("pem"), FaultKind::PublicKey(bad)).ok_or(()))
                .ok()
                .filter(|key| {
                    let is_strong = Software.prepare(key).is_ok();
                    if !is_strong {
                        let kind = FaultKind::Invalid(why(JwkFault::Unusable));
                        self.fault::<()>(&path.member("pem"), kind);
                    }
                    is_strong
                });
            let jwk = key.map(|key| Jwk {
                key_id: key_id.flatten(),
                issuer: None,
                cloud: None,
                algorithm: None,
                key,
            });
            keys.push((path, jwk));
        }
        keys
    }

    /// Keys that the issuer shares with us. Those that are fetched later are looked at when they are here.
    pub(super) fn symmetric_keys(
        &mut self,
        path: &Path,
        raw: Vec<raw::SymmetricKey>,
        algorithms: &[Algorithm],
    ) -> Option<Vec<SharedKey>> {
        self.some_keys(path, raw.len())?;
        let mut keys: Vec<SharedKey> = Vec::new();
        for (index, raw) in raw.into_iter().enumerate() {
            let path = path.item(index);
            let id = match raw.id {
                Some(id) => Some(self.text(&path.member("id"), id)?),
                None => None,
            };
            if keys.iter().any(|other| other.id.is_some() && other.id == id) {
                return self.fault(&path, FaultKind::Invalid(SAME_ID));
            }
            let path = path.member("key");
            let secret = self.secret_position(&path, raw.key)?;
            let bad = secret.fixed().and_then(|key| SymmetricKey::from_base64(key, algorithms).err());
            if let Some(bad) = bad {
                return self.fault(&path, FaultKind::SharedKey(bad));
            }
            keys.push(SharedKey { id, secret });
        }
        Some(keys)
    }

    fn some_keys(&mut self, path: &Path, count: usize) -> Option<()> {
        match count {
            0 => self.fault(path, FaultKind::Empty("without a key no token is accepted")),
            _ => Some(()),
        }
    }
}

pub(super) const SAME_ID: &str = "another key has this id, so it does not tell which one is meant";

const fn why(fault: JwkFault) -> &'static str {
    match fault {
        JwkFault::Malformed => "not a JWK (RFC 7517): a member is missing, or is not what it must be",
        JwkFault::Unsupported => {
            "a key of a kind that is not supported; `kty` is `RSA`, `EC` (`P-256`, `P-384`) or `OKP` (`Ed25519`), `alg` \
             fits it, and symmetric keys are not public keys"
        }
        JwkFault::NotForSignatures => "its `use` or `key_ops` says that it is not for verifying signatures",
        JwkFault::Private => {
            "this is a private key; it belongs to the issuer alone: make a new one, and write the public part here"
        }
        JwkFault::Unusable => {
            "a weak or impossible key: RSA has 2048 to 4096 bits and the exponent 65537, a point lies on its curve"
        }
    }
}
