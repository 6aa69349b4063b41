//! What every error must tell before redenv-run exits.

/// The exit code of a failure of redenv-run itself: the command did not start.
pub(crate) const FAILED: u8 = 125;

/// An error that can end redenv-run. Its `Display` is the message of one line: what failed, on what, and why.
/// Its `help` is the hint: what to do or type next.
pub(crate) trait Failure: miette::Diagnostic {
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
