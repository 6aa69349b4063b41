//! Stdout: it gets the result of a command. A launch writes nothing to it.

use std::io::{self, Write};

use super::text::reason;

/// A failed write to stdout.
#[derive(thiserror::Error, miette::Diagnostic, Debug)]
#[error("cannot write to stdout: {}", reason(.0))]
pub(crate) struct OutputError(io::Error);

/// Prints to stdout. A reader that stops early, such as `head`, is no failure.
pub(crate) fn print(text: &str) -> Result<(), OutputError> {
    match write(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError(error)),
        _ => Ok(()),
    }
}

/// Writes text to stdout that must not get lost: a reader that stops early is a failure.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
