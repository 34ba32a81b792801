//! Access tokens: right ones, and deliberately wrong ones.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::directory::TENANT;

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
    /// The tenant that issues it, for tokens of Entra; any text. The tenant of personal accounts
    /// signs with its own key.
    pub tenant: String,
    /// Claims that replace the issuer's own; `null` removes one.
    pub claims: Map<String, Value>,
    /// Header parameters that replace the issuer's own; `null` removes one. They change what the
    /// header says, never how the token is signed: that is `algorithm` and `key`.
    pub header: Map<String, Value>,
    /// Members that are written after all the others, even where one of that name is there: the
    /// way to a claim that comes twice.
    pub appended_claims: Vec<(String, Value)>,
    /// The same for the header.
    pub appended_header: Vec<(String, Value)>,
    /// The text of the claims in place of all that; anything, JSON or not.
    pub raw_claims: Option<String>,
    /// The text of the header in place of all that; anything, JSON or not.
    pub raw_header: Option<String>,
    /// From now to `exp`, in seconds; negative for a token that has expired.
    pub lifetime: i64,
    /// From now to `nbf` and `iat`, in seconds; Entra dates its tokens five minutes back.
    pub not_before: i64,
    /// Which of the issuer's keys signs.
    pub key: SigningKey,
    /// How it is signed.
    pub algorithm: Algorithm,
    /// What keys HS256, HS384 and HS512, as text; without it, the PEM text of the issuer's public
    /// RSA key: the algorithm confusion that RFC 8725 section 2.1 warns of.
    pub hmac_secret: Option<String>,
}

impl Default for TokenSpec {
    fn default() -> Self {
        Self {
            issuer: Issuer::EntraV2,
            tenant: TENANT.to_owned(),
            claims: Map::new(),
            header: Map::new(),
            appended_claims: Vec::new(),
            appended_header: Vec::new(),
            raw_claims: None,
            raw_header: None,
            lifetime: 3600,
            not_before: -300,
            key: SigningKey::Current,
            algorithm: Algorithm::Rs256,
            hmac_secret: None,
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

    /// A user's token of the customers' tenant, as B2C issues it.
    #[must_use]
    pub fn b2c() -> Self {
        Self { issuer: Issuer::B2c, ..Self::default() }
    }

    /// A user's token of the customers' tenant, as External ID issues it.
    #[must_use]
    pub fn external_id() -> Self {
        Self { issuer: Issuer::ExternalId, ..Self::default() }
    }

    /// A service-account token of the cluster, for the exchange at Entra.
    #[must_use]
    pub fn service_account() -> Self {
        Self { issuer: Issuer::Cluster, not_before: 0, ..Self::default() }
    }

    /// Of that tenant of Entra; any text.
    #[must_use]
    pub fn tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.tenant);
        self
    }

    /// For that client: `azp`, `appid` or `client_id`, as the issuer has it.
    #[must_use]
    pub fn client(self, client_id: &str) -> Self {
        let name = match self.issuer {
            Issuer::EntraV1 => "appid",
            Issuer::Partner => "client_id",
            _ => "azp",
        };
        self.claim(name, client_id)
    }

    /// For a client that has shown who it is that way: `azpacr` or `appidacr`, where `0` is a
    /// public client, `1` a secret, `2` a certificate or a managed identity.
    #[must_use]
    pub fn client_strength(self, strength: &str) -> Self {
        let name = if self.issuer == Issuer::EntraV1 { "appidacr" } else { "azpacr" };
        self.claim(name, strength)
    }

    /// On behalf of a user: `scp` and a user's `oid` and `sub`, without `roles` and `idtyp`.
    #[must_use]
    pub fn delegated(self, scopes: &str) -> Self {
        self.claim("scp", scopes)
            .claim("oid", "0d5b9c1e-6a47-4f28-9e83-b7c2d1f04a65")
            .claim("sub", "hKx0pYwQ3vLzT8mRb5nCfJ2sGdE7aWuX1iOtVqZy9Po")
            .claim("name", "Ada Example")
            .without_claim("roles")
            .without_claim("idtyp")
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

    /// With this claim once more at the end, though there may be one of that name.
    #[must_use]
    pub fn appended_claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.appended_claims.push((name.to_owned(), value.into()));
        self
    }

    /// With this header parameter once more at the end, though there may be one of that name.
    #[must_use]
    pub fn appended_header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.appended_header.push((name.to_owned(), value.into()));
        self
    }

    /// With this text in place of the claims.
    #[must_use]
    pub fn raw_claims(mut self, text: &str) -> Self {
        self.raw_claims = Some(text.to_owned());
        self
    }

    /// With this text in place of the header.
    #[must_use]
    pub fn raw_header(mut self, text: &str) -> Self {
        self.raw_header = Some(text.to_owned());
        self
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

    /// Keyed with that text, for HS256, HS384 and HS512.
    #[must_use]
    pub fn hmac_secret(mut self, secret: &str) -> Self {
        self.hmac_secret = Some(secret.to_owned());
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
    /// The customers' tenant, as B2C issues for it.
    B2c,
    /// The customers' tenant, as External ID issues for it.
    ExternalId,
    /// The cluster's service-account issuer.
    Cluster,
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
    /// That of Microsoft's personal accounts: `common` publishes it too, but for its tenant alone.
    Consumers,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256 (RFC 7518 section 3.5).
    #[serde(rename = "PS256")]
    Ps256,
    /// RSASSA-PSS with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// RSASSA-PSS with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4). Only the partner publishes keys that
    /// are not RSA: tokens of others are then signed with a key that nobody publishes.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// ECDSA on P-521 with SHA-512.
    #[serde(rename = "ES512")]
    Es512,
    /// Ed25519 (RFC 8037 section 3.1).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// HMAC with SHA-256 (RFC 7518 section 3.2); [`TokenSpec::hmac_secret`] says with which key.
    #[serde(rename = "HS256")]
    Hs256,
    /// HMAC with SHA-384.
    #[serde(rename = "HS384")]
    Hs384,
    /// HMAC with SHA-512.
    #[serde(rename = "HS512")]
    Hs512,
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
