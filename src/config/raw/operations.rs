//! Operations: which requests they are, and what is done to them.

use serde::Deserialize;

use super::{Attach, Headers, OnFailure, OwnValidate, RequiredHeader, SubscriptionKey};

/// One operation.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an operation: an object with `match`")]
pub(in crate::config) struct Operation {
    /// Which requests it is.
    #[serde(rename = "match")]
    pub matches: Match,
    /// Whether it asks for no token. Default false.
    #[serde(default)]
    pub anonymous: bool,
    /// How the inbound token is checked; each field given here replaces the default's; `roles` and
    /// `required_claims` add to them. The word `none`, beside `subscription_key`, asks for no token.
    pub validate: Option<OwnValidate>,
    /// Whether what `validate` refuses is refused. With `false` it is let pass without an identity, counted and logged,
    /// to see who would be refused; nothing may be attached then. Default true.
    pub enforce: Option<bool>,
    /// The subscription key that it asks for.
    pub subscription_key: Option<SubscriptionKey>,
    /// Headers that a request must have.
    pub require_headers: Option<Vec<RequiredHeader>>,
    /// Credentials that are put into the request.
    pub attach: Option<Vec<Attach>>,
    /// How its refusals look; each field given here replaces that of the whole configuration.
    pub on_failure: Option<OnFailure>,
    /// Headers that it writes or takes away.
    pub headers: Option<Headers>,
}

/// Which requests an operation is.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `path` and, if wanted, `methods` and `hosts`")]
pub(in crate::config) struct Match {
    /// Methods; without this field, all.
    pub methods: Option<Vec<String>>,
    /// Hosts: names such as `api.example`, or `*.example` for all below it, in any case and without a port. Without
    /// this field, all.
    pub hosts: Option<Vec<String>>,
    /// Whether only what a browser asks beforehand is meant: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method`. It carries no token, so the operation must be `anonymous`. For a backend
    /// that answers it; Envoy's `cors` filter answers it before Gatepass. Default false.
    #[serde(default)]
    pub cors_preflight: bool,
    /// The path.
    pub path: PathMatch,
    /// Whether `/Orders` is another path than `/orders`. Default false, as in API Management.
    #[serde(default)]
    pub case_sensitive: bool,
    /// Whether `/orders/` is another path than `/orders`. Default false, as in API Management.
    #[serde(default)]
    pub trailing_slash: bool,
    /// Ambiguities that this operation's paths may have, and others' may not. Allow one only if the backend reads it as
    /// part of one segment: it may otherwise serve another operation's path. A path that could also be read as one of an
    /// operation before this one is refused. Default none.
    pub allow: Option<Vec<Ambiguity>>,
}

/// What is ambiguous in a path.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`encoded_slash`, `encoded_percent` or `semicolon`")]
pub(in crate::config) enum Ambiguity {
    /// `%2F`; Envoy must keep it, by `path_with_escaped_slashes_action: KEEP_UNCHANGED`.
    EncodedSlash,
    /// `%25`
    EncodedPercent,
    /// `;`
    Semicolon,
}

/// How a path is matched.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("minProperties" = 1, "maxProperties" = 1)))]
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
