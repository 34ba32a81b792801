//! `gatepass`: the command line around the filter. It decides with the filter's own core, so the two cannot differ.

mod check;
mod document;
mod embedded;
mod explain;
mod import;
mod loaded;
#[cfg(test)]
mod repository;
mod schema;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Checks what Gatepass will do before it does it
#[derive(Parser)]
#[command(name = "gatepass", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 in order, 1 faults were found, 2 the command could not do its work.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check configurations, and what is around them in an envoy.yaml or a Kubernetes resource
    #[command(
        after_help = "Examples:\n  gatepass check gatepass.yaml\n  gatepass check --effective gatepass.yaml\n  gatepass check --format json envoy/*.yaml"
    )]
    Check(check::Check),
    /// Explain what becomes of a request, check by check, and what to do about a refusal
    #[command(
        after_help = "Examples:\n  gatepass explain --config gatepass.yaml --path /protected < token.txt\n  gatepass explain --config gatepass.yaml --path /orders/1 --method DELETE --token-file token.txt --jwks keys.json"
    )]
    Explain(explain::Explain),
    /// Turn policies of API Management into a configuration, and into parts of Envoy's
    #[command(
        after_help = "Examples:\n  gatepass import /protected=protected-api.xml --named-values named-values.yaml > gatepass.yaml\n  gatepass import policy.xml --operation 'get-order=GET /orders/{id}'"
    )]
    Import(import::Import),
    /// Get a token as the filter would: to check an identity on the machine where Envoy will run
    #[command(
        after_help = "Example:\n  gatepass token --config gatepass.yaml --identity gateway --resource api://contoso-api"
    )]
    Token(token::Token),
    /// Print the JSON Schema of the configuration, or the reference of its fields
    #[command(
        after_help = "Examples:\n  gatepass schema > gatepass.schema.json\n  gatepass schema --format markdown\n\nA first line in a configuration makes editors use it:\n  # yaml-language-server: $schema=gatepass.schema.json"
    )]
    Schema(schema::Schema),
    /// Print the script that completes commands in a shell
    #[command(after_help = "Example:\n  source <(gatepass completions bash)")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Example:\n  gatepass man | man -l -")]
    Man,
}

/// What a command has to say by its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In order.
    Good,
    /// It found what it looks for: faults, a refusal.
    Bad,
}

/// Reads `NAME=VALUE`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Bad) => ExitCode::from(1),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gatepass: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> std::io::Result<Outcome> {
    match command {
        Command::Check(check) => return check::run(check),
        Command::Explain(explain) => return explain::run(explain),
        Command::Import(import) => return import::run(import),
        Command::Token(token) => return token::run(token),
        Command::Schema(schema) => return schema::run(schema),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "gatepass", &mut std::io::stdout());
        }
        Command::Man => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?,
    }
    Ok(Outcome::Good)
}
