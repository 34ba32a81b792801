//! Plugins with one `vm_id` share data: each other's tokens are none of theirs, and what one writes into the other's
//! records does no harm.

use std::time::{Duration, Instant};

use gatepass::{
    config::{Configuration, Credential},
    environment::Environment,
    fingerprint::Fingerprint,
    secret::SecretString,
    time::Monotonic,
    tokens::entry::{Entry, Token, key, seal},
};
use gatepass_emulator::directory::{CONTOSO_API, GATEWAY, READER};
use gatepass_stack::{Answer, Build, Stack, tree};
use serde_json::{Value, json};

use crate::support::*;

/// A second plugin in front of the first, with the same `vm_id` but a VM of its own: it attaches another identity's
/// token for the same resource.
fn add_a_second_plugin(tree: &mut Value) {
    let filters = tree::http_filters(tree).unwrap();
    let index = filters.iter().position(|filter| filter["name"] == "gatepass").unwrap();
    let mut second = filters[index].clone();
    second["name"] = "second".into();
    let configuration = json!({
        "identities": {"reader": {"managed_identity": {"source": "imds", "cluster": "imds", "client_id": READER.client_id}}},
        "operations": [{"match": {"path": {"prefix": "/"}}, "anonymous": true,
            "attach": [{"identity": "reader", "resource": "api://contoso-api", "header": "x-second"}]}]});
    let string = "type.googleapis.com/google.protobuf.StringValue";
    second["typed_config"]["config"]["name"] = "second".into();
    second["typed_config"]["config"]["root_id"] = "second".into();
    second["typed_config"]["config"]["vm_config"]["configuration"] =
        json!({"@type": string, "value": "second"});
    second["typed_config"]["config"]["configuration"] =
        json!({"@type": string, "value": configuration.to_string()});
    filters.insert(index, second);
    let routes = &mut tree::manager(tree).unwrap()["route_config"]["virtual_hosts"][0]["routes"];
    *routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]);
}

#[tokio::test]
async fn two_plugins_with_one_vm_id_never_use_each_others_tokens() {
    let stack = start(Stack::builder().concurrency(2).edit(add_a_second_plugin)).await;
    for _ in 0..20 {
        let answer = get(&stack, "/unprotected").await;
        assert_eq!(answer.json()["Subject"], GATEWAY.object_id, "{}", answer.text());
        assert_eq!(answer.seen("x-second").len(), 1, "{}", answer.text());
    }
    let sent: Vec<_> = seen_by_backend(&stack)
        .iter()
        .map(|request| {
            let second = request.header("x-second").unwrap().to_owned();
            (request.token_sha256.clone().unwrap(), second)
        })
        .collect();
    assert!(sent.iter().all(|pair| pair == &sent[0]), "one token each");
    assert_eq!(stack.emulator().token_requests(), 2, "one for each, whatever the workers");
    let of_reader = |request: &gatepass_emulator::LoggedRequest| request.path.contains(READER.client_id);
    assert_eq!(
        requests(&stack, gatepass_emulator::Endpoint::Imds)
            .iter()
            .filter(|request| of_reader(request))
            .count(),
        1
    );
    assert_no_crash(&stack);
}

/// The record of the token that an operation attaches.
fn record_of(configuration: &Value, operation: usize) -> Fingerprint {
    let text = configuration.to_string();
    let configuration = Configuration::parse(text.as_bytes(), &Environment::default()).unwrap();
    match &configuration.operations[operation].attachments[0].credential {
        Credential::Token(token) => token.fingerprint,
        Credential::Secret(_) => panic!("not a secret"),
    }
}

/// The record of the token that `/unprotected` attaches.
fn record() -> Fingerprint {
    record_of(&Stack::reference_configuration().unwrap(), 1)
}

