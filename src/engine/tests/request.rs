//! Where the token stands, what becomes of it, and what the backend learns.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::World;
use crate::jwt::testing::TestKey;
use crate::observe::Counter;

/// One operation, `/api`, with this `validate` beside issuer and audience; `/open` is anonymous.
fn world(validate: Value) -> World {
    with_operations(json!([{"match": {"path": {"exact": "/api"}}, "validate": validate}]))
}

fn with_operations(mut operations: Value) -> World {
    operations
        .as_array_mut()
        .unwrap()
        .push(json!({"match": {"path": {"exact": "/open"}}, "anonymous": true}));
    let configuration = json!({
        "issuers": {"partner": {"discovery": "https://idp.example/.well-known/openid-configuration",
            "cluster": "idp", "algorithms": ["ES256"]}},
        "identities": {"gateway": {"managed_identity": {"source": "imds", "cluster": "imds"}}},
        "defaults": {"validate": {"issuer": "partner", "audiences": ["api"]}},
        "operations": operations,
    });
    World::with(&configuration.to_string(), TestKey::p256())
}

/// Each place, with a request that shows `token` there: path and headers.
fn shown(place: &str, token: &str) -> (Value, String, Vec<(&'static str, String)>) {
    let at = |path: &str, headers| (path.to_owned(), headers);
    let (place, (path, headers)) = match place {
        "authorization" => (
            json!({"header": "Authorization"}),
            at("/api", vec![("authorization", format!("Bearer {token}"))]),
        ),
        "header" => (json!({"header": "X-Token"}), at("/api", vec![("x-token", token.to_owned())])),
        "query" => (json!({"query": "access_token"}), at(&format!("/api?access_token={token}"), vec![])),
        "cookie" => (json!({"cookie": "session"}), at("/api", vec![("cookie", format!("session={token}"))])),
        _ => {
            let item = format!("bearer.{}", URL_SAFE_NO_PAD.encode(token));
            (json!({"websocket_protocol": "bearer."}), at("/api", vec![("sec-websocket-protocol", item)]))
        }
    };
    (place, path, headers)
}

const PLACES: [&str; 5] = ["authorization", "header", "query", "cookie", "websocket_protocol"];

fn send(world: &mut World, path: &str, headers: &[(&str, String)]) -> String {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.request_with(path, &headers)
}

#[test]
fn a_token_is_seen_in_its_place_and_in_no_other() {
    for place in PLACES {
        for shown_in in PLACES {
            let mut world = world(json!({"token": shown(place, "").0}));
            let token = world.token(json!({}));
            let (_, path, headers) = shown(shown_in, &token);
            let told = send(&mut world, &path, &headers);
            match place == shown_in {
                true => assert!(told.starts_with("forwarded"), "{place}: {told}"),
                false => assert_eq!(told, "401 token_missing", "{place}, shown in {shown_in}"),
            }
        }
    }
}

#[test]
fn a_bearer_token_in_authorization_beside_the_place_is_one_too_many() {
    for place in &PLACES[1..] {
        let mut world = world(json!({"token": shown(place, "").0}));
        let token = world.token(json!({}));
        let (_, path, mut headers) = shown(place, &token);
        for (value, is_refused) in [("Bearer x", true), ("bEARER  x", true), ("Basic eDp5", false)] {
            headers.push(("authorization", value.to_owned()));
            let told = send(&mut world, &path, &headers);
            assert_eq!(told == "401 token_multiple", is_refused, "{place} {value}: {told}");
            headers.pop();
        }
    }
}

#[test]
fn a_token_shown_twice_is_refused() {
    let (cookie, protocol) = ("cookie", "sec-websocket-protocol");
    let cases = [
        ("header", "/api", vec![("x-token", "T"), ("x-token", "T")]),
        ("query", "/api?access_token=T&access_token=T", vec![]),
        ("query", "/api?access_token=T&a=1&ACCESS%5Ftoken=x", vec![]),
        ("query", "/api?access_token=T&a=1;access_token=x", vec![]),
        ("cookie", "/api", vec![(cookie, "session=T; a=1;session=x")]),
        ("cookie", "/api", vec![(cookie, "session=T"), (cookie, "session=x")]),
        ("websocket_protocol", "/api", vec![(protocol, "bearer.T, bearer.x")]),
        ("websocket_protocol", "/api", vec![(protocol, "bearer.T"), (protocol, "chat,bearer.x")]),
    ];
    for (place, path, headers) in cases {
        let mut world = world(json!({"token": shown(place, "").0}));
        let token = match place {
            "websocket_protocol" => URL_SAFE_NO_PAD.encode(world.token(json!({}))),
            _ => world.token(json!({})),
        };
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (*name, value.replacen('T', &token, 1))).collect();
        let told = send(&mut world, &path.replacen('T', &token, 1), &headers);
        assert_eq!(told, "401 token_multiple", "{path} {headers:?}");
    }
}

