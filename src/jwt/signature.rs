use jwt_simple::algorithms::{
    ECDSAP256PublicKeyLike, ECDSAP384PublicKeyLike, ES256PublicKey, ES384PublicKey, Ed25519PublicKey,
    EdDSAPublicKeyLike, RS256PublicKey, RSAPublicKeyLike,
};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
#[cfg(feature = "es512")]
use p256::pkcs8::EncodePublicKey;
use superboring::hash::MessageDigest;
use superboring::pkey::PKey;
use superboring::rsa::Padding;
use superboring::sign::{self, RsaPssSaltlen};

use super::{Algorithm, Family, JwkFault, PublicJwk, sha256};

/// Checks signatures. There is one in the VM ([`Software`]); a host may bring its own.
pub trait Verifier {
    /// A public key, made ready once for many verifications.
    type Key;

    /// Makes a key ready.
    ///
    /// # Errors
    /// [`JwkFault::Unusable`] where the key is weak or no key at all: not on its curve, below 2,048 bits.
    fn prepare(&self, jwk: &PublicJwk) -> Result<Self::Key, JwkFault>;

    /// Whether a check with this algorithm takes so long (a millisecond) that checks must be rationed.
    fn is_slow(&self, algorithm: Algorithm) -> bool;

    /// Whether `signature`, in JWS form (RFC 7518, section 3), is `key`'s over `message`. A key of another
    /// family than the algorithm's verifies nothing; whether its `alg` and the issuer allow the algorithm, the
    /// caller has found out.
    fn verify(&self, algorithm: Algorithm, key: &Self::Key, message: &[u8], signature: &[u8]) -> bool;
}

/// Signatures checked in the VM: keys by jwt-simple and its rules for them, signatures by the crates that it
/// is built on, because its own check also reads the claims.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

/// A public key of [`Software`].
pub enum SoftwareKey {
    /// For RS and PS with each hash: jwt-simple has one set of rules for all of their keys.
    Rsa(Box<RS256PublicKey>),
    /// For ES256.
    P256(Box<ES256PublicKey>),
    /// For ES384.
    P384(Box<ES384PublicKey>),
    /// For ES512, which jwt-simple has not.
    #[cfg(feature = "es512")]
    P521(Box<p521::PublicKey>),
    /// For Ed25519.
    Ed25519(Box<Ed25519PublicKey>),
}

impl SoftwareKey {
    /// The kind of the key.
    pub const fn family(&self) -> Family {
        match self {
            Self::Rsa(_) => Family::Rsa,
            Self::P256(_) => Family::P256,
            Self::P384(_) => Family::P384,
            #[cfg(feature = "es512")]
            Self::P521(_) => Family::P521,
            Self::Ed25519(_) => Family::Ed25519,
        }
    }

    /// The key as SubjectPublicKeyInfo (RFC 5280, section 4.1), DER, for verifiers of other libraries.
    pub fn to_spki(&self) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(key) => key.to_der().ok(),
            Self::P256(key) => key.to_der().ok(),
            Self::P384(key) => key.to_der().ok(),
            #[cfg(feature = "es512")]
            Self::P521(key) => key.to_public_key_der().ok().map(|der| der.into_vec()),
            Self::Ed25519(key) => Some(key.to_der()),
        }
    }
}

impl Verifier for Software {
    type Key = SoftwareKey;

    fn prepare(&self, jwk: &PublicJwk) -> Result<SoftwareKey, JwkFault> {
        let key = match jwk {
            #[cfg(feature = "es512")]
            PublicJwk::P521 { point } => {
                let key = p521::PublicKey::from_sec1_bytes(point).map_err(|_| JwkFault::Unusable)?;
                return Ok(SoftwareKey::P521(Box::new(key)));
            }
            #[cfg(not(feature = "es512"))]
            PublicJwk::P521 { .. } => return Err(JwkFault::Unsupported),
            PublicJwk::Rsa { modulus, exponent } => {
                RS256PublicKey::from_components(modulus, exponent).map(|key| SoftwareKey::Rsa(Box::new(key)))
            }
            PublicJwk::P256 { point } => {
                ES256PublicKey::from_bytes(point).map(|key| SoftwareKey::P256(Box::new(key)))
            }
            PublicJwk::P384 { point } => {
                ES384PublicKey::from_bytes(point).map(|key| SoftwareKey::P384(Box::new(key)))
            }
            PublicJwk::Ed25519 { key } => {
                Ed25519PublicKey::from_bytes(key).map(|key| SoftwareKey::Ed25519(Box::new(key)))
            }
        };
        key.map_err(|_| JwkFault::Unusable)
    }

