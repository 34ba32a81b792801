//! `gatepass-bench growth`: what a request costs where there is more of something.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use gatepass_emulator::{Algorithm, Endpoint, Fault, TokenSpec};
use gatepass_stack::{Build, Checkout, Stack};
use http::Method;
use serde_json::{Value, json};

use super::{
    absolute,
    contestants::{
        Contestant, MANY_TOKENS, PARTNER, install_attaching, install_growth, install_one, operations_name,
    },
    entra_token,
    load::{self, Client, Pace, Request, Run},
    one_worker,
    report::Spread,
    turns, write_json, write_tokens,
};

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each point has its turn of a second
    #[arg(long, default_value_t = 15)]
    turns: usize,
    /// These alone
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// The load generator
    #[arg(long, env = "WRK", default_value = "wrk")]
    wrk: PathBuf,
    /// Where the figures (JSON) and the plot (SVG) go
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The module's size, and how long a VM takes to start.
    Start,
    /// The VMs' memory after many requests with many tokens.
    Memory,
    /// The points that the goals are about (DESIGN, section 9), three times as often as others.
    Ratios,
    /// All points.
    Curves,
    /// Requests that wait for one token.
    Waiters,
}

/// The tokens that Gatepass remembers.
const REMEMBERED: usize = gatepass::verdicts::MAX_ENTRIES;

/// What there is more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Axis {
    Operations,
    Tokens,
    TokenBytes,
    Headers,
}

impl Axis {
    pub(crate) const ALL: [Self; 4] = [Self::Operations, Self::Tokens, Self::TokenBytes, Self::Headers];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Operations => "operations (the last one is asked for)",
            Self::Tokens => "distinct tokens, in turn",
            Self::TokenBytes => "bytes of the token",
            Self::Headers => "further request headers",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Operations => "operations",
            Self::Tokens => "tokens",
            Self::TokenBytes => "token_bytes",
            Self::Headers => "headers",
        }
    }

    pub(crate) const fn points(self) -> &'static [usize] {
        match self {
            Self::Operations => &[1, 10, 100, 1_000, 10_000],
            Self::Tokens => &[1, 10, 100, 1_000, 10_000, 100_000],
            Self::TokenBytes => &[512, 1_024, 2_048, 4_096, 8_192],
            Self::Headers => &[0, 16, 32, 64],
        }
    }

    /// The points whose costs are to be nearly the same.
    const fn goal(self) -> &'static [usize] {
        match self {
            Self::Operations => &[1, 1_000],
            Self::Tokens => &[1, 10_000],
            Self::TokenBytes | Self::Headers => &[],
        }
    }

    /// Whether it makes a difference without a filter too.
    const fn concerns_envoy(self) -> bool {
        !matches!(self, Self::Operations)
    }
}

/// One measurement: so much of this, with Gatepass or without a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    axis: Axis,
    number: usize,
    has_filter: bool,
}

/// Microseconds that Gatepass costs, by what there is more of and how much.
pub(crate) type Costs = BTreeMap<Axis, Vec<(usize, f64)>>;

pub(crate) async fn measured(options: &Options) -> Result<bool, String> {
    fs::create_dir_all(&options.output).map_err(|error| error.to_string())?;
    let is_wanted = |part| options.only.is_empty() || options.only.contains(&part);
    let mut figures = json!({"turns": options.turns});
    let mut note =
        |name: &str, value: Value| figures.as_object_mut().map(|all| all.insert(name.to_owned(), value));
    if is_wanted(Part::Start) {
        let (bytes, [gatepass, nothing]) = (module_bytes()?, start_up()?);
        println!("module: {bytes} bytes");
        println!("Envoy's start in seconds: {gatepass}; with a module that does nothing: {nothing}");
        note("module_bytes", json!(bytes));
        note("start_seconds", json!({"gatepass": gatepass.json(), "nothing": nothing.json()}));
    }
    if is_wanted(Part::Memory) {
        let (early, late) = Setting::new(options, &[1]).await?.memory().await?;
        println!(
            "memory of a worker's VM and the main thread's: {early} bytes after 100,000 requests with 100,000 tokens, \
             {late} after 1,000,000"
        );
        note("memory_bytes", json!([early, late]));
    }
    if is_wanted(Part::Curves) || is_wanted(Part::Ratios) {
        let setting = Setting::new(options, Axis::Operations.points()).await?;
        if is_wanted(Part::Ratios) {
            let ratios = setting
                .costs(options.turns.saturating_mul(3), |axis, number| axis.goal().contains(&number))?;
            println!("{}", table(&ratios));
            note("ratios", named(&ratios));
        }
        if is_wanted(Part::Curves) {
            let costs = setting.costs(options.turns, |_, _| true)?;
            print!("{}", table(&costs));
            note("cost_microseconds", named(&costs));
            let plot = super::plot::growth(&costs, &options.output.join("growth.svg"));
            plot.map_err(|error| error.to_string())?;
        }
    }
    if is_wanted(Part::Waiters) {
        let mut waiters = Vec::new();
        for count in [1, 10, 100, 1_000] {
            let (waiting, warm) = released(count).await?;
            println!(
                "{count:>5} requests at once: {waiting:.1} ms after the token that they wait for, {warm:.1} ms where it is there"
            );
            waiters.push(json!({"number": count, "milliseconds": waiting, "milliseconds_with_token": warm}));
        }
        note("waiters", json!(waiters));
    }
    write_json(&options.output.join("growth.json"), &figures)?;
    Ok(true)
}

