//! Scenario 1, "protected and unprotected", as a sequence of requests with what must come out.

use std::collections::BTreeSet;

use gatepass_emulator::{SigningKey, TokenSpec};
use reqwest::Method;

use crate::{Answer, Error, Stack};

/// What a step sends in `Authorization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    None,
    /// Signed with a key that the issuer never published.
    Forged,
    /// A good token of an application of the tenant.
    Caller,
}

/// One request, or many of one kind.
#[derive(Clone, Debug)]
struct Step {
    label: &'static str,
    method: Method,
    path: &'static str,
    credentials: Credentials,
    count: Count,
    expected: u16,
    role: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Count {
    Once,
    InTurn(usize),
    AtOnce(usize),
}

impl Count {
    fn number(self) -> usize {
        match self {
            Self::Once => 1,
            Self::InTurn(number) | Self::AtOnce(number) => number,
        }
    }
}

/// What came out of one step.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was sent.
    pub request: String,
    /// The status that must come out.
    pub expected: String,
    /// The status that came out.
    pub got: String,
    /// When the token that the backend saw was issued; empty if it saw none.
    pub issued_at: String,
    /// The application role that the operation asks for.
    pub role: String,
    /// How many token requests the identity endpoint has seen so far.
    pub token_requests: usize,
    /// What is not as it must be; empty if all is.
    pub faults: Vec<String>,
}

/// What the whole showed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How many rows there were.
    pub rows: usize,
    /// How many of them were not as they must be.
    pub faulty: usize,
    /// Every `IssuedAt` that the backend saw behind `/unprotected`.
    pub issued_at: BTreeSet<String>,
    /// The token requests at the end.
    pub token_requests: usize,
}

impl Outcome {
    /// Whether everything came out as it must.
    pub fn is_good(&self) -> bool {
        self.faulty == 0 && self.token_requests == 1 && self.issued_at.len() == 1
    }
}

/// Sends every request of the scenario and reports each row as it comes.
pub async fn run(stack: &Stack, mut report: impl FnMut(&Row)) -> Result<Outcome, Error> {
    let mut outcome = Outcome::default();
    for step in steps() {
        let answers = step.send(stack).await?;
        let row = step.judge(&answers, stack.emulator().token_requests(), &mut outcome);
        report(&row);
        outcome.rows = outcome.rows.saturating_add(1);
        outcome.faulty = outcome.faulty.saturating_add(usize::from(!row.faults.is_empty()));
        outcome.token_requests = row.token_requests;
    }
    Ok(outcome)
}

fn steps() -> Vec<Step> {
    const READ: &str = "Sample.Read";
    const WRITE: &str = "Sample.Write";
    const DELETE: &str = "Sample.Delete";
    let unprotected = |label, method, count, expected, role| Step {
        label,
        method,
        path: "/unprotected",
        credentials: Credentials::None,
        count,
        expected,
        role,
    };
    let protected = |label, path, credentials, expected, role| Step {
        label,
        method: Method::GET,
        path,
        credentials,
        count: Count::Once,
        expected,
        role,
    };
    vec![
        unprotected("", Method::GET, Count::Once, 200, READ),
        unprotected("", Method::POST, Count::Once, 200, WRITE),
        unprotected("", Method::DELETE, Count::Once, 401, DELETE),
        protected("without a token", "/protected", Credentials::None, 401, READ),
        protected("with a forged token", "/protected", Credentials::Forged, 401, READ),
        protected("with a caller's token", "/protected", Credentials::Caller, 200, READ),
        protected("which is no operation", "/unknown", Credentials::None, 404, ""),
        unprotected("again", Method::GET, Count::Once, 200, READ),
        unprotected("again", Method::POST, Count::Once, 200, WRITE),
        unprotected("", Method::DELETE, Count::InTurn(200), 401, DELETE),
        unprotected("at once", Method::GET, Count::AtOnce(50), 200, READ),
    ]
}

impl Step {
    async fn send(&self, stack: &Stack) -> Result<Vec<Answer>, Error> {
        let spec = TokenSpec::entra_v2();
        let token = match self.credentials {
            Credentials::None => None,
            Credentials::Forged => Some(spec.signed_by(SigningKey::Foreign)),
            // Of another time than the gateway's, so that the two can be told apart.
            Credentials::Caller => Some(spec.not_before(-1800)),
        }
        .map(|spec| stack.emulator().issue(&spec));
        match self.count {
            Count::AtOnce(number) => {
                stack.at_once(number, &self.method, self.path).await.into_iter().collect()
            }
            Count::Once | Count::InTurn(_) => {
                let mut answers = Vec::new();
                for _ in 0..self.count.number() {
                    let answer = stack.send(self.method.clone(), self.path, token.as_deref()).await?;
                    answers.push(answer);
                }
                Ok(answers)
            }
        }
    }

    fn judge(&self, answers: &[Answer], token_requests: usize, outcome: &mut Outcome) -> Row {
        let number = self.count.number();
        let statuses: BTreeSet<u16> = answers.iter().map(|answer| answer.status).collect();
        let issued: BTreeSet<String> = answers.iter().filter_map(Answer::issued_at).collect();
        let mut faults = Vec::new();
        if statuses.iter().ne([&self.expected]) || answers.len() != number {
            faults.push(format!("{} expected", self.expected));
        }
        if token_requests != 1 {
            faults.push(format!("{token_requests} token requests, not 1"));
        }
        if self.expected == 200 && issued.len() != 1 {
            faults.push(format!("{} values of IssuedAt, not 1", issued.len()));
        }
        if self.path == "/unprotected" {
            outcome.issued_at.extend(issued.iter().cloned());
            if outcome.issued_at.len() > 1 {
                faults.push("another token than before".to_owned());
            }
        }
        Row {
            request: self.request(),
            expected: times(self.expected.to_string(), number),
            got: times(join(statuses.iter().map(u16::to_string)), answers.len()),
            issued_at: join(issued),
            role: self.role.to_owned(),
            token_requests,
            faults,
        }
    }

    fn request(&self) -> String {
        let number = self.count.number();
        let many = if number > 1 { format!("{number} x ") } else { String::new() };
        format!("{many}{} {} {}", self.method, self.path, self.label).trim_end().to_owned()
    }
}

fn times(status: String, number: usize) -> String {
    if number > 1 { format!("{number} x {status}") } else { status }
}

fn join(values: impl IntoIterator<Item = String>) -> String {
    values.into_iter().collect::<Vec<_>>().join(", ")
}
