//! Reads an env file. redenv-run takes only its own variables from the file.

mod syntax;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::file::{self, FileError, LIMIT};
use super::problem::Problem;
use super::search::{Directory, FoundFile};
use super::table::{self, Place, Setting};
use super::variables::{self, Form};
use crate::deadline::Deadline;
use crate::secret::SecretText;
use crate::ui::report::Report;
use crate::ui::text::{join, shown_path};
use syntax::Items;

/// The file that redenv-run looks for if the user names none.
const DEFAULT: &str = ".env.local";

/// redenv-run's own variables in a file.
#[derive(Debug, Default)]
pub(super) struct EnvFile {
    /// Its path, for messages; empty if there is no file.
    pub(super) path: PathBuf,
    pub(super) choice: Choice,
    /// The variables that redenv-run ignores, and why.
    pub(super) ignored: Vec<(String, String)>,
    /// redenv-run's own variables in the file, including those that an env file can't set.
    own_names: BTreeSet<String>,
    /// The variables that redenv-run takes from the file. When a name appears twice, the last value wins, as in
    /// shells.
    variables: Vec<(String, SecretText)>,
}

/// Who chose the file. This decides how far redenv-run trusts it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// redenv-run found the file: it may belong to a stranger.
    #[default]
    Found,
    /// The user named the file.
    Named,
}

impl EnvFile {
    /// Reads the file that the user named; from a pipe, until the deadline.
    ///
    /// # Errors
    /// [`Problem`] for a file that is unreadable or malformed.
    pub(super) fn read(path: &Path, deadline: Deadline) -> Result<Self, Problem> {
        let unreadable = |error| Problem::EnvFile { path: path.into(), error };
        let bytes = file::read(path, LIMIT, Some(deadline)).map_err(unreadable)?;
        Self::parse(path, Choice::Named, &bytes)
    }

    /// Finds the nearest trusted `.env.local`, if there is one.
    ///
    /// # Errors
    /// [`Problem`] for a file that is unreadable or malformed.
    pub(super) fn find(directories: &[Directory], report: Report) -> Result<Self, Problem> {
        for directory in directories {
            let path = directory.place(DEFAULT);
            match directory.read(DEFAULT) {
                // Some tools make a directory of that name.
                Ok(None) | Err(FileError::Directory) => {}
                Ok(Some(FoundFile { bytes, distrust: None })) => {
                    return Self::parse(&path, Choice::Found, &bytes);
                }
                Ok(Some(FoundFile { distrust: Some(why), .. })) => {
                    let path = shown_path(&path);
                    report.warning(&format!("skipped {path}: {why}; use it with --env-file {path}"));
                }
                Err(error) => return Err(Problem::EnvFile { path, error }),
            }
        }
        Ok(Self::default())
    }

    /// The value of a variable in the file.
    pub(super) fn get(&self, name: &str) -> Option<&SecretText> {
        self.variables.iter().rev().find(|variable| variable.0 == name).map(|variable| &variable.1)
    }

    /// Whether the file has a variable for this setting, in any form.
    pub(super) fn defines(&self, setting: Setting) -> bool {
        let mut own = self.own_names.iter().filter_map(|name| variables::find(name.as_bytes()));
        own.any(|(row, _)| row.setting == setting)
    }

    /// redenv-run's own variables in the file, which the command must get with an empty value. Bun, Next.js and
    /// Vite read `.env*` files too, but keep a variable that already exists.
    pub(super) fn names_to_empty(&self) -> BTreeSet<OsString> {
        let name = self.path.file_name().unwrap_or_default();
        let is_read_by_others = name.as_encoded_bytes().starts_with(b".env");
        self.own_names.iter().filter(|_| is_read_by_others).map(OsString::from).collect()
    }

    fn parse(path: &Path, choice: Choice, bytes: &[u8]) -> Result<Self, Problem> {
        let mut file = Self { path: path.into(), choice, ..Self::default() };
        let malformed = |line, what| Problem::EnvFileLine { path: path.into(), line, what };
        let (mut passed_over, mut assigns) = (None, false);
        for item in Items::of(bytes) {
            let line = item.line;
            let Some((name, value)) = item.assignment else {
                if !is_of_others(item.text) {
                    return Err(malformed(line, "NAME=VALUE"));
                }
                passed_over = passed_over.or(Some(line));
                continue;
            };
            assigns = true;
            let found = variables::find(name);
            let name = String::from_utf8_lossy(name).into_owned();
            let Some((row, form)) = found else {
                let meant = variables::meant(&name);
                if !meant.is_empty() {
                    file.ignored.push((name, format!("is not read: did you mean {}?", join(meant))));
                }
                continue;
            };
            file.own_names.insert(name.clone());
            let mut ignore = |or: &str| {
                file.ignored.push((name.clone(), format!("is ignored: set it in the environment, or {or}")));
            };
            match (row.place, form, choice) {
                (Place::Process, ..) => ignore("use the flag"),
                // A stranger's env file could make redenv-run read any file, and send the content to the
                // stranger's database.
                (_, Form::File, Choice::Found) => ignore("in a file named with --env-file"),
                _ => {
                    let value = SecretText::from_utf8(value.bytes());
                    let value = value.map_err(|_| malformed(line, "UTF-8"))?;
                    file.variables.push((name, value));
                }
            }
        }
        // A file without any assignment is not an env file.
        if let Some(line) = passed_over.filter(|_| !assigns) {
            return Err(malformed(line, "NAME=VALUE"));
        }
        Ok(file)
    }
}

/// The names that a file such as `.env.example` defines, without redenv-run's own.
///
/// # Errors
/// The number of a line that is not `NAME=VALUE`. A value may have spaces without quotes.
pub(super) fn names(bytes: &[u8]) -> Result<BTreeSet<String>, usize> {
    let mut names = BTreeSet::new();
    for item in Items::of(bytes) {
        // A value of several lines that doesn't parse has an open quote, which hides the names after it.
        let is_whole = item.assignment.is_some() || !item.text.contains(&b'\n');
        let name = item.name.filter(|_| is_whole).ok_or(item.line)?;
        if variables::find(name).is_none() {
            names.insert(String::from_utf8_lossy(name).into_owned());
        }
    }
    Ok(names)
}

/// Whether a line that doesn't parse belongs to another program, such as `TITLE=two words` or `title: x`. Other
/// readers accept or skip such lines. A line that contains one of redenv-run's own variables, for example after
/// an open quote, does not belong to another program.
fn is_of_others(text: &[u8]) -> bool {
    let holds = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    !table::rows().flat_map(|row| row.variables).any(|variable| holds(variable.as_bytes()))
}
