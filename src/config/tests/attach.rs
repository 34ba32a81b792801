#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::config::{Existing, OnError};
use crate::header_name::HeaderName;

fn with_attach(items: &str) -> String {
    with_operation(&format!(r#", "attach": [{items}]"#)).replacen(
        '{',
        r#"{"secrets": {"key": {"file": {"cluster": "files", "path": "/key"}}}, "#,
        1,
    )
}

#[test]
fn attach_has_the_defaults_of_a_bearer_token() {
    let configuration = parse(&with_attach(r#"{"identity": "gateway", "resource": "api://x"}"#));
    let attachment = &configuration.operations[0].attachments[0];
    assert_eq!((attachment.header.as_str(), attachment.prefix.as_str()), ("authorization", "Bearer "));
    assert_eq!((&attachment.existing, attachment.on_error), (&Existing::Overwrite, OnError::Refuse));
    assert!(attachment.destinations.is_empty());
}

#[test]
fn attach_takes_every_option() {
    let configuration = parse(&with_attach(
        r#"{"identity": "gateway", "scope": "api://x/.default", "header": "X-Token", "prefix": "",
            "existing": {"move_to": "X-Caller"}, "on_error": "continue", "to": {"clusters": ["orders"]}},
           {"identity": "gateway", "resource": "x", "existing": "keep"},
           {"secret": "key", "header": "x-functions-key"}"#,
    ));
    let attachments = &configuration.operations[0].attachments;
    assert_eq!((attachments[0].header.as_str(), attachments[0].prefix.as_str()), ("x-token", ""));
    assert_eq!(attachments[0].existing, Existing::MoveTo(HeaderName::parse(b"x-caller").unwrap()));
    assert_eq!(attachments[0].on_error, OnError::Continue);
    assert_eq!(&*attachments[0].destinations, ["orders".to_owned()]);
    assert_eq!(attachments[1].existing, Existing::Keep);
    assert_eq!((attachments[2].header.as_str(), attachments[2].prefix.as_str()), ("x-functions-key", ""));
}

#[test]
fn faults_of_attach_say_where_they_are() {
    let once = "something else of this operation writes the same header; give each its own";
    let token = |options: &str| format!(r#"{{"identity": "gateway", "resource": "r"{options}}}"#);
    for (items, expected) in [
        (String::new(), "attach: this is empty; leave it out where nothing is attached".to_owned()),
        ("{}".into(), "attach[0]: exactly one of `identity`, `secret` belongs here".into()),
        (token(r#", "secret": "s", "header": "x""#), "attach[0]: exactly one of `identity`, `secret` belongs here".into()),
        (r#"{"secret": "key"}"#.into(), "attach[0]: the field `header` is missing".into()),
        (
            r#"{"secret": "key", "header": "x", "scope": "s"}"#.into(),
            "attach[0].scope: a secret is the same for every target; remove this, or name an `identity`".into(),
        ),
        (
            r#"{"secret": "kee", "header": "x"}"#.into(),
            "attach[0].secret: there is no secret of this name, did you mean `key`?; defined: `key`".into(),
        ),
        (
            r#"{"identity": "gateway"}"#.into(),
            "attach[0]: exactly one of `resource`, `scope`, `audience` belongs here".into(),
        ),
        (
            token(r#", "scope": "s""#),
            "attach[0]: exactly one of `resource`, `scope`, `audience` belongs here".into(),
        ),
        (
            r#"{"identity": "gatway", "scope": "s"}"#.into(),
            "attach[0].identity: there is no identity named `gatway`, did you mean `gateway`?; defined: `gateway`"
                .into(),
        ),
        (
            token(r#", "existing": "move""#),
            "attach[0].existing: expected `overwrite`, `keep`, or an object with `move_to`, found a string".into(),
        ),
        (token(r#", "existing": {}"#), "attach[0].existing: the field `move_to` is missing".into()),
        (
            token(r#", "existing": {"move_to": "authorization"}"#),
            format!("attach[0].existing.move_to: {once}"),
        ),
        (
            token(r#", "on_error": "contineu""#),
            "attach[0].on_error: unknown word, did you mean `continue`?; expected `refuse`, `continue`".into(),
        ),
        (
            token(r#", "to": {"clusters": []}"#),
            "attach[0].to.clusters: this is empty; name at least one cluster; leave `to` out where the credential \
             may go to any"
                .into(),
        ),
        (
            token(r#", "prefix": " Bearer ""#),
            "attach[0].prefix: only printable ASCII can stand in a header, and no space at its beginning".into(),
        ),
        ([token(""), token("")].join(","), format!("attach[1].header: {once}")),
        (
            [token(r#", "existing": {"move_to": "x"}"#), token(r#", "header": "X""#)].join(","),
            format!("attach[1].header: {once}"),
        ),
    ] {
        assert_eq!(faults(&with_attach(&items)), [format!("operations[0].{expected}")]);
    }
}

#[test]
fn a_header_that_frames_or_routes_the_request_is_not_written() {
    for header in [
        "",
        "a b",
        ":path",
        "é",
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "te",
        "upgrade",
    ] {
        let item = format!(r#"{{"identity": "gateway", "resource": "r", "header": {header:?}}}"#);
        let said = faults(&with_attach(&item));
        assert!(said[0].starts_with("operations[0].attach[0].header: "), "{said:?}");
        let item =
            format!(r#"{{"identity": "gateway", "resource": "r", "existing": {{"move_to": {header:?}}}}}"#);
        assert_eq!(faults(&with_attach(&item)).len(), 1, "{header}");
    }
}
