//! Looks settings up in their sources, converts them, and collects all problems with them.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use indexmap::{IndexMap, IndexSet};

use super::env_file::EnvFile;
use super::problem::Problem;
use super::project_file::ProjectFile;
use super::search::{self, Directory};
use super::sources::{Found, Source, Sources};
use super::start::Start;
use super::table::Setting;
use super::values::{boolean, duration};
use super::variables;
use crate::deadline::Deadline;
use crate::ui::report::Report;
use crate::ui::text::{Shown, join, shown_path};

/// Looks settings up one by one.
pub(super) struct Resolver<'e> {
    pub(super) sources: Sources<'e>,
    /// Where redenv-run looks for files that the user did not name.
    pub(super) directories: Vec<Directory>,
    /// The project file. `None` before the search for it.
    pub(super) project_file: Option<ProjectFile>,
    pub(super) problems: Vec<Problem>,
    pub(super) report: Report,
    /// The settings that came from each place, for `-v`.
    origins: IndexMap<String, IndexSet<String>>,
}

impl<'e> Resolver<'e> {
    /// Reads the env file, if there is one.
    ///
    /// # Errors
    /// [`Problem`] for an env file that can't be read: nearly every setting would seem to be missing.
    pub(super) fn new(start: &'e Start) -> Result<Self, Problem> {
        let Start { at, environment: process, flags, report } = start;
        let deadline = Deadline::new(*at, Duration::ZERO);
        let sources = Sources { flags, process, env_file: EnvFile::default(), deadline };
        let directories = search::directories(process.get(OsStr::new("HOME")).map(OsString::as_os_str));
        let mut this = Self {
            sources,
            directories,
            project_file: None,
            problems: Vec::new(),
            report: *report,
            origins: IndexMap::new(),
        };
        this.sources.deadline = this.early_deadline(*at);
        this.sources.env_file = this.read_env_file()?;
        this.sources.deadline = this.early_deadline(*at);
        this.warn_of_ignored();
        Ok(this)
    }

    /// Where each setting came from, by name, for `-v`.
    pub(super) fn origins(&self) -> String {
        let told = self.origins.iter().map(|(place, names)| format!("{} from {place}", join(names)));
        told.collect::<Vec<_>>().join("; ")
    }

    /// The deadline, as far as it is known now. A malformed `--timeout` becomes a problem later.
    fn early_deadline(&self, start: Instant) -> Deadline {
        let found = self.sources.find(Setting::Timeout).ok().flatten();
        let timeout = found.and_then(|found| duration(found.text()));
        Deadline::new(start, timeout.unwrap_or_else(|| default(Setting::Timeout)))
    }

    fn read_env_file(&mut self) -> Result<EnvFile, Problem> {
        if self.sources.flags.contains_key(&Setting::NoEnvFile) {
            return Ok(EnvFile::default());
        }
        if let Some((_, path)) = self.path(Setting::EnvFile) {
            return EnvFile::read(&path, self.sources.deadline);
        }
        if self.switch(Setting::NoEnvFile) {
            return Ok(EnvFile::default());
        }
        EnvFile::find(&self.directories, self.report)
    }

    /// Warns of variables that look like a setting but aren't read. Otherwise a mistyped setting would silently
    /// have no effect.
    fn warn_of_ignored(&self) {
        let is_set = |name: &String| self.sources.process.contains_key(OsStr::new(name));
        for name in self.sources.process.keys().filter_map(|name| name.to_str()) {
            let meant = variables::meant(name);
            // If the right name is set too, this variable belongs to another program.
            if !meant.is_empty() && !meant.iter().any(is_set) {
                self.report.warning(&format!("{} is not read: did you mean {}?", Shown(name), join(meant)));
            }
        }
        let EnvFile { path, ignored, .. } = &self.sources.env_file;
        for (name, why) in ignored {
            self.report.warning(&format!("{} in {} {why}", Shown(name), shown_path(path)));
        }
    }

    /// Finds a setting, and notes its source.
    fn look_up(&mut self, setting: Setting) -> Result<Option<Found>, Problem> {
        let found = self.sources.find(setting)?;
        if let Some(found) = &found {
            self.note(found);
        }
        Ok(found)
    }

    /// Returns the value, or keeps the problem for the message.
    pub(super) fn kept<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    pub(super) fn note(&mut self, found: &Found) {
        let place = match found.source {
            Source::Flag => "the command line".to_owned(),
            Source::Process => "the environment".to_owned(),
            Source::EnvFile | Source::ProjectFile => shown_path(&self.sources.env_file.path),
        };
        self.note_place(place, found.name.clone());
    }

    pub(super) fn note_place(&mut self, place: String, name: String) {
        self.origins.entry(place).or_default().insert(name);
    }

    /// A setting's value. An empty variable counts as unset; an empty flag is a mistake, such as `"$UNSET"`.
    pub(super) fn optional(&mut self, setting: Setting) -> Option<Found> {
        let found = self.look_up(setting);
        self.kept(found)?.filter(|found| {
            let is_empty = found.value.is_empty();
            if is_empty && found.source == Source::Flag {
                self.problems.push(Problem::Empty(found.name.clone()));
            }
            !is_empty
        })
    }

    /// A setting's value. Here, an empty variable is a mistake too.
    pub(super) fn significant(&mut self, setting: Setting) -> Result<Option<Found>, Problem> {
        match self.look_up(setting)? {
            Some(found) if found.value.is_empty() => Err(Problem::Empty(found.name)),
            found => Ok(found),
        }
    }

    /// The value of a required setting, checked for common mistakes.
    pub(super) fn required(&mut self, setting: Setting) -> Option<Found> {
        let found = self.significant(setting);
        let found = found.and_then(|found| found.ok_or(missing(setting))?.without_slips());
        self.kept(found)
    }

    pub(super) fn text(&mut self, setting: Setting) -> Option<String> {
        self.optional(setting).map(|found| found.text().to_owned())
    }

    pub(super) fn switch(&mut self, setting: Setting) -> bool {
        if self.sources.flags.contains_key(&setting) {
            self.note_place("the command line".to_owned(), setting.flag());
            return true;
        }
        let Some(found) = self.optional(setting) else { return false };
        boolean(found.text()).unwrap_or_else(|| {
            self.problems.push(Problem::Boolean(found.name));
            false
        })
    }

    /// The names or patterns of a list. A flag with an empty list, such as `--only ,`, must not mean
    /// everything.
    pub(super) fn list(&mut self, setting: Setting) -> Vec<String> {
        let Some(found) = self.optional(setting) else { return Vec::new() };
        let items = found.text().split(',').map(str::trim).filter(|item| !item.is_empty());
        let items: Vec<String> = items.map(String::from).collect();
        if items.is_empty() && found.source == Source::Flag {
            self.problems.push(Problem::Empty(found.name));
        }
        items
    }

    pub(super) fn duration(&mut self, setting: Setting) -> Duration {
        let Some(found) = self.optional(setting) else { return default(setting) };
        duration(found.text()).unwrap_or_else(|| {
            self.problems.push(Problem::Duration(found.name));
            default(setting)
        })
    }

    /// A path, which need not be UTF-8, and how it was set.
    pub(super) fn path(&mut self, setting: Setting) -> Option<(String, PathBuf)> {
        self.optional(setting).map(|found| (found.name, found.value.into()))
    }
}

/// The problem of a setting that isn't set.
pub(super) fn missing(setting: Setting) -> Problem {
    Problem::Missing(setting.variables()[0])
}

/// The default that the table gives a duration.
fn default(setting: Setting) -> Duration {
    setting.row().default.and_then(duration).unwrap_or_default()
}
