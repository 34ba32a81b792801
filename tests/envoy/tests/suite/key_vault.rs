//! Secrets of Azure Key Vault, attached to requests.

use std::time::Duration;

use gatepass_emulator::{Emulator, Endpoint, VaultSecret, directory::GATEWAY};
use gatepass_stack::{Builder, Stack};
use serde_json::json;

use crate::{credentials::*, support::*};

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
    eventually("the line in the access log", Duration::from_secs(5), || async {
        stack.log().contains("gatepass.secret_unavailable")
    })
    .await;
    assert_eq!(seen_by_backend(&stack), []);
}
