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
    T::deserialize(Node { tree, place: &Place::Root(&path) }).map_err(|refused| *refused.0)
}

/// A [`Fault`] on its way. It is boxed because serde hands results on at every field: that makes the
/// module smaller.
#[derive(Debug)]
struct Refused(Box<Fault>);

impl std::error::Error for Refused {}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Refused {
    fn new(path: Path, kind: FaultKind) -> Self {
        Self(Box::new(Fault::new(path, kind)))
    }
}

/// A place on the way to a value. It becomes a [`Path`] only where there is a fault.
#[derive(Clone, Copy)]
enum Place<'p> {
    Root(&'p Path),
    Member(&'p Self, &'p str),
    Item(&'p Self, usize),
}

impl Place<'_> {
    fn path(&self) -> Path {
        match self {
            Self::Root(path) => (*path).clone(),
            Self::Member(place, name) => place.path().member(name),
            Self::Item(place, index) => place.path().item(*index),
        }
    }

    /// Serde makes an error without a path where it does not know one; this is the place to add it.
    #[cold]
    #[inline(never)]
    fn of(&self, Refused(mut fault): Refused) -> Refused {
        if fault.path == Path::root() {
            fault.path = self.path();
        }
        Refused(fault)
    }
}

#[derive(Clone, Copy)]
struct Node<'t, 'p> {
    tree: &'t Json,
    place: &'p Place<'p>,
}

impl Node<'_, '_> {
    #[cold]
    #[inline(never)]
    fn wrong_type(self, expected: &dyn de::Expected) -> Refused {
        let expected = expected.to_string();
        Refused::new(self.place.path(), FaultKind::WrongType { expected, found: self.tree.kind() })
    }
}

/// Each type of the configuration asks for what it is made of, and anything else is the wrong type: where a type
/// takes several kinds of values, it asks for any.
impl<'de> Deserializer<'de> for Node<'de, '_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.tree {
            Json::Null => Err(self.wrong_type(&visitor)),
            Json::Bool(_) => self.deserialize_bool(visitor),
            Json::Number(_) => self.deserialize_u64(visitor),
            Json::String(_) => self.deserialize_str(visitor),
            Json::Array(_) => self.deserialize_seq(visitor),
            Json::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.tree {
            Json::Bool(value) => visitor.visit_bool(*value).map_err(|fault| self.place.of(fault)),
            _ => Err(self.wrong_type(&visitor)),
        }
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let Json::Number(number) = self.tree else { return Err(self.wrong_type(&visitor)) };
        let result = match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(value), ..) => visitor.visit_u64(value),
            (_, Some(value), _) => visitor.visit_i64(value),
            (.., value) => visitor.visit_f64(value.unwrap_or_default()),
        };
        result.map_err(|fault: Refused| self.place.of(fault))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        match self.tree {
            Json::String(text) => visitor.visit_str(text).map_err(|fault| self.place.of(fault)),
            _ => Err(self.wrong_type(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let Json::Array(items) = self.tree else { return Err(self.wrong_type(&visitor)) };
        let items = Items { rest: items.iter(), index: 0, place: self.place };
        visitor.visit_seq(items).map_err(|fault| self.place.of(fault))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let Json::Object(members) = self.tree else { return Err(self.wrong_type(&visitor)) };
        let entries = Entries { rest: members.iter(), current: None, place: self.place };
        visitor.visit_map(entries).map_err(|fault| self.place.of(fault))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    /// A struct is an object: serde's own derive would take a list of its fields' values too.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.deserialize_map(visitor)
    }

    /// An enum is one of a few words.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let Json::String(word) = self.tree else { return Err(self.wrong_type(&visitor)) };
        let word: StrDeserializer<'_, Refused> = word.as_str().into_deserializer();
        visitor.visit_enum(word).map_err(|fault| self.place.of(fault))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

struct Items<'t, 'p> {
    rest: std::slice::Iter<'t, Json>,
    index: usize,
    place: &'p Place<'p>,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Refused;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refused> {
        let Some(tree) = self.rest.next() else { return Ok(None) };
        let place = Place::Item(self.place, self.index);
        self.index = self.index.saturating_add(1);
        seed.deserialize(Node { tree, place: &place }).map(Some)
    }
}

struct Entries<'t, 'p> {
    rest: std::collections::btree_map::Iter<'t, String, Json>,
    current: Option<(&'t str, &'t Json)>,
    place: &'p Place<'p>,
}

impl<'t> Entries<'t, '_> {
    #[inline(never)]
    fn advance(&mut self) -> Option<&'t str> {
        self.current = self.rest.next().map(|(name, tree)| (name.as_str(), tree));
        self.current.map(|(name, _)| name)
    }
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Refused;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refused> {
        let Some(name) = self.advance() else { return Ok(None) };
        let name: StrDeserializer<'_, Refused> = name.into_deserializer();
        seed.deserialize(name).map(Some).map_err(|fault| self.place.of(fault))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refused> {
        match self.current {
            Some((name, tree)) => seed.deserialize(Node { tree, place: &Place::Member(self.place, name) }),
            None => Err(Refused::new(self.place.path(), FaultKind::Invalid("a value is missing"))),
        }
    }
}

impl de::Error for Refused {
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
