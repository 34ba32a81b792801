//! YAML and JSON as Envoy reads them, each value with its place in the text.
//!
//! Scalars without quotes mean what Envoy's reader (yaml-cpp) takes them for: `on` and `yes` are booleans, and an
//! integer beyond 32 bits is a string.

use std::collections::BTreeMap;
use std::ops::Range;

use gatepass::config::Segment;
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

/// Values that one document may have, those behind aliases counted each time: an alias may not multiply them.
const MAX_NODES: usize = 1_000_000;
const MAX_DEPTH: usize = 128;

/// A value and where it stands, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    String(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// A member of an object: its name, where that stands, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) name_span: Range<usize>,
    pub(crate) node: Node,
}

/// Why a text is neither YAML nor JSON.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Malformed {
    pub(crate) what: String,
    pub(crate) span: Range<usize>,
}

/// Reads all documents of a text.
pub(crate) fn read(text: &str) -> Result<Vec<Node>, Malformed> {
    let offsets: Vec<usize> = text.char_indices().map(|(offset, _)| offset).chain([text.len()]).collect();
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        offsets,
        end: text.len(),
        anchors: BTreeMap::new(),
        nodes: 0,
    };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(documents),
            (Event::DocumentStart(_), _) => documents.push(reader.node(0)?),
            _ => {}
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// The byte offset of each character.
    offsets: Vec<usize>,
    end: usize,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Range<usize>), Malformed> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, self.end..self.end)),
            Some(Ok((event, span))) => {
                Ok((event, self.byte(span.start.index())..self.byte(span.end.index())))
            }
            Some(Err(error)) => {
                let at = self.byte(error.marker().index());
                Err(Malformed { what: format!("neither YAML nor JSON: {}", error.info()), span: at..at })
            }
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.offsets.get(character).copied().unwrap_or(self.end)
    }

    fn node(&mut self, depth: usize) -> Result<Node, Malformed> {
        let event = self.next()?;
        self.node_from(event, depth)
    }

    fn node_from(
        &mut self,
        (event, span): (Event<'t>, Range<usize>),
        depth: usize,
    ) -> Result<Node, Malformed> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err(Malformed { what: "this is nested too deeply, or too much of it".to_owned(), span });
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                (if is_plain { plain(&text) } else { Value::String(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.object(depth)?, anchor),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Malformed { what: "there is no such anchor".to_owned(), span });
                };
                self.nodes += count(&node);
                return Ok(Node { value: node.value, span });
            }
            _ => (Value::Null, 0),
        };
        let node = Node { value, span };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Malformed> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                event => items.push(self.node_from(event, depth + 1)?),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Malformed> {
        let mut members: Vec<Member> = Vec::new();
        loop {
            let (name, name_span) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Object(members)),
                (Event::Scalar(name, ..), span) => (name.into_owned(), span),
                (_, span) => {
                    return Err(Malformed { what: "the name of a member must be a string".to_owned(), span });
                }
            };
            if members.iter().any(|member| member.name == name) {
                return Err(Malformed {
                    what: format!("the member `{name}` is there twice"),
                    span: name_span,
                });
            }
            members.push(Member { name, name_span, node: self.node(depth + 1)? });
        }
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.iter().map(|member| count(&member.node)).sum(),
        _ => 0,
    }
}

/// What a scalar without quotes means.
fn plain(text: &str) -> Value {
    const TRUE: [&str; 4] = ["y", "yes", "true", "on"];
    const FALSE: [&str; 4] = ["n", "no", "false", "off"];
    let word = text.to_ascii_lowercase();
    let capitalised = text.chars().skip(1).all(char::is_lowercase) || text.chars().all(char::is_uppercase);
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    if capitalised && TRUE.contains(&word.as_str()) {
        return Value::Bool(true);
    }
    if capitalised && FALSE.contains(&word.as_str()) {
        return Value::Bool(false);
    }
    if let Ok(number) = text.parse::<i64>() {
        let fits = i32::try_from(number).is_ok();
        return if fits { Value::Number(number.into()) } else { Value::String(text.to_owned()) };
    }
    let looks_like_number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    let number = text.parse().ok().filter(|_| looks_like_number).and_then(serde_json::Number::from_f64);
    number.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

impl Node {
    /// The member of this name, if this is an object that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.name == name).map(|member| &member.node)
    }

    /// The value at the end of a way of members.
    pub(crate) fn at(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |node, name| node.get(name))
    }

    pub(crate) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(self.value, Value::Bool(true))
    }

    /// This value and all within it, outer ones first.
    pub(crate) fn walk<'n>(&'n self, visit: &mut impl FnMut(&'n Self)) {
        visit(self);
        self.items().iter().for_each(|item| item.walk(visit));
        self.members().iter().for_each(|member| member.node.walk(visit));
    }

    /// Where to point for something said about the end of this way: as far along as the text goes.
    pub(crate) fn locate(&self, way: &[Segment]) -> Range<usize> {
        let mut node = self;
        let mut span = None;
        for segment in way {
            let next = match segment {
                Segment::Item(index) => node.items().get(*index).map(|item| (item, None)),
                Segment::Member(name) => {
                    let mut members = node.members().iter();
                    members.find(|member| member.name == *name).map(|m| (&m.node, Some(m.name_span.clone())))
                }
            };
            let Some((found, name_span)) = next else { break };
            node = found;
            span = name_span.or_else(|| Some(found.first_span()));
        }
        span.unwrap_or_else(|| self.first_span())
    }

    /// Where an object or a list begins, or the whole of anything else.
    pub(crate) fn first_span(&self) -> Range<usize> {
        match &self.value {
            Value::Object(members) => {
                members.first().map_or_else(|| self.span.clone(), |member| member.name_span.clone())
            }
            Value::List(items) => items.first().map_or_else(|| self.span.clone(), Self::first_span),
            _ => self.span.clone(),
        }
    }

    /// As JSON.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) => Json::Number(number.clone()),
            Value::String(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Object(members) => Json::Object(
                members.iter().map(|member| (member.name.clone(), member.node.to_json())).collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> serde_json::Value {
        read(text).unwrap()[0].to_json()
    }

    #[test]
    fn scalars_mean_what_envoy_takes_them_for() {
        let read = json("[on, Off, yes, oN, 12, 1e3, 3000000000, 0x10, '12', ~, v1, .5, -x]");
        let expected =
            r#"[true, false, true, "oN", 12, 1000.0, "3000000000", "0x10", "12", null, "v1", 0.5, "-x"]"#;
        assert_eq!(read, serde_json::from_str::<serde_json::Value>(expected).unwrap());
    }

    #[test]
    fn a_place_is_found_as_far_as_the_text_goes() {
        let text = "é: 1\nb:\n  - {c: 2}\n";
        let root = &read(text).unwrap()[0];
        let way = [Segment::Member("b".into()), Segment::Item(0), Segment::Member("c".into())];
        assert_eq!(&text[root.locate(&way)], "c");
        let way = [Segment::Member("b".into()), Segment::Item(0), Segment::Member("d".into())];
        assert_eq!(&text[root.locate(&way)], "c");
        assert_eq!(&text[root.locate(&[])], "é");
    }

    #[test]
    fn what_is_twice_or_too_much_is_refused() {
        assert_eq!(read("a: 1\na: 2").unwrap_err().what, "the member `a` is there twice");
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let item = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", [item.as_str(); 10].join(", "));
        }
        assert!(read(&bomb).unwrap_err().what.contains("too much"));
    }
}
