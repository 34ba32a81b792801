//! What is unsafe or unwise in the Envoy configuration around ours.

use std::collections::BTreeMap;
use std::ops::Range;

use super::find::{Around, Found, has_type};
use super::finding::{Finding, Severity};
use crate::document::{Node, Value};

/// Looks around a configuration; `document` is the file that it was found in.
pub(crate) fn look(document: &Node, found: &Found<'_>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let clusters = Clusters::of(document);
    match found.around {
        Around::Nothing => {}
        Around::Envoy { plugin, manager, listener } => {
            failure_policy(plugin, &mut findings);
            vm_id(plugin, &mut findings);
            if let Some(manager) = manager {
                paths(manager, &mut findings);
            }
            if listener.is_some_and(is_reachable) {
                open_relay(found.configuration, &mut findings);
            }
            clusters.check(found.configuration, &mut findings);
        }
        Around::Kubernetes { plugin, kind } => kubernetes(plugin, kind, found.configuration, &mut findings),
    }
    inline_secrets(found.configuration, &mut findings);
    findings.0
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, code: &'static str, span: Range<usize>, message: String, help: &'static str) {
        self.add(Severity::Error, code, span, message, help);
    }

    fn warning(&mut self, code: &'static str, span: Range<usize>, message: String, help: &'static str) {
        self.add(Severity::Warning, code, span, message, help);
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        span: Range<usize>,
        message: String,
        help: &'static str,
    ) {
        self.0.push(Finding { severity, code, path: String::new(), message, help: Some(help), span });
    }
}

fn failure_policy(plugin: &Node, findings: &mut Findings) {
    let policy = plugin.get("failure_policy").filter(|policy| policy.as_str() == Some("FAIL_OPEN"));
    let open = policy.or_else(|| plugin.get("fail_open").filter(|open| open.is_true()));
    if let Some(open) = open {
        findings.error(
            "fail_open",
            open.span.clone(),
            "when the filter cannot run, every request goes through unchecked".to_owned(),
            "write `failure_policy: FAIL_RELOAD` (a VM that dies is started again), or FAIL_CLOSED",
        );
    }
}

fn vm_id(plugin: &Node, findings: &mut Findings) {
    let Some(vm) = plugin.get("vm_config") else { return };
    let is_named = vm.get("vm_id").and_then(Node::as_str).is_some_and(|id| !id.is_empty());
    if !is_named {
        findings.warning(
            "vm_id_missing",
            vm.first_span(),
            "without `vm_id` the workers share no tokens, so each of them asks for its own".to_owned(),
            "write a `vm_id` that no other plugin has, such as `gatepass`",
        );
    }
}

/// Gatepass and the router must read the same path.
fn paths(manager: &Node, findings: &mut Findings) {
    let at = |node: Option<&Node>| node.map_or_else(|| manager.first_span(), |node| node.span.clone());
    let is_true = |name: &str| manager.get(name).is_some_and(Node::is_true);
    if !is_true("normalize_path") {
        findings.error(
            "path_not_normalized",
            at(manager.get("normalize_path")),
            "Envoy does not bring paths into their normal form here, so a backend may read another path than was checked"
                .to_owned(),
            "write `normalize_path: true` in this HTTP connection manager",
        );
    }
    if is_true("merge_slashes") {
        findings.warning(
            "slashes_merged",
            at(manager.get("merge_slashes")),
            "Envoy merges `//` before Gatepass sees the path, so what it would refuse as ambiguous goes on"
                .to_owned(),
            "leave `merge_slashes` out unless a backend needs it",
        );
    }
    let underscores = manager.at(&["common_http_protocol_options", "headers_with_underscores_action"]);
    if underscores.and_then(Node::as_str).is_none_or(|action| action == "ALLOW") {
        findings.warning(
            "underscores_allowed",
            at(underscores),
            "a header `x_role` passes, and many backends read it as `x-role`".to_owned(),
            "write `common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}`",
        );
    }
}

/// Whether a listener can be reached from another machine.
fn is_reachable(listener: &Node) -> bool {
    let address = listener.at(&["address", "socket_address", "address"]).and_then(Node::as_str);
    address.is_some_and(|address| !is_loopback(address))
}

fn is_loopback(address: &str) -> bool {
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()) || address == "localhost"
}

/// Where anyone may call without a token and the backend is called with ours, the gateway's rights are everybody's.
fn open_relay(configuration: &Node, findings: &mut Findings) {
    for operation in configuration.get("operations").map(Node::items).unwrap_or_default() {
        let is_anonymous = operation.get("anonymous").is_some_and(Node::is_true);
        if let (true, Some(attach)) = (is_anonymous, operation.get("attach")) {
            findings.warning(
                "anonymous_with_attach",
                attach.first_span(),
                "whoever reaches this listener calls the backend with this gateway's identity".to_owned(),
                "let the operation ask for a token or a subscription key, or bind the listener to loopback",
            );
        }
    }
}

fn inline_secrets(configuration: &Node, findings: &mut Findings) {
    configuration.walk(&mut |node| {
        for member in node.members().iter().filter(|member| member.name == "inline") {
            findings.warning(
                "inline_secret",
                member.name_span.clone(),
                "a secret stands in the configuration, where everyone who may read it finds it".to_owned(),
                "put it into `secrets` as `env`, `file` or `key_vault`, and write `{ref: name}` here",
            );
        }
    });
}

