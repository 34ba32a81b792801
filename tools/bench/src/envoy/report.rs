//! What came out: a table, a file of figures, a plot.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    path::Path,
};

use serde_json::{Value, json};

use super::{
    contestants::Contestant,
    load::Run,
    plot,
    turns::{Turn, times},
    write_json,
};

/// What one Envoy showed.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// Turn by turn, as quickly as it answers.
    pub(crate) turns: Vec<Turn<Contestant>>,
    /// At a fixed pace.
    pub(crate) paced: BTreeMap<Contestant, Run>,
}

/// A median with the least and the largest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) largest: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { least: at(0), median: at(values.len() / 2), largest: at(values.len().saturating_sub(1)) }
    }

    pub(crate) fn json(self) -> Value {
        json!({"least": self.least, "median": self.median, "largest": self.largest})
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        write!(f, "{:.digits$} ({:.digits$} to {:.digits$})", self.median, self.least, self.largest)
    }
}

/// The figures of every start.
#[derive(Debug)]
pub(crate) struct Report<'s> {
    contestants: Vec<Contestant>,
    starts: &'s [Start],
    times: Vec<BTreeMap<Contestant, f64>>,
    cpu: Vec<BTreeMap<Contestant, f64>>,
}

/// Gatepass against what it is compared with, and the goal (DESIGN, section 9).
const RATIOS: [(&str, Contestant, Contestant); 2] = [
    ("warm", Contestant::GatepassWarm, Contestant::NativeWarm),
    ("every token new", Contestant::GatepassNew, Contestant::NativeNew),
];
const GOAL: f64 = 0.6;
const MILESTONE: f64 = 0.75;

/// Where the ratios of the starts differ by more (largest by least), or with fewer starts, nothing can be concluded.
const NOISY: f64 = 1.5;
const FEWEST_STARTS: usize = 5;

impl<'s> Report<'s> {
    pub(crate) fn of(contestants: &[Contestant], starts: &'s [Start]) -> Self {
        let of = |time: fn(&Run) -> f64| starts.iter().map(|start| times(&start.turns, time)).collect();
        let (times, cpu) = (of(|run| 1e6 / run.rate), of(|run| run.cpu));
        Self { contestants: contestants.to_vec(), starts, times, cpu }
    }

    /// Microseconds that a request takes a busy worker beyond Envoy without a filter, start by start.
    fn costs(&self, contestant: Contestant) -> Vec<f64> {
        beyond_no_filter(&self.times, contestant)
    }

    fn ratio(&self, ours: Contestant, theirs: Contestant) -> Spread {
        Spread::of(self.costs(ours).into_iter().zip(self.costs(theirs)).map(|(ours, theirs)| ours / theirs))
    }

    fn ratios(&self) -> impl Iterator<Item = (&'static str, Spread)> {
        let are_here = |one: &Contestant, another: &Contestant| {
            self.contestants.contains(one) && self.contestants.contains(another)
        };
        let ratios = RATIOS.into_iter().filter(move |(_, ours, theirs)| are_here(ours, theirs));
        ratios.map(|(name, ours, theirs)| (name, self.ratio(ours, theirs)))
    }

    fn median_of(&self, contestant: Contestant, figures: &[BTreeMap<Contestant, f64>]) -> f64 {
        Spread::of(figures.iter().filter_map(|figures| figures.get(&contestant).copied())).median
    }

