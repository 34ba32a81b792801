#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

fn with(sections: &str) -> String {
    with_operation("").replacen("\"defaults\"", &format!("{sections}, \"defaults\""), 1)
}

fn with_secret(secret: &str) -> String {
    with(&format!(r#""secrets": {{"key": {secret}}}"#))
}

const VAULT: &str = r#"{"key_vault": {"vault": "https://contoso.vault.azure.net", "name": "functions-key",
    "identity": "gateway", "cluster": "vault"}}"#;

#[test]
fn every_kind_of_secret_is_taken() {
    for secret in [
        r#"{"inline": "x"}"#,
        r#"{"file": {"cluster": "files", "path": "/key"}}"#,
        r#"{"file": {"cluster": "files", "path": "/key", "refresh": "1s"}}"#,
        r#"{"file": {"cluster": "files", "path": "/key", "refresh": "24h"}}"#,
        VAULT,
        &VAULT.replace(
            "\"name\"",
            r#""version": "0123456789abcdef0123456789abcdef", "refresh": "10m", "name""#,
        ),
    ] {
        assert_eq!(parse(&with_secret(secret)).secrets.len(), 1, "{secret}");
    }
}

#[test]
fn a_secret_from_the_environment_must_be_set() {
    let json = with_secret(r#"{"env": "API_KEY"}"#);
    let set: Environment = [("API_KEY".to_owned(), "canary".to_owned())].into_iter().collect();
    assert_eq!(Configuration::parse(json.as_bytes(), &set).unwrap().secrets.len(), 1);
    assert!(faults(&json)[0].starts_with("secrets.key.env: this environment variable is not set"));
    assert!(!faults(&json)[0].contains("API_KEY"), "what stands there may be the secret itself");
}

#[test]
fn a_secret_in_the_configuration_is_warned_of() {
    let configuration = parse(&with_secret(r#"{"inline": "canary"}"#));
    let notice = &configuration.notices[0];
    assert!(
        notice.text.starts_with("secrets.key.inline: a secret stands in the configuration"),
        "{notice:?}"
    );
    assert!(!notice.text.contains("canary"));
    assert!(parse(&with_secret(VAULT)).notices.is_empty());
}

#[test]
fn a_fault_in_a_secret_says_where_it_is_and_what_to_do() {
    let vault = |from: &str, to: &str| VAULT.replace(from, to);
    for (secret, said) in [
        (r#""s""#.to_owned(), "secrets.key: expected a secret: an object with `file`, `key_vault`, `env` or"),
        ("{}".into(), "secrets.key: exactly one of `file`, `key_vault`, `env`, `inline` belongs here"),
        (r#"{"inline": "x", "env": "X"}"#.into(), "secrets.key: exactly one of"),
        (r#"{"inline": ""}"#.into(), "secrets.key.inline: this is empty; a secret has 1 byte to 64 KiB"),
        (r#"{"file": {"path": "/a"}}"#.into(), "secrets.key.file: the field `cluster` is missing"),
        (r#"{"file": {"cluster": "", "path": "/a"}}"#.into(), "secrets.key.file.cluster: this is empty"),
        (r#"{"file": {"cluster": "f", "path": "a"}}"#.into(), "secrets.key.file.path: the path under which"),
        (
            r#"{"file": {"cluster": "f", "path": "/a b"}}"#.into(),
            "secrets.key.file.path: the path under which",
        ),
        (
            r#"{"file": {"cluster": "f", "path": "/a#b"}}"#.into(),
            "secrets.key.file.path: the path under which",
        ),
        (
            r#"{"file": {"cluster": "f", "path": "/a", "refresh": "25h"}}"#.into(),
            "secrets.key.file.refresh: a secret is read again after `1s` to `24h`",
        ),
        (
            r#"{"file": {"cluster": "f", "path": "/a", "refresh": "0s"}}"#.into(),
            "secrets.key.file.refresh: a secret is read again after `1s` to `24h`",
        ),
        (
            vault("contoso.vault.azure.net", "contoso.example"),
            "secrets.key.key_vault.vault: not the URL of a vault",
        ),
        (vault("functions-key", "a/b"), "secrets.key.key_vault.name: 1 to 127 letters"),
        (
            vault("gateway", "gatewya"),
            "secrets.key.key_vault.identity: there is no identity named `gatewya`, did you",
        ),
    ] {
        let faults = faults(&with_secret(&secret));
        assert!(faults.len() == 1 && faults[0].starts_with(said), "{secret}: {faults:?}");
    }
}

#[test]
fn no_fault_quotes_what_stands_in_the_place_of_a_secret() {
    const CANARY: &str = "S3cr3tCanary";
    for secret in [
        r#""S3cr3tCanary""#,
        r#"["S3cr3tCanary"]"#,
        r#"{"S3cr3tCanary": "x"}"#,
        r#"{"inline": {"S3cr3tCanary": "S3cr3tCanary"}}"#,
        r#"{"inline": ["S3cr3tCanary"]}"#,
        r#"{"inline": "S3cr3tCanary", "S3cr3tCanary": 1}"#,
        r#"{"inline": "S3cr3tCanary", "env": "S3cr3tCanary"}"#,
        r#"{"inline": "${S3cr3tCanary}"}"#,
        r#"{"inline": "x${S3cr3tCanary"}"#,
        r#"{"env": "S3cr3tCanary"}"#,
        r#"{"env": {"S3cr3tCanary": 1}}"#,
    ] {
        let faults = faults(&with_secret(secret));
        assert!(
            !faults.is_empty() && faults.iter().all(|fault| !fault.contains(CANARY)),
            "{secret}: {faults:?}"
        );
    }
}
