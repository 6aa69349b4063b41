//! `mask`: the workflow commands that hide the secrets from a GitHub Actions job's log.
//!
//! The runner reads `::add-mask::VALUE` from stdout, with `%`, CR and LF of the value escaped, and
//! replaces the value wherever the log has it. It looks at the log line by line, so the lines of a
//! multi-line value are masked one by one as well as the whole, without the blanks around them, which
//! a program may strip.
//!
//! Of a whole the runner masks each line by itself too, however short, and `{` would then blacken
//! every log: where a line is short only the others are masked
//! (`AddMaskCommandExtension` in `actions/runner`, `src/Runner.Worker/ActionCommandManager.cs`).

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use rustix::fs::FileType;
use zeroize::Zeroizing;

use super::error::Error;
use super::secrets::{self, Obtained};
use super::start::Start;
use crate::cli::{LaunchArgs, MaskArgs};
use crate::ui::failure::Failure;
use crate::ui::report::{Shown, join};
use crate::ui::stages::Stages;
use crate::vault::select::Secret;

/// Shorter texts aren't masked: `1` or `no` would blacken the whole log.
const SHORTEST: usize = 4;

/// Where stdout goes that it must not.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum BadOutput {
    /// A screen would show the secrets.
    Terminal,
    /// A file would keep them.
    File,
    /// `/dev/null` would let the runner hear of none, and its log show them.
    Null,
}

/// Why nothing was masked.
#[derive(Debug)]
pub(crate) enum MaskError {
    /// Stdout goes where the secrets would be seen.
    Output(BadOutput),
    /// Stdout can't be written to.
    Write(io::Error),
}

/// Prints the workflow commands that mask the secrets.
pub(super) fn run(args: MaskArgs, start: &Start) -> Result<(), Box<dyn Failure>> {
    check_output(&io::stdout()).map_err(Error::Mask)?;
    let MaskArgs { project, env_file, selection, network, fallback, output } = args;
    let args =
        LaunchArgs { project, env_file, selection, network, fallback, output, ..LaunchArgs::default() };
    let settings = secrets::settings(&args, start)?;
    let Obtained { selected, .. } = secrets::obtain(&settings, start, &mut Stages::new(start.at))?;
    let short = write(&selected.secrets, &mut io::stdout().lock()).map_err(Error::Mask)?;
    if !short.is_empty() {
        let names = join(short.iter().map(|name| Shown(name)));
        start.report.warning(&format!("not masked where a line is shorter than 4 characters: {names}"));
    }
    Ok(())
}

/// Checks that stdout leads to a runner, not to a screen, a file or nowhere.
///
/// # Errors
/// [`MaskError::Output`] for a terminal, a regular file or `/dev/null`, which a closed one is too.
fn check_output(stdout: &(impl AsFd + IsTerminal)) -> Result<(), MaskError> {
    if stdout.is_terminal() {
        return Err(MaskError::Output(BadOutput::Terminal));
    }
    // What can't be told is written to.
    let Ok(found) = rustix::fs::fstat(stdout) else { return Ok(()) };
    let kind = FileType::from_raw_mode(found.st_mode);
    if kind.is_file() {
        return Err(MaskError::Output(BadOutput::File));
    }
    let is_null = rustix::fs::stat("/dev/null").is_ok_and(|null| null.st_rdev == found.st_rdev);
    if is_null && kind.is_char_device() { Err(MaskError::Output(BadOutput::Null)) } else { Ok(()) }
}

/// Writes the commands for all secrets, and gives the names of those that are not masked, or not in
/// all their lines, as they are too short.
///
/// # Errors
/// [`MaskError::Write`] where stdout can't be written to: the log would show the secrets.
fn write(secrets: &BTreeMap<String, Secret>, out: &mut impl Write) -> Result<Vec<String>, MaskError> {
    let mut short = Vec::new();
    for (name, secret) in secrets {
        let value = secret.value.expose();
        let lines: Vec<&str> =
            value.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect();
        let (masks, brief): (Vec<&str>, Vec<&str>) =
            lines.into_iter().partition(|line| line.chars().count() >= SHORTEST);
        let whole = brief.is_empty() && !masks.is_empty() && masks != [value];
        if !brief.is_empty() {
            short.push(name.clone());
        }
        for mask in masks.iter().copied().chain(whole.then_some(value)) {
            let line = Zeroizing::new(format!("::add-mask::{}\n", escaped(mask).as_str()));
            out.write_all(line.as_bytes()).map_err(MaskError::Write)?;
        }
    }
    out.flush().map_err(MaskError::Write)?;
    Ok(short)
}

/// A command's data, escaped as the runner unescapes it.
fn escaped(text: &str) -> Zeroizing<String> {
    // Three bytes for one at most: the buffer never moves and leaves a copy behind.
    let mut data = Zeroizing::new(String::with_capacity(text.len() * 3));
    for c in text.chars() {
        match c {
            '%' => data.push_str("%25"),
            '\r' => data.push_str("%0D"),
            '\n' => data.push_str("%0A"),
            c => data.push(c),
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_runner_would_take_for_an_escape_is_escaped() {
        for (text, data) in [
            (
                "plain text, with: all; [else] = \"as\" 'it' \\n is\t!",
                "plain text, with: all; [else] = \"as\" 'it' \\n is\t!",
            ),
            ("%", "%25"),
            ("a\r\nb\rc\n", "a%0D%0Ab%0Dc%0A"),
            // Escaped once more, so that the runner's own unescaping gives it back.
            ("%0A%0D%25", "%250A%250D%2525"),
            ("grüße 你好", "grüße 你好"),
            ("", ""),
        ] {
            assert_eq!(escaped(text).as_str(), data);
        }
    }
}
