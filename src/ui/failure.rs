//! The type of every error that redenv-run prints before it exits.

/// An error that can end redenv-run. Its `Display` is the message of one line: what failed, on what, and why.
/// Its `help` is the hint: what to do or type next.
pub(crate) type Failure = Box<dyn miette::Diagnostic + Send + Sync>;
