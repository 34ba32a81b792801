//! Values of all kinds: text, lists of words, durations, URLs.

use std::time::Duration;

use super::Compiler;
use crate::calls::Url;
use crate::config::fault::{FaultKind, Path};

impl Compiler {
    /// A list with at least one word, none of them empty.
    pub(super) fn words(&mut self, path: &Path, words: &[String], why: &'static str) -> Option<Vec<String>> {
        if words.is_empty() || words.iter().any(String::is_empty) {
            return self.fault(path, FaultKind::Empty(why));
        }
        Some(words.to_vec())
    }

    pub(super) fn duration(&mut self, path: &Path, raw: Option<&str>, default: Duration) -> Option<Duration> {
        let Some(text) = raw else { return Some(default) };
        duration(text).or_else(|| {
            self.fault(
                path,
                FaultKind::Invalid("not a duration; write a whole number and ms, s, m or h: `30s`"),
            )
        })
    }

    pub(super) fn https_url(&mut self, path: &Path, text: &str) -> Option<Url> {
        Url::parse(text)
            .filter(|url| url.https)
            .or_else(|| self.fault(path, FaultKind::Invalid("not an https URL (https://host/path)")))
    }

    pub(super) fn text(&mut self, path: &Path, text: String) -> Option<String> {
        if text.is_empty() {
            return self.fault(path, FaultKind::Empty("a name or a value belongs here"));
        }
        Some(text)
    }
}

/// A whole number with `ms`, `s`, `m` or `h`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3_600).map(Duration::from_secs),
        _ => None,
    }
}
