//! Finds Gatepass's configuration in a file: alone, in an `envoy.yaml` or xDS resource, in an Istio `WasmPlugin`, in an
//! Envoy Gateway `EnvoyExtensionPolicy`.

use crate::document::{Node, Value};

/// Members by which a configuration of ours is told from another plugin's.
const OURS: [&str; 4] = ["operations", "issuers", "identities", "subscription_keys"];

/// A configuration of ours.
pub(crate) struct Found<'d> {
    pub(crate) configuration: &'d Node,
    pub(crate) around: Around<'d>,
}

/// What surrounds it.
#[derive(Clone, Copy)]
pub(crate) enum Around<'d> {
    /// Nothing: the file is the configuration.
    Nothing,
    /// An Envoy filter: its `config`, and the HTTP connection manager and listener that it is in, where the file has
    /// them.
    Envoy { plugin: &'d Node, manager: Option<&'d Node>, listener: Option<&'d Node> },
    /// A `WasmPlugin` or one entry of an `EnvoyExtensionPolicy`.
    Kubernetes { plugin: &'d Node, kind: &'static str },
}

/// All configurations of ours in a document.
pub(crate) fn find(document: &Node) -> Vec<Found<'_>> {
    match document.get("kind").and_then(Node::as_str) {
        Some("WasmPlugin") => {
            let plugin = document.get("spec");
            return kubernetes(plugin, "pluginConfig", "WasmPlugin").into_iter().collect();
        }
        Some("EnvoyExtensionPolicy") => {
            let plugins = document.at(&["spec", "wasm"]).map(Node::items).unwrap_or_default().iter();
            return plugins
                .filter_map(|plugin| kubernetes(Some(plugin), "config", "EnvoyExtensionPolicy"))
                .filter(|found| is_ours(found.configuration))
                .collect();
        }
        _ => {}
    }
    let mut found = Vec::new();
    envoy(document, None, None, &mut found);
    let looks_like_envoy = ["static_resources", "dynamic_resources", "resources", "routes", "@type", "kind"]
        .iter()
        .any(|name| document.get(name).is_some());
    if found.is_empty() && !looks_like_envoy {
        found.push(Found { configuration: document, around: Around::Nothing });
    }
    found
}

fn kubernetes<'d>(plugin: Option<&'d Node>, member: &str, kind: &'static str) -> Option<Found<'d>> {
    let plugin = plugin?;
    Some(Found { configuration: plugin.get(member)?, around: Around::Kubernetes { plugin, kind } })
}

fn envoy<'d>(
    node: &'d Node,
    listener: Option<&'d Node>,
    manager: Option<&'d Node>,
    found: &mut Vec<Found<'d>>,
) {
    let listener = if node.get("filter_chains").is_some() { Some(node) } else { listener };
    let manager = if has_type(node, "HttpConnectionManager") { Some(node) } else { manager };
    if has_type(node, "filters.http.wasm.v3.Wasm")
        && let Some(plugin) = node.get("config")
        && let Some(configuration) = plugin.at(&["configuration", "value"])
        && (is_ours(configuration) || is_named_ours(plugin))
    {
        found.push(Found { configuration, around: Around::Envoy { plugin, manager, listener } });
    }
    node.items().iter().for_each(|item| envoy(item, listener, manager, found));
    node.members().iter().for_each(|member| envoy(&member.node, listener, manager, found));
}

/// Whether `@type` ends in this message's name.
pub(crate) fn has_type(node: &Node, name: &str) -> bool {
    node.get("@type").and_then(Node::as_str).is_some_and(|full| full.ends_with(name))
}

/// Written as a string (a `StringValue`), a configuration is ours if it names such a member.
fn is_ours(configuration: &Node) -> bool {
    match &configuration.value {
        Value::String(text) => OURS.iter().any(|name| text.contains(&format!("\"{name}\""))),
        _ => OURS.iter().any(|name| configuration.get(name).is_some()),
    }
}

fn is_named_ours(plugin: &Node) -> bool {
    let names = ["name", "root_id"].into_iter().filter_map(|member| plugin.get(member)?.as_str());
    names.into_iter().any(|name| name.contains("gatepass"))
}
