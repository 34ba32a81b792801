//! The filter as an upstream filter of a cluster: once per attempt, so that Envoy's own retry of a refused request goes
//! out with another token.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gatepass_emulator::{Challenge, Endpoint, Fault, directory::CALLER, directory::TENANT};
use gatepass_stack::{Answer, Build, Builder, Stack, tree};
use serde_json::{Value, json};

use crate::support::*;

/// A client with a secret, which gets another token whenever it asks.
pub fn client_credentials(secret: &str) -> Value {
    json!({"client_credentials": {"client_id": CALLER.client_id, "client_secret": {"inline": secret},
        "entra": {"tenant": TENANT, "cluster": "login"}}})
}

/// The emulator makes the client's secret when it starts.
pub fn with_secret(builder: Builder, edit: impl FnOnce(&mut Value, &str) + Send + 'static) -> Builder {
    let secret = Arc::new(Mutex::new(String::new()));
    let made = Arc::clone(&secret);
    let builder = builder.prepare(move |emulator| {
        let made_now = emulator.client_secret(CALLER.client_id).unwrap().to_owned();
        *made.lock().unwrap_or_else(PoisonError::into_inner) = made_now;
    });
    builder.edit(move |tree| edit(tree, &secret.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// A gateway without a filter in its listener: the cluster of the backend attaches, with these options, and a 401 is
/// tried again.
fn upstream(options: Value) -> Builder {
    upstream_with(options, json!({}))
}

/// The same with more in its operation.
fn upstream_with(options: Value, more: Value) -> Builder {
    with_secret(Stack::builder().build(Build::ResponseHeaders), move |tree, secret| {
        let mut attach = json!({"identity": "partner", "resource": "api://contoso-api"});
        for (name, value) in options.as_object().unwrap() {
            attach[name] = value.clone();
        }
        let mut operation = json!({"match": {"path": {"prefix": "/orders"}}, "attach": [attach]});
        operation.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let configuration = json!({"position": "upstream", "identities": {"partner": client_credentials(secret)},
            "operations": [operation]});
        stand_upstream(tree, &configuration);
    })
}

fn stand_upstream(tree: &mut Value, configuration: &Value) {
    tree::set_configuration(tree, &configuration.to_string());
    let filters = tree::http_filters(tree).unwrap();
    let index = filters.iter().position(|filter| filter["name"] == "gatepass").unwrap();
    let filter = filters.remove(index);
    let codec = json!({"name": "envoy.filters.http.upstream_codec", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}});
    let options = json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": [filter, codec],
    });
    tree::cluster(tree, "backend").unwrap()["typed_extension_protocol_options"] =
        json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options});
    // By default Envoy makes three retries of a cluster at a time.
    tree::cluster(tree, "backend").unwrap()["circuit_breakers"] =
        json!({"thresholds": [{"max_retries": 1000}]});
    let retry =
        json!({"retry_on": "retriable-status-codes", "retriable_status_codes": [401], "num_retries": 1});
    tree::manager(tree).unwrap()["route_config"]["virtual_hosts"][0]["routes"] = json!([
        {"match": {"path": "/rewritten"}, "route": {"cluster": "backend", "prefix_rewrite": "/orders", "retry_policy": retry}},
        {"match": {"prefix": "/"}, "route": {"cluster": "backend", "timeout": "30s", "retry_policy": retry}},
    ]);
}

async fn post(stack: &Stack, path: &str, body: Vec<u8>, headers: &[(&str, &str)]) -> Answer {
    let mut request = stack.client().post(stack.url(path)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request.send().await.unwrap()).await.unwrap()
}

/// The token that was sent with each request to the backend.
fn tokens(stack: &Stack) -> Vec<Option<String>> {
    seen_by_backend(stack).into_iter().map(|request| request.token_sha256).collect()
}

/// A stack whose first token has been fetched, and is refused from now on.
async fn with_a_revoked_token(builder: Builder) -> Stack {
    let stack = start(builder).await;
    assert_eq!(get(&stack, "/orders/1").await.status, 200);
    let token = tokens(&stack)[0].clone().unwrap();
    stack.emulator().refuse_token(&token, Challenge::invalid_token());
    stack.emulator().clear_requests();
    stack
}

