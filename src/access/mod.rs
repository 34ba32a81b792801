//! Which operation a request is, and whether its caller may do it.

mod callers;
mod canonical;
mod claim_value;
mod claims;
mod index;
mod matcher;
mod path;
mod readings;
mod required_header;
mod segments;

use http::Method;

pub use callers::{ApplicationIds, CallerRules, ClientApplications, ClientClaims, Permit, TokenType};
pub use canonical::{Ambiguities, AmbiguousPath, CanonicalPath};
pub use claim_value::{Ambiguous, ClaimEncoding, ClaimValue};
pub use claims::{Condition, Denied, RequiredClaim, Requirement};
pub use index::Index;
pub use matcher::{BadHost, HostPattern, Matcher, Target};
pub use path::{BadTemplate, Parameters, PathPattern, PathRules};
pub use required_header::{HeaderDenied, RequiredHeader};

/// A method as requests carry them: a token (RFC 9110, section 9.1) of at most 32 bytes without lower-case letters.
/// Methods are case-sensitive, but there are backends that read `delete` as `DELETE`.
pub fn method(method: &[u8]) -> Option<Method> {
    const MAX_BYTES: usize = 32;
    let fits = method.len() <= MAX_BYTES && !method.iter().any(u8::is_ascii_lowercase);
    Method::from_bytes(method).ok().filter(|_| fits)
}
