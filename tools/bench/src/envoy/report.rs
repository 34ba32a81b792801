//! What came out: a table, a file of figures, a plot.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use plotters::prelude::*;
use serde_json::{Value, json};

use super::{Contestant, Run};

/// The figures of every round.
#[derive(Debug, Default)]
pub(crate) struct Report(BTreeMap<Contestant, Vec<Run>>);

/// A median with the least and the largest.
#[derive(Clone, Copy, Debug, Default)]
struct Spread {
    least: f64,
    median: f64,
    largest: f64,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        Self { least: at(0), median: at(values.len() / 2), largest: at(values.len().saturating_sub(1)) }
    }

    fn json(self) -> Value {
        json!({"least": self.least, "median": self.median, "largest": self.largest})
    }
}

/// Microseconds that a request takes a busy worker beyond Envoy without a filter.
fn cost(run: &Run, none: &Run) -> f64 {
    1e6 / run.rate - 1e6 / none.rate
}

/// Gatepass against what it is compared with, and the goal (DESIGN, section 9).
const RATIOS: [(&str, Contestant, Contestant); 2] = [
    ("warm", Contestant::GatepassWarm, Contestant::NativeWarm),
    ("every token new", Contestant::GatepassNew, Contestant::NativeNew),
];
const GOAL: f64 = 0.6;
const MILESTONE: f64 = 0.75;

/// Above this spread of Envoy without a filter (largest by least), or with fewer rounds, nothing can be concluded.
const NOISY: f64 = 1.15;
const FEWEST_ROUNDS: usize = 5;

impl Report {
    pub(crate) fn add(&mut self, contestant: Contestant, run: Run) {
        self.0.entry(contestant).or_default().push(run);
    }

    fn runs(&self, contestant: Contestant) -> &[Run] {
        self.0.get(&contestant).map_or(&[], Vec::as_slice)
    }

    /// Microseconds of a request beyond what Envoy takes without a filter, round by round: by throughput of a worker
    /// that is busy, and by CPU time.
    fn costs(&self, contestant: Contestant) -> (Spread, Spread) {
        let rounds = || self.runs(contestant).iter().zip(self.runs(Contestant::None));
        let cost = Spread::of(rounds().map(|(run, none)| cost(run, none)));
        (cost, Spread::of(rounds().map(|(run, none)| run.cpu - none.cpu)))
    }

