//! A JSON text that is kept as it was read: two pieces of memory, however many values there are. The claims of
//! thousands of tokens are remembered so.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

use super::Malformed;
use crate::collect::one_by_one;

/// A JSON text, each of whose objects has each of its members once.
#[derive(Default)]
pub struct Document {
    /// All names and strings, one behind the other.
    text: String,
    /// All values in the order of the text; what is in a list or an object stands behind it.
    nodes: Vec<Node>,
}

struct Node {
    /// In an object, the member's.
    name: Span,
    content: Content,
}

/// A piece of the document's text.
#[derive(Clone, Copy, Default)]
struct Span {
    start: usize,
    end: usize,
}

enum Content {
    Null,
    Bool(bool),
    Number(Number),
    String(Span),
    /// What is in it ends before the node of this index.
    Array(usize),
    /// The same.
    Object(usize),
}

/// One value of a document. There is no `Debug` for it: it may be a claim.
#[derive(Clone, Copy)]
pub enum Value<'d> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that fits 64 bits, as an integer or as a float.
    Number(&'d Number),
    /// A string.
    String(&'d str),
    /// An array.
    Array(Items<'d>),
    /// An object, each of whose members occurs once.
    Object(Members<'d>),
}

/// What is in an array.
#[derive(Clone, Copy)]
pub struct Items<'d>(Inside<'d>);

/// What is in an object.
#[derive(Clone, Copy)]
pub struct Members<'d>(Inside<'d>);

/// The nodes of one depth, from `start` and before `end`.
#[derive(Clone, Copy)]
struct Inside<'d> {
    document: &'d Document,
    start: usize,
    end: usize,
}

impl Document {
    /// Reads one JSON text, in a time that grows with its length.
    ///
    /// # Errors
    /// Where it stops to be JSON, by line and column; the text itself is not quoted.
    pub fn parse(json: &[u8]) -> Result<Self, Malformed> {
        /// Bytes of a text for each value in it, about, as tokens have it.
        const BYTES_FOR_A_VALUE: usize = 32;
        let values = json.len() / BYTES_FOR_A_VALUE;
        let mut document =
            Self { text: String::with_capacity(json.len()), nodes: Vec::with_capacity(values) };
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let whole = document.next(Span::default());
        whole
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end())
            .map_err(|error| Malformed { line: error.line(), column: error.column() })?;
        document.text.shrink_to_fit();
        document.nodes.shrink_to_fit();
        Ok(document)
    }

    /// Reads what another format has read.
    pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut document = Self::default();
        document.next(Span::default()).deserialize(deserializer)?;
        Ok(document)
    }

    /// The whole.
    pub fn root(&self) -> Value<'_> {
        self.value(0)
    }

    /// The members, where this is an object.
    pub fn as_object(&self) -> Option<Members<'_>> {
        self.root().as_object()
    }

    /// The memory that it takes, in bytes.
    pub const fn size(&self) -> usize {
        let nodes = self.nodes.capacity().saturating_mul(size_of::<Node>());
        nodes.saturating_add(self.text.capacity())
    }

    fn value(&self, index: usize) -> Value<'_> {
        let inside = |end: &usize| self.inside(index, *end);
        match self.nodes.get(index).map(|node| &node.content) {
            None | Some(Content::Null) => Value::Null,
            Some(Content::Bool(value)) => Value::Bool(*value),
            Some(Content::Number(number)) => Value::Number(number),
            Some(Content::String(span)) => Value::String(self.piece(*span)),
            Some(Content::Array(end)) => Value::Array(Items(inside(end))),
            Some(Content::Object(end)) => Value::Object(Members(inside(end))),
        }
    }

    /// What is in the list or the object at `index`.
    const fn inside(&self, index: usize, end: usize) -> Inside<'_> {
        Inside { document: self, start: index.saturating_add(1), end }
    }

    fn piece(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    fn add(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span { start, end: self.text.len() }
    }

    const fn next(&mut self, name: Span) -> Next<'_> {
        Next { document: self, name }
    }
}

impl<'d> Value<'d> {
    /// The members, where this is an object.
    pub const fn as_object(self) -> Option<Members<'d>> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The text, where this is a string.
    pub const fn as_str(self) -> Option<&'d str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl<'d> Items<'d> {
    /// The items, in order.
    pub fn iter(self) -> impl Iterator<Item = Value<'d>> {
        let document = self.0.document;
        self.0.nodes().map(move |(index, _)| document.value(index))
    }
}

impl<'d> Members<'d> {
    /// The member of this name.
    pub fn get(self, name: &str) -> Option<Value<'d>> {
        self.0.find(name).map(|index| self.0.document.value(index))
    }

    /// The members with their names, in order.
    pub fn iter(self) -> impl Iterator<Item = (&'d str, Value<'d>)> {
        let document = self.0.document;
        self.0.nodes().map(move |(index, node)| (document.piece(node.name), document.value(index)))
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0.start >= self.0.end
    }
}

impl<'d> Inside<'d> {
    fn find(self, name: &str) -> Option<usize> {
        let mut index = self.start;
        while index < self.end {
            let node = self.document.nodes.get(index)?;
            if self.document.piece(node.name) == name {
                return Some(index);
            }
            index = node.behind(index);
        }
        None
    }

    fn nodes(self) -> impl Iterator<Item = (usize, &'d Node)> {
        let mut next = self.start;
        std::iter::from_fn(move || {
            let index = next;
            let node = self.document.nodes.get(index).filter(|_| index < self.end)?;
            next = node.behind(index);
            Some((index, node))
        })
    }
}

