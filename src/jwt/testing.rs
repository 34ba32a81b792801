//! Keys made at run time, and tokens signed with them: good ones and every kind of bad one.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::algorithms::{
    ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike, ES256KeyPair, RS256KeyPair, RSAKeyPairLike,
};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::Value;
use superboring::hash::MessageDigest;
use superboring::pkey::PKey;
use superboring::rsa::Padding;
use superboring::sign::Signer;

use super::sha256;

/// Base64url without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair for RS256 or ES256.
pub(crate) enum TestKey {
    Rsa(Box<RS256KeyPair>),
    P256(Box<ES256KeyPair>),
}

impl TestKey {
    pub(crate) fn rsa() -> Self {
        Self::Rsa(Box::new(RS256KeyPair::generate(2048).unwrap()))
    }

    pub(crate) fn p256() -> Self {
        Self::P256(Box::new(ES256KeyPair::generate()))
    }

    pub(crate) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
        }
    }

    /// The public key as a JWK with this `kid`, without `alg`, as Entra publishes keys.
    pub(crate) fn jwk(&self, key_id: &str) -> Value {
        match self {
            Self::Rsa(pair) => {
                let key = pair.public_key().to_components();
                serde_json::json!({"kty": "RSA", "use": "sig", "kid": key_id, "n": encode(key.n), "e": encode(key.e)})
            }
            Self::P256(pair) => {
                let point = pair.public_key().public_key().to_bytes_uncompressed();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
                serde_json::json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": key_id, "x": x, "y": y})
            }
        }
    }

    /// The signature over `message`, as a JWS has it.
    pub(crate) fn sign(&self, message: &str) -> Vec<u8> {
        match self {
            Self::Rsa(pair) => {
                let key = PKey::from_rsa(pair.key_pair().as_ref().clone()).unwrap();
                let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
                signer.set_rsa_padding(Padding::PKCS1).unwrap();
                signer.update(message.as_bytes()).unwrap();
                signer.sign_to_vec().unwrap()
            }
            Self::P256(pair) => {
                let key = p256::ecdsa::SigningKey::from_slice(&pair.key_pair().to_bytes()).unwrap();
                let signature: p256::ecdsa::Signature =
                    key.sign_prehash(&sha256(message.as_bytes())).unwrap();
                signature.to_bytes().to_vec()
            }
        }
    }

    /// A signed token of exactly this header and payload.
    pub(crate) fn token(&self, header: &str, payload: &str) -> String {
        let signing_input = format!("{}.{}", encode(header), encode(payload));
        format!("{signing_input}.{}", encode(self.sign(&signing_input)))
    }
}
