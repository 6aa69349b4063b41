//! A secret's history: a JSON string that contains a JSON array of versions, newest first.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ui::text::Shown;

/// A history as it stands in the reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct History<'r>(pub(super) &'r RawValue);

/// One version of a secret.
#[derive(Debug)]
pub(super) struct Version {
    /// The encrypted value.
    pub(super) value: String,
    pub(super) number: Option<VersionNumber>,
    pub(super) created_at: Option<SystemTime>,
}

/// A version's number as it stands in the vault. The clients accept text and fractions, too.
#[derive(Serialize, Debug)]
pub(crate) struct VersionNumber(Box<RawValue>);

/// Why a history could not be read.
#[derive(thiserror::Error, Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum HistoryError {
    #[error("its history is not JSON")]
    NotJson,
    #[error("its history is not an array")]
    NotArray,
    #[error("its history has no version")]
    NoVersion,
    /// It is not an object, or has no text as its `value`.
    #[error("its history contains a malformed version")]
    BadVersion,
}

/// A string, borrowed if it contains no escape.
#[derive(Deserialize, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'t>(#[serde(borrow)] pub(super) Cow<'t, str>);

impl<'r> History<'r> {
    /// The newest version. Does not read the older ones.
    pub(super) fn newest(self) -> Result<Version, HistoryError> {
        let json = self.0.get();
        // It mostly ends at the first brace. Unescaping the older versions too would double the time.
        if let Some(end) = json.find('}')
            && let Ok(Text(text)) = serde_json::from_str(&[&json[..=end], "\""].concat())
            && let Ok(version) = first(&text)
        {
            return Ok(version);
        }
        first(&self.text()?)
    }

    /// All versions, newest first.
    pub(super) fn versions(self) -> Result<Vec<Version>, HistoryError> {
        let text = self.text()?;
        // This returns the same errors as `newest`.
        first(&text)?;
        serde_json::from_str(&text).map_err(|_| HistoryError::BadVersion)
    }

    fn text(self) -> Result<Cow<'r, str>, HistoryError> {
        serde_json::from_str(self.0.get()).map(|Text(text)| text).map_err(|_| HistoryError::NotJson)
    }
}

/// The first element of a history's text.
fn first(text: &str) -> Result<Version, HistoryError> {
    let Some(rest) = text.trim_ascii_start().strip_prefix('[') else {
        let json = serde_json::from_str::<IgnoredAny>(text);
        return Err(json.map_or(HistoryError::NotJson, |_| HistoryError::NotArray));
    };
    if rest.trim_ascii_start().starts_with(']') {
        return Err(HistoryError::NoVersion);
    }
    let mut versions = serde_json::Deserializer::from_str(rest).into_iter();
    versions.next().and_then(Result::ok).ok_or(HistoryError::BadVersion)
}

/// Derived code would refuse a member that appears twice. In every client, the last one wins. A map of the members
/// would be shorter, and takes parsing and decrypting a twentieth longer.
impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Version;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a version")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Version, A::Error> {
                let (mut value, mut number, mut created_at) = (None, None, None);
                while let Some(Text(name)) = members.next_key()? {
                    match name.as_ref() {
                        "value" => value = Some(members.next_value()?),
                        "version" => number = VersionNumber::new(members.next_value()?),
                        "createdAt" => created_at = time(members.next_value()?),
                        _ => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                let value = value.ok_or_else(|| A::Error::missing_field("value"))?;
                Ok(Version { value, number, created_at })
            }
        }
        json.deserialize_map(Members)
    }
}

impl VersionNumber {
    /// A number or a text. `None` for any other JSON.
    fn new(json: &RawValue) -> Option<Self> {
        let first = json.get().chars().next()?;
        (first == '"' || first == '-' || first.is_ascii_digit()).then(|| Self(json.to_owned()))
    }

    /// Its value, if it is a whole number.
    pub(super) fn whole(&self) -> Option<u64> {
        self.0.get().parse().ok()
    }
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::from_str(self.0.get()) {
            Ok(Text(text)) => Shown(&text).fmt(f),
            Err(_) => Shown(self.0.get()).fmt(f),
        }
    }
}

