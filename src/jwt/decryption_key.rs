use zeroize::Zeroizing;

use super::private_key::Pair;
use super::{BadKey, BadSymmetricKey, Family, PrivateKey, symmetric};
use crate::secret::SecretString;

/// How the key of a token's content is had from a key of ours (RFC 7518, section 4.1). `RSA1_5` and the algorithms with
/// a password (PBES2) are left out on purpose: the first leaks by how it fails, the second lets a token ask for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyManagement {
    /// RSAES-OAEP with SHA-1.
    RsaOaep,
    /// RSAES-OAEP with SHA-256.
    RsaOaep256,
    /// Elliptic-curve Diffie-Hellman: the content's key is what is agreed on.
    EcdhEs,
    /// The same; what is agreed on wraps the content's key.
    EcdhEsA128Kw,
    /// The same, with 256 bits.
    EcdhEsA256Kw,
    /// Our key is the content's.
    Direct,
    /// AES key wrap with our key.
    A128Kw,
    /// The same, with 256 bits.
    A256Kw,
}

impl KeyManagement {
    /// Those for a private key, in the order in which messages list them.
    pub const PRIVATE: [Self; 5] =
        [Self::RsaOaep256, Self::RsaOaep, Self::EcdhEs, Self::EcdhEsA128Kw, Self::EcdhEsA256Kw];

    /// Those for a key that is shared.
    pub const SYMMETRIC: [Self; 3] = [Self::Direct, Self::A128Kw, Self::A256Kw];

    /// The registered name, as in a header's `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
            Self::Direct => "dir",
            Self::A128Kw => "A128KW",
            Self::A256Kw => "A256KW",
        }
    }

    /// The algorithm of that name; names are case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::PRIVATE.into_iter().chain(Self::SYMMETRIC).find(|algorithm| algorithm.name() == name)
    }
}

/// A key that tokens are encrypted to, and what it may be used for. `Debug` prints no part of it.
pub struct DecryptionKey {
    pub(super) key: Material,
    algorithms: Vec<KeyManagement>,
}

pub(super) enum Material {
    Private(PrivateKey),
    Symmetric(Zeroizing<Vec<u8>>),
}

/// Why a key cannot decrypt. No message quotes any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDecryptionKey {
    /// Not a private key that can be used.
    #[error("{0}")]
    Private(BadKey),
    /// Not base64.
    #[error("{0}")]
    Symmetric(BadSymmetricKey),
    /// Not what the algorithm takes.
    #[error("the key is not one for {}, which takes {}", .0.name(), takes(*.0))]
    OtherAlgorithm(KeyManagement),
}

const fn takes(algorithm: KeyManagement) -> &'static str {
    match algorithm {
        KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => "an RSA key",
        KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw => "a key on P-256",
        KeyManagement::Direct => "16, 32 or 64 bytes",
        KeyManagement::A128Kw => "16 bytes",
        KeyManagement::A256Kw => "32 bytes",
    }
}

impl std::fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecryptionKey").field("algorithms", &self.algorithms).finish_non_exhaustive()
    }
}

impl DecryptionKey {
    /// Reads a private key (PEM, RSA or P-256) for these algorithms; without any, for all that it fits.
    ///
    /// # Errors
    /// [`BadDecryptionKey::Private`], [`BadDecryptionKey::OtherAlgorithm`]
    pub fn from_pem(text: &SecretString, algorithms: &[KeyManagement]) -> Result<Self, BadDecryptionKey> {
        let key = PrivateKey::from_pem(text).map_err(BadDecryptionKey::Private)?;
        Self::new(Material::Private(key), algorithms, &KeyManagement::PRIVATE)
    }

    /// Reads a shared key, written in base64 or base64url, for these algorithms; without any, for `dir` alone: a key
    /// that is used in two ways is a weaker one.
    ///
    /// # Errors
    /// [`BadDecryptionKey::Symmetric`], [`BadDecryptionKey::OtherAlgorithm`]
    pub fn from_base64(text: &SecretString, algorithms: &[KeyManagement]) -> Result<Self, BadDecryptionKey> {
        let bytes = symmetric::decode(text).map_err(BadDecryptionKey::Symmetric)?;
        let algorithms = if algorithms.is_empty() { &[KeyManagement::Direct] } else { algorithms };
        Self::new(Material::Symmetric(Zeroizing::new(bytes)), algorithms, &[])
    }

    fn new(
        key: Material,
        named: &[KeyManagement],
        otherwise: &[KeyManagement],
    ) -> Result<Self, BadDecryptionKey> {
        if let Some(other) = named.iter().find(|algorithm| !key.fits(**algorithm)) {
            return Err(BadDecryptionKey::OtherAlgorithm(*other));
        }
        let fitting = otherwise.iter().copied().filter(|algorithm| key.fits(*algorithm));
        let algorithms = if named.is_empty() { fitting.collect() } else { named.to_vec() };
        Ok(Self { key, algorithms })
    }

    /// Whether it may be used with `algorithm`.
    pub fn is_for(&self, algorithm: KeyManagement) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// How much work it is to decrypt with it inside the VM, in checks of a signature: about that many times a
    /// millisecond's half.
    pub fn effort(&self) -> u32 {
        match &self.key {
            Material::Symmetric(_) => 0,
            Material::Private(key) => match &key.pair {
                Pair::P256(_) => 1,
                Pair::Rsa(key) => rsa_effort(rsa::traits::PublicKeyParts::size(key.as_ref())),
            },
        }
    }
}

/// It grows with the third power of the modulus.
const fn rsa_effort(modulus_bytes: usize) -> u32 {
    match modulus_bytes {
        0..=256 => 10,
        257..=384 => 30,
        _ => 70,
    }
}

impl Material {
    fn fits(&self, algorithm: KeyManagement) -> bool {
        match (self, algorithm) {
            (Self::Private(key), KeyManagement::RsaOaep | KeyManagement::RsaOaep256) => {
                key.family() == Family::Rsa
            }
            (
                Self::Private(key),
                KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw,
            ) => key.family() == Family::P256,
            (Self::Symmetric(key), KeyManagement::Direct) => matches!(key.len(), 16 | 32 | 64),
            (Self::Symmetric(key), KeyManagement::A128Kw) => key.len() == 16,
            (Self::Symmetric(key), KeyManagement::A256Kw) => key.len() == 32,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rsa_effort;

    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_larger_modulus_costs_more_of_the_ration() {
        assert_eq!([256, 257, 384, 385, 512].map(rsa_effort), [10, 30, 30, 70, 70]);
    }
}
