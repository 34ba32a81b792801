use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::BadKey;

/// One block of a PEM text (RFC 7468), decoded. It may be a private key: it is never printed.
pub(super) struct Block<'t> {
    pub(super) label: &'t str,
    pub(super) der: Vec<u8>,
}

/// The blocks of a text. What stands between them is left out, as are line breaks wherever they stand: what was
/// pasted into JSON or YAML rarely keeps them.
///
/// # Errors
/// [`BadKey::Pfx`], [`BadKey::NotPem`], [`BadKey::Encrypted`], [`BadKey::Damaged`]
pub(super) fn blocks(text: &str) -> Result<Vec<Block<'_>>, BadKey> {
    const BEGIN: &str = "-----BEGIN ";
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (label, after) = after.split_once("-----").ok_or(BadKey::Damaged)?;
        let (body, after) = after.split_once("-----END ").ok_or(BadKey::Damaged)?;
        rest =
            after.strip_prefix(label).and_then(|after| after.strip_prefix("-----")).ok_or(BadKey::Damaged)?;
        // The older form of encryption has headers before the base64 (RFC 1421, section 4.6).
        if label == "ENCRYPTED PRIVATE KEY" || body.contains("ENCRYPTED") {
            return Err(BadKey::Encrypted);
        }
        let body: String = body.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        blocks.push(Block { label, der: STANDARD.decode(body).map_err(|_| BadKey::Damaged)? });
    }
    match blocks.is_empty() {
        true if is_pfx(text) => Err(BadKey::Pfx),
        true => Err(BadKey::NotPem),
        false => Ok(blocks),
    }
}

/// A PKCS #12 container in base64, as Key Vault gives one out: a sequence that begins with version 3 (RFC 7292,
/// section 4).
fn is_pfx(text: &str) -> bool {
    let start: String = text.chars().filter(|character| !character.is_ascii_whitespace()).take(16).collect();
    let version = |bytes: &[u8]| bytes.windows(3).take(7).any(|window| window == [0x02, 0x01, 0x03]);
    STANDARD.decode(start).is_ok_and(|bytes| bytes.first() == Some(&0x30) && version(&bytes))
}
