//! Shows and runs Gatepass on the real Envoy, against the emulator of the Azure endpoints.

mod background;
mod compose;
mod demo;
mod interrupt;
mod play;
mod render;
mod serve;
mod terminal;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use gatepass_stack::{Checkout, EXAMPLES, Error, Place};

use crate::terminal::Terminal;

/// Runs Gatepass on the real Envoy, against the emulator of the Azure endpoints.
#[derive(Debug, Parser)]
#[command(name = "gatepass-stack")]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Start everything, send the requests of an example, show what came out, stop everything.
    Demo {
        #[command(flatten)]
        example: Chosen,
        /// Take free ports instead of those of its envoy.yaml.
        #[arg(long)]
        free_ports: bool,
    },
    /// Start everything and leave it running in the background.
    Up(Chosen),
    /// Stop what `up` started.
    Down,
    /// Say whether it is up.
    Status,
    /// Put the examples' Envoy configurations together, each into its envoy.yaml.
    Render {
        /// Only this one, for that place, to standard output.
        #[arg(long = "for", value_name = "PLACE", requires = "example")]
        place: Option<Place>,
        /// The example's name.
        #[arg(requires = "place")]
        example: Option<String>,
    },
    /// Write what Envoy's container needs of an example: configuration, variables, module.
    Compose {
        /// The example's name.
        example: String,
        /// The folder that Envoy sees as /etc/envoy.
        #[arg(long, value_name = "FOLDER")]
        into: PathBuf,
    },
    /// Send the requests of an example to an Envoy that runs elsewhere, as in containers.
    Play {
        /// The example's name.
        example: String,
        /// Envoy's host; its ports are those of the example's envoy.yaml.
        #[arg(long, value_name = "HOST")]
        envoy: String,
        /// Where the emulator's control interface listens.
        #[arg(long, value_name = "ADDRESS")]
        control: SocketAddr,
    },
    /// What `up` starts in the background.
    #[command(hide = true)]
    Serve(Chosen),
}

/// Which example.
#[derive(Clone, Debug, Args)]
struct Chosen {
    /// The example's name: a folder below examples/.
    #[arg(default_value = EXAMPLES[0])]
    example: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let terminal = Terminal::new();
    let result = match Arguments::parse().command {
        Action::Demo { example, free_ports } => {
            interrupt::or(demo::run(&terminal, &example.example, free_ports)).await
        }
        Action::Up(chosen) => background::up(&terminal, &chosen.example).await,
        Action::Down => background::down().await,
        Action::Status => background::status(),
        Action::Render { place, example } => render::run(place, example.as_deref()),
        Action::Compose { example, into } => compose::run(&example, &into),
        Action::Play { example, envoy, control } => play::run(&terminal, &example, &envoy, control).await,
        Action::Serve(chosen) => serve::run(&chosen.example).await,
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