#[test]
fn the_scheme_is_as_configured() {
    let cases = [
        (json!({"header": "Authorization"}), ["forwarded", "401 scheme_not_allowed"]),
        (json!({"header": "authorization", "scheme": "optional"}), ["forwarded", "forwarded"]),
        (json!({"header": "Authorization", "scheme": "none"}), ["401 scheme_not_allowed", "forwarded"]),
        (json!({"header": "X-Token"}), ["401 scheme_not_allowed", "forwarded"]),
        (json!({"header": "X-Token", "scheme": "Bearer"}), ["forwarded", "401 scheme_not_allowed"]),
    ];
    for (place, expected) in cases {
        let mut world = world(json!({"token": place}));
        let header = if place["header"] == "X-Token" { "x-token" } else { "authorization" };
        let token = world.token(json!({}));
        let mut told = |value: String| world.request_with("/api", &[(header, &value)]);
        assert_eq!(told(format!("bEARER   {token}")), expected[0], "{place}");
        assert_eq!(told(token.clone()), expected[1], "{place}");
        assert_eq!(told(format!("Basic {token}")), "401 scheme_not_allowed", "{place}");
        assert_eq!(told(format!("Bearer\t{token}")).split(' ').next(), Some("401"), "{place}");
    }
}

#[test]
fn a_query_is_decoded_exactly_and_loses_the_token_alone() {
    let mut world = world(json!({"token": {"query": "access_token"}, "inbound_token": "remove"}));
    let t = world.token(json!({}));
    let encoded = t.replace('.', "%2E").replacen('e', "%65", 1);
    for (query, rest) in [
        (format!("?access_token={t}"), ""),
        (format!("?access_token={encoded}"), ""),
        (format!("?Access%5FToken={t}"), ""),
        (format!("?access_token={t}&a=%2F&b=+"), "?a=%2F&b=+"),
        (format!("?a=%zz&access_token={t}"), "?a=%zz"),
        (format!("?a=1&access_token={t}&&c"), "?a=1&&c"),
        (format!("?a;access_token={t};b"), "?a;b"),
        (format!("?x_access_token=1&access_token={t}"), "?x_access_token=1"),
    ] {
        let told = world.request_with(&format!("/api{query}"), &[]);
        assert_eq!(told, format!("forwarded :path=/api{rest}"), "{query}");
    }
    for query in [
        "?access_token=".to_owned(),
        "?access_token".to_owned(),
        format!("?access_token={t}%"),
        format!("?access_token={t}%2"),
        format!("?access_token={t}%zz"),
        format!("?access_token={t}%ff"),
        format!("?access_token={t}+"),
        format!("?access_token=%20{t}"),
        format!("?access_token={t}#x"),
        format!("?access_token=Bearer%20{t}"),
    ] {
        assert_eq!(world.request_with(&format!("/api{query}"), &[]), "401 token_malformed", "{query}");
    }
    for query in ["", "?", "?a=access_token", "?access_toke=x", "?access_token2=x"] {
        assert_eq!(world.request_with(&format!("/api{query}"), &[]), "401 token_missing", "{query}");
    }
    let long = format!("?access_token={t}&a={}", "x".repeat(16 * 1024));
    assert_eq!(world.request_with(&format!("/api{long}"), &[]), "401 token_too_large");
}

