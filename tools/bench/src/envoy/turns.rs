//! Turn by turn: every one is measured for a second, again and again.

use std::collections::BTreeMap;

use super::{load::Run, report::Spread};

/// What each showed in one turn.
pub(crate) type Turn<K> = BTreeMap<K, Run>;

/// Measures each of `all`, so many times, after once to warm up. Another one begins each turn.
pub(crate) fn measure<K: Copy + Ord>(
    all: &[K],
    turns: usize,
    run: impl Fn(K) -> Result<Run, String>,
) -> Result<Vec<Turn<K>>, String> {
    eprint!("  warming up");
    all.iter().try_for_each(|one| run(*one).map(drop))?;
    let mut measured = Vec::new();
    for turn in 0..turns {
        eprint!("\r  turn {} of {turns}   ", turn + 1);
        let order = all.iter().copied().cycle().skip(turn % all.len()).take(all.len());
        measured.push(order.map(|one| Ok((one, run(one)?))).collect::<Result<_, String>>()?);
    }
    eprintln!();
    Ok(measured)
}

/// Microseconds of a request. Machines that are shared are slower at one time than at another, for all alike: so each
/// turn is divided by how slow it was on the whole, and the medians are taken of what is left.
pub(crate) fn times<K: Copy + Ord>(turns: &[Turn<K>], time: fn(&Run) -> f64) -> BTreeMap<K, f64> {
    let mean = |turn: &Turn<K>| turn.values().map(|run| time(run).ln()).sum::<f64>() / turn.len() as f64;
    let usual = Spread::of(turns.iter().map(mean)).median;
    let mut times: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for turn in turns {
        let slowness = (mean(turn) - usual).exp();
        for (one, run) in turn {
            times.entry(*one).or_default().push(time(run) / slowness);
        }
    }
    times.into_iter().map(|(one, times)| (one, Spread::of(times).median)).collect()
}
