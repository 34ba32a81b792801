//! The reference page: each element of the configuration with its fields, from the schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

const INTRODUCTION: &str = "\
# The configuration, field by field

<!-- Written by `gatepass schema --format markdown`; `make docs` renews it. What stands here are the docstrings of src/config/raw. -->

One object, in YAML or JSON. A field that is not named here is refused, and so are `null` and an empty list. In every
string, `${name}` stands for a text of [`values`](#values). A duration is a whole number with `ms`, `s`, `m` or `h`. **Bold**
fields must be there. `<name>` in a place is a name that you choose.

The same for editors: [gatepass.schema.json](gatepass.schema.json), by a first line
`# yaml-language-server: $schema=…` in the file. Why things are as they are: [issuers](issuers.md),
[inbound](inbound.md), [outbound](outbound.md).
";

/// An object of the schema.
type Object = Map<String, Value>;

/// An element that is an object with fields of its own, and the places where it stands.
struct Element<'s> {
    fields: &'s Object,
    places: Vec<String>,
}

struct Reference<'s> {
    definitions: &'s Object,
    /// In the order in which they are met.
    elements: Vec<(&'s str, Element<'s>)>,
}

/// The page, in Markdown.
pub(super) fn page(schema: &Value) -> String {
    let nothing = Object::new();
    let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&nothing);
    let mut reference = Reference { definitions, elements: Vec::new() };
    let Some(root) = schema.as_object() else { return String::new() };
    reference.element("", root, String::new());
    let mut page = INTRODUCTION.to_owned();
    for (_, element) in &reference.elements {
        reference.section(element, &mut page);
    }
    page
}

impl<'s> Reference<'s> {
    /// Notes an element, and those within it.
    fn element(&mut self, name: &'s str, fields: &'s Object, place: String) {
        if let Some((_, known)) = self.elements.iter_mut().find(|(known, _)| *known == name) {
            known.places.push(place);
            return;
        }
        self.elements.push((name, Element { fields, places: vec![place.clone()] }));
        for (field, schema) in properties(fields) {
            let place = if place.is_empty() { field.clone() } else { format!("{place}.{field}") };
            self.within(schema, place);
        }
    }

    fn within(&mut self, schema: &'s Value, place: String) {
        let Some(object) = schema.as_object() else { return };
        if let Some((name, definition)) = self.referred(object) {
            match properties(definition).next() {
                Some(_) => self.element(name, definition, place.clone()),
                None => self.kinds(definition, &place),
            }
        }
        if let Some(items) = object.get("items") {
            self.within(items, format!("{place}[]"));
        }
        if let Some(values) = object.get("additionalProperties") {
            self.within(values, format!("{place}.<name>"));
        }
    }

    /// Elements among the kinds of values that a definition takes.
    fn kinds(&mut self, definition: &'s Object, place: &str) {
        for kind in kinds(definition) {
            self.within(kind, place.to_owned());
        }
    }

    fn referred(&self, schema: &Object) -> Option<(&'s str, &'s Object)> {
        let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        let (name, definition) = self.definitions.get_key_value(name)?;
        Some((name, definition.as_object()?))
    }

    fn section(&self, element: &Element<'_>, page: &mut String) {
        let place = element.places.first().map_or("", String::as_str);
        if !place.is_empty() {
            let level = if place.trim_end_matches(".<name>").contains('.') { "###" } else { "##" };
            let _ = write!(page, "\n{level} {}\n\n{}\n", heading(place), description(element.fields));
        }
        if let [_, others @ ..] = element.places.as_slice()
            && !others.is_empty()
        {
            let others: Vec<_> = others.iter().map(|place| format!("`{place}`")).collect();
            let _ = write!(page, "\nThe same at {}.\n", others.join(", "));
        }
        page.push_str("\n| field | value | default | meaning |\n|---|---|---|---|\n");
        let required = element.fields.get("required").and_then(Value::as_array);
        for (name, schema) in properties(element.fields) {
            let must = required.is_some_and(|required| required.iter().any(|field| field == name));
            let name = if must { format!("**`{name}`**") } else { format!("`{name}`") };
            let default = schema.get("default").map(|default| format!("`{}`", written(default)));
            let meaning = schema.as_object().map(|schema| self.meaning(schema)).unwrap_or_default();
            let value = cell(&self.value(schema));
            let _ =
                writeln!(page, "| {name} | {value} | {} | {} |", default.unwrap_or_default(), cell(&meaning));
        }
    }

