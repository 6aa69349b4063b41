//! `redenv-run -- node server.js` reads a Redenv service token from its environment, fetches the project's
//! encrypted secrets from Upstash Redis, decrypts them in memory, and becomes the command with one exec.
#![warn(clippy::unwrap_used, clippy::expect_used)]

#[cfg(not(unix))]
compile_error!("redenv-run becomes the command with execve, which only Unix has");

mod child;
mod cli;
mod commands;
mod deadline;
#[cfg(test)]
mod fuzz;
mod guard;
mod secret;
mod settings;
mod ui;
mod upstash;
mod vault;

use std::alloc::System;
use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::panic;
use std::process::{self, ExitCode};
use std::time::Instant;

use zeroizing_alloc::ZeroAlloc;

use child::environment::Environment;
use child::program::ProgramError;
use cli::Parsed;
use settings::Start;
use ui::failure::Failure;
use ui::report::{Report, Verbosity};

/// Wipes every block of the heap when it is freed, including the HTTP client's blocks and the old blocks of
/// buffers that grew.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

/// The exit code of a failure of redenv-run itself: the command did not start.
const FAILED: u8 = 125;

fn main() -> ExitCode {
    let at = Instant::now();
    panic::set_hook(Box::new(end_on_panic));
    guard::forbid_dumps();
    guard::end_on_signals();
    run(at)
}

/// Reports where a panic happened. Does not print the panic's text, because the text may hold a secret.
fn end_on_panic(panic: &panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(String::new, |place| {
        let file = place.file().rsplit('/').next().unwrap_or_default();
        format!(" at {file}:{}", place.line())
    });
    let report = Report::new(Verbosity::Normal);
    report.error(&format!("internal error{place}"), Some("this is a bug, please report it"));
    process::exit(FAILED.into());
}

fn run(at: Instant) -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().collect();
    let (flags, command) = match cli::parse(&arguments) {
        Ok(Parsed::Run(flags, command)) => (flags, command),
        Ok(Parsed::Print(page)) => {
            // A closed pipe is no failure of `--help`.
            let _ = page.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return failed(&error.into(), Report::new(Verbosity::Normal)),
    };
    // When a name appears twice, the last value wins, as in shells.
    let environment: Environment = env::vars_os().collect();
    let report = Report::new(settings::verbosity(&flags, &environment));
    match commands::run(command, Start { at, environment, flags, report }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, report),
    }
}

/// Prints a failure. Its exit code is 125, unless the command was not found or can't be executed.
fn failed(failure: &Failure, report: Report) -> ExitCode {
    let hint = failure.help().map(|help| help.to_string());
    report.error(&failure.to_string(), hint.as_deref());
    let error: &(dyn Error + 'static) = &**failure;
    error.downcast_ref::<ProgramError>().map_or(FAILED, ProgramError::exit_code).into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Set in the process that panics.
    const PANICS: &str = "REDENV_RUN_TEST_PANICS";

    #[test]
    fn a_panic_exits_with_125_and_shows_its_place_but_not_its_text() {
        if env::var_os(PANICS).is_some() {
            panic::set_hook(Box::new(end_on_panic));
            let secret = String::from("hunter2");
            panic!("{secret} was not expected");
        }
        let name = "tests::a_panic_exits_with_125_and_shows_its_place_but_not_its_text";
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(PANICS, "1")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{said}");
        assert!(said.contains("redenv-run: error: internal error at main.rs:"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
