//! Keys that inbound tokens are encrypted to.

use serde::Deserialize;

use super::SecretPosition;

/// A key that tokens are encrypted to: `private_key` or `symmetric_key`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `private_key` or `symmetric_key`")]
pub(in crate::config) struct DecryptionKey {
    /// A private key in PEM, RSA or P-256, without a password.
    pub private_key: Option<SecretPosition>,
    /// A key that is shared with whoever encrypts, in base64 or base64url: 16, 32 or 64 bytes.
    pub symmetric_key: Option<SecretPosition>,
    /// What the key may be used for. Default: `[RSA-OAEP-256, RSA-OAEP]` for RSA; `[ECDH-ES, ECDH-ES+A128KW,
    /// ECDH-ES+A256KW]` for P-256; `[dir]` for a symmetric key, which can also be for `[A128KW]` or `[A256KW]`, but
    /// for one of them only.
    pub algorithms: Option<Vec<String>>,
    /// The `kid` of its tokens. Without it, the key is for tokens whose `kid` is no other key's.
    pub id: Option<String>,
}
