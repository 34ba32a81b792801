//! Encrypted tokens: JWE in compact form (RFC 7516), whose content is a signed token (a nested JWT: RFC 7519, section
//! 5.2).
//!
//! Whoever knows a public key can encrypt to it, so that decryption proves nothing: what comes out is a text, and has
//! to pass as a token every check that one would which came as it is.

pub(super) mod agreement;
mod content;

use aes_keywrap::{Aes128KeyWrapAligned, Aes256KeyWrapAligned};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rsa::traits::PublicKeyParts;
use zeroize::Zeroizing;

use self::agreement::Agreement;
use self::content::{ContentEncryption, Sealed};
use super::decryption_key::Material;
use super::private_key::Pair;
use super::token::is_jwt_type;
use super::{DecryptionKey, Jwk, KeyManagement, MAX_TOKEN_BYTES, PublicJwk, Random, Rejection, base64url};
use crate::json::{Json, Members};
use crate::secret::SecretString;

/// A token that is encrypted, taken apart and decoded. Nothing about it is proved.
pub struct EncryptedToken<'t> {
    header: Header,
    /// The header as it was sent: it is authenticated with the content.
    associated: &'t str,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

struct Header {
    key_management: KeyManagement,
    encryption: ContentEncryption,
    key_id: Option<String>,
    /// There, where the algorithm is an agreement.
    agreement: Option<Agreement>,
}

/// Why a token is not decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptFailure {
    /// The token's fault. All ways in which it can fail are one.
    #[error("{0}")]
    Rejected(Rejection),
    /// The host gave no randomness.
    #[error("the host has no randomness to give")]
    NoRandomness,
}

impl<'t> EncryptedToken<'t> {
    /// Whether `token` has the five parts of an encrypted one.
    pub fn is_one(token: &[u8]) -> bool {
        token.iter().filter(|byte| **byte == b'.').count() == 4
    }

    /// Reads a token of at most [`MAX_TOKEN_BYTES`].
    ///
    /// # Errors
    /// What is wrong with its form, or that it asks for what is not supported.
    pub fn parse(text: &'t str) -> Result<Self, Rejection> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(Rejection::TooLarge);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [associated, encrypted_key, iv, ciphertext, tag] = parts.try_into().map_err(malformed)?;
        let bytes = |part: &str| base64url(part).ok_or(Rejection::Malformed);
        Ok(Self {
            header: Header::parse(&bytes(associated)?)?,
            associated,
            encrypted_key: bytes(encrypted_key)?,
            iv: bytes(iv)?,
            ciphertext: bytes(ciphertext)?,
            tag: bytes(tag)?,
        })
    }

