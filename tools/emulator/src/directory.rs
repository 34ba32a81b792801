//! Who there is: one tenant, its API, the identities and applications that may call it.
//!
//! The values are fixed, so that configuration and tests can name them. The secrets of the
//! applications are not here: they are made when the emulator starts.

/// The tenant's id (`tid`).
pub const TENANT: &str = "7f3c9a52-1d0e-4b68-9c47-2a5d8e6b1f90";

/// The tenant's initial domain; the login host takes it in place of the id.
pub const TENANT_DOMAIN: &str = "contoso.onmicrosoft.com";

/// An API that tokens are asked for: an app registration with app roles, whose service principal
/// has `appRoleAssignmentRequired`, and which wants v2 tokens (`requestedAccessTokenVersion` 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// Its display name.
    pub name: &'static str,
    /// Its client id: the `aud` of every v2 token for it.
    pub client_id: &'static str,
    /// Its App ID URI: what clients ask for.
    pub identifier_uri: &'static str,
    /// The app roles that it defines.
    pub app_roles: &'static [&'static str],
}

/// The protected API of the scenarios. Nobody has `Sample.Delete`.
pub const CONTOSO_API: Api = Api {
    name: "contoso-api",
    client_id: "c0a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
    identifier_uri: "api://contoso-api",
    app_roles: &["Sample.Read", "Sample.Write", "Sample.Delete"],
};

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
    /// Its roles on [`CONTOSO_API`]; with none, the token endpoint refuses (AADSTS501051).
    pub roles: &'static [&'static str],
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
