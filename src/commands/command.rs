//! The command line, understood: what to run, without the settings.

use std::ffi::OsString;

/// The command to run.
pub(crate) enum Command {
    Launch { program: OsString, arguments: Vec<OsString> },
    Check { format: CheckFormat, command: Vec<OsString> },
    Mask,
    CreateToken(CreateOptions),
    ListTokens(ListFormat),
    RevokeTokens { ids: Vec<String>, yes: bool },
    Completions { shell: Shell, definition: Box<clap::Command> },
}

/// How `check` prints its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckFormat {
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

/// How `token list` prints the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListFormat {
    Text,
    Json,
}

/// A shell that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}
