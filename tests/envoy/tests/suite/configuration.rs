//! Configurations that Envoy must not take, and what the log says of them.

use gatepass_stack::{Delivery, Stack};
use serde_json::{Value, json};

use crate::support::*;

/// A value that looks like a secret; no message may repeat it.
const CANARY: &str = "c4nary-9fQ2.x7Zr";

/// A running Envoy that is given one configuration after the other, which is much faster than to start one
/// for each.
struct Judge(Stack);

/// What came of a configuration.
struct Verdict {
    accepted: bool,
    /// The lines that the filter wrote.
    said: String,
}

impl Judge {
    async fn new() -> Self {
        Self(start(Stack::builder().delivery(Delivery::Ecds).concurrency(1)).await)
    }

    async fn judge(&mut self, text: &str) -> Verdict {
        let before = self.0.log().len();
        let accepted = self.0.reload_plugin(text).await.unwrap();
        let log = self.0.log().split_off(before);
        for sign in ["panicked", "RuntimeError"] {
            assert!(!log.contains(sign), "{log}");
        }
        let said: Vec<_> = log.lines().filter(|line| line.contains("wasm log")).collect();
        Verdict { accepted, said: said.join("\n") }
    }
}

/// The reference configuration with one change.
fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut configuration = Stack::reference_configuration().unwrap();
    change(&mut configuration);
    configuration.to_string()
}

/// A fault, and words of the message that say where it is and what to do.
fn faults() -> Vec<(&'static str, String, Vec<&'static str>)> {
    let set = |pointer: &'static str, value: Value| {
        with(move |configuration| {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let parent = configuration.pointer_mut(parent).unwrap();
            match parent {
                Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
                _ => parent[name] = value,
            }
        })
    };
    vec![
        ("not JSON", "issuers:\n  contoso: {}\n".to_owned(), vec!["JSON"]),
        ("nothing", String::new(), vec![]),
        ("a list", "[]".to_owned(), vec!["object"]),
        ("cut short", with(|_| ()).trim_end_matches('}').to_owned(), vec!["line", "column"]),
        ("an unknown field", set("/issuer", json!({})), vec!["issuer", "issuers"]),
        (
            "an unknown field deep inside",
            set("/operations/0/validate/role", json!("x")),
            vec!["operations[0].validate", "role", "roles"],
        ),
        (
            "an unknown issuer",
            set("/defaults/validate/issuer", json!("cont0so")),
            vec!["defaults.validate.issuer", "contoso"],
        ),
        (
            "an unknown identity",
            set("/operations/1/attach/0/identity", json!("gatewya")),
            vec!["operations[1].attach[0].identity", "gateway"],
        ),
        (
            "a wrong type",
            set("/operations/0/match/path/exact", json!(5)),
            vec!["operations[0].match.path", "string"],
        ),
        ("an empty list of operations", set("/operations", json!([])), vec!["operations", "empty"]),
        (
            "an empty list of audiences",
            set("/defaults/validate/audiences", json!([])),
            vec!["defaults.validate.audiences", "empty"],
        ),
        ("no audience", set("/defaults/validate", json!({"issuer": "contoso"})), vec!["audiences", "any"]),
        (
            "no validation and not anonymous",
            with(|configuration| {
                configuration.as_object_mut().unwrap().remove("defaults");
                configuration["operations"][0].as_object_mut().unwrap().remove("validate");
            }),
            vec!["operations[0]", "anonymous"],
        ),
        (
            "two kinds in one entry",
            set("/operations/0/match/path", json!({"exact": "/a", "prefix": "/b"})),
            vec!["operations[0].match.path"],
        ),
        (
            "an operation that is never reached",
            with(|configuration| {
                let first = configuration["operations"][0].clone();
                configuration["operations"].as_array_mut().unwrap().push(first);
            }),
            vec!["operations[2]", "operations[0]"],
        ),
        ("a bad duration", set("/wait", json!("15 fortnights")), vec!["wait", "30s"]),
        (
            "a path that no request can have",
            set("/operations/0/match/path/exact", json!("/a/../b")),
            vec!["operations[0].match.path"],
        ),
        (
            "an algorithm that is none",
            set("/issuers/contoso/algorithms", json!(["none"])),
            vec!["issuers.contoso.algorithms"],
        ),
        (
            "a discovery document over plain HTTP",
            set("/issuers/contoso", json!({"discovery": "http://idp.partner.example/x", "cluster": "login"})),
            vec!["issuers.contoso.discovery", "https"],
        ),
    ]
}

#[test]
fn envoy_validates_a_configuration_without_starting() {
    let good = Stack::builder().validate().unwrap();
    assert!(good.accepted, "{}", good.log);
    let bad = Stack::builder().configuration("{}").validate().unwrap();
    assert!(!bad.accepted, "{}", bad.log);
    assert!(bad.log.contains("operations"), "{}", bad.log);
}

#[tokio::test]
async fn envoy_does_not_start_with_a_bad_configuration() {
    let error = Stack::builder().configuration("{}").start().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("ended at once"), "{text}");
    assert!(text.contains("operations"), "{text}");
}

#[tokio::test]
async fn envoy_refuses_a_bad_configuration_and_the_log_says_where_and_what_to_do() {
    let mut judge = Judge::new().await;
    let mut wrong = Vec::new();
    for (name, text, words) in faults() {
        let Verdict { accepted, said } = judge.judge(&text).await;
        if accepted {
            wrong.push(format!("{name}: accepted"));
        }
        let missing: Vec<_> = words.into_iter().filter(|word| !said.contains(word)).collect();
        if !missing.is_empty() || said.is_empty() {
            wrong.push(format!("{name}: {missing:?} not in: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(get(&judge.0, "/unprotected").await.status, 200, "the first one goes on");
}

#[tokio::test]
async fn no_message_repeats_what_may_be_a_secret() {
    let mut judge = Judge::new().await;
    let mut leaks = Vec::new();
    let places = [
        json!({"client_secret": CANARY}),
        json!({"managed_identity": {"source": CANARY, "cluster": "imds"}}),
        json!({"managed_identity": {"source": "imds", "cluster": "imds", "secret": CANARY}}),
        json!({"managed_identity": CANARY}),
        json!(CANARY),
        json!([CANARY]),
    ];
    let mut texts: Vec<_> = places
        .into_iter()
        .map(|place| with(|configuration| configuration["identities"]["gateway"] = place))
        .collect();
    // Cut short behind the value and within it.
    let whole = with(|configuration| configuration["x"] = json!(CANARY));
    texts.push(whole[..whole.len() - 1].to_owned());
    texts.push(whole[..whole.find(CANARY).unwrap() + 5].to_owned());
    for text in texts {
        let Verdict { accepted, said } = judge.judge(&text).await;
        if accepted || said.contains(&CANARY[..5]) {
            leaks.push(format!("{text}: accepted: {accepted}: {said}"));
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test]
async fn other_statuses_and_words_may_be_configured() {
    let stack = start(Stack::builder().configure(|configuration| {
        configuration["on_failure"] = json!({"forbidden_status": 403, "message": "No."});
    }))
    .await;
    assert_refused(&get(&stack, "/protected").await, 401, "No.");
    let answer = stack.send(DELETE, "/protected", Some(&good_token(&stack))).await.unwrap();
    assert_refused(&answer, 403, "No.");
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("insufficient_scope"), "{challenge}");
}
