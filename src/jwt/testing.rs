//! Keys made at run time, and tokens signed with them: good ones and every kind of bad one.

pub(crate) mod encrypted;

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::algorithms::{
    ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ECDSAP384KeyPairLike, ECDSAP384PublicKeyLike, ES256KeyPair,
    ES384KeyPair, Ed25519KeyPair, EdDSAKeyPairLike, RS256KeyPair, RSAKeyPairLike,
};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::{Value, json};
use superboring::hash::MessageDigest;
use superboring::pkey::PKey;
use superboring::rsa::Padding;
use superboring::sign::{RsaPssSaltlen, Signer};

use super::{Algorithm, Family, sha256};

/// Base64url without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair and the algorithm that it signs with.
#[derive(Clone)]
pub(crate) struct TestKey {
    algorithm: Algorithm,
    pair: Pair,
}

#[derive(Clone)]
enum Pair {
    Rsa(Rc<RS256KeyPair>),
    P256(Rc<ES256KeyPair>),
    P384(Rc<ES384KeyPair>),
    #[cfg(feature = "es512")]
    P521(Rc<p521::SecretKey>),
    Ed25519(Rc<Ed25519KeyPair>),
}

impl TestKey {
    /// A new key for `algorithm`. New RSA keys take long; [`Self::signing`] uses one several times.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let pair = match algorithm.family() {
            Family::Rsa => Pair::Rsa(Rc::new(RS256KeyPair::generate(2048).unwrap())),
            Family::P256 => Pair::P256(Rc::new(ES256KeyPair::generate())),
            Family::P384 => Pair::P384(Rc::new(ES384KeyPair::generate())),
            #[cfg(feature = "es512")]
            Family::P521 => {
                let random = Ed25519KeyPair::generate().to_bytes();
                Pair::P521(Rc::new(p521::SecretKey::from_slice(&[&[0, 0], &random[..]].concat()).unwrap()))
            }
            Family::Ed25519 => Pair::Ed25519(Rc::new(Ed25519KeyPair::generate())),
            _ => unreachable!("no pair of this kind"),
        };
        Self { algorithm, pair }
    }

    pub(crate) fn rsa() -> Self {
        Self::new(Algorithm::Rs256)
    }

    pub(crate) fn p256() -> Self {
        Self::new(Algorithm::Es256)
    }

    /// A key for each algorithm; those for RSA are one key.
    pub(crate) fn all() -> Vec<Self> {
        let rsa = Self::rsa();
        let key = |algorithm: Algorithm| match algorithm.family() {
            Family::Rsa => rsa.signing(algorithm),
            _ => Self::new(algorithm),
        };
        Algorithm::ALL.into_iter().map(key).collect()
    }

    /// The same key with another algorithm of its family.
    pub(crate) fn signing(&self, algorithm: Algorithm) -> Self {
        assert_eq!(algorithm.family(), self.algorithm.family());
        Self { algorithm, pair: self.pair.clone() }
    }

    pub(crate) const fn algorithm(&self) -> &'static str {
        self.algorithm.name()
    }

    /// The public key as a JWK with this `kid`, without `alg`, as Entra publishes keys.
    pub(crate) fn jwk(&self, key_id: &str) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let key = pair.public_key().to_components();
                json!({"kty": "RSA", "use": "sig", "kid": key_id, "n": encode(key.n), "e": encode(key.e)})
            }
            Pair::P256(pair) => {
                let point = pair.public_key().public_key().to_bytes_uncompressed();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": key_id, "x": x, "y": y})
            }
            Pair::P384(pair) => {
                let point = pair.public_key().public_key().to_bytes_uncompressed();
                let (x, y) = (encode(&point[1..49]), encode(&point[49..97]));
                json!({"kty": "EC", "crv": "P-384", "use": "sig", "kid": key_id, "x": x, "y": y})
            }
            #[cfg(feature = "es512")]
            Pair::P521(pair) => {
                let point = pair.public_key().to_sec1_bytes();
                let (x, y) = (encode(&point[1..67]), encode(&point[67..133]));
                json!({"kty": "EC", "crv": "P-521", "use": "sig", "kid": key_id, "x": x, "y": y})
            }
            Pair::Ed25519(pair) => {
                let x = encode(pair.public_key().to_bytes());
                json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": key_id, "x": x})
            }
        }
    }

    /// The private key, PKCS #8 in PEM, where it is one on P-256.
    pub(crate) fn private_pem(&self) -> String {
        match &self.pair {
            Pair::P256(pair) => pair.to_pem().unwrap(),
            _ => panic!("not a key on P-256"),
        }
    }

    /// The signature over `message`, as a JWS has it.
    pub(crate) fn sign(&self, message: &str) -> Vec<u8> {
        self.sign_with_salt(message, RsaPssSaltlen::DIGEST_LENGTH)
    }

    /// The same; where it is PSS, with so long a salt.
    pub(crate) fn sign_with_salt(&self, message: &str, salt: RsaPssSaltlen) -> Vec<u8> {
        let message = message.as_bytes();
        match &self.pair {
            Pair::Rsa(pair) => {
                let key = PKey::from_rsa(pair.key_pair().as_ref().clone()).unwrap();
                let digest = match &self.algorithm.name()[2..] {
                    "256" => MessageDigest::sha256(),
                    "384" => MessageDigest::sha384(),
                    _ => MessageDigest::sha512(),
                };
                let is_pss = self.algorithm.name().starts_with("PS");
                let mut signer = Signer::new(digest, &key).unwrap();
                signer.set_rsa_padding(if is_pss { Padding::PKCS1_PSS } else { Padding::PKCS1 }).unwrap();
                signer.set_rsa_pss_saltlen(salt).unwrap();
                signer.update(message).unwrap();
                signer.sign_to_vec().unwrap()
            }
            Pair::P256(pair) => {
                let key = p256::ecdsa::SigningKey::from_slice(&pair.key_pair().to_bytes()).unwrap();
                let signature: p256::ecdsa::Signature = key.sign_prehash(&sha256(message)).unwrap();
                signature.to_bytes().to_vec()
            }
            Pair::P384(pair) => {
                let key = p384::ecdsa::SigningKey::from_slice(&pair.key_pair().to_bytes()).unwrap();
                let digest = hmac_sha512::sha384::Hash::hash(message);
                let signature: p384::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
                signature.to_bytes().to_vec()
            }
            #[cfg(feature = "es512")]
            Pair::P521(pair) => {
                let key = p521::ecdsa::SigningKey::from(pair.as_ref());
                let signature: p521::ecdsa::Signature =
                    key.sign_prehash(&hmac_sha512::Hash::hash(message)).unwrap();
                signature.to_bytes().to_vec()
            }
            Pair::Ed25519(pair) => pair.key_pair().as_ref().sk.sign(message, None).to_vec(),
        }
    }

    /// A signed token of exactly this header and payload.
    pub(crate) fn token(&self, header: &str, payload: &str) -> String {
        let signing_input = format!("{}.{}", encode(header), encode(payload));
        format!("{signing_input}.{}", encode(self.sign(&signing_input)))
    }
}

/// The code of HMAC over `message`.
pub(crate) fn hmac(algorithm: Algorithm, key: &[u8], message: &str) -> Vec<u8> {
    match algorithm {
        Algorithm::Hs256 => hmac_sha256::HMAC::mac(message, key).to_vec(),
        Algorithm::Hs384 => hmac_sha512::sha384::HMAC::mac(message, key).to_vec(),
        _ => hmac_sha512::HMAC::mac(message, key).to_vec(),
    }
}

/// A token of exactly this header and payload, with the code of a shared key.
pub(crate) fn hmac_token(algorithm: Algorithm, key: &[u8], header: &str, payload: &str) -> String {
    let signing_input = format!("{}.{}", encode(header), encode(payload));
    format!("{signing_input}.{}", encode(hmac(algorithm, key, &signing_input)))
}
