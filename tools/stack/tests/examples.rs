//! What must be true of every example, before any of it runs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeSet, fs};

use gatepass_stack::{Checkout, EXAMPLES, Example, Place, ports, tree};
use serde_json::{Value, json};

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

fn examples() -> impl Iterator<Item = Example> {
    let checkout = Checkout::find().unwrap();
    EXAMPLES.into_iter().map(move |name| Example::find(&checkout, name).unwrap())
}

fn parsed(text: &str) -> Value {
    serde_yaml_ng::from_str(text).unwrap()
}

#[test]
fn what_is_checked_in_is_what_the_parts_give() {
    for example in examples() {
        let found = fs::read_to_string(example.envoy_yaml()).unwrap();
        let rendered = example.render(Place::Local).unwrap();
        assert!(found == rendered, "examples/{}/envoy.yaml is not current: make render", example.name());
    }
}

#[test]
fn every_folder_is_an_example_and_has_what_a_newcomer_needs() {
    let folder = Checkout::find().unwrap().root().join("examples");
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
    let folders: BTreeSet<_> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, EXAMPLES.map(str::to_owned).into());
    for example in examples() {
        let readme = fs::read_to_string(folder.join(example.name()).join("README.md")).unwrap();
        for part in ["```mermaid", "## What it replaces", "## For the real Azure", "make example NAME="] {
            assert!(readme.contains(part), "examples/{}/README.md: {part}", example.name());
        }
        assert!(!example.scenario().unwrap().about.is_empty());
    }
}

#[test]
fn compose_and_this_machine_differ_in_addresses_and_places_only() {
    for example in examples() {
        let [local, compose] = [Place::Local, Place::Compose].map(|place| {
            let mut tree = parsed(&example.render(place).unwrap());
            without_places(&mut tree);
            tree
        });
        assert_eq!(local, compose, "{}", example.name());
    }
}

/// Everything that says where something is becomes the same.
fn without_places(tree: &mut Value) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(without_places),
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value.as_str()) {
                    ("address", Some("127.0.0.1" | "0.0.0.0" | "emulator")) => *value = json!("host"),
                    ("type", Some("STATIC" | "STRICT_DNS")) => *value = json!("type"),
                    (_, Some(text)) => {
                        let places = [
                            ("/etc/envoy/gatepass.wasm", "target/gatepass.wasm"),
                            ("/run/gatepass", "target/stack"),
                            ("/tmp/files.sock", "target/stack/files.sock"),
                        ];
                        let text =
                            places.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
                        *value = json!(text);
                    }
                    _ => without_places(value),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_port_is_known_and_on_loopback() {
    let known: BTreeSet<u64> = ports::ALL.iter().map(|(port, _)| u64::from(*port)).collect();
    for example in examples() {
        let mut addresses = Vec::new();
        let tree = tree::read(&example.envoy_yaml()).unwrap();
        collect(&tree, &|value| value.get("port_value").is_some(), &mut addresses);
        assert!(addresses.len() >= 4, "{}", example.name());
        for address in addresses {
            assert_eq!(address["address"], "127.0.0.1");
            assert!(known.contains(&address["port_value"].as_u64().unwrap()), "{address}");
        }
    }
}

#[test]
fn every_cluster_but_the_machines_own_verifies_its_peer() {
    for example in examples() {
        let mut tree = tree::read(&example.envoy_yaml()).unwrap();
        for cluster in tree::clusters(&mut tree).unwrap() {
            let name = cluster["name"].as_str().unwrap();
            if ["imds", "files", "gateway", "backend-sidecar", "workflow"].contains(&name) {
                continue;
            }
            let tls = &cluster["transport_socket"]["typed_config"];
            let validation = &tls["common_tls_context"]["validation_context"];
            assert!(tls["sni"].is_string(), "{name}");
            assert!(validation["trusted_ca"]["filename"].is_string(), "{name}");
            let names = &validation["match_typed_subject_alt_names"];
            assert_eq!(names[0]["matcher"]["exact"], tls["sni"], "{name}");
        }
    }
}

#[test]
fn every_listener_is_hardened_and_no_filter_fails_open() {
    for example in examples() {
        let tree = tree::read(&example.envoy_yaml()).unwrap();
        let mut managers = Vec::new();
        let has_gatepass = |value: &Value| {
            let filters = value.get("http_filters").and_then(Value::as_array);
            filters
                .is_some_and(|filters| filters.iter().any(|filter| filter["typed_config"]["@type"] == WASM))
        };
        collect(&tree, &has_gatepass, &mut managers);
        assert!(!managers.is_empty());
        for manager in managers {
            assert_eq!(manager["normalize_path"], true);
            assert_eq!(manager["merge_slashes"], false);
            assert_eq!(manager["path_with_escaped_slashes_action"], "REJECT_REQUEST");
            assert_eq!(manager["use_remote_address"], true);
            assert_eq!(
                manager["common_http_protocol_options"]["headers_with_underscores_action"],
                "REJECT_REQUEST"
            );
        }
        let mut plugins = Vec::new();
        collect(&tree, &|value| value.get("vm_config").is_some(), &mut plugins);
        for plugin in plugins {
            assert_eq!(plugin["failure_policy"], "FAIL_RELOAD");
            assert!(plugin.get("fail_open").is_none());
            assert_eq!(plugin["vm_config"]["vm_id"], "gatepass");
        }
    }
}

#[test]
fn a_run_of_its_own_gets_other_ports_and_files() {
    for example in examples() {
        let mut tree = tree::read(&example.envoy_yaml()).unwrap();
        let other = ports::ALL.iter().map(|(port, _)| (*port, port + 20000)).collect();
        tree::replace_ports(&mut tree, &other);
        tree::replace_files(&mut tree, "target/stack", "/elsewhere".as_ref());
        tree::replace_files(&mut tree, "target/gatepass.wasm", "/other.wasm".as_ref());
        let text = tree.to_string();
        for (port, _) in ports::ALL {
            assert!(!text.contains(&format!("\"port_value\":{port}}}")), "{port}");
        }
        assert!(!text.contains("target/"), "{text}");
        assert!(text.contains("/elsewhere/ca.pem") && text.contains("/other.wasm"));
    }
}

fn collect(tree: &Value, wanted: &impl Fn(&Value) -> bool, found: &mut Vec<Value>) {
    if wanted(tree) {
        found.push(tree.clone());
    }
    match tree {
        Value::Array(items) => items.iter().for_each(|item| collect(item, wanted, found)),
        Value::Object(members) => members.values().for_each(|value| collect(value, wanted, found)),
        _ => {}
    }
}
