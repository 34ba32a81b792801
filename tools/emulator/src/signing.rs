//! Keys: how they are made, what is published of them, how they sign, how they roll over.

use std::{sync::Arc, thread};

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt_simple::algorithms::RS256KeyPair;
use rcgen::{CertificateParams, DnType};
use ring::{
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaEncoding, RsaKeyPair,
    },
};
use serde_json::{Value, json};

use crate::{Algorithm, Rotation};

/// Why a key could not be made. Neither happens on a machine with a source of randomness.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The RSA key could not be made, or ring refused it.
    #[error("cannot make a signing key: {0}")]
    Key(String),
    /// The certificate that is published with it could not be made.
    #[error("cannot make the certificate of a signing key")]
    Certificate(#[from] rcgen::Error),
}

/// The keys of one issuer: those that it publishes, and the one before.
#[derive(Debug)]
pub(crate) struct KeyRing<T> {
    current: Arc<T>,
    previous: Arc<T>,
    still_published: Vec<Arc<T>>,
}

impl<T> KeyRing<T> {
    /// A ring whose one key has no predecessor.
    pub(crate) fn new(key: T) -> Self {
        let current = Arc::new(key);
        Self { previous: Arc::clone(&current), current, still_published: Vec::new() }
    }

    /// The key that signs.
    pub(crate) fn current(&self) -> &Arc<T> {
        &self.current
    }

    /// The key that signed before the last rotation.
    pub(crate) fn previous(&self) -> &Arc<T> {
        &self.previous
    }

    /// Every key that the issuer publishes, oldest first.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Arc<T>> {
        self.still_published.iter().chain([&self.current])
    }

    /// Makes `key` the one that signs.
    pub(crate) fn rotate(&mut self, key: T, rotation: Rotation) {
        self.previous = std::mem::replace(&mut self.current, Arc::new(key));
        match rotation {
            Rotation::Add => self.still_published.push(Arc::clone(&self.previous)),
            Rotation::Replace => self.still_published.clear(),
        }
    }
}

/// An RSA key of 2048 bits with a self-signed certificate, as Entra publishes them.
#[derive(Debug)]
pub(crate) struct RsaKey {
    /// The `kid`: the certificate's SHA-1 thumbprint, as Entra has it.
    pub(crate) kid: String,
    pair: RsaKeyPair,
    n: String,
    e: String,
    x5c: String,
    public_pem: String,
}

impl RsaKey {
    /// Makes one; takes a good part of a second.
    pub(crate) fn generate(common_name: &str) -> Result<Self, KeyError> {
        let key = RS256KeyPair::generate(2048).map_err(key_error)?;
        let der = key.to_der().map_err(key_error)?;
        let public = key.public_key();
        let components = public.to_components();
        let certificate = self_signed(&der, common_name)?;
        Ok(Self {
            kid: URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate)),
            pair: RsaKeyPair::from_pkcs8(&der).map_err(key_error)?,
            n: URL_SAFE_NO_PAD.encode(&components.n),
            e: URL_SAFE_NO_PAD.encode(&components.e),
            x5c: STANDARD.encode(&certificate),
            public_pem: public.to_pem().map_err(key_error)?,
        })
    }

    /// The public key as a JWK (RFC 7517 section 4, RFC 7518 section 6.3), without `alg`, as
    /// Entra publishes it.
    pub(crate) fn jwk(&self) -> Value {
        json!({
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": self.n,
            "e": self.e,
            "x5c": [self.x5c],
        })
    }

    fn sign(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }
}

/// A P-256 key.
#[derive(Debug)]
pub(crate) struct EcKey {
    /// The `kid`: random.
    pub(crate) kid: String,
    pair: EcdsaKeyPair,
}

