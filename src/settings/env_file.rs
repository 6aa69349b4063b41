//! An env file, of which only the launcher's own variables are taken.

mod syntax;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::variables::{self, Sources};
use crate::secret::SecretText;
use syntax::Items;

/// The file that is read where none is named.
const DEFAULT: &str = ".env.local";

/// The launcher's own variables in a file.
#[derive(Default)]
pub(crate) struct EnvFile {
    /// Its path, for messages.
    pub(crate) path: PathBuf,
    /// Own variables that only the process' environment may set.
    pub(crate) ignored: Vec<String>,
    /// What is taken from it; of a name that is there twice the last one counts, as in a shell.
    variables: Vec<(String, SecretText)>,
}

/// Why an env file can't be read. Never holds a line of it.
#[derive(Debug)]
pub(crate) enum EnvFileError {
    /// It isn't there, or can't be read.
    Unreadable { path: PathBuf, error: io::Error },
    /// A line isn't `NAME=VALUE`.
    Malformed { path: PathBuf, line: usize },
    /// The value of an own variable isn't UTF-8.
    NotUtf8 { path: PathBuf, line: usize },
}

impl EnvFile {
    /// Reads the file that was named.
    ///
    /// # Errors
    /// [`EnvFileError`]: unreadable or malformed.
    pub(crate) fn read(path: &Path) -> Result<Self, EnvFileError> {
        let unreadable = |error| EnvFileError::Unreadable { path: path.into(), error };
        Self::parse(path, &Zeroizing::new(fs::read(path).map_err(unreadable)?))
    }

    /// Reads `.env.local` of the working directory, if there is one.
    ///
    /// # Errors
    /// [`EnvFileError`]: unreadable or malformed.
    pub(crate) fn read_default() -> Result<Self, EnvFileError> {
        match Self::read(Path::new(DEFAULT)) {
            Err(EnvFileError::Unreadable { error, .. })
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) =>
            {
                Ok(Self::default())
            }
            other => other,
        }
    }

    /// The value of one of its variables.
    pub(super) fn get(&self, name: &str) -> Option<&SecretText> {
        self.variables.iter().rev().find(|variable| variable.0 == name).map(|variable| &variable.1)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, EnvFileError> {
        let mut file = Self { path: path.into(), ..Self::default() };
        for item in Items::of(bytes) {
            let line = item.line;
            let Some((name, value)) = item.assignment else {
                if is_of_others(item.text) {
                    continue;
                }
                return Err(EnvFileError::Malformed { path: path.into(), line });
            };
            let Some((variable, _)) = variables::find(name) else { continue };
            let name = String::from_utf8_lossy(name).into_owned();
            match variable.sources {
                Sources::Process => file.ignored.push(name),
                Sources::Anywhere => {
                    let value = SecretText::from_utf8(value.bytes());
                    let value = value.map_err(|_| EnvFileError::NotUtf8 { path: path.into(), line })?;
                    file.variables.push((name, value));
                }
            }
        }
        Ok(file)
    }
}

/// Whether what doesn't parse is a variable of another program, such as `TITLE=two words`, which
/// other readers of the file accept. Not where it takes one of the launcher's with it, as a quote
/// that isn't closed does.
fn is_of_others(text: &[u8]) -> bool {
    let holds = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    holds(b"=") && !variables::ALL.iter().any(|variable| holds(variable.name.as_bytes()))
}
