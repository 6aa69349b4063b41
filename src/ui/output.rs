//! Writes the result of a command to stdout. A launch writes nothing to stdout.

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

/// Writes text that must not get lost to stdout. A reader that stops early is a failure.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
