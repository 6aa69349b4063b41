//! One file per command. A command takes its steps from the rooms below; no room below knows a command.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod error;
mod launch;
pub(crate) mod mask;
mod secrets;
mod token;
pub(crate) mod usage;

use std::time::Instant;

use crate::child::environment::Environment;
use crate::cli::{Cli, Sub};
use crate::ui::failure::Failure;
use crate::ui::report::Report;
use error::Error;

/// What the launcher was started with.
pub(crate) struct Start {
    /// When.
    pub(crate) at: Instant,
    /// The environment.
    pub(crate) environment: Environment,
    /// Where to say things.
    pub(crate) report: Report,
}

/// Does what the command line says. A launch comes back only with the reason why it failed.
///
/// # Errors
/// [`Error`]: why COMMAND did not start.
pub(crate) fn run(cli: Cli, start: Start) -> Result<(), Box<dyn Failure>> {
    let done = match cli.subcommand {
        None => launch::launch(&cli.launch, cli.command, start).map(|never| match never {}),
        Some(Sub::Check(args)) => {
            launch::check(&args, start).map_err(|error| Error::Checked(Box::new(error)))
        }
        Some(Sub::Mask(args)) => launch::mask(args, &start),
        Some(Sub::Token(args)) => token::run(&args, &start),
        Some(Sub::Completions(args)) => completions::print(&args),
    };
    Ok(done?)
}
