use jwt_simple::algorithms::{ECDSAP256PublicKeyLike, ES256PublicKey, RS256PublicKey, RSAPublicKeyLike};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use superboring::hash::MessageDigest;
use superboring::pkey::PKey;
use superboring::rsa::Padding;
use superboring::sign;

use super::{Algorithm, JwkFault, PublicJwk, sha256};

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

    /// Whether `signature`, in JWS form (RFC 7518, section 3), is `key`'s over `message`. A key that is not
    /// for `algorithm` verifies nothing.
    fn verify(&self, algorithm: Algorithm, key: &Self::Key, message: &[u8], signature: &[u8]) -> bool;
}

/// Signatures checked in the VM: keys by jwt-simple and its rules for them, signatures by the crates that it
/// is built on, because its own check also reads the claims.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

/// A public key of [`Software`].
pub enum SoftwareKey {
    /// For RS256.
    Rsa(Box<RS256PublicKey>),
    /// For ES256.
    P256(Box<ES256PublicKey>),
}

impl SoftwareKey {
    /// The algorithm that the key is for.
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa(_) => Algorithm::Rs256,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    /// The key as SubjectPublicKeyInfo (RFC 5280, section 4.1), DER, for verifiers of other libraries.
    pub fn to_spki(&self) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(key) => key.to_der().ok(),
            Self::P256(key) => key.to_der().ok(),
        }
    }
}

impl Verifier for Software {
    type Key = SoftwareKey;

    fn prepare(&self, jwk: &PublicJwk) -> Result<SoftwareKey, JwkFault> {
        match jwk {
            PublicJwk::Rsa { modulus, exponent } => RS256PublicKey::from_components(modulus, exponent)
                .map(|key| SoftwareKey::Rsa(Box::new(key)))
                .map_err(|_| JwkFault::Unusable),
            PublicJwk::P256 { point } => ES256PublicKey::from_bytes(point)
                .map(|key| SoftwareKey::P256(Box::new(key)))
                .map_err(|_| JwkFault::Unusable),
        }
    }

    fn is_slow(&self, _: Algorithm) -> bool {
        true
    }

    fn verify(&self, algorithm: Algorithm, key: &SoftwareKey, message: &[u8], signature: &[u8]) -> bool {
        match (algorithm, key) {
            (Algorithm::Rs256, SoftwareKey::Rsa(key)) => {
                verify_rs256(key, message, signature).unwrap_or(false)
            }
            (Algorithm::Es256, SoftwareKey::P256(key)) => verify_es256(key, message, signature),
            _ => false,
        }
    }
}

fn verify_rs256(key: &RS256PublicKey, message: &[u8], signature: &[u8]) -> Option<bool> {
    let key = PKey::from_rsa(key.public_key().as_ref().clone()).ok()?;
    let mut verifier = sign::Verifier::new(MessageDigest::sha256(), &key).ok()?;
    verifier.set_rsa_padding(Padding::PKCS1).ok()?;
    verifier.update(message).ok()?;
    verifier.verify(signature).ok()
}

/// An ES256 signature as DER has it (RFC 3279, section 2.2.3). `None` where it is not 64 bytes with `r` and `s`
/// in their range.
pub fn es256_to_der(signature: &[u8]) -> Option<Vec<u8>> {
    let signature = p256::ecdsa::Signature::from_slice(signature).ok()?;
    Some(signature.to_der().as_bytes().to_vec())
}

/// The signature is `r || s`, 32 bytes each (RFC 7518, section 3.4); DER is refused.
fn verify_es256(key: &ES256PublicKey, message: &[u8], signature: &[u8]) -> bool {
    p256::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| key.public_key().as_ref().verify_prehash(&sha256(message), &signature).is_ok())
}
