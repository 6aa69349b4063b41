//! Becomes the command: checks the sizes, then one `execve`.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use nix::errno::Errno;
use thiserror::Error;

use crate::child::environment::Environment;
use crate::child::program::{self, Obstacle, Program, ProgramError, check_interpreter, is_text, not_found};
use crate::ui::failure::{FAILED, Failure};
use crate::ui::text::{Shown, join};

/// The longest `NAME=VALUE`: the kernel takes 32 pages of 4 KiB with the NUL (`MAX_ARG_STRLEN`).
const LONGEST: usize = 131_071;
/// How many of the largest variables a message names.
const NAMED: usize = 3;
/// What runs a script without a `#!` line, as shells and `execvp` do.
const SHELL: &str = "/bin/sh";

/// A program with its arguments and environment.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The program.
    pub(crate) program: Program,
    /// The arguments after `argv[0]`, byte for byte.
    pub(crate) arguments: Vec<OsString>,
    /// The whole environment.
    pub(crate) environment: Environment,
    /// Files that stay open across the exec.
    #[expect(dead_code, reason = "held, not read")]
    pub(crate) files: Vec<OwnedFd>,
}

/// A variable and the length of its `NAME=VALUE` in bytes.
pub(crate) type Size = (String, usize);

/// Why the program did not start.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum ExecError {
    /// Variables that no program can get, largest first.
    #[error("variables over the system's limit of {LONGEST} bytes for NAME=VALUE: {}", sizes(.0))]
    #[diagnostic(help("pass the value as a file with --file NAME, or leave it out with --exclude NAME"))]
    VariablesTooLong(Vec<Size>),
    /// Arguments and environment are over this system's limit.
    #[error(
        "arguments and environment take {total} bytes, and this system allows {limit}; the largest variables: {}",
        sizes(largest)
    )]
    #[diagnostic(help(
        "select fewer secrets with --only or --exclude, pass large ones with --file, or raise the limit: ulimit -s"
    ))]
    TotalTooLong { total: usize, limit: usize, largest: Vec<Size> },
    /// The kernel refuses sizes that are within the limits it documents.
    #[error("the system refused arguments and environment as too long; the largest variables: {}", sizes(.0))]
    #[diagnostic(help("select fewer secrets with --only or --exclude, or pass large ones with --file"))]
    RefusedAsTooLong(Vec<Size>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Program(#[from] ProgramError),
}

impl Failure for ExecError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Program(error) => error.exit_code(),
            _ => FAILED,
        }
    }
}

impl Launch {
    /// Checks that the kernel will take the arguments and the environment.
    pub(crate) fn check_sizes(&self) -> Result<(), ExecError> {
        check_sizes(&self.environment, size(&self.program, &self.arguments))
    }

    /// Becomes the program. Returns only the reason why it could not.
    pub(crate) fn exec(self) -> ExecError {
        let Self { program: Program { path, typed }, arguments, environment, .. } = self;
        let mut argv = vec![typed];
        argv.extend(arguments);
        let error = execve(&path, &argv, &environment);
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOEXEC) => exec_with_shell(path, argv, &environment),
            Some(Errno::ENOENT) if !path.exists() => not_found(path.as_os_str(), "", None).into(),
            Some(Errno::ENOENT) => {
                check_interpreter(&path).err().unwrap_or(ProgramError::NoLoader(path)).into()
            }
            Some(Errno::E2BIG) => ExecError::RefusedAsTooLong(first_largest(&environment)),
            _ => ProgramError::Refused { path, error }.into(),
        }
    }
}

/// Runs a script without a `#!` line. The kernel refuses it, and everything else that it can't execute.
///
/// `execvp` hands all of it to the shell, also a program for another machine, with all secrets.
fn exec_with_shell(path: PathBuf, mut argv: Vec<OsString>, environment: &Environment) -> ExecError {
    let interpreter = program::interpreter(&path);
    if interpreter.is_some() || !is_text(&path) {
        let path = interpreter.unwrap_or(path);
        return ProgramError::NotExecutable { path, obstacle: Obstacle::Foreign }.into();
    }
    argv.splice(..1, [SHELL.into(), path.clone().into()]);
    let error = execve(Path::new(SHELL), &argv, environment);
    match error.kind() {
        io::ErrorKind::NotFound => ProgramError::NoShell(path).into(),
        _ => ProgramError::Refused { path, error }.into(),
    }
}

/// `execve` with SIGPIPE back at its default, which Rust ignores.
fn execve(path: &Path, argv: &[OsString], environment: &Environment) -> io::Error {
    let attempt = || -> io::Result<Infallible> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let argv = argv.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<Vec<_>, _>>()?;
        let variable = |(name, value): (&OsString, &OsString)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
        };
        let environment = environment.iter().map(variable).collect::<Result<Vec<_>, _>>()?;
        sigpipe::reset();
        Ok(nix::unistd::execve(&path, &argv, &environment)?)
    };
    match attempt() {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// The bytes that a program's path and its arguments take of the system's limit.
pub(crate) fn size(program: &Program, arguments: &[OsString]) -> usize {
    let arguments = std::iter::once(&program.typed).chain(arguments);
    let strings: usize = arguments.map(|argument| string_size(argument)).sum();
    program.path.as_os_str().as_bytes().len() + 1 + strings
}

/// Checks that the kernel will take an environment beside `rest` bytes of other strings.
pub(crate) fn check_sizes(environment: &Environment, rest: usize) -> Result<(), ExecError> {
    if environment.iter().any(|(name, value)| name.len() + 1 + value.len() > LONGEST) {
        let too_long = largest(environment).into_iter().filter(|(_, size)| *size > LONGEST);
        return Err(ExecError::VariablesTooLong(too_long.collect()));
    }
    let variables = environment.iter();
    let variables: usize = variables.map(|(name, value)| string_size(name) + 1 + value.len()).sum();
    let (total, limit) = (rest + variables, system_limit());
    if total > limit {
        return Err(ExecError::TotalTooLong { total, limit, largest: first_largest(environment) });
    }
    Ok(())
}

/// The bytes that a string takes of the limit: itself, its NUL, and a pointer to it.
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

fn sizes(largest: &[Size]) -> String {
    join(largest.iter().map(|(name, size)| format!("{} ({size} bytes)", Shown(name))))
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
