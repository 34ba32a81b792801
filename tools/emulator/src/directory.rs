//! Who there is: tenants, APIs, the identities and applications that may call them.
//!
//! The values are fixed, so that configuration and tests can name them. The secrets and keys of
//! the applications are not here: they are made when the emulator starts.

/// Entra's login host, as a URL without a slash at the end.
pub const LOGIN: &str = "https://login.microsoftonline.com";

/// The tenant's id (`tid`).
pub const TENANT: &str = "7f3c9a52-1d0e-4b68-9c47-2a5d8e6b1f90";

/// The tenant's initial domain; the login host takes it in place of the id.
pub const TENANT_DOMAIN: &str = "contoso.onmicrosoft.com";

/// A second tenant, which shares Entra's keys with the first. It has no applications.
pub const OTHER_TENANT: &str = "3e8b6d71-52c4-4f9a-b1e0-6d7a9c2f4e58";

/// The second tenant's initial domain.
pub const OTHER_TENANT_DOMAIN: &str = "fabrikam.onmicrosoft.com";

/// The tenant of Microsoft's personal accounts: its id is the same everywhere. It has a key of its
/// own, which `common` publishes too.
pub const CONSUMER_TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// The customers' tenant, which B2C and External ID serve.
pub const CUSTOMER_TENANT: &str = "b6d0c8f4-7a19-4e35-93d2-0f5e1b8a6c27";

/// The customers' tenant's initial domain.
pub const CUSTOMER_TENANT_DOMAIN: &str = "contosocustomers.onmicrosoft.com";

/// B2C's host. Its OpenID configuration is at
/// `/{tenant}/{policy}/v2.0/.well-known/openid-configuration`, also with `/tfp` before it, and
/// names the issuer `https://{host}/{tenant id}/v2.0/`, without the policy.
pub const B2C_HOST: &str = "contosocustomers.b2clogin.com";

/// B2C's one policy (user flow); paths have it in any letter case.
pub const B2C_POLICY: &str = "B2C_1_signin";

/// External ID's host. Its OpenID configuration is at
/// `/{tenant}/v2.0/.well-known/openid-configuration` and names an issuer on another host:
/// `https://{tenant id}.ciamlogin.com/{tenant id}/v2.0`.
pub const EXTERNAL_ID_HOST: &str = "contosocustomers.ciamlogin.com";

/// The host of [`CLUSTER_ISSUER`].
pub const CLUSTER_HOST: &str = "aks.oidc.example";

/// The issuer of the cluster's service-account tokens; it ends with a slash, as AKS's does.
pub const CLUSTER_ISSUER: &str = "https://aks.oidc.example/9f4b2c1d/";

/// The service account that the federated credentials of [`CALLER`] and [`READER`] name.
pub const SERVICE_ACCOUNT: &str = "system:serviceaccount:gateway:gatepass";

/// The vault's host.
pub const VAULT_HOST: &str = "contoso.vault.azure.net";

/// The partner's issuer, without a slash at the end.
pub const PARTNER_ISSUER: &str = "https://idp.partner.example";

/// Which access tokens an API wants (`requestedAccessTokenVersion`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenVersion {
    /// `null` or 1: the audience is what was asked for, letter by letter.
    V1,
    /// 2: the audience is the API's client id, whatever was asked for.
    V2,
}

/// An API that tokens are asked for: an app registration with its app roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// Its display name.
    pub name: &'static str,
    /// Its client id.
    pub client_id: &'static str,
    /// Its App ID URI: what clients ask for.
    pub identifier_uri: &'static str,
    /// The app roles that it defines.
    pub app_roles: &'static [&'static str],
    /// Which tokens are issued for it.
    pub token_version: TokenVersion,
    /// `appRoleAssignmentRequired`: who has no role gets no token (AADSTS501051).
    pub assignment_required: bool,
}

/// The protected API of the scenarios. Nobody has `Sample.Delete`.
pub const CONTOSO_API: Api = Api {
    name: "contoso-api",
    client_id: "c0a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
    identifier_uri: "api://contoso-api",
    app_roles: &["Sample.Read", "Sample.Write", "Sample.Delete"],
    token_version: TokenVersion::V2,
    assignment_required: true,
};

/// An API as `az ad app create` registers it: v1 tokens, and one for everybody of the tenant. Who
/// has a role on [`CONTOSO_API`] has `BackendAPI.Access` here.
pub const LEGACY_API: Api = Api {
    name: "legacy-api",
    client_id: "d5e6f708-1a2b-4c3d-9e4f-5a6b7c8d9e0f",
    identifier_uri: "api://legacy-api",
    app_roles: &["BackendAPI.Access"],
    token_version: TokenVersion::V1,
    assignment_required: false,
};

/// Azure Key Vault, an API of Microsoft's.
pub const KEY_VAULT: Api = Api {
    name: "Azure Key Vault",
    client_id: "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
    identifier_uri: "https://vault.azure.net",
    app_roles: &[],
    token_version: TokenVersion::V1,
    assignment_required: false,
};

