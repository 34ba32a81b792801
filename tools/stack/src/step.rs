//! What a scenario consists of, as `scenario.yaml` says it.

use std::collections::BTreeMap;

use gatepass_emulator::TokenSpec;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Requests with what must come of them, and what happens in between.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub about: String,
    /// Variables of Envoy's environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// What is done before the first request.
    #[serde(default)]
    pub(crate) prepare: Vec<Control>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Send(Box<Send>),
    Control(Box<Control>),
}

/// One request, or many of one kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Send {
    /// Method and path.
    pub(crate) request: String,
    /// The listener of Envoy that gets it.
    #[serde(default = "gateway")]
    pub(crate) listener: String,
    /// What is special about it, for the reader.
    #[serde(default)]
    pub(crate) note: String,
    /// The bearer token, made by the emulator.
    pub(crate) token: Option<TokenSpec>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// How many, one after the other.
    pub(crate) times: Option<usize>,
    /// How many at the same moment.
    pub(crate) at_once: Option<usize>,
    /// Seconds in which the expected status must come, however often it is asked for.
    pub(crate) within_seconds: Option<u64>,
    pub(crate) expect: Expect,
}

fn gateway() -> String {
    "gateway".to_owned()
}

impl Send {
    pub(crate) fn number(&self) -> usize {
        self.times.or(self.at_once).unwrap_or(1)
    }
}

/// What must come of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    pub(crate) status: u16,
    /// The reason for which Gatepass refuses it; a counter has its name.
    pub(crate) reason: Option<String>,
    /// How many token requests the identity endpoints have seen by then.
    pub(crate) token_requests: Option<usize>,
    /// Parameters or claims of the last client assertion.
    #[serde(default)]
    pub(crate) assertion: Map<String, Value>,
    /// What the backend sees; without it, nothing may reach the backend.
    pub(crate) backend: Option<Seen>,
}

/// What a backend sees.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    pub(crate) path: Option<String>,
    /// Claims of the token.
    #[serde(default)]
    pub(crate) claims: Map<String, Value>,
    /// Headers that are there, or are not.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, bool>,
}

/// A request to the emulator's control interface.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Control {
    /// Method and path.
    pub(crate) emulator: String,
    /// What it stands for, for the reader.
    #[serde(default)]
    pub(crate) note: String,
    pub(crate) json: Option<Value>,
    /// A token as the body.
    pub(crate) token: Option<TokenSpec>,
    /// Another file of the emulator's as the body.
    pub(crate) content_of: Option<String>,
}
