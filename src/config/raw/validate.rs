//! How inbound tokens are checked.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::{RequiredClaim, Roles};

/// How inbound tokens are checked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with `issuer`, `audiences`, `roles` or `required_claims`"
)]
pub(in crate::config) struct Validate {
    /// The name of the issuer.
    pub issuer: Option<String>,
    /// The audiences, any of which the token must have; or the word `any`.
    pub audiences: Option<Audiences>,
    /// Roles, any of which the token must have: one, a list, or by method with `"*"` for all others.
    pub roles: Option<Roles>,
    /// What is asked of other claims; every entry must be satisfied.
    pub required_claims: Option<Vec<RequiredClaim>>,
    /// How far clocks may differ. Default `0s`.
    pub clock_skew: Option<String>,
    /// Whether a token must have an end. Default true.
    pub require_expiration: Option<bool>,
}

/// The audiences that are accepted.
#[derive(Clone, Debug)]
pub(in crate::config) enum Audiences {
    /// Whatever the token says.
    Any,
    /// One of these.
    OneOf(Vec<String>),
}

impl<'de> Deserialize<'de> for Audiences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AudiencesVisitor;
        impl<'de> Visitor<'de> for AudiencesVisitor {
            type Value = Audiences;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of audiences, or the word `any`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Audiences, E> {
                match word {
                    "any" => Ok(Audiences::Any),
                    _ => Err(E::invalid_type(de::Unexpected::Str(""), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Audiences, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(Audiences::OneOf)
            }
        }
        deserializer.deserialize_any(AudiencesVisitor)
    }
}
