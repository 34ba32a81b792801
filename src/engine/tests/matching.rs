#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{CONFIGURATION, World};

/// What an operation of each kind answers to a request with these headers.
fn matched(matches: &str, method: &str, path: &str, headers: &[(&[u8], &[u8])]) -> String {
    let operation =
        format!(r#"[{{"match": {matches}, "anonymous": true}}, {{"match": {{"path": {{"exact": "/b"}}}}}}]"#);
    let configuration = CONFIGURATION.split(r#""operations":"#).next().unwrap().to_owned();
    let mut world = World::new();
    world.begin_anew(&format!(r#"{configuration} "operations": {operation}}}"#));
    let mut all: Vec<(&[u8], &[u8])> = vec![(b":method", method.as_bytes()), (b":path", path.as_bytes())];
    all.extend(headers);
    let step = world.start_with(&all);
    world.finish(step)
}

#[test]
fn hosts_tell_operations_apart() {
    let at = |authority: &[u8]| {
        let matches = r#"{"path": {"exact": "/a"}, "hosts": ["api.example", "*.contoso.example"]}"#;
        matched(matches, "GET", "/a", &[(b":authority", authority)])
    };
    for authority in ["api.example", "API.example:8443", "api.example.", "x.contoso.example.:443"] {
        assert_eq!(at(authority.as_bytes()), "forwarded", "{authority}");
    }
    for authority in ["contoso.example", "api.example.evil.example", "api", "xn--api-.example"] {
        assert_eq!(at(authority.as_bytes()), "404 operation_not_found", "{authority}");
    }
    for authority in ["", ".", "user@api.example", "api.example:443:443", "api.example, x", "\u{fc}"] {
        assert_eq!(at(authority.as_bytes()), "400 host_invalid", "{authority}");
    }
}

#[test]
fn what_a_browser_asks_beforehand_is_an_operation_of_its_own() {
    let asked = |method, headers: &[(&[u8], &[u8])]| {
        matched(r#"{"path": {"exact": "/b"}, "cors_preflight": true}"#, method, "/b", headers)
    };
    let origin: (&[u8], &[u8]) = (b"origin", b"https://app.example");
    let wanted: (&[u8], &[u8]) = (b"access-control-request-method", b"GET");
    assert_eq!(asked("OPTIONS", &[origin, wanted]), "forwarded");
    for (method, headers) in
        [("OPTIONS", &[origin][..]), ("OPTIONS", &[wanted][..]), ("GET", &[origin, wanted][..])]
    {
        assert_eq!(asked(method, headers), "401 token_missing", "{method}");
    }
}

#[test]
fn an_ambiguous_path_goes_to_an_operation_that_allows_it_alone() {
    let asked = |path| matched(r#"{"path": {"prefix": "/a"}, "allow": ["encoded_slash"]}"#, "GET", path, &[]);
    assert_eq!(asked("/a/x%2Fy"), "forwarded");
    for path in ["/a/x%25", "/a/x;y", "/a/x%2F..%2Fy", "/b%2Fc", "/c%2Fd"] {
        assert_eq!(asked(path), "400 path_ambiguous", "{path}");
    }
    assert_eq!(asked("/c"), "404 operation_not_found");
}

/// The backend may read such a path as the guarded one, so the guard holds for it.
#[test]
fn an_ambiguous_path_does_not_pass_by_an_operation_before() {
    let operations = r#"[
        {"match": {"path": {"prefix": "/admin"}}},
        {"match": {"path": {"template": "/users/{id}"}}},
        {"match": {"path": {"exact": "/b"}, "methods": ["POST"]}},
        {"match": {"path": {"prefix": "/"}, "allow": ["encoded_slash", "encoded_percent", "semicolon"]}, "anonymous": true}
    ]"#;
    let configuration = CONFIGURATION.split(r#""operations":"#).next().unwrap().to_owned();
    let mut world = World::new();
    world.begin_anew(&format!(r#"{configuration} "operations": {operations}}}"#));
    for (path, said) in [
        ("/admin/x", "401 token_missing"),
        ("/admin/x%2Fy", "400 path_ambiguous"),
        ("/admin/x;y", "400 path_ambiguous"),
        ("/admin;x=1/panel", "400 path_ambiguous"),
        ("/admin%2Fpanel", "400 path_ambiguous"),
        ("/%2Fadmin", "400 path_ambiguous"),
        ("/%2561dmin/panel", "400 path_ambiguous"),
        ("/admin;x%2Fy", "400 path_ambiguous"),
        ("/admin%253Bx/y", "400 path_ambiguous"),
        ("/ADMIN/100%25", "400 path_ambiguous"),
        ("/users/a%2Fb", "400 path_ambiguous"),
        ("/users/a;x%2Fb", "400 path_ambiguous"),
        ("/users/a/b%2Fc", "forwarded"),
        ("/b;x", "forwarded"),
        ("/administrators;x", "forwarded"),
        ("/c%2Fadmin", "forwarded"),
        ("/100%25", "forwarded"),
    ] {
        let step = world.start_with(&[(b":method", b"GET"), (b":path", path.as_bytes())]);
        assert_eq!(world.finish(step), said, "{path}");
    }
}
