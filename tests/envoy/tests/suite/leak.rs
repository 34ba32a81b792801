//! No token is ever logged.

use std::fs;

use gatepass_emulator::{Endpoint, Fault, SigningKey, TokenSpec};
use gatepass_stack::{EXAMPLES, Stack, Target};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn the_log_holds_no_token_even_when_the_filter_says_all_it_can() {
    // Envoy's own components print headers at `trace`; the filter is the one under test.
    let mut stack = start(
        Stack::builder()
            .log_level("info", "wasm:trace")
            .configure(|configuration| configuration["wait"] = json!("3s"))
            .prepare(|emulator| {
                // Errors and a slow start, for the lines that are written then.
                emulator.script(Endpoint::Imds, vec![Fault::status(500)]);
                emulator.script(Endpoint::Jwks, vec![Fault::status(500)]);
            }),
    )
    .await;
    eventually("the stack to be warm", std::time::Duration::from_secs(20), || async {
        get(&stack, "/unprotected").await.status == 200
    })
    .await;
    crate::examples::scenario(EXAMPLES[0]).run(&Target::from(&stack), |_| ()).await.unwrap();

    let spec = TokenSpec::entra_v2;
    let tokens = [
        good_token(&stack),
        stack.emulator().issue(&spec().lifetime(-10)),
        stack.emulator().issue(&spec().claim("aud", "api://other")),
        stack.emulator().issue(&spec().signed_by(SigningKey::Foreign)),
        stack.emulator().issue(&spec().roles(&["Sample.Other"])),
    ];
    for token in &tokens {
        call(&stack, token).await;
        let value = format!("Bearer {token}");
        let lines = [("authorization", value.as_str()), ("authorization", value.as_str())];
        stack.get_with("/protected", &lines).await.unwrap();
        stack.get_with("/unprotected", &lines).await.unwrap();
    }
    assert_still_serves(&mut stack).await;

    let log = stack.log();
    for token in &tokens {
        for index in [1, 2] {
            assert!(!log.contains(part(token, index)), "part {index} of a token is in the log");
        }
    }
    // Nor the gateway's own, which the test cannot see: every JWT begins like this, and so does its payload.
    let lines: Vec<_> = log.lines().filter(|line| line.contains("eyJ")).collect();
    assert!(lines.is_empty(), "{lines:#?}");
    assert!(log.contains("gatepass"), "the filter has logged nothing at all");
}

#[tokio::test]
async fn envoys_own_pages_hold_no_token() {
    let stack = reference().await;
    assert_eq!(get(&stack, "/unprotected").await.status, 200);
    assert_eq!(call(&stack, &good_token(&stack)).await.status, 200);
    for page in ["/stats", "/config_dump", "/clusters", "/listeners"] {
        let text = stack.admin().get(page).await.unwrap();
        assert!(!text.contains("eyJ"), "{page}");
    }
    let files = fs::read_dir(stack.folder().unwrap()).unwrap();
    for file in files.flatten() {
        let text = fs::read(file.path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(!text.unwrap_or_default().contains("eyJ"), "{:?}", file.path());
    }
}
