//! A YAML document that keeps its order and has comments.

use std::fmt::Write as _;

/// A value to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Yaml {
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Yaml {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn texts(texts: impl IntoIterator<Item = String>) -> Self {
        Self::List(texts.into_iter().map(Self::Text).collect())
    }

    pub(crate) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.map(|(name, value)| (name.to_owned(), value)).to_vec())
    }

    fn after_name(&self, indent: usize) -> String {
        let flow = self.flow();
        let is_leaf = !matches!(self, Self::List(_) | Self::Object(_));
        if is_leaf || (indent > 0 && flow.len() + indent < 90) || flow.len() <= 2 {
            return format!(" {flow}\n");
        }
        format!("\n{}", self.block(indent + 2))
    }

    /// The value, in the block style down to what fits on a line.
    pub(crate) fn block(&self, indent: usize) -> String {
        let pad = " ".repeat(indent);
        match self {
            Self::Object(members) => members
                .iter()
                .map(|(name, value)| format!("{pad}{}:{}", key(name), value.after_name(indent)))
                .collect(),
            Self::List(items) => items.iter().map(|item| item.as_item(indent)).collect(),
            _ => format!("{pad}{}\n", self.flow()),
        }
    }

    fn as_item(&self, indent: usize) -> String {
        let lines = match self {
            Self::Object(_) => self.block(indent + 2),
            _ => format!("{}{}\n", " ".repeat(indent + 2), self.flow()),
        };
        let mut item = " ".repeat(indent);
        let _ = write!(item, "- {}", lines.trim_start());
        item
    }

    fn flow(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            Self::Text(text) => scalar(text),
            Self::List(items) => format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", ")),
            Self::Object(members) => {
                let members = members.iter().map(|(name, value)| format!("{}: {}", key(name), value.flow()));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn key(name: &str) -> String {
    if name == "*" { "\"*\"".to_owned() } else { scalar(name) }
}

/// Plain where every reader of YAML takes it for the same string, else in double quotes, which JSON and YAML share.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./@ ".contains(c))
        && !text.ends_with(' ')
        && !["true", "false", "yes", "no", "on", "off", "y", "n", "null"]
            .contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::to_string(text).unwrap_or_default() }
}
