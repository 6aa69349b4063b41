//! A secret's history: JSON text inside a JSON string, an array of versions, newest first.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use serde::Deserialize;

/// A history as it stands in the reply: a JSON string, quotes and escapes included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct History<'r>(&'r str);

/// One version of a secret, as far as a reader needs it.
#[derive(Deserialize, Debug)]
pub(crate) struct Version<'t> {
    /// The sealed value.
    #[serde(borrow)]
    pub(crate) value: Cow<'t, str>,
    /// Its number, counted from 1.
    #[serde(default)]
    #[serde(rename = "version")]
    pub(crate) number: Option<u64>,
    #[serde(default, borrow, rename = "createdAt")]
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
        match text.strip_prefix('~') {
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

/// Buffers that are used again from one history to the next.
#[derive(Default)]
pub(super) struct Scratch {
    quoted: String,
    text: String,
}

impl<'r> History<'r> {
    /// A history as it stands in the reply.
    pub(super) fn new(raw: &'r str) -> Self {
        Self(raw)
    }

    /// The JSON string as it came.
    pub(super) fn json(&self) -> &'r str {
        self.0
    }

    /// The whole JSON text, unescaped.
    pub(super) fn text(&self) -> Result<Cow<'r, str>, HistoryError> {
        unescape(self.0)
    }

    /// The newest version. Of the text only as much is unescaped and parsed as that takes: up to
    /// the first `}`, which no escape sequence holds, and all of it where the element ends later.
    pub(super) fn newest<'s>(&self, scratch: &'s mut Scratch) -> Result<Version<'s>, HistoryError> {
        let raw = self.0;
        let end = memchr::memchr(b'}', raw.as_bytes());
        scratch.text = match end {
            Some(end) => {
                scratch.quoted.clear();
                scratch.quoted.extend([&raw[..=end], "\""]);
                unescape(&scratch.quoted)?.into_owned()
            }
            None => String::new(),
        };
        if first(&scratch.text).is_err() {
            scratch.text = self.text()?.into_owned();
        }
        first(&scratch.text)
    }
}

/// The text of a JSON string, given with its quotes.
pub(super) fn unescape(quoted: &str) -> Result<Cow<'_, str>, HistoryError> {
    #[derive(Deserialize)]
    struct Text<'t>(#[serde(borrow)] Cow<'t, str>);
    serde_json::from_str(quoted).map(|Text(text)| text).map_err(|_| HistoryError::NotJson)
}

/// The first element of a history's text, which may be cut off behind it.
fn first(text: &str) -> Result<Version<'_>, HistoryError> {
    let inside = text.trim_start().strip_prefix('[').ok_or_else(|| not_an_array(text))?;
    if inside.trim_start().starts_with(']') {
        return Err(HistoryError::NoVersion);
    }
    Version::deserialize(&mut serde_json::Deserializer::from_str(inside))
        .map_err(|_| HistoryError::BadVersion)
}

/// All versions of a history's text.
pub(super) fn versions(text: &str) -> Result<Vec<Version<'_>>, HistoryError> {
    if !text.trim_start().starts_with('[') {
        return Err(not_an_array(text));
    }
    let versions: Vec<_> = serde_json::from_str(text).map_err(|_| HistoryError::BadVersion)?;
    if versions.is_empty() { Err(HistoryError::NoVersion) } else { Ok(versions) }
}

fn not_an_array(text: &str) -> HistoryError {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => HistoryError::NotArray,
        Err(_) => HistoryError::NotJson,
    }
}
