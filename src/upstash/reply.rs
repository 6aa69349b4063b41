//! Parses the reply to a pipeline: `[{"result": ...}, {"error": "..."}, ...]`, one answer per command.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::RedisError;
use super::error::{Error, Permanent};

/// The answer to one command: its result, `None` for null, or the error of Redis.
pub(crate) type Answer<T> = Result<Option<T>, RedisError>;

#[derive(Deserialize)]
struct Object<T> {
    result: Option<T>,
    error: Option<String>,
}

/// Parses the reply of `host` to so many `commands`.
///
/// # Errors
/// [`Error`] if it is another kind of reply, or if Redis refused the pipeline as a whole.
pub(crate) fn answers<'r, T: Deserialize<'r>>(
    host: &str,
    reply: &'r [u8],
    commands: usize,
) -> Result<Vec<Answer<T>>, Error> {
    let failed = |problem| Error::Request { host: host.to_owned(), problem };
    // Some compatible servers refuse a whole pipeline with one object.
    if reply.trim_ascii_start().starts_with(b"{")
        && let Ok(Object::<IgnoredAny> { error: Some(error), .. }) = serde_json::from_slice(reply)
    {
        let error = RedisError::classify(&error);
        return Err(Error::from_redis(host, &error).unwrap_or_else(|| failed(Permanent::Refused(200, error))));
    }
    let objects: Vec<Object<T>> = serde_json::from_slice(reply)
        .map_err(|error| failed(Permanent::NotJson { at: position(reply, &error) }))?;
    if objects.len() != commands {
        return Err(failed(Permanent::Count { expected: commands, found: objects.len() }));
    }
    let answer = |Object { result, error }| match error {
        Some(error) => Err(RedisError::classify(&error)),
        None => Ok(result),
    };
    Ok(objects.into_iter().map(answer).collect())
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
