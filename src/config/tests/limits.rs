//! Bounds, each on both sides.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;

#[track_caller]
fn is_taken(json: &str, is_good: bool) {
    let parsed = Configuration::parse(json.as_bytes(), &Environment::default());
    assert_eq!(parsed.is_ok(), is_good, "{json}: {parsed:?}");
}

#[test]
fn a_request_waits_a_millisecond_to_a_minute() {
    for (wait, is_good) in [
        ("1ms", true),
        ("60s", true),
        ("1m", true),
        ("0s", false),
        ("60001ms", false),
        ("2m", false),
        ("1", false),
    ] {
        is_taken(&with_operation("").replacen('{', &format!(r#"{{"wait": "{wait}", "#), 1), is_good);
    }
}

#[test]
fn clocks_differ_by_ten_minutes_at_the_most() {
    for (skew, is_good) in [("0s", true), ("10m", true), ("601s", false)] {
        is_taken(&with_operation(&format!(r#", "validate": {{"clock_skew": "{skew}"}}"#)), is_good);
    }
}

#[test]
fn a_secret_is_read_again_after_a_second_to_a_day() {
    for (refresh, is_good) in [("1s", true), ("24h", true), ("999ms", false), ("86401s", false)] {
        let file = format!(r#"{{"cluster": "files", "path": "/key", "refresh": "{refresh}"}}"#);
        let json =
            with_operation("").replacen('{', &format!(r#"{{"secrets": {{"key": {{"file": {file}}}}}, "#), 1);
        is_taken(&json, is_good);
    }
}

#[test]
fn a_file_is_a_path_that_envoy_serves() {
    for (path, is_good) in
        [("/key", true), ("/a/b.txt", true), ("key", false), ("/a b", false), ("/a#b", false)]
    {
        let file = format!(r#"{{"cluster": "files", "path": "{path}"}}"#);
        let json =
            with_operation("").replacen('{', &format!(r#"{{"secrets": {{"key": {{"file": {file}}}}}, "#), 1);
        is_taken(&json, is_good);
    }
}

#[test]
fn a_tenants_domain_is_a_host_name_of_253_bytes() {
    let long = |bytes: usize| format!("{}.example", "a".repeat(bytes - ".example".len()));
    for (tenant, is_good) in [
        ("contoso.example", true),
        (&long(253), true),
        (&long(254), false),
        ("contoso", false),
        ("contoso..example", false),
        ("contoso_.example", false),
    ] {
        is_taken(&with_operation("").replacen(TENANT, tenant, 1), is_good);
    }
}

#[test]
fn what_is_shared_is_on_or_off() {
    for (switch, is_good) in
        [(r#""on""#, true), (r#""off""#, true), ("true", true), (r#""auto""#, false), ("1", false)]
    {
        is_taken(&with_operation("").replacen('{', &format!(r#"{{"shared_cache": {switch}, "#), 1), is_good);
    }
}

/// Fields that belong to one issuer stand within `any_of`, never beside it.
#[test]
fn every_field_of_an_issuer_is_refused_beside_any_of() {
    let any_of = r#""any_of": [{"issuer": "contoso", "audiences": ["api"]}]"#;
    is_taken(&with_operation(&format!(r#", "validate": {{{any_of}}}"#)), true);
    for field in [
        r#""issuer": "contoso""#,
        r#""audiences": ["api"]"#,
        r#""client_application_ids": ["c0a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"]"#,
        r#""backend_application_ids": ["c0a1b2d3-4e5f-4a6b-8c7d-9e0f1a2b3c4d"]"#,
        r#""token_type": "app""#,
    ] {
        is_taken(&with_operation(&format!(r#", "validate": {{{any_of}, {field}}}"#)), false);
    }
}
