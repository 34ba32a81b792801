//! JSON Web Tokens: their form (RFC 7515, compact serialisation), claims (RFC 7519), keys (RFC 7517) and
//! signatures (RFC 7518).
//!
//! A token passes through three types: text, [`UnverifiedToken`] (well formed, nothing proved) and
//! [`VerifiedToken`], which only [`UnverifiedToken::verify`] (public keys) and
//! [`UnverifiedToken::verify_with_shared_key`] (HMAC) make. The algorithm is never the token's
//! choice: it must be one that the configuration allows and that the key is for, by its family and its `alg`.

mod algorithm;
mod by_host;
mod certificate;
mod claims;
mod decryption_key;
mod der;
mod encrypted;
mod error;
mod jwk;
mod pem;
mod private_key;
mod sign;
mod signature;
mod symmetric;
#[cfg(test)]
pub(crate) mod testing;
mod token;

pub use algorithm::{Algorithm, Family};
pub use by_host::{HostCrypto, HostKey, HostVerifier};
pub use certificate::Certificate;
pub use claims::{Claims, TimeRules};
pub use decryption_key::{BadDecryptionKey, DecryptionKey, KeyManagement};
pub use encrypted::{DecryptFailure, EncryptedToken};
pub use error::Rejection;
pub use jwk::{Jwk, JwkFault, Jwks, KeyId, PublicJwk};
pub use private_key::{BadKey, PrivateKey};
pub use sign::{KeyReference, Random, SignFailure, Signer};
pub use signature::{Software, SoftwareKey, Verifier, ecdsa_to_der};
pub use symmetric::{BadSymmetricKey, SymmetricKey};
pub use token::{MAX_TOKEN_BYTES, UnverifiedToken, VerifiedToken, verify_jws, verify_jws_with_shared_key};

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    hmac_sha256::Hash::hash(bytes)
}

/// Base64url without padding, as RFC 7515, section 2 wants it: other alphabets, padding, line breaks and
/// non-canonical last characters are refused.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}

/// The inverse of [`base64url`].
pub(crate) fn to_base64url(bytes: impl AsRef<[u8]>) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
