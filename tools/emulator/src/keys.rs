//! Single keys: how they are made, what is published of them, how they sign.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jwt_simple::algorithms::RS256KeyPair;
use p521::ecdsa::signature::Signer;
use rcgen::{CertificateParams, DnType};
use ring::{
    digest, hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256,
        RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use serde_json::{Value, json};

use crate::{
    Algorithm,
    random::{random, random_text},
};

/// Why a key could not be made. Neither happens on a machine with a source of randomness.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key could not be made, or ring refused it.
    #[error("cannot make a signing key: {0}")]
    Key(String),
    /// The certificate that is published with it could not be made.
    #[error("cannot make the certificate of a signing key")]
    Certificate(#[from] rcgen::Error),
}

/// A private key, PKCS #8 in DER; it is not shown by accident.
struct PrivateKey(Vec<u8>);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// An RSA key of 2048 bits with a self-signed certificate, as Entra publishes them.
#[derive(Debug)]
pub(crate) struct RsaKey {
    /// The `kid`: the certificate's SHA-1 thumbprint, as Entra has it.
    pub(crate) kid: String,
    /// The certificate, DER.
    pub(crate) certificate: Vec<u8>,
    pair: RsaKeyPair,
    private: PrivateKey,
    n: String,
    e: String,
    public_pem: String,
}

impl RsaKey {
    /// Makes one; takes a good part of a second.
    pub(crate) fn generate(common_name: &str) -> Result<Self, KeyError> {
        let key = RS256KeyPair::generate(2048).map_err(key_error)?;
        let pkcs8 = key.to_der().map_err(key_error)?;
        let public = key.public_key();
        let components = public.to_components();
        let certificate = self_signed(&pkcs8, common_name)?;
        Ok(Self {
            kid: URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate)),
            pair: RsaKeyPair::from_pkcs8(&pkcs8).map_err(key_error)?,
            n: URL_SAFE_NO_PAD.encode(&components.n),
            e: URL_SAFE_NO_PAD.encode(&components.e),
            public_pem: public.to_pem().map_err(key_error)?,
            certificate,
            private: PrivateKey(pkcs8),
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
            "x5c": [STANDARD.encode(&self.certificate)],
        })
    }

    /// The certificate in PEM.
    pub(crate) fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    fn sign(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }
}

/// A key on P-256 or P-384.
#[derive(Debug)]
pub(crate) struct EcKey {
    /// The `kid`: random.
    pub(crate) kid: String,
    pair: EcdsaKeyPair,
    private: PrivateKey,
    curve: &'static str,
    algorithm: Algorithm,
}

impl EcKey {
    fn generate(
        curve: &'static str,
        algorithm: Algorithm,
        signing: &'static EcdsaSigningAlgorithm,
    ) -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(signing, &random).map_err(key_error)?;
        let pkcs8 = pkcs8.as_ref().to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(signing, &pkcs8, &random).map_err(key_error)?;
        Ok(Self { kid: random_text(15), pair, private: PrivateKey(pkcs8), curve, algorithm })
    }

    fn jwk(&self) -> Value {
        ec_jwk(self.curve, self.algorithm, &self.kid, self.pair.public_key().as_ref())
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = self.pair.sign(&SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
    }
}

/// The keys of every kind that come and go together.
#[derive(Debug)]
pub(crate) struct KeyPairs {
    /// For RS*, PS*, and (misused) HS*.
    pub(crate) rsa: RsaKey,
    /// For ES256.
    pub(crate) p256: EcKey,
    p384: EcKey,
    p521: (String, p521::ecdsa::SigningKey),
    ed25519: (String, Ed25519KeyPair),
}

