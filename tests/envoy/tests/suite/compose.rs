//! What is rendered for docker compose, as far as it can be tried without a container engine: `make compose-test`.

use std::fs;

use gatepass_emulator::{Emulator, Options};
use gatepass_stack::{Build, Checkout, EXAMPLES, Example, Place, tree, validate};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Every filter may read the example's variables, whatever the environment of the tests is.
fn set_environment(tree: &mut Value, variables: &Value) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(|item| set_environment(item, variables)),
        Value::Object(members) => {
            if members.contains_key("host_env_keys") {
                *tree = json!({"key_values": variables});
                return;
            }
            members.values_mut().for_each(|value| set_environment(value, variables));
        }
        _ => {}
    }
}

#[tokio::test]
async fn envoy_takes_every_example_as_it_is_rendered_for_compose() {
    let checkout = Checkout::find().unwrap();
    let folder = TempDir::with_prefix("gatepass-compose-").unwrap();
    let here = folder.path().display().to_string();
    let _certificate = Emulator::start(Options::on_free_ports(folder.path().to_owned())).await.unwrap();
    let module = checkout.module(Build::Default).unwrap();
    for name in EXAMPLES {
        let example = Example::find(&checkout, name).unwrap();
        let environment = example.scenario().unwrap().environment;
        let rendered = example.render(Place::Compose).unwrap();
        assert!(rendered.contains("/run/gatepass/ca.pem"), "{name}");
        let local = rendered
            .replace("/etc/envoy/gatepass.wasm", &module.display().to_string())
            .replace("/run/gatepass", &here)
            .replace("/tmp/files.sock", &format!("{here}/files.sock"));
        let file = folder.path().join("envoy.yaml");
        fs::write(&file, local).unwrap();
        let mut configuration = tree::read(&file).unwrap();
        set_environment(&mut configuration, &json!(environment));
        fs::write(&file, configuration.to_string()).unwrap();
        let validation = validate(&checkout.envoy().unwrap(), &file, folder.path()).unwrap();
        assert!(validation.accepted, "{name}: {}", validation.log);
    }
}
