//! What every error must tell before redenv-run exits.

use std::error::Error;

/// The exit code of a failure of redenv-run itself: the command did not start.
pub(crate) const FAILED: u8 = 125;

/// An error that can end redenv-run. Its `Display` is the message of one line: what failed, on what, and why.
pub(crate) trait Failure: Error {
    /// What to do or type next.
    fn hint(&self) -> Option<String> {
        None
    }

    /// The exit code: [`FAILED`] unless the command can't be found or executed.
    fn exit_code(&self) -> u8 {
        FAILED
    }
}

impl<F: Failure + 'static> From<F> for Box<dyn Failure> {
    fn from(failure: F) -> Self {
        Box::new(failure)
    }
}
