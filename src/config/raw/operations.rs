//! Operations: which requests they are, and what is done to them.

use serde::Deserialize;

use super::{Attach, OnFailure, Validate};

/// One operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an operation: an object with `match`")]
pub(in crate::config) struct Operation {
    /// Which requests it is.
    #[serde(rename = "match")]
    pub matches: Match,
    /// Whether it asks for no token. Default false.
    #[serde(default)]
    pub anonymous: bool,
    /// How the inbound token is checked; each field given here replaces the default's; `roles` and
    /// `required_claims` add to them.
    pub validate: Option<Validate>,
    /// Credentials that are put into the request.
    pub attach: Option<Vec<Attach>>,
    /// How its refusals look; each field given here replaces that of the whole configuration.
    pub on_failure: Option<OnFailure>,
}

/// Which requests an operation is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `path` and, if wanted, `methods`")]
pub(in crate::config) struct Match {
    /// Methods; without this field, all.
    pub methods: Option<Vec<String>>,
    /// The path.
    pub path: PathMatch,
    /// Whether `/Orders` is another path than `/orders`. Default false, as in API Management.
    #[serde(default)]
    pub case_sensitive: bool,
    /// Whether `/orders/` is another path than `/orders`. Default false, as in API Management.
    #[serde(default)]
    pub trailing_slash: bool,
}

/// How a path is matched.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `exact`, `prefix` or `template`")]
pub(in crate::config) struct PathMatch {
    /// This path.
    pub exact: Option<String>,
    /// This path and all below it, by segment.
    pub prefix: Option<String>,
    /// Paths of this form: each segment is literal text, or one whole `{parameter}` that takes any one segment which
    /// is not empty. Names of parameters are letters, digits and `_`, without a digit first, each name once.
    pub template: Option<String>,
}
