//! `gatepass schema`: the configuration's JSON Schema, from the types that the filter reads, and the reference page.

mod reference;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use clap::{Args, ValueEnum};

use crate::Outcome;

#[derive(Args)]
pub(crate) struct Schema {
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON Schema, draft 2020-12: for editors and CI
    Json,
    /// The reference of all fields, for people: docs/configuration.md
    Markdown,
}

pub(crate) fn run(schema: &Schema) -> io::Result<Outcome> {
    io::stdout().write_all(text(schema.format).as_bytes())?;
    Ok(Outcome::Good)
}

fn text(format: Format) -> String {
    let schema = gatepass::config::schema();
    match format {
        Format::Json => format!("{schema:#}\n"),
        Format::Markdown => reference::page(&schema),
    }
}
