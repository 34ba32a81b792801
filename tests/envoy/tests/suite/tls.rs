//! Whoever keys are fetched from, and tokens and secrets are sent to, must prove its name: a server with a certificate for
//! another name, or from another authority, gets nothing.

use gatepass_emulator::{Emulator, Options};
use gatepass_stack::{Builder, Stack, tree};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::*;
use crate::{client_credentials::client_secret, credentials::Files, key_vault::functions_key};

/// The port that a cluster leads to.
fn port(tree: &mut Value, name: &str) -> u16 {
    let cluster = tree::cluster(tree, name).unwrap();
    let port = cluster
        .pointer("/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value");
    port.and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok()).unwrap()
}

/// In the place of these servers stands the backend: the same authority, another name.
fn replaced_by_the_backend(builder: Builder, names: &'static [&'static str]) -> Builder {
    builder.edit(move |tree| {
        let backend = port(tree, "backend");
        for name in names {
            tree::redirect(tree, name, backend);
        }
    })
}

/// 503 for the reason, a failed verification in Envoy's statistics, and not one request at the other server.
async fn assert_nothing_gets_out(
    stack: &Stack,
    answer: &gatepass_stack::Answer,
    cluster: &str,
    reason: &str,
) {
    assert_unavailable(answer);
    stack.counter_reaches(&format!("requests.refused.{reason}"), 1).await.unwrap();
    let failed = stack.stats(&format!("cluster.{cluster}.ssl.fail_verify")).await.unwrap();
    assert!(failed.values().any(|count| *count > 0), "{failed:?}");
    assert_eq!(seen_by_backend(stack), []);
}

#[tokio::test]
async fn keys_are_taken_from_nobody_else() {
    let stack = start(replaced_by_the_backend(Stack::builder(), &["login"])).await;
    let answer = call(&stack, &good_token(&stack)).await;
    assert_nothing_gets_out(&stack, &answer, "login", "keys_unavailable").await;
}

#[tokio::test]
async fn a_clients_secret_is_sent_to_nobody_else() {
    let files = Files::new();
    let stack = start(replaced_by_the_backend(client_secret(&files), &["login"])).await;
    let answer = get(&stack, "/unprotected").await;
    assert_nothing_gets_out(&stack, &answer, "login", "token_unavailable").await;
}

#[tokio::test]
async fn a_token_for_key_vault_is_sent_to_nobody_else() {
    let files = Files::new();
    let stack = start(replaced_by_the_backend(functions_key(&files), &["vault"])).await;
    let answer = get(&stack, "/unprotected").await;
    assert_nothing_gets_out(&stack, &answer, "vault", "secret_unavailable").await;
}

#[tokio::test]
async fn a_callers_token_is_sent_to_no_other_backend() {
    let stack = start(Stack::builder().edit(|tree| {
        let login = port(tree, "login");
        tree::redirect(tree, "backend", login);
    }))
    .await;
    let answer = call(&stack, &good_token(&stack)).await;
    // Gatepass has let it pass: this 503 is Envoy's own.
    assert_eq!(answer.status, 503, "{}", answer.text());
    let failed = stack.stats("cluster.backend.ssl.fail_verify").await.unwrap();
    assert!(failed.values().any(|count| *count > 0), "{failed:?}");
    let paths: Vec<_> = stack.emulator().requests().into_iter().map(|request| request.path).collect();
    assert!(paths.iter().all(|path| !path.starts_with("/protected")), "{paths:?}");
}

#[tokio::test]
async fn the_right_name_from_another_authority_is_not_enough() {
    let folder = TempDir::with_prefix("gatepass-impostor-").unwrap();
    let impostor = Emulator::start(Options::on_free_ports(folder.path().to_owned())).await.unwrap();
    let port = impostor.login().port();
    let stack = start(Stack::builder().edit(move |tree| tree::redirect(tree, "login", port))).await;
    let answer = call(&stack, &good_token(&stack)).await;
    assert_nothing_gets_out(&stack, &answer, "login", "keys_unavailable").await;
    assert_eq!(impostor.requests(), []);
}
