//! What a request is for: by the port, the host and the path that it came to.

use serde::{Deserialize, Serialize};

use crate::directory::{B2C_HOST, CLUSTER_HOST, EXTERNAL_ID_HOST, VAULT_HOST};

/// What a request was for, as far as faults and the log are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// Anything on the IMDS port.
    Imds,
    /// The managed-identity endpoint of App Service, Functions and Container Apps.
    AppService,
    /// That of Azure Machine Learning.
    AzureMl,
    /// That of Cloud Shell.
    CloudShell,
    /// The sidecar of AKS workload identity, which answers as IMDS does.
    WorkloadProxy,
    /// The agent of Azure Arc.
    Arc,
    /// The managed-identity endpoint of Service Fabric.
    ServiceFabric,
    /// Entra's OpenID configuration, v1 and v2.
    Discovery,
    /// Entra's key set, v1 and v2.
    Jwks,
    /// Entra's token endpoint, v1 and v2.
    Token,
    /// The OpenID configuration of the customers' tenant: B2C and External ID.
    CustomerDiscovery,
    /// The key set of the customers' tenant: B2C and External ID.
    CustomerJwks,
    /// The OpenID configuration of the cluster's service-account issuer.
    ClusterDiscovery,
    /// The key set of the cluster's service-account issuer.
    ClusterJwks,
    /// The partner's OpenID configuration.
    PartnerDiscovery,
    /// The partner's key set.
    PartnerJwks,
    /// The partner's token endpoint.
    PartnerToken,
    /// Anything on the vault's host.
    KeyVault,
    /// The secured workflow, on the backend port.
    Workflow,
    /// Anything else on the backend port.
    Backend,
    /// A path of the login host that plays nothing; its normal answer is 404.
    Other,
}

impl Endpoint {
    /// Whether its requests are forms, which the log shows.
    pub(crate) fn takes_forms(self) -> bool {
        matches!(self, Self::Token | Self::PartnerToken | Self::CloudShell)
    }
}

/// App Service's path for tokens.
pub(crate) const APP_SERVICE_PATH: &str = "/msi/token";

/// Azure Machine Learning's path for tokens.
pub(crate) const AZURE_ML_PATH: &str = "/azureml/token";

/// Cloud Shell's path for tokens.
pub(crate) const CLOUD_SHELL_PATH: &str = "/cloudshell/oauth2/token";

/// The path that triggers the workflow.
pub(crate) const WORKFLOW_PATH: &str = "/workflows/9a1c3f5e/triggers/manual/paths/invoke";

/// IMDS's path for tokens, which Arc and Service Fabric have too.
pub(crate) const IMDS_TOKEN_PATH: &str = "/metadata/identity/oauth2/token";

/// The path of an OpenID configuration (OpenID Connect Discovery section 4).
pub(crate) const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// The path of the partner's key set.
pub(crate) const PARTNER_JWKS_PATH: &str = "/jwks";

/// The path of the partner's token endpoint.
pub(crate) const PARTNER_TOKEN_PATH: &str = "/token";

/// The path of the cluster's key set.
pub(crate) const CLUSTER_JWKS_PATH: &str = "/openid/v1/jwks";

/// A host that the login host's port plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Site {
    /// `login.microsoftonline.com`, the partner's, and every name that is nobody else's.
    Login,
    /// The customers' tenant as B2C serves it.
    B2c,
    /// The customers' tenant as External ID serves it.
    ExternalId,
    /// The cluster's service-account issuer.
    Cluster,
    /// The vault.
    KeyVault,
}

impl Site {
    /// The site of a `Host`, with or without a port.
    pub(crate) fn of(host: &str) -> Self {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        match name.to_ascii_lowercase().as_str() {
            B2C_HOST => Self::B2c,
            EXTERNAL_ID_HOST => Self::ExternalId,
            CLUSTER_HOST => Self::Cluster,
            VAULT_HOST => Self::KeyVault,
            _ => Self::Login,
        }
    }
}

/// What a request to the IMDS port is for.
pub(crate) fn on_imds(_host: &str, _path: &str) -> Endpoint {
    Endpoint::Imds
}

/// What a request to the port of the platforms is for.
pub(crate) fn on_platforms(_host: &str, path: &str) -> Endpoint {
    match path {
        APP_SERVICE_PATH => Endpoint::AppService,
        AZURE_ML_PATH => Endpoint::AzureMl,
        CLOUD_SHELL_PATH => Endpoint::CloudShell,
        IMDS_TOKEN_PATH => Endpoint::WorkloadProxy,
        _ => Endpoint::Other,
    }
}

