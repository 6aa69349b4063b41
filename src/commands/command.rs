//! The parsed command line: what to run, without the settings.

use std::ffi::OsString;

pub(crate) use clap_complete::Shell;

/// The command to run.
pub(crate) enum Command {
    Launch { program: OsString, arguments: Vec<OsString> },
    Check { format: Format, command: Vec<OsString> },
    Mask,
    CreateToken(CreateOptions),
    ListTokens(Format),
    RevokeTokens { ids: Vec<String>, yes: bool },
    Completions { shell: Shell, definition: Box<clap::Command> },
}

/// How `check` and `token list` print their result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
}

/// The options of `token create`.
pub(crate) struct CreateOptions {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) format: TokenFormat,
    pub(crate) password_stdin: bool,
}

/// How `token create` prints the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenFormat {
    Text,
    Env,
    Json,
}
