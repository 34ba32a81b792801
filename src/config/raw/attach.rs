//! Credentials that are put into the request.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// A credential that is put into the request: the token of an identity, or a secret.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `identity` and one of `resource`, `scope`, `audience`, or with `secret` and `header`"
)]
pub(in crate::config) struct Attach {
    /// The name of the identity whose token it is.
    pub identity: Option<String>,
    /// The resource that the token is for: its App ID URI or client id, with `/.default` behind it or without.
    pub resource: Option<String>,
    /// The scope that the token is for, or several with a space between them: `api://orders/.default`.
    pub scope: Option<String>,
    /// The audience that the token is for, at token endpoints that ask for one.
    pub audience: Option<String>,
    /// The name of the secret that it is, in the place of an identity.
    pub secret: Option<String>,
    /// The header that the credential goes into. Default for tokens `authorization`; secrets must have one.
    pub header: Option<String>,
    /// What stands before the credential in the header. Default for tokens `"Bearer "`, for secrets nothing.
    pub prefix: Option<String>,
    /// What becomes of the caller's own header of that name. Default `overwrite`.
    pub existing: Option<Existing>,
    /// What becomes of the request where the credential is not to be had. Default `refuse`.
    pub on_error: Option<OnError>,
    /// Where the request may go with the credential. Default: wherever Envoy sends it.
    pub to: Option<Destinations>,
}

/// What becomes of the caller's own header.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub(in crate::config) enum Existing {
    /// It goes, whatever becomes of the credential.
    #[default]
    Overwrite,
    /// It stays, and the credential is not fetched.
    Keep,
    /// It goes to another header, and whatever the caller sent there goes.
    MoveTo(String),
}

impl<'de> Deserialize<'de> for Existing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ExistingVisitor;
        impl<'de> Visitor<'de> for ExistingVisitor {
            type Value = Existing;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`overwrite`, `keep`, or an object with `move_to`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Existing, E> {
                match word {
                    "overwrite" => Ok(Existing::Overwrite),
                    "keep" => Ok(Existing::Keep),
                    _ => Err(E::invalid_value(de::Unexpected::Str(""), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Existing, A::Error> {
                let MoveTo { move_to } = MoveTo::deserialize(de::value::MapAccessDeserializer::new(entries))?;
                Ok(Existing::MoveTo(move_to))
            }
        }
        deserializer.deserialize_any(ExistingVisitor)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `move_to`")]
struct MoveTo {
    move_to: String,
}

/// What becomes of the request where the credential is not to be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`refuse` or `continue`")]
pub(in crate::config) enum OnError {
    /// It gets 503.
    #[default]
    Refuse,
    /// It goes on without the credential, and without the caller's header where that is overwritten.
    Continue,
}

/// Where the request may go with the credential.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `clusters`")]
pub(in crate::config) struct Destinations {
    /// Names of Envoy's clusters. Where the route that Envoy has chosen, after all changes to the headers, leads to
    /// another one, the request gets 500.
    pub clusters: Vec<String>,
}
