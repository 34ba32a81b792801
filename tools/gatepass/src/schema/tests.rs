//! The schema says what the filter says: about what the repository shows, about what is wrong, and about defaults.

use std::collections::BTreeSet;

use gatepass::config::Configuration;
use gatepass::environment::Environment;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Format, text};
use crate::check::{Around, find};
use crate::document;
use crate::repository::{self, Shown};

fn validator() -> Validator {
    jsonschema::validator_for(&gatepass::config::schema()).unwrap()
}

/// Each configuration, with whether it is a file of its own.
fn configurations() -> Vec<(Shown, Vec<(Value, bool)>)> {
    let everything = include_str!("../../tests/cmd/effective.in/everything.yaml").to_owned();
    let everything = Shown { name: "everything.yaml".to_owned(), text: everything };
    let shown = repository::files().into_iter().chain(repository::in_pages()).chain([everything]);
    shown
        .map(|shown| {
            let documents =
                document::read(&shown.text).unwrap_or_else(|error| panic!("{}: {error}", shown.name));
            let found = documents.iter().flat_map(find);
            let found =
                found.map(|found| (found.configuration.to_json(), matches!(found.around, Around::Nothing)));
            let found = found.collect();
            (shown, found)
        })
        .collect()
}

fn environment() -> Environment {
    let variables = [
        // A shared key, and as good as any other text.
        ("ORDERS_KEY", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5"),
        ("FUNCTIONS_KEY", "key"),
        ("API_AUDIENCE", "api"),
        ("API_RESOURCE", "api://api"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_TENANT_ID", "00000000-0000-0000-0000-000000000001"),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()
}

fn parsed(configuration: &Value) -> Result<Configuration, String> {
    let parsed = Configuration::parse(configuration.to_string().as_bytes(), &environment());
    parsed.map_err(|faults| faults.iter().map(|fault| format!("{fault}\n")).collect())
}

#[test]
fn what_is_checked_in_is_what_the_types_say() {
    for (name, format) in
        [("docs/gatepass.schema.json", Format::Json), ("docs/configuration.md", Format::Markdown)]
    {
        let written = std::fs::read_to_string(repository::root().join(name)).unwrap_or_default();
        assert!(written == text(format), "{name} is not what `gatepass schema` prints: run `make docs`");
    }
}

#[test]
fn every_configuration_of_the_repository_is_valid() {
    let validator = validator();
    let mut count = 0;
    for (shown, found) in configurations() {
        assert!(!found.is_empty(), "{}: there is no configuration in it", shown.name);
        for (configuration, _) in found {
            let faults: Vec<_> = validator
                .iter_errors(&configuration)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(faults.is_empty(), "{}: the schema refuses {faults:?}", shown.name);
            parsed(&configuration)
                .unwrap_or_else(|faults| panic!("{}: the filter refuses {faults}", shown.name));
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} configurations were found");
}

#[test]
fn a_configuration_that_is_a_file_names_the_schema_for_editors() {
    for (shown, found) in configurations() {
        let is_file = repository::files().iter().any(|file| file.name == shown.name);
        if is_file && found.iter().any(|(_, stands_alone)| *stands_alone) {
            let first = shown.text.lines().next().unwrap_or_default();
            let schema = first.strip_prefix("# yaml-language-server: $schema=");
            let folder = repository::root().join(&shown.name);
            let schema = schema.map(|schema| folder.parent().unwrap().join(schema));
            assert!(
                schema.is_some_and(|schema| schema.is_file()),
                "{}: the first line must be `# yaml-language-server: $schema=` and the way to docs/gatepass.schema.json",
                shown.name
            );
        }
    }
}

#[test]
fn what_the_filter_refuses_by_form_the_schema_refuses_too() {
    let validator = validator();
    let good = json!({
        "issuers": {"a": {"jwks_uri": "https://a.example/keys", "issuer": "https://a.example", "cluster": "a"}},
        "secrets": {"s": {"env": "ORDERS_KEY"}},
        "identities": {"i": {"managed_identity": {"source": "imds", "cluster": "imds"}}},
        "subscription_keys": {"k": {"primary": {"ref": "s"}, "products": ["p"]}},
        "operations": [{
            "match": {"path": {"exact": "/a"}},
            "validate": {"issuer": "a", "audiences": ["x"], "roles": {"GET": "r"}},
            "attach": [{"identity": "i", "resource": "r"}],
        }],
    });
    assert!(validator.is_valid(&good));
    parsed(&good).unwrap();
    let faults: [(&str, Value); 27] = [
        ("/operation", json!([])),
        ("/operations", json!([])),
        ("/operations", Value::Null),
        ("/operations/0/validate", Value::Null),
        ("/operations/0/validate", json!("any")),
        ("/operations/0/validate/rolls", json!("r")),
        ("/operations/0/validate/roles", json!([])),
        ("/operations/0/validate/roles", json!({"GET": 1})),
        ("/operations/0/validate/audiences", json!("all")),
        ("/operations/0/validate/audiences", json!([])),
        ("/operations/0/validate/clock_skew", json!("30")),
        ("/operations/0/validate/clock_skew", json!(30)),
        ("/operations/0/validate/inbound_token", json!("drop")),
        ("/operations/0/validate/inbound_token", json!({"move": "x"})),
        ("/operations/0/match/path", json!({})),
        ("/operations/0/match/path/prefix", json!("/")),
        ("/operations/0/match/path/regex", json!("/")),
        ("/operations/0/anonymous", json!("yes")),
        ("/operations/0/on_failure", json!({"status": 200})),
        ("/operations/0/attach/0/existing", json!("replace")),
        ("/operations/0/attach/0/to", json!({"clusters": []})),
        ("/secrets/s", json!("a secret itself")),
        ("/secrets/s/inline", json!("two kinds")),
        ("/subscription_keys/k/primary", json!("a secret itself")),
        ("/subscription_keys/k/primary", json!({"ref": "s", "inline": "x"})),
        ("/identities/i/managed_identity/source", json!("service_fabric")),
        ("/shared_cache", json!("maybe")),
    ];
    for (place, value) in faults {
        let mut bad = good.clone();
        let (parent, field) = place.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[field] = value.clone();
        assert!(!validator.is_valid(&bad), "the schema takes {value} at {place}");
        assert!(parsed(&bad).is_err(), "the filter takes {value} at {place}");
    }
    for required in ["/operations/0/match", "/subscription_keys/k/products", "/operations"] {
        let mut bad = good.clone();
        let (parent, field) = required.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
        assert!(!validator.is_valid(&bad) && parsed(&bad).is_err(), "{required} may be missing");
    }
}

/// Writing a default out changes nothing: each default of the schema is the filter's.
#[test]
fn defaults_are_what_happens_where_nothing_is_said() {
    let schema = gatepass::config::schema();
    let mut seen = BTreeSet::new();
    for (shown, found) in configurations() {
        for (configuration, _) in found {
            // A name that the filter knows and the same name as it is written are one.
            let printed = |parsed: Configuration| format!("{parsed:?}").replace("Known(", "Other(");
            let before = printed(parsed(&configuration).unwrap());
            let mut missing = Vec::new();
            fields_left_out(&schema, &schema, &configuration, String::new(), &mut missing);
            for (place, field, default) in missing {
                let mut written_out = configuration.clone();
                written_out.pointer_mut(&place).unwrap()[&field] = default.clone();
                // Some fields may not be said where they mean nothing; elsewhere they must be tried.
                let Ok(after) = parsed(&written_out).map(printed) else { continue };
                let name = &shown.name;
                assert!(
                    after == before,
                    "{name}: writing {default} out as {place}/{field} changes something"
                );
                seen.insert(field);
            }
        }
    }
    let definitions = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let fields = definitions.filter_map(|definition| definition["properties"].as_object()).flatten();
    let with_default: BTreeSet<_> =
        fields.filter(|(_, field)| field.get("default").is_some()).map(|(name, _)| name.clone()).collect();
    assert_eq!(seen, with_default, "not every default was tried");
}

/// The fields with a default that a configuration leaves out, each with the place of its object.
fn fields_left_out(
    root: &Value,
    schema: &Value,
    value: &Value,
    place: String,
    found: &mut Vec<(String, String, Value)>,
) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let definition = root.pointer(name.trim_start_matches('#')).unwrap();
        return fields_left_out(root, definition, value, place, found);
    }
    for kind in
        schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array).into_iter().flatten()
    {
        let fits = jsonschema::validator_for(&json!({"$defs": root["$defs"], "allOf": [kind]}))
            .unwrap()
            .is_valid(value);
        if fits {
            return fields_left_out(root, kind, value, place, found);
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        fields_left_out(root, &schema["items"], item, format!("{place}/{index}"), found);
    }
    let Some(members) = value.as_object() else { return };
    for (name, member) in members {
        let own = schema["properties"].get(name).unwrap_or_else(|| &schema["additionalProperties"]);
        let name = name.replace('~', "~0").replace('/', "~1");
        fields_left_out(root, own, member, format!("{place}/{name}"), found);
    }
    let is_of_keys = ["jwks", "public_keys", "symmetric_keys"].iter().any(|kind| members.contains_key(*kind));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        // With keys of its own, an issuer's algorithms are those that the keys fit.
        let is_told = members.contains_key(name) || (name == "algorithms" && is_of_keys);
        if let (false, Some(default)) = (is_told, field.get("default")) {
            found.push((place.clone(), name.clone(), default.clone()));
        }
    }
}
