//! What must be true of `envoy/envoy.yaml`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use gatepass_stack::{Checkout, ports, tree};
use serde_json::Value;

fn reference() -> Value {
    tree::read(&Checkout::find().unwrap().envoy_yaml()).unwrap()
}

#[test]
fn it_carries_the_configuration_of_gatepass_yaml() {
    let inline: Value = serde_json::from_str(&tree::configuration(&mut reference()).unwrap()).unwrap();
    let file = Checkout::find().unwrap().root().join("envoy/gatepass.yaml");
    assert_eq!(inline, tree::read(&file).unwrap());
}

#[test]
fn every_port_in_it_is_known_and_on_loopback() {
    let known: BTreeSet<u64> = ports::ALL.iter().map(|(port, _)| u64::from(*port)).collect();
    let mut addresses = Vec::new();
    collect(&reference(), "socket_address", &mut addresses);
    assert_eq!(addresses.len(), 6);
    for address in addresses {
        assert_eq!(address["address"], "127.0.0.1");
        assert!(known.contains(&address["port_value"].as_u64().unwrap()), "{address}");
    }
}

#[test]
fn every_cluster_that_carries_keys_or_tokens_verifies_its_peer() {
    for name in ["login", "backend"] {
        let mut tree = reference();
        let cluster = tree::cluster(&mut tree, name).unwrap();
        let tls = &cluster["transport_socket"]["typed_config"];
        let validation = &tls["common_tls_context"]["validation_context"];
        assert!(tls["sni"].is_string(), "{name}");
        assert!(validation["trusted_ca"]["filename"].is_string(), "{name}");
        let names = &validation["match_typed_subject_alt_names"];
        assert_eq!(names[0]["matcher"]["exact"], tls["sni"], "{name}");
    }
}

#[test]
fn the_filter_never_fails_open() {
    let mut tree = reference();
    let plugin = tree::plugin(&mut tree).unwrap();
    assert_eq!(plugin["failure_policy"], "FAIL_RELOAD");
    assert!(plugin.get("fail_open").is_none());
    assert_eq!(plugin["vm_config"]["vm_id"], "gatepass");
}

#[test]
fn a_run_of_its_own_gets_other_ports_and_files() {
    let mut tree = reference();
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

fn collect(tree: &Value, name: &str, found: &mut Vec<Value>) {
    match tree {
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        Value::Object(members) => {
            for (key, value) in members {
                if key == name {
                    found.push(value.clone());
                }
                collect(value, name, found);
            }
        }
        _ => {}
    }
}
