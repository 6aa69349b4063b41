//! What is printed on stdout: the result of a command, never anything of a launch.

use std::io::{self, Write};

use super::failure::Failure;
use super::report::reason;

/// Stdout can't be written.
#[derive(thiserror::Error, Debug)]
#[error("stdout can't be written to: {}", reason(.0))]
pub(crate) struct OutputError(io::Error);

impl Failure for OutputError {}

/// Prints to stdout. A reader that has seen enough, such as `head`, is no failure.
///
/// # Errors
/// [`OutputError`] where stdout can't be written otherwise.
pub(crate) fn print(text: &str) -> Result<(), OutputError> {
    match write(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError(error)),
        _ => Ok(()),
    }
}

/// Writes to stdout what must not get lost.
///
/// # Errors
/// Any, a reader that is gone among them.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
