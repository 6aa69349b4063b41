//! An env file, of which only the launcher's own variables are taken.

mod syntax;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::small_file::{self, FileError, LIMIT};
use super::variables::{self, FILE_SUFFIX, Form, Sources};
use crate::deadline::Deadline;
use crate::secret::SecretText;
use syntax::Items;

/// The file that is read where none is named.
const DEFAULT: &str = ".env.local";

/// The launcher's own variables in a file.
#[derive(Default)]
pub(crate) struct EnvFile {
    /// Its path, for messages.
    pub(crate) path: PathBuf,
    /// Who chose it.
    pub(crate) choice: Choice,
    /// Own variables that it may not set.
    pub(crate) ignored: Vec<Ignored>,
    /// What is taken from it; of a name that is there twice the last one counts, as in a shell.
    variables: Vec<(String, SecretText)>,
}

/// Who chose the file, and so how far it is trusted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nobody: it lay in the working directory, and may be a stranger's.
    #[default]
    Found,
    /// The user, by its name.
    Named,
}

/// An own variable that is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// Only the process' environment may set it.
    ProcessOnly(String),
    /// A `NAME_FILE` in a file that nobody named: it would make the launcher read any file, and send
    /// what that holds to the database of the same file.
    FileForm(String),
    /// No variable of the launcher's, but nearly one.
    Slip { name: String, meant: String },
}

/// Why an env file can't be read. Never holds a line of it.
#[derive(Debug)]
pub(crate) enum EnvFileError {
    /// It isn't there, or can't be read.
    Unreadable { path: PathBuf, error: FileError },
    /// A line isn't `NAME=VALUE`.
    Malformed { path: PathBuf, line: usize },
    /// The value of an own variable isn't UTF-8.
    NotUtf8 { path: PathBuf, line: usize },
}

impl EnvFile {
    /// Reads the file that was named, a stream until the deadline.
    ///
    /// # Errors
    /// [`EnvFileError`]: unreadable or malformed.
    pub(crate) fn read(path: &Path, deadline: Deadline) -> Result<Self, EnvFileError> {
        let unreadable = |error| EnvFileError::Unreadable { path: path.into(), error };
        let bytes = small_file::read(path, LIMIT, Some(deadline)).map_err(unreadable)?;
        Self::parse(path, Choice::Named, &bytes)
    }

    /// Reads `.env.local` of the working directory, if there is one.
    ///
    /// # Errors
    /// [`EnvFileError`]: unreadable or malformed.
    pub(crate) fn read_default() -> Result<Self, EnvFileError> {
        let path = Path::new(DEFAULT);
        match small_file::read_found(path) {
            Ok(Some(bytes)) => Self::parse(path, Choice::Found, &bytes),
            // A directory of that name, as some tools make it.
            Ok(None) | Err(FileError::Directory) => Ok(Self::default()),
            Err(error) => Err(EnvFileError::Unreadable { path: path.into(), error }),
        }
    }

    /// The value of one of its variables.
    pub(super) fn get(&self, name: &str) -> Option<&SecretText> {
        self.variables.iter().rev().find(|variable| variable.0 == name).map(|variable| &variable.1)
    }

    /// Whether the variable's `NAME_FILE` is there, and ignored.
    pub(super) fn ignores_file_form(&self, name: &str) -> bool {
        let is_its = |ignored: &Ignored| match ignored {
            Ignored::FileForm(form) => form.strip_suffix(FILE_SUFFIX) == Some(name),
            Ignored::ProcessOnly(_) | Ignored::Slip { .. } => false,
        };
        self.ignored.iter().any(is_its)
    }

    fn parse(path: &Path, choice: Choice, bytes: &[u8]) -> Result<Self, EnvFileError> {
        let mut file = Self { path: path.into(), choice, ..Self::default() };
        let malformed = |line| EnvFileError::Malformed { path: path.into(), line };
        let (mut passed_over, mut assigns) = (None, false);
        for item in Items::of(bytes) {
            let line = item.line;
            let Some((name, value)) = item.assignment else {
                if !is_of_others(item.text) {
                    return Err(malformed(line));
                }
                passed_over = passed_over.or(Some(line));
                continue;
            };
            assigns = true;
            let found = variables::find(name);
            let name = String::from_utf8_lossy(name).into_owned();
            let Some((variable, form)) = found else {
                if let Some(meant) = variables::meant(&name) {
                    file.ignored.push(Ignored::Slip { name, meant });
                }
                continue;
            };
            match (variable.sources, form, choice) {
                (Sources::Process, ..) => file.ignored.push(Ignored::ProcessOnly(name)),
                (_, Form::File, Choice::Found) => file.ignored.push(Ignored::FileForm(name)),
                _ => {
                    let value = SecretText::from_utf8(value.bytes());
                    let value = value.map_err(|_| EnvFileError::NotUtf8 { path: path.into(), line })?;
                    file.variables.push((name, value));
                }
            }
        }
        // Nothing else is in it: it is no env file.
        if let Some(line) = passed_over.filter(|_| !assigns) {
            return Err(malformed(line));
        }
        Ok(file)
    }
}

/// Whether what doesn't parse is another program's, such as `TITLE=two words` or `title: x`, which other
/// readers of the file accept, or pass over. Not where it takes one of the launcher's with it, as a
/// quote that isn't closed does.
fn is_of_others(text: &[u8]) -> bool {
    let holds = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    !variables::ALL.iter().any(|variable| holds(variable.name.as_bytes()))
}