    fn is_slow(&self, _: Algorithm) -> bool {
        true
    }

    fn verify(&self, algorithm: Algorithm, key: &SoftwareKey, message: &[u8], signature: &[u8]) -> bool {
        match key {
            SoftwareKey::Rsa(key) => rsa_scheme(algorithm).is_some_and(|(padding, digest)| {
                verify_rsa(key, padding, digest, message, signature).unwrap_or(false)
            }),
            SoftwareKey::P256(key) => algorithm == Algorithm::Es256 && verify_es256(key, message, signature),
            SoftwareKey::P384(key) => algorithm == Algorithm::Es384 && verify_es384(key, message, signature),
            #[cfg(feature = "es512")]
            SoftwareKey::P521(key) => algorithm == Algorithm::Es512 && verify_es512(key, message, signature),
            SoftwareKey::Ed25519(key) => {
                algorithm == Algorithm::EdDsa && verify_ed25519(key, message, signature)
            }
        }
    }
}

/// Padding and hash of an algorithm for RSA keys.
fn rsa_scheme(algorithm: Algorithm) -> Option<(Padding, MessageDigest)> {
    let digest = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => MessageDigest::sha256(),
        Algorithm::Rs384 | Algorithm::Ps384 => MessageDigest::sha384(),
        Algorithm::Rs512 | Algorithm::Ps512 => MessageDigest::sha512(),
        _ => return None,
    };
    let is_pss = matches!(algorithm, Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512);
    Some((if is_pss { Padding::PKCS1_PSS } else { Padding::PKCS1 }, digest))
}

/// With PSS, the mask is of the same hash, and the salt exactly as long as it (RFC 7518, section 3.5).
fn verify_rsa(
    key: &RS256PublicKey,
    padding: Padding,
    digest: MessageDigest,
    message: &[u8],
    signature: &[u8],
) -> Option<bool> {
    let key = PKey::from_rsa(key.public_key().as_ref().clone()).ok()?;
    let mut verifier = sign::Verifier::new(digest, &key).ok()?;
    verifier.set_rsa_padding(padding).ok()?;
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).ok()?;
    verifier.update(message).ok()?;
    verifier.verify(signature).ok()
}

/// An ECDSA signature as DER has it (RFC 3279, section 2.2.3). `None` where `r` and `s` have not the length that
/// the algorithm asks for, or are out of their range, or the algorithm is not ECDSA.
pub fn ecdsa_to_der(algorithm: Algorithm, signature: &[u8]) -> Option<Vec<u8>> {
    match algorithm.family() {
        Family::P256 => {
            let signature = p256::ecdsa::Signature::from_slice(signature).ok()?;
            Some(signature.to_der().as_bytes().to_vec())
        }
        Family::P384 => {
            let signature = p384::ecdsa::Signature::from_slice(signature).ok()?;
            Some(signature.to_der().as_bytes().to_vec())
        }
        #[cfg(feature = "es512")]
        Family::P521 => {
            let signature = p521::ecdsa::Signature::from_slice(signature).ok()?;
            Some(signature.to_der().as_bytes().to_vec())
        }
        _ => None,
    }
}

/// The signature is `r || s`, 32 bytes each (RFC 7518, section 3.4); DER is refused.
fn verify_es256(key: &ES256PublicKey, message: &[u8], signature: &[u8]) -> bool {
    p256::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| key.public_key().as_ref().verify_prehash(&sha256(message), &signature).is_ok())
}

/// The same with 48 bytes each.
fn verify_es384(key: &ES384PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let digest = hmac_sha512::sha384::Hash::hash(message);
    p384::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| key.public_key().as_ref().verify_prehash(&digest, &signature).is_ok())
}

#[cfg(feature = "es512")]
/// The same with 66 bytes each.
fn verify_es512(key: &p521::PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let digest = hmac_sha512::Hash::hash(message);
    let key = p521::ecdsa::VerifyingKey::from(key);
    p521::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok())
}

/// Strict: points must be written canonically and have no small order, `S` must be below the group's order
/// (RFC 8032, section 5.1.7).
fn verify_ed25519(key: &Ed25519PublicKey, message: &[u8], signature: &[u8]) -> bool {
    ed25519_compact::Signature::from_slice(signature)
        .is_ok_and(|signature| key.public_key().as_ref().verify(message, &signature).is_ok())
}

#[cfg(test)]
mod tests;