/// Azure Resource Manager, an API of Microsoft's.
pub const RESOURCE_MANAGER: Api = Api {
    name: "Windows Azure Service Management API",
    client_id: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
    identifier_uri: "https://management.azure.com",
    app_roles: &[],
    token_version: TokenVersion::V1,
    assignment_required: false,
};

/// Power Automate, an API of Microsoft's.
pub const FLOW_SERVICE: Api = Api {
    name: "Microsoft Flow Service",
    client_id: "7df0a125-d3be-4c96-aa54-591f83ff541c",
    identifier_uri: "https://service.flow.microsoft.com",
    app_roles: &[],
    token_version: TokenVersion::V1,
    assignment_required: false,
};

/// Every API that tokens can be asked for.
pub const APIS: [Api; 5] = [CONTOSO_API, LEGACY_API, KEY_VAULT, RESOURCE_MANAGER, FLOW_SERVICE];

impl Api {
    /// The API whose App ID URI or client id this is, with or without a slash at the end.
    #[must_use]
    pub fn named(resource: &str) -> Option<Self> {
        let name = resource.strip_suffix('/').unwrap_or(resource);
        APIS.into_iter().find(|api| name == api.identifier_uri || name.eq_ignore_ascii_case(api.client_id))
    }

    /// The `aud` of a token that was asked for under that name.
    #[must_use]
    pub fn audience<'a>(&self, resource: &'a str) -> &'a str {
        match self.token_version {
            TokenVersion::V1 => resource,
            TokenVersion::V2 => self.client_id,
        }
    }

    /// The roles here of somebody who has those on [`CONTOSO_API`].
    fn roles(&self, on_contoso_api: &'static [&'static str]) -> &'static [&'static str] {
        if *self == CONTOSO_API || on_contoso_api.is_empty() { on_contoso_api } else { self.app_roles }
    }
}

/// A managed identity that IMDS hands out tokens for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedIdentity {
    /// Its name.
    pub name: &'static str,
    /// Its client id (`azp`).
    pub client_id: &'static str,
    /// The object id of its service principal (`oid`, `sub`).
    pub object_id: &'static str,
    /// The Azure resource id of a user-assigned identity; none for a system-assigned one.
    pub resource_id: Option<&'static str>,
    /// Its roles on [`CONTOSO_API`].
    pub roles: &'static [&'static str],
}

impl ManagedIdentity {
    /// Its roles on an API.
    #[must_use]
    pub fn roles_on(&self, api: &Api) -> &'static [&'static str] {
        api.roles(self.roles)
    }
}

/// The gateway's system-assigned identity: the one without a selector.
pub const GATEWAY: ManagedIdentity = ManagedIdentity {
    name: "gateway",
    client_id: "5b8e2f14-93c7-4d0a-a6b1-0c7d4e9f2a35",
    object_id: "e21d7c40-6f8b-4a93-b5d2-81c6f03e9a47",
    resource_id: None,
    roles: &["Sample.Read", "Sample.Write"],
};

/// A user-assigned identity, which may only read.
pub const READER: ManagedIdentity = ManagedIdentity {
    name: "reader",
    client_id: "2c9f6d83-b047-4e15-8a3c-f5d1729e0b68",
    object_id: "94b0e5d7-3a1c-4f62-9d88-6e7c2f4a1b03",
    resource_id: Some(
        "/subscriptions/d3b07384-d9a0-4c1f-8b2e-5a6f7c8d9e01/resourceGroups/contoso/providers/Microsoft.ManagedIdentity/userAssignedIdentities/reader",
    ),
    roles: &["Sample.Read"],
};

/// Every managed identity of the machine.
pub const MANAGED_IDENTITIES: [ManagedIdentity; 2] = [GATEWAY, READER];

/// An application with a secret, for the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its display name.
    pub name: &'static str,
    /// Its client id (`azp`).
    pub client_id: &'static str,
    /// The object id of its service principal (`oid`, `sub`).
    pub object_id: &'static str,
    /// Its roles on [`CONTOSO_API`].
    pub roles: &'static [&'static str],
}

impl Application {
    /// Its roles on an API.
    #[must_use]
    pub fn roles_on(&self, api: &Api) -> &'static [&'static str] {
        api.roles(self.roles)
    }
}

/// The application that calls the API directly.
pub const CALLER: Application = Application {
    name: "caller",
    client_id: "8d4a1c6e-27f9-4b53-9e08-b3c5d7f1024a",
    object_id: "6a7f0b92-c4e8-4d31-8f56-12d9a3e7b5c0",
    roles: &["Sample.Read", "Sample.Write"],
};

/// An application of the tenant that nobody has given a role.
pub const STRANGER: Application = Application {
    name: "stranger",
    client_id: "f09c3e7b-5d12-4a86-b7e4-9c8d0a6f3b21",
    object_id: "37e5d8a1-0b9c-4f24-a6d3-c81f5e2b7094",
    roles: &[],
};

/// Every application that the token endpoint knows.
pub const APPLICATIONS: [Application; 2] = [CALLER, STRANGER];