/// Reads a time: ISO 8601 text, in UTC unless the text names a zone, or milliseconds since 1970.
pub(crate) fn time(json: &RawValue) -> Option<SystemTime> {
    if let Ok(Text(text)) = serde_json::from_str(json.get()) {
        let in_utc = |_| TimeZone::UTC.to_timestamp(text.parse::<DateTime>()?);
        return SystemTime::try_from(text.parse::<Timestamp>().or_else(in_utc).ok()?).ok();
    }
    let milliseconds: f64 = serde_json::from_str(json.get()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(milliseconds / 1e3).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The newest version of a history, as JSON of its value and number.
    fn newest(text: &str) -> Result<String, HistoryError> {
        let raw = serde_json::value::to_raw_value(text).unwrap();
        let Version { value, number, .. } = History(&raw).newest()?;
        Ok(serde_json::to_string(&(value, number)).unwrap())
    }

    #[test]
    fn the_newest_version_is_the_first_element_in_every_spelling_of_json() {
        for (text, expected) in [
            (r#"[{"value":"a.b","version":2},{"value":"c.d","version":1}]"#, r#"["a.b",2]"#),
            (" [ {\"version\":7,\"user\":\"u\",\n\"value\":\t\"a.b\"} ]", r#"["a.b",7]"#),
            (r#"[{"value":"a.b"}]"#, r#"["a.b",null]"#),
            // The first `}` is not the end of the version.
            (r#"[{"user":"}{","value":"a.b","version":1}]"#, r#"["a.b",1]"#),
            (r#"[{"meta":{"x":{}},"value":"a.b","version":1},{}]"#, r#"["a.b",1]"#),
            (r#"[{"value":"a\"}\\.b","version":1}]"#, r#"["a\"}\\.b",1]"#),
            (r#"[{"\u0076alue":"\u0061.b","vers\u0069on":1}]"#, r#"["a.b",1]"#),
            (r#"[{"value":"a.b","version":1},"rubbish"#, r#"["a.b",1]"#),
            // If a member appears twice, the last one counts.
            (r#"[{"value":"a.b","version":1,"value":"c.d","version":2}]"#, r#"["c.d",2]"#),
            // A version number stays as it is written.
            (r#"[{"value":"a.b","version":18446744073709551616}]"#, r#"["a.b",18446744073709551616]"#),
            (r#"[{"value":"a.b","version":1e+14}]"#, r#"["a.b",1e+14]"#),
            (r#"[{"value":"a.b","version":-1.50}]"#, r#"["a.b",-1.50]"#),
            (r#"[{"value":"a.b","version":"7"}]"#, r#"["a.b","7"]"#),
            (r#"[{"value":"a.b","version":null}]"#, r#"["a.b",null]"#),
            (r#"[{"value":"a.b","version":[7]}]"#, r#"["a.b",null]"#),
        ] {
            assert_eq!(newest(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_malformed_history_is_named_by_its_kind() {
        for (text, error) in [
            ("", HistoryError::NotJson),
            ("no JSON", HistoryError::NotJson),
            ("{\"value\":\"a.b\"}", HistoryError::NotArray),
            ("\"text\"", HistoryError::NotArray),
            ("1}", HistoryError::NotJson),
            ("[]", HistoryError::NoVersion),
            (" [ ] ", HistoryError::NoVersion),
            ("[null]", HistoryError::BadVersion),
            ("[{}]", HistoryError::BadVersion),
            (r#"[{"value":1}]"#, HistoryError::BadVersion),
            (r#"[{"value":"a.b""#, HistoryError::BadVersion),
        ] {
            assert_eq!(newest(text).unwrap_err(), error, "{text}");
            let raw = serde_json::value::to_raw_value(text).unwrap();
            assert_eq!(History(&raw).versions().unwrap_err(), error, "all versions of {text}");
        }
    }
}