    fn ratio(&self, ours: Contestant, theirs: Contestant) -> Spread {
        let none = self.runs(Contestant::None);
        let rounds = self.runs(ours).iter().zip(self.runs(theirs)).zip(none);
        Spread::of(rounds.map(|((ours, theirs), none)| cost(ours, none) / cost(theirs, none)))
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{:<47} {:>10} {:>20} {:>9} {:>8} {:>8}",
            "", "requests/s", "cost in us", "CPU in us", "p50 us", "p99 us"
        );
        for contestant in Contestant::ALL {
            let runs = self.runs(contestant);
            let median = |figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure)).median;
            let (cost, cpu) = self.costs(contestant);
            let spread = format!("{:.1} ({:.1} to {:.1})", cost.median, cost.least, cost.largest);
            let _ = writeln!(
                text,
                "{:<47} {:>10.0} {:>20} {:>9.1} {:>8.0} {:>8.0}",
                contestant.title(),
                median(|run| run.rate),
                if contestant == Contestant::None { "-".to_owned() } else { spread },
                cpu.median,
                median(|run| run.p50),
                median(|run| run.p99),
            );
        }
        text
    }

    /// The ratios, and whether the machine was quiet enough to believe them.
    pub(crate) fn verdict(&self) -> String {
        let mut text = String::new();
        let doubt = self.doubt();
        for (name, ours, theirs) in RATIOS {
            let ratio = self.ratio(ours, theirs);
            let met = match ratio.median {
                _ if doubt.is_some() => "",
                value if value <= GOAL => ", which meets the goal",
                value if value <= MILESTONE => ", which meets the first milestone",
                _ => ", which misses the goal",
            };
            let _ = writeln!(
                text,
                "{name}: {:.2} times the cost of Envoy's own filters ({:.2} to {:.2}; goal {GOAL}, first milestone {MILESTONE}){met}",
                ratio.median, ratio.least, ratio.largest,
            );
        }
        if let Some(doubt) = doubt {
            let _ = writeln!(text, "Nothing can be concluded: {doubt}.");
        }
        text
    }

    /// Why the figures are not to be believed, if so.
    fn doubt(&self) -> Option<String> {
        let rounds = self.runs(Contestant::None).len();
        let filters = Contestant::ALL.into_iter().filter(|contestant| *contestant != Contestant::None);
        let gains = filters.filter(|contestant| self.costs(*contestant).0.least <= 0.0).count();
        let noise = self.noise();
        if rounds < FEWEST_ROUNDS {
            Some(format!("{rounds} rounds are fewer than {FEWEST_ROUNDS}"))
        } else if noise > NOISY {
            Some(format!(
                "the machine was too noisy, without a filter the rounds differ by a factor of {noise:.2}"
            ))
        } else if gains > 0 {
            Some(format!("the machine was too noisy, {gains} filters seem to make requests quicker"))
        } else {
            None
        }
    }

    fn noise(&self) -> f64 {
        let none = Spread::of(self.runs(Contestant::None).iter().map(|run| run.rate));
        none.largest / none.least
    }

    /// Writes `envoy.json` and `envoy.svg`.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), String> {
        let rows: serde_json::Map<_, _> = Contestant::ALL
            .into_iter()
            .map(|contestant| {
                let (cost, cpu) = self.costs(contestant);
                let rates = Spread::of(self.runs(contestant).iter().map(|run| run.rate));
                let row = json!({
                    "requests_per_second": rates.json(),
                    "cost_microseconds": cost.json(),
                    "cpu_microseconds_beyond_no_filter": cpu.json(),
                });
                (contestant.name().to_owned(), row)
            })
            .collect();
        let ratios: serde_json::Map<_, _> = RATIOS
            .into_iter()
            .map(|(name, ours, theirs)| (name.to_owned(), self.ratio(ours, theirs).json()))
            .collect();
        let rounds = self.runs(Contestant::None).len();
        let figures = json!({"rounds": rounds, "noise": self.noise(), "rows": rows, "ratios": ratios});
        let text = serde_json::to_string_pretty(&figures).map_err(|error| error.to_string())?;
        fs::write(folder.join("envoy.json"), text + "\n").map_err(|error| error.to_string())?;
        self.plot(&folder.join("envoy.svg")).map_err(|error| error.to_string())
    }

    /// A bar for each contestant: its cost, with the spread as a line.
    fn plot(&self, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let shown: Vec<_> =
            Contestant::ALL.into_iter().filter(|contestant| *contestant != Contestant::None).collect();
        let costs: Vec<_> = shown.iter().map(|contestant| self.costs(*contestant).0).collect();
        let most = costs.iter().map(|cost| cost.largest).fold(1.0, f64::max) * 1.1;
        let area = SVGBackend::new(file, (960, 360)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption("Time that a request takes beyond Envoy without a filter", ("sans-serif", 18))
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(330)
            .build_cartesian_2d(0.0..most, (0..shown.len()).into_segmented())?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .x_desc("microseconds, one worker; the line is from the least to the largest round")
            .y_label_formatter(&|segment| match segment {
                SegmentValue::CenterOf(index) => {
                    shown.get(*index).map_or_else(String::new, |one| one.title().to_owned())
                }
                _ => String::new(),
            })
            .draw()?;
        let colour = |contestant: &Contestant| match contestant {
            Contestant::GatepassWarm | Contestant::GatepassNew => RGBColor(31, 119, 180),
            _ => RGBColor(150, 150, 150),
        };
        chart.draw_series(costs.iter().zip(&shown).enumerate().map(|(index, (cost, contestant))| {
            let corners = [(0.0, SegmentValue::Exact(index)), (cost.median, SegmentValue::Exact(index + 1))];
            let mut bar = Rectangle::new(corners, colour(contestant).filled());
            bar.set_margin(5, 5, 0, 0);
            bar
        }))?;
        chart.draw_series(costs.iter().enumerate().map(|(index, cost)| {
            let at = SegmentValue::CenterOf(index);
            PathElement::new([(cost.least, at.clone()), (cost.largest, at)], BLACK.stroke_width(2))
        }))?;
        area.present()?;
        Ok(())
    }
}
