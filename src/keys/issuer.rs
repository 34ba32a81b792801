use std::rc::Rc;

use super::{Definition, SharedKeys, Version};
use crate::guid::is_guid;
use crate::json::document::Value;
use crate::jwt::{Claims, Rejection};

/// The tenant of personal Microsoft accounts, which belongs to no organisation.
pub const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Who may sign inbound tokens.
#[derive(Debug)]
pub enum Issuer {
    /// An issuer with one set of keys.
    OpenId(Rc<Definition>),
    /// Microsoft Entra ID: one set of keys for each version of tokens, and an issuer for each tenant.
    Entra(Entra),
    /// An issuer that signs with keys which it shares with us.
    Shared(SharedKeys),
}

/// Where the key of a token is to be looked for.
#[derive(Clone, Copy, Debug)]
pub enum KeySource<'i> {
    /// Among public keys.
    Public(&'i Rc<Definition>),
    /// Among keys that are shared.
    Shared(&'i SharedKeys),
}

/// Tenants of Microsoft Entra ID.
#[derive(Debug)]
pub struct Entra {
    /// Where version 1.0 is accepted.
    pub v1: Option<Rc<Definition>>,
    /// Where version 2.0 is accepted.
    pub v2: Option<Rc<Definition>>,
    /// Whose tokens are accepted.
    pub tenants: Tenants,
}

/// The tenants whose tokens are accepted, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// One of these.
    OneOf(Vec<String>),
    /// The one that the discovery document is for.
    OfDocument,
    /// Any organisation.
    AnyOrganization,
    /// Any organisation, and personal accounts.
    Any,
}

impl Tenants {
    fn accept(&self, tenant: &str) -> bool {
        match self {
            Self::OneOf(accepted) => accepted.iter().any(|id| id.eq_ignore_ascii_case(tenant)),
            Self::AnyOrganization => !tenant.eq_ignore_ascii_case(CONSUMERS),
            Self::OfDocument | Self::Any => true,
        }
    }
}

impl Issuer {
    /// All of its sets of public keys.
    pub fn definitions(&self) -> impl Iterator<Item = &Rc<Definition>> {
        let (one, other) = match self {
            Self::OpenId(definition) => (Some(definition), None),
            Self::Entra(Entra { v1, v2, .. }) => (v1.as_ref(), v2.as_ref()),
            Self::Shared(_) => (None, None),
        };
        one.into_iter().chain(other)
    }

    /// The keys, one of which must have signed a token with these claims. Nothing is known yet about what the
    /// issuer calls itself, so `iss` still has to be compared.
    ///
    /// # Errors
    /// Why it cannot be a token of this issuer.
    pub fn keys_for(&self, claims: &Claims) -> Result<KeySource<'_>, Rejection> {
        match self {
            Self::OpenId(definition) => Ok(KeySource::Public(definition)),
            Self::Entra(entra) => entra.definition_for(claims).map(KeySource::Public),
            Self::Shared(keys) => Ok(KeySource::Shared(keys)),
        }
    }
}

impl Entra {
    fn definition_for(&self, claims: &Claims) -> Result<&Rc<Definition>, Rejection> {
        let tenant = claims.get("tid").and_then(Value::as_str).filter(|tenant| is_guid(tenant));
        let tenant = tenant.ok_or(Rejection::IssuerNotAllowed)?;
        // The issuer is the tenant's, so that what is said of the one holds for the other.
        if !claims.issuer().and_then(tenant_of).is_some_and(|of| of.eq_ignore_ascii_case(tenant)) {
            return Err(Rejection::IssuerNotAllowed);
        }
        if !self.tenants.accept(tenant) {
            return Err(Rejection::TenantNotAllowed);
        }
        let definition = match version(claims) {
            Some(Version::V1) => self.v1.as_ref(),
            Some(Version::V2) => self.v2.as_ref(),
            None => None,
        };
        definition.ok_or(Rejection::VersionNotAllowed)
    }
}

fn version(claims: &Claims) -> Option<Version> {
    match claims.get("ver").and_then(Value::as_str)? {
        "1.0" => Some(Version::V1),
        "2.0" => Some(Version::V2),
        _ => None,
    }
}

/// The tenant in the name of one of Entra's issuers.
fn tenant_of(issuer: &str) -> Option<&str> {
    let (_, path) = issuer.strip_prefix("https://")?.split_once('/')?;
    path.split_once('/').map(|(tenant, _)| tenant)
}
