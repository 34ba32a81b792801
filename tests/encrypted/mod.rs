//! Encrypted tokens: the examples of RFC 7520, section 5, and Wycheproof's JWE set. What they hold is no token, so that
//! decryption alone is tried.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatepass::jwt::{DecryptionKey, EncryptedToken, KeyManagement, Random};
use gatepass::secret::SecretString;
use p256::pkcs8::EncodePrivateKey as _;
use rsa::pkcs8::EncodePrivateKey as _;
use serde_json::Value;

use super::{figures, read, vectors};

/// What blinds RSA need not be random in a test.
struct Fixed;

impl Random for Fixed {
    fn seed(&mut self) -> Option<[u8; 32]> {
        Some([7; 32])
    }
}

fn bytes(jwk: &Value, member: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(jwk[member].as_str().unwrap()).unwrap()
}

/// The key for `algorithm`, as a configuration would have it. `None` where we have no such key or algorithm.
fn key(jwk: &Value, algorithm: &str) -> Option<DecryptionKey> {
    let algorithm = KeyManagement::from_name(algorithm)?;
    let pem = |der: &[u8]| {
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", STANDARD.encode(der))
    };
    let text = match jwk["kty"].as_str().unwrap() {
        "oct" => STANDARD.encode(bytes(jwk, "k")),
        "RSA" => {
            let [n, e, d, p, q] =
                ["n", "e", "d", "p", "q"].map(|name| rsa::BigUint::from_bytes_be(&bytes(jwk, name)));
            let key = rsa::RsaPrivateKey::from_components(n, e, d, vec![p, q]).unwrap();
            pem(key.to_pkcs8_der().unwrap().as_bytes())
        }
        _ => pem(p256::SecretKey::from_slice(&bytes(jwk, "d")).ok()?.to_pkcs8_der().unwrap().as_bytes()),
    };
    let text = SecretString::new(text);
    let key = match jwk["kty"] == "oct" {
        true => DecryptionKey::from_base64(&text, &[algorithm]),
        false => DecryptionKey::from_pem(&text, &[algorithm]),
    };
    key.ok()
}

/// What is in the token, for a key that is for the JWK's `alg`.
fn open(jwk: &Value, algorithm: &str, token: &str) -> Option<String> {
    let token = EncryptedToken::parse(token).ok()?;
    let text = token.decrypt(&key(jwk, algorithm)?, &mut Fixed).ok()?;
    Some(text.expose().to_owned())
}

fn text(folder: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(name)).ok()
}

#[test]
fn the_examples_of_rfc_7520_are_opened_or_refused() {
    let Some(folder) = vectors().map(|folder| folder.join("latchset-jose")) else { return };
    // The algorithm that the example's key is for, or why it is refused.
    let examples = [
        ("5.1", "RSA1_5", false),
        ("5.2", "RSA-OAEP", true),
        ("5.3", "PBES2-HS512+A256KW", false),
        // On P-384.
        ("5.4", "ECDH-ES+A128KW", false),
        ("5.5", "ECDH-ES", true),
        ("5.6", "dir", true),
        ("5.7", "A256GCMKW", false),
        ("5.8", "A128KW", true),
        // Compressed.
        ("5.9", "A128KW", false),
    ];
    for (section, algorithm, is_ours) in examples {
        let part = |ending: &str| text(&folder, &format!("rfc7520_{section}.{ending}"));
        let (Some(token), Some(plain)) = (part("jwec"), part("pt")) else {
            println!("skipped: there is no example {section} in {}", folder.display());
            continue;
        };
        let jwk = match section {
            // Its key is a password.
            "5.3" => serde_json::json!({"kty": "oct", "k": "AAAA"}),
            _ => read(folder.join(format!("rfc7520_{section}.jwk"))),
        };
        let opened = open(&jwk, algorithm, token.trim());
        assert_eq!(opened.as_deref(), is_ours.then_some(plain.as_str()), "{section}");
        let (start, tag) = token.trim().rsplit_once('.').unwrap();
        let changed = format!("{start}.{}", URL_SAFE_NO_PAD.encode([0; 16].repeat(tag.len() / 42 + 1)));
        assert_eq!(open(&jwk, algorithm, &changed), None, "{section}, changed");
    }
}

#[test]
fn wycheproofs_json_web_encryption_is_judged_as_it_should_be() {
    let Some(folder) = vectors() else { return };
    let path = folder.join("wycheproof/json_web_encryption_test.json");
    if !path.exists() {
        println!("skipped: there is no {}", path.display());
        return;
    }
    let (mut opened, mut refused) = (0, 0);
    let (mut not_ours, mut wrong) = (Vec::new(), Vec::new());
    for group in read(path)["testGroups"].as_array().unwrap() {
        let jwk = &group["private"];
        // One key names the encryption of the content: it is for `dir`.
        let algorithm = match jwk["alg"].as_str().unwrap() {
            "A128GCM" => "dir",
            algorithm => algorithm,
        };
        for test in group["tests"].as_array().unwrap() {
            let (id, token) = (test["tcId"].as_u64().unwrap(), test["jwe"].as_str().unwrap());
            let is_ours = is_supported(jwk, algorithm, token);
            match (open(jwk, algorithm, token), test["result"] == "valid") {
                (Some(text), true) if hex(&text) == test["pt"].as_str().unwrap() => opened += 1,
                (None, false) => refused += 1,
                (None, true) if !is_ours => not_ours.push(id),
                _ => wrong.push(id),
            }
        }
    }
    println!("opened: {opened}, refused: {refused}, not ours: {not_ours:?}, wrong: {wrong:?}");
    assert_eq!((wrong, opened, refused, not_ours.len()), (vec![], 36, 74, 29));
    let tried = opened + refused + not_ours.len();
    figures::assert_in_readme("Wycheproof `json_web_encryption_test.json`", [tried, 0, 0]);
}

/// Whether a valid token has only what we have: no AES with 192 bits, no AES key wrap with GCM, no RSA1_5, no P-384, no
/// compression.
fn is_supported(jwk: &Value, algorithm: &str, token: &str) -> bool {
    let header =
        token.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok()).unwrap_or_default();
    let header = String::from_utf8_lossy(&header);
    KeyManagement::from_name(algorithm).is_some()
        && jwk["crv"] != "P-384"
        && !header.contains("A192")
        && !header.contains("zip")
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
