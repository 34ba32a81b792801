//! A configuration of ours from a file: alone, or inside whatever `gatepass check` finds one in.

use std::io;
use std::path::Path;

use crate::document::{self, Node, Value};
use crate::embedded;
use gatepass::config::{Configuration, Fault};
use gatepass::environment::Environment;

/// The first configuration of a file, as it is written.
pub(crate) fn read(file: &Path) -> io::Result<Node> {
    let name = file.display();
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    let other = |what: String| io::Error::other(format!("{name}: {what}"));
    let documents = document::read(&text).map_err(|error| other(error.to_string()))?;
    let found = documents.iter().flat_map(crate::check::find).next();
    let Some(found) = found else {
        return Err(other("there is no configuration of Gatepass in it".to_owned()));
    };
    embedded::written(found.configuration, &text).ok_or_else(|| {
        other(
            "the configuration is a string (a `StringValue`) and not JSON; `gatepass check` shows where"
                .to_owned(),
        )
    })
}

/// What the filter gets to read.
fn bytes(node: &Node) -> Vec<u8> {
    match &node.value {
        Value::String(text) => text.clone().into_bytes(),
        _ => node.to_json().to_string().into_bytes(),
    }
}

/// The variables of this machine, and those that were given.
pub(crate) fn environment(given: &[(String, String)]) -> Environment {
    std::env::vars().chain(given.iter().cloned()).collect()
}

/// What the filter makes of a configuration.
pub(crate) fn parse(node: &Node, environment: &Environment) -> Result<Configuration, Vec<Fault>> {
    Configuration::parse(&bytes(node), environment)
}

/// What the filter makes of a configuration, after a change to it.
pub(crate) fn compiled(
    configuration: &serde_json::Value,
    environment: &Environment,
) -> Result<Configuration, Vec<Fault>> {
    Configuration::parse(configuration.to_string().as_bytes(), environment)
}
