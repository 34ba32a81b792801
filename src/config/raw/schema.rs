//! The JSON Schema of the configuration, from the types beside this file: their docstrings are its descriptions.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::claims::OneOrMany;
use super::{Configuration, Switch};

/// What stands in a string for a text of `values`.
const REFERENCE: &str = r"\$\{";
/// A whole number with a unit.
const DURATION: &str = r"^[0-9]+(ms|s|m|h)$|\$\{";
/// Fields that are durations, whatever object they are in.
const DURATIONS: [&str; 4] = ["clock_skew", "max_lifetime", "refresh", "wait"];

/// The schema, draft 2020-12.
pub(in crate::config) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Configuration>();
    RecursiveTransform(refine).transform(&mut schema);
    schema.insert("title".to_owned(), json!("Gatepass"));
    schema.insert("description".to_owned(), json!("The configuration of the Gatepass filter."));
    schema.to_value()
}

/// Says what the reader and the compiler add to the types.
fn refine(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = description.replace('\n', " ");
    }
    without_null(object);
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "array" {
        // An empty list is a fault wherever it stands.
        object.insert("minItems".to_owned(), json!(1));
    }
    if kind == "integer" {
        // Every number of the configuration is the status of a refusal.
        object.remove("format");
        object.extend([("minimum".to_owned(), json!(400)), ("maximum".to_owned(), json!(599))]);
    }
    words_or_reference(object);
    for (name, field) in object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        let Some(field) = field.as_object_mut() else { continue };
        // Serde's own, such as an empty map; those that count stand in the docstrings.
        field.remove("default");
        if DURATIONS.contains(&name.as_str()) {
            field.insert("pattern".to_owned(), json!(DURATION));
        }
        if let Some(default) = default_in(field.get("description").and_then(Value::as_str)) {
            field.insert("default".to_owned(), default);
        }
    }
}

/// A field that may be left out may not be `null` therefore.
fn without_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(kinds)) = object.get_mut("anyOf") {
        kinds.retain(|kind| *kind != json!({"type": "null"}));
        if let [only] = kinds.as_slice() {
            let only = only.as_object().cloned().unwrap_or_default();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

/// Where one of a few words is wanted, `${name}` may stand for it.
fn words_or_reference(object: &mut Map<String, Value>) {
    let is_word = |kind: &Value| kind.get("const").is_some();
    for list in ["oneOf", "anyOf"] {
        if let Some(Value::Array(kinds)) = object.get_mut(list)
            && kinds.iter().any(is_word)
        {
            kinds.push(json!({"type": "string", "pattern": REFERENCE, "description": "A text of `values`."}));
        }
    }
}

/// The default that a description names: ``Default `15s`.`` or `Default true.`
fn default_in(description: Option<&str>) -> Option<Value> {
    let description = description?.replace('\n', " ");
    let (_, rest) = description.split_once("Default ")?;
    if let Some(rest) = rest.strip_prefix('`') {
        return rest.split_once('`').map(|(text, _)| written(text));
    }
    let word = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    word.parse().ok().map(|status: u16| json!(status)).or_else(|| word.parse().ok().map(Value::Bool))
}

/// A value as the docstrings write it: a word, a list or an object of words.
fn written(text: &str) -> Value {
    let within = |open, close| text.strip_prefix(open).and_then(|text: &str| text.strip_suffix(close));
    if let Some(items) = within('[', ']') {
        return items.split(',').map(|item| json!(item.trim())).collect();
    }
    if let Some(members) = within('{', '}') {
        let members = members.split(',').filter_map(|member| member.split_once(':'));
        return members.map(|(name, value)| (name.trim().to_owned(), json!(value.trim()))).collect();
    }
    json!(text.trim_matches('"'))
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A word, or a list of words.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        })
    }
}

impl JsonSchema for Switch {
    fn schema_name() -> Cow<'static, str> {
        "Switch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`on` or `off`; YAML readers turn both words into booleans, so these are taken too.",
            "anyOf": [{"type": "boolean"}, {"const": "on"}, {"const": "off"}],
        })
    }
}
