//! The wall clock, in the units of the wire.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
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

/// How an endpoint writes `expires_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateShape {
    /// `"1560999478"`: seconds since 1970 as a text, the usual one.
    Text,
    /// `1560999478`: the same as a number (Service Fabric).
    Number,
    /// `"06/20/2019 02:57:58 +00:00"` (App Service on Linux, first version).
    Linux,
    /// `"1/16/2020 5:24:12 AM +00:00"` (App Service on Windows, first version).
    Windows,
    /// `"2024-10-18T19:51:37.0000000+00:00"`.
    Iso,
}

impl DateShape {
    /// A `NumericDate` in that shape; `null` for a year beyond 9999.
    #[must_use]
    pub fn write(self, seconds: i64) -> Value {
        let Ok(date) = OffsetDateTime::from_unix_timestamp(seconds) else {
            return Value::Null;
        };
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let (hour, minute, second) = date.to_hms();
        match self {
            Self::Text => seconds.to_string().into(),
            Self::Number => seconds.into(),
            Self::Linux => {
                format!("{month:02}/{day:02}/{year} {hour:02}:{minute:02}:{second:02} +00:00").into()
            }
            Self::Windows => {
                let half = if hour < 12 { "AM" } else { "PM" };
                let hour = (hour + 11) % 12 + 1;
                format!("{month}/{day}/{year} {hour}:{minute:02}:{second:02} {half} +00:00").into()
            }
            Self::Iso => {
                format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.0000000+00:00").into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_iso_8601() {
        assert_eq!(iso_8601(1_700_000_000).unwrap(), "2023-11-14T22:13:20Z");
        assert_eq!(iso_8601(i64::MAX), None);
    }

    #[test]
    fn every_shape_that_was_seen_is_written() {
        for (shape, seconds, text) in [
            (DateShape::Text, 1_560_999_478, "\"1560999478\""),
            (DateShape::Number, 1_560_999_478, "1560999478"),
            (DateShape::Linux, 1_560_999_478, "\"06/20/2019 02:57:58 +00:00\""),
            (DateShape::Windows, 1_579_152_252, "\"1/16/2020 5:24:12 AM +00:00\""),
            (DateShape::Windows, 1_579_176_252, "\"1/16/2020 12:04:12 PM +00:00\""),
            (DateShape::Iso, 1_729_281_097, "\"2024-10-18T19:51:37.0000000+00:00\""),
        ] {
            assert_eq!(shape.write(seconds).to_string(), text);
        }
        assert_eq!(DateShape::Iso.write(i64::MAX), Value::Null);
    }
}
