//! The project's own checks, run as `cargo xtask NAME`.

mod module;
mod rooms;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask rooms [--source DIR]
           holds the rules of the rooms over src/
       cargo xtask module [--input PATH] [--output PATH] [--allowed PATH] [--variant NAME]
           audits the built module and writes it to target/gatepass.wasm";

fn main() -> ExitCode {
    match run(pico_args::Arguments::from_env()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(what)) => {
            eprintln!("error: {what}\n{USAGE}");
            ExitCode::from(2)
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: pico_args::Arguments) -> Result<(), Failure> {
    let command = args.subcommand().map_err(Failure::usage)?;
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    match command.as_deref() {
        Some("rooms") => {
            let source = path(&mut args, "--source", "src".into())?;
            finish(args)?;
            println!("{}", rooms::check(&source)?);
        }
        Some("module") => {
            let input = path(&mut args, "--input", target.join("wasm32-wasip1/module/gatepass.wasm"))?;
            let output = path(&mut args, "--output", "target/gatepass.wasm".into())?;
            let allowed = path(&mut args, "--allowed", "tools/xtask/module.toml".into())?;
            let variant: Option<String> = args.opt_value_from_str("--variant").map_err(Failure::usage)?;
            finish(args)?;
            println!("{}", module::audit(&input, &output, &allowed, variant.as_deref())?);
        }
        Some(other) => return Err(Failure::Usage(format!("there is no `cargo xtask {other}`"))),
        None => return Err(Failure::Usage("which of these?".to_owned())),
    }
    Ok(())
}

fn path(args: &mut pico_args::Arguments, name: &'static str, default: PathBuf) -> Result<PathBuf, Failure> {
    let given = args.opt_value_from_str(name).map_err(Failure::usage)?;
    Ok(given.unwrap_or(default))
}

fn finish(args: pico_args::Arguments) -> Result<(), Failure> {
    match args.finish().first() {
        Some(extra) => Err(Failure::Usage(format!("`{}` means nothing here", extra.display()))),
        None => Ok(()),
    }
}

/// Why a command ended without success; its text is what the person at the terminal reads.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Rooms(#[from] rooms::Failure),
    #[error(transparent)]
    Module(#[from] module::Failure),
}

impl Failure {
    fn usage(error: impl std::fmt::Display) -> Self {
        Self::Usage(error.to_string())
    }
}
