//! The Envoy configurations in `envoy/kubernetes`, on the real Envoy. Their other parts: `make kubernetes`.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use gatepass_emulator::{
    Endpoint, TokenSpec,
    directory::{READER, TENANT},
};
use gatepass_stack::{Checkout, Stack, Validation, ports::Reservation, tree};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::*;

/// The documents of a file.
fn documents(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(kubernetes().join(file)).unwrap();
    let parts = text.split("\n---\n").map(str::to_owned).collect::<Vec<_>>();
    parts.iter().map(|part| parsed(part)).collect()
}

fn parsed(yaml: &str) -> Value {
    let folder = TempDir::with_prefix("gatepass-yaml-").unwrap();
    let file = folder.path().join("document.yaml");
    fs::write(&file, yaml).unwrap();
    tree::read(&file).unwrap()
}

fn kubernetes() -> PathBuf {
    Checkout::find().unwrap().root().join("envoy/kubernetes")
}

/// A projected volume as the kubelet makes and renews it: the file is a link into a folder that is itself a link, and
/// that link is what changes.
struct Projected(PathBuf);

impl Projected {
    const FILE: &str = "azure-identity-token";

    fn new(folder: &Path, token: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let volume = Self(folder.to_owned());
        volume.renew("..first", token);
        symlink(Path::new("..data").join(Self::FILE), folder.join(Self::FILE)).unwrap();
        volume
    }

    fn renew(&self, version: &str, token: &str) {
        fs::create_dir(self.0.join(version)).unwrap();
        fs::write(self.0.join(version).join(Self::FILE), token).unwrap();
        symlink(version, self.0.join("..data_tmp")).unwrap();
        fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
    }
}

/// The sidecar, with the addresses and files of this run: nothing else is changed.
async fn sidecar(folder: &Path) -> Stack {
    let (sockets, token) = (folder.join("sockets"), folder.join("token"));
    fs::create_dir(&sockets).unwrap();
    let volume = token.clone();
    // Envoy does not share the port of its administration, so this one is free again.
    let admin = Reservation::new().unwrap().address().port();
    let builder = Stack::builder()
        .prepare(move |emulator| {
            emulator.set_client_token_lifetime(Duration::from_secs(20));
            Projected::new(&volume, &emulator.issue(&TokenSpec::service_account()));
        })
        .edit(move |tree| {
            let reference = tree.clone();
            let text = fs::read_to_string(kubernetes().join("sidecar/envoy.yaml")).unwrap();
            let text = text
                .replace("/var/run/secrets/gatepass", &token.display().to_string())
                .replace("/run/gatepass", &sockets.display().to_string())
                .replace("api://orders", "api://contoso-api")
                .replace("token: {cluster: files,", "token: {refresh: 1s, cluster: files,");
            *tree = parsed(&text);
            let at = |pointer: &str| reference.pointer(pointer).unwrap().clone();
            let listeners = "/static_resources/listeners";
            for (pointer, value) in [
                (format!("{listeners}/0/address"), at(&format!("{listeners}/0/address"))),
                (format!("{listeners}/2/address/socket_address/port_value"), json!(0)),
                ("/admin/address/socket_address/port_value".to_owned(), json!(admin)),
            ] {
                *tree.pointer_mut(&pointer).unwrap() = value;
            }
            let mut reference = reference;
            for (name, of) in [("login", "login"), ("orders", "backend")] {
                let mut cluster = tree::cluster(&mut reference, of).unwrap().clone();
                cluster["name"] = json!(name);
                *tree::cluster(tree, name).unwrap() = cluster;
            }
            tree::redirect(tree, "admin", admin);
            let module = tree::plugin(&mut reference).unwrap()["vm_config"]["code"].clone();
            let vm = &mut tree::plugin(tree).unwrap()["vm_config"];
            vm["code"] = module;
            // Not from the environment of this process, which all tests share.
            vm["environment_variables"] = json!({"key_values": {
                "AZURE_CLIENT_ID": READER.client_id,
                "AZURE_TENANT_ID": TENANT,
                "AZURE_AUTHORITY_HOST": "https://login.microsoftonline.com/",
            }});
        });
    start(builder).await
}

#[tokio::test]
async fn the_sidecar_brings_the_pods_token_and_follows_the_kubelet_when_it_renews_it() {
    let folder = TempDir::with_prefix("gatepass-pod-").unwrap();
    let stack = sidecar(folder.path()).await;
    let answer = get(&stack, "/orders").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["Subject"], READER.object_id, "{}", answer.text());
    assert_refused(&get(&stack, "/elsewhere").await, 404, "Resource not found");

    let renewed = stack.emulator().issue(&TokenSpec::service_account().claim("jti", "renewed"));
    Projected(folder.path().join("token")).renew("..second", &renewed);
    eventually("a request with the renewed token", Duration::from_secs(30), || async {
        get(&stack, "/orders").await;
        let last = requests(&stack, Endpoint::Token).pop().unwrap();
        last.assertion.is_some_and(|assertion| assertion.claims["jti"] == "renewed")
    })
    .await;
}

