use crate::time::UnixTime;

/// Reads the end of a token's life in one of the forms that Azure's endpoints have written it in:
/// `2024-10-18T19:51:37.0000000+00:00`, `2024-10-18 19:51:37`, `06/20/2019 02:57:58 +00:00`, `1/16/2020 5:24:12 PM +00:00`.
/// All of them are UTC; one with another offset is not taken.
pub(super) fn parse(text: &str) -> Option<UnixTime> {
    let text = text.trim();
    let text = ["Z", "+00:00"].iter().find_map(|offset| text.strip_suffix(offset)).unwrap_or(text).trim_end();
    let (date, time) = text.split_once(['T', ' '])?;
    let (year, month, day) = match date.split_once('/') {
        Some((month, rest)) => {
            let (day, year) = rest.split_once('/')?;
            (year, month, day)
        }
        None => {
            let (year, rest) = date.split_once('-')?;
            let (month, day) = rest.split_once('-')?;
            (year, month, day)
        }
    };
    let days = days(number(year, 1_970..=9_999)?, number(month, 1..=12)?, number(day, 1..=31)?);
    days.checked_mul(86_400)?.checked_add(seconds(time)?).map(UnixTime::from_seconds)
}

/// A time of day: `HH:mm:ss`, with a fraction, or with `AM` or `PM`.
fn seconds(time: &str) -> Option<u64> {
    let (time, half) = match time.split_once(' ') {
        Some((time, half)) => (time, Some(half.trim())),
        None => (time, None),
    };
    let (hours, rest) = time.split_once(':')?;
    let (minutes, seconds) = rest.split_once(':')?;
    let whole = seconds.split_once('.').map_or(seconds, |(whole, _)| whole);
    let hours = match (half, number(hours, 0..=23)?) {
        (None, hours) => hours,
        (Some("AM"), 12) => 0,
        (Some("PM"), 12) => 12,
        (Some("AM"), hours @ 1..=11) => hours,
        (Some("PM"), hours @ 1..=11) => hours.saturating_add(12),
        _ => return None,
    };
    let minutes = hours.saturating_mul(60).saturating_add(number(minutes, 0..=59)?);
    Some(minutes.saturating_mul(60).saturating_add(number(whole, 0..=60)?))
}

fn number(text: &str, within: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && within.contains(number))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar: years begin with March, so that a leap day ends one.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month.saturating_sub(3))
    } else {
        (year.saturating_sub(1), month.saturating_add(9))
    };
    let day_of_year = month.saturating_mul(153).saturating_add(2) / 5;
    let leap_days = (year / 4).saturating_sub(year / 100).saturating_add(year / 400);
    year.saturating_mul(365)
        .saturating_add(leap_days)
        .saturating_add(day_of_year)
        .saturating_add(day)
        .saturating_sub(719_469)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn the_forms_that_azure_has_used_are_read() {
        for (text, seconds) in [
            ("2024-10-18T19:51:37.0000000+00:00", 1_729_281_097),
            ("2024-10-18T19:51:37Z", 1_729_281_097),
            ("2024-10-18 19:51:37", 1_729_281_097),
            ("06/20/2019 02:57:58 +00:00", 1_560_999_478),
            ("06/20/2019 02:57:58", 1_560_999_478),
            ("1/16/2020 5:24:12 AM +00:00", 1_579_152_252),
            ("1/16/2020 5:24:12 PM +00:00", 1_579_195_452),
            ("1/16/2020 12:24:12 AM +00:00", 1_579_134_252),
            ("1/16/2020 12:24:12 PM +00:00", 1_579_177_452),
            ("1970-01-01 00:00:00", 0),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("2024-03-01T00:00:00Z", 1_709_251_200),
            ("2100-03-01 00:00:00", 4_107_542_400),
        ] {
            assert_eq!(parse(text).map(UnixTime::seconds), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_date_is_refused() {
        for text in [
            "",
            "15609740s28",
            "2024-10-18",
            "2024-10-18T19:51:37+02:00",
            "2024-13-18T19:51:37Z",
            "2024-10-18T24:51:37Z",
            "2024-10-18T19:51",
            "1/16/2020 15:24:12 PM +00:00",
            "1/16/2020 0:24:12 AM +00:00",
            "1969-12-31T00:00:00Z",
            "20244-10-18T19:51:37Z",
            "2024-10-18T19:51:37 XM",
            "-1/+2/2024 00:00:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
