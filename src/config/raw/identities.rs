//! Identities: where outbound tokens come from.

use serde::Deserialize;

/// Where outbound tokens come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an identity: an object with `managed_identity`")]
pub(in crate::config) struct Identity {
    /// A managed identity of Azure.
    pub managed_identity: Option<ManagedIdentity>,
}

/// A managed identity of Azure: system-assigned unless one of the ids is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `source` and `cluster`")]
pub(in crate::config) struct ManagedIdentity {
    /// Which endpoint gives the tokens.
    pub source: ManagedIdentitySource,
    /// Envoy's cluster for that endpoint.
    pub cluster: String,
    /// The client id of a user-assigned identity.
    pub client_id: Option<String>,
    /// The object id of a user-assigned identity.
    pub object_id: Option<String>,
    /// The Azure resource id of a user-assigned identity.
    pub resource_id: Option<String>,
}

/// The endpoints that give tokens to managed identities.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case", expecting = "the source of a managed identity")]
pub(in crate::config) enum ManagedIdentitySource {
    /// The instance metadata service of virtual machines, scale sets and AKS nodes.
    Imds,
}
