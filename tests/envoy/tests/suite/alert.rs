//! An alert of envoy/monitoring: it rings while a token is about to end and its refresh fails, and at no other time.

use std::{collections::BTreeMap, fs, time::Duration};

use gatepass_emulator::{Endpoint, Fault};
use gatepass_stack::{Checkout, Stack};

use crate::support::*;

/// The gauges of Prometheus' page, by metric and identity.
async fn gauges(stack: &Stack) -> BTreeMap<(String, String), f64> {
    let page = stack.admin().get("/stats/prometheus").await.unwrap();
    let gauge = |line: &str| {
        let (metric, rest) = line.split_once('{')?;
        let (labels, value) = rest.split_once("} ")?;
        let identity =
            labels.split(',').find_map(|label| label.strip_prefix("identity=\"")?.strip_suffix('"'))?;
        Some(((metric.to_owned(), identity.to_owned()), value.trim().parse().ok()?))
    };
    page.lines().filter_map(gauge).collect()
}

/// The two comparisons of the rule's expression, `a < 300 and on (…) b > 0`.
fn expression() -> [(String, char, f64); 2] {
    let file = Checkout::find().unwrap().root().join("envoy/monitoring/alerts.yaml");
    let rules = fs::read_to_string(file).unwrap();
    let rule = rules.split("- alert: GatepassTokenEndsSoon").nth(1).unwrap();
    let expression = rule.lines().find_map(|line| line.trim().strip_prefix("expr: ")).unwrap();
    let (first, second) = expression.split_once(" and on (instance, identity) ").unwrap();
    [first, second].map(|side| {
        let words: Vec<_> = side.split(' ').collect();
        (words[0].to_owned(), words[1].chars().next().unwrap(), words[2].parse().unwrap())
    })
}

async fn rings(stack: &Stack) -> bool {
    let gauges = gauges(stack).await;
    expression().into_iter().all(|(metric, compare, limit)| {
        let value = gauges.get(&(metric.clone(), "gateway".to_owned()));
        let value = *value.unwrap_or_else(|| panic!("no {metric} for the identity: {gauges:?}"));
        if compare == '<' { value < limit } else { value > limit }
    })
}

#[tokio::test]
async fn the_alert_rings_while_a_token_is_about_to_end_and_its_refresh_fails() {
    let stack = start(Stack::builder().prepare(|emulator| {
        emulator.set_token_lifetime(Duration::from_secs(40));
    }))
    .await;
    assert_eq!(get(&stack, "/unprotected").await.status, 200);
    stack.counter_reaches("tokens.seconds_left.gateway", 1).await.unwrap();
    assert!(!rings(&stack).await, "a token that ends soon is no trouble as long as nothing fails");
    stack.emulator().set_default_fault(Endpoint::Imds, Some(Fault::status(500)));
    // At half-life the refresh fails, and the token still serves.
    eventually("the alert", Duration::from_secs(35), || async {
        let status = get(&stack, "/unprotected").await.status;
        rings(&stack).await && status == 200
    })
    .await;
    stack.emulator().clear_faults();
    eventually("its end", Duration::from_secs(30), || async {
        get(&stack, "/unprotected").await;
        !rings(&stack).await
    })
    .await;
}
