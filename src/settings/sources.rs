//! The sources of settings: flags, the process's environment and the env file, in this order.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::env_file::EnvFile;
use super::file::{self, LIMIT};
use super::problem::Problem;
use super::start::Flags;
use super::table::{Kind, Setting};
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

/// A value, and how it was set: `--flag`, `NAME`, or `NAME_FILE`. The value may be secret, so this type has no
/// `Debug`.
pub(super) struct Found {
    pub(super) name: String,
    /// UTF-8, unless it is a path.
    pub(super) value: OsString,
    pub(super) source: Source,
}

impl Found {
    /// The value of a setting that is no path.
    pub(super) fn text(&self) -> &str {
        self.value.to_str().unwrap_or_default()
    }

    /// The value as secret text, without a copy.
    pub(super) fn secret(self) -> SecretText {
        SecretText::new(self.value.into_string().unwrap_or_default())
    }

    /// Checks that the value is not empty, and has no quotes or white space around it. Returns it unchanged.
    pub(super) fn without_slips(self) -> Result<Self, Problem> {
        let text = self.text();
        let quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        let what = match text {
            "" => return Err(Problem::Empty(self.name)),
            _ if text.trim() != text => "white space",
            _ if quoted('"') || quoted('\'') => "quotes",
            _ => return Ok(self),
        };
        Err(Problem::Surrounded { name: self.name, what })
    }
}

/// The sources that one launch has.
pub(super) struct Sources<'e> {
    pub(super) flags: &'e Flags,
    pub(super) process: &'e Environment,
    pub(super) env_file: EnvFile,
    /// How long redenv-run waits for a file that is a pipe.
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

    /// A setting's value from one source. If the setting has two variables, the first one that is set wins.
    ///
    /// # Errors
    /// [`Problem`] for `NAME` and `NAME_FILE` at once, a value that isn't UTF-8, and a file that can't be read.
    pub(super) fn find_in(&self, setting: Setting, source: Source) -> Result<Option<Found>, Problem> {
        let found = match source {
            Source::Flag => {
                self.flags.get(&setting).map(|values| (setting.flag(), values.join(OsStr::new(","))))
            }
            _ => self.find_variable(setting, source)?,
        };
        match found {
            Some((name, value)) if setting.row().kind != Kind::Path && value.to_str().is_none() => {
                Err(Problem::NotUtf8(name))
            }
            found => Ok(found.map(|(name, value)| Found { name, value, source })),
        }
    }

    fn find_variable(&self, setting: Setting, source: Source) -> Result<Option<(String, OsString)>, Problem> {
        for name in setting.variables() {
            let file_form = format!("{name}{FILE_SUFFIX}");
            match (self.variable(name, setting, source), self.variable(&file_form, setting, source)) {
                (Some(_), Some(_)) => return Err(Problem::BothForms(name)),
                (Some(value), None) => return Ok(Some(((*name).to_owned(), value))),
                (None, Some(path)) => {
                    let value = read_value(&file_form, Path::new(&path), Some(self.deadline))?;
                    return Ok(Some((file_form, value.expose().into())));
                }
                (None, None) => {}
            }
        }
        Ok(None)
    }

    fn variable(&self, name: &str, setting: Setting, source: Source) -> Option<OsString> {
        if source == Source::EnvFile {
            return self.env_file.get(name).map(|value| value.expose().into());
        }
        // An outer redenv-run leaves such empty variables to its command, which may be this redenv-run.
        let counts = |value: &&OsString| !value.is_empty() || !self.env_file.defines(setting);
        self.process.get(OsStr::new(name)).filter(counts).cloned()
    }
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