#[tokio::test]
async fn the_kubelet_and_prometheus_reach_two_paths_of_the_administration_and_no_other() {
    let folder = TempDir::with_prefix("gatepass-pod-").unwrap();
    let stack = sidecar(folder.path()).await;
    let health = stack.listeners()["health"];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |method, path| {
        let url = format!("http://{health}{path}");
        http.request(method, url).send().await.unwrap()
    };
    assert_eq!(ask(GET, "/ready").await.text().await.unwrap().trim(), "LIVE");
    let statistics = ask(GET, "/stats/prometheus").await.text().await.unwrap();
    assert!(statistics.contains("envoy_cluster_name=\"login\""), "{statistics}");
    for (method, path) in [
        (POST, "/ready"),
        (POST, "/quitquitquit"),
        (GET, "/quitquitquit"),
        (GET, "/config_dump"),
        (GET, "/"),
        (GET, "/ready/../config_dump"),
        (GET, "/stats"),
    ] {
        assert_eq!(ask(method.clone(), path).await.status(), 404, "{method} {path}");
    }
}

/// Whether Envoy takes the reference configuration with this plugin configuration, as a string, as Istio and Envoy
/// Gateway hand it over, and with these listeners and clusters beside it.
fn validated(configuration: &Value, listeners: Vec<Value>, clusters: Vec<Value>) -> Validation {
    let text = configuration.to_string();
    let folder = TempDir::with_prefix("gatepass-pod-").unwrap();
    // Envoy reads the certificates of the system and watches the token's folder: both may be missing here.
    let local = folder.path().display().to_string();
    fs::write(folder.path().join("azure-identity-token"), "x").unwrap();
    let here = |value: Vec<Value>| -> Vec<Value> {
        let text = Value::from(value).to_string();
        let text = text
            .replace("/var/run/secrets/gatepass", &local)
            .replace("/run/gatepass", &local)
            .replace("/etc/ssl/certs/ca-certificates.crt", &format!("{local}/azure-identity-token"));
        serde_json::from_str(&text).unwrap()
    };
    let (listeners, mut clusters) = (here(listeners), here(clusters));
    // `validate` leaves out the reference's own transport sockets for the same reason: there is no certificate.
    for cluster in &mut clusters {
        cluster.as_object_mut().unwrap().remove("transport_socket");
    }
    Stack::builder()
        .configuration(&text)
        .edit(move |tree| {
            for (pointer, mut added) in
                [("/static_resources/listeners", listeners), ("/static_resources/clusters", clusters)]
            {
                let there = tree.pointer_mut(pointer).unwrap().as_array_mut().unwrap();
                let names: Vec<_> = added.iter().map(|item| item["name"].clone()).collect();
                there.retain(|item| !names.contains(&item["name"]));
                there.append(&mut added);
            }
            let variables = json!({"AZURE_CLIENT_ID": READER.client_id, "AZURE_TENANT_ID": TENANT});
            tree::plugin(tree).unwrap()["vm_config"]["environment_variables"] =
                json!({"key_values": variables});
        })
        .validate()
        .unwrap()
}

#[test]
fn envoy_takes_what_envoy_gateway_puts_into_its_bootstrap_and_into_the_plugin() {
    let proxy = documents("envoy-gateway/proxy.yaml").remove(0);
    let bootstrap = parsed(proxy.pointer("/spec/bootstrap/value").unwrap().as_str().unwrap());
    let policy = documents("envoy-gateway/extension-policy.yaml").remove(0);
    let resources = |name: &str| bootstrap["static_resources"][name].as_array().unwrap().clone();
    let validation =
        validated(&policy["spec"]["wasm"][0]["config"], resources("listeners"), resources("clusters"));
    assert!(validation.accepted, "{}", validation.log);
}

#[test]
fn envoy_takes_what_istio_adds_and_the_plugins_configuration() {
    let plugin = documents("istio/wasm-plugin.yaml").remove(0);
    let filter = documents("istio/token-file.yaml").remove(0);
    let added = |kind: &str| {
        let patches = filter["spec"]["configPatches"].as_array().unwrap();
        patches
            .iter()
            .filter(|patch| patch["applyTo"] == kind)
            .map(|patch| patch["patch"]["value"].clone())
            .collect()
    };
    let validation = validated(&plugin["spec"]["pluginConfig"], added("LISTENER"), added("CLUSTER"));
    assert!(validation.accepted, "{}", validation.log);
}
