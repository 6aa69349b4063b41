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
pub(crate) mod usage;

use crate::cli::{Cli, Sub};
use crate::ui::failure::Failure;
use start::Start;

/// Runs the command that the command line names. A launch returns only when it failed.
pub(crate) fn run(cli: Cli, start: Start) -> Result<(), Box<dyn Failure>> {
    match cli.subcommand {
        None => launch::run(&cli.launch, &cli.command, start).map(|never| match never {}),
        Some(Sub::Check(args)) => check::run(&args, start),
        Some(Sub::Mask(args)) => mask::run(args, &start),
        Some(Sub::Token(args)) => token::run(&args, &start),
        Some(Sub::Completions(args)) => completions::run(&args),
    }
}
