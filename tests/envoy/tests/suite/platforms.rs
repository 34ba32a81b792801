//! Tokens from what a platform offers: App Service, Arc, a Kubernetes service account, or the first of these.

use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use gatepass_emulator::{
    Endpoint, TokenSpec,
    directory::{GATEWAY, READER, TENANT},
};
use gatepass_stack::{Builder, Checkout, Stack, tree};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{credentials::*, support::*};

/// What only the emulator knows, for edits that come after it has started.
type Noted = Arc<Mutex<(u16, String)>>;

fn app_service(noted: &Noted) -> Builder {
    let files = Files::new();
    let (to_note, noted) = (Arc::clone(noted), Arc::clone(noted));
    let identity = json!({"managed_identity": {"source": "app_service", "cluster": "platforms"}});
    gateway(&files, &[], identity, json!({}), move |emulator, _| {
        *to_note.lock().unwrap() = (emulator.platforms().port(), emulator.identity_header());
    })
    .edit(move |tree| {
        let (port, header) = noted.lock().unwrap().clone();
        add_cluster(
            tree,
            "platforms",
            &json!({"socket_address": {"address": "127.0.0.1", "port_value": port}}),
        );
        let endpoint = format!("http://localhost:{port}/msi/token");
        set_environment(tree, &[("IDENTITY_ENDPOINT", endpoint), ("IDENTITY_HEADER", header)]);
        // The files' folder is gone by now.
        tree.pointer_mut("/static_resources/listeners").unwrap().as_array_mut().unwrap().truncate(1);
    })
}

#[tokio::test]
async fn app_service_is_asked_where_the_environment_says_and_with_its_header() {
    let noted = Noted::default();
    let stack = one_request_for_all(|| app_service(&noted), Endpoint::AppService, GATEWAY.object_id).await;
    let request = &requests(&stack, Endpoint::AppService)[0];
    assert_eq!(request.header("x-forwarded-for"), None);
    stack.counter_reaches("sources.fetched.app_service", 1).await.unwrap();
    assert!(!stack.log().contains(&noted.lock().unwrap().1), "the header is in the log");
}