fn kubernetes(plugin: &Node, kind: &str, configuration: &Node, findings: &mut Findings) {
    let open = ["failStrategy", "failOpen"]
        .into_iter()
        .find_map(|name| plugin.get(name))
        .filter(|node| node.is_true() || node.as_str() == Some("FAIL_OPEN"));
    if let Some(open) = open {
        findings.error(
            "fail_open",
            open.span.clone(),
            "when the filter cannot run, every request goes through unchecked".to_owned(),
            "leave it out: the default is closed",
        );
    }
    if kind == "WasmPlugin" && configuration.get("shared_cache").is_none() {
        findings.warning(
            "vm_id_missing",
            configuration.first_span(),
            "Istio gives plugins no `vm_id`, so the workers share no tokens unless the configuration says so"
                .to_owned(),
            "write `shared_cache: on` if no other Wasm plugin runs in this proxy, else `off`",
        );
    }
}

/// The clusters of a file, by name.
struct Clusters<'d> {
    by_name: BTreeMap<&'d str, &'d Node>,
    /// Whether there may be more of them, from a management server.
    are_all: bool,
}

impl<'d> Clusters<'d> {
    fn of(document: &'d Node) -> Self {
        let listed = document.at(&["static_resources", "clusters"]).map(Node::items).unwrap_or_default();
        let by_name =
            listed.iter().filter_map(|cluster| Some((cluster.get("name")?.as_str()?, cluster))).collect();
        let are_all = document.get("static_resources").is_some()
            && document.at(&["dynamic_resources", "cds_config"]).is_none();
        Self { by_name, are_all }
    }

    /// Each cluster that the configuration calls must be there, and verify its peer unless it stays on this machine.
    fn check(&self, configuration: &Node, findings: &mut Findings) {
        configuration.walk(&mut |node| {
            for member in node.members() {
                match (member.name.as_str(), &member.node.value) {
                    ("cluster", Value::String(name)) => self.called(name, &member.node, findings),
                    ("hosts", Value::Object(hosts)) => hosts.iter().for_each(|host| {
                        host.node
                            .as_str()
                            .into_iter()
                            .for_each(|name| self.called(name, &host.node, findings));
                    }),
                    ("clusters", Value::List(names)) => names.iter().for_each(|name| {
                        if let Some(text) = name.as_str() {
                            self.is_there(text, name, findings);
                        }
                    }),
                    _ => {}
                }
            }
        });
    }

    fn is_there(&self, name: &str, at: &Node, findings: &mut Findings) -> Option<&'d Node> {
        let cluster = self.by_name.get(name).copied();
        if cluster.is_none() && self.are_all {
            findings.error(
                "cluster_missing",
                at.span.clone(),
                format!("there is no cluster `{name}` in this file"),
                "add it to `static_resources.clusters`, or mend the name",
            );
        }
        cluster
    }

    fn called(&self, name: &str, at: &Node, findings: &mut Findings) {
        let Some(cluster) = self.is_there(name, at, findings) else { return };
        if stays_on_this_machine(cluster) {
            return;
        }
        let why = match cluster.at(&["transport_socket", "typed_config"]) {
            Some(tls) if has_type(tls, "UpstreamTlsContext") => unverified(tls),
            _ => Some("it speaks plain text"),
        };
        if let Some(why) = why {
            findings.error(
                "peer_not_verified",
                cluster.first_span(),
                format!("keys, tokens or secrets go through the cluster `{name}`, but {why}"),
                "give it an UpstreamTlsContext with `sni`, `trusted_ca` and `match_typed_subject_alt_names`",
            );
        }
    }
}

/// What an `UpstreamTlsContext` lacks to be sure of its peer.
fn unverified(tls: &Node) -> Option<&'static str> {
    let common = tls.get("common_tls_context");
    let combined =
        common.and_then(|common| common.at(&["combined_validation_context", "default_validation_context"]));
    let context = common.and_then(|common| common.get("validation_context")).or(combined);
    let by_sds = common.is_some_and(|common| common.get("validation_context_sds_secret_config").is_some());
    match context {
        None if by_sds => None,
        None => Some("it takes every certificate (there is no `validation_context`)"),
        Some(context) => {
            let has = |name: &str| context.get(name).is_some();
            let pinned = has("verify_certificate_hash") || has("verify_certificate_spki");
            let trusted = has("trusted_ca") || has("system_root_certs") || combined.is_some();
            let named = has("match_typed_subject_alt_names")
                || tls.get("auto_sni_san_validation").is_some_and(Node::is_true);
            match (pinned, trusted, named) {
                (true, ..) | (_, true, true) => None,
                (_, false, _) => Some("it trusts every issuer of certificates (`trusted_ca` is missing)"),
                _ => Some("it takes a certificate for any name (`match_typed_subject_alt_names` is missing)"),
            }
        }
    }
}

/// Whether all endpoints are pipes, loopback or link-local (the instance metadata service) addresses.
fn stays_on_this_machine(cluster: &Node) -> bool {
    let mut addresses = Vec::new();
    let mut pipes = 0_usize;
    if let Some(endpoints) = cluster.at(&["load_assignment", "endpoints"]) {
        endpoints.walk(&mut |node| {
            pipes += usize::from(node.get("pipe").is_some());
            addresses.extend(node.at(&["socket_address", "address"]).and_then(Node::as_str));
        });
    }
    let is_local = |address: &&str| match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(std::net::IpAddr::V6(address)) => address.is_loopback() || address.is_unicast_link_local(),
        Err(_) => *address == "localhost",
    };
    pipes + addresses.len() > 0 && addresses.iter().all(is_local)
}
