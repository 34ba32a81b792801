//! Shows and runs Gatepass on the real Envoy, against the emulator of the Azure endpoints.

mod background;
mod demo;
mod interrupt;
mod serve;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gatepass_stack::{Checkout, Error};

use crate::terminal::Terminal;

/// Runs Gatepass on the real Envoy, against the emulator of the Azure endpoints.
#[derive(Debug, Parser)]
#[command(name = "gatepass-stack")]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Action {
    /// Start everything, send the requests of scenario 1, show what came out, stop everything.
    Demo {
        /// Take free ports instead of those of envoy/envoy.yaml.
        #[arg(long)]
        free_ports: bool,
    },
    /// Start everything and leave it running in the background.
    Up,
    /// Stop what `up` started.
    Down,
    /// Say whether it is up.
    Status,
    /// What `up` starts in the background.
    #[command(hide = true)]
    Serve,
}

#[tokio::main]
async fn main() -> ExitCode {
    let terminal = Terminal::new();
    let result = match Arguments::parse().command {
        Action::Demo { free_ports } => interrupt::or(demo::run(&terminal, free_ports)).await,
        Action::Up => background::up(&terminal).await,
        Action::Down => background::down().await,
        Action::Status => background::status(),
        Action::Serve => serve::run().await,
    };
    result.unwrap_or_else(|error| {
        terminal.error(&error);
        ExitCode::FAILURE
    })
}

/// Everything that must be there before anything is started.
fn checkout() -> Result<Checkout, Error> {
    let checkout = Checkout::find()?;
    checkout.reference_module()?;
    checkout.envoy()?;
    Ok(checkout)
}
