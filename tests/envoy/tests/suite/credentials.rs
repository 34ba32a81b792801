//! A gateway with credentials of any kind: what tests of sources and secrets have in common.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gatepass_emulator::{
    Emulator, Endpoint,
    directory::{CALLER, TENANT},
};
use gatepass_stack::{Answer, Builder, Stack, tree};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::*;

const HCM: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const FILE_CONTENT: &str = "type.googleapis.com/envoy.extensions.formatter.file_content.v3.FileContent";
const FILE_SERVER: &str = "type.googleapis.com/envoy.extensions.filters.http.file_server.v3.FileServerConfig";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// Files that Envoy serves on a Unix socket, each under its own name.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Self {
        Self(TempDir::with_prefix("gatepass-files-").unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Puts a file in the place of another, as Kubernetes does.
    pub fn put(&self, name: &str, content: &str) {
        put(self.0.path(), name, content);
    }
}

pub fn put(folder: &Path, name: &str, content: &str) {
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, content).unwrap();
    fs::rename(new, folder.join(name)).unwrap();
}

/// The listener that serves the files of a folder, and the cluster that leads to it.
pub fn serve(tree: &mut Value, folder: &Path, names: &[&str]) {
    let routes: Vec<_> = names
        .iter()
        .map(|name| {
            let content = format!("%FILE_CONTENT({0}/{name}:{0})%", folder.display());
            let format = json!({
                "text_format_source": {"inline_string": content},
                "formatters": [{"name": "envoy.formatter.file_content", "typed_config": {"@type": FILE_CONTENT}}],
            });
            let response = json!({"status": 200, "body_format": format});
            json!({"match": {"path": format!("/{name}")}, "direct_response": response})
        })
        .collect();
    let socket = json!({"pipe": {"path": format!("{}/socket", folder.display())}});
    let router = json!({"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}});
    add_listener(tree, "files", &socket, &json!(routes), &json!([router]));
}

/// The listener that serves a folder, whatever is in it, under a path, and the cluster that leads to it.
pub fn serve_folder(tree: &mut Value, name: &str, socket: &Value, path: &str, folder: &str) {
    let mapping = json!({"request_path_prefix": path, "file_path_prefix": format!("{folder}/")});
    let threads = json!({"thread_pool": {"thread_count": 1}});
    let server = json!({"@type": FILE_SERVER, "manager_config": threads, "path_mappings": [mapping]});
    let server = json!({"name": "envoy.filters.http.file_server", "typed_config": server});
    let router = json!({"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}});
    let nothing = json!([{"match": {"prefix": "/"}, "direct_response": {"status": 404}}]);
    add_listener(tree, name, socket, &nothing, &json!([server, router]));
}

fn add_listener(tree: &mut Value, name: &str, socket: &Value, routes: &Value, filters: &Value) {
    let manager = json!({
        "@type": HCM,
        "stat_prefix": name,
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}]},
        "http_filters": filters,
    });
    let filter = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager});
    let listener = json!({"name": name, "address": socket, "filter_chains": [{"filters": [filter]}]});
    tree.pointer_mut("/static_resources/listeners").unwrap().as_array_mut().unwrap().push(listener);
    add_cluster(tree, name, socket);
}

pub fn add_cluster(tree: &mut Value, name: &str, address: &Value) {
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": address}}]}]);
    let assignment = json!({"cluster_name": name, "endpoints": endpoints});
    tree::clusters(tree).unwrap().push(json!({
        "name": name, "type": "STATIC", "connect_timeout": "3s", "load_assignment": assignment,
    }));
}

/// `/unprotected` goes straight to the backend, which shows the token that it was sent.
pub fn to_the_backend(tree: &mut Value) {
    let route = json!({"match": {"path": "/unprotected"}, "route": {"cluster": "backend"}});
    let routes = tree::manager(tree).unwrap().pointer_mut("/route_config/virtual_hosts/0/routes").unwrap();
    routes.as_array_mut().unwrap().insert(0, route);
}

pub fn set_environment(tree: &mut Value, variables: &[(&str, String)]) {
    let variables: serde_json::Map<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    tree::plugin(tree).unwrap()["vm_config"]["environment_variables"] = json!({"key_values": variables});
}

/// A gateway whose token comes from `identity`, with these secrets; `prepare` may write files into the folder that
/// Envoy serves (`names`) before Envoy starts.
pub fn gateway(
    files: &Files,
    names: &'static [&'static str],
    identity: Value,
    secrets: Value,
    prepare: impl Fn(&Emulator, &Path) + Send + 'static,
) -> Builder {
    let (folder, served) = (files.path(), files.path());
    Stack::builder()
        .prepare(move |emulator| prepare(emulator, &folder))
        .configure(move |configuration| {
            configuration["secrets"] = secrets;
            configuration["identities"] = json!({"gateway": identity});
        })
        .edit(move |tree| {
            serve(tree, &served, names);
            to_the_backend(tree);
            tree::add_login_host(tree, "partner", "idp.partner.example");
            tree::add_login_host(tree, "vault", "contoso.vault.azure.net");
        })
}

pub fn from_file(name: &str) -> Value {
    json!({"file": {"cluster": "files", "path": format!("/{name}"), "refresh": "1s"}})
}

pub fn entra(credential: (&str, Value)) -> Value {
    let mut client = json!({"entra": {"tenant": TENANT, "cluster": "login"}, "client_id": CALLER.client_id});
    client[credential.0] = credential.1;
    json!({"client_credentials": client})
}

pub fn partner(credential: (&str, Value)) -> Value {
    let (url, client_id) = ("https://idp.partner.example/token", CALLER.client_id);
    let mut client = json!({"token_url": url, "cluster": "partner", "client_id": client_id});
    client[credential.0] = credential.1;
    json!({"client_credentials": client})
}

pub fn secret_of_the_caller(emulator: &Emulator) -> String {
    format!("{}\n", emulator.client_secret(CALLER.client_id).unwrap())
}

/// The claims of the token that the backend saw.
pub fn claims(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["Claims"].clone()
}

/// Many requests at the same moment against a cold cache, on two workers and on four: one token request, and all of
/// them reach the backend with a token of `subject`.
pub async fn one_request_for_all(builder: impl Fn() -> Builder, endpoint: Endpoint, subject: &str) -> Stack {
    one_request_for_all_of(1, builder, endpoint, subject).await
}

/// The same where a token takes so many requests to its endpoint.
pub async fn one_request_for_all_of(
    requests: usize,
    builder: impl Fn() -> Builder,
    endpoint: Endpoint,
    subject: &str,
) -> Stack {
    let mut last: Option<Stack> = None;
    for workers in [2, 4] {
        // The files' socket is one for both.
        drop(last.take());
        let stack = start(builder().concurrency(workers)).await;
        assert_all_good(stack.at_once(60, &GET, "/unprotected").await);
        assert_eq!(stack.emulator().count(endpoint), requests, "{workers} workers: {}", stack.log());
        let answer = get(&stack, "/unprotected").await;
        let claims = claims(&answer);
        let of = [&claims["oid"], &claims["sub"], &claims["azp"]];
        assert!(of.iter().any(|claim| claim[0] == subject), "{claims}");
        assert_eq!(stack.emulator().count(endpoint), requests);
        assert_no_crash(&stack);
        last = Some(stack);
    }
    last.unwrap()
}
