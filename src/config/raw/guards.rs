//! What an operation asks for beside a token: subscription keys and headers.

use serde::Deserialize;

use super::SecretPosition;

/// A subscription: its keys, and the products that they open.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a subscription: an object with `primary` and `products`")]
pub(in crate::config) struct Subscription {
    /// One key.
    pub primary: SecretPosition,
    /// Another key, so that one can be changed while the other serves.
    pub secondary: Option<SecretPosition>,
    /// The products that the keys open.
    pub products: Vec<String>,
}

/// The subscription key that an operation asks for.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `products`")]
pub(in crate::config) struct SubscriptionKey {
    /// The products, any of which the key must open.
    pub products: Vec<String>,
    /// The header that carries the key. Default `Ocp-Apim-Subscription-Key`, as in API Management.
    pub header: Option<String>,
    /// The query parameter that carries it where the header is not there. Default `subscription-key`, as in API
    /// Management.
    pub query: Option<String>,
    /// Whether the backend gets to see the key. Default false.
    #[serde(default)]
    pub forward: bool,
}

/// A header that a request must have, once: API Management's `check-header`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a required header: an object with `name`")]
pub(in crate::config) struct RequiredHeader {
    /// Its name.
    pub name: String,
    /// The values, one of which it must have. Without this field it must merely be there and not be empty.
    pub values: Option<Vec<String>>,
    /// Whether letters' case makes no difference in the value. Default false.
    #[serde(default)]
    pub ignore_case: bool,
    /// The status of a refusal. Default: `on_failure.status`.
    pub status: Option<u16>,
    /// The message of a refusal. Default: API Management's.
    pub message: Option<String>,
}
