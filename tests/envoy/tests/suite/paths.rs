//! The filter decides by the path that the router will use.

use std::time::Duration;

use gatepass_stack::{Stack, raw, tree};
use serde_json::json;

use crate::support::*;

async fn status(stack: &Stack, path: &str) -> u16 {
    let request = raw::get(path.as_bytes(), &[]);
    let reply = raw::exchange(stack.gateway(), &request, Duration::from_secs(10)).await.unwrap();
    reply.status().unwrap_or_default()
}

/// Without a token: 401 where it is the protected API, 200 the unprotected one, 404 none, 400 ambiguous.
const PATHS: [(&str, u16); 20] = [
    ("/protected", 401),
    ("/protected?x=/unprotected", 401),
    ("http://gateway/protected", 401),
    ("http://gateway/unprotected/../protected", 401),
    ("/%70rotected", 401),
    ("/./protected", 401),
    ("/unprotected/../protected", 401),
    ("/unprotected/%2e%2e/protected", 401),
    ("/unprotected/.%2E/protected", 401),
    ("/unprotected", 200),
    ("/unprotected?x", 200),
    ("/un%70rotected", 200),
    ("/protected/../unprotected", 200),
    ("/protected%2f..%2funprotected", 400),
    ("/unprotected%5c..%5cprotected", 400),
    ("/unprotected;x", 400),
    ("//unprotected", 400),
    ("/unprotected%00", 400),
    ("/unprotected%zz", 400),
    ("/unprotected%252e", 400),
];

#[tokio::test]
async fn envoy_and_the_filter_read_a_path_alike() {
    let mut stack = reference().await;
    let mut wrong = Vec::new();
    for (path, expected) in PATHS {
        let status = status(&stack, path).await;
        if status != expected {
            wrong.push(format!("{path}: {status}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn encoded_slashes_are_refused_by_the_filter_where_envoy_lets_them_pass() {
    let stack = start(Stack::builder().edit(|tree| {
        let manager = tree::manager(tree).unwrap();
        manager["path_with_escaped_slashes_action"] = json!("KEEP_UNCHANGED");
        manager["normalize_path"] = json!(false);
    }))
    .await;
    for path in [
        "/protected%2f..%2funprotected",
        "/unprotected%2F",
        "/unprotected%5cx",
        "/unprotected/../protected",
        "/./unprotected",
        "/unprotected/%2e%2e/protected",
    ] {
        assert_eq!(status(&stack, path).await, 400, "{path}");
    }
    stack.counter_reaches("requests.refused.path_ambiguous", 6).await.unwrap();
    assert_eq!(seen_by_backend(&stack), []);
}
