//! Goes through a scenario: sends its requests, looks at both ends, and says what is not as it must be.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use gatepass_emulator::{
    Endpoint, LoggedRequest, TokenSpec,
    directory::{CALLER, GATEWAY, READER},
};
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::{task::JoinSet, time::sleep};

pub use crate::step::Scenario;
use crate::{
    Admin, Answer, Error, Listeners, Stack,
    step::{Control, Expect, Seen, Send, Step},
    tree,
};

/// What a scenario is played against.
#[derive(Clone, Debug)]
pub struct Target {
    /// Envoy's listeners by name.
    pub listeners: Listeners,
    /// The URL of the emulator's control interface, without a slash at the end.
    pub control: String,
    /// Where the filter's counters are; without it reasons are not looked at.
    pub admin: Option<Admin>,
    /// The client.
    pub http: reqwest::Client,
}

impl From<&Stack> for Target {
    fn from(stack: &Stack) -> Self {
        Self {
            listeners: stack.listeners().clone(),
            control: format!("http://{}", stack.emulator().control()),
            admin: Some(stack.admin().clone()),
            http: stack.client().clone(),
        }
    }
}

/// What came out of one step.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// What was sent or done.
    pub step: String,
    /// The status that must come out, and the reason.
    pub expected: String,
    /// The status that came out.
    pub got: String,
    /// Whose token the backend saw, and when it was issued; empty if none.
    pub seen: String,
    /// How many token requests the identity endpoints have seen so far.
    pub token_requests: usize,
    /// What is not as it must be; empty if all is.
    pub faults: Vec<String>,
}

/// What the whole showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// How many rows there were.
    pub rows: usize,
    /// How many of them were not as they must be.
    pub faulty: usize,
    /// The token requests at the end.
    pub token_requests: usize,
}

impl Scenario {
    /// Reads a `scenario.yaml`.
    pub(crate) fn read(file: &Path) -> Result<Self, Error> {
        tree::read_as(file)
    }

    /// How wide its widest row begins: characters of [`Row::step`].
    pub fn width(&self) -> usize {
        let titles = self.steps.iter().map(|step| match step {
            Step::Send(step) => title(step),
            Step::Control(control) => aside(control),
        });
        titles.map(|title| title.chars().count()).max().unwrap_or_default()
    }

    /// Goes through all of it and reports each row as it comes.
    pub async fn run(&self, target: &Target, mut report: impl FnMut(&Row)) -> Result<Outcome, Error> {
        for control in &self.prepare {
            target.control(control).await?;
        }
        let mut outcome = Outcome::default();
        for step in &self.steps {
            let row = match step {
                Step::Send(step) => target.send(step).await?,
                Step::Control(control) => {
                    target.control(control).await?;
                    let token_requests = outcome.token_requests;
                    Row { step: aside(control), token_requests, ..Row::default() }
                }
            };
            report(&row);
            outcome.rows = outcome.rows.saturating_add(1);
            outcome.faulty = outcome.faulty.saturating_add(usize::from(!row.faults.is_empty()));
            outcome.token_requests = row.token_requests;
        }
        Ok(outcome)
    }
}

#[derive(Deserialize)]
struct Log {
    requests: Vec<LoggedRequest>,
}

impl Target {
    async fn control(&self, control: &Control) -> Result<(), Error> {
        let request = self.request_to_control(&control.emulator)?;
        let request = match control {
            Control { json: Some(json), .. } => request.json(json),
            Control { token: Some(spec), .. } => request.body(self.token(spec).await?),
            Control { content_of: Some(file), .. } => {
                let url = format!("{}/files/{file}", self.control);
                request.body(self.http.get(url).send().await?.error_for_status()?.text().await?)
            }
            _ => request,
        };
        request.send().await?.error_for_status()?;
        Ok(())
    }

    fn request_to_control(&self, request: &str) -> Result<RequestBuilder, Error> {
        let (method, path) = method_and_path(request)?;
        Ok(self.http.request(method, format!("{}{path}", self.control)))
    }

