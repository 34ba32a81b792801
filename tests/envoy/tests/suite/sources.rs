//! Where outbound tokens come from besides IMDS, and the secrets that they are asked for with.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use gatepass_emulator::{
    Algorithm, Emulator, Endpoint, Fault, TokenSpec, VaultSecret,
    directory::{CALLER, GATEWAY, READER, TENANT},
};
use gatepass_stack::{Answer, Builder, Stack, tree};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::*;

const HCM: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const FILE_CONTENT: &str = "type.googleapis.com/envoy.extensions.formatter.file_content.v3.FileContent";
const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

/// Files that Envoy serves on a Unix socket, each under its own name.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Self {
        Self(TempDir::with_prefix("gatepass-files-").unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    /// Puts a file in the place of another, as Kubernetes does.
    fn put(&self, name: &str, content: &str) {
        put(self.0.path(), name, content);
    }
}

fn put(folder: &Path, name: &str, content: &str) {
    let new = folder.join(format!("{name}.new"));
    fs::write(&new, content).unwrap();
    fs::rename(new, folder.join(name)).unwrap();
}

/// The listener that serves the files of a folder, and the cluster that leads to it.
fn serve(tree: &mut Value, folder: &Path, names: &[&str]) {
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
    let manager = json!({
        "@type": HCM,
        "stat_prefix": "files",
        "route_config": {"virtual_hosts": [{"name": "files", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
    });
    let filter = json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": manager});
    let listener = json!({"name": "files", "address": socket, "filter_chains": [{"filters": [filter]}]});
    tree.pointer_mut("/static_resources/listeners").unwrap().as_array_mut().unwrap().push(listener);
    add_cluster(tree, "files", &socket);
}

fn add_cluster(tree: &mut Value, name: &str, address: &Value) {
    let endpoints = json!([{"lb_endpoints": [{"endpoint": {"address": address}}]}]);
    let assignment = json!({"cluster_name": name, "endpoints": endpoints});
    tree::clusters(tree).unwrap().push(json!({
        "name": name, "type": "STATIC", "connect_timeout": "3s", "load_assignment": assignment,
    }));
}

/// `/unprotected` goes straight to the backend, which shows the token that it was sent.
fn to_the_backend(tree: &mut Value) {
    let route = json!({"match": {"path": "/unprotected"}, "route": {"cluster": "backend"}});
    let routes = tree::manager(tree).unwrap().pointer_mut("/route_config/virtual_hosts/0/routes").unwrap();
    routes.as_array_mut().unwrap().insert(0, route);
}

fn set_environment(tree: &mut Value, variables: &[(&str, String)]) {
    let variables: serde_json::Map<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    tree::plugin(tree).unwrap()["vm_config"]["environment_variables"] = json!({"key_values": variables});
}

/// A gateway whose token comes from `identity`, with these secrets; `prepare` may write files into the folder that
/// Envoy serves (`names`) before Envoy starts.
fn gateway(
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

fn from_file(name: &str) -> Value {
    json!({"file": {"cluster": "files", "path": format!("/{name}"), "refresh": "1s"}})
}

fn entra(credential: (&str, Value)) -> Value {
    let mut client = json!({"entra": {"tenant": TENANT, "cluster": "login"}, "client_id": CALLER.client_id});
    client[credential.0] = credential.1;
    json!({"client_credentials": client})
}

fn partner(credential: (&str, Value)) -> Value {
    let (url, client_id) = ("https://idp.partner.example/token", CALLER.client_id);
    let mut client = json!({"token_url": url, "cluster": "partner", "client_id": client_id});
    client[credential.0] = credential.1;
    json!({"client_credentials": client})
}

fn secret_of_the_caller(emulator: &Emulator) -> String {
    format!("{}\n", emulator.client_secret(CALLER.client_id).unwrap())
}

/// The claims of the token that the backend saw.
fn claims(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["Claims"].clone()
}

/// Many requests at the same moment against a cold cache, on two workers and on four: one token request, and all of
/// them reach the backend with a token of `subject`.
async fn one_request_for_all(builder: impl Fn() -> Builder, endpoint: Endpoint, subject: &str) -> Stack {
    let mut last: Option<Stack> = None;
    for workers in [2, 4] {
        // The files' socket is one for both.
        drop(last.take());
        let stack = start(builder().concurrency(workers)).await;
        assert_all_good(stack.at_once(60, &GET, "/unprotected").await);
        assert_eq!(stack.emulator().count(endpoint), 1, "{workers} workers: {}", stack.log());
        let answer = get(&stack, "/unprotected").await;
        let claims = claims(&answer);
        let of = [&claims["oid"], &claims["sub"], &claims["azp"]];
        assert!(of.iter().any(|claim| claim[0] == subject), "{claims}");
        assert_eq!(stack.emulator().count(endpoint), 1);
        assert_no_crash(&stack);
        last = Some(stack);
    }
    last.unwrap()
}

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

pub fn client_secret(files: &Files) -> Builder {
    let (identity, secrets) =
        (entra(("client_secret", json!({"ref": "key"}))), json!({"key": from_file("key")}));
    gateway(files, &["key"], identity, secrets, |emulator, folder| {
        put(folder, "key", &secret_of_the_caller(emulator));
    })
}

#[tokio::test]
async fn a_client_secret_from_a_file_brings_a_token() {
    let files = Files::new();
    let stack = one_request_for_all(|| client_secret(&files), Endpoint::Token, CALLER.object_id).await;
    assert_eq!(claims(&get(&stack, "/unprotected").await)["azpacr"][0], "1");
    stack.counter_reaches("tokens.seconds_left.gateway", 3_000).await.unwrap();
    assert_eq!(stack.counter("tokens.failing_seconds.gateway").await.unwrap(), 0);
    assert!(!stack.log().contains(stack.emulator().client_secret(CALLER.client_id).unwrap()));
}

#[tokio::test]
async fn a_wrong_secret_is_a_clear_refusal_and_the_right_one_ends_the_wait_at_once() {
    let files = Files::new();
    let stack = start(client_secret(&files).prepare({
        let folder = files.path();
        move |_| put(&folder, "key", "wr0ng-s3cret")
    }))
    .await;
    assert_unavailable(&get(&stack, "/unprotected").await);
    let failed = stack.emulator().count(Endpoint::Token);
    assert!((1..=2).contains(&failed), "{failed}");
    let log = stack.log();
    assert!(log.contains("status 401 (invalid_client, AADSTS7000215, correlation id "), "{log}");
    assert!(!log.contains("wr0ng-s3cret"), "the secret is in the log");
    stack.counter_reaches("tokens.failed.status", 1).await.unwrap();
    // Permanent: nobody asks again for a minute, however many want a token.
    for _ in 0..20 {
        assert_unavailable(&get(&stack, "/unprotected").await);
    }
    assert_eq!(stack.emulator().count(Endpoint::Token), failed);
    files.put("key", &secret_of_the_caller(stack.emulator()));
    let took = eventually("a token with the new secret", Duration::from_secs(20), || async {
        get(&stack, "/unprotected").await.status == 200
    })
    .await;
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[tokio::test]
async fn a_certificate_signs_an_assertion_with_either_algorithm() {
    for (algorithm, thumbprint) in [("PS256", "x5t#S256"), ("RS256", "x5t")] {
        let files = Files::new();
        let credential =
            json!({"certificate": {"ref": "crt"}, "private_key": {"ref": "key"}, "algorithm": algorithm});
        let secrets = json!({"crt": from_file("crt"), "key": from_file("key")});
        let identity = entra(("certificate", credential));
        let builder = || {
            gateway(&files, &["crt", "key"], identity.clone(), secrets.clone(), |emulator, folder| {
                put(folder, "crt", &emulator.client_certificate());
                put(folder, "key", &emulator.client_key(Algorithm::Rs256).unwrap());
            })
        };
        let stack = one_request_for_all(builder, Endpoint::Token, CALLER.object_id).await;
        assert_eq!(claims(&get(&stack, "/unprotected").await)["azpacr"][0], "2");
        let assertion = requests(&stack, Endpoint::Token)[0].assertion.clone().unwrap();
        assert_eq!(assertion.header["alg"], algorithm);
        assert!(assertion.header.contains_key(thumbprint), "{:?}", assertion.header);
        assert!(!stack.log().contains("BEGIN"), "{}", stack.log());
    }
}

#[tokio::test]
async fn a_partner_takes_a_signed_assertion_with_a_key_id() {
    let files = Files::new();
    let kid = Arc::new(Mutex::new(String::new()));
    let builder = || {
        let (to_note, noted) = (Arc::clone(&kid), Arc::clone(&kid));
        let credential = json!({"private_key": {"ref": "key"}, "algorithm": "ES256"});
        let secrets = json!({"key": from_file("key")});
        gateway(
            &files,
            &["key"],
            partner(("private_key_jwt", credential)),
            secrets,
            move |emulator, folder| {
                put(folder, "key", &emulator.client_key(Algorithm::Es256).unwrap());
                *to_note.lock().unwrap() = emulator.client_key_id(Algorithm::Es256);
            },
        )
        .configure(move |configuration| {
            let client = &mut configuration["identities"]["gateway"]["client_credentials"];
            client["private_key_jwt"]["kid"] = json!(*noted.lock().unwrap());
            configuration["operations"][1]["attach"] =
                json!([{"identity": "gateway", "scope": "orders.read"}]);
        })
    };
    let stack = one_request_for_all(builder, Endpoint::PartnerToken, CALLER.client_id).await;
    let assertion = requests(&stack, Endpoint::PartnerToken)[0].assertion.clone().unwrap();
    assert_eq!(assertion.claims["aud"], "https://idp.partner.example/token");
}

#[tokio::test]
async fn a_partner_takes_a_secret_by_basic_authentication() {
    let files = Files::new();
    let builder = || {
        let secrets = json!({"key": from_file("key")});
        gateway(
            &files,
            &["key"],
            partner(("client_secret", json!({"ref": "key"}))),
            secrets,
            |emulator, folder| {
                put(folder, "key", &secret_of_the_caller(emulator));
            },
        )
        .configure(|configuration| {
            configuration["identities"]["gateway"]["client_credentials"]["authentication"] = json!("basic");
        })
    };
    let stack = one_request_for_all(builder, Endpoint::PartnerToken, CALLER.client_id).await;
    let request = &requests(&stack, Endpoint::PartnerToken)[0];
    assert_eq!((request.field("client_id"), request.field("client_secret")), (None, None));
    assert_eq!(request.field("resource"), Some("api://contoso-api"));
}

#[tokio::test]
async fn bad_answers_are_counted_and_tried_again() {
    let files = Files::new();
    let stack = start(client_secret(&files).prepare(|emulator| {
        let faults = vec![Fault::page(), Fault::status(500), Fault::throttled(Some(1))];
        emulator.script(Endpoint::Token, faults);
    }))
    .await;
    // The tries are near each other, so the request waits for the one that succeeds.
    let answer = stack.get("/unprotected").await;
    assert_eq!(answer.map(|answer| answer.status).ok(), Some(200), "{}", stack.log());
    assert_eq!(stack.emulator().count(Endpoint::Token), 4);
    stack.counter_reaches("tokens.failed.unusable", 1).await.unwrap();
    stack.counter_reaches("sources.failed.client_secret", 3).await.unwrap();
}

/// `/unprotected` attaches a secret of the vault, and nothing else.
pub fn functions_key(files: &Files) -> Builder {
    let vault = json!({"vault": "https://contoso.vault.azure.net", "name": "functions-key", "identity": "gateway",
        "cluster": "vault", "refresh": "1s"});
    let imds = json!({"managed_identity": {"source": "imds", "cluster": "imds"}});
    gateway(files, &[], imds, json!({"functions": {"key_vault": vault}}), |emulator, _| {
        emulator.set_secret("functions-key", VaultSecret::new("f1rst"));
    })
    .configure(|configuration| {
        configuration["operations"][1]["attach"] =
            json!([{"secret": "functions", "header": "x-functions-key"}]);
    })
}

/// The emulator's log tells the length alone.
fn length_of_the_key_that_the_backend_saw(stack: &Stack) -> Option<String> {
    seen_by_backend(stack).pop()?.header("x-functions-key").map(ToOwned::to_owned)
}

#[tokio::test]
async fn a_secret_of_key_vault_is_attached_and_followed_when_it_changes() {
    let files = Files::new();
    let stack = start(functions_key(&files).concurrency(4)).await;
    assert_all_good(stack.at_once(60, &GET, "/unprotected").await);
    assert_eq!(length_of_the_key_that_the_backend_saw(&stack).as_deref(), Some("<redacted 5 bytes>"));
    assert_eq!(stack.emulator().token_requests(), 1, "one token for the vault, for all workers");
    assert!(stack.emulator().count(Endpoint::KeyVault) <= 5, "each worker reads for itself, once");
    stack.emulator().set_secret("functions-key", VaultSecret::new("s3cond"));
    eventually("the new value", Duration::from_secs(20), || async {
        get(&stack, "/unprotected").await;
        length_of_the_key_that_the_backend_saw(&stack).as_deref() == Some("<redacted 6 bytes>")
    })
    .await;
    let log = stack.log();
    assert!(!log.contains("f1rst") && !log.contains("s3cond"), "the secret is in the log");
}

#[tokio::test]
async fn a_vault_that_denies_is_a_503_and_says_why_in_the_log() {
    let files = Files::new();
    let denied = |emulator: &Emulator| emulator.allow_vault(GATEWAY.client_id, false);
    let stack = start(functions_key(&files).prepare(denied)).await;
    assert_unavailable(&get(&stack, "/unprotected").await);
    assert!(stack.log().contains(r#"secret "functions": not read: status 403"#), "{}", stack.log());
    assert!(stack.log().contains("gatepass.secret_unavailable"), "{}", stack.log());
    assert_eq!(seen_by_backend(&stack), []);
}
