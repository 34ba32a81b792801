use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// A value that stands for `${name}` in any string of the configuration: text, or `{env: VARIABLE}`.
#[derive(Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(untagged))]
pub(in crate::config) enum Value {
    /// This text, as it is.
    Literal(String),
    /// The environment variable of this name; it must be set.
    Env(#[cfg_attr(feature = "schema", schemars(with = "FromEnvironment"))] String),
}

/// The environment variable that a value is.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object with `env`")]
struct FromEnvironment {
    /// The name of the variable.
    env: String,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or an object with `env`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Literal(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Value, A::Error> {
                let members = de::value::MapAccessDeserializer::new(members);
                FromEnvironment::deserialize(members).map(|value| Value::Env(value.env))
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}
