//! The wall clock, in the units of the wire.

use std::time::{SystemTime, UNIX_EPOCH};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Seconds since 1970 (`NumericDate`, RFC 7519 section 2).
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A `NumericDate` as ISO 8601 (`2026-11-21T08:00:00Z`), if it lies in the years 0 to 9999.
pub(crate) fn iso_8601(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_iso_8601() {
        assert_eq!(iso_8601(1_700_000_000).unwrap(), "2023-11-14T22:13:20Z");
        assert_eq!(iso_8601(i64::MAX), None);
    }
}
