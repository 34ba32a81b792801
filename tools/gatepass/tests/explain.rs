//! The pitfalls that people meet, each explained by name, from tokens that are made here.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const TENANT: &str = "7f3c9a52-1d0e-4b68-9c47-2a5d8e6b1f90";
const API: &str = "c0a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
const NOW: u64 = 1_800_000_000;

/// A v2 token of an application, with changes.
fn token(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({
        "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "ver": "2.0", "tid": TENANT, "aud": API,
        "azp": "11111111-2222-4333-8444-555555555555", "oid": "9", "sub": "9", "roles": ["Sample.Read"],
        "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 3600, "name": "canary",
    });
    change(&mut claims);
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2lnbmF0dXJl", part(&json!({"alg": "RS256", "typ": "JWT", "kid": "k"})), part(&claims))
}

/// Runs `gatepass explain` on a configuration; its standard output and exit code.
fn explain(entra: &str, validate: &str, token: &str, more: &[&str]) -> (String, i32) {
    let configuration = format!(
        "issuers: {{contoso: {{entra: {{tenant: {TENANT}, cluster: login{entra}}}}}}}\n\
         operations: [{{match: {{path: {{exact: /a}}}}, validate: {{issuer: contoso, {validate}}}}}]\n"
    );
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(configuration.as_bytes()).unwrap();
    explain_file(file.path(), token, &[&["--path", "/a"], more].concat())
}

/// The same on a configuration that is there.
fn explain_file(file: &Path, token: &str, more: &[&str]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepass"));
    command.args(["explain", "--now", &NOW.to_string(), "--config"]).arg(file).args(more);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(token.split('.').nth(1).is_none_or(|payload| !text.contains(payload)), "the token is printed");
    assert!(more.contains(&"--show-claims") || !text.contains("canary"), "a claim is printed: {text}");
    (text, output.status.code().unwrap())
}

const ANY: &str = "audiences: any";

#[test]
fn a_good_token_is_let_pass_as_far_as_can_be_known() {
    let (text, code) = explain("", &format!("audiences: [{API}], roles: Sample.Read"), &token(|_| {}), &[]);
    assert!(text.contains("let pass (if the signature is good"), "{text}");
    assert!(text.contains("key and signature  not checked"), "{text}");
    assert_eq!(code, 0);
}

#[test]
fn claims_are_printed_on_request_only() {
    let (text, _) = explain("", ANY, &token(|_| {}), &["--show-claims"]);
    assert!(text.contains("claims (not verified):") && text.contains("canary"), "{text}");
}

#[test]
fn each_pitfall_is_told_by_name() {
    let with = |claim: &'static str, value: Value| move |claims: &mut Value| claims[claim] = value;
    let version_1 = |claims: &mut Value| {
        claims["ver"] = json!("1.0");
        claims["iss"] = json!(format!("https://sts.windows.net/{TENANT}/"));
    };
    let without = |claim: &'static str| {
        move |claims: &mut Value| {
            claims.as_object_mut().unwrap().remove(claim);
        }
    };
    let user = |claims: &mut Value| {
        claims.as_object_mut().unwrap().remove("roles");
        claims["scp"] = json!("a b");
    };
    let uri = "audiences: [\"api://contoso\"]";
    let cases: [(&str, &str, &str, String, &str); 14] = [
        (
            ", versions: [v2]",
            ANY,
            "token_version_not_allowed",
            token(version_1),
            "requestedAccessTokenVersion` to 2",
        ),
        (
            ", versions: [v1]",
            ANY,
            "token_version_not_allowed",
            token(|_| {}),
            "version 2.0 and the issuer takes version 1.0",
        ),
        ("", uri, "audience_not_allowed", token(|_| {}), "A v2 token always has the API's client id"),
        ("", uri, "audience_not_allowed", token(with("aud", json!("api://contoso/"))), "trailing slash"),
        (
            "",
            uri,
            "audience_not_allowed",
            token(with("aud", json!("https://graph.microsoft.com"))),
            "Microsoft Graph",
        ),
        ("", uri, "audience_not_allowed", token(with("aud", json!("api://contoso/.default"))), "twice"),
        (
            "",
            &format!("audiences: [{API}]"),
            "audience_not_allowed",
            token(with("aud", json!("api://contoso"))),
            "App ID URI, and the operation asks for a client id",
        ),
        (
            "",
            "audiences: any, roles: Sample.Read",
            "claim_missing",
            token(without("roles")),
            "cached for up to a day",
        ),
        ("", "audiences: any, roles: Sample.Read", "claim_missing", token(user), "The token is a user's"),
        ("", "audiences: any, roles: Sample.Write", "claim_not_allowed", token(|_| {}), "not the one"),
        (
            "",
            "audiences: any, required_claims: [{name: scp}]",
            "claim_missing",
            token(|_| {}),
            "an application's",
        ),
        ("", ANY, "token_expired", token(with("exp", json!(NOW - 30))), "ended 30 seconds ago"),
        ("", ANY, "token_not_yet_valid", token(with("nbf", json!(NOW + 30))), "begins in the future"),
        ("", ANY, "token_malformed", "opaque".to_owned(), "This is no JWT"),
    ];
    for (entra, validate, reason, token, told) in cases {
        let (text, code) = explain(entra, validate, &token, &[]);
        let refused = text.lines().any(|line| line.starts_with("refused: 401 ") && line.contains(reason));
        assert!(refused && text.contains(told) && text.contains("FAILED"), "{reason}, {told}:\n{text}");
        assert_eq!(code, 1);
    }
}