impl Node {
    /// The index of the node behind this one and all that is in it.
    const fn behind(&self, index: usize) -> usize {
        match self.content {
            Content::Array(end) | Content::Object(end) => end,
            _ => index.saturating_add(1),
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => serializer.collect_seq(items.iter()),
            Self::Object(members) => serializer.collect_map(members.iter()),
        }
    }
}

/// The next value of a document that is being read.
struct Next<'b> {
    document: &'b mut Document,
    name: Span,
}

impl Next<'_> {
    fn put(self, content: Content) {
        self.document.nodes.push(Node { name: self.name, content });
    }

    fn put_text(self, text: &str) {
        let span = self.document.add(text);
        self.put(Content::String(span));
    }
}

/// Closes the list or the object that was begun at `start`.
fn close(document: &mut Document, start: usize, content: impl FnOnce(usize) -> Content) {
    let end = document.nodes.len();
    if let Some(node) = document.nodes.get_mut(start) {
        node.content = content(end);
    }
}

impl<'de> DeserializeSeed<'de> for Next<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Next<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.put(Content::Null);
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.put(Content::Bool(value));
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.put(Content::Number(value.into()));
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.put(Content::Number(value.into()));
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        self.put(Content::Number(number));
        Ok(())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.put_text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { document, name } = self;
        let start = document.nodes.len();
        document.next(name).put(Content::Null);
        while items.next_element_seed(document.next(Span::default()))?.is_some() {}
        close(document, start, Content::Array);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { document, name } = self;
        let start = document.nodes.len();
        document.next(name).put(Content::Null);
        let mut names = Names::default();
        while let Some(name) = members.next_key_seed(Name(document))? {
            if !names.is_new(document, start, name) {
                return Err(de::Error::custom("a member occurs twice"));
            }
            members.next_value_seed(document.next(name))?;
        }
        close(document, start, Content::Object);
        Ok(())
    }
}

/// The names of an object that is being read. Whoever wrote the text chose how many there are.
#[derive(Default)]
struct Names {
    /// The marks of a few.
    marks: u64,
    /// Many.
    sorted: Option<BTreeSet<String>>,
}

impl Names {
    /// Whether the object that begins at `start` has not had this name.
    fn is_new(&mut self, document: &Document, start: usize, name: Span) -> bool {
        /// So many are sooner looked through than sorted.
        const FEW: usize = 32;
        let (name, before) = (document.piece(name), document.inside(start, document.nodes.len()));
        let is_many = before.end.saturating_sub(before.start) > FEW;
        if is_many || self.sorted.is_some() {
            let all_before = || one_by_one(Members(before).iter().map(|(name, _)| name.to_owned()));
            return self.sorted.get_or_insert_with(all_before).insert(name.to_owned());
        }
        let mark = mark(name);
        let may_be_known = self.marks & mark != 0;
        self.marks |= mark;
        !may_be_known || before.find(name).is_none()
    }
}

/// One of 64, which most names have for themselves.
fn mark(name: &str) -> u64 {
    let byte = |byte: Option<&u8>| u32::from(byte.copied().unwrap_or_default());
    let (first, last) = (byte(name.as_bytes().first()), byte(name.as_bytes().last()));
    1_u64.rotate_left(first.wrapping_mul(7) ^ last)
}

/// The next member's name.
struct Name<'b>(&'b mut Document);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Span;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Span, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Span, E> {
        Ok(self.0.add(name))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn what_was_read_is_there_again_in_its_order() {
        for text in [
            "null",
            r#""Zo\u00eb\n""#,
            r#"{"b":[1,-2,1.5,"x",null,[],{}],"a":{"deep":{"er":[[true],[false]]}},"":0}"#,
        ] {
            let document = Document::parse(text.as_bytes()).unwrap();
            let again = serde_json::to_value(document.root()).unwrap();
            assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).unwrap());
        }
        let document = Document::parse(br#"{"b":[{"a":1}],"a":2,"c":3}"#).unwrap();
        let names: Vec<_> = document.as_object().unwrap().iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "a", "c"]);
    }

    #[test]
    fn a_member_is_found_by_its_name_and_not_one_that_is_deeper() {
        let document = Document::parse(br#"{"a":{"b":"deep","c":"deep"},"d":[{"e":1}],"b":"here"}"#).unwrap();
        let members = document.as_object().unwrap();
        assert_eq!(members.get("b").and_then(Value::as_str), Some("here"));
        for missing in ["c", "e", "", "B"] {
            assert!(members.get(missing).is_none(), "{missing}");
        }
    }

    /// Few members are compared with each other, many are sorted.
    #[test]
    fn a_member_that_occurs_twice_is_found_among_few_and_many_and_wherever_it_stands() {
        for count in [2, 3, 31, 32, 33, 34, 200] {
            for (first, second) in [(0, 1), (0, count - 1), (count / 2, count - 1), (count - 2, count - 1)] {
                let name = |index| if index == second { first } else { index };
                let text = |name: &dyn Fn(usize) -> usize| {
                    let members: Vec<_> =
                        (0..count).map(|index| format!(r#""m{}":[{{"x":0}},1]"#, name(index))).collect();
                    format!("[{{{}}}]", members.join(","))
                };
                assert!(Document::parse(text(&|index| index).as_bytes()).is_ok());
                let repeated = first != second;
                assert_eq!(
                    Document::parse(text(&name).as_bytes()).is_err(),
                    repeated,
                    "{count} {first} {second}"
                );
            }
        }
    }

    #[test]
    fn it_takes_little_more_memory_than_its_text() {
        let text = format!(r#"{{"roles":["Sample.Read","Sample.Write"],"rh":"{}"}}"#, "x".repeat(400));
        let size = Document::parse(text.as_bytes()).unwrap().size();
        assert!((400..800).contains(&size), "{size}");
    }
}
