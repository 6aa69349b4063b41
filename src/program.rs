//! Which program: the look-up of COMMAND, before anything else happens.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Where programs are looked for without a `PATH`, as the C library does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A program that was found and may be executed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// What is executed.
    pub(crate) path: PathBuf,
    /// What was typed: its `argv[0]`.
    pub(crate) typed: OsString,
}

/// Why there is no program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProgramError {
    /// No such file, or none in `PATH`.
    NotFound { typed: OsString, looked_in: LookedIn },
    /// There is one, and it can't be executed.
    NotExecutable { path: PathBuf, problem: &'static str },
}

/// Where a program was looked for.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum LookedIn {
    /// In the directories of `PATH`.
    Path,
    /// In the system's default directories, as there is no `PATH`.
    DefaultPath,
    /// At the path that was typed.
    Itself,
}

impl Program {
    /// Finds COMMAND as `execvp` would, with the given `PATH`.
    ///
    /// # Errors
    /// [`ProgramError`]: not found, or not executable.
    pub(crate) fn find(typed: &OsStr, path: Option<&OsStr>) -> Result<Self, ProgramError> {
        if typed.as_bytes().contains(&b'/') {
            let not_found =
                || ProgramError::NotFound { typed: typed.to_owned(), looked_in: LookedIn::Itself };
            return match problem_of(Path::new(typed)) {
                Some(problem) => Err(ProgramError::NotExecutable { path: typed.into(), problem }),
                None if !Path::new(typed).exists() => Err(not_found()),
                None => Ok(Self { path: typed.into(), typed: typed.to_owned() }),
            };
        }
        let looked_in = if path.is_some() { LookedIn::Path } else { LookedIn::DefaultPath };
        let directories = without_tildes(path.unwrap_or(OsStr::new(DEFAULT_PATH)));
        if !typed.is_empty()
            && let Ok(found) = which::which_in(typed, Some(&directories), ".")
        {
            return Ok(Self { path: found, typed: typed.to_owned() });
        }
        let not_executable = std::env::split_paths(&directories)
            .map(|directory| directory.join(typed))
            .filter(|candidate| !typed.is_empty() && !candidate.is_dir())
            .find_map(|path| problem_of(&path).map(|problem| (path, problem)));
        Err(match not_executable {
            Some((path, problem)) => ProgramError::NotExecutable { path, problem },
            None => ProgramError::NotFound { typed: typed.to_owned(), looked_in },
        })
    }
}

/// Why an existing file can't be executed; `None` also for one that doesn't exist.
fn problem_of(path: &Path) -> Option<&'static str> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Some("it is a directory"),
        Ok(metadata) if !metadata.is_file() => Some("it is not a regular file"),
        Ok(_) => {
            rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err().then_some("it is not executable")
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Some("a directory on the way to it can't be searched")
        }
        Err(_) => None,
    }
}

/// `which` expands a `~` in `PATH`, `execvp` doesn't: `./~` names the same directory for both.
fn without_tildes(path: &OsStr) -> OsString {
    let entries = path.as_bytes().split(|byte| *byte == b':').map(|entry| {
        let mut directory = if entry.starts_with(b"~") { b"./".to_vec() } else { Vec::new() };
        directory.extend_from_slice(entry);
        directory
    });
    OsString::from_vec(entries.collect::<Vec<_>>().join(&b':'))
}

/// What a file's first line says of the program that runs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Interpreter {
    /// `#!` and this path, which may end in a carriage return by mistake.
    Script(PathBuf),
    /// None is named: a compiled program, or a script without `#!`.
    Unnamed,
}

impl Interpreter {
    /// Reads the first line of a file; one that can't be read names none.
    pub(crate) fn of(program: &Path) -> Self {
        let mut start = Vec::with_capacity(256);
        let read = File::open(program).and_then(|file| file.take(256).read_to_end(&mut start));
        let Some(rest) = read.ok().and_then(|_| start.strip_prefix(b"#!")) else { return Self::Unnamed };
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let word = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty());
        Self::Script(PathBuf::from(OsStr::from_bytes(word.unwrap_or_default())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_in_path_is_an_ordinary_directory() {
        let path = OsStr::new("/bin:~/bin:~:a~b");
        assert_eq!(without_tildes(path), OsStr::new("/bin:./~/bin:./~:a~b"));
    }

    #[test]
    fn the_program_is_found_with_the_path_it_is_given() {
        let program = Program::find(OsStr::new("sh"), Some(OsStr::new("/nowhere:/bin"))).unwrap();
        assert_eq!(program.path, Path::new("/bin/sh"));
        assert_eq!(program.typed, "sh");
        let error = Program::find(OsStr::new("sh"), Some(OsStr::new("/nowhere"))).unwrap_err();
        assert_eq!(error, ProgramError::NotFound { typed: "sh".into(), looked_in: LookedIn::Path });
        assert!(Program::find(OsStr::new("sh"), None).is_ok());
    }
}