#[test]
fn with_keys_the_signature_is_checked() {
    let mut keys = tempfile::NamedTempFile::new().unwrap();
    let modulus = format!("{}w", "_".repeat(341));
    let set = json!({"keys": [{"kty": "RSA", "kid": "k", "n": modulus, "e": "AQAB"}]});
    keys.write_all(set.to_string().as_bytes()).unwrap();
    let path = keys.path().to_str().unwrap().to_owned();
    let (text, code) = explain("", ANY, &token(|_| {}), &["--jwks", &path]);
    assert!(text.contains("refused: 401 signature_invalid"), "{text}");
    assert_eq!(code, 1);
}

#[test]
fn without_a_token_and_elsewhere() {
    let (text, _) = explain("", ANY, "", &[]);
    assert!(text.contains("refused: 401 token_missing"), "{text}");
    let (text, _) = explain("", ANY, "", &["--path", "/b"]);
    assert!(text.contains("refused: 404 operation_not_found"), "{text}");
}

/// `examples/workflow-trigger` names four; each can be seen before anything is deployed.
#[test]
fn the_pitfalls_of_the_workflow_are_told_beforehand() {
    const PATH: &str = "/workflows/9a1c3f5e/triggers/manual/paths/invoke";
    const GATEWAY: &str = "e21d7c40-6f8b-4a93-b5d2-81c6f03e9a47";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/workflow-trigger/workflow.yaml");
    let v1 = |change: fn(&mut Value)| {
        token(|claims| {
            claims["iss"] = json!(format!("https://sts.windows.net/{TENANT}/"));
            claims["ver"] = json!("1.0");
            claims["aud"] = json!("https://management.azure.com");
            claims["oid"] = json!(GATEWAY);
            change(claims);
        })
    };
    for (token, said) in [
        (v1(|_| {}), "let pass"),
        (v1(|claims| claims["aud"] = json!("https://vault.azure.net")), "401 audience_not_allowed"),
        (
            v1(|claims| {
                claims["iss"] = json!("https://sts.windows.net/3e8b6d71-52c4-4f9a-b1e0-6d7a9c2f4e58/")
            }),
            "401 issuer_not_allowed",
        ),
        (token(|claims| claims["aud"] = json!("https://management.azure.com")), "401 issuer_not_allowed"),
        (v1(|claims| claims["oid"] = json!("94b0e5d7-3a1c-4f62-9d88-6e7c2f4a1b03")), "401 claim_not_allowed"),
    ] {
        let (text, _) = explain_file(&file, &token, &["--method", "POST", "--path", PATH]);
        assert!(text.contains(said), "{said}: {text}");
    }
}
