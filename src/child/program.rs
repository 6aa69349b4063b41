//! Looks up the command, before the first request.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use crate::ui::text::{Shown, join, reason, shown_path};
use crate::ui::word::{self, COMMANDS, Slip, quoted};

/// The directories to search if there is no `PATH`, as in the C library.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// How many bytes of a file the kernel reads to recognize a program (`BINPRM_BUF_SIZE`).
const HEADER: u64 = 256;

/// The exit code when the command was found but can't be executed.
const NOT_EXECUTABLE: u8 = 126;
/// The exit code when the command or its interpreter was not found.
const NOT_FOUND: u8 = 127;

/// A program that was found and that this user may execute.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// The file to execute.
    pub(crate) path: PathBuf,
    /// What the user typed: `argv[0]`.
    pub(crate) typed: OsString,
}

/// Why a program can't start.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum ProgramError {
    /// No such file, or none in `PATH`.
    #[error("{word} was not found{place}{why}")]
    NotFound {
        word: String,
        place: &'static str,
        why: &'static str,
        #[help]
        hint: Option<String>,
    },
    /// The file exists but can't be executed.
    #[error("{} can't be executed: {obstacle}", word::shown(&path.to_string_lossy()))]
    #[diagnostic(forward(obstacle))]
    NotExecutable { path: PathBuf, obstacle: Obstacle },
    /// The kernel refuses the file for a reason of its own.
    #[error("{} can't be executed: {}", shown_path(path), reason(error))]
    Refused { path: PathBuf, error: io::Error },
    /// A script's `#!` line names an interpreter that doesn't exist.
    #[error("the interpreter {} that {} names was not found", shown_path(interpreter), shown_path(script))]
    #[diagnostic(help("{}", interpreter_hint(interpreter)))]
    NoInterpreter { script: PathBuf, interpreter: PathBuf },
    /// A script has no `#!` line, and there is no shell to run it.
    #[error("{} is a script without `#!`, and there is no /bin/sh to run it", shown_path(.0))]
    #[diagnostic(help("name its interpreter in the first line: #!/path/to/interpreter"))]
    NoShell(PathBuf),
    /// The kernel reports a missing file although the program exists.
    #[error("the loader or interpreter of {} was not found", shown_path(.0))]
    #[diagnostic(help("it is built for another system or C library, or this image has no dynamic loader"))]
    NoLoader(PathBuf),
}

/// Why an existing file can't be executed.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum Obstacle {
    #[error("it is a directory")]
    Directory,
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it is not executable")]
    #[diagnostic(help("chmod +x {}", Shown(&quoted(&_0.to_string_lossy()))))]
    NotExecutable(PathBuf),
    #[error("it is executable, but not by this user")]
    NotByThisUser,
    #[error("its file system is mounted noexec")]
    #[diagnostic(help("put it on a file system that is mounted without noexec"))]
    NoExec,
    #[error("this user may not search a directory in its path")]
    Unsearchable,
    #[error("it is neither a program for this machine ({}) nor a script", std::env::consts::ARCH)]
    #[diagnostic(help(
        "use a build for {}, or start the program that reads it, as in java -jar FILE",
        std::env::consts::ARCH
    ))]
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
        Err(obstacle) => Err(ProgramError::NotExecutable { path: interpreter, obstacle }),
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
        Err(obstacle) => Err(ProgramError::NotExecutable { path, obstacle }),
        Ok(true) => Ok(path),
        Ok(false) => Err(not_found(typed, "", None)),
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
            Ok(false) | Err(Obstacle::Directory) => {}
            Err(Obstacle::Unsearchable) => unsearchable.push(directory),
            Err(obstacle) => refused = refused.or(Some(ProgramError::NotExecutable { path, obstacle })),
        }
    }
    let hint = if typed.as_bytes().starts_with(b"-") {
        "flags of redenv-run go before `--`".to_owned()
    } else if let Some(own) = COMMANDS.iter().find(|own| typed == **own) {
        format!("did you mean `redenv-run {own}`, without `--`?")
    } else if path.is_none() {
        "PATH is not set, so redenv-run searched only /bin and /usr/bin".to_owned()
    } else if unsearchable.is_empty() {
        "check the spelling: redenv-run searches the PATH that it was started with; \
            shell aliases and functions are not programs"
            .to_owned()
    } else {
        format!("this user may not search {} in PATH", join(unsearchable.iter().map(shown_path)))
    };
    let place = if path.is_some() { " in PATH" } else { "" };
    Err(refused.unwrap_or_else(|| not_found(typed, place, Some(hint))))
}

/// The error for a command that was not found. If only a shell understands the typed word, the hint says so.
pub(super) fn not_found(typed: &OsStr, place: &'static str, hint: Option<String>) -> ProgramError {
    let typed = typed.to_string_lossy();
    let (why, action) = match Slip::of(&typed) {
        Some(Slip::Line(_)) => (": it contains spaces", "don't quote the command as one word"),
        _ => ("", "use env to set a variable for the command"),
    };
    let slip = Slip::of(&typed).map(|slip| format!("{action}: redenv-run -- {}", slip.corrected()));
    ProgramError::NotFound { word: word::shown(&typed), place, why, hint: slip.or(hint) }
}

fn interpreter_hint(interpreter: &Path) -> &'static str {
    if interpreter.as_os_str().as_bytes().ends_with(b"\r") {
        "the script has Windows line endings: save it with LF"
    } else {
        "install it, or correct the script's `#!` line"
    }
}

/// Whether the file exists and this user may execute it. The error says why an existing file can't be executed.
fn is_program(path: &Path) -> Result<bool, Obstacle> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(Obstacle::Unsearchable),
        Err(_) => return Ok(false),
    };
    if metadata.is_dir() {
        Err(Obstacle::Directory)
    } else if !metadata.is_file() {
        Err(Obstacle::NotRegular)
    } else if rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok() {
        Ok(true)
    } else if is_on_noexec(path) {
        Err(Obstacle::NoExec)
    } else if metadata.permissions().mode() & 0o111 == 0 {
        Err(Obstacle::NotExecutable(path.to_owned()))
    } else {
        Err(Obstacle::NotByThisUser)
    }
}

#[cfg(target_os = "linux")]
fn is_on_noexec(path: &Path) -> bool {
    let noexec = rustix::fs::StatVfsMountFlags::NOEXEC;
    rustix::fs::statvfs(path).is_ok_and(|system| system.f_flag.contains(noexec))
}

/// On other systems, `statvfs` doesn't show this.
#[cfg(not(target_os = "linux"))]
fn is_on_noexec(_: &Path) -> bool {
    false
}

impl ProgramError {
    /// The exit code of redenv-run.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotExecutable { .. } | Self::Refused { .. } => NOT_EXECUTABLE,
            _ => NOT_FOUND,
        }
    }
}
