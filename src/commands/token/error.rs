//! Why a token command failed. The messages name IDs and places, never a key.

use std::io;

use thiserror::Error;

use crate::ui::failure::Failure;
use crate::ui::text::{Shown, join, reason};
use crate::upstash::RedisError;
use crate::vault::Name;
use crate::vault::crypto::DecryptError;

/// Why a token was not created, listed or revoked.
#[derive(Error, Debug)]
pub(crate) enum TokenError {
    #[error("the token's name is empty")]
    NoName,
    #[error("cannot ask for the master password: there is no terminal")]
    NoTerminalForPassword,
    #[error("cannot ask for confirmation: there is no terminal")]
    NoTerminalToConfirm,
    #[error("no master password was typed; nothing was written")]
    NotTyped,
    #[error("cannot read from the terminal: {}", reason(.0))]
    Terminal(io::Error),
    #[error("cannot read the master password from stdin: {}", reason(.0))]
    Stdin(io::Error),
    #[error("the master password on stdin is not UTF-8")]
    NotUtf8,
    #[error("the master password is empty; nothing was written")]
    NoPassword,
    #[error("wrong master password: it does not decrypt the key of project {0}; nothing was written")]
    WrongPassword(Name),
    #[error("the data of project {project} is malformed: encryptedPEK: {error}")]
    EncryptedPek { project: Name, error: DecryptError },
    #[error("the key of project {0} was changed at the same time; nothing was written")]
    KeyChanged(Name),
    #[error("the system gives no random numbers; nothing was written")]
    NoRandomness,
    #[error("nothing was revoked")]
    Declined,
    #[error("an argument is a token key (redenv_sk_...), not an ID; nothing was revoked")]
    KeyAsId,
    #[error("project {project} has no service token {}", join(.ids.iter().map(|id| Shown(id))))]
    Unknown { project: Name, ids: Vec<String> },
    #[error("other changes to the tokens of project {0} came first every time")]
    Contended(Name),
    #[error("{} rejected the change: the Upstash token is read-only; nothing was written", Shown(.host))]
    ReadOnly { host: String },
    #[error("{} rejected the change: {error}; nothing was written", Shown(.host))]
    Refused { host: String, error: RedisError },
    #[error("token {} was created, but its key cannot be written to stdout: {}", Shown(.id), reason(.error))]
    KeyLost { id: String, error: io::Error },
}

impl Failure for TokenError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoName => "name it after the program that uses it, such as prod-api-server",
            Self::NoTerminalForPassword => {
                "set REDENV_MASTER_PASSWORD_FILE to a file that holds it, or pipe it to --password-stdin"
            }
            Self::NoTerminalToConfirm => "--yes revokes without asking",
            Self::KeyChanged(_) | Self::Contended(_) => "try again",
            Self::KeyAsId => {
                "pass the ID (stk_...) that `redenv-run token list` shows; arguments are public, so revoke the token of that key"
            }
            Self::Unknown { .. } => "`redenv-run token list` shows the IDs",
            Self::ReadOnly { .. } => {
                "set UPSTASH_REDIS_TOKEN to the standard token from the database's page; only a launch can use the read-only one"
            }
            Self::KeyLost { id, .. } => {
                return Some(format!(
                    "run `redenv-run token revoke {}`, then create another token",
                    Shown(id)
                ));
            }
            _ => return None,
        };
        Some(hint.into())
    }
}
