//! The proof against Microsoft's own client for Python.

use std::{env, path::Path, process::Stdio, time::Duration};

use gatepass_emulator::directory::{CONTOSO_API, GATEWAY, READER};
use serde_json::json;
use tokio::{process::Command, time::timeout};

use crate::support::start;

#[tokio::test]
async fn official_client_gets_a_token() {
    let Some(python) = env::var_os("GATEPASS_PYTHON") else {
        println!("NOT RUN: GATEPASS_PYTHON is not set; `make test` sets it");
        return;
    };
    let emulator = start().await;
    let grants = json!({
        "resource": CONTOSO_API.identifier_uri,
        "audience": CONTOSO_API.client_id,
        "identities": [
            {"name": GATEWAY.name, "client_id": null, "roles": GATEWAY.roles},
            {"name": READER.name, "client_id": READER.client_id, "roles": READER.roles},
        ],
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azure_identity.py");
    let run = Command::new(python)
        .arg(script)
        .arg(grants.to_string())
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", format!("http://{}", emulator.imds()))
        .env("NO_PROXY", "127.0.0.1")
        // What other sources of identity announce themselves with.
        .env_remove("IDENTITY_ENDPOINT")
        .env_remove("MSI_ENDPOINT")
        .env_remove("AZURE_CLIENT_ID")
        .env_remove("AZURE_FEDERATED_TOKEN_FILE")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(120), run).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "{text}\n{errors}");
    assert_eq!(text.lines().count(), 10, "{text}");
    // Two clients for each identity, and two refusals.
    assert_eq!(emulator.token_requests(), 6);
}
