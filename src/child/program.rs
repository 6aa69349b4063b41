//! Which program: the look-up of COMMAND, before anything else happens.

mod error;
mod handler;
mod image;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(crate) use error::{LookedIn, Problem, ProgramError};
use image::Image;

/// Where programs are looked for without a `PATH`, as the C library does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// What the C library starts a script with that names no interpreter.
const SHELL: &str = "/bin/sh";
/// How many scripts may be each other's interpreters before the kernel refuses.
const DEEPEST: usize = 5;

/// A program that was found and may be executed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    /// What is executed.
    pub(crate) path: PathBuf,
    /// What was typed: its `argv[0]`.
    pub(crate) typed: OsString,
}

impl Program {
    /// Finds COMMAND as `execvp` would, with the given `PATH`, and whatever has to run it.
    ///
    /// # Errors
    /// [`ProgramError`]: not found, or not executable.
    pub(crate) fn find(typed: &OsStr, path: Option<&OsStr>) -> Result<Self, ProgramError> {
        let path = if typed.as_bytes().contains(&b'/') { at(typed)? } else { look_up(typed, path)? };
        check_image(&path)?;
        Ok(Self { path, typed: typed.to_owned() })
    }
}

/// Whether the system executes a file, as far as that can be seen from outside.
///
/// # Errors
/// [`ProgramError`]: it is for another machine or no program, or what its `#!` line names isn't one.
pub(crate) fn check_image(program: &Path) -> Result<(), ProgramError> {
    let mut path = program.to_owned();
    for depth in 0..DEEPEST {
        let problem = match Image::of(&path) {
            Image::Program => return Ok(()),
            Image::Script(interpreter) => {
                if let Some(problem) = problem_of(&interpreter) {
                    return Err(ProgramError::NotExecutable { path: interpreter, problem });
                }
                if !interpreter.exists() {
                    return Err(ProgramError::NoInterpreter { script: path, interpreter });
                }
                path = interpreter;
                continue;
            }
            Image::Text if depth > 0 => Problem::NoInterpreter,
            Image::Text if Path::new(SHELL).exists() => return Ok(()),
            Image::Text => return Err(ProgramError::NoShell(path)),
            Image::Foreign(machine) => Problem::Foreign(machine),
            Image::Data => Problem::Data,
        };
        return Err(ProgramError::NotExecutable { path, problem });
    }
    Ok(())
}

/// The program at the path that was typed.
fn at(typed: &OsStr) -> Result<PathBuf, ProgramError> {
    let path = PathBuf::from(typed);
    match problem_of(&path) {
        Some(problem) => Err(ProgramError::NotExecutable { path, problem }),
        None if !path.exists() => {
            Err(ProgramError::NotFound { typed: typed.to_owned(), looked_in: LookedIn::Itself })
        }
        None => Ok(path),
    }
}

/// The first program of this name in the directories of `PATH`.
fn look_up(typed: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, ProgramError> {
    let directories = without_tildes(path.unwrap_or(OsStr::new(DEFAULT_PATH)));
    let mut unsearchable = Vec::new();
    if !typed.is_empty() {
        if let Ok(found) = which::which_in(typed, Some(&directories), ".") {
            return Ok(found);
        }
        for directory in std::env::split_paths(&directories) {
            let path = directory.join(typed);
            match problem_of(&path) {
                // Nothing says that it is there, and the next directory may have it.
                Some(Problem::Unsearchable) => unsearchable.push(directory),
                Some(Problem::Directory) | None => {}
                Some(problem) => return Err(ProgramError::NotExecutable { path, problem }),
            }
        }
    }
    let looked_in = if path.is_some() { LookedIn::Path { unsearchable } } else { LookedIn::DefaultPath };
    Err(ProgramError::NotFound { typed: typed.to_owned(), looked_in })
}

/// Why an existing file can't be executed; `None` also for one that doesn't exist.
fn problem_of(path: &Path) -> Option<Problem> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Some(Problem::Directory),
        Ok(metadata) if !metadata.is_file() => Some(Problem::NotRegular),
        Ok(metadata) => rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_err().then(|| {
            if is_on_noexec(path) {
                Problem::NoExec
            } else if metadata.permissions().mode() & 0o111 == 0 {
                Problem::NotExecutable
            } else {
                Problem::NotByThisUser
            }
        }),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Some(Problem::Unsearchable),
        Err(_) => None,
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

/// `which` expands a `~` in `PATH`, `execvp` doesn't: `./~` names the same directory for both.
fn without_tildes(path: &OsStr) -> OsString {
    let entries = path.as_bytes().split(|byte| *byte == b':').map(|entry| {
        let mut directory = if entry.starts_with(b"~") { b"./".to_vec() } else { Vec::new() };
        directory.extend_from_slice(entry);
        directory
    });
    OsString::from_vec(entries.collect::<Vec<_>>().join(&b':'))
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
        let looked_in = LookedIn::Path { unsearchable: Vec::new() };
        assert_eq!(error, ProgramError::NotFound { typed: "sh".into(), looked_in });
        assert!(Program::find(OsStr::new("sh"), None).is_ok());
    }
}
