//! Looks up the command, before the first request.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::ui::failure::Failure;
use crate::ui::text::{join, shown_path};
use crate::ui::word::{self, Slip, quoted};

/// Where programs are looked for without a `PATH`, as the C library does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// How many bytes of a file the kernel looks at (`BINPRM_BUF_SIZE`).
const HEADER: u64 = 256;

/// The exit code when the command was found but can't be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// The exit code when the command or its interpreter was not found.
pub(crate) const NOT_FOUND: u8 = 127;

/// A program that was found and that this user may execute.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The file to execute.
    pub(crate) path: PathBuf,
    /// What the user typed: `argv[0]`.
    pub(crate) typed: OsString,
}

/// Why there is no program to start.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum ProgramError {
    /// No such file, or none in `PATH`.
    #[error("{}", not_found(typed, looked_in))]
    NotFound { typed: OsString, looked_in: LookedIn },
    /// The file exists and can't be executed.
    #[error("{} can't be executed: {problem}", word::shown(&path.to_string_lossy()))]
    NotExecutable { path: PathBuf, problem: Problem },
    /// A script's `#!` line names an interpreter that doesn't exist.
    #[error("the interpreter {} that {} names was not found", shown_path(interpreter), shown_path(script))]
    NoInterpreter { script: PathBuf, interpreter: PathBuf },
    /// A script has no `#!` line, and there is no shell to run it.
    #[error("{} is a script without `#!`, and there is no /bin/sh to run it", shown_path(.0))]
    NoShell(PathBuf),
}

/// Where a program was looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LookedIn {
    /// The directories of `PATH`, except those that this user may not search.
    Path { unsearchable: Vec<PathBuf> },
    /// The default directories, because `PATH` is not set.
    DefaultPath,
    /// The path that was typed.
    Itself,
}

/// Why an existing file can't be executed.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum Problem {
    #[error("it is a directory")]
    Directory,
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it is not executable")]
    NotExecutable,
    #[error("it is executable, but not by this user")]
    NotByThisUser,
    #[error("its file system is mounted noexec")]
    NoExec,
    #[error("this user may not search a directory in its path")]
    Unsearchable,
    #[error("it is neither a program for this machine ({}) nor a script", std::env::consts::ARCH)]
    Foreign,
}

impl Program {
    /// Finds the command as `execvp` does, with the given `PATH`.
    pub(crate) fn find(typed: &OsStr, path: Option<&OsStr>) -> Result<Self, ProgramError> {
        let path = if typed.as_bytes().contains(&b'/') { at(typed)? } else { look_up(typed, path)? };
        check_interpreter(&path)?;
        Ok(Self { path, typed: typed.to_owned() })
    }
}

/// Checks that the interpreter in a script's `#!` line exists and is executable.
pub(super) fn check_interpreter(script: &Path) -> Result<(), ProgramError> {
    let Some(interpreter) = interpreter(script) else { return Ok(()) };
    match is_program(&interpreter) {
        Err(problem) => Err(ProgramError::NotExecutable { path: interpreter, problem }),
        Ok(true) => Ok(()),
        Ok(false) => Err(ProgramError::NoInterpreter { script: script.to_owned(), interpreter }),
    }
}

/// The interpreter in a script's `#!` line.
pub(super) fn interpreter(script: &Path) -> Option<PathBuf> {
    let header = header(script).ok()?;
    let line = header.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let path = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// Whether a shell could read this file: a program for another machine is no script.
pub(super) fn is_text(path: &Path) -> bool {
    header(path).is_ok_and(|header| !header.contains(&0))
}

fn header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    File::open(path)?.take(HEADER).read_to_end(&mut header)?;
    Ok(header)
}

/// The program at the path that was typed.
fn at(typed: &OsStr) -> Result<PathBuf, ProgramError> {
    let path = PathBuf::from(typed);
    match is_program(&path) {
        Err(problem) => Err(ProgramError::NotExecutable { path, problem }),
        Ok(true) => Ok(path),
        Ok(false) => Err(ProgramError::NotFound { typed: typed.to_owned(), looked_in: LookedIn::Itself }),
    }
}

