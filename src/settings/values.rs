//! Parses durations, and values that mean yes or no.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// `1`, `yes` and the like, or `0`, `no` and the like.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" | "" => Some(false),
        _ => None,
    }
}

/// A duration above zero: seconds, or `10s`, `500ms`, `24h`, `7d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
    }
    let is_seconds = text.ends_with(|last: char| last.is_ascii_digit());
    let span: Span = if is_seconds { format!("{text}s").parse() } else { text.parse() }.ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_seconds_or_has_its_unit() {
        for (text, milliseconds) in [
            ("10", Some(10_000)),
            ("0.5", Some(500)),
            ("007", Some(7000)),
            ("10s", Some(10_000)),
            ("1500ms", Some(1500)),
            ("1m 30s", Some(90_000)),
            ("1m30s", Some(90_000)),
            ("24h", Some(86_400_000)),
            ("7d", Some(604_800_000)),
            ("0", None),
            ("0.0", None),
            ("0s", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("-1s", None),
            ("1e3", None),
            ("1.5.5", None),
            ("ten", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(duration(text).map(|span| span.as_millis()), milliseconds, "{text}");
        }
    }

    #[test]
    fn booleans_are_read_generously() {
        for (text, expected) in
            [("1", Some(true)), ("TRUE", Some(true)), ("off", Some(false)), ("", Some(false)), ("2", None)]
        {
            assert_eq!(boolean(text), expected, "{text}");
        }
    }
}
