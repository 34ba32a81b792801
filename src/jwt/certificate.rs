use super::der::{self, Kind, PublicKeyInfo};
use super::pem::{self, Block};
use super::{BadKey, PublicJwk, sha256, to_base64url};

/// An X.509 certificate, as far as Gatepass reads one: its public key and its thumbprints. Neither its dates nor
/// who issued it are looked at: whoever configures it trusts its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    key: PublicJwk,
}

impl Certificate {
    /// Reads the first certificate of a PEM text (RFC 7468, section 5), the one to which the key belongs.
    ///
    /// # Errors
    /// [`BadKey`], among them [`BadKey::NoCertificate`].
    pub fn from_pem(text: &str) -> Result<Self, BadKey> {
        let block = pem::blocks(text)?.into_iter().find(|block| block.label == "CERTIFICATE");
        Self::from_der(block.ok_or(BadKey::NoCertificate)?.der)
    }

    fn from_der(der: Vec<u8>) -> Result<Self, BadKey> {
        let key = public_jwk(&der::certificate(&der).map_err(|_| BadKey::Damaged)?)?;
        Ok(Self { der, key })
    }

    /// Its public key.
    pub const fn key(&self) -> &PublicJwk {
        &self.key
    }

    /// `x5t#S256` (RFC 7515, section 4.1.8).
    pub fn thumbprint_sha256(&self) -> String {
        to_base64url(sha256(&self.der))
    }

    /// `x5t` (RFC 7515, section 4.1.7).
    pub fn thumbprint_sha1(&self) -> String {
        to_base64url(hmac_sha1_compact::Hash::hash(&self.der))
    }
}

impl PublicJwk {
    /// Reads the public key of a PEM text: of the first `CERTIFICATE`, `PUBLIC KEY` (RFC 7468, section 13) or
    /// `RSA PUBLIC KEY` (PKCS #1) in it. Whether it is strong enough, a [`super::Verifier`] says.
    ///
    /// # Errors
    /// [`BadKey`], among them [`BadKey::Private`] where the text has a private key, which does not belong here.
    pub fn from_pem(text: &str) -> Result<Self, BadKey> {
        let blocks = pem::blocks(text)?;
        if blocks.iter().any(|block| block.label.ends_with("PRIVATE KEY")) {
            return Err(BadKey::Private);
        }
        for Block { label, der } in blocks {
            let damaged = |_| BadKey::Damaged;
            match label {
                "CERTIFICATE" => return Certificate::from_der(der).map(|certificate| certificate.key),
                "PUBLIC KEY" => return public_jwk(&der::public_key_info(&der).map_err(damaged)?),
                "RSA PUBLIC KEY" => return rsa(&der),
                _ => {}
            }
        }
        Err(BadKey::NoPublicKey)
    }
}

fn public_jwk(info: &PublicKeyInfo<'_>) -> Result<PublicJwk, BadKey> {
    let bytes = info.key.to_vec();
    // An uncompressed point of this many bytes for each coordinate; that it lies on the curve, a verifier checks.
    let is_point = |length: usize| bytes.first() == Some(&4) && bytes.len().checked_sub(1) == Some(length);
    match info.kind {
        Kind { algorithm: der::RSA, .. } => rsa(info.key),
        Kind { algorithm: der::EC, curve: Some(der::P256) } if is_point(64) => {
            Ok(PublicJwk::P256 { point: bytes })
        }
        Kind { algorithm: der::EC, curve: Some(der::P384) } if is_point(96) => {
            Ok(PublicJwk::P384 { point: bytes })
        }
        Kind { algorithm: der::EC, curve: Some(der::P521) } if is_point(132) => {
            Ok(PublicJwk::P521 { point: bytes })
        }
        Kind { algorithm: der::ED25519, .. } => Ok(PublicJwk::Ed25519 { key: bytes }),
        _ => Err(BadKey::Unsupported),
    }
}

fn rsa(der: &[u8]) -> Result<PublicJwk, BadKey> {
    let [modulus, exponent] = der::rsa_public_key(der).map_err(|_| BadKey::Damaged)?;
    Ok(PublicJwk::Rsa { modulus: modulus.to_vec(), exponent: exponent.to_vec() })
}
