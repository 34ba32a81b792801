//! Encrypted tokens, as their senders make them.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use aes_keywrap::{Aes128KeyWrapAligned, Aes256KeyWrapAligned};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyInit, KeyIvInit};
use jwt_simple::algorithms::{ECDSAP256PublicKeyLike, ES256KeyPair, Ed25519KeyPair, RS256KeyPair};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::encode;
use crate::jwt::Random;
use crate::secret::SecretString;

/// Bytes that nobody has seen before.
pub(crate) fn fresh(bytes: usize) -> Vec<u8> {
    let mut random = vec![0; bytes];
    generator().fill_bytes(&mut random);
    random
}

fn generator() -> ChaCha20Rng {
    ChaCha20Rng::from_seed(Ed25519KeyPair::generate().to_bytes()[..32].try_into().unwrap())
}

/// Randomness for decryption.
pub(crate) struct TestRandom;

impl Random for TestRandom {
    fn seed(&mut self) -> Option<[u8; 32]> {
        fresh(32).try_into().ok()
    }
}

/// A key that tokens are encrypted to.
pub(crate) enum Recipient {
    Rsa(Box<RS256KeyPair>),
    P256(Box<ES256KeyPair>),
    Symmetric(Vec<u8>),
}

impl Recipient {
    pub(crate) fn rsa() -> Self {
        Self::Rsa(Box::new(RS256KeyPair::generate(2048).unwrap()))
    }

    pub(crate) fn p256() -> Self {
        Self::P256(Box::new(ES256KeyPair::generate()))
    }

    pub(crate) fn symmetric(bytes: usize) -> Self {
        Self::Symmetric(fresh(bytes))
    }

    /// The key as it stands in a secret: PEM, or base64.
    pub(crate) fn secret(&self) -> SecretString {
        SecretString::new(match self {
            Self::Rsa(pair) => pair.to_pem().unwrap(),
            Self::P256(pair) => pair.to_pem().unwrap(),
            Self::Symmetric(key) => STANDARD.encode(key),
        })
    }

    /// `content`, encrypted to the key; `changes` are further members of the header.
    pub(crate) fn encrypt(
        &self,
        algorithm: &str,
        encryption: &str,
        changes: &Value,
        content: &str,
    ) -> String {
        let key_bytes = key_bytes(encryption);
        let mut header = json!({"alg": algorithm, "enc": encryption, "cty": "JWT"});
        let (key, encrypted_key) = match (self, algorithm) {
            (Self::Symmetric(key), "dir") => (key.clone(), Vec::new()),
            (Self::Symmetric(key), _) => wrapped(key, key_bytes),
            (Self::Rsa(pair), _) => {
                let (key, public) = (fresh(key_bytes), pair.public_key().to_components());
                let number = rsa::BigUint::from_bytes_be;
                let public = rsa::RsaPublicKey::new(number(&public.n), number(&public.e)).unwrap();
                let padding = match algorithm {
                    "RSA-OAEP" => rsa::Oaep::new::<hmac_sha1_compact::WrappedHash>(),
                    _ => rsa::Oaep::new::<hmac_sha256::Hash>(),
                };
                let encrypted = match algorithm {
                    "RSA1_5" => public.encrypt(&mut generator(), rsa::Pkcs1v15Encrypt, &key),
                    _ => public.encrypt(&mut generator(), padding, &key),
                };
                (key, encrypted.unwrap())
            }
            (Self::P256(pair), _) => {
                let ephemeral = p256::SecretKey::from_slice(&fresh(32)).unwrap();
                let point = ephemeral.public_key().to_sec1_bytes();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
                header["epk"] = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
                let agreement = crate::jwt::encrypted::agreement::Agreement {
                    ephemeral: pair.public_key().public_key().to_bytes_uncompressed().to_vec(),
                    producer: Vec::new(),
                    recipient: Vec::new(),
                };
                let agreed = |purpose, bytes| agreement.key(&ephemeral, purpose, bytes).unwrap().to_vec();
                match algorithm {
                    "ECDH-ES" => (agreed(encryption, key_bytes), Vec::new()),
                    "ECDH-ES+A128KW" => wrapped(&agreed(algorithm, 16), key_bytes),
                    _ => wrapped(&agreed(algorithm, 32), key_bytes),
                }
            }
        };
        header.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        seal(&header.to_string(), &encrypted_key, encryption, &key, content.as_bytes())
    }
}

fn key_bytes(encryption: &str) -> usize {
    match encryption {
        "A128GCM" => 16,
        "A256CBC-HS512" => 64,
        _ => 32,
    }
}

/// A new key for the content, and the same wrapped.
fn wrapped(wrapping: &[u8], bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let key = fresh(bytes);
    let wrapped = match wrapping.len() {
        16 => Aes128KeyWrapAligned::new(wrapping.try_into().unwrap()).encapsulate(&key),
        _ => Aes256KeyWrapAligned::new(wrapping.try_into().unwrap()).encapsulate(&key),
    };
    (key, wrapped.unwrap())
}

/// The five parts, with exactly this header.
pub(crate) fn seal(
    header: &str,
    encrypted_key: &[u8],
    encryption: &str,
    key: &[u8],
    content: &[u8],
) -> String {
    let header = encode(header);
    let associated = header.as_bytes();
    let (iv, text, tag) = match encryption {
        "A128GCM" => gcm::<Aes128Gcm>(key, associated, content),
        "A256GCM" => gcm::<Aes256Gcm>(key, associated, content),
        "A128CBC-HS256" => cbc::<aes::Aes128>(key, associated, content),
        _ => cbc::<aes::Aes256>(key, associated, content),
    };
    [header, encode(encrypted_key), encode(iv), encode(text), encode(tag)].join(".")
}

fn gcm<C: AeadInOut + KeyInit>(key: &[u8], associated: &[u8], content: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (iv, mut text) = (fresh(12), content.to_vec());
    let cipher = C::new_from_slice(key).unwrap();
    let nonce = iv.as_slice().try_into().unwrap();
    let tag = cipher.encrypt_inout_detached(nonce, associated, text.as_mut_slice().into()).unwrap();
    (iv, text, tag.to_vec())
}

fn cbc<C>(key: &[u8], associated: &[u8], content: &[u8]) -> (Vec<u8>, Vec<u8>, Vec<u8>)
where
    cbc::Encryptor<C>: KeyIvInit + BlockModeEncrypt,
    C: cbc::cipher::BlockCipherEncrypt,
{
    let (code_key, key) = key.split_at(key.len() / 2);
    let iv = fresh(16);
    let cipher = cbc::Encryptor::<C>::new_from_slices(key, &iv).unwrap();
    let mut text = [content, &[0; 16]].concat();
    let length = cipher.encrypt_padded::<Pkcs7>(&mut text, content.len()).unwrap().len();
    text.truncate(length);
    let bits = (associated.len() as u64 * 8).to_be_bytes();
    let authenticated = [associated, &iv, &text, &bits].concat();
    let code = match key.len() {
        16 => hmac_sha256::HMAC::mac(authenticated, code_key).to_vec(),
        _ => hmac_sha512::HMAC::mac(authenticated, code_key).to_vec(),
    };
    (iv, text, code[..code.len() / 2].to_vec())
}
