//! A secret's history: JSON text inside a JSON string, an array of versions, newest first.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use super::json::{Cursor, Malformed, unescape};

/// A history as it stands in the reply: a JSON string without its quotes, escapes included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History<'r>(&'r [u8]);

/// One version of a secret, as far as a reader needs it.
#[derive(Debug)]
pub(crate) struct Version<'t> {
    /// The sealed value.
    pub(crate) value: Cow<'t, str>,
    /// Its number, counted from 1.
    pub(crate) number: Option<u64>,
    created_at: Option<Cow<'t, str>>,
}

impl Version<'_> {
    /// When it was written; `None` where that is missing or no ISO 8601 time.
    pub(crate) fn created_at(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339_weak(self.created_at.as_deref()?).ok()
    }
}

/// Which version of a secret is asked for.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Pin {
    /// The version of this number.
    Number(u64),
    /// The one this many before the current.
    Before(usize),
}

impl Pin {
    /// Reads `12` or `~2`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let before = text.strip_prefix('~');
        // Rust's own parsing takes a `+` too.
        if !before.unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        match before {
            Some(before) => before.parse().ok().map(Self::Before),
            None => text.parse().ok().map(Self::Number),
        }
    }

    /// Its place among the versions, newest first.
    pub(super) fn find(self, versions: &[Version<'_>]) -> Option<usize> {
        match self {
            Self::Number(number) => versions.iter().position(|v| v.number == Some(number)),
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

/// Why a history could not be read.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum HistoryError {
    /// The field is not a string, or not JSON text.
    NotJson,
    /// The text is not an array.
    NotArray,
    /// The array has no element.
    NoVersion,
    /// An element is not an object with a sealed `value` and, if any, a whole `version`.
    BadVersion,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "its history is not JSON",
            Self::NotArray => "its history is not an array",
            Self::NoVersion => "its history has no version",
            Self::BadVersion => "its history holds a malformed version",
        })
    }
}

impl<'r> History<'r> {
    /// A history as it stands in the reply.
    pub(super) fn new(raw: &'r [u8]) -> Self {
        Self(raw)
    }

    /// The JSON string without its quotes, as it came.
    pub(super) fn as_it_stands(&self) -> &'r [u8] {
        self.0
    }

    /// The whole JSON text, unescaped.
    pub(super) fn text(&self) -> Result<Cow<'r, str>, HistoryError> {
        unescape(self.0).map_err(|_| HistoryError::NotJson)
    }

    /// What `read` makes of the newest version. It is read as it stands, and nothing behind it is looked
    /// at; only one that holds escapes, as no client writes them, takes the whole text unescaped.
    pub(super) fn newest<T>(&self, read: impl FnOnce(Result<Version<'_>, HistoryError>) -> T) -> T {
        let mut cursor = Cursor::inside(self.0);
        if cursor.take(b'[')
            && let Ok(version) = version(&mut cursor)
        {
            return read(Ok(version));
        }
        match self.text() {
            Ok(text) => read(first(&text)),
            Err(error) => read(Err(error)),
        }
    }
}

/// The first element of a history's text.
fn first(text: &str) -> Result<Version<'_>, HistoryError> {
    let mut cursor = Cursor::new(text.as_bytes());
    if !cursor.take(b'[') {
        return Err(not_an_array(text));
    }
    if cursor.take(b']') {
        return Err(HistoryError::NoVersion);
    }
    version(&mut cursor).map_err(|_| HistoryError::BadVersion)
}

/// All versions of a history's text.
pub(super) fn versions(text: &str) -> Result<Vec<Version<'_>>, HistoryError> {
    let mut cursor = Cursor::new(text.as_bytes());
    if cursor.peek() != Some(b'[') {
        return Err(not_an_array(text));
    }
    let mut versions = Vec::new();
    let read = cursor.items(b'[', b']', |cursor| {
        versions.push(version(cursor)?);
        Ok(())
    });
    read.and_then(|()| cursor.end()).map_err(|_| HistoryError::BadVersion)?;
    if versions.is_empty() { Err(HistoryError::NoVersion) } else { Ok(versions) }
}

/// One element: an object with a `value`, and members of which the last of a name counts, as in
/// every client.
fn version<'t>(cursor: &mut Cursor<'t>) -> Result<Version<'t>, Malformed> {
    let (mut value, mut number, mut created_at) = (None, None, None);
    cursor.items(b'{', b'}', |cursor| {
        let member = cursor.string()?;
        cursor.expect(b':')?;
        match member {
            b"value" => value = Some(cursor.string()?),
            b"version" => number = cursor.number_or_null()?,
            b"createdAt" => created_at = cursor.string_or_null()?,
            _ => cursor.skip()?,
        }
        Ok(())
    })?;
    let text = |string| unescape(string).map_err(|_| cursor.malformed());
    let value = text(value.ok_or_else(|| cursor.malformed())?)?;
    Ok(Version { value, number, created_at: created_at.map(text).transpose()? })
}