impl EcKey {
    /// Makes one.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(key_error)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random)
            .map_err(key_error)?;
        Ok(Self { kid: random_text(15), pair })
    }

    /// The public key as a JWK (RFC 7518 section 6.2), with `alg`.
    pub(crate) fn jwk(&self) -> Value {
        // An uncompressed point: 0x04, x, y (SEC 1 section 2.3.3).
        let point = self.pair.public_key().as_ref();
        let coordinates = point.get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        json!({
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
            "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = self.pair.sign(&SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
    }
}

/// An RSA key and a P-256 key that come and go together.
#[derive(Debug)]
pub(crate) struct KeyPairs {
    /// For RS256, PS256, and (misused) HS256.
    pub(crate) rsa: RsaKey,
    /// For ES256.
    pub(crate) ec: EcKey,
}

impl KeyPairs {
    fn generate(common_name: &str) -> Result<Self, KeyError> {
        Ok(Self { rsa: RsaKey::generate(common_name)?, ec: EcKey::generate()? })
    }

    /// The `kid` of the key that this algorithm signs with.
    pub(crate) fn kid(&self, algorithm: Algorithm) -> &str {
        match algorithm {
            Algorithm::Es256 => &self.ec.kid,
            _ => &self.rsa.kid,
        }
    }

    /// The signature over `message`; empty for `none`. Where the machine's random source fails it
    /// is empty too: a token that nobody accepts.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        match algorithm {
            Algorithm::Rs256 => self.rsa.sign(&RSA_PKCS1_SHA256, message),
            Algorithm::Ps256 => self.rsa.sign(&RSA_PSS_SHA256, message),
            Algorithm::Es256 => self.ec.sign(message),
            Algorithm::Hs256 => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.rsa.public_pem.as_bytes());
                Some(hmac::sign(&key, message).as_ref().to_vec())
            }
            Algorithm::None => None,
        }
        .unwrap_or_default()
    }
}

/// Every key of the emulator but those of its certificates.
#[derive(Debug)]
pub(crate) struct Keys {
    /// Entra's; the P-256 halves are never published.
    pub(crate) entra: KeyRing<KeyPairs>,
    /// The partner's.
    pub(crate) partner: KeyRing<KeyPairs>,
    /// Nobody's.
    pub(crate) foreign: Arc<KeyPairs>,
}

impl Keys {
    /// Makes them, on several threads.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let [older, newer, partner, foreign] = generate_all([ENTRA, ENTRA, PARTNER, FOREIGN])?;
        let mut entra = KeyRing::new(older);
        entra.rotate(newer, Rotation::Add);
        Ok(Self { entra, partner: KeyRing::new(partner), foreign: Arc::new(foreign) })
    }
}

/// New keys for Entra and for the partner.
pub(crate) fn generate_successors() -> Result<[KeyPairs; 2], KeyError> {
    generate_all([ENTRA, PARTNER])
}

/// `bytes` random bytes as base64url.
pub(crate) fn random_text(bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(random(vec![0; bytes]))
}

/// A random GUID (RFC 9562 section 5.4).
pub(crate) fn random_guid() -> String {
    let number = u128::from_be_bytes(random([0; 16]));
    let version = 0xf000_u128 << 64;
    let variant = 0xc000_u128 << 48;
    let hex = format!("{:032x}", number & !version & !variant | 0x4000_u128 << 64 | 0x8000_u128 << 48);
    let mut guid = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            guid.push('-');
        }
        guid.push(digit);
    }
    guid
}

const ENTRA: &str = "accounts.accesscontrol.windows.net";
const PARTNER: &str = "idp.partner.example";
const FOREIGN: &str = "nobody.example";

fn generate_all<const N: usize>(names: [&str; N]) -> Result<[KeyPairs; N], KeyError> {
    let made: Result<Vec<_>, _> = thread::scope(|scope| {
        let threads: Vec<_> =
            names.into_iter().map(|name| scope.spawn(move || KeyPairs::generate(name))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(key_error("its thread ended"))))
            .collect()
    });
    made?.try_into().map_err(|_| key_error("one of them is missing"))
}

fn self_signed(pkcs8: &[u8], common_name: &str) -> Result<Vec<u8>, KeyError> {
    let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.into(), &rcgen::PKCS_RSA_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params.self_signed(&key)?.der().to_vec())
}

fn random<T: AsMut<[u8]>>(mut buffer: T) -> T {
    // Without a random source nothing could have started; zeroes harm nobody here.
    let _ = SystemRandom::new().fill(buffer.as_mut());
    buffer
}

fn key_error(error: impl ToString) -> KeyError {
    KeyError::Key(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_has_the_shape_of_version_4() {
        let guid = random_guid();
        assert_eq!(guid.len(), 36);
        assert_eq!(guid.as_bytes()[14], b'4');
        assert!(matches!(guid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_ne!(guid, random_guid());
    }

    #[test]
    fn adding_keeps_the_old_key_published_and_replacing_does_not() {
        let names = |ring: &KeyRing<&'static str>| -> Vec<&'static str> {
            ring.published().map(|key| **key).collect()
        };
        let mut ring = KeyRing::new("a");
        assert_eq!(names(&ring), ["a"]);
        ring.rotate("b", Rotation::Add);
        assert_eq!(names(&ring), ["a", "b"]);
        assert_eq!((**ring.previous(), **ring.current()), ("a", "b"));
        ring.rotate("c", Rotation::Replace);
        assert_eq!(names(&ring), ["c"]);
        assert_eq!((**ring.previous(), **ring.current()), ("b", "c"));
    }
}
