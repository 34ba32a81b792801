//! Access tokens: right ones, and deliberately wrong ones.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A token to be made for a test: the defaults are right, every part can be made wrong.
///
/// By default: the caller application's token for the API, valid for an hour, with the roles
/// `Sample.Read` and `Sample.Write`.
///
/// ```
/// use gatepass_emulator::{SigningKey, TokenSpec};
///
/// let expired = TokenSpec::entra_v2().lifetime(-60);
/// let forged = TokenSpec::partner().signed_by(SigningKey::Foreign);
/// let without_roles = TokenSpec::entra_v2().without_claim("roles");
/// # let _ = (expired, forged, without_roles);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSpec {
    /// Who issues it, and so which claims it has.
    pub issuer: Issuer,
    /// Claims that replace the issuer's own; `null` removes one.
    pub claims: Map<String, Value>,
    /// Header parameters that replace the issuer's own; `null` removes one. They change what the
    /// header says, never how the token is signed: that is `algorithm` and `key`.
    pub header: Map<String, Value>,
    /// From now to `exp`, in seconds; negative for a token that has expired.
    pub lifetime: i64,
    /// From now to `nbf` and `iat`, in seconds; Entra dates its tokens five minutes back.
    pub not_before: i64,
    /// Which of the issuer's keys signs.
    pub key: SigningKey,
    /// How it is signed.
    pub algorithm: Algorithm,
}

impl Default for TokenSpec {
    fn default() -> Self {
        Self {
            issuer: Issuer::EntraV2,
            claims: Map::new(),
            header: Map::new(),
            lifetime: 3600,
            not_before: -300,
            key: SigningKey::Current,
            algorithm: Algorithm::Rs256,
        }
    }
}

impl TokenSpec {
    /// A v2 token of the tenant.
    #[must_use]
    pub fn entra_v2() -> Self {
        Self::default()
    }

    /// A v1 token of the tenant.
    #[must_use]
    pub fn entra_v1() -> Self {
        Self { issuer: Issuer::EntraV1, ..Self::default() }
    }

    /// A token of the partner, signed with RS256.
    #[must_use]
    pub fn partner() -> Self {
        Self { issuer: Issuer::Partner, ..Self::default() }
    }

    /// With this claim in place of the issuer's own.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Without this claim.
    #[must_use]
    pub fn without_claim(self, name: &str) -> Self {
        self.claim(name, Value::Null)
    }

    /// With these roles.
    #[must_use]
    pub fn roles(self, roles: &[&str]) -> Self {
        self.claim("roles", roles.to_vec())
    }

    /// With this header parameter in place of the issuer's own.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Without this header parameter.
    #[must_use]
    pub fn without_header(self, name: &str) -> Self {
        self.header(name, Value::Null)
    }

    /// With `exp` that many seconds from now; negative for the past.
    #[must_use]
    pub fn lifetime(mut self, seconds: i64) -> Self {
        self.lifetime = seconds;
        self
    }

    /// With `nbf` and `iat` that many seconds from now; negative for the past.
    #[must_use]
    pub fn not_before(mut self, seconds: i64) -> Self {
        self.not_before = seconds;
        self
    }

    /// Signed with that key.
    #[must_use]
    pub fn signed_by(mut self, key: SigningKey) -> Self {
        self.key = key;
        self
    }

    /// Signed that way.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }
}

/// Who issues a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Issuer {
    /// The tenant, as an API with `requestedAccessTokenVersion` 2 gets it.
    #[serde(rename = "entra-v2")]
    EntraV2,
    /// The tenant, as an API with `requestedAccessTokenVersion` null or 1 gets it.
    #[serde(rename = "entra-v1")]
    EntraV1,
    /// The partner's identity provider.
    Partner,
}

/// Which of an issuer's keys signs a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningKey {
    /// The one that it signs with now; published.
    #[default]
    Current,
    /// The one that it signed with before the last rotation; still published after
    /// [`Rotation::Add`], gone after [`Rotation::Replace`]. Before the first rotation: the older
    /// of Entra's two published keys; the partner has only its current ones.
    Previous,
    /// One that nobody publishes, with a `kid` of its own.
    Foreign,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256 (RFC 7518 section 3.5).
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4). Entra publishes no such key: its
    /// tokens are then signed with a key that nobody publishes.
    #[serde(rename = "ES256")]
    Es256,
    /// HMAC with SHA-256, keyed with the PEM text of the RSA key that is published: the algorithm
    /// confusion that RFC 8725 section 2.1 warns of.
    #[serde(rename = "HS256")]
    Hs256,
    /// No signature: `alg` is `none` and the last part is empty (RFC 7518 section 3.6).
    #[serde(rename = "none")]
    None,
}

/// What becomes of the old keys when an issuer makes new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// The new key signs; the old ones stay published.
    Add,
    /// The new key signs and is the only one published (besides the partner's odd one).
    Replace,
}
