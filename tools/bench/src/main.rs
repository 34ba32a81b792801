//! `gatepass-bench envoy`: Gatepass beside Envoy's own filters.
//!
//! `gatepass-bench growth`: what Gatepass costs where there is more of something.
//!
//! `gatepass-bench core`: instructions for a request in the core, counted by callgrind. They depend on the binary
//! alone, not on what else the machine does, so two commits can be compared.

mod core;
mod envoy;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use core::{Kind, World};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Count instructions, and compare with the figures that are checked in
    Core {
        /// Write the figures instead of comparing
        #[arg(long)]
        write: bool,
        /// The figures
        #[arg(long, default_value = "tools/bench/core.json")]
        figures: PathBuf,
    },
    /// Measure Gatepass beside Envoy's own filters
    Envoy(envoy::Options),
    /// Measure what Gatepass costs where there is more of something
    Growth(envoy::growth::Options),
    /// Make requests of one kind (what is run under callgrind)
    Run { kind: Kind, requests: usize },
}

/// More than this is a regression; figures differ by some permille between builds.
const ALLOWED_RISE: f64 = 1.03;

/// Set where the tokens are made and no request is.
const PREPARE_ONLY: &str = "GATEPASS_BENCH_PREPARE_ONLY";

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Subcommands::Core { write, figures } => core(write, &figures),
        Subcommands::Envoy(options) => envoy::run(envoy::measured(&options)),
        Subcommands::Growth(options) => envoy::run(envoy::growth::measured(&options)),
        Subcommands::Run { kind, requests } => {
            let mut world = World::new(kind, requests);
            if std::env::var_os(PREPARE_ONLY).is_none() {
                (0..requests).for_each(|index| world.request(index));
            }
            Ok(true)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("gatepass-bench: {problem}");
            ExitCode::from(2)
        }
    }
}

fn core(write: bool, file: &Path) -> Result<bool, String> {
    let known = std::fs::read_to_string(file).unwrap_or_else(|_| "{}".to_owned());
    let known: BTreeMap<String, u64> = serde_json::from_str(&known).map_err(|error| error.to_string())?;
    let mut figures = BTreeMap::new();
    let mut is_good = true;
    println!("{:<26} {:>12} {:>12} {:>7}", "instructions per request", "now", "checked in", "ratio");
    for kind in Kind::ALL {
        let now = per_request(kind)?;
        let before = known.get(kind.name()).copied();
        let ratio = before.map(|before| now as f64 / before as f64);
        is_good &= ratio.is_none_or(|ratio| ratio <= ALLOWED_RISE);
        let before = before.map_or_else(|| "-".to_owned(), |before| before.to_string());
        let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
        println!("{:<26} {now:>12} {before:>12} {ratio:>7}", kind.name());
        figures.insert(kind.name().to_owned(), now);
    }
    if write {
        let text = serde_json::to_string_pretty(&figures).map_err(|error| error.to_string())?;
        std::fs::write(file, text + "\n").map_err(|error| error.to_string())?;
        return Ok(true);
    }
    if !is_good {
        eprintln!(
            "more than {ALLOWED_RISE} times the instructions: mend it, or say why in the commit and run `make bench-core WRITE=--write`"
        );
    }
    Ok(is_good)
}

/// The difference between two runs that differ in the number of requests alone.
fn per_request(kind: Kind) -> Result<u64, String> {
    const FEW: usize = 500;
    const MANY: usize = 2_500;
    let (few, many) = (instructions(kind, FEW)?, instructions(kind, MANY)?);
    // Cold requests bring their tokens with them, which are made before: that is taken off by a run that makes
    // tokens only.
    let setup = match kind {
        Kind::Cold => made_only(MANY)?.saturating_sub(made_only(FEW)?),
        _ => 0,
    };
    Ok((many.saturating_sub(few).saturating_sub(setup)) / (MANY - FEW) as u64)
}

/// Instructions of a run that prepares as many cold requests and makes none.
fn made_only(requests: usize) -> Result<u64, String> {
    count(&["run", "cold", &requests.to_string()], true)
}

fn instructions(kind: Kind, requests: usize) -> Result<u64, String> {
    count(&["run", kind.name(), &requests.to_string()], false)
}

fn count(arguments: &[&str], prepare_only: bool) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(own).args(arguments);
    if prepare_only {
        command.env(PREPARE_ONLY, "1");
    }
    let output = command.output().map_err(|error| format!("valgrind: {error}; `apt install valgrind`"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(text.into_owned());
    }
    let collected = text.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    collected.ok_or_else(|| format!("callgrind says nothing: {text}"))
}
