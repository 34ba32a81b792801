//! Identities: where outbound tokens come from.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::issuers::Cloud;
use super::secrets::{SecretFile, SecretPosition};

/// Where outbound tokens come from: exactly one of these kinds.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("minProperties" = 1, "maxProperties" = 1)))]
#[serde(
    deny_unknown_fields,
    expecting = "an identity: an object with `managed_identity`, `workload_identity`, `client_credentials`, `static` or `chain`"
)]
pub(in crate::config) struct Identity {
    /// A managed identity of Azure.
    pub managed_identity: Option<ManagedIdentity>,
    /// A Kubernetes service account that Entra trusts (AKS workload identity).
    pub workload_identity: Option<WorkloadIdentity>,
    /// A client that is registered with Entra or another authorization server.
    pub client_credentials: Option<ClientCredentials>,
    /// A token that is there already. For trials: nobody refreshes it, and the log warns of it.
    #[serde(rename = "static")]
    pub fixed: Option<StaticToken>,
    /// Names of identities: the first that the environment offers is taken, once, when the configuration is read. A
    /// failure never leads to the next one, which would have other rights.
    pub chain: Option<Vec<String>>,
}

/// A managed identity of Azure: system-assigned unless one of the ids is given.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// For `app_service`: the host and port that `cluster` leads to. `IDENTITY_ENDPOINT` must name the same.
    pub expect: Option<String>,
    /// For `arc`: where Envoy serves the agent's challenge files, each under its own path.
    pub challenge_files: Option<ChallengeFiles>,
}

/// The endpoints that give tokens to managed identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "the source of a managed identity")]
pub(in crate::config) enum ManagedIdentitySource {
    /// The instance metadata service of virtual machines, scale sets and AKS nodes.
    Imds,
    /// App Service, Functions and Container Apps. `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` come from the environment.
    AppService,
    /// A machine that Azure Arc has joined. `IDENTITY_ENDPOINT` may come from the environment.
    Arc,
    /// Not offered.
    #[cfg_attr(feature = "schema", schemars(skip))]
    ServiceFabric,
    /// Not offered.
    #[cfg_attr(feature = "schema", schemars(skip))]
    CloudShell,
    /// Not offered.
    #[cfg_attr(feature = "schema", schemars(skip))]
    AzureMl,
}

/// Where Envoy serves files under their own paths, by its `file_server` filter.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `cluster`")]
pub(in crate::config) struct ChallengeFiles {
    /// Envoy's cluster.
    pub cluster: String,
}

/// A Kubernetes service account that Entra trusts. What is not said here comes from the environment, where AKS puts it.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `cluster` and `token`")]
pub(in crate::config) struct WorkloadIdentity {
    /// Envoy's cluster for the login host.
    pub cluster: String,
    /// The service account's token, a file that Envoy serves.
    pub token: SecretFile,
    /// The client id of the application or user-assigned identity. Default: `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// The tenant. Default: `AZURE_TENANT_ID`.
    pub tenant: Option<String>,
    /// The URL of the login host. Default: `AZURE_AUTHORITY_HOST`, else the public cloud's.
    pub authority_host: Option<String>,
}

/// A client of an authorization server: `token_url` with `cluster`, or `entra`; and one credential.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `token_url` and `cluster` or `entra`, with `client_id` and a credential"
)]
pub(in crate::config) struct ClientCredentials {
    /// The URL of the token endpoint.
    pub token_url: Option<String>,
    /// Envoy's cluster for the token endpoint's host.
    pub cluster: Option<String>,
    /// A tenant of Microsoft Entra ID, instead of `token_url` and `cluster`.
    pub entra: Option<EntraTokenEndpoint>,
    /// The client's id.
    pub client_id: String,
    /// A secret that the client and the endpoint share.
    pub client_secret: Option<SecretPosition>,
    /// A certificate that is registered for the client, with its private key.
    pub certificate: Option<CertificateCredential>,
    /// A private key whose public half is registered for the client (RFC 7523).
    pub private_key_jwt: Option<PrivateKeyJwt>,
    /// Where `client_secret` goes. Default `body`.
    pub authentication: Option<ClientAuthentication>,
    /// Further parameters of the token request.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// A certificate that is registered for a client, with its private key. If one of the two files is rotated before the
/// other, the last pair that belonged together is used until the other follows.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `certificate` and `private_key`")]
pub(in crate::config) struct CertificateCredential {
    /// The certificate, PEM; the first one of a chain counts.
    pub certificate: SecretPosition,
    /// The private key, PEM, without a password. It may be the same secret as the certificate.
    pub private_key: SecretPosition,
    /// `PS256`, with the thumbprint `x5t#S256`, or `RS256`, with `x5t`. Default `PS256`, as Entra recommends.
    pub algorithm: Option<String>,
}

/// A private key whose public half is registered for a client.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `private_key`")]
pub(in crate::config) struct PrivateKeyJwt {
    /// The private key, PEM, without a password.
    pub private_key: SecretPosition,
    /// The key's id, for servers that know several keys of the client.
    pub kid: Option<String>,
    /// `RS256`, `PS256` or `ES256`. Default `RS256`.
    pub algorithm: Option<String>,
    /// The audience of the assertion. Default: the URL of the token endpoint.
    pub audience: Option<String>,
}

/// A tenant of Microsoft Entra ID, as a place to get tokens from.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `tenant` and `cluster`")]
pub(in crate::config) struct EntraTokenEndpoint {
    /// The tenant: its id or one of its domains.
    pub tenant: String,
    /// Envoy's cluster for the login host.
    pub cluster: String,
    /// The cloud. Default `public`.
    pub cloud: Option<Cloud>,
    /// The version of the endpoint; it does not decide the version of the token. Default `v2`.
    pub version: Option<EntraVersion>,
}

/// The versions of Entra's token endpoint.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`v1` or `v2`")]
pub(in crate::config) enum EntraVersion {
    /// `/oauth2/token`, which takes a `resource`.
    V1,
    /// `/oauth2/v2.0/token`, which takes a `scope`.
    #[default]
    V2,
}

/// Where a client's secret goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`body` or `basic`")]
pub(in crate::config) enum ClientAuthentication {
    /// `client_id` and `client_secret` in the body (`client_secret_post`).
    #[default]
    Body,
    /// `Authorization: Basic` (`client_secret_basic`).
    Basic,
}

/// A token that is there already.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `token`")]
pub(in crate::config) struct StaticToken {
    /// The token.
    pub token: SecretPosition,
}
