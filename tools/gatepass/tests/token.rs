//! `gatepass token` against the emulator.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::Write;
use std::process::Command;

use gatepass_emulator::{Emulator, Endpoint, Options};

async fn token(emulator: &Emulator, configuration: &str, resource: &str) -> (String, i32) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(configuration.as_bytes()).unwrap();
    let resolve = format!("169.254.169.254={}", emulator.imds());
    let path = file.path().to_owned();
    let resource = resource.to_owned();
    let run = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatepass"));
        command.args([
            "token",
            "--identity",
            "gateway",
            "--resource",
            &resource,
            "--resolve",
            &resolve,
            "--config",
        ]);
        command.arg(path).output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code().unwrap())
}

const CONFIGURATION: &str =
    "identities: {gateway: {managed_identity: {source: imds, cluster: imds}}}\noperations: []\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_got_as_the_filter_would() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(Options::on_free_ports(folder.path().to_owned())).await.unwrap();
    let (text, code) = token(&emulator, CONFIGURATION, "api://contoso-api").await;
    assert!(text.contains("GET http://169.254.169.254/metadata/identity/oauth2/token\n  200 in "), "{text}");
    assert!(text.contains("token fetched, it lives") && text.contains("a JWT"), "{text}");
    assert!(!text.contains("eyJ"), "the token is printed: {text}");
    assert_eq!(code, 0);
    assert_eq!(emulator.count(Endpoint::Imds), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let emulator = Emulator::start(Options::on_free_ports(folder.path().to_owned())).await.unwrap();
    let (text, code) = token(&emulator, CONFIGURATION, "api://unknown").await;
    assert!(text.contains("  400 in ") && text.contains("token_unavailable"), "{text}");
    assert_eq!(code, 1);
    let (text, code) = token(&emulator, "operations: []", "api://contoso-api").await;
    assert!(text.contains("there is no identity named `gateway`"), "{text}");
    assert_eq!(code, 2);
}
