use std::collections::BTreeMap;

use crate::json::Json;
use crate::jwt::VerifiedToken;

/// That a caller may do what it asks for. Only this room makes one.
#[derive(Debug)]
pub struct Permit(());

/// Why a caller with a good token may not do what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The claim is not in the token.
    #[error("the token has no `roles`")]
    ClaimMissing,
    /// The claim has none of the values that are asked for.
    #[error("`roles` has none of the roles of this operation")]
    ClaimNotAllowed,
}

impl Denied {
    /// The stable code, as counters, logs and docs have it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ClaimMissing => "claim_missing",
            Self::ClaimNotAllowed => "claim_not_allowed",
        }
    }
}

/// The roles of an operation, any of which the caller must have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequiredRoles {
    by_method: BTreeMap<String, Vec<String>>,
    otherwise: Option<Vec<String>>,
}

impl RequiredRoles {
    /// The same roles for every method.
    pub const fn same(roles: Vec<String>) -> Self {
        Self { by_method: BTreeMap::new(), otherwise: Some(roles) }
    }

    /// Roles by method; `otherwise` is for the methods that are not named, and where it is not given, they
    /// are refused.
    pub const fn by_method(by_method: BTreeMap<String, Vec<String>>, otherwise: Option<Vec<String>>) -> Self {
        Self { by_method, otherwise }
    }

    /// Whether the caller has one of the roles for `method`, compared exactly.
    fn check(&self, method: &str, token: &VerifiedToken) -> Result<(), Denied> {
        let Some(wanted) = self.by_method.get(method).or(self.otherwise.as_ref()) else {
            return Err(Denied::ClaimNotAllowed);
        };
        let held = token.claims().get("roles").ok_or(Denied::ClaimMissing)?;
        let has = |role: &String| match held {
            Json::String(held) => held == role,
            Json::Array(held) => held.iter().any(|held| held.as_str() == Some(role)),
            _ => false,
        };
        if wanted.iter().any(has) { Ok(()) } else { Err(Denied::ClaimNotAllowed) }
    }
}

impl Permit {
    /// Lets a caller pass who has one of the roles of each of `required`.
    ///
    /// # Errors
    /// The first reason against it.
    pub fn for_caller(
        required: &[RequiredRoles],
        method: &str,
        token: &VerifiedToken,
    ) -> Result<Self, Denied> {
        required.iter().try_for_each(|roles| roles.check(method, token))?;
        Ok(Self(()))
    }

    /// Lets everybody pass: for an operation whose configuration says `anonymous: true`.
    pub const fn for_anonymous_operation() -> Self {
        Self(())
    }
}
