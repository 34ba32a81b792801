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
use gatepass_emulator::directory::{GATEWAY, READER};
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

/// The record of the token that `/unprotected` attaches.
fn record() -> Fingerprint {
    let text = Stack::reference_configuration().unwrap().to_string();
    let configuration = Configuration::parse(text.as_bytes(), &Environment::default()).unwrap();
    match &configuration.operations[1].attachments[0].credential {
        Credential::Token(token) => token.fingerprint,
        Credential::Secret(_) => panic!("not a secret"),
    }
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

#[tokio::test]
async fn what_somebody_else_writes_does_no_harm() {
    let far = u64::MAX / 2;
    let failure = json!({"count": 1_000_000, "not_before": far, "at": 0, "inputs": 0});
    let entry = |holder: Value, token: Value, failure: &Value| {
        let body = json!({"holder": holder, "token": token, "failure": failure, "replaced": far});
        sealed(record(), &body.to_string())
    };
    let nothing = json!({"count": 0, "not_before": 0, "at": 0, "inputs": 0});
    for hostile in [
        "garbage".to_owned(),
        "[".repeat(30_000),
        sealed(record(), "garbage"),
        entry(json!([7, far]), Value::Null, &nothing),
        entry(Value::Null, json!(["a b", far, far, 0]), &nothing),
        entry(Value::Null, json!(["expired", 1, 1, 0]), &nothing),
        entry(Value::Null, json!(["for-ever", far, far, 0]), &nothing),
        entry(Value::Null, Value::Null, &failure),
    ] {
        let stack = start(Stack::builder().build(Build::TestOnly)).await;
        write(&stack, &key(record()), &hostile).await;
        write(&stack, "gatepass.queues", &hostile).await;
        let started = Instant::now();
        assert_all_good(stack.at_once(20, &GET, "/unprotected").await);
        assert!(started.elapsed() < Duration::from_secs(3), "{hostile:.60}: {:?}", started.elapsed());
        assert_eq!(stack.emulator().token_requests(), 1, "{hostile:.60}");
        // And again over what is good.
        let good = write(&stack, &key(record()), &hostile).await;
        assert!(good.contains(r#""token":["ey"#), "{hostile:.60}");
        assert_all_good(stack.at_once(20, &GET, "/unprotected").await);
        assert_no_crash(&stack);
    }
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
