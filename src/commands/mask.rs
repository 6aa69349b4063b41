//! `mask`: prints the workflow commands that hide the secrets in the log of a GitHub Actions job.
//!
//! The runner reads `::add-mask::VALUE` from stdout, with `%`, CR and LF of the value escaped. It hides the value
//! in every line of the log. So each line of a value gets a mask of its own, without the blanks around it,
//! because a program may strip them.
//!
//! From a value of several lines the runner makes a mask for each line, even for a line that is only `{`. Such a
//! mask would ruin the log. So a value with a short line gets no mask as a whole (`AddMaskCommandExtension` in
//! `actions/runner`, `src/Runner.Worker/ActionCommandManager.cs`).

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use miette::Diagnostic;
use rustix::fs::FileType;
use thiserror::Error;

use super::secrets::{self, Obtained};
use crate::settings::{Settings, Start};
use crate::ui::failure::Failure;
use crate::ui::stages::Stages;
use crate::ui::text::{Shown, join, reason};
use crate::vault::Secret;

/// The length of the shortest line that gets a mask: a mask for `1` or `no` would ruin the whole log.
const SHORTEST: usize = 4;

/// Why nothing was masked.
#[derive(Error, Diagnostic, Debug)]
enum MaskError {
    #[error("`mask` prints the secrets for the runner of GitHub Actions, but stdout is {0}")]
    #[diagnostic(help("run it in a step of a GitHub Actions workflow, without a redirection"))]
    Stdout(&'static str),
    #[error("the secrets are not masked: cannot write to stdout: {}", reason(.0))]
    Write(io::Error),
}

/// Prints the workflow commands that mask the secrets.
pub(super) fn run(start: &Start) -> Result<(), Failure> {
    check_output(&io::stdout())?;
    let settings = Settings::resolve(start)?;
    let Obtained { selected, .. } = secrets::obtain(&settings, start, &mut Stages::new(start.at))?;
    let short = write(&selected.secrets, &mut io::stdout().lock())?;
    if !short.is_empty() {
        let names = join(short.iter().map(|name| Shown(name)));
        start.report.warning(&format!("lines shorter than 4 characters are not masked: they are in {names}"));
    }
    Ok(())
}

/// Refuses a terminal, a regular file and `/dev/null`. A closed stdout is `/dev/null` too.
fn check_output(stdout: &(impl AsFd + IsTerminal)) -> Result<(), MaskError> {
    if stdout.is_terminal() {
        return Err(MaskError::Stdout("a terminal"));
    }
    let Ok(found) = rustix::fs::fstat(stdout) else { return Ok(()) };
    let kind = FileType::from_raw_mode(found.st_mode);
    if kind.is_file() {
        return Err(MaskError::Stdout("a file"));
    }
    let is_null = rustix::fs::stat("/dev/null").is_ok_and(|null| null.st_rdev == found.st_rdev);
    if is_null && kind.is_char_device() {
        return Err(MaskError::Stdout("/dev/null or closed"));
    }
    Ok(())
}

/// Writes the commands for all secrets, and returns the names of those with lines too short to mask.
fn write(secrets: &BTreeMap<String, Secret>, out: &mut impl Write) -> Result<Vec<String>, MaskError> {
    let mut short = Vec::new();
    for (name, secret) in secrets {
        let value = secret.value.expose();
        let lines = value.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty());
        let (masks, brief): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.chars().count() >= SHORTEST);
        let whole = brief.is_empty() && !masks.is_empty() && masks != [value];
        if !brief.is_empty() {
            short.push(name.clone());
        }
        for mask in masks.iter().copied().chain(whole.then_some(value)) {
            writeln!(out, "::add-mask::{}", escaped(mask)).map_err(MaskError::Write)?;
        }
    }
    out.flush().map_err(MaskError::Write)?;
    Ok(short)
}

/// The data of a workflow command, escaped as the runner unescapes it.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}
