//! `gatepass-stack render`: the examples' Envoy configurations from their parts.

use std::{fs, process::ExitCode};

use gatepass_stack::{Checkout, EXAMPLES, Error, Example, Place};

pub(crate) fn run(place: Option<Place>, example: Option<&str>) -> Result<ExitCode, Error> {
    let checkout = Checkout::find()?;
    if let (Some(place), Some(name)) = (place, example) {
        print!("{}", Example::find(&checkout, name)?.render(place)?);
        return Ok(ExitCode::SUCCESS);
    }
    for name in EXAMPLES {
        let example = Example::find(&checkout, name)?;
        let file = example.envoy_yaml();
        let text = example.render(Place::Local)?;
        fs::write(&file, text).map_err(|source| Error::Io { what: file.display().to_string(), source })?;
        println!("examples/{name}/envoy.yaml");
    }
    Ok(ExitCode::SUCCESS)
}
