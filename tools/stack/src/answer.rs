use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::Error;

/// What a client got.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(response: reqwest::Response) -> Result<Self, Error> {
        Ok(Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await?.to_vec(),
        })
    }

    /// The first header field of that name, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// When the token that the backend saw was issued.
    pub fn issued_at(&self) -> Option<String> {
        Some(self.json().get("IssuedAt")?.as_str()?.to_owned())
    }

    /// The values of a header that the backend saw, none if it came without.
    pub fn seen(&self, header: &str) -> Vec<String> {
        let body = self.json();
        match body.pointer("/request/headers").and_then(|headers| headers.get(header)) {
            None => Vec::new(),
            Some(Value::Array(values)) => {
                values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(value) => vec![value.as_str().unwrap_or_default().to_owned()],
        }
    }
}
