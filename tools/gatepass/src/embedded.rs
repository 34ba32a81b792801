//! A configuration that is written as a string (a `StringValue`): JSON within YAML or JSON, each value of it with its
//! place in the file.

use std::ops::Range;

use crate::document::{self, Member, Node, Value};

/// A configuration as an object: itself, or what its string holds. `None` where that is no JSON.
pub(crate) fn written(node: &Node, file: &str) -> Option<Node> {
    let Value::String(text) = &node.value else { return Some(node.clone()) };
    serde_json::from_str::<serde_json::Value>(text).ok()?;
    let inner = document::read(text).ok()?.into_iter().next()?;
    Some(Places::of(text, file, &node.span).place(inner))
}

/// Where the lines of a string stand in the file, as far as they stand there as they are.
struct Places {
    lines: Vec<(Range<usize>, Option<usize>)>,
    whole: Range<usize>,
}

impl Places {
    fn of(text: &str, file: &str, whole: &Range<usize>) -> Self {
        let mut lines = Vec::new();
        let (mut start, mut from) = (0, whole.start);
        for line in text.split('\n') {
            let rest = file.get(from..whole.end).unwrap_or_default();
            let at = if line.is_empty() { None } else { rest.find(line).map(|at| from + at) };
            from = at.map_or(from, |at| at + line.len());
            lines.push((start..start + line.len(), at));
            start += line.len() + 1;
        }
        Self { lines, whole: whole.clone() }
    }

    fn offset(&self, offset: usize) -> Option<usize> {
        let (line, at) = self.lines.iter().find(|(line, _)| line.start <= offset && offset <= line.end)?;
        at.map(|at| at + offset - line.start)
    }

    /// The whole string where it is written otherwise, such as with `\"`.
    fn span(&self, span: &Range<usize>) -> Range<usize> {
        match (self.offset(span.start), self.offset(span.end)) {
            (Some(start), Some(end)) if start <= end => start..end,
            _ => self.whole.clone(),
        }
    }

    fn place(&self, node: Node) -> Node {
        let value = match node.value {
            Value::List(items) => Value::List(items.into_iter().map(|item| self.place(item)).collect()),
            Value::Object(members) => Value::Object(
                members
                    .into_iter()
                    .map(|member| Member {
                        name_span: self.span(&member.name_span),
                        node: self.place(member.node),
                        name: member.name,
                    })
                    .collect(),
            ),
            value => value,
        };
        Node { value, span: self.span(&node.span) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointed_at(file: &str) -> &str {
        let outer = &document::read(file).unwrap()[0];
        let inner = written(outer.get("value").unwrap(), file).unwrap();
        &file[inner.at(&["a", "b"]).unwrap().span.clone()]
    }

    #[test]
    fn a_value_in_a_string_has_its_place_in_the_file() {
        assert_eq!(pointed_at("value: |\n  {\"a\":\n    {\"b\": \"é c\"}}\n"), "\"é c\"");
        assert_eq!(pointed_at("value: '{\"a\": {\"b\": 12}}'"), "12");
    }

    #[test]
    fn a_string_that_is_written_otherwise_is_pointed_at_as_a_whole() {
        let file = r#"{"value": "{\"a\": {\"b\": 12}}"}"#;
        assert_eq!(pointed_at(file), r#""{\"a\": {\"b\": 12}}""#);
    }

    #[test]
    fn what_is_no_json_is_no_configuration() {
        let outer = &document::read("value: 'a: 1'").unwrap()[0];
        assert!(written(outer.get("value").unwrap(), "").is_none());
    }
}
