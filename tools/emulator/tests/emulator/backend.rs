//! The backend shows what it was sent, without the secrets.

use gatepass_emulator::{
    Endpoint, TokenSpec,
    directory::{CONTOSO_API, TENANT},
};
use serde_json::{Value, json};

use crate::support::{body, client, json, part, start};

#[tokio::test]
async fn a_token_is_shown_as_api_management_shows_it() {
    let emulator = start().await;
    let token = emulator.issue(&TokenSpec::entra_v2().not_before(0));
    let request = emulator
        .client()
        .post(emulator.backend_url("/orders/5?expand=lines"))
        .bearer_auth(&token)
        .header("x-two", "a")
        .header("x-two", "b")
        .body("twelve bytes");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-echo"], "backend");
    let shown = body(answer).await;
    assert_eq!(shown["Id"], Value::Null);
    assert_eq!(shown["Algorithm"], "RS256");
    assert_eq!(shown["Type"], "JWT");
    assert_eq!(shown["Issuer"], format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
    assert_eq!(shown["Subject"], part(&token, 1)["sub"]);
    assert_eq!(shown["Audiences"], json!([CONTOSO_API.client_id]));
    assert_eq!(shown["Claims"]["roles"], json!(["Sample.Read", "Sample.Write"]));
    assert_eq!(shown["Claims"]["iat"], json!([part(&token, 1)["iat"].to_string()]));
    assert_eq!(shown["IssuedAt"], shown["NotBefore"]);
    assert!(shown["ExpirationTime"].as_str().unwrap().ends_with('Z'));

    let request = &shown["request"];
    assert_eq!(request["method"], "POST");
    assert_eq!(request["path"], "/orders/5?expand=lines");
    assert_eq!(request["body_bytes"], 12);
    assert_eq!(request["headers"]["x-two"], json!(["a", "b"]));
    let redacted = format!("<redacted {} bytes>", "Bearer ".len() + token.len());
    assert_eq!(request["headers"]["authorization"], json!([redacted]));
}

#[tokio::test]
async fn without_a_token_there_is_none_whatever_the_method() {
    let emulator = start().await;
    for (method, authorization) in
        [("GET", None), ("DELETE", Some("Basic YTpi")), ("PATCH", Some("Bearer x"))]
    {
        let method = method.parse().unwrap();
        let mut request = emulator.client().request(method, emulator.backend_url("/any/path"));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let shown = json(request, 200).await;
        assert_eq!(shown["token"], Value::Null);
        assert_eq!(shown.as_object().unwrap().len(), 2, "{shown}");
    }
}

#[tokio::test]
async fn nothing_is_validated() {
    let emulator = start().await;
    let token = emulator.issue(&TokenSpec::entra_v2().lifetime(-5).header("alg", "none"));
    let request = emulator.client().get(emulator.backend_url("/")).bearer_auth(&token);
    assert_eq!(json(request, 200).await["Algorithm"], "none");
}

#[tokio::test]
async fn the_log_keeps_the_claims_and_no_secret() {
    let emulator = start().await;
    let token = emulator.issue(&TokenSpec::entra_v2());
    let url = emulator.backend_url(&format!("/x?access_token={token}&page=2"));
    let request = emulator
        .client()
        .get(url)
        .bearer_auth(&token)
        .header("ocp-apim-subscription-key", "canary-key")
        .header("x-elsewhere", &token)
        .header("x-plain", "shown");
    json(request, 200).await;

    let requests = emulator.requests();
    let seen = &requests[0];
    assert_eq!(seen.endpoint, Endpoint::Backend);
    assert_eq!(seen.status, Some(200));
    assert_eq!(seen.header("x-plain"), Some("shown"));
    assert_eq!(seen.header("ocp-apim-subscription-key"), Some("<redacted 10 bytes>"));
    assert_eq!(seen.claims.clone().map(Value::Object), Some(part(&token, 1)));
    let signature = token.rsplit('.').next().unwrap();
    let log = serde_json::to_string(&requests).unwrap();
    for secret in ["canary-key", signature, &token] {
        assert!(!log.contains(secret), "{secret}");
    }
    assert!(seen.path.ends_with("&page=2"), "{}", seen.path);
}

#[tokio::test]
async fn http_2_is_spoken_where_the_client_wants_it() {
    let emulator = start().await;
    let client = client(&emulator, b"h2");
    let answer = client.get(emulator.backend_url("/")).send().await.unwrap();
    assert_eq!(answer.version(), reqwest::Version::HTTP_2);
    let host = format!("backend.contoso.example:{}", emulator.backend().port());
    assert_eq!(body(answer).await["request"]["headers"]["host"], json!([host]));
}
