//! What came out: a table, a file of figures, a plot.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use plotters::prelude::*;
use serde_json::{Value, json};

use super::{contestants::Contestant, load::Run};

/// What one Envoy showed.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// Turn by turn, as quickly as it answers.
    pub(crate) turns: Vec<BTreeMap<Contestant, Run>>,
    /// At a fixed pace.
    pub(crate) paced: BTreeMap<Contestant, Run>,
}

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

impl Start {
    /// Microseconds of a request by contestant. Machines that are shared are slower at one time than at another, for
    /// all alike: so each turn is divided by how slow it was on the whole, and the medians are taken of what is left.
    fn times(&self, time: fn(&Run) -> f64) -> BTreeMap<Contestant, f64> {
        let mean = |turn: &BTreeMap<Contestant, Run>| {
            turn.values().map(|run| time(run).ln()).sum::<f64>() / turn.len() as f64
        };
        let usual = Spread::of(self.turns.iter().map(mean)).median;
        let mut times: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for turn in &self.turns {
            let slowness = (mean(turn) - usual).exp();
            for (contestant, run) in turn {
                times.entry(*contestant).or_default().push(time(run) / slowness);
            }
        }
        times.into_iter().map(|(contestant, times)| (contestant, Spread::of(times).median)).collect()
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
        let times = starts.iter().map(|start| start.times(|run| 1e6 / run.rate)).collect();
        let cpu = starts.iter().map(|start| start.times(|run| run.cpu)).collect();
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
            let spread = format!("{:.1} ({:.1} to {:.1})", cost.median, cost.least, cost.largest);
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
                "{name}: {:.2} times the cost of Envoy's own filters ({:.2} to {:.2}; goal {GOAL}, first milestone {MILESTONE}), {said}",
                ratio.median, ratio.least, ratio.largest,
            );
        }
        text
    }

    /// Why a ratio is not to be believed, if so.
    fn doubt(&self, ratio: Spread) -> Option<String> {
        let (starts, noise) = (self.starts.len(), ratio.largest / ratio.least);
        if starts < FEWEST_STARTS {
            Some(format!("{starts} starts are fewer than {FEWEST_STARTS}"))
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
        let text = serde_json::to_string_pretty(&figures).map_err(|error| error.to_string())?;
        fs::write(folder.join("envoy.json"), text + "\n").map_err(|error| error.to_string())?;
        self.plot(&folder.join("envoy.svg")).map_err(|error| error.to_string())
    }

    /// A bar for each contestant: its cost, with the spread as a line.
    fn plot(&self, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let filters = self.contestants.iter().copied().filter(|contestant| *contestant != Contestant::None);
        let shown: Vec<_> = filters.collect();
        let costs: Vec<_> = shown.iter().map(|contestant| Spread::of(self.costs(*contestant))).collect();
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
            .x_desc("microseconds, one worker; the line is from the least to the largest start")
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
        assert!(report.verdict().contains("warm: 0.60 times"));
    }

    #[test]
    fn few_starts_and_starts_that_differ_conclude_nothing() {
        let starts = [start()];
        let report =
            Report::of(&[Contestant::None, Contestant::GatepassWarm, Contestant::NativeWarm], &starts);
        assert!(report.verdict().contains("1 starts are fewer than 5"));
        let far = Spread { least: 0.5, median: 0.6, largest: 0.9 };
        let starts: Vec<_> = (0..5).map(|_| start()).collect();
        assert!(Report::of(&[], &starts).doubt(far).is_some_and(|doubt| doubt.contains("too noisy")));
    }
}
