//! Becoming COMMAND: the sizes checked, then one `execve`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::child::environment::Environment;
use crate::child::memory_file::MemoryFiles;
use crate::child::program::{Program, ProgramError, check_image};

/// The longest `NAME=VALUE`: the kernel takes 32 pages of 4 KiB with the NUL (`MAX_ARG_STRLEN`).
const LONGEST: usize = 131_071;
/// How many of the largest variables a message names.
const NAMED: usize = 3;

/// A program with its arguments and environment.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The program.
    pub(crate) program: Program,
    /// The arguments after `argv[0]`, byte for byte.
    pub(crate) arguments: Vec<OsString>,
    /// The whole environment.
    pub(crate) environment: Environment,
    /// What has to stay open until the exec, and beyond.
    #[expect(dead_code, reason = "held, not read")]
    pub(crate) files: MemoryFiles,
}

/// A variable and the bytes that `NAME=VALUE` has.
pub(crate) type Size = (String, usize);

/// Why the program did not start.
#[derive(Debug)]
pub(crate) enum LaunchError {
    /// Variables that are too long for any program, largest first.
    VariablesTooLong(Vec<Size>),
    /// The whole is too long for this system.
    TotalTooLong { total: usize, limit: usize, largest: Vec<Size> },
    /// The kernel says so, although the sizes were within what it promises.
    Refused { largest: Vec<Size> },
    /// It can't be executed any more, or only now it can be seen why.
    Program(ProgramError),
    /// The kernel says that there is no such file although there is: its loader is missing.
    NoLoader(PathBuf),
    /// It vanished since it was looked up.
    Vanished(PathBuf),
    /// It could not be executed.
    NotExecuted { program: PathBuf, error: io::Error },
}

impl Launch {
    /// Whether the kernel will take arguments and environment.
    ///
    /// # Errors
    /// [`LaunchError::VariablesTooLong`] and [`LaunchError::TotalTooLong`], naming the largest.
    pub(crate) fn check_sizes(&self) -> Result<(), LaunchError> {
        check_sizes(&self.environment, size(&self.program, &self.arguments))
    }

    /// Becomes the program; comes back only with the reason why not.
    pub(crate) fn exec(self) -> LaunchError {
        let error = Command::new(&self.program.path)
            .arg0(&self.program.typed)
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .exec();
        match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::NOENT.raw_os_error() => missing(self.program.path),
            Some(code) if code == rustix::io::Errno::TOOBIG.raw_os_error() => {
                LaunchError::Refused { largest: first_largest(&self.environment) }
            }
            _ => LaunchError::NotExecuted { program: self.program.path, error },
        }
    }
}

/// What a program's path and its arguments take of the system's limit.
pub(crate) fn size(program: &Program, arguments: &[OsString]) -> usize {
    let arguments = std::iter::once(&program.typed).chain(arguments);
    let strings: usize = arguments.map(|argument| string_size(argument)).sum();
    program.path.as_os_str().as_bytes().len() + 1 + strings
}

/// Whether the kernel will take an environment beside `rest` bytes of other strings.
///
/// # Errors
/// [`LaunchError::VariablesTooLong`] and [`LaunchError::TotalTooLong`], naming the largest.
pub(crate) fn check_sizes(environment: &Environment, rest: usize) -> Result<(), LaunchError> {
    if environment.iter().any(|(name, value)| name.len() + 1 + value.len() > LONGEST) {
        let too_long = largest(environment).into_iter().filter(|(_, size)| *size > LONGEST);
        return Err(LaunchError::VariablesTooLong(too_long.collect()));
    }
    let variables = environment.iter();
    let variables: usize = variables.map(|(name, value)| string_size(name) + 1 + value.len()).sum();
    let (total, limit) = (rest + variables, system_limit());
    if total > limit {
        return Err(LaunchError::TotalTooLong { total, limit, largest: first_largest(environment) });
    }
    Ok(())
}

/// What a string counts against the limit: itself, its NUL, and a pointer to it.
fn string_size(text: &OsStr) -> usize {
    text.as_bytes().len() + 1 + size_of::<usize>()
}

/// Every variable's size, largest first.
fn largest(environment: &Environment) -> Vec<Size> {
    let size = |(name, value): (&OsString, &OsString)| {
        (name.to_string_lossy().into_owned(), name.len() + 1 + value.len())
    };
    let mut sizes: Vec<Size> = environment.iter().map(size).collect();
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    sizes
}

fn first_largest(environment: &Environment) -> Vec<Size> {
    let mut largest = largest(environment);
    largest.truncate(NAMED);
    largest
}

/// What the system takes for arguments and environment together, in bytes.
///
/// Linux: a quarter of the stack's soft limit, at least 128 KiB and at most 6 MiB (`fs/exec.c`,
/// `bprm_stack_limits`). Elsewhere 1 MiB, as on macOS.
fn system_limit() -> usize {
    const MIB: usize = 1024 * 1024;
    if !cfg!(target_os = "linux") {
        return MIB;
    }
    let stack = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    let quarter = stack.and_then(|bytes| usize::try_from(bytes / 4).ok()).unwrap_or(usize::MAX);
    quarter.clamp(128 * 1024, 6 * MIB)
}

/// Why the kernel found something missing in a program that was just looked up.
fn missing(program: PathBuf) -> LaunchError {
    if !program.exists() {
        return LaunchError::Vanished(program);
    }
    check_image(&program).map_or_else(LaunchError::Program, |()| LaunchError::NoLoader(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(sizes: &[(&str, usize)]) -> Environment {
        let value = |name: &str, size: usize| "x".repeat(size - name.len() - 1).into();
        sizes.iter().map(|(name, size)| (OsString::from(name), value(name, *size))).collect()
    }

    #[test]
    fn every_variable_that_is_too_long_is_named_the_longest_first() {
        let sizes = [("FITS", LONGEST), ("LONG", LONGEST + 1), ("LONGER", LONGEST + 2), ("SHORT", 10)];
        let Err(LaunchError::VariablesTooLong(named)) = check_sizes(&environment(&sizes), 0) else {
            panic!("a variable of {} bytes was let through", LONGEST + 1);
        };
        assert_eq!(named, [("LONGER".to_owned(), LONGEST + 2), ("LONG".to_owned(), LONGEST + 1)]);
        assert!(check_sizes(&environment(&sizes[..1]), 0).is_ok());
    }

    #[test]
    fn a_total_that_is_too_long_names_the_three_largest() {
        // Whatever this system's limit is: all but 40,000 bytes are taken by the arguments.
        let rest = system_limit() - 40_000;
        let sizes = [("A", 10_000), ("B", 12_000), ("C", 9_000), ("D", 8_000), ("E", 7_000)];
        let Err(LaunchError::TotalTooLong { total, limit, largest }) =
            check_sizes(&environment(&sizes), rest)
        else {
            panic!("46,000 bytes were let through");
        };
        // Each with its NUL and a pointer to it.
        assert_eq!((total, limit), (rest + 46_000 + 5 * (1 + size_of::<usize>()), system_limit()));
        assert_eq!(largest.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["B", "A", "C"]);
        assert!(check_sizes(&environment(&sizes[..3]), rest).is_ok());
    }
}
