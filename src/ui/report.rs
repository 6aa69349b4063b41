//! Messages on stderr: errors with hints, warnings, and the details of `-v`. They never contain a value.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::time::span;
use crate::deadline::Deadline;

/// How long a user waits without a message.
const LONG_WAIT: Duration = Duration::from_secs(1);

/// How much redenv-run prints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Verbosity {
    /// Only errors.
    Quiet,
    /// Errors and warnings.
    #[default]
    Normal,
    /// Each step and how long it took.
    Verbose,
}

/// Prints messages to stderr, in colour on a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    verbosity: Verbosity,
    colour: Colour,
}

/// Whether a stream gets escape sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Colour {
    On,
    Off,
}

impl Colour {
    /// On for a terminal, unless `NO_COLOR` is set and not empty (<https://no-color.org>) or `TERM` is `dumb`.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        if !refused && !is_dumb && stream.is_terminal() { Self::On } else { Self::Off }
    }

    /// The text in the style of an SGR code, such as `1;31`.
    pub(crate) fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Off => text.to_owned(),
        }
    }
}

const RED: &str = "1;31";
const YELLOW: &str = "1;33";
const CYAN: &str = "36";

impl Report {
    /// A report on stderr.
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        Self { verbosity, colour: Colour::of(&io::stderr()) }
    }

    /// Prints an error on one line, and its hint on another.
    pub(crate) fn error(self, message: &str, hint: Option<&str>) {
        Self::line(&format!("{} {message}", self.colour.paint(RED, "error:")));
        if let Some(hint) = hint {
            Self::line(&format!("{} {hint}", self.colour.paint(CYAN, "hint:")));
        }
    }

    /// Prints a warning: the launch goes on.
    pub(crate) fn warning(self, message: &str) {
        if self.verbosity >= Verbosity::Normal {
            Self::line(&format!("{} {message}", self.colour.paint(YELLOW, "warning:")));
        }
    }

    /// Prints an attempt that failed: for `-v`, and once for a user who waits at a terminal.
    pub(crate) fn retry(self, attempt: String, deadline: Deadline, is_told: &mut bool) {
        if *is_told || deadline.elapsed() < LONG_WAIT || !io::stderr().is_terminal() {
            return self.detail(|| attempt);
        }
        *is_told = true;
        self.warning(&format!("{attempt}; --timeout is {}", span(deadline.span())));
    }

    /// Prints a message that only `-v` shows.
    pub(crate) fn detail(self, message: impl FnOnce() -> String) {
        if self.verbosity >= Verbosity::Verbose {
            Self::line(&message());
        }
    }

    /// One write per line, so that lines of several processes don't mix. A closed stderr is no failure.
    fn line(message: &str) {
        let _ = io::stderr().write_all(format!("redenv-run: {message}\n").as_bytes());
    }
}
