//! `--pin`: how a version is named, and found in a history.

use std::fmt;

use super::history::{Version, VersionNumber};

/// Which version of a secret to inject.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Pin {
    /// The version with this number.
    Number(u64),
    /// The version this many before the newest.
    Before(usize),
}

impl Pin {
    /// Reads `12` or `~2`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let before = text.strip_prefix('~');
        // Rust's own parsing accepts a `+` too.
        if !before.unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match before {
            Some(before) => before.parse().ok().map(Self::Before),
            None => text.parse().ok().map(Self::Number),
        }
    }

    /// The index of the version among `versions`.
    pub(super) fn find(self, versions: &[Version]) -> Option<usize> {
        match self {
            Self::Number(number) => {
                versions.iter().position(|v| v.number.as_ref().and_then(VersionNumber::whole) == Some(number))
            }
            Self::Before(count) => (count < versions.len()).then_some(count),
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Before(count) => write!(f, "~{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::History;
    use super::*;

    #[test]
    fn a_pin_is_a_number_or_a_distance() {
        for (text, pin) in [
            ("1", Some(Pin::Number(1))),
            ("0", Some(Pin::Number(0))),
            ("18446744073709551615", Some(Pin::Number(u64::MAX))),
            ("18446744073709551616", None),
            ("~0", Some(Pin::Before(0))),
            ("~12", Some(Pin::Before(12))),
            ("", None),
            ("~", None),
            ("-1", None),
            ("~-1", None),
            ("+1", None),
            ("~+1", None),
            ("1.0", None),
            (" 1", None),
            ("latest", None),
            ("~~1", None),
        ] {
            assert_eq!(Pin::parse(text), pin, "{text}");
            if let Some(pin) = pin {
                assert_eq!(pin.to_string(), text);
            }
        }
    }

    #[test]
    fn a_pin_finds_its_version_although_numbers_are_missing_or_odd() {
        // Limited histories begin late, and merged ones have gaps.
        let text = r#"[{"value":"e","version":9},{"value":"d"},{"value":"c","version":5},{"value":"b","version":"3"}]"#;
        let raw = serde_json::value::to_raw_value(text).unwrap();
        let versions = History(&raw).versions().unwrap();
        for (pin, found) in [
            (Pin::Number(9), Some(0)),
            (Pin::Number(5), Some(2)),
            (Pin::Number(3), None),
            (Pin::Number(0), None),
            (Pin::Before(0), Some(0)),
            (Pin::Before(1), Some(1)),
            (Pin::Before(3), Some(3)),
            (Pin::Before(4), None),
            (Pin::Before(usize::MAX), None),
        ] {
            assert_eq!(pin.find(&versions), found, "{pin}");
        }
    }
}
