//! Parses the reply to a pipeline: `[{"result": ...}, {"error": "..."}, ...]`, one answer per command.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::RedisError;
use super::error::{Error, Permanent};
use crate::ui::text::Shown;

#[derive(Deserialize)]
struct Object<T> {
    result: Option<T>,
    error: Option<RedisError>,
}

/// Parses the reply of `host` to one command for each of the `keys`. Returns the results; null becomes the
/// default.
///
/// # Errors
/// [`Error`] if it is another kind of reply, or if Redis refused a command.
pub(crate) fn answers<'r, T: Deserialize<'r> + Default>(
    host: &str,
    reply: &'r [u8],
    keys: &[String],
) -> Result<Vec<T>, Error> {
    let failed = |problem| Error::Request { host: host.to_owned(), problem };
    // Some compatible servers refuse a whole pipeline with one object.
    if let Some(error) = only_error(reply) {
        return Err(failed(Permanent::refused("the request (HTTP 200)".to_owned(), error)));
    }
    let objects: Vec<Object<T>> = serde_json::from_slice(reply)
        .map_err(|error| failed(Permanent::NotJson { at: position(reply, &error) }))?;
    if objects.len() != keys.len() {
        return Err(failed(Permanent::Count { expected: keys.len(), found: objects.len() }));
    }
    let result = |(Object { result, error }, key): (Object<T>, &String)| match error {
        Some(error) => Err(failed(Permanent::refused(format!("to read {}", Shown(key)), error))),
        None => Ok(result.unwrap_or_default()),
    };
    objects.into_iter().zip(keys).map(result).collect()
}

/// The error of a reply that is one object instead of an array.
pub(super) fn only_error(reply: &[u8]) -> Option<RedisError> {
    // serde takes an array for an object, too.
    let object = Some(reply).filter(|reply| reply.trim_ascii_start().starts_with(b"{"))?;
    serde_json::from_slice::<Object<IgnoredAny>>(object).ok()?.error
}

/// The first answer of a reply that is still incomplete.
pub(crate) fn first_answer<'r, T: Deserialize<'r>>(beginning: &'r [u8]) -> Option<T> {
    let elements = beginning.trim_ascii_start().strip_prefix(b"[")?;
    let object: Object<T> = serde_json::Deserializer::from_slice(elements).into_iter().next()?.ok()?;
    object.result
}

/// The byte at which parsing failed.
fn position(reply: &[u8], error: &serde_json::Error) -> usize {
    let lines = reply.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    lines.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1)
}