/// Writes into shared data as another plugin could; what was there before.
async fn write(stack: &Stack, key: &str, value: &str) -> String {
    let headers = [("x-gatepass-test", "write"), ("x-gatepass-key", key), ("x-gatepass-value", value)];
    let answer: Answer = stack.get_with("/unprotected", &headers).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// A value with the seal of that record.
fn sealed(of: Fingerprint, body: &str) -> String {
    seal(of, body.as_bytes()) + body
}

/// Operations `/0` to `/7`, each with a token of its own.
fn eight_records() -> Value {
    let managed =
        |name: &str, id: &str| json!({"managed_identity": {"source": "imds", "cluster": "imds", name: id}});
    let identities = json!({
        "a": {"managed_identity": {"source": "imds", "cluster": "imds"}},
        "b": managed("client_id", READER.client_id),
        "c": managed("object_id", READER.object_id),
        "d": managed("resource_id", READER.resource_id.unwrap()),
    });
    let mut operations = Vec::new();
    for identity in ["a", "b", "c", "d"] {
        for resource in [CONTOSO_API.identifier_uri, CONTOSO_API.client_id] {
            operations.push(
                json!({"match": {"path": {"exact": format!("/{}", operations.len())}}, "anonymous": true,
                "attach": [{"identity": identity, "resource": resource}]}),
            );
        }
    }
    json!({"identities": identities, "operations": operations})
}

#[tokio::test]
async fn what_somebody_else_writes_does_no_harm() {
    let configuration = eight_records();
    let far = u64::MAX / 2;
    let failure = json!({"count": 1_000_000, "not_before": far, "at": 0, "inputs": 0});
    let entry = |holder: Value, token: Value, failure: &Value| {
        json!({"holder": holder, "token": token, "failure": failure, "replaced": far}).to_string()
    };
    let nothing = json!({"count": 0, "not_before": 0, "at": 0, "inputs": 0});
    let hostile = [
        ("garbage".to_owned(), false),
        ("[".repeat(30_000), false),
        ("garbage".to_owned(), true),
        (entry(json!([7, far]), Value::Null, &nothing), true),
        (entry(Value::Null, json!(["a b", far, far, 0]), &nothing), true),
        (entry(Value::Null, json!(["expired", 1, 1, 0]), &nothing), true),
        (entry(Value::Null, json!(["for-ever", far, far, 0]), &nothing), true),
        (entry(Value::Null, Value::Null, &failure), true),
    ];
    let text = configuration.to_string();
    let stack = start(Stack::builder().build(Build::TestOnly).configuration(&text).edit(|tree| {
        let routes = &mut tree::manager(tree).unwrap()["route_config"]["virtual_hosts"][0]["routes"];
        *routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]);
    }))
    .await;
    for (operation, (value, is_sealed)) in hostile.into_iter().enumerate() {
        let of = record_of(&configuration, operation);
        let value = if is_sealed { sealed(of, &value) } else { value };
        write(&stack, &key(of), &value).await;
        write(&stack, "gatepass.queues", &value).await;
        let (path, started) = (format!("/{operation}"), Instant::now());
        assert_all_good(stack.at_once(20, &GET, &path).await);
        assert!(started.elapsed() < Duration::from_secs(3), "{value:.60}: {:?}", started.elapsed());
        assert_eq!(stack.emulator().token_requests(), operation + 1, "{value:.60}");
        // And again over what is good.
        let good = write(&stack, &key(of), &value).await;
        assert!(good.contains(r#""token":["ey"#), "{value:.60}");
        assert_all_good(stack.at_once(20, &GET, &path).await);
    }
    assert_no_crash(&stack);
}

/// The monotonic clock that Envoys of this machine read.
fn monotonic() -> Monotonic {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let seconds = uptime.split('.').next().and_then(|text| text.parse().ok()).unwrap();
    Monotonic::default().after(Duration::from_secs(seconds))
}

#[tokio::test]
async fn a_good_looking_token_of_somebody_else_is_not_sent() {
    let mut foreign = Entry::default();
    let expires = monotonic().after(Duration::from_secs(3_600));
    let value = SecretString::new("foreign".to_owned());
    foreign.token = Some(Token { value, expires, refresh: expires, fetched: monotonic() });
    let [theirs, ours] = [record().with(&["another identity"]), record()]
        .map(|of| String::from_utf8(foreign.encode(of)).unwrap());
    // With the right seal it would be believed: who knows the identity can write it, and must have a `vm_id` of its own.
    for (value, is_sent) in [(&theirs, false), (&ours, true)] {
        let stack = start(Stack::builder().build(Build::TestOnly)).await;
        write(&stack, &key(record()), value).await;
        let status = get(&stack, "/unprotected").await.status;
        assert_eq!(status, if is_sent { 401 } else { 200 });
        assert_eq!(stack.emulator().token_requests(), usize::from(!is_sent));
    }
}

#[tokio::test]
async fn without_a_vm_id_workers_share_nothing_unless_the_configuration_says_so() {
    const WARNING: &str = "the plugin has no vm_id, so workers do not share tokens";
    for (shared_cache, shares, warns) in
        [(None, false, true), (Some("on"), true, false), (Some("off"), false, false)]
    {
        let builder = Stack::builder().concurrency(2).edit(move |tree| {
            tree::plugin(tree).unwrap()["vm_config"].as_object_mut().unwrap().remove("vm_id");
        });
        let stack = start(builder.configure(move |configuration| {
            if let Some(shared_cache) = shared_cache {
                configuration["shared_cache"] = json!(shared_cache);
            }
        }))
        .await;
        assert_all_good(stack.at_once(60, &GET, "/unprotected").await);
        assert_eq!(stack.emulator().token_requests(), if shares { 1 } else { 2 }, "{shared_cache:?}");
        assert_eq!(stack.log().contains(WARNING), warns, "{shared_cache:?}: {}", stack.log());
    }
}
