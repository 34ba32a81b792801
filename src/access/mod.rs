//! Which operation a request is, and whether its caller may do it.

mod callers;
mod claims;
mod path;

pub use callers::{ApplicationIds, CallerRules, ClientApplications, ClientClaims, Permit, TokenType};
pub use claims::{Condition, Denied, RequiredClaim, Requirement};
pub use path::{AmbiguousPath, BadTemplate, CanonicalPath, Parameters, PathPattern, PathRules};

/// Whether this is a method as requests carry them: a token (RFC 9110, section 9.1) of at most 32 bytes without
/// lower-case letters. Methods are case-sensitive, but there are backends that read `delete` as `DELETE`.
pub fn is_method(method: &str) -> bool {
    const MAX_BYTES: usize = 32;
    let lower = method.bytes().any(|byte| byte.is_ascii_lowercase());
    method.len() <= MAX_BYTES && !lower && http::Method::from_bytes(method.as_bytes()).is_ok()
}

/// Which requests an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The methods, none of them for all.
    pub methods: Vec<String>,
    /// The path.
    pub path: PathPattern,
}

impl Matcher {
    /// Whether a request is this operation. Methods are case-sensitive (RFC 9110, section 9.1).
    pub fn matches(&self, method: &str, path: &CanonicalPath<'_>) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|candidate| candidate == method))
            && self.path.matches(path)
    }

    /// Whether every request that `other` matches is matched by this one.
    pub fn covers(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty()
                && other.methods.iter().all(|method| self.methods.contains(method)));
        methods && self.path.covers(&other.path)
    }
}
