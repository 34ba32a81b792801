//! `gatepass-bench envoy`: Gatepass beside Envoy's own filters, in one Envoy, in turns.

mod contestants;
pub(crate) mod growth;
mod load;
mod plot;
mod report;
mod turns;

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
};

use contestants::{Contestant, install, install_filters};
use gatepass_emulator::TokenSpec;
use gatepass_stack::{Builder, Stack};
use load::{Client, Pace, Request, Run};
use report::{Report, Start};
use serde_json::Value;

/// How long and how often is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How often Envoy is started anew
    #[arg(long, default_value_t = 5)]
    starts: usize,
    /// How often each contestant has its turn of a second, in each of these Envoys
    #[arg(long, default_value_t = 25)]
    turns: usize,
    /// These alone, and Envoy without a filter
    #[arg(long, value_delimiter = ',')]
    only: Vec<Contestant>,
    /// Measure nothing, but send requests to this one for `--seconds`, for a profiler to look at Envoy
    #[arg(long)]
    load: Option<Contestant>,
    /// How long, with `--load`
    #[arg(long, default_value_t = 20)]
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

impl Options {
    fn contestants(&self) -> Vec<Contestant> {
        if self.only.is_empty() {
            return Contestant::ALL.to_vec();
        }
        let is_wanted = |one: &Contestant| *one == Contestant::None || self.only.contains(one);
        Contestant::ALL.into_iter().chain(Contestant::PARTS).filter(is_wanted).collect()
    }
}

pub(crate) fn run(work: impl Future<Output = Result<bool, String>>) -> Result<bool, String> {
    tokio::runtime::Runtime::new().map_err(|error| error.to_string())?.block_on(work)
}

/// An Envoy with one worker, which writes little.
fn one_worker() -> Builder {
    Stack::builder().concurrency(1).log_level("warning", "wasm:warning")
}

fn write_json(file: &Path, figures: &Value) -> Result<(), String> {
    fs::write(file, format!("{figures:#}\n")).map_err(|error| error.to_string())
}

/// A token of Entra's that differs from one with another number.
fn entra_token(number: usize) -> TokenSpec {
    TokenSpec::entra_v2().claim("uti", number.to_string())
}

/// Writes tokens, one in a line.
fn write_tokens(file: &Path, tokens: &[String]) -> Result<(), String> {
    fs::write(file, tokens.join("\n") + "\n").map_err(|error| error.to_string())
}

pub(crate) async fn measured(options: &Options) -> Result<bool, String> {
    fs::create_dir_all(&options.output).map_err(|error| error.to_string())?;
    if let Some(contestant) = options.load {
        let setting = Setting::new(options).await?;
        eprintln!("Envoy's process is {}", setting.stack.process());
        let Run { rate, cpu, .. } = setting.run(contestant, Pace::Full, options.seconds)?;
        println!("{}: {rate:.0} requests/s, {cpu:.1} us of CPU each", contestant.title());
        return Ok(true);
    }
    let mut starts = Vec::new();
    for number in 1..=options.starts {
        eprintln!("Envoy {number} of {}", options.starts);
        starts.push(one_start(options).await?);
    }
    let report = Report::of(&options.contestants(), &starts);
    print!("{}", report.table());
    report.write(&options.output)?;
    println!("{}", report.verdict());
    Ok(true)
}

/// An Envoy with all contestants, and a client.
struct Setting {
    stack: Stack,
    _authorizer: Stack,
    client: Client,
    one: PathBuf,
    many: PathBuf,
}

impl Setting {
    async fn new(options: &Options) -> Result<Self, String> {
        let authorizer = authorizer().await?;
        load::pin_to_client(authorizer.process())?;
        let port = authorizer.gateway().port();
        let stack = one_worker().edit(move |tree| install(tree, port)).start().await;
        let stack = stack.map_err(|error| error.to_string())?;
        load::pin(stack.process())?;
        let client = Client::new(options.wrk.clone(), &options.output)?;
        let (one, many) = tokens(&stack, options)?;
        Ok(Self { stack, _authorizer: authorizer, client, one, many })
    }

    fn run(&self, contestant: Contestant, pace: Pace, seconds: u32) -> Result<Run, String> {
        let address = self.stack.listeners().get(contestant.name()).ok_or("a contestant has no listener")?;
        let tokens = if contestant.takes_new_tokens() { &self.many } else { &self.one };
        let request = Request { address: *address, tokens, headers: 0 };
        let run = self.client.run(&request, pace, seconds, self.stack.process());
        run.map_err(|problem| format!("{}: {problem}", contestant.title()))
    }
}

async fn one_start(options: &Options) -> Result<Start, String> {
    let setting = Setting::new(options).await?;
    let contestants = options.contestants();
    let run = |contestant, pace, seconds| setting.run(contestant, pace, seconds);
    let turns = turns::measure(&contestants, options.turns, |contestant| run(contestant, Pace::Full, 1))?;
    let mut start = Start { turns, ..Start::default() };
    eprintln!("  at a fixed pace");
    for contestant in &contestants {
        start.paced.insert(*contestant, run(*contestant, Pace::Paused, 2)?);
    }
    Ok(start)
}

/// Another Envoy, which answers every question of `ext_authz` with 200.
async fn authorizer() -> Result<Stack, String> {
    one_worker().edit(|tree| install_filters(tree, &[])).start().await.map_err(|error| error.to_string())
}

/// A file with one token, and one with many.
fn tokens(stack: &Stack, options: &Options) -> Result<(PathBuf, PathBuf), String> {
    let file = |name: &str, number: usize| -> Result<PathBuf, String> {
        let path = options.output.join(name);
        let tokens: Vec<_> = (0..number).map(|number| stack.emulator().issue(&entra_token(number))).collect();
        write_tokens(&path, &tokens)?;
        Ok(absolute(&path))
    };
    eprintln!("  making {} tokens", options.tokens);
    Ok((file("one-token", 1)?, file("many-tokens", options.tokens)?))
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
