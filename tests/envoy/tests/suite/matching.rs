//! Which operation a request is, by more than its path.

use std::time::Duration;

use gatepass_stack::{Stack, raw, tree};
use reqwest::Method;
use serde_json::json;

use crate::support::*;

/// An anonymous operation in front of the others.
async fn with_first(matches: serde_json::Value) -> Stack {
    start(
        Stack::builder()
            .configure(move |configuration| {
                let first = json!({"match": matches, "anonymous": true});
                configuration["operations"].as_array_mut().unwrap().insert(0, first);
            })
            .edit(|tree| {
                tree::manager(tree).unwrap()["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
                // Every path goes to the backend, so that Gatepass alone decides.
                let host = &mut tree::manager(tree).unwrap()["route_config"]["virtual_hosts"][0];
                host["routes"] = json!([{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}]);
                host.as_object_mut().unwrap().remove("typed_per_filter_config");
            }),
    )
    .await
}

#[tokio::test]
async fn an_operation_is_for_its_hosts_alone() {
    let stack = with_first(json!({"path": {"exact": "/protected"}, "hosts": ["*.open.example"]})).await;
    for (host, status) in [("api.open.example", 200), ("API.Open.Example:8080", 200), ("open.example", 401)] {
        let request = format!("GET /protected HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let limit = Duration::from_secs(10);
        let reply = raw::exchange(stack.gateway(), request.as_bytes(), limit).await.unwrap();
        assert_eq!(reply.status(), Some(status), "{host}");
    }
}

#[tokio::test]
async fn a_backend_may_answer_preflights_itself() {
    let stack = with_first(json!({"path": {"prefix": "/"}, "cors_preflight": true})).await;
    let ask = |wanted: Option<&'static str>| {
        let request = stack.client().request(Method::OPTIONS, stack.url("/protected"));
        let request = request.header("origin", "https://any.example");
        wanted
            .into_iter()
            .fold(request, |request, wanted| request.header("access-control-request-method", wanted))
            .send()
    };
    assert_eq!(ask(Some("GET")).await.unwrap().status(), 200);
    assert_eq!(ask(None).await.unwrap().status(), 401);
}

#[tokio::test]
async fn an_operation_may_allow_encoded_slashes() {
    let stack = with_first(json!({"path": {"template": "/files/{name}"}, "allow": ["encoded_slash"]})).await;
    for (path, status) in
        [("/files/a%2Fb", 200), ("/files/a%2F..%2Fb", 400), ("/protected%2Fb", 400), ("/files/a%5Cb", 400)]
    {
        let request = raw::get(path.as_bytes(), &[]);
        let reply = raw::exchange(stack.gateway(), &request, Duration::from_secs(10)).await.unwrap();
        assert_eq!(reply.status(), Some(status), "{path}");
    }
}