/// What `envoy/entrypoint.sh` makes of a template where the platform has set `IDENTITY_ENDPOINT`, and its exit code.
fn entrypoint(template: &str, endpoint: &str) -> (String, String, bool) {
    let folder = TempDir::with_prefix("gatepass-entrypoint-").unwrap();
    let [template_file, rendered] = ["template", "rendered"].map(|name| folder.path().join(name));
    fs::write(&template_file, template).unwrap();
    let script = Checkout::find().unwrap().root().join("envoy/entrypoint.sh");
    let output = Command::new("sh")
        .arg(script)
        .args([&template_file, &rendered])
        .arg("cat")
        .arg(&rendered)
        .env("IDENTITY_ENDPOINT", endpoint)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

#[tokio::test]
async fn the_entrypoint_leads_the_cluster_to_where_the_platform_says() {
    let noted = Noted::default();
    let builder = app_service(&noted).edit(|tree| {
        let variables = tree::plugin(tree).unwrap()["vm_config"]["environment_variables"].clone();
        let endpoint = variables["key_values"]["IDENTITY_ENDPOINT"].as_str().unwrap();
        let cluster = tree::cluster(tree, "platforms").unwrap();
        cluster["type"] = json!("STRICT_DNS");
        cluster["dns_lookup_family"] = json!("V4_PREFERRED");
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] =
            json!({"socket_address": {"address": "@IDENTITY_HOST@", "port_value": "@IDENTITY_PORT@"}});
        let configuration = tree::configuration(tree).unwrap();
        let expect = r#""cluster":"platforms","expect":"@IDENTITY_AUTHORITY@""#;
        let configuration = configuration.replace(r#""cluster":"platforms""#, expect);
        assert!(configuration.contains("@IDENTITY_AUTHORITY@"), "{configuration}");
        tree::set_configuration(tree, &configuration);
        let (rendered, error, good) = entrypoint(&tree.to_string(), endpoint);
        assert!(good, "{error}");
        *tree = serde_json::from_str(&rendered).unwrap();
    });
    let stack = start(builder).await;
    assert_eq!(claims(&get(&stack, "/unprotected").await)["oid"][0], GATEWAY.object_id);
    assert_eq!(stack.emulator().count(Endpoint::AppService), 1);
}

#[test]
fn the_entrypoint_reads_endpoints_as_platforms_write_them_and_refuses_others() {
    let template = "a: @IDENTITY_HOST@\n  b: @IDENTITY_PORT@ \\n\nc: '@IDENTITY_AUTHORITY@' $(id)";
    for (endpoint, host, port, authority) in [
        ("http://localhost:42356/msi/token", "localhost", "42356", "localhost:42356"),
        ("http://169.254.129.5:8081/msi/token?x=y", "169.254.129.5", "8081", "169.254.129.5:8081"),
        ("http://[::1]:8081/msi/token", "::1", "8081", "[::1]:8081"),
        ("http://localhost/msi/token", "localhost", "80", "localhost"),
    ] {
        let expected = format!("a: {host}\n  b: {port} \\n\nc: '{authority}' $(id)\n");
        assert_eq!(entrypoint(template, endpoint), (expected, String::new(), true), "{endpoint}");
    }
    for endpoint in [
        "",
        "localhost:42356",
        "https://localhost:42356/",
        "http://:42356/",
        "http://user@localhost:42356/",
        "http://a b:42356/",
        "http://localhost:0/",
        "http://localhost:042/",
        "http://localhost:65536/",
        "http://localhost:4235a/",
        "http://localhost:1}}, x: {y: 2/",
    ] {
        let (rendered, error, good) = entrypoint(template, endpoint);
        assert!(!good && rendered.is_empty() && error.contains("IDENTITY_ENDPOINT"), "{endpoint}: {error}");
        assert!(endpoint.is_empty() || !error.contains(endpoint), "{error}");
    }
    // A template without the endpoint's address does not need one.
    assert_eq!(entrypoint("a: b", ""), ("a: b\n".to_owned(), String::new(), true));
}

#[test]
fn an_endpoint_elsewhere_than_the_cluster_leads_is_refused_with_a_code_of_its_own() {
    let identity = json!({"managed_identity": {"source": "app_service", "cluster": "imds", "expect": "localhost:42356"}});
    for (port, accepted) in [(42356, true), (42357, false)] {
        let identity = identity.clone();
        let validation = Stack::builder()
            .configure(move |configuration| configuration["identities"]["gateway"] = identity)
            .edit(move |tree| {
                let endpoint = format!("http://localhost:{port}/msi/token");
                let header = "c4n4ry".to_owned();
                set_environment(tree, &[("IDENTITY_ENDPOINT", endpoint), ("IDENTITY_HEADER", header)]);
            })
            .validate()
            .unwrap();
        assert_eq!(validation.accepted, accepted, "{}", validation.log);
        assert_eq!(validation.log.contains("[identity_endpoint_mismatch]"), !accepted, "{}", validation.log);
        assert!(!validation.log.contains("c4n4ry"));
    }
}

/// The agent of Arc, and Envoy's `file_server` for the files of its challenges.
fn arc(noted: &Noted, folder: &Files) -> Builder {
    let identity = json!({"managed_identity": {"source": "arc", "cluster": "himds", "challenge_files": {"cluster": "challenges"}}});
    let (to_note, noted) = (Arc::clone(noted), Arc::clone(noted));
    let socket = json!({"pipe": {"path": format!("{}/arc", folder.path().display())}});
    gateway(folder, &[], identity, json!({}), move |emulator, _| {
        *to_note.lock().unwrap() = (emulator.arc().port(), emulator.arc_tokens().display().to_string());
    })
    .edit(move |tree| {
        let (port, tokens) = noted.lock().unwrap().clone();
        add_cluster(tree, "himds", &json!({"socket_address": {"address": "127.0.0.1", "port_value": port}}));
        serve_folder(tree, "challenges", &socket, "/var/opt/azcmagent/tokens/", &tokens);
    })
}

#[tokio::test]
async fn arc_is_shown_the_content_of_its_challenge_file() {
    let (noted, files) = (Noted::default(), Files::new());
    let stack = one_request_for_all_of(2, || arc(&noted, &files), Endpoint::Arc, GATEWAY.object_id).await;
    stack.counter_reaches("sources.fetched.arc", 1).await.unwrap();
    let sent = requests(&stack, Endpoint::Arc);
    assert_eq!(sent[0].header("authorization"), None);
    assert!(sent[1].header("authorization").is_some_and(|shown| shown.starts_with("<redacted")), "{sent:?}");
}

fn workload(files: &Files, identity: Value) -> Builder {
    gateway(files, &["token"], identity, json!({}), |emulator, folder| {
        put(folder, "token", &emulator.issue(&TokenSpec::service_account()));
    })
    .edit(|tree| {
        let variables = [
            ("AZURE_CLIENT_ID", READER.client_id.to_owned()),
            ("AZURE_TENANT_ID", TENANT.to_owned()),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/".to_owned()),
            ("AZURE_FEDERATED_TOKEN_FILE", "/token".to_owned()),
        ];
        set_environment(tree, &variables);
    })
}

fn pod() -> Value {
    let token = json!({"cluster": "files", "path": "/token", "refresh": "1s"});
    json!({"workload_identity": {"cluster": "login", "token": token}})
}

#[tokio::test]
async fn a_service_accounts_token_is_exchanged_and_followed_when_it_rotates() {
    let files = Files::new();
    let short = |builder: Builder| {
        builder.prepare(|emulator| emulator.set_client_token_lifetime(Duration::from_secs(20)))
    };
    let builder = || short(workload(&files, pod()));
    let stack = one_request_for_all(builder, Endpoint::Token, READER.object_id).await;
    let rotated = stack.emulator().issue(&TokenSpec::service_account().claim("jti", "rotated"));
    files.put("token", &rotated);
    eventually("a request with the new token", Duration::from_secs(30), || async {
        get(&stack, "/unprotected").await;
        let last = requests(&stack, Endpoint::Token).pop().unwrap();
        last.assertion.is_some_and(|assertion| assertion.claims["jti"] == "rotated")
    })
    .await;
    assert!(!stack.log().contains(part(&rotated, 2)));
}

#[tokio::test]
async fn a_chain_takes_workload_identity_where_its_variables_are_and_imds_where_they_are_not() {
    let files = Files::new();
    let chain = |configuration: &mut Value| {
        let identities = &mut configuration["identities"];
        identities["pod"] = pod();
        identities["machine"] = json!({"managed_identity": {"source": "imds", "cluster": "imds"}});
        identities["gateway"] = json!({"chain": ["pod", "machine"]});
    };
    let stack = start(workload(&files, pod()).configure(chain)).await;
    assert_eq!(claims(&get(&stack, "/unprotected").await)["oid"][0], READER.object_id);
    assert_eq!(stack.emulator().count(Endpoint::Imds), 0);
    assert!(stack.log().contains(r#"of its chain, "pod" is what the environment offers"#), "{}", stack.log());
    drop(stack);
    let stack = start(workload(&files, pod()).configure(chain).edit(|tree| set_environment(tree, &[]))).await;
    assert_eq!(claims(&get(&stack, "/unprotected").await)["oid"][0], GATEWAY.object_id);
    assert_eq!(stack.emulator().count(Endpoint::Token), 0);
}
