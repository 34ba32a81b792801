//! Headers and filter state that an operation writes.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A claim that the backend reads in a header. What clients send in this header reaches no backend, whatever the
/// operation.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `claim` or `path`, and `header`")]
pub(in crate::config) struct ClaimToHeader {
    /// The name of the claim, whatever characters it has.
    pub claim: Option<String>,
    /// The name of a claim that is an object, and the names of the members that lead to the value within it.
    pub path: Option<Vec<String>>,
    /// The header. It is absent where the token has not the claim, or has it empty, over 4 KiB, or not in the form
    /// that `encoding` says.
    pub header: String,
    /// How the claim is written. Default `text`.
    pub encoding: Option<ClaimEncoding>,
}

/// A claim in Envoy's filter state, for access logs, RBAC, rate limits and CEL.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `claim` or `path`, and `key`")]
pub(in crate::config) struct ClaimToFilterState {
    /// The name of the claim, whatever characters it has.
    pub claim: Option<String>,
    /// The name of a claim that is an object, and the names of the members that lead to the value within it.
    pub path: Option<Vec<String>>,
    /// The key, of letters, digits, `-`, `.` and `_`; Envoy knows it as `wasm.<key>`. It is absent where a header
    /// would be.
    pub key: String,
    /// How the claim is written. Default `text`.
    pub encoding: Option<ClaimEncoding>,
}

/// How a claim is written.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`text` or `json_base64url`")]
pub(in crate::config) enum ClaimEncoding {
    /// Text as it is, a number or boolean as its JSON text, a list of these joined by `,`. What could be read in two
    /// ways is not written: text with `,`, with spaces at its ends, or with anything but printable ASCII.
    #[default]
    Text,
    /// Any claim, as JSON in base64url without padding.
    JsonBase64url,
}

/// Headers that an operation writes or takes away.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `set` or `remove`")]
pub(in crate::config) struct Headers {
    /// Headers and their values, in place of whatever is there. No secrets: these belong into `attach`. What clients
    /// send in them reaches no backend, whatever the operation, but for those that HTTP itself gives clients, such as
    /// `Accept`.
    pub set: Option<BTreeMap<String, String>>,
    /// Headers that are taken away from what the client sent.
    pub remove: Option<Vec<String>>,
}
