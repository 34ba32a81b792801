use std::time::Duration;

use serde_json::json;

use super::inputs::Inputs;
use crate::calls::CallFailure;
use crate::fingerprint::Fingerprint;
use crate::jwt::{Algorithm, BadKey, Certificate, KeyReference, PrivateKey, Signer};
use crate::secret::SecretString;
use crate::time::Now;

/// How long an assertion is good: Entra wants it short.
const LIFE: Duration = Duration::from_secs(600);

/// How far the endpoint's clock may be behind ours.
const CLOCK_SKEW: u64 = 30;

/// A token with which a client proves who it is, signed with a private key (RFC 7523, section 3).
#[derive(Clone, Debug)]
pub struct SignedAssertion {
    /// The secret that is the private key, PEM.
    pub private_key: Fingerprint,
    /// With what it is signed.
    pub algorithm: Algorithm,
    /// How the endpoint knows the key.
    pub key_id: AssertionKeyId,
    /// For whom it is: the endpoint's URL, unless that calls itself something else.
    pub audience: String,
}

/// How an endpoint knows the key of an assertion.
#[derive(Clone, Debug)]
pub enum AssertionKeyId {
    /// It has only one.
    None,
    /// By `kid`.
    KeyId(String),
    /// By the secret that is its certificate, PEM: `x5t#S256` with PS256, `x5t` with RS256, as Entra has it.
    Certificate(Fingerprint),
}

impl SignedAssertion {
    pub(super) fn parts(&self) -> Vec<String> {
        let key_id = match &self.key_id {
            AssertionKeyId::KeyId(id) => id.clone(),
            _ => String::new(),
        };
        vec![self.algorithm.name().to_owned(), self.audience.clone(), key_id]
    }

    /// The key, and the certificate where there is one.
    pub(super) fn secrets(&self) -> Vec<Fingerprint> {
        match self.key_id {
            AssertionKeyId::Certificate(certificate) => vec![self.private_key, certificate],
            _ => vec![self.private_key],
        }
    }

    /// An assertion of `client_id`; `secrets` are the values of [`Self::secrets`].
    pub(super) fn sign(
        &self,
        client_id: &str,
        secrets: &[SecretString],
        inputs: &mut impl Inputs,
        now: Now,
    ) -> Result<SecretString, CallFailure> {
        let signer = self.signer(secrets).map_err(CallFailure::BadKey)?;
        let name = inputs.seed().ok_or(CallFailure::NotSigned)?;
        let wall = now.wall.seconds();
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": self.audience,
            "jti": Fingerprint::of(&[client_id]).with_bytes(&name).to_string(),
            "iat": wall,
            "nbf": wall.saturating_sub(CLOCK_SKEW),
            "exp": wall.saturating_add(LIFE.as_secs()),
        });
        signer.sign(&claims.to_string(), inputs).map_err(|_| CallFailure::NotSigned)
    }

    fn signer(&self, secrets: &[SecretString]) -> Result<Signer, BadKey> {
        let key = secrets.first().ok_or(BadKey::NoPrivateKey)?;
        let certificate = || Certificate::from_pem(secrets.get(1).ok_or(BadKey::NoCertificate)?.expose());
        let reference = match &self.key_id {
            AssertionKeyId::None => KeyReference::None,
            AssertionKeyId::KeyId(id) => KeyReference::KeyId(id.clone()),
            AssertionKeyId::Certificate(_) if self.algorithm == Algorithm::Rs256 => {
                KeyReference::Sha1(certificate()?)
            }
            AssertionKeyId::Certificate(_) => KeyReference::Sha256(certificate()?),
        };
        Signer::new(PrivateKey::from_pem(key)?, self.algorithm, &reference)
    }
}
