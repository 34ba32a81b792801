//! `gatepass check` finds nothing to say about the examples.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use gatepass_stack::{Checkout, EXAMPLES, Example};

#[test]
fn every_example_passes_with_the_variables_of_its_scenario() {
    let checkout = Checkout::find().unwrap();
    for name in EXAMPLES {
        let example = Example::find(&checkout, name).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_gatepass"));
        check.arg("check").arg(example.envoy_yaml());
        for (variable, value) in example.scenario().unwrap().environment {
            check.arg("--env").arg(format!("{variable}={value}"));
        }
        let output = check.output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{name}:\n{said}");
        assert!(said.contains("0 errors, 0 warnings"), "{name}:\n{said}");
    }
}
