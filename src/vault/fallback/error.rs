//! What can be wrong with a fallback file.

use std::io;
use std::time::Duration;

use crate::ui::text::{Shown, reason};
use crate::ui::time::span;

/// Why a fallback file can't be used or written.
#[derive(thiserror::Error, miette::Diagnostic, Debug)]
pub(crate) enum FallbackError {
    #[error("it does not exist yet")]
    #[diagnostic(help("start once while Upstash can be reached, without --offline"))]
    Absent,
    #[error("cannot {doing} it: {}", reason(error))]
    Io { doing: &'static str, error: io::Error },
    #[error("it is not a fallback file; redenv-run leaves it alone")]
    NotFallback,
    #[error("it has another version of the format")]
    OtherVersion,
    #[error("it is damaged or cut short")]
    Damaged,
    #[error("REDENV_TOKEN_KEY can't decrypt it: the file was changed, or belongs to another key")]
    WrongKey,
    #[error("it was changed after it was written, or belongs to another project")]
    Forged,
    #[error("it belongs to project {}", Shown(_0))]
    #[diagnostic(help("give each project, environment and token its own file"))]
    OtherProject(String),
    #[error("it belongs to environment {}", Shown(&_0.join(", ")))]
    #[diagnostic(help("give each project, environment and token its own file"))]
    OtherEnvironments(Vec<String>),
    #[error("it belongs to token {}", Shown(_0))]
    #[diagnostic(help("give each project, environment and token its own file"))]
    OtherToken(String),
    #[error("it is {} old; the limit is {}", span(*age), span(*limit))]
    #[diagnostic(help(
        "raise the limit with --max-stale (REDENV_MAX_STALE), \
         or start once while Upstash can be reached, without --offline"
    ))]
    Stale { age: Duration, limit: Duration },
    #[error("it is from the future ({} ahead): the clock was set back", span(*_0))]
    Future(Duration),
    #[error("other users may write it")]
    #[diagnostic(help("run `chmod go-w` on it, unless somebody else has changed it"))]
    OthersMayWrite,
    #[error("it belongs to another user")]
    OtherOwner,
    #[error("it is another user's symbolic link")]
    OtherLink,
    #[error("it is not a regular file")]
    NotFile,
}

impl FallbackError {
    /// Whether the file may be overwritten: it contains nothing that somebody needs.
    pub(super) fn allows_overwriting(&self) -> bool {
        matches!(
            self,
            Self::Absent
                | Self::OtherVersion
                | Self::Damaged
                | Self::WrongKey
                | Self::Forged
                | Self::OtherEnvironments(_)
                | Self::OtherToken(_)
                | Self::Stale { .. }
                | Self::Future(_)
        )
    }
}
