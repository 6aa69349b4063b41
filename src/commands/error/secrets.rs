//! The words for what is wrong with the secrets, and with what COMMAND would be given of them.

use super::{Told, bare, told};
use crate::child::environment::EnvironmentError;
use crate::child::exec::{LaunchError, Size};
use crate::child::memory_file::MemoryFileError;
use crate::ui::report::reason;
use crate::ui::report::{Shown, join};
use crate::vault::PinError;
use crate::vault::select::SelectError;

pub(super) fn pin(error: &PinError) -> Told {
    match error {
        PinError::Twice { environment, name } => {
            bare(format!("the store's data is malformed: {} is twice in {environment}", Shown(name)))
        }
        PinError::NoSuchSecret { name, nearest } => Told {
            message: format!("--pin: there is no secret {}", Shown(name)),
            hint: Some(nearest_name(nearest.as_deref())),
        },
        PinError::NoSuchVersion { name, pin, newest, oldest } => {
            let message = format!("--pin: {} has no version {pin}", Shown(name));
            match (oldest, newest) {
                (Some(oldest), Some(newest)) => {
                    told(message, format!("its history goes from {oldest} to {newest}"))
                }
                _ => bare(message),
            }
        }
    }
}

fn nearest_name(name: Option<&str>) -> String {
    name.map_or_else(
        || "`redenv-run check` lists the names".into(),
        |name| format!("did you mean {}?", Shown(name)),
    )
}

pub(super) fn select(error: &SelectError) -> Told {
    match error {
        SelectError::NoMatch { flag, pattern, nearest } => {
            told(format!("{flag}: no secret matches {}", Shown(pattern)), nearest_name(nearest.as_deref()))
        }
        SelectError::Broken(broken) => {
            let list: Vec<String> =
                broken.iter().map(|(name, why)| format!("{} ({why})", Shown(name))).collect();
            let what = if list.len() == 1 { "a secret" } else { "some secrets" };
            told(
                format!("{what} can't be opened: {}", join(list)),
                "write them again; --skip-broken starts without them, --exclude leaves them out",
            )
        }
        SelectError::Expand(error) => {
            told(error.to_string(), "write \\${NAME} for a literal reference; --raw starts without expansion")
        }
        SelectError::BadNames(bad) => told(
            format!(
                "no variable can have the name of {}",
                join(bad.iter().map(|bad| format!("secret {} (it {})", Shown(&bad.name), bad.problem)))
            ),
            "rename it, or leave it out with --exclude",
        ),
    }
}

pub(super) fn environment(error: &EnvironmentError) -> Told {
    match error {
        EnvironmentError::Reserved(reserved) => told(
            format!("a secret may not be named {}: its value would run as code in COMMAND", names(reserved)),
            format!(
                "--allow-reserved {} lets it through, --exclude leaves it out",
                reserved.iter().map(|name| Shown(name).to_string()).collect::<Vec<_>>().join(",")
            ),
        ),
        EnvironmentError::Required { missing, empty } => {
            let mut parts = Vec::new();
            if !missing.is_empty() {
                parts.push(format!("{} missing", names(missing)));
            }
            if !empty.is_empty() {
                parts.push(format!("{} empty", names(empty)));
            }
            told(
                format!("required secrets: {}", parts.join("; ")),
                "--require speaks of names as COMMAND sees them; `redenv-run check` lists them",
            )
        }
    }
}

pub(super) fn memory_file(error: &MemoryFileError) -> Told {
    match error {
        MemoryFileError::NoMatch { name, nearest } => Told {
            message: format!("--file: no secret is named {}", Shown(name)),
            hint: Some(nearest_name(nearest.as_deref())),
        },
        MemoryFileError::NotLinux => told(
            "--file: this system has no memory files",
            "it works on Linux alone; elsewhere give the program the value itself",
        ),
        MemoryFileError::NoProc => told(
            "--file: there is no /proc through which COMMAND could open the file",
            "mount /proc, or give the program the value itself",
        ),
        MemoryFileError::Refused { name, error } => {
            bare(format!("--file: the system gave no memory file for {}: {}", Shown(name), reason(error)))
        }
    }
}

fn sizes(largest: &[Size]) -> String {
    join(largest.iter().map(|(name, size)| format!("{} ({size} bytes)", Shown(name))))
}

pub(super) fn launch(error: &LaunchError) -> Told {
    match error {
        LaunchError::VariablesTooLong(largest) => told(
            format!(
                "too long for any program's environment, over 131071 bytes as NAME=VALUE: {}",
                sizes(largest)
            ),
            "--file NAME passes it as a file's path, --exclude leaves it out",
        ),
        LaunchError::TotalTooLong { total, limit, largest } => told(
            format!(
                "arguments and environment are too long for this system, {total} of {limit} bytes; the largest: {}",
                sizes(largest)
            ),
            "--only and --exclude select, --file passes a value as a file's path; `ulimit -s` raises the limit",
        ),
        LaunchError::Refused { largest } => told(
            format!("the system finds arguments and environment too long; the largest: {}", sizes(largest)),
            "--only and --exclude select, --file passes a value as a file's path",
        ),
        LaunchError::Program(error) => Told { message: error.message(), hint: error.hint() },
        LaunchError::NoLoader(program) => told(
            format!("the loader or interpreter of {} was not found", path(program)),
            "it is built for another system or C library, or this image has no dynamic loader",
        ),
        LaunchError::Vanished(program) => bare(format!("{} was there and is no more", path(program))),
        LaunchError::NotExecuted { program, error } => {
            bare(format!("{} can't be executed: {}", path(program), reason(error)))
        }
    }
}

fn path(path: &std::path::Path) -> String {
    Shown(&path.to_string_lossy()).to_string()
}

fn names<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    join(names.into_iter().map(|name| Shown(name)))
}
