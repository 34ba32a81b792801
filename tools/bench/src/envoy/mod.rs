//! `gatepass-bench envoy`: Gatepass beside Envoy's own filters, in one Envoy, in turns.

mod contestants;
mod load;
mod report;

use std::{
    fs,
    path::{Path, PathBuf},
};

use contestants::{Contestant, install, listener};
use gatepass_emulator::TokenSpec;
use gatepass_stack::Stack;
use load::{Client, Run};
use report::Report;
use serde_json::{Value, json};

/// How long and how often is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How often Envoy is started anew; each start is a round of all contestants
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a measurement, after one second of warming up
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Different tokens, more than the filter remembers (16,384)
    #[arg(long, default_value_t = 20_000)]
    tokens: usize,
    /// The load generator
    #[arg(long, env = "WRK", default_value = "wrk")]
    wrk: PathBuf,
    /// Where the figures (JSON) and the plot (SVG) go
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(measured(options))
}

async fn measured(options: &Options) -> Result<bool, String> {
    fs::create_dir_all(&options.output).map_err(|error| error.to_string())?;
    let mut report = Report::default();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        one_round(options, round, &mut report).await?;
    }
    print!("{}", report.table());
    report.write(&options.output)?;
    println!("{}", report.verdict());
    Ok(true)
}

async fn one_round(options: &Options, round: usize, report: &mut Report) -> Result<(), String> {
    let authorizer = authorizer().await?;
    load::pin_to_client(authorizer.process())?;
    let port = authorizer.gateway().port();
    let stack = Stack::builder().concurrency(1).log_level("warning", "wasm:warning");
    let stack =
        stack.edit(move |tree| install(tree, port)).start().await.map_err(|error| error.to_string())?;
    load::pin(stack.process())?;
    let client = Client::new(options.wrk.clone(), &options.output)?;
    let (one, many) = tokens(&stack, options)?;
    for turn in 0..Contestant::ALL.len() {
        // Another one begins each round.
        let index = (turn + round) % Contestant::ALL.len();
        let Some(contestant) = Contestant::ALL.get(index).copied() else { continue };
        let address = *stack.listeners().get(contestant.name()).ok_or("a contestant has no listener")?;
        let tokens = if contestant.takes_new_tokens() { &many } else { &one };
        let run = |seconds| client.run(address, tokens, seconds, stack.process());
        run(1).map_err(|problem| format!("{}: {problem}", contestant.title()))?;
        let measured =
            run(options.seconds).map_err(|problem| format!("{}: {problem}", contestant.title()))?;
        let Run { rate, cpu, .. } = measured;
        eprintln!("  {:<46} {rate:>8.0} requests/s  {cpu:>6.1} us of CPU each", contestant.title());
        report.add(contestant, measured);
    }
    Ok(())
}

/// Another Envoy, which answers every question of `ext_authz` with 200.
async fn authorizer() -> Result<Stack, String> {
    let stack =
        Stack::builder().concurrency(1).log_level("warning", "wasm:warning").edit(|tree: &mut Value| {
            let listeners = tree.pointer_mut("/static_resources/listeners").and_then(Value::as_array_mut);
            for place in listeners.into_iter().flatten() {
                *place = listener(place, "gateway", Vec::new());
            }
        });
    stack.start().await.map_err(|error| error.to_string())
}

/// A file with one token, and one with many.
fn tokens(stack: &Stack, options: &Options) -> Result<(PathBuf, PathBuf), String> {
    let file = |name: &str, number: usize| -> Result<PathBuf, String> {
        let path = options.output.join(name);
        let tokens: Vec<_> = (0..number)
            .map(|number| {
                stack.emulator().issue(&TokenSpec::entra_v2().claim("uti", json!(number.to_string())))
            })
            .collect();
        fs::write(&path, tokens.join("\n") + "\n").map_err(|error| error.to_string())?;
        Ok(absolute(&path))
    };
    eprintln!("  making {} tokens", options.tokens);
    Ok((file("one-token", 1)?, file("many-tokens", options.tokens)?))
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
