//! One file per command: each takes its steps from the rooms below, in the order of its `run`.
//! This room never parses a format, speaks a protocol or decides how a message looks.

mod check;
mod completions;
pub(crate) mod error;
mod launch;
mod mask;
mod secrets;
pub(crate) mod start;
mod token;

use std::ffi::OsString;

use crate::ui::failure::Failure;
use start::Start;

/// What the command line asks for.
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

/// Runs the command that the command line names. A launch returns only when it failed.
pub(crate) fn run(command: Command, start: Start) -> Result<(), Box<dyn Failure>> {
    match command {
        Command::Launch { program, arguments } => {
            launch::run(&program, arguments, start).map(|never| match never {})
        }
        Command::Check { format, command } => check::run(format, &command, start),
        Command::Mask => mask::run(&start),
        Command::CreateToken(options) => token::create::run(&options, &start),
        Command::ListTokens(format) => token::list::run(format, &start),
        Command::RevokeTokens { ids, yes } => token::revoke::run(ids, yes, &start),
        Command::Completions { shell, definition } => completions::run(shell, *definition),
    }
}