/// The first program of this name in the directories of `PATH`.
fn look_up(typed: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, ProgramError> {
    let (mut unsearchable, mut refused) = (Vec::new(), None);
    let directories = std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)));
    for directory in directories.filter(|_| !typed.is_empty()) {
        // An empty entry is the working directory.
        let path = Path::new(".").join(&directory).join(typed);
        match is_program(&path) {
            Ok(true) => return Ok(path),
            Ok(false) | Err(Problem::Directory) => {}
            Err(Problem::Unsearchable) => unsearchable.push(directory),
            Err(problem) => refused = refused.or(Some(ProgramError::NotExecutable { path, problem })),
        }
    }
    let looked_in = if path.is_some() { LookedIn::Path { unsearchable } } else { LookedIn::DefaultPath };
    Err(refused.unwrap_or_else(|| ProgramError::NotFound { typed: typed.to_owned(), looked_in }))
}

/// Whether there is a file that this user may execute, or why an existing one can't be executed.
fn is_program(path: &Path) -> Result<bool, Problem> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(Problem::Unsearchable),
        Err(_) => return Ok(false),
    };
    if metadata.is_dir() {
        Err(Problem::Directory)
    } else if !metadata.is_file() {
        Err(Problem::NotRegular)
    } else if rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() {
        Ok(true)
    } else if is_on_noexec(path) {
        Err(Problem::NoExec)
    } else if metadata.permissions().mode() & 0o111 == 0 {
        Err(Problem::NotExecutable)
    } else {
        Err(Problem::NotByThisUser)
    }
}

#[cfg(target_os = "linux")]
fn is_on_noexec(path: &Path) -> bool {
    let noexec = rustix::fs::StatVfsMountFlags::NOEXEC;
    rustix::fs::statvfs(path).is_ok_and(|system| system.f_flag.contains(noexec))
}

/// Elsewhere `statvfs` doesn't tell.
#[cfg(not(target_os = "linux"))]
fn is_on_noexec(_: &Path) -> bool {
    false
}

impl Failure for ProgramError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotFound { typed, looked_in } => return not_found_hint(typed, looked_in),
            Self::NotExecutable { path, problem } => match problem {
                Problem::NotExecutable => format!("chmod +x {}", quoted(&path.to_string_lossy())),
                Problem::NoExec => "put it on a file system that is mounted without noexec".into(),
                Problem::Foreign => format!(
                    "use a build for {}, or start the program that reads it, as in java -jar FILE",
                    std::env::consts::ARCH
                ),
                _ => return None,
            },
            Self::NoInterpreter { interpreter, .. } if interpreter.to_string_lossy().ends_with('\r') => {
                "the script has Windows line endings: save it with LF".into()
            }
            Self::NoInterpreter { .. } => "install it, or correct the script's `#!` line".into(),
            Self::NoShell(_) => "name its interpreter in the first line: #!/path/to/interpreter".into(),
        })
    }

    fn exit_code(&self) -> u8 {
        if matches!(self, Self::NotExecutable { .. }) { NOT_EXECUTABLE } else { NOT_FOUND }
    }
}

fn not_found(typed: &OsStr, looked_in: &LookedIn) -> String {
    let typed = typed.to_string_lossy();
    let place = if matches!(looked_in, LookedIn::Path { .. }) { " in PATH" } else { "" };
    let why = if let Some(Slip::Line(_)) = Slip::of(&typed) { ": it contains spaces" } else { "" };
    format!("{} was not found{place}{why}", word::shown(&typed))
}

fn not_found_hint(typed: &OsStr, looked_in: &LookedIn) -> Option<String> {
    if let Some(slip) = Slip::of(&typed.to_string_lossy()) {
        let action = match slip {
            Slip::Assignment(_) => "use env to set a variable for the command",
            Slip::Line(_) => "don't quote the command as one word",
        };
        return Some(format!("{action}: redenv-run -- {}", slip.corrected()));
    }
    match looked_in {
        LookedIn::Itself => None,
        LookedIn::DefaultPath => Some("PATH is not set, so redenv-run searched only /bin and /usr/bin".into()),
        LookedIn::Path { unsearchable } if unsearchable.is_empty() => Some(
            "check the spelling: redenv-run searches the PATH that it was started with; shell aliases and functions are not programs"
                .into(),
        ),
        LookedIn::Path { unsearchable } => {
            Some(format!("this user may not search {} in PATH", join(unsearchable.iter().map(shown_path))))
        }
    }
}