/// What a request to Azure Arc's port is for.
pub(crate) fn on_arc(_host: &str, _path: &str) -> Endpoint {
    Endpoint::Arc
}

/// What a request to the backend's port is for.
pub(crate) fn on_backend(_host: &str, path: &str) -> Endpoint {
    if path == WORKFLOW_PATH { Endpoint::Workflow } else { Endpoint::Backend }
}

/// What a request to the login host's port is for.
pub(crate) fn on_login(host: &str, path: &str) -> Endpoint {
    let discovery = path.ends_with(DISCOVERY_PATH);
    let keys = path.ends_with("/discovery/v2.0/keys");
    match Site::of(host) {
        Site::Login => login(path),
        Site::KeyVault => Endpoint::KeyVault,
        Site::B2c | Site::ExternalId if discovery => Endpoint::CustomerDiscovery,
        Site::B2c | Site::ExternalId if keys => Endpoint::CustomerJwks,
        Site::Cluster if discovery => Endpoint::ClusterDiscovery,
        Site::Cluster if path.ends_with(CLUSTER_JWKS_PATH) => Endpoint::ClusterJwks,
        Site::B2c | Site::ExternalId | Site::Cluster => Endpoint::Other,
    }
}

fn login(path: &str) -> Endpoint {
    match path {
        DISCOVERY_PATH => return Endpoint::PartnerDiscovery,
        PARTNER_JWKS_PATH => return Endpoint::PartnerJwks,
        PARTNER_TOKEN_PATH => return Endpoint::PartnerToken,
        IMDS_TOKEN_PATH => return Endpoint::ServiceFabric,
        _ => {}
    }
    let mut segments = path.split('/').skip(2);
    let rest = [(); 4].map(|()| segments.next());
    match rest {
        [Some(".well-known"), Some("openid-configuration"), None, None]
        | [Some("v2.0"), Some(".well-known"), Some("openid-configuration"), None] => Endpoint::Discovery,
        [Some("discovery"), Some("keys"), None, None]
        | [Some("discovery"), Some("v2.0"), Some("keys"), None] => Endpoint::Jwks,
        [Some("oauth2"), Some("token"), None, None] | [Some("oauth2"), Some("v2.0"), Some("token"), None] => {
            Endpoint::Token
        }
        _ => Endpoint::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_host_knows_its_paths() {
        for (path, endpoint) in [
            ("/t/.well-known/openid-configuration", Endpoint::Discovery),
            ("/t/v2.0/.well-known/openid-configuration", Endpoint::Discovery),
            ("/t/discovery/keys", Endpoint::Jwks),
            ("/t/discovery/v2.0/keys", Endpoint::Jwks),
            ("/t/oauth2/v2.0/token", Endpoint::Token),
            ("/t/oauth2/token", Endpoint::Token),
            ("/.well-known/openid-configuration", Endpoint::PartnerDiscovery),
            ("/jwks", Endpoint::PartnerJwks),
            ("/token", Endpoint::PartnerToken),
            ("/", Endpoint::Other),
            ("/t/oauth2/v2.0/token/", Endpoint::Other),
            ("/t/discovery/v2.0/keys/more", Endpoint::Other),
        ] {
            assert_eq!(on_login("login.microsoftonline.com:443", path), endpoint, "{path}");
        }
    }

    #[test]
    fn hosts_tell_others_from_the_login_host() {
        let path = "/t/v2.0/.well-known/openid-configuration";
        for (host, endpoint) in [
            ("contosocustomers.b2clogin.com", Endpoint::CustomerDiscovery),
            ("Contosocustomers.CIAMlogin.com:10443", Endpoint::CustomerDiscovery),
            ("aks.oidc.example:1", Endpoint::ClusterDiscovery),
            ("contoso.vault.azure.net", Endpoint::KeyVault),
            ("127.0.0.1:10443", Endpoint::Discovery),
            ("[::1]:10443", Endpoint::Discovery),
        ] {
            assert_eq!(on_login(host, path), endpoint, "{host}");
        }
        assert_eq!(on_login(CLUSTER_HOST, "/c/openid/v1/jwks"), Endpoint::ClusterJwks);
        assert_eq!(on_login(B2C_HOST, "/t/p/discovery/v2.0/keys"), Endpoint::CustomerJwks);
        assert_eq!(on_login(EXTERNAL_ID_HOST, "/"), Endpoint::Other);
    }
}
