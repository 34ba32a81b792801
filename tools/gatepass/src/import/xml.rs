//! Reads policy documents. They look like XML and are not: C# expressions stand in attributes and text as they
//! are, with quotes, `<` and `&` in them. So this reads what API Management's own editor takes: tags, attributes,
//! comments, CDATA, and expressions `@( … )` and `@{ … }` as a whole.

/// An element and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Self>,
    /// The text directly in it, trimmed.
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
}

/// Why a text is not a policy document.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Deeper ones are not policies.
const MAX_DEPTH: usize = 64;

/// Reads a document: its one root element.
pub(crate) fn read(text: &str) -> Result<Element, Malformed> {
    let mut reader = Reader { text, at: 0 };
    let mut root = Element::default();
    reader.content(&mut root, 0)?;
    let mut roots = root.children.into_iter();
    match (roots.next(), roots.next()) {
        (Some(root), None) => Ok(root),
        _ => Err(reader.fault("a policy document has one root element, such as `<policies>`")),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn line(&self) -> usize {
        self.text.get(..self.at).unwrap_or(self.text).matches('\n').count() + 1
    }

    fn fault(&self, what: &str) -> Malformed {
        Malformed { line: self.line(), what: what.to_owned() }
    }

    fn skip(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        self.at += if found { prefix.len() } else { 0 };
        found
    }

    /// Takes all up to `end`, and `end` itself.
    fn until(&mut self, end: &str) -> Result<&'t str, Malformed> {
        let rest = self.rest();
        let found = rest.find(end).ok_or_else(|| self.fault(&format!("`{end}` is missing")))?;
        self.at += found + end.len();
        Ok(rest.get(..found).unwrap_or_default())
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Children and text of `parent`, up to its closing tag or the end of the document.
    fn content(&mut self, parent: &mut Element, depth: usize) -> Result<(), Malformed> {
        if depth > MAX_DEPTH {
            return Err(self.fault("elements are nested too deeply"));
        }
        let mut text = String::new();
        loop {
            if self.rest().is_empty() {
                return match depth {
                    0 => Ok(()),
                    _ => Err(self.fault(&format!("`</{}>` is missing", parent.name))),
                };
            }
            if self.skip("<!--") {
                self.until("-->")?;
            } else if self.skip("<![CDATA[") {
                text += self.until("]]>")?;
            } else if self.skip("<?") {
                self.until("?>")?;
            } else if self.skip("</") {
                let name = self.until(">")?.trim();
                if name != parent.name {
                    return Err(self.fault(&format!("`</{name}>` closes `<{}>`", parent.name)));
                }
                parent.text = decoded(text.trim());
                return Ok(());
            } else if self.rest().starts_with('<') {
                parent.children.push(self.element(depth)?);
            } else if self.rest().starts_with("@(") || self.rest().starts_with("@{") {
                text += self.expression()?;
            } else {
                // At least one character: a lone `@` is text.
                let rest = self.rest();
                let (first, behind) = rest.split_at(rest.chars().next().map_or(0, char::len_utf8));
                let more = behind.find(['<', '@']).unwrap_or(behind.len());
                text += first;
                text += behind.get(..more).unwrap_or_default();
                self.at += first.len() + more;
            }
        }
    }

    fn element(&mut self, depth: usize) -> Result<Element, Malformed> {
        let line = self.line();
        self.skip("<");
        let name = self.name()?;
        let mut element = Element { name, line, ..Element::default() };
        loop {
            self.space();
            if self.skip("/>") {
                return Ok(element);
            }
            if self.skip(">") {
                self.content(&mut element, depth + 1)?;
                return Ok(element);
            }
            let attribute = self.attribute()?;
            element.attributes.push(attribute);
        }
    }

    fn name(&mut self) -> Result<String, Malformed> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && !"-_.:".contains(c)).unwrap_or(rest.len());
        let name = rest.get(..end).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| self.fault("a name is missing"))?;
        self.at += end;
        Ok(name.to_owned())
    }

    fn attribute(&mut self) -> Result<(String, String), Malformed> {
        let name = self.name()?;
        self.space();
        if !self.skip("=") {
            return Err(self.fault(&format!("`=` is missing after `{name}`")));
        }
        self.space();
        let quote = if self.skip("\"") {
            "\""
        } else if self.skip("'") {
            "'"
        } else {
            ""
        };
        if quote.is_empty() {
            return Err(self.fault(&format!("the value of `{name}` is not in quotes")));
        }
        let mut value = String::new();
        while !self.skip(quote) {
            if self.rest().starts_with("@(") || self.rest().starts_with("@{") {
                value += self.expression()?;
                continue;
            }
            let Some(next) = self.rest().chars().next() else {
                return Err(self.fault(&format!("the value of `{name}` does not end")));
            };
            value.push(next);
            self.at += next.len_utf8();
        }
        Ok((name, decoded(&value)))
    }

    /// An expression with its brackets, C# strings and comments in it skipped over.
    fn expression(&mut self) -> Result<&'t str, Malformed> {
        let start = self.at;
        let mut open = Vec::new();
        self.at += 1;
        loop {
            let Some(next) = self.rest().chars().next() else {
                self.at = start;
                return Err(self.fault("an expression does not end"));
            };
            self.at += next.len_utf8();
            match next {
                '(' | '{' | '[' => open.push(next),
                ')' | '}' | ']' => {
                    open.pop();
                    if open.is_empty() {
                        return Ok(self.text.get(start..self.at).unwrap_or_default());
                    }
                }
                '"' if self
                    .text
                    .get(..self.at - 1)
                    .is_some_and(|before| before.ends_with('@') || before.ends_with("@$")) =>
                {
                    self.verbatim_string()?;
                }
                '"' | '\'' => self.string(next)?,
                '/' if self.rest().starts_with('/') => {
                    let end = self.rest().find('\n').unwrap_or_else(|| self.rest().len());
                    self.at += end;
                }
                '/' if self.skip("*") => {
                    self.until("*/")?;
                }
                _ => {}
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<(), Malformed> {
        loop {
            let next = self.rest().chars().next().ok_or_else(|| self.fault("a string does not end"))?;
            self.at += next.len_utf8();
            if next == '\\' {
                self.at += self.rest().chars().next().map_or(0, char::len_utf8);
            } else if next == quote {
                return Ok(());
            }
        }
    }

    fn verbatim_string(&mut self) -> Result<(), Malformed> {
        loop {
            self.until("\"")?;
            if !self.skip("\"") {
                return Ok(());
            }
        }
    }
}

/// The five entities of XML, and characters by number.
fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        decoded += before;
        let (entity, behind) = after.split_once(';').unwrap_or((after, ""));
        let number = entity.strip_prefix("#x").map(|hex| u32::from_str_radix(hex, 16).ok());
        let number = number.or_else(|| entity.strip_prefix('#').map(|decimal| decimal.parse().ok()));
        let character = match (entity, number) {
            ("lt", _) => Some('<'),
            ("gt", _) => Some('>'),
            ("amp", _) => Some('&'),
            ("quot", _) => Some('"'),
            ("apos", _) => Some('\''),
            (_, number) => number.flatten().and_then(char::from_u32),
        };
        rest = match character {
            Some(character) => {
                decoded.push(character);
                behind
            }
            None => {
                decoded.push('&');
                after
            }
        };
    }
    decoded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_a_whole() {
        let text = r#"<policies><!-- a < b -->
  <inbound>
    <choose><when condition="@(context.Request.Method == "GET" && 1 < 2)"><base /></when></choose>
    <set-body>@{ var x = "}\"" + '"' + @"a""}"; /* } */ return x; // }
    }</set-body>
    <value a='1 &lt; 2'>a &amp; b&#33;</value>
  </inbound>
</policies>"#;
        let root = read(text).unwrap();
        let inbound = root.child("inbound").unwrap();
        let when = inbound.child("choose").unwrap().child("when").unwrap();
        assert_eq!(when.attribute("condition"), Some(r#"@(context.Request.Method == "GET" && 1 < 2)"#));
        assert_eq!((when.line, when.children.len()), (3, 1));
        assert!(inbound.child("set-body").unwrap().text.ends_with("// }\n    }"));
        let value = inbound.child("value").unwrap();
        assert_eq!((value.text.as_str(), value.attribute("a"), value.line), ("a & b!", Some("1 < 2"), 6));
    }

    #[test]
    fn what_does_not_end_is_a_fault_with_its_line() {
        for (text, line) in [
            ("<a>\n<b>\n</a>", 3),
            ("<a>\n@(x</a>", 2),
            ("<a b=\"1>", 1),
            ("<a", 1),
            ("", 1),
            ("<a/><b/>", 1),
            ("<a b=1/>", 1),
        ] {
            assert_eq!(read(text).unwrap_err().line, line, "{text}");
        }
    }
}
