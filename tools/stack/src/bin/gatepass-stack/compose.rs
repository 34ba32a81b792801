//! `gatepass-stack compose`: what Envoy's container needs of an example, in one folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use gatepass_stack::{Build, Checkout, Error, Example, Place};

pub(crate) fn run(example: &str, folder: &Path) -> Result<ExitCode, Error> {
    let checkout = Checkout::find()?;
    let example = Example::find(&checkout, example)?;
    let environment = example.scenario()?.environment;
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| format!("{name}={}\n", quoted(value))).collect();
    write(folder.join("envoy.yaml"), example.render(Place::Compose)?.as_bytes())?;
    write(folder.join("environment"), environment.concat().as_bytes())?;
    let module = checkout.module(Build::Default)?;
    write(folder.join("gatepass.wasm"), &fs::read(&module).map_err(io(&module))?)?;
    Ok(ExitCode::SUCCESS)
}

/// As a shell reads it, whatever is in it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn write(file: PathBuf, content: &[u8]) -> Result<(), Error> {
    fs::write(&file, content).map_err(io(&file))
}

fn io(file: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let what = file.display().to_string();
    move |source| Error::Io { what, source }
}
