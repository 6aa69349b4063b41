//! The one error of the program: what failed, what to do about it, and the exit status.

mod secrets;
mod store;

use std::fmt;

use crate::ui::failure::Failure;
use crate::upstash::{self, RedisError};
use crate::vault::derivation::DerivationError;
use crate::vault::fallback::FallbackError;
use crate::vault::select::SelectError;
use crate::vault::{KeyError, ParseError, PinError};

/// Why COMMAND did not start.
#[derive(Debug)]
pub(crate) enum Error {
    Upstash(upstash::Error),
    Reply {
        host: String,
        error: ParseError,
    },
    /// The store could not be reached, and the fallback file can't stand in for it.
    Fallback {
        path: String,
        error: String,
        fallback: FallbackError,
    },
    Derivation(DerivationError),
    Key {
        id: String,
        error: KeyError,
    },
    Pin(PinError),
    Select(SelectError),
}

const MORE_THREADS: &str = "raise the limit of processes: `ulimit -u`, or the container's limit of pids";

/// What is said of an error.
struct Told {
    message: String,
    hint: Option<String>,
}

impl Error {
    /// Whether the store says that the token must not be used.
    pub(crate) fn is_revocation(&self) -> bool {
        match self {
            Self::Reply { error, .. } => matches!(
                error,
                ParseError::NoToken { .. }
                    | ParseError::Expired { .. }
                    | ParseError::Store { error: RedisError::WrongPass, .. }
            ),
            _ => false,
        }
    }

    fn tell(&self) -> Told {
        match self {
            Self::Upstash(error) => Told { message: error.to_string(), hint: error.hint() },
            Self::Reply { host, error } => store::reply(host, error),
            Self::Fallback { path, error, fallback } => {
                let message = format!("{error}; and the fallback file {path} can't be used: {fallback}");
                Told { message, hint: fallback.hint().map(String::from) }
            }
            Self::Derivation(DerivationError::Overdue) => told(
                "the deadline passed while the token key was derived",
                "this machine is slow or busy: give more time with --timeout (REDENV_TIMEOUT)",
            ),
            Self::Derivation(DerivationError::NoThread) => {
                told("the system gives no thread for the key derivation", MORE_THREADS)
            }
            Self::Key { id, error } => store::key(id, error),
            Self::Pin(error) => secrets::pin(error),
            Self::Select(error) => secrets::select(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tell().message)
    }
}

impl std::error::Error for Error {}

impl From<upstash::Error> for Error {
    fn from(error: upstash::Error) -> Self {
        Self::Upstash(error)
    }
}

impl Failure for Error {
    fn hint(&self) -> Option<String> {
        self.tell().hint
    }
}

fn told(message: impl Into<String>, hint: impl Into<String>) -> Told {
    Told { message: message.into(), hint: Some(hint.into()) }
}

fn bare(message: impl Into<String>) -> Told {
    Told { message: message.into(), hint: None }
}
