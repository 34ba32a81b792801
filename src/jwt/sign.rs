use p256::ecdsa::signature::hazmat::PrehashSigner;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::traits::PublicKeyParts;
use serde_json::json;

use super::by_host::write_bytes;
use super::private_key::Pair;
use super::{Algorithm, BadKey, Certificate, PrivateKey, sha256, to_base64url};
use crate::secret::SecretString;

/// Where randomness comes from: the core has none of its own. Who has it may also be able to sign.
pub trait Random {
    /// Bytes that nobody can foresee, or `None` where there are none to be had.
    fn seed(&mut self) -> Option<[u8; 32]>;

    /// Calls the host's function `sign` (Envoy 1.37 and later; PKCS #1 v1.5 and ECDSA). `None` where there is none, or
    /// it has failed, however that was.
    fn sign(&mut self, _arguments: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// How a signed token says which key has signed it (RFC 7515, section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyReference {
    /// Not at all.
    None,
    /// `kid`
    KeyId(String),
    /// `x5t#S256`, the certificate's SHA-256 thumbprint: what Entra asks for with PS256.
    Sha256(Certificate),
    /// `x5t`, the certificate's SHA-1 thumbprint, for servers that know no other.
    Sha1(Certificate),
}

/// Makes client assertions (RFC 7523, section 2.2): JWTs signed with a private key of the configuration.
#[derive(Debug)]
pub struct Signer {
    key: PrivateKey,
    algorithm: Algorithm,
    /// The header, encoded.
    header: String,
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignFailure {
    /// The host gave no randomness.
    #[error("the host has no randomness to give")]
    NoRandomness,
    /// The key refused; a fault of ours.
    #[error("the key could not sign")]
    Internal,
}

impl Signer {
    /// A signer with RS256, PS256 or ES256.
    ///
    /// # Errors
    /// [`BadKey::OtherAlgorithm`] where the key is not for the algorithm, [`BadKey::OtherCertificate`] where the
    /// certificate is another key's.
    pub fn new(key: PrivateKey, algorithm: Algorithm, reference: &KeyReference) -> Result<Self, BadKey> {
        let is_supported = matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256);
        if !is_supported || algorithm.family() != key.family() {
            return Err(BadKey::OtherAlgorithm);
        }
        let (name, value) = match reference {
            KeyReference::None => ("", String::new()),
            KeyReference::KeyId(id) => ("kid", id.clone()),
            KeyReference::Sha256(certificate) | KeyReference::Sha1(certificate)
                if *certificate.key() != key.public_key() =>
            {
                return Err(BadKey::OtherCertificate);
            }
            KeyReference::Sha256(certificate) => ("x5t#S256", certificate.thumbprint_sha256()),
            KeyReference::Sha1(certificate) => ("x5t", certificate.thumbprint_sha1()),
        };
        let mut header = json!({"alg": algorithm.name(), "typ": "JWT"});
        if let (Some(members), false) = (header.as_object_mut(), name.is_empty()) {
            members.insert(name.to_owned(), value.into());
        }
        Ok(Self { key, algorithm, header: to_base64url(header.to_string()) })
    }

    /// A token with these claims, a JSON object. With RSA it takes about ten milliseconds in the VM: sign when a
    /// token is fetched, not for each request.
    ///
    /// # Errors
    /// [`SignFailure`]
    pub fn sign(&self, claims: &str, random: &mut dyn Random) -> Result<SecretString, SignFailure> {
        let signing_input = format!("{}.{}", self.header, to_base64url(claims));
        let digest = sha256(signing_input.as_bytes());
        if let Some(signature) = self.by_host(&signing_input, &digest, random) {
            return Ok(SecretString::new(format!("{signing_input}.{}", to_base64url(signature))));
        }
        let signature = match &self.key.pair {
            Pair::Rsa(key) => {
                let mut random = ChaCha20Rng::from_seed(random.seed().ok_or(SignFailure::NoRandomness)?);
                match self.algorithm {
                    Algorithm::Ps256 => {
                        // Blinded against timing; the salt is as long as the hash (RFC 7518, section 3.5).
                        key.sign_with_rng(&mut random, rsa::Pss::new_blinded::<hmac_sha256::Hash>(), &digest)
                    }
                    _ => {
                        key.sign_with_rng(&mut random, rsa::Pkcs1v15Sign::new::<hmac_sha256::Hash>(), &digest)
                    }
                }
                .map_err(|_| SignFailure::Internal)?
            }
            Pair::P256(key) => {
                // Deterministic (RFC 6979): it needs no randomness.
                let signer = p256::ecdsa::SigningKey::from(key.as_ref());
                let signature: p256::ecdsa::Signature =
                    signer.sign_prehash(&digest).map_err(|_| SignFailure::Internal)?;
                signature.to_bytes().to_vec()
            }
        };
        Ok(SecretString::new(format!("{signing_input}.{}", to_base64url(signature))))
    }

    /// RS256 by the host, a hundred times faster. What it gives counts only if it verifies.
    fn by_host(&self, input: &str, digest: &[u8], random: &mut dyn Random) -> Option<Vec<u8>> {
        let (Pair::Rsa(key), Algorithm::Rs256) = (&self.key.pair, self.algorithm) else { return None };
        let mut arguments = Vec::new();
        for (field, bytes) in [(1, &b"sha256"[..]), (2, self.key.pkcs8.as_deref()?), (3, input.as_bytes())] {
            write_bytes(&mut arguments, field, bytes);
        }
        // SignResult { bool result = 1; bytes signature = 2; string error = 3; }
        let answer = random.sign(&arguments)?;
        let signature = answer.get(answer.len().checked_sub(key.size())?..)?;
        let padding = rsa::Pkcs1v15Sign::new::<hmac_sha256::Hash>();
        key.to_public_key().verify(padding, digest, signature).ok()?;
        Some(signature.to_vec())
    }
}
