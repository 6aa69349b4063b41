//! Becomes the command: checks the sizes, then one `execve`.

use std::cmp::Reverse;
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use nix::errno::Errno;
use thiserror::Error;

use crate::child::environment::Environment;
use crate::child::program::{self, Obstacle, Program, ProgramError, check_interpreter, is_text, not_found};
use crate::ui::failure::Failure;
use crate::ui::text::{join, shown_path};

/// The longest `NAME=VALUE`: the kernel takes 32 pages of 4 KiB with the NUL (`MAX_ARG_STRLEN`).
const LONGEST: usize = 131_071;
/// How many of the largest variables a message names.
const NAMED: usize = 3;
/// The bytes that each string needs in addition to its text: a NUL, and a pointer to the string.
const OVERHEAD: usize = 1 + size_of::<usize>();
/// The program that runs a script without a `#!` line. Shells and `execvp` use it too.
const SHELL: &str = "/bin/sh";

/// Why arguments and environment are too long. Each message names the largest variables.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum SizeError {
    /// Variables that no program can get.
    #[error("variables over the system's limit of {LONGEST} bytes for NAME=VALUE: {0}")]
    #[diagnostic(help("pass the value as a file with --file NAME, or leave it out with --exclude NAME"))]
    Variables(String),
    /// Arguments and environment are over this system's limit.
    #[error(
        "arguments and environment take {total} bytes, and this system allows {limit}; the largest variables: {largest}"
    )]
    #[diagnostic(help(
        "select fewer secrets with --only or --exclude, pass large ones with --file, or raise the limit: ulimit -s"
    ))]
    Total { total: usize, limit: usize, largest: String },
    /// The kernel refuses sizes that are within the limits it documents.
    #[error("the system refused arguments and environment as too long; the largest variables: {0}")]
    #[diagnostic(help("select fewer secrets with --only or --exclude, or pass large ones with --file"))]
    Refused(String),
}

/// Becomes the program, with the arguments after `argv[0]` byte for byte. Returns only if this fails, with the
/// reason.
pub(crate) fn exec(program: Program, arguments: Vec<OsString>, environment: &Environment) -> Failure {
    let Program { path, typed } = program;
    let mut argv = vec![typed];
    argv.extend(arguments);
    let Err(error) = execve(&path, &argv, environment);
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOEXEC) => exec_with_shell(path, argv, environment).into(),
        Some(Errno::ENOENT) if !path.exists() => not_found(path.as_os_str(), "", None).into(),
        Some(Errno::ENOENT) => check_interpreter(&path).err().unwrap_or(ProgramError::NoLoader(path)).into(),
        Some(Errno::E2BIG) => SizeError::Refused(largest(environment, NAMED)).into(),
        _ => ProgramError::Refused { path, error }.into(),
    }
}

/// Runs a file that the kernel refused, if it is a script without a `#!` line.
///
/// `execvp` would start the shell, with all secrets, for every such file, even for a program for another
/// machine.
fn exec_with_shell(path: PathBuf, mut argv: Vec<OsString>, environment: &Environment) -> ProgramError {
    let interpreter = program::interpreter(&path);
    if interpreter.is_some() || !is_text(&path) {
        let path = interpreter.unwrap_or(path);
        return ProgramError::NotExecutable { path, obstacle: Obstacle::Foreign };
    }
    argv.splice(..1, [SHELL.into(), path.clone().into()]);
    let Err(error) = execve(Path::new(SHELL), &argv, environment);
    match error.kind() {
        io::ErrorKind::NotFound => ProgramError::NoShell(path),
        _ => ProgramError::Refused { path, error },
    }
}

/// `execve` with SIGPIPE back at its default, because Rust's runtime ignores SIGPIPE.
fn execve(path: &Path, argv: &[OsString], environment: &Environment) -> io::Result<Infallible> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let argv = argv.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let variable = |(name, value): (&OsString, &OsString)| {
        CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
    };
    let environment = environment.iter().map(variable).collect::<Result<Vec<_>, _>>()?;
    sigpipe::reset();
    Ok(nix::unistd::execve(&path, &argv, &environment)?)
}

/// The bytes of the system's limit that a program's path and its arguments use.
pub(crate) fn size(program: &Program, arguments: &[OsString]) -> usize {
    let arguments = std::iter::once(&program.typed).chain(arguments);
    let strings: usize = arguments.map(|argument| argument.len() + OVERHEAD).sum();
    program.path.as_os_str().len() + 1 + strings
}

/// Checks that the kernel accepts the environment together with a command of this [`size`].
pub(crate) fn check_sizes(environment: &Environment, command_size: usize) -> Result<(), SizeError> {
    let too_long = environment.iter().filter(|variable| length(*variable) > LONGEST).count();
    if too_long > 0 {
        return Err(SizeError::Variables(largest(environment, too_long)));
    }
    let variables: usize = environment.iter().map(|variable| length(variable) + OVERHEAD).sum();
    let (total, limit) = (command_size + variables, system_limit());
    if total > limit {
        return Err(SizeError::Total { total, limit, largest: largest(environment, NAMED) });
    }
    Ok(())
}

/// The bytes of `NAME=VALUE`.
fn length((name, value): (&OsString, &OsString)) -> usize {
    name.len() + 1 + value.len()
}

/// The `count` largest variables and their sizes.
fn largest(environment: &Environment, count: usize) -> String {
    let mut variables: Vec<_> = environment.iter().collect();
    variables.sort_by_key(|variable| Reverse(length(*variable)));
    let variables = variables.into_iter().take(count);
    join(variables.map(|variable| format!("{} ({} bytes)", shown_path(variable.0), length(variable))))
}

/// The bytes that the system allows for arguments and environment together.
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