#[tokio::test]
async fn the_client_sees_200_where_the_backend_refused_the_first_token() {
    let stack = with_a_revoked_token(upstream(json!({}))).await;
    let body = vec![b'x'; 10_000];
    let answer = post(&stack, "/orders/1", body, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["request"]["body_bytes"], 10_000);
    let sent = tokens(&stack);
    assert_eq!(sent.len(), 2);
    assert_ne!(sent[0], sent[1]);
    assert_eq!(requests(&stack, Endpoint::Token).len(), 1);
    for _ in 0..10 {
        assert_eq!(get(&stack, "/orders/1").await.status, 200);
    }
    assert_eq!(requests(&stack, Endpoint::Token).len(), 1, "one new token for both workers");
    stack.counter_reaches("tokens.refused", 1).await.unwrap();
    assert_no_crash(&stack);
}

#[tokio::test]
async fn fifty_refused_requests_cost_one_token_request() {
    let stack = with_a_revoked_token(upstream(json!({})).concurrency(4)).await;
    let answers = stack.at_once(50, &POST, "/orders/1").await;
    assert_all_good(answers);
    assert_eq!(requests(&stack, Endpoint::Token).len(), 1);
    assert_no_crash(&stack);
}

/// Envoy replays what fits into the buffer of the request: `per_connection_buffer_limit_bytes` of the listener here.
#[tokio::test]
async fn a_body_above_the_replay_limit_is_not_replayed() {
    let stack = with_a_revoked_token(upstream(json!({}))).await;
    let answer = post(&stack, "/orders/1", vec![b'x'; 1_000_000], &[]).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(answer.header("www-authenticate").is_some_and(|value| value.contains("invalid_token")));
    assert_eq!(tokens(&stack).len(), 1);
    eventually("another token, all the same", Duration::from_secs(5), || async {
        post(&stack, "/orders/1", vec![b'x'; 1_000_000], &[]).await.status == 200
    })
    .await;
    assert_no_crash(&stack);
}

#[tokio::test]
async fn existing_is_decided_on_what_the_caller_sent() {
    let mine = [("authorization", "Basic mine"), ("x-caller", "spoofed")];
    for (existing, moved) in
        [(json!("overwrite"), None), (json!({"move_to": "x-caller"}), Some("Basic mine"))]
    {
        let stack = with_a_revoked_token(upstream(json!({ "existing": existing }))).await;
        let answer = post(&stack, "/orders/1", b"body".to_vec(), &mine).await;
        assert_eq!(answer.status, 200, "{existing}: {}", answer.text());
        assert_eq!(tokens(&stack).len(), 2, "{existing}");
        assert_eq!(answer.json()["Subject"], CALLER.object_id, "{existing}");
        match moved {
            Some(moved) => assert_eq!(answer.seen("x-caller"), [moved], "{existing}"),
            None => assert_eq!(answer.seen("x-caller"), ["spoofed"], "{existing}"),
        }
        assert_eq!(answer.seen("authorization").len(), 1, "{existing}");
    }
    let stack = with_a_revoked_token(upstream(json!({"existing": "keep"}))).await;
    let answer = post(&stack, "/orders/1", Vec::new(), &[]).await;
    assert_eq!((answer.status, tokens(&stack).len()), (200, 2));
    stack.emulator().refuse_next(vec![Challenge::invalid_token()]);
    let answer = post(&stack, "/orders/1", Vec::new(), &mine[..1]).await;
    assert_eq!((answer.status, &answer.json()["token"]), (200, &Value::Null), "the caller's, both times");
    assert_eq!(tokens(&stack).len(), 4);
    assert_no_crash(&stack);
}

