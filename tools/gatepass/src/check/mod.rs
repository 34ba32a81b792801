//! `gatepass check`: what the filter would say to a configuration, and what is unsafe around it.

mod effective;
mod find;
mod finding;
mod surroundings;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gatepass::config::{Fault, FaultKind, Segment};
use gatepass::environment::Environment;

use crate::document::{self, Node, Value};
use crate::{Outcome, counted, embedded, loaded};
#[cfg(test)]
pub(crate) use find::Around;
use find::Found;
pub(crate) use find::find;
use finding::{Finding, Severity, Source};

#[derive(Args)]
pub(crate) struct Check {
    /// Plugin configurations (YAML or JSON), or files that hold them: envoy.yaml, WasmPlugin, EnvoyExtensionPolicy;
    /// `-` reads standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// An environment variable of the machine where Envoy will run; those of this one are taken as well
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = crate::variable)]
    environment: Vec<(String, String)>,
    /// Print what each operation asks for and gives, after defaults, values and names
    #[arg(long)]
    effective: bool,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with a pointer into the file
    Text,
    /// For editors and CI: one JSON object on a line
    Json,
}

/// What was found in all files.
#[derive(Default)]
struct Summary {
    configurations: usize,
    errors: usize,
    warnings: usize,
}

pub(crate) fn run(check: &Check) -> io::Result<Outcome> {
    let mut summary = Summary::default();
    let environment = loaded::environment(&check.environment);
    for file in &check.files {
        let name = file.display().to_string();
        let text = read(file).map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        let findings = look(&text, &environment, &mut summary);
        // What is shown has no secret in it, the pointer still fits.
        let masked = mask(&text);
        let source = Source { name: &name, text: &masked };
        for finding in &findings {
            match finding.severity {
                Severity::Error => summary.errors += 1,
                Severity::Warning => summary.warnings += 1,
            }
            match check.format {
                Format::Text => anstream::eprintln!("{}", source.render(finding)),
                Format::Json => println!("{}", source.json(finding)),
            }
        }
        if check.effective {
            check.print_effective(&name, &text, &environment);
        }
    }
    if check.format == Format::Text {
        let Summary { configurations, errors, warnings } = summary;
        eprintln!(
            "{} checked: {}, {}",
            counted(configurations, "configuration"),
            counted(errors, "error"),
            counted(warnings, "warning")
        );
    }
    Ok(if summary.errors == 0 { Outcome::Good } else { Outcome::Bad })
}

impl Check {
    /// What the operations of a file come to, where the filter takes its configurations.
    fn print_effective(&self, name: &str, text: &str, environment: &Environment) {
        for document in document::read(text).unwrap_or_default() {
            for found in find(&document) {
                let Ok(configuration) = loaded::parse(found.configuration, environment) else { continue };
                for effective in effective::of(&configuration) {
                    match self.format {
                        Format::Text => println!("{}", effective.text()),
                        Format::Json => println!("{}", effective.json(name)),
                    }
                }
            }
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}

fn look(text: &str, environment: &Environment, summary: &mut Summary) -> Vec<Finding> {
    let documents = match document::read(text) {
        Ok(documents) => documents,
        Err(malformed) => {
            let message = malformed.to_string();
            let code = "malformed";
            let severity = Severity::Error;
            return vec![Finding {
                severity,
                code,
                path: String::new(),
                message,
                help: None,
                span: malformed.span,
            }];
        }
    };
    let mut findings = Vec::new();
    let before = summary.configurations;
    for document in &documents {
        for found in find(document) {
            summary.configurations += 1;
            let written = embedded::written(found.configuration, text);
            let written = written.as_ref().unwrap_or(found.configuration);
            let faults = loaded::parse(found.configuration, environment).err().unwrap_or_default();
            findings.extend(faults.iter().map(|fault| finding(written, fault)));
            findings.extend(surroundings::look(
                document,
                &Found { configuration: written, around: found.around },
            ));
        }
    }
    if summary.configurations == before {
        findings.push(Finding {
            severity: Severity::Error,
            code: "not_found",
            path: String::new(),
            message: "there is no configuration of Gatepass in this file".to_owned(),
            help: Some("it is looked for in Wasm filters of Envoy, in WasmPlugin and EnvoyExtensionPolicy, or stands alone"),
            span: 0..0,
        });
    }
    findings.sort_by_key(|finding| finding.span.start);
    findings
}

/// What the filter says of a configuration.
fn finding(node: &Node, fault: &Fault) -> Finding {
    let mut way = fault.path.segments().to_vec();
    // The fault is in the object; the pointer goes to the field.
    if let FaultKind::UnknownField { field, .. } = &fault.kind {
        way.push(Segment::Member(field.clone()));
    }
    Finding {
        severity: Severity::Error,
        code: fault.kind.code(),
        path: fault.path.to_string(),
        message: fault.kind.to_string(),
        help: matches!(fault.kind, FaultKind::VariableNotSet(_))
            .then_some("give it the value that it will have where Envoy runs: `--env NAME=VALUE`"),
        span: node.locate(&way),
    }
}

/// The text with every value that is, or may have been meant as, a secret replaced by `*`.
fn mask(text: &str) -> String {
    const SECRET: [&str; 8] = [
        "inline",
        "client_secret",
        "private_key",
        "symmetric_key",
        "primary",
        "secondary",
        "secret",
        "password",
    ];
    let mut spans = Vec::new();
    let documents = document::read(text).unwrap_or_default();
    let mut note = |node: &Node| {
        let secret = node.members().iter().filter(|member| SECRET.contains(&member.name.as_str()));
        let secret = secret.filter(|member| matches!(member.node.value, Value::String(_)));
        spans.extend(secret.map(|member| member.node.span.clone()));
    };
    documents.iter().for_each(|document| document.walk(&mut note));
    let strings = documents.iter().flat_map(find).filter(|found| found.configuration.as_str().is_some());
    let mut unread = Vec::new();
    for found in strings {
        match embedded::written(found.configuration, text) {
            Some(written) => written.walk(&mut note),
            // Nobody knows what in it is a secret.
            None => unread.push(found.configuration.span.clone()),
        }
    }
    let mut bytes = text.as_bytes().to_vec();
    for span in spans.into_iter().chain(unread) {
        let hidden = bytes.get_mut(span).unwrap_or_default();
        hidden.iter_mut().filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = b'*');
    }
    String::from_utf8(bytes).unwrap_or_default()
}