    async fn token(&self, spec: &TokenSpec) -> Result<String, Error> {
        let answer = self.http.post(format!("{}/tokens", self.control)).json(spec).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    async fn log(&self) -> Result<Vec<LoggedRequest>, Error> {
        let answer = self.http.get(format!("{}/requests", self.control)).send().await?;
        Ok(answer.error_for_status()?.json::<Log>().await?.requests)
    }

    async fn refused(&self, reason: Option<&str>) -> Result<u64, Error> {
        match (&self.admin, reason) {
            (Some(admin), Some(reason)) => {
                admin.stat(&format!("wasmcustom.gatepass.requests.refused.{reason}")).await
            }
            _ => Ok(0),
        }
    }

    async fn send(&self, step: &Send) -> Result<Row, Error> {
        let started = Instant::now();
        let reason = step.expect.reason.as_deref();
        loop {
            let before = self.log().await?.len();
            let refused = self.refused(reason).await?;
            let answers = self.answers(step).await?;
            let log = self.log().await?;
            let mut row = judge(step, &answers, &log, log.get(before..).unwrap_or_default());
            if let Some(limit) = step.within_seconds
                && !row.faults.is_empty()
                && started.elapsed() < Duration::from_secs(limit)
            {
                sleep(Duration::from_millis(500)).await;
                continue;
            }
            if let (Some(reason), Some(_)) = (reason, &self.admin) {
                let wanted = refused.saturating_add(u64::try_from(step.number()).unwrap_or(u64::MAX));
                if !self.reaches(reason, wanted).await? {
                    row.faults.push(format!("not refused as {reason}"));
                }
            }
            return Ok(row);
        }
    }

    /// Whether a reason's counter, which is written now and then, becomes that large.
    async fn reaches(&self, reason: &str, wanted: u64) -> Result<bool, Error> {
        let started = Instant::now();
        while self.refused(Some(reason)).await? < wanted {
            if started.elapsed() > Duration::from_secs(5) {
                return Ok(false);
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(true)
    }

    async fn answers(&self, step: &Send) -> Result<Vec<Answer>, Error> {
        let token = match &step.token {
            Some(spec) => Some(self.token(spec).await?),
            None => None,
        };
        let (method, path) = method_and_path(&step.request)?;
        let listener = self.listeners.get(&step.listener);
        let listener = listener.ok_or_else(|| Error::Timeout(format!("the listener {}", step.listener)))?;
        let request = || {
            let mut request = self.http.request(method.clone(), format!("http://{listener}{path}"));
            for (name, value) in &step.headers {
                request = request.header(name, value);
            }
            match &token {
                Some(token) => request.bearer_auth(token),
                None => request,
            }
        };
        if step.at_once.is_none() {
            let mut answers = Vec::new();
            for _ in 0..step.number() {
                answers.push(Answer::read(request().send().await?).await?);
            }
            return Ok(answers);
        }
        let mut running = JoinSet::new();
        for _ in 0..step.number() {
            let request = request();
            running.spawn(async move { Answer::read(request.send().await?).await });
        }
        running.join_all().await.into_iter().collect()
    }
}

fn method_and_path(request: &str) -> Result<(Method, &str), Error> {
    let parsed = request.split_once(' ').and_then(|(method, path)| Some((method.parse().ok()?, path)));
    parsed.ok_or_else(|| Error::Timeout(format!("a method and a path in {request:?}")))
}

fn judge(step: &Send, answers: &[Answer], log: &[LoggedRequest], new: &[LoggedRequest]) -> Row {
    let expect = &step.expect;
    let statuses: BTreeSet<u16> = answers.iter().map(|answer| answer.status).collect();
    let seen: Vec<_> = new.iter().filter(|request| is_backend(request.endpoint)).collect();
    let token_requests = log.iter().filter(|request| gives_tokens(request.endpoint)).count();
    let mut faults = Vec::new();
    if statuses.iter().ne([&expect.status]) || answers.len() != step.number() {
        faults.push(format!("{} expected", expect.status));
    }
    if let Some(number) = expect.token_requests
        && number != token_requests
    {
        faults.push(format!("{token_requests} token requests, not {number}"));
    }
    let reached = expect.backend.as_ref().map_or(0, |_| step.number());
    if seen.len() != reached {
        faults.push(format!("{} requests reached the backend, not {reached}", seen.len()));
    }
    if let Some(expected) = &expect.backend {
        faults.extend(seen.iter().flat_map(|request| differences(expected, request)));
    }
    faults.extend(assertion_differences(expect, log));
    faults.dedup();
    Row {
        step: title(step),
        expected: match &expect.reason {
            Some(reason) => format!("{} {reason}", times(&expect.status.to_string(), step.number())),
            None => times(&expect.status.to_string(), step.number()),
        },
        got: times(&join(statuses.iter().map(u16::to_string)), answers.len()),
        seen: seen.last().map(|request| whose(request)).unwrap_or_default(),
        token_requests,
        faults,
    }
}

fn is_backend(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Backend | Endpoint::Workflow)
}

fn gives_tokens(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::Imds | Endpoint::AppService | Endpoint::Arc | Endpoint::Token | Endpoint::PartnerToken
    )
}

fn differences(expected: &Seen, request: &LoggedRequest) -> Vec<String> {
    let mut faults = claim_differences(&expected.claims, request.claims.as_ref());
    if expected.path.as_ref().is_some_and(|path| *path != request.path) {
        faults.push(format!("the backend saw the path {}", request.path));
    }
    for (name, there) in &expected.headers {
        if request.header(name).is_some() != *there {
            faults.push(format!(
                "{name} {}",
                if *there { "did not reach the backend" } else { "reached the backend" }
            ));
        }
    }
    faults
}

fn assertion_differences(expect: &Expect, log: &[LoggedRequest]) -> Vec<String> {
    if expect.assertion.is_empty() {
        return Vec::new();
    }
    let last = log.iter().rev().find_map(|request| request.assertion.as_ref());
    let members = last.map(|last| last.header.iter().chain(&last.claims));
    let members: Option<Map<String, Value>> =
        members.map(|members| members.map(|(name, value)| (name.clone(), value.clone())).collect());
    claim_differences(&expect.assertion, members.as_ref())
}

fn claim_differences(expected: &Map<String, Value>, found: Option<&Map<String, Value>>) -> Vec<String> {
    let value = |name: &String| found.and_then(|found| found.get(name)).unwrap_or(&Value::Null);
    let wrong = expected.iter().filter(|(name, expected)| value(name) != *expected);
    wrong.map(|(name, expected)| format!("{name} is {}, not {expected}", value(name))).collect()
}

/// Whose token it was, how the client proved itself, and when it was issued.
fn whose(request: &LoggedRequest) -> String {
    let Some(claims) = &request.claims else { return "no token".to_owned() };
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let client = text("azp").or_else(|| text("appid")).unwrap_or("?");
    let names = [(GATEWAY.client_id, "gateway"), (READER.client_id, "reader"), (CALLER.client_id, "caller")];
    let name = names.iter().find(|(id, _)| *id == client).map_or(client, |(_, name)| name);
    let proof = text("azpacr").or_else(|| text("appidacr")).unwrap_or("?");
    let issued = claims.get("iat").and_then(Value::as_u64).unwrap_or_default() % 86_400;
    let clock = format!("{:02}:{:02}:{:02}", issued / 3600, issued % 3600 / 60, issued % 60);
    format!("{name}, azpacr {proof}, {clock}")
}

fn title(step: &Send) -> String {
    let number = step.number();
    let many = match (step.at_once, number) {
        (Some(_), _) => format!("{number} at once: "),
        (None, 1) => String::new(),
        (None, _) => format!("{number} x "),
    };
    let listener = if step.listener == "gateway" { String::new() } else { format!(" to {}", step.listener) };
    let note = if step.note.is_empty() { String::new() } else { format!(", {}", step.note) };
    format!("{many}{}{listener}{note}", shortened(&step.request))
}

fn aside(control: &Control) -> String {
    format!("({})", control.note)
}

/// A long path by its end.
fn shortened(request: &str) -> String {
    match (request.split_once(' '), request.rsplitn(3, '/').collect::<Vec<_>>().as_slice()) {
        (Some((method, path)), [last, before, _]) if path.len() > 40 => format!("{method} …/{before}/{last}"),
        _ => request.to_owned(),
    }
}

fn times(status: &str, number: usize) -> String {
    if number > 1 { format!("{number} x {status}") } else { status.to_owned() }
}

fn join(values: impl IntoIterator<Item = String>) -> String {
    values.into_iter().collect::<Vec<_>>().join(", ")
}