fn not_an_array(text: &str) -> HistoryError {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => HistoryError::NotArray,
        Err(_) => HistoryError::NotJson,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// The JSON string that holds this text, as the reply has it between its quotes.
    fn quoted(text: &str) -> String {
        let json = serde_json::Value::from(text).to_string();
        json[1..json.len() - 1].to_owned()
    }

    #[test]
    fn the_newest_version_is_the_first_element_whatever_follows() {
        for (text, value, number) in [
            (r#"[{"value":"a.b","version":2},{"value":"c.d","version":1}]"#, "a.b", Some(2)),
            (r#" [ {"version":7,"user":"u","value":"a.b"} ]"#, "a.b", Some(7)),
            (r#"[{"value":"a.b"}]"#, "a.b", None),
            (r#"[{"value":"a.b","version":null}]"#, "a.b", None),
            // The first `}` is not the end of the element.
            (r#"[{"user":"}{","value":"a.b","version":1}]"#, "a.b", Some(1)),
            (r#"[{"meta":{"x":{}},"value":"a.b","version":1},{}]"#, "a.b", Some(1)),
            (r#"[{"value":"a\"}\\.b","version":1}]"#, "a\"}\\.b", Some(1)),
            // What stands behind the newest isn't looked at.
            (r#"[{"value":"a.b","version":1},"rubbish"#, "a.b", Some(1)),
            (r#"[{"value":"a.b","version":18446744073709551615}]"#, "a.b", Some(u64::MAX)),
        ] {
            History::new(quoted(text).as_bytes()).newest(|version| {
                let version = version.unwrap_or_else(|error| panic!("{text}: {error}"));
                assert_eq!((version.value.as_ref(), version.number), (value, number), "{text}");
            });
        }
    }

    #[test]
    fn what_is_no_history_is_told_apart() {
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
            (r#"[{"value":"a.b","version":"1"}]"#, HistoryError::BadVersion),
            (r#"[{"value":"a.b","version":-1}]"#, HistoryError::BadVersion),
            (r#"[{"value":"a.b""#, HistoryError::BadVersion),
        ] {
            History::new(quoted(text).as_bytes())
                .newest(|version| assert_eq!(version.unwrap_err(), error, "{text}"));
            assert_eq!(versions(text).unwrap_err(), error, "all versions of {text}");
        }
    }

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
    fn a_pin_finds_its_version_also_where_numbers_are_missing() {
        // Limited histories begin late, and merged ones have gaps.
        let text = r#"[{"value":"e","version":9},{"value":"d"},{"value":"c","version":5},{"value":"b","version":3}]"#;
        let versions = versions(text).unwrap();
        for (pin, found) in [
            (Pin::Number(9), Some(0)),
            (Pin::Number(5), Some(2)),
            (Pin::Number(3), Some(3)),
            (Pin::Number(4), None),
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

    #[test]
    fn a_date_is_read_where_it_is_one() {
        for (date, seconds) in [
            (r#""1970-01-01T00:01:00.000Z""#, Some(60)),
            (r#""1970-01-01T00:01:00Z""#, Some(60)),
            (r#""yesterday""#, None),
            ("null", None),
        ] {
            let text = format!(r#"[{{"value":"a.b","createdAt":{date}}}]"#);
            let at = versions(&text).unwrap()[0].created_at();
            let expected =
                seconds.map(|seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
            assert_eq!(at, expected, "{date}");
        }
    }

    /// A history in pieces, most of them as the clients write them.
    fn history() -> impl Strategy<Value = String> {
        let pieces = [
            r#""value":"a.b""#,
            r#""value":"c.d""#,
            r#""value":"\u0061.b""#,
            r#""value" : "a\"b""#,
            r#""value":null"#,
            r#""version":7"#,
            r#""version":null"#,
            r#""version":-1"#,
            r#""createdAt":"1970-01-01T00:01:00Z""#,
            r#""createdAt":"}\\""#,
            r#""user":"ü\n""#,
            r#""user":{"name":["]"]}"#,
            r#""user":[1, 2.5e3, true]"#,
            r#""v\u0061lue":"e.f""#,
            "\n\"value\":\t\"g.h\"",
            r#""value""#,
            "",
        ];
        let version =
            vec(select(pieces.to_vec()), 0..5).prop_map(|members| format!("{{{}}}", members.join(",")));
        vec(version, 0..3).prop_map(|versions| format!("[{}]", versions.join(",")))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_newest_as_it_stands_is_the_newest_of_the_text(text in history()) {
            let told = |version: Result<Version<'_>, HistoryError>| {
                version.map(|version| (version.value.to_string(), version.number, version.created_at()))
            };
            prop_assert_eq!(History::new(quoted(&text).as_bytes()).newest(told), told(first(&text)));
        }
    }
}
