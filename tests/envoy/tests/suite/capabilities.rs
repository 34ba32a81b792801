//! What the module may ask of Envoy (`capability_restriction_config`). All other tests run under it.

use std::{collections::BTreeSet, fs};

use gatepass_stack::{Checkout, EXAMPLES, Stack, tree};
use serde_json::{Map, Value};

use crate::support::*;

/// The list of each filter in a configuration. Older Envoys have it elsewhere: see `older.rs` of the stack.
fn lists<'tree>(tree: &'tree mut Value, found: &mut Vec<&'tree mut Map<String, Value>>) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(|item| lists(item, found)),
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("allowed_capabilities", Value::Object(list)) => found.push(list),
                    (_, value) => lists(value, found),
                }
            }
        }
        _ => {}
    }
}

/// The names in `module.toml` that Envoy takes for capabilities: functions of the host, and callbacks.
fn audited() -> BTreeSet<String> {
    let list = fs::read_to_string(Checkout::find().unwrap().root().join("tools/xtask/module.toml")).unwrap();
    let mut names = BTreeSet::new();
    let mut imports = false;
    for line in list.lines() {
        if line.starts_with('[') {
            imports = line.starts_with("[imports.");
        } else if let Some((name, _)) = line.split_once(" = ")
            && (imports || name.starts_with("proxy_on_"))
            && name != "proxy_on_memory_allocate"
        {
            names.insert(name.to_owned());
        }
    }
    names
}

#[test]
fn the_configurations_allow_what_the_audit_allows_and_nothing_else() {
    let root = Checkout::find().unwrap().root().to_owned();
    let examples = EXAMPLES.iter().map(|name| format!("examples/{name}/envoy.yaml"));
    for file in examples.chain(["envoy/kubernetes/sidecar/envoy.yaml".to_owned()]) {
        let mut tree = tree::read(&root.join(&file)).unwrap();
        let filters = tree.to_string().matches("filters.http.wasm.v3.Wasm").count();
        let mut found = Vec::new();
        lists(&mut tree, &mut found);
        assert_eq!(found.len(), filters, "{file}");
        for list in found {
            assert_eq!(list.keys().cloned().collect::<BTreeSet<_>>(), audited(), "{file}");
        }
    }
}

#[tokio::test]
async fn what_is_not_allowed_cannot_be_done() {
    let stack = start(Stack::builder().edit(|tree| {
        let mut found = Vec::new();
        lists(tree, &mut found);
        found[0].remove("proxy_http_call").unwrap();
    }))
    .await;
    assert_eq!(get(&stack, "/unprotected").await.status, 503);
    assert_eq!(stack.emulator().token_requests(), 0);
    assert!(stack.log().contains("capability: proxy_http_call"), "{}", stack.log());
}
