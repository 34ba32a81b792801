use std::collections::{BTreeMap, BTreeSet};

use super::{Algorithm, Family, base64url};
use crate::json::Json;

/// A key's `kid`.
pub type KeyId = String;

/// The most keys of a set that are read; further ones are dropped.
const MAX_KEYS: usize = 100;

/// A JWK Set (RFC 7517, section 5), read key by key: one that cannot be used does not spoil the others.
#[derive(Debug)]
pub struct Jwks {
    /// The keys that can be used for signatures.
    pub keys: Vec<Jwk>,
    /// How many were dropped: unknown, weak, private, symmetric, not for signatures, or past the limit.
    pub dropped: usize,
}

/// One public key for signatures.
#[derive(Debug)]
pub struct Jwk {
    /// `kid`
    pub key_id: Option<KeyId>,
    /// `issuer`: Entra's keys say for which issuer they are.
    pub issuer: Option<String>,
    /// `cloud_instance_name`: Entra's keys say for which cloud they are.
    pub cloud: Option<String>,
    /// `alg`: the only algorithm that the key is for. Without it, that is every one of the key's family.
    pub algorithm: Option<Algorithm>,
    /// The key.
    pub key: PublicJwk,
}

/// A public key's members, decoded; whether they make a key, a [`super::Verifier`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicJwk {
    /// RSA (RFC 7518, section 6.3.1), big-endian.
    Rsa {
        /// `n`
        modulus: Vec<u8>,
        /// `e`
        exponent: Vec<u8>,
    },
    /// A point on P-256 (RFC 7518, section 6.2.1), as SEC1 writes it uncompressed.
    P256 {
        /// 0x04, x, y: 65 bytes.
        point: Vec<u8>,
    },
    /// A point on P-384, written in the same way.
    P384 {
        /// 0x04, x, y: 97 bytes.
        point: Vec<u8>,
    },
    /// A point on P-521, written in the same way.
    P521 {
        /// 0x04, x, y: 133 bytes.
        point: Vec<u8>,
    },
    /// A public key of Ed25519 (RFC 8037, section 2).
    Ed25519 {
        /// `x`
        key: Vec<u8>,
    },
}

impl PublicJwk {
    /// The kind of the key.
    pub const fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::P256 { .. } => Family::P256,
            Self::P384 { .. } => Family::P384,
            Self::P521 { .. } => Family::P521,
            Self::Ed25519 { .. } => Family::Ed25519,
        }
    }
}

/// Why a key of a set is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkFault {
    /// Not a JWK at all.
    #[error("not a JWK")]
    Malformed,
    /// A `kty`, `crv` or `alg` that is not supported, symmetric keys among them.
    #[error("a key of a kind that is not supported")]
    Unsupported,
    /// `use` or `key_ops` says that it is not for verifying signatures.
    #[error("a key that is not for signatures")]
    NotForSignatures,
    /// A private key: it should never have been published.
    #[error("a private key")]
    Private,
    /// A weak key, or no key.
    #[error("a weak or impossible key")]
    Unusable,
}

impl Jwks {
    /// Reads a set.
    ///
    /// # Errors
    /// [`JwkFault::Malformed`] where it is no JWK Set at all.
    pub fn parse(json: &[u8]) -> Result<Self, JwkFault> {
        let document = Json::parse(json).map_err(|_| JwkFault::Malformed)?;
        let Some(Json::Array(items)) = document.as_object().and_then(|set| set.get("keys")) else {
            return Err(JwkFault::Malformed);
        };
        let mut keys: Vec<Jwk> =
            items.iter().take(MAX_KEYS).filter_map(|item| Jwk::read(item).ok()).collect();
        // Which of two keys with one `kid` is meant cannot be known: neither is used, unless they say that they
        // are for different issuers.
        let mut seen = BTreeMap::<(KeyId, Option<String>), usize>::new();
        let name = |key: &Jwk| Some((key.key_id.clone()?, key.issuer.clone()));
        for name in keys.iter().filter_map(name) {
            let count = seen.entry(name).or_default();
            *count = count.saturating_add(1);
        }
        keys.retain(|key| name(key).is_none_or(|name| seen.get(&name) == Some(&1)));
        let dropped = items.len().saturating_sub(keys.len());
        Ok(Self { keys, dropped })
    }
}

impl Jwk {
    /// Whether signatures of `algorithm` may be checked with this key.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.key.family() == algorithm.family() && self.algorithm.is_none_or(|only| only == algorithm)
    }

    /// Reads one public key (RFC 7517, section 4).
    ///
    /// # Errors
    /// Why it cannot be used for signatures.
    pub fn read(item: &Json) -> Result<Self, JwkFault> {
        let members = item.as_object().ok_or(JwkFault::Malformed)?;
        let text = |name| match members.get(name) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or(JwkFault::Malformed),
        };
        let bytes = |name| text(name)?.and_then(base64url).ok_or(JwkFault::Malformed);
        if members.contains_key("d") {
            return Err(JwkFault::Private);
        }
        if text("use")?.is_some_and(|word| word != "sig") || !for_verifying(members.get("key_ops")) {
            return Err(JwkFault::NotForSignatures);
        }
        let key = match (text("kty")?, text("crv")?) {
            (Some("RSA"), _) => PublicJwk::Rsa { modulus: bytes("n")?, exponent: bytes("e")? },
            (Some("EC"), Some("P-256")) => {
                PublicJwk::P256 { point: point::<32>(&bytes("x")?, &bytes("y")?)? }
            }
            (Some("EC"), Some("P-384")) => {
                PublicJwk::P384 { point: point::<48>(&bytes("x")?, &bytes("y")?)? }
            }
            (Some("EC"), Some("P-521")) => {
                PublicJwk::P521 { point: point::<66>(&bytes("x")?, &bytes("y")?)? }
            }
            (Some("OKP"), Some("Ed25519")) => PublicJwk::Ed25519 { key: bytes("x")? },
            _ => return Err(JwkFault::Unsupported),
        };
        let algorithm = match text("alg")?.map(Algorithm::from_name) {
            None => None,
            Some(Some(algorithm)) if algorithm.family() == key.family() => Some(algorithm),
            Some(_) => return Err(JwkFault::Unsupported),
        };
        let owned = |name| Ok(text(name)?.map(ToOwned::to_owned));
        Ok(Self {
            key_id: owned("kid")?,
            issuer: owned("issuer")?,
            cloud: owned("cloud_instance_name")?,
            algorithm,
            key,
        })
    }
}

/// RFC 7517, section 4.3: where `key_ops` is there, it must name `verify`, and nothing twice.
fn for_verifying(operations: Option<&Json>) -> bool {
    let Some(operations) = operations else { return true };
    let Json::Array(operations) = operations else { return false };
    let mut words = BTreeSet::new();
    operations.iter().all(|operation| operation.as_str().is_some_and(|word| words.insert(word)))
        && words.contains("verify")
}

/// A point as SEC1 writes it uncompressed. Both coordinates have the curve's length (RFC 7518, section 6.2.1.2).
fn point<const BYTES: usize>(x: &[u8], y: &[u8]) -> Result<Vec<u8>, JwkFault> {
    if x.len() != BYTES || y.len() != BYTES {
        return Err(JwkFault::Unusable);
    }
    Ok([&[4], x, y].concat())
}