#[test]
fn cookies_and_protocols_lose_the_token_alone() {
    let mut world_of_cookies = world(json!({"token": {"cookie": "session"}, "inbound_token": "remove"}));
    let t = world_of_cookies.token(json!({}));
    for (cookie, edit) in [
        (format!("session={t}"), " -cookie"),
        (format!("a=1; session={t}"), " cookie=a=1"),
        (format!("session={t}; b=\"x y\""), " cookie=b=\"x y\""),
        (format!("a=1;  session = {t} ; b=2;c"), " cookie=a=1; b=2;c"),
    ] {
        let told = world_of_cookies.request_with("/api", &[("cookie", &cookie)]);
        assert_eq!(told, format!("forwarded{edit}"), "{cookie}");
    }
    let lines = [("cookie", "a=1"), ("cookie", &format!("session={t}")), ("cookie", "b=2")];
    assert_eq!(world_of_cookies.request_with("/api", &lines), "forwarded cookie=a=1; b=2");
    assert_eq!(world_of_cookies.request_with("/api", &[("cookie", "Session=x")]), "401 token_missing");
    for (others, said) in [(16 * 1024, "forwarded cookie="), (16 * 1024 + 1, "401 token_too_large")] {
        let cookie = format!("session={t}; {}", "a".repeat(others));
        assert!(world_of_cookies.request_with("/api", &[("cookie", &cookie)]).starts_with(said), "{others}");
    }

    let mut world = world(json!({"token": {"websocket_protocol": "bearer."}}));
    let t = world.token(json!({}));
    let encoded = URL_SAFE_NO_PAD.encode(&t);
    for (list, edit) in [
        (format!("bearer.{encoded}"), " -sec-websocket-protocol"),
        (format!("chat, bearer.{encoded},v2"), " sec-websocket-protocol=chat,v2"),
    ] {
        let told = world.request_with("/api", &[("sec-websocket-protocol", &list)]);
        assert_eq!(told, format!("forwarded{edit}"), "{list}");
    }
    for list in [format!("bearer.{t}"), format!("bearer.{encoded}="), "bearer.".to_owned()] {
        let told = world.request_with("/api", &[("sec-websocket-protocol", &list)]);
        assert_eq!(told, "401 token_malformed", "{list}");
    }
}

#[test]
fn the_token_is_forwarded_removed_or_moved() {
    for place in PLACES {
        let taken = match place {
            "authorization" => " -authorization",
            "header" => " -x-token",
            "query" => " :path=/api",
            "cookie" => " -cookie",
            _ => " -sec-websocket-protocol",
        };
        let told = |inbound: Value| {
            let mut world = world(json!({"token": shown(place, "").0, "inbound_token": inbound}));
            let token = world.token(json!({}));
            let (_, path, headers) = shown(place, &token);
            send(&mut world, &path, &headers).replace(&token, "TOKEN")
        };
        assert_eq!(told(json!("remove")), format!("forwarded{taken}"));
        assert_eq!(told(json!({"move_to": "X-Caller"})), format!("forwarded{taken} x-caller=TOKEN"));
        if place != "authorization" {
            let moved = told(json!({"move_to": "Authorization"}));
            assert_eq!(moved, format!("forwarded{taken} authorization=Bearer TOKEN"));
        }
        if place != "websocket_protocol" {
            assert_eq!(told(json!("forward")), "forwarded");
        }
    }
}

#[test]
fn a_request_that_waits_keeps_what_was_decided_on_its_head() {
    let mut world = with_operations(json!([
        {"match": {"path": {"exact": "/api"}},
         "validate": {"inbound_token": {"move_to": "X-Caller"}, "claims_to_headers": [{"claim": "sub", "header": "X-User"}]},
         "attach": [{"identity": "gateway", "resource": "api://backend"}], "headers": {"remove": ["X-Debug"]}}]));
    let token = world.token(json!({"sub": "ada"}));
    let bearer = format!("Bearer {token}");
    let headers =
        [("authorization", bearer.as_str()), ("x-user", "root"), ("x_user", "root"), ("x-debug", "1")];
    let told = world.request_with("/api", &headers).replace(&token, "TOKEN");
    let expected = "forwarded x-user=ada -x_user authorization=Bearer imds-token x-caller=TOKEN -x-debug";
    assert_eq!(told, expected);
    assert_eq!(world.asked.len(), 3, "it has waited for keys and for a token: {:?}", world.asked);
}

