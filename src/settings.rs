//! Flags, variables, the env file and the project file become [`Settings`], a type that can't be wrong. This
//! room never speaks to Upstash. It checks every file that could be a stranger's.
//!
//! A flag beats a variable of the process, which beats the env file, which beats the project file.

mod database;
mod env_file;
mod file;
mod problem;
mod project;
mod project_file;
mod resolver;
mod search;
mod sources;
mod start;
pub(crate) mod table;
mod values;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::child::environment::{Environment, Inherit, OwnVariables, Policy, Preserve, RequiredFile};
use crate::secret::SecretText;
use crate::ui::report::Verbosity;
use crate::ui::text::join;
use crate::upstash::{Address, Network};
use crate::vault::crypto::Salt;
use crate::vault::fallback::FallbackSettings;
use crate::vault::select::Selection;
use crate::vault::{Name, Pin};

pub(crate) use problem::{Problem, SettingsError};
use resolver::Resolver;
pub(crate) use start::{Flags, Start};
use table::Setting;
use values::boolean;

/// Everything a launch needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) project: Name,
    pub(crate) environments: Vec<Name>,
    pub(crate) token: ServiceToken,
    pub(crate) database: Database,
    pub(crate) selection: Selection,
    pub(crate) pins: BTreeMap<String, Pin>,
    pub(crate) policy: Policy,
    /// Names, as the command sees them, whose values go into in-memory files.
    pub(crate) files: BTreeSet<String>,
    pub(crate) fallback: Option<FallbackSettings>,
}

/// A service token: its public ID, its key, and its salt if known.
#[derive(Debug)]
pub(crate) struct ServiceToken {
    pub(crate) id: String,
    pub(crate) key: Arc<SecretText>,
    pub(crate) salt: Option<Salt>,
}

/// The database and the way to it.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) address: Address,
    pub(crate) token: SecretText,
    pub(crate) network: Network,
    pub(crate) timeout: Duration,
}

impl Settings {
    /// Resolves the settings of a launch, and prints warnings.
    ///
    /// # Errors
    /// [`SettingsError`]: everything that is missing or wrong, at once.
    pub(crate) fn resolve(start: &Start) -> Result<Self, SettingsError> {
        let (settings, resolver) = resolve(start, |resolver| {
            let token = resolver.service_token();
            let database = resolver.database();
            let project = resolver.project();
            let environments = resolver.environments();
            Some(Self {
                selection: resolver.selection(),
                pins: resolver.pins(),
                policy: resolver.policy(),
                fallback: resolver.fallback(),
                files: resolver.list(Setting::File).into_iter().collect(),
                project: project?,
                environments,
                token: token?,
                database: database?,
            })
        })?;
        let Self { project, environments, .. } = &settings;
        start.report.detail(|| format!("project {project}, environment {}", join(environments)));
        start.report.detail(|| format!("settings: {}", resolver.origins()));
        Ok(settings)
    }
}

/// The settings for changing a project's tokens. This needs no service token and no environment.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) project: Name,
    pub(crate) database: Database,
}

impl Access {
    /// Resolves the project and its database, and prints warnings.
    ///
    /// # Errors
    /// [`SettingsError`]: everything that is missing or wrong, at once.
    pub(crate) fn resolve(start: &Start) -> Result<Self, SettingsError> {
        resolve(start, |resolver| {
            let database = resolver.database();
            Some(Self { project: resolver.project()?, database: database? })
        })
        .map(|(access, _)| access)
    }
}

/// Reads settings. Fails if `read` returns `None`, or if the resolver has collected a problem.
fn resolve<T>(
    start: &Start,
    read: impl FnOnce(&mut Resolver) -> Option<T>,
) -> Result<(T, Resolver<'_>), SettingsError> {
    let mut resolver = Resolver::new(start).map_err(|problem| SettingsError(vec![problem]))?;
    match read(&mut resolver) {
        Some(settings) if resolver.problems.is_empty() => Ok((settings, resolver)),
        _ => Err(SettingsError(resolver.problems)),
    }
}

/// The master password from the file that `REDENV_MASTER_PASSWORD_FILE` names, if this variable is set.
///
/// # Errors
/// [`SettingsError`] for a file that can't be read or is empty.
pub(crate) fn master_password(process: &Environment) -> Result<Option<SecretText>, SettingsError> {
    let name = Setting::MasterPassword.variables()[0];
    let wrong = |problem| SettingsError(vec![problem]);
    let Some(path) = process.get(OsStr::new(name)) else { return Ok(None) };
    // No deadline, as at the prompt: the program that writes the file may ask somebody for the password.
    let password = sources::read_value(name, Path::new(path), None).map_err(wrong)?;
    if password.expose().is_empty() {
        return Err(wrong(Problem::Empty(name.to_owned())));
    }
    Ok(Some(password))
}

