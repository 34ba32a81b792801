//! Browsers: Envoy's `cors` filter stands ahead of Gatepass.

use reqwest::Method;

use crate::support::*;

const ORIGIN: (&str, &str) = ("origin", "https://app.contoso.example");

#[tokio::test]
async fn a_preflight_is_answered_without_a_token() {
    let stack = reference().await;
    let ask = |origin: &'static str| {
        stack
            .client()
            .request(Method::OPTIONS, stack.url("/protected"))
            .header("origin", origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization")
            .send()
    };
    let answer = ask(ORIGIN.1).await.unwrap();
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), ORIGIN.1);
    assert!(header("access-control-allow-headers").contains("authorization"));
    // Another origin's is a request like any other: without a token.
    assert_eq!(ask("https://evil.example").await.unwrap().status(), 401);
    assert_eq!(seen_by_backend(&stack), []);
}

#[tokio::test]
async fn a_browser_can_read_a_refusal() {
    let stack = reference().await;
    let answer = stack.get_with("/protected", &[ORIGIN]).await.unwrap();
    assert_refused(&answer, 401, "JWT not present.");
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN.1));
    let answer = stack.get_with("/protected", &[("origin", "https://evil.example")]).await.unwrap();
    assert_refused(&answer, 401, "JWT not present.");
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
