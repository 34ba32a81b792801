//! Encrypted tokens (JWE) as a case describes them: A256GCM, with a key that is shared or sent by RSA.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use rand::RngCore;

use crate::case::{Case, Encryption, EncryptionEdit, ObjectEdit};
use crate::keys::{Key, base64url};
use crate::text::Text;
use crate::token;

/// A good signed token, encrypted.
pub fn good(encryption: &Encryption, text: &Text<'_>, signed: &str) -> String {
    let parts = sealed(encryption, &ObjectEdit::default(), text, signed.as_bytes());
    parts.map(base64url).join(".")
}

/// The token of a case; `signed` is what it signs.
pub fn of_case(case: &Case, encryption: &Encryption, text: Text<'_>, signed: Vec<u8>) -> Vec<u8> {
    let EncryptionEdit { algorithm, key, header, content, parts, token } = &case.encrypt;
    let encryption = Encryption {
        algorithm: algorithm.clone().unwrap_or_else(|| encryption.algorithm.clone()),
        key: key.clone().unwrap_or_else(|| encryption.key.clone()),
    };
    let text = text.with("signed", signed);
    let content = text.bytes(content.as_deref().unwrap_or("${signed}"));
    let [header, key, iv, ciphertext, tag] = sealed(&encryption, header, &text, &content);
    let edited = |name: &str, bytes: Vec<u8>| match parts.get(name) {
        Some(edit) => base64url(token::changed(edit, bytes, &text)),
        None => base64url(bytes),
    };
    let parts = [edited("key", key), edited("iv", iv), edited("text", ciphertext), edited("tag", tag)];
    let [key, iv, ciphertext, tag] = parts;
    let text = text
        .with("eh", base64url(header))
        .with("ek", key)
        .with("ei", iv)
        .with("ec", ciphertext)
        .with("et", tag);
    text.bytes(token.as_deref().unwrap_or("${eh}.${ek}.${ei}.${ec}.${et}"))
}

/// Header, encrypted key, initialization vector, ciphertext and tag (RFC 7516, section 3.1).
fn sealed(encryption: &Encryption, edit: &ObjectEdit, text: &Text<'_>, content: &[u8]) -> [Vec<u8>; 5] {
    let algorithm = &encryption.algorithm;
    let header = serde_json::json!({"alg": algorithm, "enc": "A256GCM", "cty": "JWT"});
    let header = token::object(header.as_object().unwrap(), edit, text);
    let random = &mut rand::thread_rng();
    let (mut fresh, mut iv) = ([0; 32], [0; 12]);
    random.fill_bytes(&mut fresh);
    random.fill_bytes(&mut iv);
    let (key, encrypted_key) = match (&text.keys[&encryption.key], algorithm.as_str()) {
        (Key::Symmetric(key), _) => (key.clone(), Vec::new()),
        (key, "RSA1_5") => (fresh.to_vec(), key.rsa().encrypt(rsa::Pkcs1v15Encrypt, &fresh)),
        (key, _) => {
            let padding = rsa::Oaep::new::<hmac_sha256::Hash>();
            (fresh.to_vec(), key.rsa().encrypt(padding, &fresh))
        }
    };
    let mut ciphertext = content.to_vec();
    let cipher = Aes256Gcm::new_from_slice(&key).unwrap();
    let associated = base64url(&header);
    let tag =
        cipher.encrypt_inout_detached(&iv.into(), associated.as_bytes(), ciphertext.as_mut_slice().into());
    [header, encrypted_key, iv.to_vec(), ciphertext, tag.unwrap().to_vec()]
}
