//! Issuers of inbound tokens.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One issuer: `entra`, or `discovery` with `cluster`.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an issuer: an object with `entra`, or with `discovery` and `cluster`"
)]
pub(in crate::config) struct Issuer {
    /// A tenant of Microsoft Entra ID.
    pub entra: Option<Entra>,
    /// The URL of an OpenID Connect discovery document.
    pub discovery: Option<String>,
    /// What the issuer calls itself, where that is not the beginning of `discovery`.
    pub issuer: Option<String>,
    /// Envoy's cluster for the discovery document's host.
    pub cluster: Option<String>,
    /// Algorithms that its keys may sign with: RS, PS (each with 256, 384, 512), ES256, ES384, EdDSA (the same as
    /// Ed25519). Default `[RS256]`.
    pub algorithms: Option<Vec<String>>,
    /// Further hosts that the discovery document may name, each with its cluster.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
}

/// A tenant of Microsoft Entra ID.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `tenant` and `cluster`")]
pub(in crate::config) struct Entra {
    /// The tenant's id, a GUID.
    pub tenant: String,
    /// Envoy's cluster for the login host.
    pub cluster: String,
    /// The cloud. Default `public`.
    pub cloud: Option<Cloud>,
}

/// The clouds of Microsoft Entra ID.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "the name of a cloud")]
pub(in crate::config) enum Cloud {
    /// login.microsoftonline.com
    #[default]
    Public,
    /// login.microsoftonline.us
    UsGovernment,
    /// login.partner.microsoftonline.cn
    China,
}
