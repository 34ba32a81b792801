#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::config::Position;

const UPSTREAM: &str = r#"{"position": "upstream",
    "identities": {"gateway": {"managed_identity": {"source": "imds", "cluster": "imds"}}},
    "operations": [{"match": {"path": {"prefix": "/"}}, "attach": [{"identity": "gateway", "resource": "r"}]}]}"#;

#[test]
fn the_filter_stands_in_the_listener_unless_it_says_otherwise() {
    assert_eq!(parse(&with_operation("")).position, Position::Listener);
    assert_eq!(parse(UPSTREAM).position, Position::Upstream);
    assert!(matches!(parse(UPSTREAM).operations[0].inbound, Inbound::Anonymous));
}

#[test]
fn an_upstream_filter_checks_no_caller() {
    let issuer = r#""issuers": {"i": {"discovery": "https://i.example/.well-known/openid-configuration", "cluster": "i"}}, "#;
    for (from, to, path) in [
        ("\"identities\"", format!("{issuer}\"identities\""), "issuers"),
        ("\"identities\"", r#""defaults": {}, "identities""#.to_owned(), "defaults"),
        ("\"attach\"", r#""anonymous": true, "attach""#.to_owned(), "operations[0].anonymous"),
        ("\"attach\"", r#""validate": {}, "attach""#.to_owned(), "operations[0].validate"),
    ] {
        let said = faults(&UPSTREAM.replacen(from, &to, 1));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(&format!("{path}: an upstream filter")), "{said:?}");
    }
}