#[tokio::test]
async fn a_challenge_that_no_token_satisfies_reaches_the_client() {
    let stack = start(upstream(json!({}))).await;
    assert_eq!(get(&stack, "/orders/1").await.status, 200);
    let before = requests(&stack, Endpoint::Token).len();
    stack.emulator().refuse_next(vec![Challenge::insufficient_scope(); 2]);
    let answer = get(&stack, "/orders/1").await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").is_some_and(|value| value.contains("insufficient_scope")));
    assert_eq!(requests(&stack, Endpoint::Token).len(), before);
}

#[tokio::test]
async fn the_next_attempt_goes_on_with_the_old_token_when_the_endpoint_is_down() {
    let stack = with_a_revoked_token(upstream(json!({}))).await;
    stack.emulator().set_default_fault(Endpoint::Token, Some(Fault::status(500)));
    let answer = get(&stack, "/orders/1").await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    let sent = tokens(&stack);
    assert_eq!((sent.len(), &sent[0]), (2, &sent[1]));
    assert_no_crash(&stack);
}

#[tokio::test]
async fn a_refused_token_of_a_managed_identity_is_not_fetched_again() {
    let imds = json!({"position": "upstream",
        "identities": {"gateway": {"managed_identity": {"source": "imds", "cluster": "imds"}}},
        "operations": [{"match": {"path": {"prefix": "/"}}, "attach": [{"identity": "gateway", "resource": "api://contoso-api"}]}]});
    let builder =
        Stack::builder().build(Build::ResponseHeaders).edit(move |tree| stand_upstream(tree, &imds));
    let stack = start(builder).await;
    assert_eq!(get(&stack, "/orders/1").await.status, 200);
    stack.emulator().refuse_next(vec![Challenge::invalid_token(); 2]);
    assert_eq!(get(&stack, "/orders/1").await.status, 401);
    assert_eq!(get(&stack, "/orders/1").await.status, 200);
    assert_eq!(stack.emulator().token_requests(), 1);
}

#[tokio::test]
async fn matching_uses_the_rewritten_path_and_what_matches_nothing_passes_unchanged() {
    let stack = start(upstream(json!({}))).await;
    let mine = [("authorization", "Basic mine")];
    let answer = post(&stack, "/rewritten", Vec::new(), &mine).await;
    assert_eq!(answer.json()["Subject"], CALLER.object_id, "{}", answer.text());
    let answer = post(&stack, "/other", b"body".to_vec(), &mine).await;
    assert_eq!((answer.status, &answer.json()["token"]), (200, &Value::Null));
    assert_eq!(answer.seen("authorization").len(), 1);
}

#[tokio::test]
async fn without_a_token_the_client_gets_503_and_the_backend_nothing() {
    let stack = start(upstream(json!({})).prepare(|emulator| {
        emulator.set_default_fault(Endpoint::Token, Some(Fault::status(400)));
    }))
    .await;
    assert_unavailable(&post(&stack, "/orders/1", b"body".to_vec(), &[]).await);
    assert_eq!(seen_by_backend(&stack), []);
    assert_no_crash(&stack);
}

#[tokio::test]
async fn a_credential_goes_to_its_cluster() {
    for (cluster, status) in [("backend", 200), ("other", 500)] {
        let stack = start(upstream(json!({"to": {"clusters": [cluster]}}))).await;
        assert_eq!(get(&stack, "/orders/1").await.status, status, "{cluster}");
    }
}

#[tokio::test]
async fn headers_are_set_and_removed_in_every_attempt() {
    let headers = json!({"set": {"x-gateway": "contoso"}, "remove": ["x-internal"]});
    let stack = with_a_revoked_token(upstream_with(json!({}), json!({ "headers": headers }))).await;
    let mine = [("x-gateway", "spoofed"), ("x-internal", "mine"), ("x-other", "mine")];
    let answer = post(&stack, "/orders/1", b"body".to_vec(), &mine).await;
    assert_eq!((answer.status, tokens(&stack).len()), (200, 2), "{}", answer.text());
    for request in seen_by_backend(&stack) {
        let sent =
            ["x-gateway", "x-internal", "x-other"].map(|name| request.header(name).map(ToOwned::to_owned));
        assert_eq!(sent, [Some("contoso".to_owned()), None, Some("mine".to_owned())]);
    }
}