    fn paced(&self, contestant: Contestant, figure: fn(&Run) -> f64) -> f64 {
        Spread::of(self.starts.iter().filter_map(|start| start.paced.get(&contestant).map(figure))).median
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{:<47} {:>10} {:>20} {:>8} {:>8} {:>8}",
            "", "requests/s", "cost in us", "CPU us", "p50 us", "p99 us"
        );
        for contestant in self.contestants.iter().copied() {
            let cost = Spread::of(self.costs(contestant));
            let spread = format!("{cost:.1}");
            let _ = writeln!(
                text,
                "{:<47} {:>10.0} {:>20} {:>8.1} {:>8.0} {:>8.0}",
                contestant.title(),
                1e6 / self.median_of(contestant, &self.times),
                if contestant == Contestant::None { "-".to_owned() } else { spread },
                self.median_of(contestant, &self.cpu),
                self.paced(contestant, |run| run.p50),
                self.paced(contestant, |run| run.p99),
            );
        }
        let rate = self.paced(Contestant::None, |run| run.rate);
        let _ = writeln!(text, "cost: beyond no filter; p50 and p99: at about {rate:.0} requests/s");
        text
    }

    /// The ratios, and whether the machine was quiet enough to believe them.
    pub(crate) fn verdict(&self) -> String {
        let mut text = String::new();
        for (name, ratio) in self.ratios() {
            let said = match self.doubt(ratio) {
                Some(doubt) => format!("nothing can be concluded: {doubt}"),
                None if ratio.median <= GOAL => "which meets the goal".to_owned(),
                None if ratio.median <= MILESTONE => "which meets the first milestone".to_owned(),
                None => "which misses the goal".to_owned(),
            };
            let _ = writeln!(
                text,
                "{name}: cost against Envoy's own filters {ratio} (goal {GOAL}, first milestone {MILESTONE}), {said}",
            );
        }
        text
    }

    /// Why a ratio is not to be believed, if so.
    fn doubt(&self, ratio: Spread) -> Option<String> {
        let (starts, noise) = (self.starts.len(), ratio.largest / ratio.least);
        if starts < FEWEST_STARTS {
            Some(format!("{starts} of the {FEWEST_STARTS} starts that it takes"))
        } else if ratio.least <= 0.0 || noise > NOISY {
            Some(format!("the machine was too noisy, the starts differ by a factor of {noise:.2}"))
        } else {
            None
        }
    }

    /// Writes `envoy.json` and `envoy.svg`.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        let rows: serde_json::Map<_, _> = self
            .contestants
            .iter()
            .map(|contestant| {
                let row = json!({
                    "requests_per_second": 1e6 / self.median_of(*contestant, &self.times),
                    "cost_microseconds": Spread::of(self.costs(*contestant)).json(),
                    "cpu_microseconds_beyond_no_filter": Spread::of(beyond_no_filter(&self.cpu, *contestant)).json(),
                    "paced": {
                        "requests_per_second": self.paced(*contestant, |run| run.rate),
                        "p50_microseconds": self.paced(*contestant, |run| run.p50),
                        "p99_microseconds": self.paced(*contestant, |run| run.p99),
                    },
                });
                (contestant.name().to_owned(), row)
            })
            .collect();
        let ratios: serde_json::Map<_, _> =
            self.ratios().map(|(name, ratio)| (name.to_owned(), ratio.json())).collect();
        let figures = json!({"starts": self.starts.len(), "rows": rows, "ratios": ratios});
        write_json(&folder.join("envoy.json"), &figures)?;
        let filters = self.contestants.iter().copied().filter(|contestant| *contestant != Contestant::None);
        let costs: Vec<_> = filters.map(|one| (one, Spread::of(self.costs(one)))).collect();
        plot::costs(&costs, &folder.join("envoy.svg")).map_err(|error| error.to_string())
    }
}

fn beyond_no_filter(times: &[BTreeMap<Contestant, f64>], contestant: Contestant) -> Vec<f64> {
    times.iter().filter_map(|times| Some(times.get(&contestant)? - times.get(&Contestant::None)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(time: f64) -> Run {
        Run { rate: 1e6 / time, cpu: time, p50: time, p99: time }
    }

    /// A machine that is twice as slow in every second turn.
    fn start() -> Start {
        let turn = |slowness| {
            let times =
                [(Contestant::None, 20.0), (Contestant::GatepassWarm, 26.0), (Contestant::NativeWarm, 30.0)];
            times.into_iter().map(|(contestant, time)| (contestant, run(time * slowness))).collect()
        };
        Start {
            turns: (0..9).map(|turn_number| turn(1.0 + f64::from(turn_number % 2))).collect(),
            ..Start::default()
        }
    }

    #[test]
    fn a_slow_turn_is_slow_for_all_and_changes_no_cost() {
        let starts: Vec<_> = (0..5).map(|_| start()).collect();
        let report =
            Report::of(&[Contestant::None, Contestant::GatepassWarm, Contestant::NativeWarm], &starts);
        assert!(report.costs(Contestant::GatepassWarm).iter().all(|cost| (cost - 6.0).abs() < 1e-6));
        assert!(report.verdict().contains("warm: cost against Envoy's own filters 0.60 (0.60 to 0.60)"));
    }

    #[test]
    fn few_starts_and_starts_that_differ_conclude_nothing() {
        let starts = [start()];
        let report =
            Report::of(&[Contestant::None, Contestant::GatepassWarm, Contestant::NativeWarm], &starts);
        assert!(report.verdict().contains("1 of the 5 starts that it takes"));
        let far = Spread { least: 0.5, median: 0.6, largest: 0.9 };
        let starts: Vec<_> = (0..5).map(|_| start()).collect();
        assert!(Report::of(&[], &starts).doubt(far).is_some_and(|doubt| doubt.contains("too noisy")));
    }
}
