//! Random texts, and hashes as texts.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};

/// `bytes` random bytes as base64url.
pub(crate) fn random_text(bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(random(vec![0; bytes]))
}

/// A random GUID (RFC 9562 section 5.4).
pub(crate) fn random_guid() -> String {
    let number = u128::from_be_bytes(random([0; 16]));
    let version = 0xf000_u128 << 64;
    let variant = 0xc000_u128 << 48;
    let hex = format!("{:032x}", number & !version & !variant | 0x4000_u128 << 64 | 0x8000_u128 << 48);
    let mut guid = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            guid.push('-');
        }
        guid.push(digit);
    }
    guid
}

/// The SHA-256 of `text` in lower-case hexadecimal.
pub(crate) fn sha256_hex(text: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, text).as_ref())
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The buffer, filled.
pub(crate) fn random<T: AsMut<[u8]>>(mut buffer: T) -> T {
    // Without a random source nothing could have started; zeroes harm nobody here.
    let _ = SystemRandom::new().fill(buffer.as_mut());
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_has_the_shape_of_version_4() {
        let guid = random_guid();
        assert_eq!(guid.len(), 36);
        assert_eq!(guid.as_bytes()[14], b'4');
        assert!(matches!(guid.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        assert_ne!(guid, random_guid());
    }
}
