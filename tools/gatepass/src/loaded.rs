//! A configuration of ours from a file: alone, or inside whatever `gatepass check` finds one in.

use std::io;
use std::path::Path;

use gatepass::config::{Configuration, Fault};
use gatepass::environment::Environment;
use serde_json::Value;

use crate::document::{self, Node};

/// The first configuration of a file, as it is written.
pub(crate) fn read(file: &Path) -> io::Result<Node> {
    let name = file.display();
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    let documents = document::read(&text).map_err(|error| io::Error::other(format!("{name}: {error}")))?;
    let found = documents.iter().flat_map(crate::check::find).next();
    let found = found.map(|found| found.configuration.clone());
    found.ok_or_else(|| io::Error::other(format!("{name}: there is no configuration of Gatepass in it")))
}

/// The variables of this machine, and those that were given.
pub(crate) fn environment(given: &[(String, String)]) -> Environment {
    std::env::vars().chain(given.iter().cloned()).collect()
}

/// What the filter makes of a configuration, after a change to it.
pub(crate) fn compiled(
    configuration: &Value,
    environment: &Environment,
) -> Result<Configuration, Vec<Fault>> {
    Configuration::parse(configuration.to_string().as_bytes(), environment)
}
