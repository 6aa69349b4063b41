//! One file per command. Its `run` calls the steps of other rooms in order. This room never opens a connection,
//! names a cipher, or decides how a message looks.

mod check;
mod command;
mod completions;
mod launch;
mod mask;
mod secrets;
mod token;

use crate::settings::Start;
use crate::ui::failure::Failure;
pub(crate) use command::{Command, CreateOptions, Format, Shell, TokenFormat};

/// Runs a command. A launch returns only when it failed.
pub(crate) fn run(command: Command, start: Start) -> Result<(), Failure> {
    match command {
        Command::Launch { program, arguments } => launch::run(&program, arguments, start),
        Command::Check { format, command } => check::run(format, &command, start),
        Command::Mask => mask::run(&start),
        Command::CreateToken(options) => token::create::run(&options, &start),
        Command::ListTokens(format) => token::list::run(format, &start),
        Command::RevokeTokens { ids, yes } => token::revoke::run(ids, yes, &start),
        Command::Completions { shell, definition } => completions::run(shell, *definition),
    }
}
