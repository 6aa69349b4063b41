//! The sources of settings: flags, the process's environment and the env file, in this order.

use std::ffi::OsStr;
use std::path::Path;

use super::env_file::EnvFile;
use super::file::{self, LIMIT};
use super::flags::Flags;
use super::problem::Problem;
use super::table::Setting;
use super::variables::FILE_SUFFIX;
use crate::child::environment::Environment;
use crate::deadline::Deadline;
use crate::secret::SecretText;

/// Where a setting came from; an earlier source beats a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Flag,
    Process,
    EnvFile,
    ProjectFile,
}

/// A value, and how it was set: `--flag`, `NAME`, or `NAME_FILE`.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) value: SecretText,
    pub(super) source: Source,
}

/// The sources that one launch has.
pub(super) struct Sources<'e> {
    pub(super) flags: &'e Flags,
    pub(super) process: &'e Environment,
    pub(super) env_file: EnvFile,
    /// Until when a file that is a pipe is waited for.
    pub(super) deadline: Deadline,
}

impl Sources<'_> {
    /// A setting's value from the first source that has it.
    ///
    /// # Errors
    /// As [`Self::find_in`].
    pub(super) fn find(&self, setting: Setting) -> Result<Option<Found>, Problem> {
        for source in [Source::Flag, Source::Process, Source::EnvFile] {
            if let Some(found) = self.find_in(setting, source)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A setting's value from one source: of two variables the first one that is set.
    ///
    /// # Errors
    /// [`Problem`] for `NAME` and `NAME_FILE` at once, a value that isn't UTF-8, and a file that can't be read.
    pub(super) fn find_in(&self, setting: Setting, source: Source) -> Result<Option<Found>, Problem> {
        if source == Source::Flag {
            let Some(values) = self.flags.get(setting) else { return Ok(None) };
            let name = setting.flag();
            let value = utf8(&name, &values.join(OsStr::new(",")))?;
            return Ok(Some(Found { name, value, source }));
        }
        for name in setting.variables() {
            let file_form = format!("{name}{FILE_SUFFIX}");
            match (self.variable(name, setting, source)?, self.variable(&file_form, setting, source)?) {
                (Some(_), Some(_)) => return Err(Problem::BothForms(name)),
                (Some(value), None) => return Ok(Some(Found { name: (*name).to_owned(), value, source })),
                (None, Some(path)) => {
                    let value = read_value(&file_form, Path::new(path.expose()), Some(self.deadline))?;
                    return Ok(Some(Found { name: file_form, value, source }));
                }
                (None, None) => {}
            }
        }
        Ok(None)
    }

    fn variable(&self, name: &str, setting: Setting, source: Source) -> Result<Option<SecretText>, Problem> {
        if source == Source::EnvFile {
            return Ok(self.env_file.get(name).map(|value| SecretText::new(value.expose().to_owned())));
        }
        match self.process.get(OsStr::new(name)) {
            // redenv-run hands the command such empty variables, and the command may start it again.
            Some(value) if value.is_empty() && self.env_file.defines(setting) => Ok(None),
            Some(value) => utf8(name, value).map(Some),
            None => Ok(None),
        }
    }
}

fn utf8(name: &str, value: &OsStr) -> Result<SecretText, Problem> {
    let text = value.to_str().ok_or_else(|| Problem::NotUtf8(name.to_owned()))?;
    Ok(SecretText::new(text.to_owned()))
}

/// The content of the file that `name` names, without one newline at its end.
pub(super) fn read_value(name: &str, path: &Path, deadline: Option<Deadline>) -> Result<SecretText, Problem> {
    if path.as_os_str().is_empty() {
        return Err(Problem::Empty(name.to_owned()));
    }
    let unreadable = |error| Problem::Unreadable { name: name.to_owned(), path: path.into(), error };
    let mut bytes = file::read(path, LIMIT, deadline).map_err(unreadable)?;
    // Some editors write a byte order mark.
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    if bytes.ends_with(b"\n") {
        let end = bytes.len() - if bytes.ends_with(b"\r\n") { 2 } else { 1 };
        bytes.truncate(end);
    }
    SecretText::from_utf8(bytes).map_err(|_| Problem::NotUtf8(name.to_owned()))
}
