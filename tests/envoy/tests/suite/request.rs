//! Where the token stands, what becomes of it, and what the backend and Envoy learn, seen byte by byte.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gatepass_emulator::{TokenSpec, directory::TENANT};
use gatepass_stack::{Builder, Stack, tree};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::*;

/// A backend that keeps the head of every request as it came, takes every upgrade, and then echoes.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    async fn listen(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let recorder = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(recorder.clone().serve(stream));
            }
        });
        port
    }

    async fn serve(self, mut stream: TcpStream) {
        let Some(head) = read_head(&mut stream).await else { return };
        let upgrades = head.to_ascii_lowercase().contains("upgrade: websocket");
        self.0.lock().unwrap().push(head);
        let answer = match upgrades {
            true => "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
            false => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        };
        let _ = stream.write_all(answer.as_bytes()).await;
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    }

    /// The requests that came since the last time.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// The one request that came, as its first line and the lines of the headers of these names.
    #[track_caller]
    fn only(&self, names: &[&str]) -> Vec<String> {
        let heads = self.take();
        assert_eq!(heads.len(), 1, "{heads:#?}");
        let lines = heads[0].lines().enumerate();
        let is_wanted = |line: &str| names.iter().any(|name| line.starts_with(&format!("{name}: ")));
        lines
            .filter(|(index, line)| *index == 0 || is_wanted(line))
            .map(|(_, line)| line.to_owned())
            .collect()
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(timeout(Duration::from_secs(10), stream.read_u8()).await.ok()?.ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// Sends one request and reads all that comes until the connection is closed.
async fn exchange(stack: &Stack, request: &str) -> String {
    let mut stream = TcpStream::connect(stack.gateway()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

async fn status(stack: &Stack, method: &str, path: &str, lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{lines}\r\n");
    exchange(stack, &request).await.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The reference stack with these operations before the others, all of them below `/raw` and routed to the recorder.
async fn stack(recorder: &Recorder, operations: Value) -> Stack {
    start(builder(recorder, operations).await).await
}

async fn builder(recorder: &Recorder, operations: Value) -> Builder {
    let port = recorder.listen().await;
    Stack::builder()
        .edit(move |tree| {
            let manager = tree::manager(tree).unwrap();
            manager["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
            let routes = manager.pointer_mut("/route_config/virtual_hosts/0/routes").unwrap();
            let route = json!({"match": {"prefix": "/raw"}, "route": {"cluster": "raw", "timeout": "0s"}});
            routes.as_array_mut().unwrap().insert(0, route);
            let address = json!({"socket_address": {"address": "127.0.0.1", "port_value": port}});
            tree::clusters(tree).unwrap().push(json!({
                "name": "raw", "type": "STATIC", "connect_timeout": "3s",
                "load_assignment": {"cluster_name": "raw",
                    "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
            }));
        })
        .configure(move |configuration| {
            let all = configuration["operations"].as_array_mut().unwrap();
            all.splice(0..0, operations.as_array().unwrap().iter().cloned());
        })
}

fn operation(path: &str, rest: Value) -> Value {
    let mut operation = json!({"match": {"path": {"exact": path}}});
    operation.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    operation
}

#[tokio::test]
async fn a_token_in_the_query_leaves_the_path_with_it() {
    let recorder = Recorder::default();
    let place = json!({"query": "access_token"});
    let mut stack = stack(
        &recorder,
        json!([
            operation("/raw/kept", json!({"validate": {"token": place}})),
            operation("/raw/removed", json!({"validate": {"token": place, "inbound_token": "remove"}})),
            operation(
                "/raw/moved",
                json!({"validate": {"token": place, "inbound_token": {"move_to": "Authorization"}}}),
            ),
        ]),
    )
    .await;
    let token = good_token(&stack);
    let query = format!("?a=%2F%20+&access_token={token}&b=;;");
    for (path, expected) in [
        ("/raw/kept", vec![format!("GET /raw/kept{query} HTTP/1.1")]),
        ("/raw/removed", vec!["GET /raw/removed?a=%2F%20+&b=;; HTTP/1.1".to_owned()]),
        (
            "/raw/moved",
            vec![
                "GET /raw/moved?a=%2F%20+&b=;; HTTP/1.1".to_owned(),
                format!("authorization: Bearer {token}"),
            ],
        ),
    ] {
        assert_eq!(status(&stack, "GET", &format!("{path}{query}"), &[]).await, "200", "{path}");
        assert_eq!(recorder.only(&["authorization"]), expected);
    }
    let bearer = format!("authorization: Bearer {token}");
    assert_eq!(status(&stack, "GET", "/raw/removed", std::slice::from_ref(&bearer)).await, "401");
    assert_eq!(status(&stack, "GET", &format!("/raw/removed{query}"), &[bearer]).await, "401");
    assert_eq!(recorder.take(), [""; 0]);
    stack.counter_reaches("requests.refused.token_multiple", 1).await.unwrap();
    assert!(!stack.log().contains(part(&token, 2)), "the token is in the log");
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn a_token_in_a_cookie_leaves_the_others_alone() {
    let recorder = Recorder::default();
    let validate = json!({"token": {"cookie": "session"}, "inbound_token": {"move_to": "X-Caller"}});
    let mut stack = stack(&recorder, json!([operation("/raw", json!({ "validate": validate }))])).await;
    let token = good_token(&stack);
    for (lines, cookies) in [
        (vec![format!("cookie: session={token}")], vec![]),
        (vec![format!("cookie: a=1; session={token}; b=\"2 3\"")], vec!["cookie: a=1; b=\"2 3\""]),
        (
            vec!["cookie: a=1".into(), format!("cookie: session={token}"), "cookie: b=2".into()],
            vec!["cookie: a=1; b=2"],
        ),
    ] {
        assert_eq!(status(&stack, "GET", "/raw", &lines).await, "200", "{lines:?}");
        let mut expected: Vec<_> = vec!["GET /raw HTTP/1.1".to_owned()];
        expected.extend(cookies.into_iter().map(ToOwned::to_owned));
        expected.push(format!("x-caller: {token}"));
        assert_eq!(recorder.only(&["cookie", "x-caller", "authorization"]), expected);
    }
    let twice = [format!("cookie: session={token}; session={token}")];
    assert_eq!(status(&stack, "GET", "/raw", &twice).await, "401");
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn identity_headers_come_from_the_gateway_alone() {
    let recorder = Recorder::default();
    let mut stack = start(
        builder(
            &recorder,
            json!([
                operation(
                    "/raw/checked",
                    json!({
                        "validate": {"claims_to_headers": [
                            {"claim": "tid", "header": "X-Tenant"},
                            {"claim": "roles", "header": "X-Roles"},
                            {"claim": "nickname", "header": "X-Nickname"}]},
                        "headers": {"set": {"X-Gateway": "contoso"}, "remove": ["X-Debug"]},
                    }),
                ),
                operation("/raw/open", json!({"anonymous": true})),
            ]),
        )
        .await
        // Without Envoy's own help.
        .edit(|tree| {
            let manager = tree::manager(tree).unwrap();
            manager["common_http_protocol_options"]["headers_with_underscores_action"] = json!("ALLOW");
        }),
    )
    .await;
    let forged =
        ["x-tenant: forged", "X-ROLES: Admin", "x-nickname: a", "x_roles: Admin", "X_Gateway: forged"];
    let forged: Vec<_> = [forged, forged].concat().iter().map(|line| (*line).to_owned()).collect();
    let names = [
        "x-tenant",
        "x-roles",
        "x-nickname",
        "x_roles",
        "x_gateway",
        "x-gateway",
        "x-debug",
        "authorization",
    ];
    let with =
        |lines: &[&str]| [forged.clone(), lines.iter().map(|line| (*line).to_owned()).collect()].concat();

    assert_eq!(
        status(&stack, "GET", "/raw/open", &with(&["x-debug: 1", "authorization: Basic eA=="])).await,
        "200"
    );
    let expected = ["GET /raw/open HTTP/1.1", "authorization: Basic eA==", "x-debug: 1"];
    let mut seen = recorder.only(&names);
    seen.sort();
    assert_eq!(seen, expected, "what the gateway writes is stripped, the rest is the client's");

    for nickname in [Some("ada"), Some("ada,admin"), Some("Zoë"), None] {
        let spec = TokenSpec::entra_v2();
        let spec = match nickname {
            Some(nickname) => spec.claim("nickname", nickname),
            None => spec,
        };
        let token = stack.emulator().issue(&spec);
        let bearer = format!("authorization: Bearer {token}");
        assert_eq!(status(&stack, "GET", "/raw/checked", &with(&["x-debug: 1", &bearer])).await, "200");
        let mut expected =
            vec!["GET /raw/checked HTTP/1.1".to_owned(), bearer, "x-gateway: contoso".to_owned()];
        expected.extend(nickname.filter(|name| *name == "ada").map(|name| format!("x-nickname: {name}")));
        expected.push("x-roles: Sample.Read,Sample.Write".to_owned());
        expected.push(format!("x-tenant: {TENANT}"));
        let mut seen = recorder.only(&names);
        seen.sort();
        assert_eq!(seen, expected, "{nickname:?}");
    }
    stack.counter_reaches("claims.omitted", 2).await.unwrap();
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn envoy_refuses_names_with_underscores_in_the_reference_configuration() {
    let stack = reference().await;
    assert_eq!(status(&stack, "GET", "/unprotected", &["x-user: 1".to_owned()]).await, "200");
    assert_eq!(status(&stack, "GET", "/unprotected", &["x_user: 1".to_owned()]).await, "400");
}

#[tokio::test]
async fn claims_in_filter_state_are_read_by_the_access_log_and_by_rbac() {
    let recorder = Recorder::default();
    let state = json!([{"claim": "tid", "key": "tenant"}, {"claim": "department", "key": "department"}]);
    let operations = json!([operation("/raw", json!({"validate": {"claims_to_filter_state": state}}))]);
    let mut stack = start(builder(&recorder, operations).await.edit(|tree| {
        let manager = tree::manager(tree).unwrap();
        let format = manager.pointer_mut("/access_log/0/typed_config/log_format/text_format_source").unwrap();
        *format = json!({"inline_string": "%PATH(NQ)% %RESPONSE_CODE% \
            tenant=%FILTER_STATE(wasm.tenant:PLAIN)% department=%FILTER_STATE(wasm.department:PLAIN)%\n"});
        let department = json!({"key": "wasm.department", "string_match": {"exact": "sales"}});
        let rbac = json!({
            "name": "rbac",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
                "rules": {"action": "DENY", "policies": {"sales": {
                    "permissions": [{"any": true}], "principals": [{"filter_state": department}]}}},
            },
        });
        let filters = tree::http_filters(tree).unwrap();
        filters.insert(filters.len() - 1, rbac);
    }))
    .await;
    let answer = async |department: Option<&str>| {
        let spec = TokenSpec::entra_v2();
        let spec = department.into_iter().fold(spec, |spec, name| spec.claim("department", name));
        let token = stack.emulator().issue(&spec);
        status(&stack, "GET", "/raw", &[format!("authorization: Bearer {token}")]).await
    };
    assert_eq!(answer(Some("support")).await, "200");
    assert_eq!(answer(Some("sales")).await, "403");
    assert_eq!(answer(None).await, "200");
    assert_eq!(answer(Some("x\n/raw 200 tenant=forged")).await, "200");
    let lines = [
        format!("/raw 200 tenant={TENANT} department=support"),
        format!("/raw 403 tenant={TENANT} department=sales"),
        format!("/raw 200 tenant={TENANT} department=-"),
    ];
    for line in lines {
        let line = format!("\n{line}\n");
        eventually("an access log", Duration::from_secs(15), async || stack.log().contains(&line)).await;
    }
    assert!(!stack.log().contains("tenant=forged"));
    assert_still_serves(&mut stack).await;
}

#[tokio::test]
async fn routes_match_what_the_gateway_writes_and_not_what_clients_send() {
    let recorder = Recorder::default();
    let claims = json!([{"claim": "tid", "header": "X-Tenant"}]);
    let operations = json!([
        operation("/raw/checked", json!({"validate": {"claims_to_headers": claims}})),
        operation("/raw/open", json!({"anonymous": true})),
    ]);
    let stack = start(builder(&recorder, operations).await.edit(|tree| {
        let routes =
            tree::manager(tree).unwrap().pointer_mut("/route_config/virtual_hosts/0/routes").unwrap();
        let tenant = json!([{"name": "x-tenant", "present_match": true}]);
        let route =
            json!({"match": {"prefix": "/raw", "headers": tenant}, "direct_response": {"status": 299}});
        routes.as_array_mut().unwrap().insert(0, route);
    }))
    .await;
    let bearer = format!("authorization: Bearer {}", good_token(&stack));
    assert_eq!(status(&stack, "GET", "/raw/checked", &[bearer]).await, "299");
    assert_eq!(status(&stack, "GET", "/raw/open", &["x-tenant: forged".to_owned()]).await, "200");
}

#[tokio::test]
async fn head_is_refused_without_a_body_and_let_pass_as_head() {
    let recorder = Recorder::default();
    let mut stack = stack(&recorder, json!([operation("/raw", json!({}))])).await;
    let request =
        |line: &str| format!("HEAD /raw HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n{line}\r\n");
    let answer = exchange(&stack, &request("")).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("\r\nwww-authenticate: Bearer realm=\"gatepass\"\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "a body: {answer}");
    let line = format!("authorization: Bearer {}\r\n", good_token(&stack));
    let answer = exchange(&stack, &request(&line)).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert_eq!(recorder.only(&[]), ["HEAD /raw HTTP/1.1"]);
    assert_still_serves(&mut stack).await;
}

async fn upgrade(stack: &Stack, path: &str, line: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(stack.gateway()).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{line}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await.unwrap();
    (stream, head)
}

#[tokio::test]
async fn a_websocket_shows_its_token_in_the_query_or_as_a_protocol() {
    let recorder = Recorder::default();
    let mut stack = stack(
        &recorder,
        json!([
            operation(
                "/raw/query",
                json!({"validate": {"token": {"query": "access_token"}, "inbound_token": "remove"}}),
            ),
            operation("/raw/protocol", json!({"validate": {"token": {"websocket_protocol": "bearer."}}})),
        ]),
    )
    .await;
    let token = good_token(&stack);
    let encoded = URL_SAFE_NO_PAD.encode(&token);
    for (path, line, expected) in [
        (format!("/raw/query?access_token={token}"), String::new(), vec!["GET /raw/query HTTP/1.1"]),
        (
            "/raw/protocol".to_owned(),
            format!("sec-websocket-protocol: chat, bearer.{encoded}\r\n"),
            vec!["GET /raw/protocol HTTP/1.1", "sec-websocket-protocol: chat"],
        ),
    ] {
        let (mut stream, head) = upgrade(&stack, &path, &line).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{path}: {head}");
        assert_eq!(recorder.only(&["sec-websocket-protocol"]), expected);
        stream.write_all(b"hello").await.unwrap();
        let mut echo = [0; 5];
        timeout(Duration::from_secs(10), stream.read_exact(&mut echo)).await.unwrap().unwrap();
        assert_eq!(&echo, b"hello");
    }
    let bad = format!("sec-websocket-protocol: chat, bearer.{token}\r\n");
    for (path, line) in [("/raw/query", ""), ("/raw/protocol", ""), ("/raw/protocol", &bad)] {
        let (_, head) = upgrade(&stack, path, line).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{path}: {head}");
    }
    assert_eq!(recorder.take(), [""; 0]);
    assert_still_serves(&mut stack).await;
}
