//! What is printed on stdout: the result of a command, never anything of a launch.

use std::io::{self, Write};

use crate::error::Error;

/// Prints to stdout. A reader that has seen enough, such as `head`, is no failure.
///
/// # Errors
/// [`Error::Output`] where stdout can't be written to otherwise.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    match write(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
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
