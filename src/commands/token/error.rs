//! Why a token command failed. The messages name IDs and places, never a key.

use std::io;

use indexmap::IndexSet;
use miette::Diagnostic;
use thiserror::Error;

use crate::ui::text::{Shown, join, reason};
use crate::upstash::RedisError;
use crate::vault::Name;
use crate::vault::crypto::DecryptError;

/// Why a token was not created, listed or revoked.
#[derive(Error, Diagnostic, Debug)]
pub(crate) enum TokenError {
    #[error("the token's name is empty")]
    #[diagnostic(help("name it after the program that uses it, such as prod-api-server"))]
    NoName,
    #[error("cannot ask for the master password: there is no terminal")]
    #[diagnostic(help(
        "set REDENV_MASTER_PASSWORD_FILE to a file that holds it, or pipe it to --password-stdin"
    ))]
    NoTerminalForPassword,
    #[error("cannot ask for confirmation: there is no terminal")]
    #[diagnostic(help("--yes revokes without asking"))]
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
    #[diagnostic(help("try again"))]
    KeyChanged(Name),
    #[error("the system gives no random numbers; nothing was written")]
    NoRandomness,
    #[error("nothing was revoked")]
    Declined,
    #[error("an argument is a token key (redenv_sk_...), not an ID; nothing was revoked")]
    #[diagnostic(help(
        "pass the ID (stk_...) that `redenv-run token list` shows; \
         arguments are public, so revoke the token of that key"
    ))]
    KeyAsId,
    #[error("project {project} has no service token {}", join(.ids.iter().map(|id| Shown(id))))]
    #[diagnostic(help("`redenv-run token list` shows the IDs"))]
    Unknown { project: Name, ids: IndexSet<String> },
    #[error("other changes to the tokens of project {0} came first every time")]
    #[diagnostic(help("try again"))]
    Contended(Name),
    #[error("{} rejected the change: the Upstash token is read-only; nothing was written", Shown(.host))]
    #[diagnostic(help(
        "set UPSTASH_REDIS_TOKEN to the token that can write, from the database's page; \
         the read-only token is enough for a launch only"
    ))]
    ReadOnly { host: String },
    #[error("{} rejected the change: {error}; nothing was written", Shown(.host))]
    Refused { host: String, error: RedisError },
    #[error("token {} was created, but its key cannot be written to stdout: {}", Shown(.id), reason(.error))]
    #[diagnostic(help("run `redenv-run token revoke {}`, then create another token", Shown(id)))]
    KeyLost { id: String, error: io::Error },
}
