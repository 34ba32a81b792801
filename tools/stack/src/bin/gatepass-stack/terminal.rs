//! What the commands write: colour for people only, and signs of life during long steps.

use std::{
    env,
    fmt::Display,
    future::Future,
    io::{self, IsTerminal, Write},
    pin::pin,
    time::{Duration, Instant},
};

use tokio::time::{MissedTickBehavior, interval_at};

const HEARTBEAT: Duration = Duration::from_secs(1);

/// Standard output as a person or a file sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    colour: bool,
}

/// A colour by what it means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tone {
    Good,
    Bad,
    Strong,
    Quiet,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: io::stdout().is_terminal() && !refused }
    }

    pub(crate) fn paint(self, tone: Tone, text: impl Display) -> String {
        let code = match tone {
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Strong => 1,
            Tone::Quiet => 2,
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }

    pub(crate) fn error(self, error: &impl Display) {
        eprintln!("{} {error}", self.paint(Tone::Bad, "error:"));
    }

    /// Runs one step of the work; a dot each second shows that it is alive.
    pub(crate) async fn step<T, E>(
        self,
        what: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = Instant::now();
        print!("{what} ..");
        let _ = io::stdout().flush();
        let first = tokio::time::Instant::now().checked_add(HEARTBEAT);
        let mut ticks = interval_at(first.unwrap_or_else(tokio::time::Instant::now), HEARTBEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut work = pin!(work);
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                _ = ticks.tick() => {
                    print!(".");
                    let _ = io::stdout().flush();
                }
            }
        };
        match &result {
            Ok(_) => println!(" done ({:.1} s)", started.elapsed().as_secs_f32()),
            Err(_) => println!(" {}", self.paint(Tone::Bad, "failed")),
        }
        result
    }
}