impl KeyPairs {
    /// Makes them; the RSA key takes a good part of a second.
    pub(crate) fn generate(common_name: &str) -> Result<Self, KeyError> {
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(key_error)?;
        Ok(Self {
            rsa: RsaKey::generate(common_name)?,
            p256: EcKey::generate("P-256", Algorithm::Es256, &ECDSA_P256_SHA256_FIXED_SIGNING)?,
            p384: EcKey::generate("P-384", Algorithm::Es384, &ECDSA_P384_SHA384_FIXED_SIGNING)?,
            p521: (random_text(15), p521_key()?),
            ed25519: (random_text(15), Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).map_err(key_error)?),
        })
    }

    /// The `kid` of the key that this algorithm signs with.
    pub(crate) fn kid(&self, algorithm: Algorithm) -> &str {
        match algorithm {
            Algorithm::Es256 => &self.p256.kid,
            Algorithm::Es384 => &self.p384.kid,
            Algorithm::Es512 => &self.p521.0,
            Algorithm::EdDsa => &self.ed25519.0,
            _ => &self.rsa.kid,
        }
    }

    /// The public key that this algorithm's signatures are checked with, as a JWK; elliptic ones
    /// with `alg`.
    pub(crate) fn jwk(&self, algorithm: Algorithm) -> Value {
        match algorithm {
            Algorithm::Es256 => self.p256.jwk(),
            Algorithm::Es384 => self.p384.jwk(),
            Algorithm::Es512 => {
                let (kid, key) = &self.p521;
                let point = key.verifying_key().to_sec1_point(false);
                ec_jwk("P-521", Algorithm::Es512, kid, point.as_bytes())
            }
            Algorithm::EdDsa => {
                let (kid, key) = &self.ed25519;
                let x = URL_SAFE_NO_PAD.encode(key.public_key());
                json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": x})
            }
            _ => self.rsa.jwk(),
        }
    }

    /// The private key that this algorithm signs with, PKCS #8 in PEM; none but RSA, P-256 and
    /// P-384 keys.
    pub(crate) fn private_pem(&self, algorithm: Algorithm) -> Option<String> {
        let key = match algorithm {
            Algorithm::Es256 => &self.p256.private,
            Algorithm::Es384 => &self.p384.private,
            Algorithm::Es512 | Algorithm::EdDsa | Algorithm::None => return None,
            _ => &self.rsa.private,
        };
        Some(pem("PRIVATE KEY", &key.0))
    }

    /// One JWK of each kind: RSA, P-256, P-384, P-521, Ed25519.
    pub(crate) fn jwks(&self) -> impl Iterator<Item = Value> {
        [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa]
            .into_iter()
            .map(|algorithm| self.jwk(algorithm))
    }

    /// Whether this algorithm has made that signature; only for RS256, PS256 and ES256.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let rsa = self.rsa.pair.public().as_ref();
        let (verification, key): (&dyn VerificationAlgorithm, _) = match algorithm {
            Algorithm::Rs256 => (&RSA_PKCS1_2048_8192_SHA256, rsa),
            Algorithm::Ps256 => (&RSA_PSS_2048_8192_SHA256, rsa),
            Algorithm::Es256 => (&ECDSA_P256_SHA256_FIXED, self.p256.pair.public_key().as_ref()),
            _ => return false,
        };
        UnparsedPublicKey::new(verification, key).verify(message, signature).is_ok()
    }

    /// The signature over `message`; empty for `none`. Where the machine's random source fails it
    /// is empty too: a token that nobody accepts. HS* is keyed with `secret`, else with the PEM
    /// text of the public RSA key.
    pub(crate) fn sign(&self, algorithm: Algorithm, secret: Option<&str>, message: &[u8]) -> Vec<u8> {
        let mac = |hash| {
            let key = hmac::Key::new(hash, secret.unwrap_or(&self.rsa.public_pem).as_bytes());
            Some(hmac::sign(&key, message).as_ref().to_vec())
        };
        match algorithm {
            Algorithm::Rs256 => self.rsa.sign(&RSA_PKCS1_SHA256, message),
            Algorithm::Rs384 => self.rsa.sign(&RSA_PKCS1_SHA384, message),
            Algorithm::Rs512 => self.rsa.sign(&RSA_PKCS1_SHA512, message),
            Algorithm::Ps256 => self.rsa.sign(&RSA_PSS_SHA256, message),
            Algorithm::Ps384 => self.rsa.sign(&RSA_PSS_SHA384, message),
            Algorithm::Ps512 => self.rsa.sign(&RSA_PSS_SHA512, message),
            Algorithm::Es256 => self.p256.sign(message),
            Algorithm::Es384 => self.p384.sign(message),
            Algorithm::Es512 => {
                let signature: Result<p521::ecdsa::Signature, _> = self.p521.1.try_sign(message);
                signature.ok().map(|signature| signature.to_bytes().to_vec())
            }
            Algorithm::EdDsa => Some(self.ed25519.1.sign(message).as_ref().to_vec()),
            Algorithm::Hs256 => mac(hmac::HMAC_SHA256),
            Algorithm::Hs384 => mac(hmac::HMAC_SHA384),
            Algorithm::Hs512 => mac(hmac::HMAC_SHA512),
            Algorithm::None => None,
        }
        .unwrap_or_default()
    }
}

/// A failure of one of the libraries, in its words.
pub(crate) fn key_error(error: impl ToString) -> KeyError {
    KeyError::Key(error.to_string())
}

/// An uncompressed point (0x04, x, y: SEC 1 section 2.3.3) as a JWK (RFC 7518 section 6.2).
fn ec_jwk(curve: &str, algorithm: Algorithm, kid: &str, point: &[u8]) -> Value {
    let coordinates = point.get(1..).unwrap_or_default();
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    json!({
        "kty": "EC",
        "crv": curve,
        "use": "sig",
        "alg": algorithm,
        "kid": kid,
        "x": URL_SAFE_NO_PAD.encode(x),
        "y": URL_SAFE_NO_PAD.encode(y),
    })
}

/// Ring has no P-521.
fn p521_key() -> Result<p521::ecdsa::SigningKey, KeyError> {
    // Nearly every string of 66 bytes whose first 7 bits are zero is a key: less than the order.
    let mut bytes = random([0; 66]);
    if let Some(first) = bytes.first_mut() {
        *first = 0;
    }
    p521::ecdsa::SigningKey::from_slice(&bytes).map_err(key_error)
}

fn self_signed(pkcs8: &[u8], common_name: &str) -> Result<Vec<u8>, KeyError> {
    let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.into(), &rcgen::PKCS_RSA_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params.self_signed(&key)?.der().to_vec())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
