//! Secrets: where the values come from that nobody may read.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use crate::secret::SecretString;

/// A secret: exactly one of these kinds.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(extend("minProperties" = 1, "maxProperties" = 1)))]
#[serde(deny_unknown_fields, expecting = "a secret: an object with `file`, `key_vault`, `env` or `inline`")]
pub(in crate::config) struct Secret {
    /// The value itself. For trials: whoever reads the configuration reads it, and the log warns of it.
    pub inline: Option<SecretText>,
    /// The name of an environment variable of Envoy that holds the value. It is read once, when the VM starts.
    pub env: Option<String>,
    /// A file that Envoy serves.
    pub file: Option<SecretFile>,
    /// A secret of Azure Key Vault.
    pub key_vault: Option<KeyVaultSecret>,
}

/// A file that Envoy serves, by a listener of its own on a Unix socket: a filter has no files.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `cluster` and `path`")]
pub(in crate::config) struct SecretFile {
    /// Envoy's cluster for that listener.
    pub cluster: String,
    /// The path under which the file is served, beginning with `/`.
    pub path: String,
    /// How often it is read again while it is in use. Default `30s`.
    pub refresh: Option<String>,
}

/// A secret of Azure Key Vault.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `vault`, `name`, `identity` and `cluster`")]
pub(in crate::config) struct KeyVaultSecret {
    /// The vault's URL: `https://<name>.vault.azure.net`, or its like in another cloud.
    pub vault: String,
    /// The name of the secret.
    pub name: String,
    /// A version of it. Default: the current one.
    pub version: Option<String>,
    /// The name of the identity that may read it.
    pub identity: String,
    /// Envoy's cluster for the vault's host.
    pub cluster: String,
    /// How often it is read again. Default `4h`, as in API Management.
    pub refresh: Option<String>,
}

/// A place where a secret is wanted: `{ref: <name of a secret>}`, or `{inline: <the value itself>}`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub(in crate::config) enum SecretPosition {
    /// The name of an entry of `secrets`.
    Ref(SecretText),
    /// The value itself.
    Inline(SecretText),
}

/// A string that is never printed: what stands where a secret is wanted may be one.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(in crate::config) struct SecretText(
    #[cfg_attr(feature = "schema", schemars(with = "String"))] pub SecretString,
);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::new(text)))
    }
}

impl<'de> Deserialize<'de> for SecretPosition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PositionVisitor;
        impl<'de> Visitor<'de> for PositionVisitor {
            type Value = SecretPosition;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with either `ref`, the name of a secret, or `inline`, a secret itself")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<SecretPosition, A::Error> {
                let other = |visitor: &Self| de::Error::invalid_type(de::Unexpected::Map, visitor);
                let position = match entries.next_key::<String>()?.as_deref() {
                    Some("ref") => SecretPosition::Ref(entries.next_value()?),
                    Some("inline") => SecretPosition::Inline(entries.next_value()?),
                    _ => return Err(other(&self)),
                };
                match entries.next_key::<String>()? {
                    None => Ok(position),
                    Some(_) => Err(other(&self)),
                }
            }
        }
        deserializer.deserialize_any(PositionVisitor)
    }
}