    /// The header's `kid`, where there is one.
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id.as_deref()
    }

    /// The header's `alg`: good for finding a key that is for it, and nothing else.
    pub const fn algorithm(&self) -> KeyManagement {
        self.header.key_management
    }

    /// The content. With an RSA key it takes about ten milliseconds in the VM: [`DecryptionKey::effort`].
    ///
    /// # Errors
    /// [`Rejection::AlgorithmNotAllowed`] where the key is not for the token's algorithm, else
    /// [`Rejection::NotDecrypted`]; or [`DecryptFailure::NoRandomness`].
    pub fn decrypt(
        &self,
        key: &DecryptionKey,
        random: &mut dyn Random,
    ) -> Result<SecretString, DecryptFailure> {
        let rejected = |rejection| Err(DecryptFailure::Rejected(rejection));
        if !key.is_for(self.header.key_management) {
            return rejected(Rejection::AlgorithmNotAllowed);
        }
        let content_key = match &key.key {
            Material::Symmetric(key) => self.unwrapped(key),
            Material::Private(key) => match &key.pair {
                Pair::P256(key) => self.agreed(key),
                Pair::Rsa(key) => {
                    let seed = random.seed().ok_or(DecryptFailure::NoRandomness)?;
                    self.deciphered(key, ChaCha20Rng::from_seed(seed))
                }
            },
        };
        let sealed = Sealed {
            associated: self.associated.as_bytes(),
            iv: &self.iv,
            ciphertext: &self.ciphertext,
            tag: &self.tag,
        };
        let content = content_key.and_then(|key| self.header.encryption.open(&key, &sealed));
        match content.map(|content| std::str::from_utf8(&content).map(ToOwned::to_owned)) {
            Some(Ok(text)) => Ok(SecretString::new(text)),
            _ => rejected(Rejection::NotDecrypted),
        }
    }

    /// The content's key by a shared one.
    fn unwrapped(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.header.key_management {
            KeyManagement::Direct => self.is_without_key().then(|| Zeroizing::new(key.to_vec())),
            KeyManagement::A128Kw | KeyManagement::A256Kw => self.unwrap_with(key),
            _ => None,
        }
    }

    /// The content's key by an agreement.
    fn agreed(&self, own: &p256::SecretKey) -> Option<Zeroizing<Vec<u8>>> {
        let agreement = self.header.agreement.as_ref()?;
        let (algorithm, encryption) = (self.header.key_management, self.header.encryption);
        match algorithm {
            KeyManagement::EcdhEs if self.is_without_key() => {
                agreement.key(own, encryption.name(), encryption.key_bytes())
            }
            KeyManagement::EcdhEsA128Kw => self.unwrap_with(&agreement.key(own, algorithm.name(), 16)?),
            KeyManagement::EcdhEsA256Kw => self.unwrap_with(&agreement.key(own, algorithm.name(), 32)?),
            _ => None,
        }
    }

    /// The content's key by RSA, blinded against timing. Where it is none, another takes its place, with which the
    /// content cannot be had either: what went wrong is not to be told by how long it took (RFC 7516, section 11.5).
    fn deciphered(&self, own: &rsa::RsaPrivateKey, mut random: ChaCha20Rng) -> Option<Zeroizing<Vec<u8>>> {
        if self.encrypted_key.len() != own.size() {
            return None;
        }
        let padding = match self.header.key_management {
            KeyManagement::RsaOaep => rsa::Oaep::new::<hmac_sha1_compact::WrappedHash>(),
            KeyManagement::RsaOaep256 => rsa::Oaep::new::<hmac_sha256::Hash>(),
            _ => return None,
        };
        let bytes = self.header.encryption.key_bytes();
        let mut otherwise = Zeroizing::new(vec![0; bytes]);
        random.fill_bytes(&mut otherwise);
        let key = own.decrypt_blinded(&mut random, padding, &self.encrypted_key).map(Zeroizing::new);
        Some(key.ok().filter(|key| key.len() == bytes).unwrap_or(otherwise))
    }

    /// AES key wrap (RFC 3394). What is wrapped is as long as the content's key.
    fn unwrap_with(&self, key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if self.encrypted_key.len() != self.header.encryption.key_bytes().saturating_add(8) {
            return None;
        }
        let unwrapped = match key.len() {
            16 => Aes128KeyWrapAligned::new(key.try_into().ok()?).decapsulate(&self.encrypted_key),
            _ => Aes256KeyWrapAligned::new(key.try_into().ok()?).decapsulate(&self.encrypted_key),
        };
        unwrapped.ok().map(Zeroizing::new)
    }

    /// Where the content's key is not sent, its place is empty (RFC 7516, section 5.2, step 10).
    const fn is_without_key(&self) -> bool {
        self.encrypted_key.is_empty()
    }
}

impl Header {
    /// RFC 7516, section 4: as a signed token's, with `enc`; what it holds is a token.
    fn parse(json: &[u8]) -> Result<Self, Rejection> {
        let header = Json::parse(json).map_err(malformed)?;
        let members = header.as_object().ok_or(Rejection::Malformed)?;
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(Rejection::CriticalHeader);
        }
        let is_token =
            text(members, "typ")?.is_none_or(is_jwt_type) && text(members, "cty")?.is_none_or(is_jwt_content);
        // What is compressed can be a thousand times as large (RFC 8725, section 3.6).
        if !is_token || members.contains_key("zip") {
            return Err(Rejection::TypeNotAllowed);
        }
        let name = text(members, "alg")?.ok_or(Rejection::Malformed)?;
        let key_management = KeyManagement::from_name(name).ok_or(Rejection::AlgorithmNotAllowed)?;
        let name = text(members, "enc")?.ok_or(Rejection::Malformed)?;
        let encryption = ContentEncryption::from_name(name).ok_or(Rejection::AlgorithmNotAllowed)?;
        let agreement = match key_management {
            KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw => {
                Some(agreement(members)?)
            }
            _ => None,
        };
        let key_id = text(members, "kid")?.map(ToOwned::to_owned);
        Ok(Self { key_management, encryption, key_id, agreement })
    }
}

fn text<'m>(members: &'m Members, name: &str) -> Result<Option<&'m str>, Rejection> {
    members.get(name).map(|value| value.as_str().ok_or(Rejection::Malformed)).transpose()
}

/// What the header says about an agreement (RFC 7518, section 4.6.1).
fn agreement(members: &Members) -> Result<Agreement, Rejection> {
    let ephemeral = members.get("epk").and_then(|key| Jwk::read(key).ok()).map(|jwk| jwk.key);
    let Some(PublicJwk::P256 { point }) = ephemeral else { return Err(Rejection::Malformed) };
    let party = |name| match text(members, name)? {
        Some(text) => base64url(text).ok_or(Rejection::Malformed),
        None => Ok(Vec::new()),
    };
    Ok(Agreement { ephemeral: point, producer: party("apu")?, recipient: party("apv")? })
}

fn is_jwt_content(value: &str) -> bool {
    is_jwt_type(value) && !value.contains('+')
}

fn malformed<E>(_: E) -> Rejection {
    Rejection::Malformed
}

#[cfg(test)]
mod tests;