    /// What a field means, and each of the words that it may be.
    fn meaning(&self, schema: &Object) -> String {
        let mut text = description(schema).to_owned();
        let definition = self.referred(schema).map(|(_, definition)| definition);
        let items = schema.get("items").and_then(Value::as_object).and_then(|items| self.referred(items));
        let definition = definition.or_else(|| items.map(|(_, definition)| definition));
        if let Some(definition) = definition.filter(|definition| properties(definition).next().is_none()) {
            for kind in kinds(definition).iter().filter_map(Value::as_object) {
                if let (Some(name), told) = (kind_name(kind), description(kind))
                    && !told.is_empty()
                {
                    let _ = write!(text, "<br>`{name}`: {told}");
                }
            }
        }
        text
    }

    /// What a field's value is, in words.
    fn value(&self, schema: &Value) -> String {
        let Some(object) = schema.as_object() else { return "any value".to_owned() };
        if let Some((name, definition)) = self.referred(object) {
            let element = self.elements.iter().find(|(known, _)| *known == name);
            return match element.and_then(|(_, element)| element.places.first()) {
                Some(place) => format!("[object](#{})", anchor(place)),
                None if kinds(definition).is_empty() => self.object_or_text(definition),
                None => self.any_of(definition),
            };
        }
        if let Some(word) = object.get("const").and_then(Value::as_str) {
            return format!("`{word}`");
        }
        self.object_or_text(object)
    }

    fn object_or_text(&self, object: &Object) -> String {
        match object.get("type").and_then(Value::as_str) {
            Some("array") => {
                format!("list of {}", object.get("items").map_or_else(String::new, |items| self.value(items)))
            }
            Some("boolean") => "`true`, `false`".to_owned(),
            Some("integer") => "status, 400 to 599".to_owned(),
            Some("string") if object.contains_key("pattern") => "duration".to_owned(),
            Some("string") => "text".to_owned(),
            Some("object") => self.object(object),
            _ => self.any_of(object),
        }
    }

    fn object(&self, object: &Object) -> String {
        let fields: Vec<_> =
            properties(object).map(|(name, schema)| format!("{name}: {}", self.value(schema))).collect();
        if !fields.is_empty() {
            return format!("{{{}}}", fields.join(", "));
        }
        match object.get("additionalProperties").filter(|values| values.is_object()) {
            Some(values) => format!("by name: {}", self.value(values)),
            None => "object".to_owned(),
        }
    }

    fn any_of(&self, definition: &Object) -> String {
        let kinds = kinds(definition).iter().filter(|kind| !is_reference(kind));
        let kinds: Vec<_> = kinds.map(|kind| self.value(kind)).collect();
        kinds.join(", or ").replace("`, or `", "`, `")
    }
}

fn properties(object: &Object) -> impl Iterator<Item = (&String, &Value)> {
    object.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn kinds(definition: &Object) -> &[Value] {
    let list = definition.get("oneOf").or_else(|| definition.get("anyOf"));
    list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Whether this kind of value is `${name}` in place of a word, which the introduction tells.
fn is_reference(kind: &Value) -> bool {
    kind.get("pattern").is_some_and(|pattern| pattern == r"\$\{")
}

/// The word, or the one field, by which a kind of value is told from others.
fn kind_name(kind: &Object) -> Option<&str> {
    let word = kind.get("const").and_then(Value::as_str);
    word.or_else(|| properties(kind).next().map(|(name, _)| name.as_str()))
}

fn description(object: &Object) -> &str {
    object.get("description").and_then(Value::as_str).unwrap_or_default()
}

fn heading(place: &str) -> String {
    format!("`{place}`")
}

/// The anchor that Markdown's readers give a heading.
fn anchor(place: &str) -> String {
    place
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-')
        .collect::<String>()
        .to_lowercase()
}

/// A default as YAML writes it.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            let members: Vec<_> =
                members.iter().map(|(name, value)| format!("{name}: {}", written(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// Text in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
