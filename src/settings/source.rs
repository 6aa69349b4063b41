//! Where a variable's value comes from: the process' environment, or the env file.

use std::ffi::OsStr;
use std::path::Path;

use super::env_file::EnvFile;
use super::problem::Problem;
use super::small_file::{self, LIMIT};
use super::variables::{self, FILE_SUFFIX, Variable};
use crate::child::environment::Environment;
use crate::deadline::Deadline;
use crate::secret::SecretText;

/// Both places, in their order.
pub(super) struct Sources<'e> {
    pub(super) process: &'e Environment,
    pub(super) file: EnvFile,
    /// Until when a file that is a pipe is waited for.
    pub(super) deadline: Deadline,
}

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The process' environment.
    Process,
    /// The env file.
    EnvFile,
}

/// A value, and the variable that had it.
pub(super) struct Found {
    /// The variable as it is set: `NAME`, or `NAME_FILE`.
    pub(super) name: String,
    pub(super) value: SecretText,
}

impl Sources<'_> {
    /// A variable's value, from the first place that has it in either form.
    ///
    /// # Errors
    /// [`Problem`]: both forms at once, not UTF-8, a file that can't be read.
    pub(super) fn find(&self, variable: Variable) -> Result<Option<Found>, Problem> {
        match self.find_in(variable, Source::Process)? {
            Some(found) => Ok(Some(found)),
            None => self.find_in(variable, Source::EnvFile),
        }
    }

    /// A variable's value from one place.
    ///
    /// # Errors
    /// As [`Sources::find`].
    pub(super) fn find_in(&self, variable: Variable, source: Source) -> Result<Option<Found>, Problem> {
        let name = variable.name.to_owned();
        let file_name = format!("{name}{FILE_SUFFIX}");
        let direct = self.get(&name, source)?;
        let path = self.get(&file_name, source)?;
        let found = |name, value| Some(Found { name, value });
        match (direct, path) {
            (Some(_), Some(_)) => Err(Problem::BothForms(variable.name)),
            (Some(value), None) => Ok(found(name, value)),
            (None, Some(path)) => {
                let value = read_value(&file_name, Path::new(path.expose()), Some(self.deadline))?;
                Ok(found(file_name, value))
            }
            (None, None) => Ok(None),
        }
    }

    /// Whether the process' environment has a variable in either form.
    pub(super) fn is_in_process(&self, variable: Variable) -> bool {
        let has = |name: &str| self.process.contains_key(OsStr::new(name));
        has(variable.name) || has(&format!("{}{FILE_SUFFIX}", variable.name))
    }

    fn get(&self, name: &str, source: Source) -> Result<Option<SecretText>, Problem> {
        let text = match source {
            Source::Process => match self.process.get(OsStr::new(name)) {
                None => None,
                Some(value) => Some(value.to_str().ok_or_else(|| Problem::NotUtf8(name.to_owned()))?),
            },
            Source::EnvFile => self.file.get(name).map(SecretText::expose),
        };
        Ok(text.map(|text| SecretText::new(text.to_owned())))
    }
}

/// The content of a `NAME_FILE`'s file, less one trailing newline.
pub(super) fn read_value(name: &str, path: &Path, deadline: Option<Deadline>) -> Result<SecretText, Problem> {
    debug_assert!(variables::is_own(name), "{name}");
    if path.as_os_str().is_empty() {
        return Err(Problem::Empty(name.to_owned()));
    }
    let unreadable = |error| Problem::Unreadable { name: name.to_owned(), path: path.into(), error };
    let mut bytes = small_file::read(path, LIMIT, deadline).map_err(unreadable)?;
    // The file's byte order mark, which some editors write.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    if bytes.ends_with(b"\n") {
        let end = bytes.len() - if bytes.ends_with(b"\r\n") { 2 } else { 1 };
        bytes.truncate(end);
    }
    SecretText::from_utf8(bytes).map_err(|_| Problem::NotUtf8(name.to_owned()))
}
