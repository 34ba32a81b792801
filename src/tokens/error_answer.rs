use std::fmt;

use crate::json::{Json, Members};

/// What an endpoint says about a refused token request (RFC 6749, section 5.2, with Entra's additions). It is for the
/// log, so each part is held to its characters and length: whatever else stands in the answer is not repeated.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ErrorAnswer {
    error: Option<String>,
    /// Entra's number: AADSTS7000215 is a wrong secret.
    aadsts: Option<u64>,
    correlation_id: Option<String>,
}

impl ErrorAnswer {
    /// Reads an answer's body; what is not such an error says nothing.
    pub fn read(body: &[u8]) -> Self {
        let Ok(Json::Object(members)) = Json::parse(body) else { return Self::default() };
        Self {
            error: text(&members, "error", |byte| byte.is_ascii_lowercase() || byte == b'_'),
            aadsts: aadsts(&members),
            correlation_id: text(&members, "correlation_id", |byte| byte.is_ascii_hexdigit() || byte == b'-'),
        }
    }
}

fn text(members: &Members, name: &str, allowed: impl Fn(u8) -> bool) -> Option<String> {
    let text = members.get(name)?.as_str()?;
    ((1..=40).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
}

/// The first of `error_codes`, else the number behind `AADSTS` at the beginning of the description.
fn aadsts(members: &Members) -> Option<u64> {
    let listed = match members.get("error_codes") {
        Some(Json::Array(codes)) => match codes.first() {
            Some(Json::Number(number)) => number.as_u64(),
            _ => None,
        },
        _ => None,
    };
    let described = || {
        let description = members.get("error_description")?.as_str()?.strip_prefix("AADSTS")?;
        let digits = description.bytes().take_while(u8::is_ascii_digit).count();
        description.get(..digits)?.parse().ok()
    };
    listed.or_else(described).filter(|code| *code < 100_000_000)
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.error.clone(),
            self.aadsts.map(|code| format!("AADSTS{code}")),
            self.correlation_id.as_ref().map(|id| format!("correlation id {id}")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        if parts.is_empty() { Ok(()) } else { write!(f, " ({})", parts.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn said(body: &str) -> String {
        ErrorAnswer::read(body.as_bytes()).to_string()
    }

    #[test]
    fn code_number_and_correlation_id_are_told() {
        let entra = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace",
            "error_codes":[7000215],"timestamp":"2026-01-01 00:00:00Z","trace_id":"t",
            "correlation_id":"0d5e5c1f-7a2b-4c6d-8e9f-0a1b2c3d4e5f"}"#;
        let expected =
            " (invalid_client, AADSTS7000215, correlation id 0d5e5c1f-7a2b-4c6d-8e9f-0a1b2c3d4e5f)";
        assert_eq!(said(entra), expected);
        assert_eq!(said(&entra.replace("\"error_codes\":[7000215],", "")), expected);
        assert_eq!(said(r#"{"error":"invalid_request"}"#), " (invalid_request)");
    }

    #[test]
    fn nothing_else_of_an_answer_is_repeated() {
        for body in [
            "",
            "Too Many Requests",
            "<html>canary</html>",
            r#"["canary"]"#,
            r#"{"error":"CANARY"}"#,
            r#"{"error":"a\r\nb"}"#,
            r#"{"error":{"canary":1}}"#,
            r#"{"error_codes":["canary"],"correlation_id":"canary!"}"#,
            r#"{"error_codes":[100000000],"error_description":"canary"}"#,
            r#"{"error_description":"AADSTScanary"}"#,
        ] {
            assert_eq!(said(body), "", "{body}");
        }
        assert_eq!(said(&format!(r#"{{"error":"{}"}}"#, "x".repeat(41))), "");
    }
}
