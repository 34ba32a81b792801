//! What is asked of roles and other claims.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

/// What is asked of one claim: `values`, `equals_parameter`, or with neither that the claim is there and not empty.
/// Values are compared exactly; those of a claim are its text, its number or boolean as JSON text, or such items of
/// a list.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "a required claim: an object with `name` or `path`")]
pub(in crate::config) struct RequiredClaim {
    /// The name of the claim, whatever characters it has. A dot does not lead into the claim: that is `path`.
    pub name: Option<String>,
    /// The name of a claim that is an object, and the names of the members that lead to the value within it.
    pub path: Option<Vec<String>>,
    /// How `values` and the claim's values must be to each other. Default `all`, as in API Management.
    #[serde(rename = "match")]
    pub matches: Option<ClaimMatch>,
    /// What splits a claim that is one string into values: `" "` for `scp`. It does not split the items of a list.
    pub separator: Option<String>,
    /// Values, as strings also where the claim has numbers or booleans.
    pub values: Option<Vec<String>>,
    /// The name of a parameter of the path's `template`, whose value must be among the claim's values: a caller
    /// reaches what belongs to it alone. It is compared exactly, also in case; one that is percent-encoded, or
    /// longer than 1 KiB, equals nothing.
    pub equals_parameter: Option<String>,
}

/// How the listed values and a claim's values must be to each other.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", expecting = "`all`, `any` or `not`")]
pub(in crate::config) enum ClaimMatch {
    /// Every listed value is among the claim's.
    #[default]
    All,
    /// At least one listed value is among the claim's.
    Any,
    /// No listed value is among the claim's, and the claim holds no object and no list within a list. A claim that
    /// is missing passes.
    Not,
}

/// Roles that are required.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::config) enum Roles {
    /// The same for every method.
    Same(#[cfg_attr(feature = "schema", schemars(with = "OneOrMany"))] Vec<String>),
    /// By method; `*` is every method that is not named.
    ByMethod(
        #[cfg_attr(feature = "schema", schemars(with = "BTreeMap<String, OneOrMany>"))]
        BTreeMap<String, Vec<String>>,
    ),
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RolesVisitor;
        impl<'de> Visitor<'de> for RolesVisitor {
            type Value = Roles;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a role, a list of roles, or an object with roles by method")
            }

            fn visit_str<E: de::Error>(self, role: &str) -> Result<Roles, E> {
                Ok(Roles::Same(vec![role.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Roles, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(Roles::Same)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Roles, A::Error> {
                let mut by_method = BTreeMap::new();
                while let Some((method, OneOrMany(roles))) = entries.next_entry()? {
                    by_method.insert(method, roles);
                }
                Ok(Roles::ByMethod(by_method))
            }
        }
        deserializer.deserialize_any(RolesVisitor)
    }
}

pub(super) struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor;
        impl<'de> Visitor<'de> for OneOrManyVisitor {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a role or a list of roles")
            }

            fn visit_str<E: de::Error>(self, role: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![role.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(OneOrMany)
            }
        }
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}