#[test]
fn claims_go_into_headers_and_filter_state() {
    let mut world = world(json!({
        "claims_to_headers": [
            {"claim": "sub", "header": "X-User"},
            {"claim": "roles", "header": "X-Roles"},
            {"path": ["address", "country"], "header": "X-Country"},
            {"claim": "address", "header": "X-Address", "encoding": "json_base64url"},
            {"claim": "address", "header": "X-Address-Text"}],
        "claims_to_filter_state": [{"claim": "tid", "key": "tenant"}, {"claim": "none", "key": "none"}],
    }));
    let claims = json!({"sub": "ada", "tid": 7, "address": {"country": "NL"}});
    let bearer = format!("Bearer {}", world.token(claims));
    let told = world.request_with("/api", &[("authorization", &bearer), ("x-address-text", "forged")]);
    let address = URL_SAFE_NO_PAD.encode(r#"{"country":"NL"}"#);
    let expected = format!(
        "forwarded -x-address-text x-user=ada x-roles=Read,Write x-country=NL x-address={address} tenant:=7"
    );
    assert_eq!(told, expected);
    assert_eq!(world.state.counters.take().get(&Counter::ClaimOmitted), Some(&1));
    let bearer = format!("Bearer {}", world.token(json!({"roles": null})));
    assert_eq!(world.request_with("/api", &[("authorization", &bearer)]), "forwarded");
}

#[test]
fn headers_that_the_gateway_writes_come_from_nobody_else() {
    let mut world = with_operations(json!([
        {"match": {"path": {"exact": "/api"}},
         "validate": {"claims_to_headers": [{"claim": "sub", "header": "X-User"}]},
         "headers": {"set": {"X-Gateway": "1", "Accept": "application/json"}}},
        {"match": {"path": {"exact": "/moved"}}, "validate": {"inbound_token": {"move_to": "X-Token"}}},
        {"match": {"path": {"exact": "/token"}}, "validate": {"token": {"header": "X-Token"}}},
        {"match": {"path": {"exact": "/key"}},
         "attach": [{"identity": "gateway", "resource": "r", "header": "X-Key"}]},
        {"match": {"path": {"exact": "/own"}}, "anonymous": true, "headers": {"remove": ["X-Debug"]},
         "attach": [{"identity": "gateway", "resource": "r", "header": "X-Own", "existing": "keep"}]},
        {"match": {"path": {"exact": "/kept"}}, "anonymous": true,
         "attach": [{"identity": "gateway", "resource": "r", "header": "X-Key", "existing": "keep"}]}]));
    for (name, is_kept) in [
        ("x-user", false),
        ("x_user", false),
        ("x-gateway", false),
        ("x-token", false),
        ("x_token", false),
        ("x-users", true),
        ("accept", true),
        ("authorization", true),
    ] {
        let told = world.request_with("/open", &[(name, "forged"), (name, "again")]);
        let expected = if is_kept { "forwarded".to_owned() } else { format!("forwarded -{name}") };
        assert_eq!(told, expected);
    }
    assert_eq!(world.request_with("/kept", &[("x-key", "own")]), "forwarded");
    let own = [("x-own", "own"), ("x-debug", "1")];
    assert_eq!(world.request_with("/own", &own), "forwarded -x-debug");
    assert_eq!(world.request_with("/own", &own[..1]), "forwarded", "what is not there costs no call");
    assert_eq!(world.request_with("/open", &own[..1]), "forwarded", "callers may send it");
    assert_eq!(world.request_with("/open", &[("x-key", "forged")]), "forwarded -x-key");
    let token = world.token(json!({}));
    let told = world.request_with("/token", &[("x-token", &token), ("x_token", "forged")]);
    assert_eq!(told, "forwarded -x_token");
    let bearer = format!("Bearer {token}");
    let told = world.request_with("/api", &[("authorization", &bearer), ("x-user", "forged")]);
    assert_eq!(told, "forwarded -x-user accept=application/json x-gateway=1");
}

#[test]
fn a_token_that_is_only_reported_does_not_stand_where_others_are_moved_to() {
    let mut world = with_operations(json!([
        {"match": {"path": {"exact": "/moved"}}, "validate": {"inbound_token": {"move_to": "X-Token"}}},
        {"match": {"path": {"exact": "/api"}}, "enforce": false, "validate": {"token": {"header": "X-Token"}}}]));
    let token = world.token(json!({}));
    assert_eq!(world.request_with("/api", &[("x-token", &token)]), "forwarded");
    assert_eq!(world.request_with("/api", &[("x-token", "forged")]), "forwarded -x-token");
}
