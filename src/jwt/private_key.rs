use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPrivateKey};

use super::der::{self, PrivateKeyInfo};
use super::{Family, PublicJwk, pem};
use crate::secret::SecretString;

/// Why a key or a certificate of the configuration cannot be used. No message quotes any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum BadKey {
    /// No PEM block at all.
    #[error("not PEM: a text with `-----BEGIN …-----` is expected")]
    NotPem,
    /// A PKCS #12 container.
    #[error(
        "a PKCS #12 (PFX) container: PEM is expected. In Key Vault, give the certificate the content type \
         `application/x-pem-file`; elsewhere, `openssl pkcs12 -in key.pfx -nodes -out key.pem`"
    )]
    Pfx,
    /// Cut off, not base64, or not the DER that the label names.
    #[error("the PEM block is damaged: cut off, not base64, or not what its label says")]
    Damaged,
    /// Protected by a password.
    #[error(
        "the private key is encrypted: store it without a password, `openssl pkey -in key.pem -out plain.pem`"
    )]
    Encrypted,
    /// A PEM text without a private key.
    #[error("no private key: one block `PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY` is expected")]
    NoPrivateKey,
    /// More than one private key.
    #[error("more than one private key, so it cannot be known which one is meant")]
    SeveralPrivateKeys,
    /// A PEM text without a certificate.
    #[error("no certificate: a block `CERTIFICATE` is expected")]
    NoCertificate,
    /// A PEM text without a public key.
    #[error("no public key: a block `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE` is expected")]
    NoPublicKey,
    /// A private key where a public one belongs.
    #[error("a private key, where only its public key belongs: `openssl pkey -in key.pem -pubout`")]
    Private,
    /// A kind of key that is not supported here.
    #[error(
        "a kind of key that is not supported here: RSA or P-256 is expected (public keys: also P-384, P-521, Ed25519)"
    )]
    Unsupported,
    /// RSA below 2,048 or over 4,096 bits.
    #[error("an RSA key of 2,048 to 4,096 bits is expected")]
    WrongSize,
    /// Its numbers do not belong together, or are no key.
    #[error("the key's numbers do not make a key")]
    Impossible,
    /// The certificate is another key's.
    #[error("the certificate does not belong to the private key")]
    OtherCertificate,
    /// The key cannot sign with the algorithm.
    #[error("the key does not fit the algorithm: RS256 and PS256 need an RSA key, ES256 one on P-256")]
    OtherAlgorithm,
}

/// A private key. `Debug` prints its kind only.
pub struct PrivateKey {
    pub(super) pair: Pair,
    /// The key as a host takes it, where it was read in that form (RFC 5958).
    pub(super) pkcs8: Option<Vec<u8>>,
}

pub(super) enum Pair {
    Rsa(Box<RsaPrivateKey>),
    P256(Box<p256::SecretKey>),
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({:?})", self.family())
    }
}

impl PrivateKey {
    /// Reads the one private key of a PEM text: PKCS #8, PKCS #1 or SEC1, RSA or P-256, without a password.
    /// Certificates beside it, as Key Vault stores them, are left to [`super::Certificate`].
    ///
    /// # Errors
    /// [`BadKey`]
    pub fn from_pem(text: &SecretString) -> Result<Self, BadKey> {
        let mut keys = pem::blocks(text.expose())?;
        keys.retain(|block| block.label.ends_with("PRIVATE KEY"));
        let mut keys = keys.into_iter();
        let block = keys.next().ok_or(BadKey::NoPrivateKey)?;
        if keys.next().is_some() {
            return Err(BadKey::SeveralPrivateKeys);
        }
        let info = match block.label {
            "PRIVATE KEY" => der::private_key_info(&block.der),
            "RSA PRIVATE KEY" => der::rsa_private_key(&block.der),
            "EC PRIVATE KEY" => der::ec_private_key(&block.der),
            _ => return Err(BadKey::Unsupported),
        };
        let pair = Pair::new(&info.map_err(|_| BadKey::Damaged)?)?;
        Ok(Self { pair, pkcs8: (block.label == "PRIVATE KEY").then_some(block.der) })
    }
}

impl Pair {
    fn new(info: &PrivateKeyInfo<'_>) -> Result<Self, BadKey> {
        let number = BigUint::from_bytes_be;
        match *info {
            PrivateKeyInfo::Rsa { modulus, public, private, primes } => {
                let modulus = number(modulus);
                if !(2048..=4096).contains(&modulus.bits()) {
                    return Err(BadKey::WrongSize);
                }
                let primes = primes.map(number).to_vec();
                let key = RsaPrivateKey::from_components(modulus, number(public), number(private), primes);
                key.map(|key| Self::Rsa(Box::new(key))).map_err(|_| BadKey::Impossible)
            }
            PrivateKeyInfo::Ec { curve: Some(der::P256), scalar } => {
                let key = p256::SecretKey::from_slice(scalar);
                key.map(|key| Self::P256(Box::new(key))).map_err(|_| BadKey::Impossible)
            }
            PrivateKeyInfo::Ec { .. } | PrivateKeyInfo::Other => Err(BadKey::Unsupported),
        }
    }
}

impl PrivateKey {
    /// The kind of the key.
    pub const fn family(&self) -> Family {
        match self.pair {
            Pair::Rsa(_) => Family::Rsa,
            Pair::P256(_) => Family::P256,
        }
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicJwk {
        match &self.pair {
            Pair::Rsa(key) => {
                PublicJwk::Rsa { modulus: key.n().to_bytes_be(), exponent: key.e().to_bytes_be() }
            }
            Pair::P256(key) => PublicJwk::P256 { point: key.public_key().to_sec1_bytes().to_vec() },
        }
    }
}