fn module_bytes() -> Result<u64, String> {
    let module = Checkout::find().and_then(|checkout| checkout.module(Build::Default));
    let module = module.map_err(|error| error.to_string())?;
    Ok(fs::metadata(module).map_err(|error| error.to_string())?.len())
}

/// Seconds until Envoy has started a VM with Gatepass, and one with a module that does nothing, and says that it would
/// take the configuration.
fn start_up() -> Result<[Spread; 2], String> {
    const TIMES: usize = 5;
    let seconds = |contestant| -> Result<f64, String> {
        let builder = Stack::builder().edit(move |tree| install_one(tree, contestant));
        let started = Instant::now();
        let validation = builder.validate().map_err(|error| error.to_string())?;
        let time = started.elapsed().as_secs_f64();
        if validation.accepted { Ok(time) } else { Err(validation.log) }
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..TIMES {
        for (times, contestant) in times.iter_mut().zip([Contestant::GatepassWarm, Contestant::Nothing]) {
            times.push(seconds(contestant)?);
        }
    }
    Ok(times.map(Spread::of))
}

fn named(costs: &Costs) -> Value {
    costs.iter().map(|(axis, costs)| (axis.name().to_owned(), json!(costs))).collect()
}

struct Setting {
    stack: Stack,
    client: Client,
    folder: PathBuf,
}

impl Setting {
    /// One worker, with a listener for each of these numbers of operations.
    async fn new(options: &Options, operations: &'static [usize]) -> Result<Self, String> {
        let stack = one_worker().edit(|tree| install_growth(tree, operations)).start().await;
        let stack = stack.map_err(|error| error.to_string())?;
        load::pin(stack.process())?;
        let client = Client::new(options.wrk.clone(), &options.output)?;
        let setting = Self { stack, client, folder: options.output.clone() };
        let most = Axis::Tokens.points().iter().copied().max().unwrap_or_default();
        eprintln!("making {most} tokens");
        let tokens: Vec<_> =
            (0..most).map(|number| setting.stack.emulator().issue(&entra_token(number))).collect();
        for number in Axis::Tokens.points() {
            setting.write(Axis::Tokens, *number, tokens.get(..*number).unwrap_or(&tokens))?;
        }
        for number in Axis::TokenBytes.points() {
            setting.write(Axis::TokenBytes, *number, &[setting.token_of(*number)])?;
        }
        Ok(setting)
    }

    /// A token of about so many bytes, the partner's: without the claims that nobody reads, with a short signature, and
    /// with a claim that is as long as needed.
    fn token_of(&self, bytes: usize) -> String {
        let spec = ["client_id", "iat", "jti", "nbf", "sub"]
            .into_iter()
            .fold(TokenSpec::partner().algorithm(Algorithm::Es256), TokenSpec::without_claim);
        let token = |padding| self.stack.emulator().issue(&spec.clone().claim("pad", "x".repeat(padding)));
        // Base64 makes four characters of three bytes.
        token(bytes.saturating_sub(token(0).len()) / 4 * 3)
    }

    fn write(&self, axis: Axis, number: usize, tokens: &[String]) -> Result<(), String> {
        write_tokens(&self.file(axis, number), tokens)
    }

    fn file(&self, axis: Axis, number: usize) -> PathBuf {
        self.folder.join(format!("{}-{number}", axis.name()))
    }

    fn tokens(&self, axis: Axis, number: usize) -> PathBuf {
        let file = match axis {
            Axis::Tokens | Axis::TokenBytes => self.file(axis, number),
            Axis::Operations | Axis::Headers => self.file(Axis::Tokens, 1),
        };
        absolute(&file)
    }

    fn run(&self, point: Point, seconds: u32) -> Result<Run, String> {
        let listener = match (point.has_filter, point.axis) {
            (false, _) => Contestant::None.name().to_owned(),
            (true, Axis::Operations) => operations_name(point.number),
            (true, Axis::TokenBytes) => PARTNER.to_owned(),
            (true, Axis::Tokens) if point.number > REMEMBERED => MANY_TOKENS.to_owned(),
            (true, _) => operations_name(1),
        };
        let address = *self.stack.listeners().get(&listener).ok_or("a point has no listener")?;
        let tokens = self.tokens(point.axis, point.number);
        let headers = if point.axis == Axis::Headers { point.number } else { 0 };
        let request = Request { address, tokens: &tokens, headers };
        let run = self.client.run(&request, Pace::Full, seconds, self.stack.process());
        run.map_err(|problem| format!("{point:?}: {problem}"))
    }

    fn costs(&self, turns: usize, is_wanted: impl Fn(Axis, usize) -> bool) -> Result<Costs, String> {
        let mut points = Vec::new();
        for axis in Axis::ALL {
            let numbers = || axis.points().iter().copied().filter(|number| is_wanted(axis, *number));
            points.extend(numbers().map(|number| Point { axis, number, has_filter: true }));
            let bare = numbers().take(if axis.concerns_envoy() { usize::MAX } else { 1 });
            points.extend(bare.map(|number| Point { axis, number, has_filter: false }));
        }
        let turns = turns::measure(&points, turns, |point| self.run(point, 1))?;
        let times = turns::times(&turns, |run| 1e6 / run.rate);
        let mut costs = Costs::new();
        for point in points.iter().filter(|point| point.has_filter) {
            let first = point.axis.points().first().copied().unwrap_or_default();
            let bare = if point.axis.concerns_envoy() { point.number } else { first };
            let bare = times.get(&Point { number: bare, has_filter: false, ..*point });
            let cost = times.get(point).zip(bare).map_or(f64::NAN, |(with, without)| with - without);
            costs.entry(point.axis).or_default().push((point.number, cost));
        }
        Ok(costs)
    }

    /// The linear memory of a worker's VM and the main thread's after a hundred thousand and after a million requests
    /// with as many tokens as there are.
    async fn memory(&self) -> Result<(u64, u64), String> {
        let most = Axis::Tokens.points().iter().copied().max().unwrap_or_default();
        let point = Point { axis: Axis::Tokens, number: most, has_filter: true };
        let mut after = Vec::new();
        let mut sent = 0.0;
        for wanted in [1e5, 1e6] {
            while sent < wanted {
                let run = self.run(point, 5)?;
                sent += run.rate * 5.0;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
            after.push(self.stack.counter("memory_bytes").await.map_err(|error| error.to_string())?);
        }
        Ok((after.first().copied().unwrap_or_default(), after.last().copied().unwrap_or_default()))
    }
}

/// Milliseconds between the answer that brings a token and that to the last of so many requests that wait for it; and
/// how long as many requests take where the token is there.
async fn released(count: usize) -> Result<(f64, f64), String> {
    const DELAY: Duration = Duration::from_secs(2);
    let stack = one_worker().prepare(|emulator| emulator.script(Endpoint::Imds, vec![Fault::late(DELAY)]));
    let stack = stack.edit(install_attaching).start().await.map_err(|error| error.to_string())?;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let waiting = at_once(&stack, count).await?.saturating_sub(DELAY);
    let warm = at_once(&stack, count).await?;
    match stack.emulator().token_requests() {
        1 => Ok((milliseconds(waiting), milliseconds(warm))),
        other => Err(format!("{other} token requests instead of one")),
    }
}

async fn at_once(stack: &Stack, count: usize) -> Result<Duration, String> {
    let started = Instant::now();
    let answers = stack.at_once_on_one_connection(count, &Method::GET, "/").await;
    let answers = answers.map_err(|error| error.to_string())?;
    let time = started.elapsed();
    let good = answers.iter().flatten().filter(|answer| answer.status == 200).count();
    if good == count { Ok(time) } else { Err(format!("{good} of {count} requests were answered with 200")) }
}

fn table(costs: &Costs) -> String {
    let mut text = String::new();
    for (axis, costs) in costs {
        let first = costs.first().map_or(f64::NAN, |(_, cost)| *cost);
        text += &format!("{}\n", axis.title());
        for (number, cost) in costs {
            text += &format!("{number:>10} {cost:>8.1} us {:>8.2} times\n", cost / first);
        }
    }
    text
}
