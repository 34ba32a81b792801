//! Issuers of inbound tokens.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{SecretPosition, Words};
use crate::json::Json;

/// One issuer: `entra`, `discovery`, `jwks_uri`, or its keys themselves.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    deny_unknown_fields,
    expecting = "an issuer: an object with `entra`, or with `discovery` and `cluster`"
)]
pub(in crate::config) struct Issuer {
    /// Microsoft Entra ID.
    pub entra: Option<Entra>,
    /// The URL of an OpenID Connect discovery document, which names the issuer and the place of its keys. Azure AD
    /// B2C and External ID are configured by it.
    pub discovery: Option<String>,
    /// The URL of a JWK Set, for an issuer without a discovery document. It needs `issuer`.
    pub jwks_uri: Option<String>,
    /// A JWK Set that stands here itself, for an issuer that cannot be reached. It needs `issuer`, and no `cluster`.
    pub jwks: Option<Jwks>,
    /// Public keys in PEM, for an issuer that cannot be reached. They need `issuer`, and no `cluster`.
    pub public_keys: Option<Vec<PublicKey>>,
    /// Keys that the issuer shares with us, for HMAC. They need `issuer`, and no `cluster`. Whoever has such a key can
    /// make tokens with it.
    pub symmetric_keys: Option<Vec<SymmetricKey>>,
    /// What the issuer calls itself in `iss`, where that is not the beginning of `discovery`.
    pub issuer: Option<String>,
    /// Envoy's cluster for the host of `discovery` or `jwks_uri`.
    pub cluster: Option<String>,
    /// Algorithms that its keys may sign with: RS, PS (each with 256, 384, 512), ES256, ES384, EdDSA (the same as
    /// Ed25519). Default `[RS256]`; for `jwks` and `public_keys`, all that the keys fit. For `symmetric_keys`: HS256,
    /// HS384, HS512; default `[HS256]`.
    pub algorithms: Option<Vec<String>>,
    /// Further hosts that the discovery document may name, each with its cluster.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
}

/// A JWK Set (RFC 7517, section 5) of public keys.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `keys`")]
pub(in crate::config) struct Jwks {
    /// The keys. A key without `kid` is for tokens whose `kid` is no other key's.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>"))]
    pub keys: Vec<Json>,
}

/// A public key in PEM.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `pem`")]
pub(in crate::config) struct PublicKey {
    /// A certificate, of which only the key counts, or a public key: `CERTIFICATE`, `PUBLIC KEY`, `RSA PUBLIC KEY`.
    pub pem: String,
    /// The `kid` of its tokens. Without it, the key is for tokens whose `kid` is no other key's.
    pub id: Option<String>,
}

/// A key that the issuer shares with us.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `key`")]
pub(in crate::config) struct SymmetricKey {
    /// The key in base64 or base64url: at least 32 bytes for HS256, 48 for HS384, 64 for HS512.
    pub key: SecretPosition,
    /// The `kid` of its tokens. Without it, the key is for tokens whose `kid` is no other key's.
    pub id: Option<String>,
}

/// Microsoft Entra ID: the issuers of one tenant, or of several.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `tenant` and `cluster`")]
pub(in crate::config) struct Entra {
    /// A tenant's id (a GUID) or one of its domain names; or `organizations` for every organisation, or `common` for
    /// personal accounts too. The last two need `tenants`.
    pub tenant: String,
    /// The ids of the tenants whose tokens are accepted; or the word `any`.
    pub tenants: Option<Words>,
    /// Envoy's cluster for the login host.
    pub cluster: String,
    /// The cloud. Default `public`.
    pub cloud: Option<Cloud>,
    /// The versions of tokens that are accepted. The registration of the API decides which one it gets, not the
    /// caller. Default `[v1, v2]`.
    pub versions: Option<Vec<Version>>,
    /// The client id of an API whose tokens are signed with keys of its own (claims mapping).
    pub app_id: Option<String>,
}

/// The versions of Entra's tokens.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`v1` or `v2`")]
pub(in crate::config) enum Version {
    /// `ver` 1.0: `iss` is `https://sts.windows.net/<tenant>/`, `aud` is what the caller asked for.
    V1,
    /// `ver` 2.0: `iss` is `https://<login host>/<tenant>/v2.0`, `aud` is the API's client id.
    V2,
}

/// The clouds of Microsoft Entra ID.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "the name of a cloud")]
pub(in crate::config) enum Cloud {
    /// login.microsoftonline.com
    #[default]
    Public,
    /// login.microsoftonline.us
    UsGovernment,
    /// login.partner.microsoftonline.cn
    China,
    /// login.sovcloud-identity.fr
    Bleu,
    /// login.sovcloud-identity.de
    Delos,
    /// login.sovcloud-identity.sg
    GovSg,
}
