//! Lists of words that may also be the word `any`.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

/// What is accepted.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
pub(in crate::config) enum Words {
    /// Everything.
    Any,
    /// One of these.
    #[cfg_attr(feature = "schema", schemars(untagged))]
    OneOf(Vec<String>),
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordsVisitor;
        impl<'de> Visitor<'de> for WordsVisitor {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list, or the word `any`")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Words, E> {
                match word {
                    "any" => Ok(Words::Any),
                    _ => Err(E::invalid_type(de::Unexpected::Str(""), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Words, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(Words::OneOf)
            }
        }
        deserializer.deserialize_any(WordsVisitor)
    }
}
