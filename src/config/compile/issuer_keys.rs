//! Keys of issuers that stand in the configuration itself. What would merely be dropped from a fetched set is a fault
//! here.

use super::Compiler;
use crate::config::fault::{FaultKind, Path};
use crate::config::raw;
use crate::jwt::{Algorithm, Jwk, JwkFault, Software, Verifier, sha256};
use crate::keys::Source;

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
                let why = "another key has this id, so it does not tell which one is meant";
                is_good = self.fault::<()>(&path, FaultKind::Invalid(why)).is_some();
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
        if jwks.keys.is_empty() {
            self.fault::<()>(&path, FaultKind::Empty("without a key no token is accepted"));
        }
        let mut keys = Vec::new();
        for (index, item) in jwks.keys.iter().enumerate() {
            let path = path.item(index);
            let key = Jwk::read(item).and_then(|jwk| Software.prepare(&jwk.key).map(|_| jwk));
            let key = key.map_or_else(|fault| self.fault(&path, FaultKind::Invalid(why(fault))), Some);
            keys.push((path, key));
        }
        keys
    }
}

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
