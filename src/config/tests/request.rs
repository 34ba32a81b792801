//! The token's place, and headers that the gateway writes.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{faults, parse, with_operation, with_operations};
use crate::config::{Inbound, InboundToken, Scheme, TokenHandling, TokenPlace};
use crate::header_name::HeaderName;

fn validate(rest: &str) -> TokenHandling {
    match &parse(&with_operation(&format!(r#", "validate": {{{rest}}}"#))).operations[0].inbound {
        Inbound::Validate(validate) => validate.handling.clone(),
        _ => panic!("anonymous"),
    }
}

fn header(name: &'static str, scheme: Scheme) -> TokenPlace {
    TokenPlace::Header { name: HeaderName::parse(name.as_bytes()).unwrap(), scheme }
}

/// The one fault of an operation with this.
fn fault(rest: &str) -> String {
    let mut faults = faults(&with_operation(&format!(", {rest}")));
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.remove(0)
}

#[test]
fn a_token_stands_in_authorization_unless_said_otherwise() {
    let default = validate("");
    assert_eq!(default.place, header("authorization", Scheme::Bearer));
    assert_eq!(default.inbound, InboundToken::Forward);
    for (place, expected) in [
        (r#"{"header": "AUTHORIZATION"}"#, header("authorization", Scheme::Bearer)),
        (r#"{"header": "Authorization", "scheme": "none"}"#, header("authorization", Scheme::None)),
        (r#"{"header": "X-Token"}"#, header("x-token", Scheme::None)),
        (r#"{"header": "X-Token", "scheme": "optional"}"#, header("x-token", Scheme::Optional)),
        (r#"{"query": "access_token"}"#, TokenPlace::Query("access_token".into())),
        (r#"{"cookie": "__Host-s"}"#, TokenPlace::Cookie("__Host-s".into())),
    ] {
        assert_eq!(validate(&format!(r#""token": {place}"#)).place, expected);
    }
    let protocol = validate(r#""token": {"websocket_protocol": "bearer."}"#);
    assert_eq!(protocol.inbound, InboundToken::Remove, "it could be sent back");
}

#[test]
fn an_operations_place_replaces_the_defaults() {
    let json = with_operations(
        r#"[{"match": {"path": {"exact": "/a"}}},
            {"match": {"path": {"exact": "/b"}},
             "validate": {"token": {"query": "t"}, "inbound_token": "forward",
                          "claims_to_headers": [{"claim": "oid", "header": "X-Id"}]}}]"#,
    )
    .replace(
        r#""audiences": ["api"]"#,
        r#""audiences": ["api"], "token": {"cookie": "c"}, "inbound_token": "remove",
           "claims_to_headers": [{"claim": "sub", "header": "X-User"}]"#,
    );
    let configuration = parse(&json);
    let of = |index: usize| match &configuration.operations[index].inbound {
        Inbound::Validate(validate) => &validate.handling,
        _ => panic!("anonymous"),
    };
    assert_eq!((&of(0).place, &of(0).inbound), (&TokenPlace::Cookie("c".into()), &InboundToken::Remove));
    assert_eq!((&of(1).place, &of(1).inbound), (&TokenPlace::Query("t".into()), &InboundToken::Forward));
    assert_eq!(of(0).disclosure.headers[0].1.as_str(), "x-user");
    assert_eq!(of(1).disclosure.headers.len(), 1);
    assert_eq!(of(1).disclosure.headers[0].1.as_str(), "x-id");
}

#[test]
fn a_place_that_cannot_be_is_a_fault() {
    for (place, expected) in [
        ("{}", "validate.token: exactly one of `header`, `query`"),
        (r#"{"header": "X-Token", "query": "t"}"#, "validate.token: exactly one of"),
        (r#"{"query": "t", "scheme": "none"}"#, "validate.token.scheme: only a token in a `header`"),
        (
            r#"{"header": "X-Token", "scheme": "Basic"}"#,
            "validate.token.scheme: unknown word; expected `Bearer`",
        ),
        (r#"{"header": "X Token"}"#, "validate.token.header: not the name of a header"),
        (r#"{"header": ":path"}"#, "validate.token.header: not the name of a header"),
        (r#"{"header": ""}"#, "validate.token.header: not the name of a header"),
        (r#"{"header": "Host"}"#, "validate.token.header: this header frames or routes"),
        (r#"{"header": "cookie"}"#, "validate.token.header: a token in a cookie"),
        (r#"{"query": "a b"}"#, "validate.token.query: not a name"),
        (r#"{"query": ""}"#, "validate.token.query: not a name"),
        (r#"{"cookie": "a=b"}"#, "validate.token.cookie: not the name of a cookie"),
        (r#"{"websocket_protocol": "a,b"}"#, "validate.token.websocket_protocol: not the beginning"),
    ] {
        let fault = fault(&format!(r#""validate": {{"token": {place}}}"#));
        assert!(fault.starts_with(&format!("operations[0].{expected}")), "{place}: {fault}");
    }
}

#[test]
fn a_token_that_cannot_go_there_is_a_fault() {
    for (rest, expected) in [
        (r#""inbound_token": "drop""#, "inbound_token: unknown word; expected `forward`, `remove`"),
        (r#""inbound_token": {"move_to": "X-T", "to": "x"}"#, "inbound_token: unknown field `to`"),
        (
            r#""inbound_token": {"move_to": "Authorization"}"#,
            "inbound_token.move_to: the token stands there already",
        ),
        (r#""inbound_token": {"move_to": "Cookie"}"#, "inbound_token.move_to: credentials stand there"),
        (r#""inbound_token": {"move_to": "TE"}"#, "inbound_token.move_to: this header frames or routes"),
        (
            r#""token": {"websocket_protocol": "b."}, "inbound_token": "forward""#,
            "inbound_token: the backend could accept",
        ),
    ] {
        let fault = fault(&format!(r#""validate": {{{rest}}}"#));
        assert!(fault.starts_with(&format!("operations[0].validate.{expected}")), "{rest}: {fault}");
    }
}

#[test]
fn a_header_that_cannot_be_written_is_a_fault() {
    let claims = |entry: &str| format!(r#""validate": {{"claims_to_headers": [{entry}]}}"#);
    let state = |entry: &str| format!(r#""validate": {{"claims_to_filter_state": [{entry}]}}"#);
    let set = |entry: &str| format!(r#""headers": {{"set": {{{entry}}}}}"#);
    for (rest, expected) in [
        (claims(r#"{"claim": "sub", "header": "Authorization"}"#), "[0].header: credentials stand there"),
        (claims(r#"{"claim": "sub", "header": "x-request-id"}"#), "[0].header: Envoy writes and reads"),
        (
            claims(r#"{"claim": "sub", "header": "X-Envoy-Original-Path"}"#),
            "[0].header: Envoy writes and reads",
        ),
        (
            claims(r#"{"claim": "sub", "header": "content-length"}"#),
            "[0].header: this header frames or routes",
        ),
        (claims(r#"{"claim": "", "header": "X-U"}"#), "[0].claim: this is empty"),
        (claims(r#"{"claim": "a", "path": ["a"], "header": "X-U"}"#), "[0]: exactly one of `claim`, `path`"),
        (claims(r#"{"claim": "a", "header": "X-U", "encoding": "json"}"#), "[0].encoding: unknown word"),
        (state(r#"{"claim": "sub", "key": "a b"}"#), "[0].key: not a key"),
        (
            state(r#"{"claim": "a", "key": "k"}, {"claim": "b", "key": "k"}"#),
            "[1].key: two claims have this key",
        ),
        (set(r#""Content-Length": "1""#), ".Content-Length: this header frames or routes"),
        (set(r#""X-A": "a\nb""#), ".X-A: only printable ASCII"),
        (set(r#""X-A": " a""#), ".X-A: only printable ASCII"),
        (set(r#""Authorization": "Basic canary""#), ".Authorization: credentials stand there"),
        (set(""), ".set: this is empty"),
        (r#""headers": {}"#.into(), "headers: this is empty"),
        (r#""headers": {"remove": []}"#.into(), "headers.remove: this is empty"),
        (r#""headers": {"remove": ["host"]}"#.into(), "headers.remove[0]: this header frames or routes"),
    ] {
        let fault = fault(&rest);
        assert!(fault.contains(expected), "{rest}: {fault}");
        assert!(!fault.contains("canary"), "{fault}");
    }
}

#[test]
fn a_header_has_one_writer() {
    let attach = r#""attach": [{"identity": "gateway", "resource": "api://b"}]"#;
    for (rest, path) in [
        (
            r#""validate": {"claims_to_headers": [{"claim": "a", "header": "X-A"}, {"claim": "b", "header": "x-a"}]}"#
                .to_owned(),
            "validate.claims_to_headers",
        ),
        (
            r#""validate": {"claims_to_headers": [{"claim": "a", "header": "X-A"}]}, "headers": {"set": {"x-a": "1"}}"#
                .to_owned(),
            "headers.set",
        ),
        (r#""headers": {"set": {"X-A": "1", "x-a": "2"}}"#.to_owned(), "headers.set"),
        (r#""headers": {"set": {"X-A": "1"}, "remove": ["x-b", "x-a"]}"#.to_owned(), "headers.remove[1]"),
        (
            format!(
                r#"{attach}, "validate": {{"token": {{"query": "t"}}, "inbound_token": {{"move_to": "authorization"}}}}"#
            ),
            "validate.inbound_token.move_to",
        ),
    ] {
        let fault = fault(&rest);
        assert!(fault.starts_with(&format!("operations[0].{path}: ")), "{rest}: {fault}");
    }
    parse(&with_operation(&format!(r#", {attach}, "headers": {{"remove": ["Authorization"]}}"#)));
}

#[test]
fn a_token_that_goes_is_not_kept_as_well() {
    for existing in [r#""keep""#, r#"{"move_to": "X-A"}"#] {
        let attach =
            format!(r#""attach": [{{"identity": "gateway", "resource": "r", "existing": {existing}}}]"#);
        let fault = fault(&format!(r#"{attach}, "validate": {{"inbound_token": "remove"}}"#));
        assert!(fault.starts_with("operations[0].attach[0].existing: `inbound_token` takes"), "{fault}");
        parse(&with_operation(&format!(", {attach}")));
    }
}

#[test]
fn a_fault_of_the_defaults_is_told_once() {
    let json =
        with_operations(r#"[{"match": {"path": {"exact": "/a"}}}, {"match": {"path": {"exact": "/b"}}}]"#)
            .replace(
                r#""audiences": ["api"]"#,
                r#""audiences": ["api"], "token": {"query": ""}, "inbound_token": {"move_to": "host"},
           "claims_to_headers": [], "claims_to_filter_state": []"#,
            );
    let paths: Vec<_> =
        faults(&json).iter().map(|fault| fault.split(": ").next().unwrap().to_owned()).collect();
    let expected = ["token.query", "inbound_token.move_to", "claims_to_headers", "claims_to_filter_state"];
    assert_eq!(paths, expected.map(|name| format!("defaults.validate.{name}")));
}
