//! Reads the raw types from a [`Json`] tree and says where it stopped.
//!
//! Why not serde_json's own: its messages carry no path and quote the value that they refuse, which may
//! stand in a secret position. Here an error is data ([`Fault`]), and no value gets into it.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::fault::{Fault, FaultKind, Path};
use crate::json::Json;

/// Reads a `T` from `tree`, which stands at `path` in the configuration.
///
/// # Errors
/// The first fault.
pub(super) fn read<T: de::DeserializeOwned>(tree: &Json, path: Path) -> Result<T, Fault> {
    T::deserialize(Node { tree, path })
}

struct Node<'t> {
    tree: &'t Json,
    path: Path,
}

impl Node<'_> {
    /// Serde makes an error without a path where it does not know one; this is the place to add it.
    fn at<T>(path: &Path, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|fault| match fault.path == Path::root() {
            true => Fault::new(path.clone(), fault.kind),
            false => fault,
        })
    }

    fn wrong_type(&self, expected: &dyn de::Expected) -> Fault {
        let expected = expected.to_string();
        Fault::new(self.path.clone(), FaultKind::WrongType { expected, found: self.tree.kind() })
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.tree {
            Json::Null => Err(self.wrong_type(&visitor)),
            Json::Bool(value) => Self::at(&self.path, visitor.visit_bool(*value)),
            Json::Number(number) => {
                let result = match (number.as_u64(), number.as_i64(), number.as_f64()) {
                    (Some(value), ..) => visitor.visit_u64(value),
                    (_, Some(value), _) => visitor.visit_i64(value),
                    (.., value) => visitor.visit_f64(value.unwrap_or_default()),
                };
                Self::at(&self.path, result)
            }
            Json::String(text) => Self::at(&self.path, visitor.visit_str(text)),
            Json::Array(items) => {
                let items = Items { rest: items.iter(), index: 0, path: self.path.clone() };
                Self::at(&self.path, visitor.visit_seq(items))
            }
            Json::Object(members) => {
                let entries = Entries { rest: members.iter(), value: None, path: self.path.clone() };
                Self::at(&self.path, visitor.visit_map(entries))
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// A struct is an object: serde's own derive would take a list of its fields' values too.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.tree {
            Json::Object(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong_type(&visitor)),
        }
    }

    /// An enum is one of a few words.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let Json::String(word) = self.tree else { return Err(self.wrong_type(&visitor)) };
        let word: StrDeserializer<'_, Fault> = word.as_str().into_deserializer();
        Self::at(&self.path, visitor.visit_enum(word))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'t> {
    rest: std::slice::Iter<'t, Json>,
    index: usize,
    path: Path,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(tree) = self.rest.next() else { return Ok(None) };
        let path = self.path.item(self.index);
        self.index = self.index.saturating_add(1);
        seed.deserialize(Node { tree, path }).map(Some)
    }
}

struct Entries<'t> {
    rest: std::collections::btree_map::Iter<'t, String, Json>,
    value: Option<Node<'t>>,
    path: Path,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, tree)) = self.rest.next() else { return Ok(None) };
        self.value = Some(Node { tree, path: self.path.member(name) });
        let name: StrDeserializer<'_, Fault> = name.as_str().into_deserializer();
        Node::at(&self.path, seed.deserialize(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.value.take() {
            Some(node) => seed.deserialize(node),
            None => Err(Fault::new(self.path.clone(), FaultKind::Invalid("a value is missing"))),
        }
    }
}

impl de::Error for Fault {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        // Raw types report their own faults through `custom` with fixed words only, never with a value.
        let expected = message.to_string();
        Self::new(Path::root(), FaultKind::WrongType { expected, found: "something else" })
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(Path::root(), FaultKind::WrongType { expected: expected.to_string(), found: kind(found) })
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(
            Path::root(),
            FaultKind::UnknownField { field: field.to_owned(), expected: owned(expected) },
        )
    }

    fn unknown_variant(word: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Path::root(), FaultKind::UnknownWord { word: word.to_owned(), expected: owned(expected) })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Path::root(), FaultKind::MissingField(field.to_owned()))
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const fn kind(found: de::Unexpected<'_>) -> &'static str {
    use de::Unexpected as U;
    match found {
        U::Bool(_) => "a boolean",
        U::Unsigned(_) | U::Signed(_) | U::Float(_) => "a number",
        U::Char(_) | U::Str(_) => "a string",
        U::Seq => "a list",
        U::Map => "an object",
        _ => "something else",
    }
}
