//! What the configurations, written for the newest Envoy, say in another way in older ones.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::Error;

/// Writes the configuration as this Envoy reads it.
pub(crate) fn adapt(tree: &mut Value, binary: &Path) -> Result<(), Error> {
    if minor(binary)?.is_some_and(|minor| minor < 40) {
        restrict_beside_the_vm(tree);
    }
    Ok(())
}

/// Before Envoy 1.40 `capability_restriction_config` belongs beside `vm_config`, not into it.
fn restrict_beside_the_vm(tree: &mut Value) {
    const NAME: &str = "capability_restriction_config";
    match tree {
        Value::Array(items) => items.iter_mut().for_each(restrict_beside_the_vm),
        Value::Object(members) => {
            let vm = members.get_mut("vm_config").and_then(Value::as_object_mut);
            if let Some(restriction) = vm.and_then(|vm| vm.remove(NAME)) {
                members.insert(NAME.to_owned(), restriction);
            }
            members.values_mut().for_each(restrict_beside_the_vm);
        }
        _ => {}
    }
}

/// The minor version of an Envoy 1: 40 of `envoy  version: 1c3b…/1.40.0/Clean/RELEASE/BoringSSL`.
fn minor(binary: &Path) -> Result<Option<u32>, Error> {
    let output = Command::new(binary).arg("--version").output();
    let output = output.map_err(Error::io(format!("starting {}", binary.display())))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split('/').find(|part| part.starts_with("1.") && part.split('.').count() == 3);
    Ok(version.and_then(|version| version.split('.').nth(1)?.parse().ok()))
}
