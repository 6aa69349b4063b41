//! Times and spans as people read them.

use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// An age in its largest unit, such as `3d`.
pub(crate) fn age(age: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let seconds = age.as_secs();
    let (length, unit) = UNITS.into_iter().find(|(length, _)| seconds >= *length).unwrap_or((1, "s"));
    format!("{}{unit}", seconds / length)
}

/// A span as people write it, such as `1m 30s`.
pub(crate) fn span(span: Duration) -> String {
    format!("{:#}", SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX))
}

/// The time in UTC, such as `2026-01-16T09:21:00.123Z`. `None` beyond the year 9999.
pub(crate) fn iso_8601(time: SystemTime) -> Option<String> {
    Timestamp::try_from(time).ok().map(|time| format!("{time:.3}"))
}

/// The time in the zone of `TZ` or of the system, such as `2026-01-16 10:21`; in UTC if neither can be read.
pub(crate) fn local(time: SystemTime) -> Option<String> {
    let time = Timestamp::try_from(time).ok()?.to_zoned_datetime(TimeZone::system());
    Some(time.strftime("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_shown_in_its_largest_unit() {
        for (seconds, shown) in
            [(0, "0s"), (59, "59s"), (60, "1min"), (7_199, "1h"), (86_399, "23h"), (90 * 86_400, "90d")]
        {
            assert_eq!(age(Duration::from_secs(seconds)), shown);
        }
    }
}