/// How much is printed: `-v`, `-q`, or their variables.
pub(crate) fn verbosity(flags: &Flags, process: &Environment) -> Verbosity {
    let is_on = |setting: Setting| {
        let value = process.get(OsStr::new(setting.variables()[0]));
        value.and_then(|value| boolean(value.to_str()?)).unwrap_or(false)
    };
    match (flags.contains_key(&Setting::Verbose), flags.contains_key(&Setting::Quiet)) {
        (true, _) => Verbosity::Verbose,
        (_, true) => Verbosity::Quiet,
        _ if is_on(Setting::Quiet) => Verbosity::Quiet,
        _ if is_on(Setting::Verbose) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    }
}

impl Resolver<'_> {
    fn selection(&mut self) -> Selection {
        Selection {
            only: self.list(Setting::Only),
            exclude: self.list(Setting::Exclude),
            scope: self.text(Setting::Scope),
            raw: self.switch(Setting::Raw),
            skip_broken: self.switch(Setting::SkipBroken),
        }
    }

    fn pins(&mut self) -> BTreeMap<String, Pin> {
        let mut pins = BTreeMap::new();
        let place = if self.sources.flags.contains_key(&Setting::Pin) {
            Setting::Pin.flag()
        } else {
            "REDENV_PIN".into()
        };
        for text in self.list(Setting::Pin) {
            let pin = text.rsplit_once('=').and_then(|(name, version)| Some((name, Pin::parse(version)?)));
            match pin {
                Some((name, pin)) => drop(pins.insert(name.to_owned(), pin)),
                None => self.problems.push(Problem::Pin(place.clone())),
            }
        }
        pins
    }

    fn policy(&mut self) -> Policy {
        let keep: BTreeSet<String> = self.list(Setting::Keep).into_iter().collect();
        let pristine = self.switch(Setting::Pristine);
        if !keep.is_empty() && !pristine {
            self.problems.push(Problem::Needs(Setting::Keep.flag(), Setting::Pristine.flag()));
        }
        let (flags, process) = (self.sources.flags, self.sources.process);
        let emptied = self.sources.env_file.names_to_empty();
        let was_emptied = |name: &_| process.get(name).is_some_and(|value| value.is_empty());
        let has_flag = [Setting::Project, Setting::Environments].iter().any(|it| flags.contains_key(it));
        Policy {
            is_nested: !has_flag && !emptied.is_empty() && emptied.iter().all(was_emptied),
            preserve: self.preserve(),
            own_names: process.keys().filter(|name| variables::is_own(name)).cloned().collect(),
            emptied,
            own: if self.switch(Setting::KeepToken) { OwnVariables::Keep } else { OwnVariables::Remove },
            inherit: if pristine { Inherit::Pristine { keep } } else { Inherit::All },
            allow_reserved: self.list(Setting::AllowReserved).into_iter().collect(),
            require: self.list(Setting::Require),
            require_from: self.require_from(),
        }
    }

    fn require_from(&mut self) -> Option<RequiredFile> {
        let (name, path) = self.path(Setting::RequireFrom)?;
        let read = file::read(&path, file::LIMIT, Some(self.sources.deadline));
        let file = match read.map(|bytes| env_file::names(&bytes)) {
            Ok(Ok(names)) if names.is_empty() => Err(Problem::RequiresNothing { name, path }),
            Ok(Ok(names)) => Ok(RequiredFile { path, names }),
            Ok(Err(line)) => Err(Problem::RequiredLine { name, path, line }),
            Err(error) => Err(Problem::Unreadable { name, path, error }),
        };
        self.kept(file)
    }

    /// `--preserve-env`, or `--preserve-env=A,B`; in the variable, `1` and `*` mean all.
    fn preserve(&mut self) -> Preserve {
        let names = self.list(Setting::PreserveEnv);
        let answer = match names.as_slice() {
            [one] if !self.sources.flags.contains_key(&Setting::PreserveEnv) => boolean(one),
            _ => None,
        };
        match answer {
            Some(true) => Preserve::All,
            None if names.iter().any(|name| name == "*") => Preserve::All,
            None if !names.is_empty() => Preserve::Names(names.into_iter().collect()),
            _ => Preserve::None,
        }
    }

    fn fallback(&mut self) -> Option<FallbackSettings> {
        let max_stale = self.duration(Setting::MaxStale);
        let path = self.path(Setting::Fallback);
        if path.is_none() && self.sources.flags.contains_key(&Setting::MaxStale) {
            self.problems.push(Problem::Needs(Setting::MaxStale.flag(), Setting::Fallback.flag()));
        }
        let offline = self.switch(Setting::Offline);
        if path.is_none() && offline {
            self.problems.push(Problem::Needs(Setting::Offline.flag(), Setting::Fallback.flag()));
        }
        Some(FallbackSettings { path: path?.1, max_stale, offline })
    }
}
