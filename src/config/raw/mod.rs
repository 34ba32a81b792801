//! The configuration as it is written: a mirror of its JSON, nothing decided yet.
//!
//! Every struct refuses unknown fields. What a field means is said here; what it does is compiled in
//! [`super::compile`].

mod attach;
mod claims;
mod decryption;
mod guards;
mod headers;
mod identities;
mod issuers;
mod on_failure;
mod operations;
#[cfg(feature = "schema")]
mod schema;
mod secrets;
mod token;
mod validate;
mod values;
mod words;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

pub(super) use attach::{Attach, Existing, OnError};
pub(super) use claims::{ClaimMatch, RequiredClaim, Roles};
pub(super) use decryption::DecryptionKey;
pub(super) use guards::{RequiredHeader, Subscription, SubscriptionKey};
pub(super) use headers::{ClaimEncoding, ClaimToFilterState, ClaimToHeader, Headers};
pub(super) use identities::{
    CertificateCredential, ChallengeFiles, ClientAuthentication, ClientCredentials, EntraTokenEndpoint,
    EntraVersion, Identity, ManagedIdentity, ManagedIdentitySource, PrivateKeyJwt, StaticToken,
    WorkloadIdentity,
};
pub(super) use issuers::{Cloud, Entra, Issuer, Jwks, PublicKey, SymmetricKey, Version};
pub(super) use on_failure::{Body, OnFailure};
pub(super) use operations::{Ambiguity, Match, Operation};
#[cfg(feature = "schema")]
pub(super) use schema::schema;
pub(super) use secrets::{KeyVaultSecret, Secret, SecretFile, SecretPosition};
pub(super) use token::{InboundToken, Scheme, TokenPlace};
pub(super) use validate::{Alternative, OwnValidate, TokenType, Validate};
pub(super) use values::Value;
pub(super) use words::Words;

/// The whole configuration.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `issuers`, `identities`, `defaults`, `operations`")]
pub(super) struct Configuration {
    /// Where the filter stands in Envoy. Default `listener`.
    pub position: Option<Position>,
    /// Texts by name, for which `${name}` stands in any string of the configuration (`$${` is `${` itself).
    #[serde(default)]
    #[expect(dead_code, reason = "put in before the rest is read")]
    pub values: BTreeMap<String, Value>,
    /// Who may sign inbound tokens, by name.
    #[serde(default)]
    pub issuers: BTreeMap<String, Issuer>,
    /// Secrets, by name. Where one is wanted stands `{ref: <name>}`.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
    /// Where outbound tokens come from, by name.
    #[serde(default)]
    pub identities: BTreeMap<String, Identity>,
    /// Subscriptions, by name: keys that operations ask for.
    #[serde(default)]
    pub subscription_keys: BTreeMap<String, Subscription>,
    /// What applies to every operation that does not say otherwise.
    pub defaults: Option<Defaults>,
    /// The operations. The first that matches decides; what matches none is refused with 404.
    pub operations: Vec<Operation>,
    /// How refusals look, where an operation does not say otherwise.
    pub on_failure: Option<OnFailure>,
    /// How long a request waits for keys or a token, at the most. Default `15s`.
    pub wait: Option<String>,
    /// Whether the VMs of one Envoy share tokens. Default: where the plugin has a `vm_id` of its own.
    pub shared_cache: Option<Switch>,
}

/// Where the filter stands in Envoy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`listener` or `upstream`")]
pub(super) enum Position {
    /// Among the HTTP filters of a connection manager: once per request, before its route's cluster is asked.
    #[default]
    Listener,
    /// Among the HTTP filters of a cluster: once per attempt. Operations only attach and change headers, and a request
    /// that matches none of them passes unchanged.
    Upstream,
}

/// What applies to every operation that does not say otherwise.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `validate`")]
pub(super) struct Defaults {
    /// How inbound tokens are checked.
    pub validate: Option<Validate>,
}

/// `on` or `off`; YAML readers turn both words into booleans, so these are taken too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switch(pub bool);

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchVisitor;
        impl Visitor<'_> for SwitchVisitor {
            type Value = Switch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`on` or `off`")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Switch, E> {
                Ok(Switch(on))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Switch, E> {
                match word {
                    "on" => Ok(Switch(true)),
                    "off" => Ok(Switch(false)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(""), &self)),
                }
            }
        }
        deserializer.deserialize_any(SwitchVisitor)
    }
}
