//! Why there is no program: what is said of it, and the next step.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use super::image::Machine;
use crate::ui::report::{Shown, join};
use crate::ui::word::{self, Slip, quoted};

/// Why there is no program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProgramError {
    /// No such file, or none in `PATH`.
    NotFound { typed: OsString, looked_in: LookedIn },
    /// There is one, and it can't be executed.
    NotExecutable { path: PathBuf, problem: Problem },
    /// A script's `#!` line names an interpreter that isn't there.
    NoInterpreter { script: PathBuf, interpreter: PathBuf },
    /// A script has no such line, and there is no shell.
    NoShell(PathBuf),
}

/// Where a program was looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LookedIn {
    /// In the directories of `PATH`, but for those that this user may not search.
    Path { unsearchable: Vec<PathBuf> },
    /// In the system's default directories, as there is no `PATH`.
    DefaultPath,
    /// At the path that was typed.
    Itself,
}

/// Why an existing file can't be executed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It is a directory.
    Directory,
    /// It is a device, a pipe or a socket.
    NotRegular,
    /// Nobody may execute it.
    NotExecutable,
    /// Others may execute it, this user may not.
    NotByThisUser,
    /// Nothing on its file system may be executed.
    NoExec,
    /// Whether it is there can't be seen.
    Unsearchable,
    /// It is a program of another machine.
    Foreign(Machine),
    /// It is a script's interpreter, and only a shell could read it.
    NoInterpreter,
    /// It is neither a program nor a text.
    Data,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign(machine) => return write!(f, "it is built for another machine ({machine})"),
            Self::Directory => "it is a directory",
            Self::NotRegular => "it is not a regular file",
            Self::NotExecutable => "it is not executable",
            Self::NotByThisUser => "it is executable, but not by this user",
            Self::NoExec => "its file system is mounted noexec",
            Self::Unsearchable => "a directory on the way to it can't be searched",
            Self::NoInterpreter => "it is a script without `#!`, and no interpreter",
            Self::Data => "it is neither a program of this system nor a script",
        })
    }
}

impl ProgramError {
    /// What failed, in one line.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::NotFound { typed, looked_in } => {
                let typed = typed.to_string_lossy();
                let place = if matches!(looked_in, LookedIn::Path { .. }) { " in PATH" } else { "" };
                let why = match Slip::of(&typed) {
                    Some(Slip::Line(_)) => ": it is one word with blanks",
                    _ => "",
                };
                format!("{} was not found{place}{why}", word::shown(&typed))
            }
            // Whether it is there isn't known, so that it may be a whole command line.
            Self::NotExecutable { path, problem: problem @ Problem::Unsearchable } => {
                format!("{} can't be executed: {problem}", word::shown(&path.to_string_lossy()))
            }
            Self::NotExecutable { path, problem } => format!("{} can't be executed: {problem}", shown(path)),
            Self::NoInterpreter { script, interpreter } => {
                format!("the interpreter {} that {} names was not found", shown(interpreter), shown(script))
            }
            Self::NoShell(script) => {
                format!("{} is a script without `#!`, and there is no /bin/sh to run it", shown(script))
            }
        }
    }

    /// The next step, where there is one.
    pub(crate) fn hint(&self) -> Option<String> {
        if let Self::NotFound { typed, .. } = self
            && let Some(slip) = Slip::of(&typed.to_string_lossy())
        {
            let what = match slip {
                Slip::Assignment(_) => "a variable for COMMAND is set by env",
                Slip::Line(_) => "write the words by themselves",
            };
            return Some(format!("{what}: redenv-run -- {}", slip.corrected()));
        }
        Some(match self {
            Self::NotFound { looked_in: LookedIn::Itself, .. } => return None,
            Self::NotFound { looked_in: LookedIn::DefaultPath, .. } => {
                "PATH is not set, so only /bin and /usr/bin were looked in".into()
            }
            Self::NotFound { looked_in: LookedIn::Path { unsearchable }, .. } if unsearchable.is_empty() => {
                "COMMAND is looked up with the PATH the launcher was started with; a shell's aliases and functions are not programs".into()
            }
            Self::NotFound { looked_in: LookedIn::Path { unsearchable }, .. } => {
                format!("this user may not search {}, which PATH names", join(unsearchable.iter().map(shown)))
            }
            Self::NotExecutable { path, problem } => match problem {
                Problem::NotExecutable => format!("chmod +x {}", quoted(&path.to_string_lossy())),
                Problem::NoExec => "put it on a file system from which programs may be executed".into(),
                Problem::Foreign(_) => format!("this machine needs a build for {}", std::env::consts::ARCH),
                Problem::Data => "put the program that reads it before it, as in java -jar FILE".into(),
                _ => return None,
            },
            Self::NoInterpreter { interpreter, .. } if interpreter.to_string_lossy().ends_with('\r') => {
                "the script has Windows line endings: save it with LF alone".into()
            }
            Self::NoInterpreter { .. } => "install it, or correct the script's `#!` line".into(),
            Self::NoShell(_) => "let its first line name its interpreter: #!/path/to/interpreter".into(),
        })
    }
}

fn shown(path: impl AsRef<OsStr>) -> String {
    Shown(&path.as_ref().to_string_lossy()).to_string()
}
