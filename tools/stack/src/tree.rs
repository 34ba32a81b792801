//! Envoy's configuration as a tree, and the changes that a run makes to it.

use std::{fs, path::Path};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Error, ports::Replacements};

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const STRING: &str = "type.googleapis.com/google.protobuf.StringValue";

/// Reads a YAML file.
pub fn read(file: &Path) -> Result<Value, Error> {
    read_as(file)
}

/// Reads a YAML file into what it describes.
pub(crate) fn read_as<T: DeserializeOwned>(file: &Path) -> Result<T, Error> {
    serde_yaml_ng::from_str(&text(file)?).map_err(|error| problem(file, &error))
}

/// The text of a file.
pub(crate) fn text(file: &Path) -> Result<String, Error> {
    fs::read_to_string(file).map_err(|error| problem(file, &error))
}

fn problem(file: &Path, problem: &dyn std::error::Error) -> Error {
    Error::Configuration { file: file.to_owned(), problem: problem.to_string() }
}

/// Writes other ports in place of the fixed ones.
pub fn replace_ports(tree: &mut Value, ports: &Replacements) {
    each_member(tree, &mut |name, value| {
        if name == "port_value"
            && let Some(port) = value.as_u64().and_then(|port| u16::try_from(port).ok())
            && let Some(other) = ports.get(&port)
        {
            *value = json!(other);
        }
    });
}

/// Writes `to` in place of `from` wherever a text names a file below it.
pub fn replace_files(tree: &mut Value, from: &str, to: &Path) {
    each_member(tree, &mut |_, value| {
        if let Value::String(text) = value
            && text.contains(from)
        {
            *text = text.replace(from, &to.display().to_string());
        }
    });
}

/// The listeners on TCP ports: name and port.
pub fn listeners(tree: &Value) -> Vec<(String, u16)> {
    let listeners = tree.pointer("/static_resources/listeners").and_then(Value::as_array);
    let port =
        |listener: &Value| listener.pointer("/address/socket_address/port_value")?.as_u64()?.try_into().ok();
    let name = |listener: &Value| Some(listener.get("name")?.as_str()?.to_owned());
    listeners.into_iter().flatten().filter_map(|listener| Some((name(listener)?, port(listener)?))).collect()
}

/// The ports of the listeners on TCP, each with the listener's name.
pub(crate) fn listener_addresses(tree: &mut Value) -> Vec<(String, &mut Value)> {
    let listeners = tree.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
    let mut found = Vec::new();
    for listener in listeners.into_iter().flatten() {
        let name = listener.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(port) = listener.pointer_mut("/address/socket_address/port_value") {
            found.push((name, port));
        }
    }
    found
}

/// The HTTP filters of the first connection manager.
pub fn http_filters(tree: &mut Value) -> Option<&mut Vec<Value>> {
    manager(tree)?.get_mut("http_filters")?.as_array_mut()
}

/// The first HTTP connection manager.
pub fn manager(tree: &mut Value) -> Option<&mut Value> {
    of_type(tree, MANAGER)
}

/// Gatepass's own part: name, VM and configuration.
pub fn plugin(tree: &mut Value) -> Option<&mut Value> {
    of_type(tree, WASM)?.get_mut("config")
}

/// The entry of Gatepass among the HTTP filters.
pub fn filter(tree: &mut Value) -> Option<&mut Value> {
    http_filters(tree)?
        .iter_mut()
        .find(|filter| filter.pointer("/typed_config/@type").is_some_and(|kind| kind == WASM))
}

/// A cluster by its name.
pub fn cluster<'tree>(tree: &'tree mut Value, name: &str) -> Option<&'tree mut Value> {
    clusters(tree)?.iter_mut().find(|cluster| cluster.get("name").is_some_and(|found| found == name))
}

/// All clusters.
pub fn clusters(tree: &mut Value) -> Option<&mut Vec<Value>> {
    tree.pointer_mut("/static_resources/clusters")?.as_array_mut()
}

/// The filter's configuration, as the plugin will read it.
pub fn configuration(tree: &mut Value) -> Option<String> {
    let configuration = plugin(tree)?.get("configuration")?;
    match configuration.get("value")? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Gives the filter another configuration: any text, so that a faulty one can be given too.
pub fn set_configuration(tree: &mut Value, text: &str) {
    if let Some(plugin) = plugin(tree).and_then(Value::as_object_mut) {
        let value = json!({"@type": STRING, "value": text});
        plugin.insert("configuration".to_owned(), value);
    }
}

/// A copy of the cluster `login` under another name, for another TLS host on the same address.
pub fn add_login_host(tree: &mut Value, name: &str, host: &str) {
    let Some(mut copy) = cluster(tree, "login").cloned() else { return };
    for (pointer, value) in [
        ("/name", name),
        ("/load_assignment/cluster_name", name),
        ("/transport_socket/typed_config/sni", host),
        (
            "/transport_socket/typed_config/common_tls_context/validation_context\
             /match_typed_subject_alt_names/0/matcher/exact",
            host,
        ),
    ] {
        if let Some(place) = copy.pointer_mut(pointer) {
            *place = json!(value);
        }
    }
    if let Some(clusters) = clusters(tree) {
        clusters.push(copy);
    }
}

/// Sends a cluster to another port on loopback.
pub fn redirect(tree: &mut Value, name: &str, port: u16) {
    if let Some(cluster) = cluster(tree, name) {
        each_member(cluster, &mut |name, value| {
            if name == "port_value" {
                *value = json!(port);
            }
        });
    }
}

fn each_member(tree: &mut Value, visit: &mut impl FnMut(&str, &mut Value)) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(|item| each_member(item, visit)),
        Value::Object(members) => {
            for (name, value) in members {
                visit(name, value);
                each_member(value, visit);
            }
        }
        _ => {}
    }
}

fn of_type<'tree>(tree: &'tree mut Value, kind: &str) -> Option<&'tree mut Value> {
    if tree.get("@type").is_some_and(|found| found == kind) {
        return Some(tree);
    }
    match tree {
        Value::Array(items) => items.iter_mut().find_map(|item| of_type(item, kind)),
        Value::Object(members) => members.values_mut().find_map(|value| of_type(value, kind)),
        _ => None,
    }
}
