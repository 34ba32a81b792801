//! Every example does what its `scenario.yaml` says, at both ends.

use gatepass_stack::{Checkout, EXAMPLES, Example, Scenario, Stack, Target};

use crate::support::*;

pub(crate) fn scenario(example: &str) -> Scenario {
    Example::find(&Checkout::find().unwrap(), example).unwrap().scenario().unwrap()
}

async fn comes_out_as_it_says(example: &str) {
    let mut stack = start(Stack::builder().example(example)).await;
    let mut rows = Vec::new();
    let outcome = scenario(example).run(&Target::from(&stack), |row| rows.push(row.clone())).await.unwrap();
    let faulty: Vec<_> = rows.iter().filter(|row| !row.faults.is_empty()).collect();
    assert!(faulty.is_empty(), "{faulty:#?}\n{}", stack.log());
    assert_eq!(outcome.rows, rows.len());
    assert!(stack.is_alive());
    assert_no_crash(&stack);
}

#[tokio::test]
async fn protected_and_unprotected() {
    comes_out_as_it_says(EXAMPLES[0]).await;
}

#[tokio::test]
async fn credential_manager() {
    comes_out_as_it_says("credential-manager").await;
}

#[tokio::test]
async fn client_certificate() {
    comes_out_as_it_says("client-certificate").await;
}

#[tokio::test]
async fn sidecar_egress() {
    comes_out_as_it_says("sidecar-egress").await;
}

#[tokio::test]
async fn passwordless_gateway() {
    comes_out_as_it_says("passwordless-gateway").await;
}

#[tokio::test]
async fn workflow_trigger() {
    comes_out_as_it_says("workflow-trigger").await;
}

#[tokio::test]
async fn aks_workload_identity() {
    comes_out_as_it_says("aks-workload-identity").await;
}
