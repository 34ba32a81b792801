//! Answers that are late, broken, or not given at all.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Endpoint, entra_error::Error};

/// What happens to one request instead of the normal answer, or on its way there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// How long the request waits before anything else happens; milliseconds in JSON (`delay_ms`).
    #[serde(rename = "delay_ms", with = "milliseconds", default)]
    pub delay: Duration,
    /// What happens then.
    #[serde(default)]
    pub action: Action,
}

impl Fault {
    /// The given action at once.
    #[must_use]
    pub fn new(action: Action) -> Self {
        Self { delay: Duration::ZERO, action }
    }

    /// An answer with this status and an empty body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::new(Action::Answer { status, headers: Vec::new(), body: String::new() })
    }

    /// An answer with this status and a text.
    #[must_use]
    pub fn text(status: u16, content_type: &str, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self::new(Action::Answer { status, headers, body: body.to_owned() })
    }

    /// 429 as Entra throttles: in plain text, with `Retry-After` in seconds if it is given.
    #[must_use]
    pub fn throttled(retry_after: Option<u32>) -> Self {
        let mut headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        headers.extend(retry_after.map(|seconds| ("retry-after".to_owned(), seconds.to_string())));
        Self::new(Action::Answer { status: 429, headers, body: "Too Many Requests".to_owned() })
    }

    /// 200 with a page, as a proxy or a captive portal answers in place of somebody else.
    #[must_use]
    pub fn page() -> Self {
        Self::text(200, "text/html", "<!DOCTYPE html><html><body>Sign in to continue</body></html>")
    }

    /// A refusal of Entra's with any `AADSTS` code.
    #[must_use]
    pub fn aadsts(status: u16, error: &'static str, code: u32, text: &str) -> Self {
        let body = Error::new(error, code, text).body().to_string();
        Self::text(status, "application/json; charset=utf-8", &body)
    }

    /// The normal answer with these members in place of its own; `null` removes one.
    #[must_use]
    pub fn merge(members: Value) -> Self {
        Self::new(match members {
            Value::Object(members) => Action::Merge(members),
            _ => Action::Normal,
        })
    }

    /// The normal answer, after `delay`.
    #[must_use]
    pub fn late(delay: Duration) -> Self {
        Self { delay, action: Action::Normal }
    }

    /// The same fault, after `delay`.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// What a fault does once its delay is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// The normal answer.
    #[default]
    Normal,
    /// This answer, whatever was asked.
    Answer {
        /// The status, 200 to 599.
        status: u16,
        /// Header fields as name and value; without a `content-type` there is none.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body, as it stands.
        #[serde(default)]
        body: String,
    },
    /// No answer: the request stays open until the client or the emulator goes away.
    Hang,
    /// The connection is closed without an answer once the request's head has been read.
    Close,
    /// The normal answer, its body slowly.
    Drip {
        /// How much of the body goes out each second; at least 1.
        bytes_per_second: u32,
    },
    /// The normal head, with the full `content-length`, and half of the body; then the connection
    /// is closed.
    Truncate,
    /// The normal answer with these members in place of its own, if it is a JSON object; `null`
    /// removes one.
    Merge(Map<String, Value>),
}

/// The faults that wait for requests.
#[derive(Debug, Default)]
pub(crate) struct FaultBook(Mutex<HashMap<Endpoint, Page>>);

#[derive(Debug, Default)]
struct Page {
    scripted: VecDeque<Fault>,
    default: Option<Fault>,
}

impl FaultBook {
    /// Queues faults for the next requests of an endpoint.
    pub(crate) fn script(&self, endpoint: Endpoint, faults: Vec<Fault>) {
        self.lock().entry(endpoint).or_default().scripted.extend(faults);
    }

    /// Sets or takes back the fault of every request that is not scripted.
    pub(crate) fn set_default(&self, endpoint: Endpoint, fault: Option<Fault>) {
        self.lock().entry(endpoint).or_default().default = fault;
    }

    /// Takes back what was scripted and the default, for one endpoint or for all.
    pub(crate) fn clear(&self, endpoint: Option<Endpoint>) {
        match endpoint {
            Some(endpoint) => {
                self.lock().remove(&endpoint);
            }
            None => self.lock().clear(),
        }
    }

    /// The fault of the request that has just come: the next that was scripted, else the default.
    pub(crate) fn next(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut pages = self.lock();
        let page = pages.get_mut(&endpoint)?;
        page.scripted.pop_front().or_else(|| page.default.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Endpoint, Page>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scripted_faults_come_in_order_then_the_default_until_it_is_taken_back() {
        let book = FaultBook::default();
        book.set_default(Endpoint::Imds, Some(Fault::status(503)));
        book.script(Endpoint::Imds, vec![Fault::status(429), Fault::new(Action::Close)]);
        assert_eq!(book.next(Endpoint::Jwks), None);
        assert_eq!(book.next(Endpoint::Imds), Some(Fault::status(429)));
        assert_eq!(book.next(Endpoint::Imds), Some(Fault::new(Action::Close)));
        assert_eq!(book.next(Endpoint::Imds), Some(Fault::status(503)));
        assert_eq!(book.next(Endpoint::Imds), Some(Fault::status(503)));
        book.set_default(Endpoint::Imds, None);
        assert_eq!(book.next(Endpoint::Imds), None);
    }

    #[test]
    fn faults_are_written_in_json_as_the_help_says() {
        let faults: Vec<Fault> = serde_json::from_str(
            r#"[
                {"delay_ms": 250},
                {"action": {"answer": {"status": 429, "headers": [["retry-after", "60"]]}}},
                {"action": "hang"},
                {"action": {"drip": {"bytes_per_second": 10}}},
                {"action": {"merge": {"expires_in": "3599", "token_type": null}}}
            ]"#,
        )
        .unwrap();
        assert_eq!(faults[0], Fault::late(Duration::from_millis(250)));
        assert!(matches!(&faults[1].action, Action::Answer { status: 429, body, .. } if body.is_empty()));
        assert_eq!(faults[2], Fault::new(Action::Hang));
        assert_eq!(faults[3].action, Action::Drip { bytes_per_second: 10 });
        assert_eq!(faults[4], Fault::merge(json!({"expires_in": "3599", "token_type": null})));
        assert!(serde_json::from_str::<Fault>(r#"{"delay": 5}"#).is_err());
    }
}
