//! The benchmark runs to its end, on the real Envoy, and brings figures: how good they are, a longer run has to say.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

/// Runs a part of the benchmark and returns what it wrote.
fn figures(arguments: &[&str], file: &str) -> Value {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepass-bench"));
    let output = command.args(arguments).args(["--turns", "1", "--output"]).arg(&folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name = format!("{file}.json");
    serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

#[test]
#[ignore = "needs Envoy and wrk: `make test-bench`"]
fn gatepass_is_measured_beside_envoys_own_filters() {
    let figures = figures(&["envoy", "--starts", "1", "--tokens", "200"], "envoy");
    let rows = figures["rows"].as_object().unwrap();
    assert_eq!(rows.len(), 7);
    for (name, row) in rows {
        assert!(row["requests_per_second"].as_f64().is_some_and(|rate| rate > 100.0), "{name}: {row}");
        let median = row["paced"]["p50_microseconds"].as_f64();
        assert!(median.is_some_and(|time| time > 1.0 && time < 1e6), "{name}: {row}");
    }
    let ratios = figures["ratios"].as_object().unwrap();
    assert_eq!(ratios.keys().collect::<Vec<_>>(), ["every token new", "warm"]);
    assert!(ratios.values().all(|ratio| ratio["median"].as_f64().is_some_and(f64::is_finite)));
}

#[test]
#[ignore = "needs Envoy and wrk: `make test-bench`"]
fn the_module_is_weighed_and_its_start_is_timed() {
    let figures = figures(&["growth", "--only", "start"], "growth");
    assert!(figures["module_bytes"].as_u64().is_some_and(|bytes| bytes > 100_000));
    let seconds = |name: &str| figures["start_seconds"][name]["median"].as_f64().unwrap();
    assert!(seconds("nothing") < seconds("gatepass"));
}
