//! One line of the log for each refusal, but not for each of a flood.

use litemap::LiteMap;
use std::time::Duration;

use crate::json::document::Value;
use crate::jwt::Claims;
use crate::observe::{LogLevel, LogLine};
use crate::time::Monotonic;

/// Lines in a second, of one VM, for one reason.
pub const MAX_LINES: u32 = 10;

/// What becomes of a request that is not as its operation wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is refused.
    Refused,
    /// It is let pass by an operation that does not enforce.
    OnlyReported,
}

/// A request that was refused, or would have been: what may be said about it. No claim of its token is among it but
/// the client application's id, and that only if the token was verified.
#[derive(Clone, Copy)]
pub struct Refused<'r> {
    /// What becomes of it.
    pub outcome: Outcome,
    /// The reason's code.
    pub code: &'static str,
    /// The number of the operation, if one was found.
    pub operation: Option<usize>,
    /// The verified claims of its caller, if they were verified.
    pub caller: Option<&'r Claims>,
}

/// What to do about a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Write it.
    Written(LogLine),
    /// There have been enough of this reason.
    Suppressed,
    /// Nobody reads it.
    Unwanted,
}

/// The lines of the current second.
#[derive(Debug, Default)]
pub struct RefusalLog {
    is_read: bool,
    written: LiteMap<(&'static str, bool), u32>,
    since: Option<Monotonic>,
}

impl RefusalLog {
    /// Says whether anybody reads lines of [`LogLevel::Info`], and begins another second if one has passed.
    pub fn renew(&mut self, is_read: bool, now: Monotonic) {
        self.is_read = is_read;
        if self.since.is_none_or(|since| since.after(Duration::from_secs(1)) <= now) {
            self.since = Some(now);
            self.written.clear();
        }
    }

    /// The line for a request.
    pub fn line(&mut self, refused: &Refused<'_>) -> Line {
        if !self.is_read {
            return Line::Unwanted;
        }
        let is_refused = refused.outcome == Outcome::Refused;
        let written = self.written.entry((refused.code, is_refused)).or_default();
        if *written >= MAX_LINES {
            return Line::Suppressed;
        }
        *written = written.saturating_add(1);
        let mut text = if is_refused { "refused: " } else { "would be refused: " }.to_owned();
        text.push_str(refused.code);
        if let Some(operation) = refused.operation {
            text.push_str(&format!(", operations[{operation}]"));
        }
        if let Some(client) = refused.caller.and_then(client) {
            text.push_str(&format!(", client {client}"));
        }
        Line::Written(LogLine { level: LogLevel::Info, text })
    }
}

/// The client application, where its id can be written as it is.
fn client(claims: &Claims) -> Option<&str> {
    const MAX_BYTES: usize = 64;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let ids = ["azp", "appid", "client_id"];
    let id = ids.iter().find_map(|name| claims.get(name).and_then(Value::as_str))?;
    Some(id).filter(|id| !id.is_empty() && id.len() <= MAX_BYTES && id.bytes().all(is_plain))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::jwt::UnverifiedToken;
    use crate::jwt::testing::encode;

    const REFUSED: Refused<'_> =
        Refused { outcome: Outcome::Refused, code: "a", operation: None, caller: None };

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_nanoseconds(seconds * 1_000_000_000)
    }

    fn text(line: Line) -> String {
        match line {
            Line::Written(line) => line.text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_second_has_ten_lines_for_each_reason() {
        let mut log = RefusalLog::default();
        assert_eq!(log.line(&REFUSED), Line::Unwanted, "nobody has said that it is read");
        log.renew(true, at(1));
        for _ in 0..MAX_LINES {
            assert_eq!(text(log.line(&REFUSED)), "refused: a");
        }
        assert_eq!(log.line(&REFUSED), Line::Suppressed);
        assert_eq!(text(log.line(&Refused { code: "b", ..REFUSED })), "refused: b");
        let reported = Refused { outcome: Outcome::OnlyReported, operation: Some(3), ..REFUSED };
        assert_eq!(text(log.line(&reported)), "would be refused: a, operations[3]");
        log.renew(true, at(1));
        assert_eq!(log.line(&REFUSED), Line::Suppressed, "it is the same second");
        log.renew(true, at(2));
        assert_eq!(text(log.line(&REFUSED)), "refused: a");
        log.renew(false, at(2));
        assert_eq!(log.line(&REFUSED), Line::Unwanted);
    }

    #[test]
    fn a_client_is_named_where_its_id_is_plain() {
        let named = |payload: &str| {
            let token = format!("{}.{}.{}", encode(r#"{"alg":"RS256"}"#), encode(payload), encode("s"));
            let token = UnverifiedToken::parse(&token).unwrap();
            let mut log = RefusalLog::default();
            log.renew(true, at(1));
            text(log.line(&Refused { caller: Some(token.claims()), ..REFUSED }))
        };
        assert_eq!(named(r#"{"azp":"7f3c-1","appid":"other"}"#), "refused: a, client 7f3c-1");
        assert_eq!(named(r#"{"appid":"an.app_2"}"#), "refused: a, client an.app_2");
        for payload in [r#"{"azp":"a\nb"}"#, r#"{"azp":"a b"}"#, r#"{"azp":""}"#, r#"{"azp":7}"#, "{}"] {
            assert_eq!(named(payload), "refused: a", "{payload}");
        }
        assert_eq!(named(&format!(r#"{{"azp":"{}"}}"#, "a".repeat(65))), "refused: a");
    }
}
