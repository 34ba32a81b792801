//! The alert rules and the dashboard in `envoy/monitoring`, evaluated by a real Prometheus against a running Envoy under
//! load and under faults. `make monitoring` runs it, and `WRITE=1 make monitoring` draws the plots in `docs/monitoring`
//! anew.
//!
//! A minute in the files is a second here: a window of `[5m]` is evaluated as `[5s]`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gatepass_emulator::{Endpoint, Fault, TokenSpec};
use gatepass_stack::{Build, Checkout, Stack, ports::Reservation, tree};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Keys would have to be two hours old; Gatepass has no known fault to provoke. `alerts_test.yaml` has them fire.
const NOT_PROVOKED: [&str; 2] = ["GatepassKeysOld", "GatepassInternal"];

/// Panels that are drawn for the docs.
const PLOTS: [(&str, &str); 4] = [
    ("Forwarded and refused", "requests"),
    ("503, by reason", "unavailable"),
    ("Life left", "token-life"),
    ("Waiting", "waiting"),
];

/// A Prometheus that scrapes an Envoy every second; it ends with the value.
struct Prometheus {
    process: Child,
    url: String,
    http: reqwest::Client,
    _data: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    async fn start(target: &str) -> Self {
        let data = TempDir::with_prefix("gatepass-prometheus-").unwrap();
        let configuration = json!({
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{
                "job_name": "envoy", "metrics_path": "/stats/prometheus", "static_configs": [{"targets": [target]}],
            }],
        });
        let file = data.path().join("prometheus.yml");
        fs::write(&file, configuration.to_string()).unwrap();
        // Prometheus does not share its port, so this one is free again.
        let address = Reservation::new().unwrap().address();
        let process = Command::new(env::var_os("PROMETHEUS").expect("PROMETHEUS: `make monitoring` sets it"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(data.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let prometheus = Self { process, url: format!("http://{address}"), http, _data: data };
        let started = Instant::now();
        while prometheus.series("gatepass_waiting").await.is_empty() {
            assert!(started.elapsed() < Duration::from_secs(30), "Prometheus has scraped nothing");
            sleep(Duration::from_millis(200)).await;
        }
        prometheus
    }

    async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Vec<Value> {
        let Ok(answer) = self.http.get(format!("{}/api/v1/{path}", self.url)).query(parameters).send().await
        else {
            return Vec::new();
        };
        let Ok(mut answer) = answer.json::<Value>().await else { return Vec::new() };
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        serde_json::from_value(answer["data"]["result"].take()).unwrap()
    }

    /// What an expression yields now.
    async fn series(&self, expression: &str) -> Vec<Value> {
        self.ask("query", &[("query", expression)]).await
    }

    /// What it yielded from a time until now, second by second.
    async fn history(&self, expression: &str, since: f64) -> Vec<Value> {
        let (start, end) = (since.to_string(), now().to_string());
        self.ask("query_range", &[("query", expression), ("start", &start), ("end", &end), ("step", "1")])
            .await
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// The expression with a second for each minute, and without the dashboard's variables.
fn quick(expression: &str) -> String {
    let mut quick =
        expression.replace("$__rate_interval", "5s").replace("$instance", ".*").replace("[1h]", "[60s]");
    for minutes in [1, 5, 15] {
        quick = quick.replace(&format!("[{minutes}m]"), &format!("[{minutes}s]"));
        quick = quick.replace(&format!("offset {minutes}m"), &format!("offset {minutes}s"));
    }
    assert!(!quick.contains("m]"), "a window that is not known here: {quick}");
    quick
}

fn folder() -> PathBuf {
    Checkout::find().unwrap().root().join("envoy/monitoring")
}

/// The alerts by name.
fn alerts() -> BTreeMap<String, String> {
    let rules = tree::read(&folder().join("alerts.yaml")).unwrap();
    let rules = rules.pointer("/groups/0/rules").unwrap().as_array().unwrap().clone();
    let text = |rule: &Value, name: &str| rule[name].as_str().unwrap().to_owned();
    rules.iter().map(|rule| (text(rule, "alert"), quick(&text(rule, "expr")))).collect()
}

/// The dashboard's panels: title, and each expression with its legend.
fn panels() -> Vec<(String, Vec<(String, String)>)> {
    let dashboard = tree::read(&folder().join("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] == "timeseries");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    panels
        .map(|panel| {
            let targets = panel["targets"].as_array().unwrap().iter();
            let targets =
                targets.map(|target| (quick(&text(&target["expr"])), text(&target["legendFormat"])));
            (text(&panel["title"]), targets.collect())
        })
        .collect()
}

/// Which alerts fire now.
async fn firing(prometheus: &Prometheus) -> BTreeSet<String> {
    let mut firing = BTreeSet::new();
    for (name, expression) in alerts() {
        if !prometheus.series(&expression).await.is_empty() {
            firing.insert(name);
        }
    }
    firing
}

/// Load for some seconds; which alerts fired meanwhile. Each step sends what a day brings, and `refused` requests without
/// a token.
async fn load(stack: &Stack, prometheus: &Prometheus, seconds: u64, refused: usize) -> BTreeSet<String> {
    let token = stack.emulator().issue(&TokenSpec::entra_v2());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut fired = BTreeSet::new();
    while Instant::now() < end {
        for (method, path, token) in [
            (Method::GET, "/protected", Some(token.as_str())),
            (Method::GET, "/unprotected", None),
            (Method::GET, "/trial", None),
            (Method::DELETE, "/protected", Some(&token)),
        ] {
            // Not waited for longer than a step: some of them are to hang.
            let _ = tokio::time::timeout(Duration::from_millis(200), stack.send(method, path, token)).await;
        }
        stack.at_once(refused, &Method::GET, "/protected").await;
        fired.extend(firing(prometheus).await);
        sleep(Duration::from_millis(200)).await;
    }
    fired
}

/// The reference, with an operation that only reports, tokens that end soon, a first one that is slow to come, and a fault
/// at the first fetch of keys.
async fn stack() -> Stack {
    let builder = Stack::builder()
        .build(Build::TestOnly)
        .prepare(|emulator| {
            emulator.set_token_lifetime(Duration::from_secs(24));
            emulator.script(Endpoint::Imds, vec![Fault::late(Duration::from_secs(4))]);
            emulator.script(Endpoint::Discovery, vec![Fault::status(500)]);
        })
        .configure(|configuration| {
            let trial = json!({"match": {"path": {"exact": "/trial"}}, "enforce": false});
            configuration["operations"].as_array_mut().unwrap().push(trial);
        });
    builder.start().await.unwrap()
}

#[tokio::test]
#[ignore = "needs a Prometheus: `make monitoring`"]
async fn every_alert_fires_when_it_should_and_every_panel_shows_something() {
    let stack = stack().await;
    let prometheus = Prometheus::start(&stack.admin().address().to_string()).await;
    let emulator = stack.emulator();
    let begun = now();

    let mut fired = {
        let many = stack.at_once(20, &Method::GET, "/unprotected");
        tokio::join!(many, load(&stack, &prometheus, 10, 0)).1
    };
    println!("a slow identity endpoint: {fired:?}");
    // What the refusals of the next seconds are compared with.
    load(&stack, &prometheus, 12, 0).await;
    let healthy = load(&stack, &prometheus, 20, 0).await;
    assert_eq!(healthy, BTreeSet::new(), "fired without a fault");

    let guessing = load(&stack, &prometheus, 8, 12).await;
    println!("many requests without a token: {guessing:?}");
    fired.extend(guessing);
    emulator.set_default_fault(Endpoint::Imds, Some(Fault::status(500)));
    let outage = load(&stack, &prometheus, 45, 0).await;
    println!("no token to be had: {outage:?}");
    fired.extend(outage);
    emulator.clear_faults();
    // Back-off ends, so that the worker whose VM dies has something to do.
    load(&stack, &prometheus, 5, 0).await;
    let trap = stack.client().get(stack.url("/unprotected")).header("x-gatepass-test", "trap").send().await;
    drop(trap);
    let died = load(&stack, &prometheus, 15, 0).await;
    println!("a VM that died: {died:?}; {:?}", stack.stats("wasm.gatepass").await.unwrap());
    fired.extend(died);

    let expected: BTreeSet<_> =
        alerts().into_keys().filter(|name| !NOT_PROVOKED.contains(&name.as_str())).collect();
    assert_eq!(fired, expected, "alerts that fired, and that should have");
    assert_ne!(prometheus.series("gatepass_keys_age_seconds").await, Vec::<Value>::new());

    for (title, targets) in panels() {
        let mut shown = Vec::new();
        for (expression, legend) in &targets {
            let history = prometheus.history(expression, begun).await;
            shown.extend(
                history.into_iter().map(|series| (name(legend, &series["metric"]), points(&series, begun))),
            );
        }
        assert!(!shown.is_empty(), "the panel `{title}` shows nothing");
        let file = PLOTS.iter().find(|(plotted, _)| *plotted == title);
        if let (Some((_, file)), Some(_)) = (file, env::var_os("WRITE")) {
            let path = Checkout::find().unwrap().root().join("docs/monitoring").join(format!("{file}.svg"));
            write(&path, &plot(&title, &shown));
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A legend with the labels put in; the instance is always the same here.
fn name(legend: &str, labels: &Value) -> String {
    let labels = labels.as_object().unwrap();
    let full = labels.iter().fold(legend.to_owned(), |text, (label, value)| {
        let value = if label == "instance" { "" } else { value.as_str().unwrap_or_default() };
        text.replace(&format!("{{{{{label}}}}}"), value)
    });
    let full = full.trim().to_owned();
    if full.is_empty() { "requests".to_owned() } else { full }
}

/// Seconds since the beginning, and values.
fn points(series: &Value, begun: f64) -> Vec<(f64, f64)> {
    let values = series["values"].as_array().unwrap().iter();
    let value = |pair: &Value| pair[1].as_str()?.parse::<f64>().ok().filter(|value| value.is_finite());
    values.filter_map(|pair| Some((pair[0].as_f64()? - begun, value(pair)?))).collect()
}

/// A line chart, with a background of its own: a code host shows it on dark pages too.
fn plot(title: &str, series: &[(String, Vec<(f64, f64)>)]) -> String {
    const COLOURS: [&str; 6] = ["#3366cc", "#dc3912", "#ff9900", "#109618", "#990099", "#0099c6"];
    let all = || series.iter().flat_map(|(_, points)| points);
    let last = all().fold(1.0, |last: f64, (time, _)| last.max(*time));
    let top = all().fold(1.0, |top: f64, (_, value)| top.max(*value));
    let (x, y) = (|time: f64| 48.0 + 572.0 * time / last, |value: f64| 190.0 - 150.0 * value / top);
    let mut svg = String::from(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 240" font-family="sans-serif" font-size="11">"##,
    );
    let _ = write!(
        svg,
        r##"<rect width="640" height="240" fill="#fff"/><text x="48" y="20" font-size="13">{title}</text>"##
    );
    for part in 0..=4 {
        let (value, time) = (top * f64::from(part) / 4.0, last * f64::from(part) / 4.0);
        let _ = write!(
            svg,
            r##"<path d="M48 {0:.1}H620" stroke="#ddd"/><text x="42" y="{1:.1}" text-anchor="end">{value:.1}</text><text x="{2:.1}" y="206" text-anchor="middle">{time:.0} s</text>"##,
            y(value),
            y(value) + 4.0,
            x(time),
        );
    }
    let mut legend = 48.0;
    for ((name, points), colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let path: Vec<_> =
            points.iter().map(|(time, value)| format!("{:.1},{:.1}", x(*time), y(*value))).collect();
        let _ = write!(
            svg,
            r##"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.5"/><text x="{legend:.0}" y="228" fill="{colour}">{name}</text>"##,
            path.join(" "),
        );
        legend += 24.0 + 6.5 * f64::from(u16::try_from(name.len()).unwrap_or(0));
    }
    svg + "</svg>\n"
}
