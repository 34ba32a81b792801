//! The proof against Microsoft's own client for Python.

use std::{env, fs, path::Path, process::Stdio, time::Duration};

use gatepass_emulator::{
    Endpoint, TokenSpec,
    directory::{CALLER, CONTOSO_API, GATEWAY, READER, TENANT},
};
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

use crate::support::{Running, start};

#[tokio::test]
async fn official_client_gets_a_token() {
    let emulator = start().await;
    let grants = json!({
        "resource": CONTOSO_API.identifier_uri,
        "audience": CONTOSO_API.client_id,
        "identities": [
            {"name": GATEWAY.name, "client_id": null, "roles": GATEWAY.roles},
            {"name": READER.name, "client_id": READER.client_id, "roles": READER.roles},
        ],
    });
    let Some(text) = run(&emulator, "azure_identity.py", &grants).await else {
        return;
    };
    assert_eq!(text.lines().count(), 10, "{text}");
    // Two clients for each identity, and two refusals.
    assert_eq!(emulator.token_requests(), 6);
}

#[tokio::test]
async fn official_client_gets_a_token_from_every_source() {
    let emulator = start().await;
    let folder = tempfile::tempdir().unwrap();
    let service_account = folder.path().join("azure-identity-token");
    fs::write(&service_account, emulator.issue(&TokenSpec::service_account())).unwrap();
    let pem = format!(
        "{}{}",
        emulator.client_key(gatepass_emulator::Algorithm::Rs256).unwrap(),
        emulator.client_certificate()
    );
    let header = emulator.identity_header();
    let platform = |path: &str| format!("http://{}{path}", emulator.platforms());
    let app_service = json!({"IDENTITY_ENDPOINT": platform("/msi/token"), "IDENTITY_HEADER": header});
    let azure_ml = json!({"MSI_ENDPOINT": platform("/azureml/token"), "MSI_SECRET": header});
    let cloud_shell = json!({"MSI_ENDPOINT": platform("/cloudshell/oauth2/token")});
    let arc = format!("http://{}/metadata/identity/oauth2/token", emulator.arc());
    let arc = json!({"IDENTITY_ENDPOINT": arc, "IMDS_ENDPOINT": format!("http://{}", emulator.arc())});
    let service_fabric = json!({
        "IDENTITY_ENDPOINT": emulator.url("localhost", "/metadata/identity/oauth2/token"),
        "IDENTITY_HEADER": header,
        "IDENTITY_SERVER_THUMBPRINT": emulator.login_thumbprint(),
    });
    let reader = json!({"client_id": READER.client_id});
    let client = |more: Value| {
        let mut options = json!({"tenant_id": TENANT, "client_id": CALLER.client_id});
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    };
    let secret = client(json!({"client_secret": emulator.client_secret(CALLER.client_id).unwrap()}));
    let workload = client(json!({"token_file_path": service_account}));
    let nothing = json!({});
    let sources: Vec<_> = [
        ("App Service", "managed", &app_service, &nothing, GATEWAY.client_id),
        ("App Service, user-assigned", "managed", &app_service, &reader, READER.client_id),
        ("Azure ML", "managed", &azure_ml, &reader, READER.client_id),
        ("Cloud Shell", "managed", &cloud_shell, &nothing, GATEWAY.client_id),
        ("Arc", "managed", &arc, &nothing, GATEWAY.client_id),
        ("Arc, user-assigned", "managed", &arc, &reader, READER.client_id),
        ("Service Fabric", "managed", &service_fabric, &nothing, GATEWAY.client_id),
        ("a secret", "secret", &nothing, &secret, CALLER.client_id),
        (
            "a certificate",
            "certificate",
            &nothing,
            &client(json!({"certificate_data": pem})),
            CALLER.client_id,
        ),
        ("workload identity", "workload", &nothing, &workload, CALLER.client_id),
    ]
    .into_iter()
    .map(|(name, kind, environment, options, client_id)| {
        json!({
            "name": name,
            "kind": kind,
            "environment": environment,
            "options": options,
            "client_id": client_id,
        })
    })
    .collect();
    let wanted = json!({
        "resource": CONTOSO_API.identifier_uri,
        "login_port": emulator.login().port(),
        "arc_tokens": emulator.arc_tokens(),
        "sources": sources,
    });
    if run(&emulator, "azure_identity_sources.py", &wanted).await.is_some() {
        let seen = emulator.requests();
        let count = |endpoint| seen.iter().filter(|request| request.endpoint == endpoint).count();
        assert_eq!((count(Endpoint::Token), count(Endpoint::Arc)), (3, 4));
    }
}

/// Runs a script with the client installed and wants it to succeed; none where it is not installed.
async fn run(emulator: &Running, script: &str, argument: &Value) -> Option<String> {
    let Some(python) = env::var_os("GATEPASS_PYTHON") else {
        println!("NOT RUN: GATEPASS_PYTHON is not set; `make test` sets it");
        return None;
    };
    let mut command = Command::new(python);
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script))
        .arg(argument.to_string())
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", format!("http://{}", emulator.imds()))
        .env("REQUESTS_CA_BUNDLE", emulator.ca_certificate())
        .env("NO_PROXY", "127.0.0.1,localhost,login.microsoftonline.com")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // What other sources of identity announce themselves with.
    for name in ["IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"] {
        command.env_remove(name);
    }
    let output = timeout(Duration::from_secs(120), command.output()).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "{text}\n{errors}");
    Some(text)
}
