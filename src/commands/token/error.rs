//! Why a token command failed. Names ids and places, never a key.

use std::io;

use super::store::Made;
use crate::ui::report::reason;
use crate::ui::report::{Shown, join};
use crate::upstash::StoreError;
use crate::vault::Name;
use crate::vault::crypto::OpenError;

/// Why a token was not created, listed or revoked.
#[derive(Debug)]
pub(crate) enum TokenError {
    /// The name is empty.
    NoName,
    /// There is no terminal to ask for the master password on.
    NoTerminalForPassword,
    /// There is no terminal to ask whether to revoke.
    NoTerminalToConfirm,
    /// The terminal did not give an answer.
    Terminal(io::Error),
    /// stdin did not give the master password.
    Stdin(io::Error),
    /// The master password on stdin is not UTF-8.
    NotUtf8,
    /// The master password is empty.
    NoPassword,
    /// The master password does not open the project's key.
    WrongPassword(Name),
    /// The project's sealed key is malformed.
    SealedKey(OpenError),
    /// Somebody gave the project another key meanwhile.
    KeyChanged(Name),
    /// The system's random source failed.
    NoRandomness,
    /// The user said no.
    Declined,
    /// An argument is a token key, which is not repeated.
    KeyAsId,
    /// No tokens have these ids; the others are revoked.
    Unknown { project: Name, ids: Vec<String> },
    /// Others were faster each time, until the deadline.
    Contended { project: Name, made: Made },
    /// The store refused the change.
    Refused { host: String, error: StoreError },
    /// The token was created, and its key could not be written.
    KeyLost { id: String, error: io::Error },
}

impl TokenError {
    pub(crate) fn message(&self) -> String {
        match self {
            Self::NoName => "the token's name is empty".into(),
            Self::NoTerminalForPassword => "there is no terminal to ask for the master password on".into(),
            Self::NoTerminalToConfirm => "there is no terminal to ask on whether to revoke".into(),
            Self::Terminal(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "no master password was given; nothing was written".into()
            }
            Self::Terminal(error) => format!("the terminal gave no answer: {}", reason(error)),
            Self::Stdin(error) => format!("the master password can't be read from stdin: {}", reason(error)),
            Self::NotUtf8 => "the master password on stdin is not UTF-8".into(),
            Self::NoPassword => "the master password is empty; nothing was written".into(),
            Self::WrongPassword(project) => {
                format!(
                    "the master password is wrong: it does not open the key of project {project}; nothing was written"
                )
            }
            Self::SealedKey(error) => format!("the store's data is malformed: encryptedPEK: {error}"),
            Self::KeyChanged(project) => {
                format!(
                    "the key of project {project} was changed by somebody else at the same time; nothing was written"
                )
            }
            Self::NoRandomness => "the system's random source gives nothing; nothing was written".into(),
            Self::Declined => "nothing was revoked".into(),
            Self::KeyAsId => "an ID is a token key (redenv_sk_...); nothing was revoked".into(),
            Self::Unknown { project, ids } => {
                let ids = join(ids.iter().map(|id| Shown(id)));
                format!("project {project} has no service token {ids}")
            }
            Self::Contended { project, made } => {
                let certain = if *made == Made::No { "; nothing was written" } else { "" };
                format!("the tokens of project {project} were changed by others again and again{certain}")
            }
            Self::Refused { host, error: StoreError::NoPermission } => {
                format!("{} refuses: the Upstash token may only read; nothing was written", Shown(host))
            }
            Self::Refused { host, error } => {
                format!("{} refuses the change: {error}; nothing was written", Shown(host))
            }
            Self::KeyLost { id, error } => {
                format!(
                    "token {} was created, but its key could not be written to stdout: {}",
                    Shown(id),
                    reason(error)
                )
            }
        }
    }

    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoName => "name it after what uses it, such as prod-api-server".into(),
            Self::NoTerminalForPassword => {
                "REDENV_MASTER_PASSWORD_FILE names a file that holds it, --password-stdin reads it from stdin".into()
            }
            Self::NoTerminalToConfirm => "--yes revokes without asking".into(),
            Self::KeyChanged(_) | Self::Contended { .. } => "try again".into(),
            Self::KeyAsId => {
                "give its id (stk_...), from `redenv-run token list`; others can see the arguments of a command: revoke that token".into()
            }
            Self::Unknown { .. } => "`redenv-run token list` shows the ids".into(),
            Self::Refused { error: StoreError::NoPermission, .. } => {
                "set UPSTASH_REDIS_TOKEN to the standard token from the database's page; launches do with the read-only one".into()
            }
            Self::KeyLost { id, .. } => {
                format!("redenv-run token revoke {}, and create another", Shown(id))
            }
            _ => return None,
        })
    }
}
