//! JSON that refuses what `serde_json::Value` lets pass: an object in which a member occurs twice.
//! Two readers of such a text may see two different claims (RFC 8259, section 4; RFC 8725, section 2.4).
//!
//! A [`Document`] is what was read, a [`Json`] is a tree that can be put together and changed.

pub mod document;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::collect::one_by_one;

use document::{Document, Value};

/// Members of an object, by name.
pub type Members = BTreeMap<String, Json>;

/// One JSON value. `serde_json` bounds its depth to 128 levels.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that fits 64 bits, as an integer or as a float.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object, each of whose members occurs once.
    Object(Members),
}

impl Json {
    /// Reads one JSON text.
    ///
    /// # Errors
    /// Where it stops to be JSON, by line and column; the text itself is not quoted.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        Document::parse(text).map(|document| document.root().into())
    }

    /// The members, where this is an object.
    pub const fn as_object(&self) -> Option<&Members> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The text, where this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// What kind of value this is, in words.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// A text that is not JSON, or that repeats a member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON, or a member that occurs twice, at line {line}, column {column}")]
pub struct Malformed {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Document::read(deserializer).map(|document| document.root().into())
    }
}

impl From<Value<'_>> for Json {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::String(text.to_owned()),
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(members) => Self::Object(one_by_one(
                members.iter().map(|(name, value)| (name.to_owned(), Self::from(value))),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn a_member_that_occurs_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"b":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "{} x", "{'a':1}", "NaN", "\u{feff}{}", "1e999", r#""\ud800""#, "{\"a\":1,}"] {
            assert!(Json::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Json::parse(&[b'"', 0xff, b'"']).is_err());
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(Json::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn the_member_that_occurs_twice_is_told_by_its_line() {
        for count in [3, 100] {
            let mut lines: Vec<_> = (0..count).map(|index| format!("\"m{index}\": [{index}]")).collect();
            lines[count / 2] = "\"m0\": 0".to_owned();
            let error = Json::parse(format!("{{{}}}", lines.join(",\n")).as_bytes()).unwrap_err();
            assert_eq!(error.line, count / 2 + 1);
        }
    }

    #[test]
    fn an_error_tells_the_place_and_quotes_nothing() {
        let error = Json::parse(b"{\n \"secret\": canary}").unwrap_err();
        assert_eq!(error.line, 2);
        assert!(!error.to_string().contains("canary"));
    }
}
