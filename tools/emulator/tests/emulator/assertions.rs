//! Client assertions, signed with the caller's key by a library that had no part in checking them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepass_emulator::Algorithm;
use ring::{
    digest,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding,
        RsaKeyPair,
    },
};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject};

use crate::support::{Running, now};

pub(crate) const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The thumbprint of the caller's certificate, for `x5t` or `x5t#S256`.
pub(crate) fn thumbprint(emulator: &Running, name: &str) -> String {
    let certificate = CertificateDer::from_pem_slice(emulator.client_certificate().as_bytes()).unwrap();
    let hash = if name == "x5t" { &digest::SHA1_FOR_LEGACY_USE_ONLY } else { &digest::SHA256 };
    URL_SAFE_NO_PAD.encode(digest::digest(hash, &certificate))
}

/// Good claims of a client for an audience.
pub(crate) fn claims(client_id: &str, audience: &str) -> Value {
    let now = now();
    let jti =
        URL_SAFE_NO_PAD.encode(ring::rand::generate::<[u8; 16]>(&SystemRandom::new()).unwrap().expose());
    json!({"iss": client_id, "sub": client_id, "aud": audience, "jti": jti, "iat": now, "nbf": now, "exp": now + 600})
}

/// An assertion that the caller signs as the header's `alg` says.
pub(crate) fn sign(emulator: &Running, header: &Value, claims: &Value) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = match header["alg"].as_str().unwrap() {
        "RS256" => rsa(emulator, &RSA_PKCS1_SHA256, signed.as_bytes()),
        "PS256" => rsa(emulator, &RSA_PSS_SHA256, signed.as_bytes()),
        _ => ec(emulator, signed.as_bytes()),
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn private(emulator: &Running, algorithm: Algorithm) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from_pem_slice(emulator.client_key(algorithm).unwrap().as_bytes()).unwrap()
}

fn rsa(emulator: &Running, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
    let pair = RsaKeyPair::from_pkcs8(private(emulator, Algorithm::Rs256).secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
    signature
}

fn ec(emulator: &Running, message: &[u8]) -> Vec<u8> {
    let key = private(emulator, Algorithm::Es256);
    let random = SystemRandom::new();
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_pkcs8_der(), &random).unwrap();
    pair.sign(&random, message).unwrap().as_ref().to_vec()
}
