//! Everything that is set, resolved into types that can't be wrong.
//!
//! A flag beats a variable of the process, which beats the env file, which beats the project file.

mod env_file;
mod problem;
mod project;
mod project_file;
mod resolver;
mod small_file;
mod source;
mod store;
pub(crate) mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::child::environment::{Environment, Policy};
use crate::cli::token::TokenOptions;
use crate::cli::{LaunchArgs, OutputArgs, ProjectArgs};
use crate::secret::SecretText;
use crate::ui::report::Verbosity;
use crate::upstash::{Address, Network};
use crate::vault::crypto::Salt;
use crate::vault::fallback::FallbackSettings;
use crate::vault::select::Selection;
use crate::vault::{Name, Pin};

pub(crate) use problem::{Problem, SettingsError};

use resolver::Resolver;
use variables as var;
use variables::Variable;

const DEFAULT_ENVIRONMENT: &str = "development";
const DEFAULT_MAX_STALE: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a launch needs to know.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) project: Name,
    pub(crate) environments: Vec<Name>,
    pub(crate) token: ServiceToken,
    pub(crate) store: Store,
    pub(crate) selection: Selection,
    pub(crate) pins: BTreeMap<String, Pin>,
    pub(crate) policy: Policy,
    /// `--file`: the names, as COMMAND sees them, whose values go into memory files.
    pub(crate) files: BTreeSet<String>,
    /// `--fallback`: off by default.
    pub(crate) fallback: Option<FallbackSettings>,
    /// What the user should know although it is no error.
    pub(crate) warnings: Vec<String>,
    /// The files that were read for it, by chance or by name.
    pub(crate) read: Vec<PathBuf>,
}

/// A service token: its public id, its key, and its salt where that is known.
#[derive(Debug)]
pub(crate) struct ServiceToken {
    pub(crate) id: String,
    pub(crate) key: Arc<SecretText>,
    pub(crate) salt: Option<Salt>,
}

/// The database and how it is reached.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) address: Address,
    pub(crate) token: SecretText,
    pub(crate) network: Network,
    pub(crate) timeout: Duration,
}

impl Settings {
    /// Resolves the settings of a launch that began at `at`.
    ///
    /// # Errors
    /// [`SettingsError`]: everything that is missing or wrong, at once.
    pub(crate) fn resolve(
        args: &LaunchArgs,
        process: &Environment,
        at: Instant,
    ) -> Result<Self, SettingsError> {
        let mut resolver = Resolver::new(&args.env_file, &args.network, process, at)?;
        let token = resolver.service_token();
        let store = resolver.store(&args.network);
        let ProjectArgs { project, environments } = &args.project;
        let (project, environments) = resolver.project(project.as_deref(), Some(environments));
        let selection = resolver.selection(&args.selection);
        let pins = resolver.pins(&args.selection);
        let policy = resolver.policy(&args.environment);
        let fallback = resolver.fallback(&args.fallback);
        let files = resolver.list(&args.environment.file, var::FILE).into_iter().collect();
        match (token, store, project, resolver.problems.is_empty()) {
            (Some(token), Some(store), Some(project), true) => Ok(Self {
                project,
                environments,
                token,
                store,
                selection,
                pins,
                policy,
                files,
                fallback,
                warnings: resolver.warnings,
                read: resolver.read,
            }),
            _ => Err(SettingsError(resolver.problems)),
        }
    }
}

/// What it takes to change a project's tokens: no service token, no environment.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) project: Name,
    pub(crate) store: Store,
    /// What the user should know although it is no error.
    pub(crate) warnings: Vec<String>,
}

impl Access {
    /// Resolves the project and its store.
    ///
    /// # Errors
    /// [`SettingsError`]: everything that is missing or wrong, at once.
    pub(crate) fn resolve(
        args: &TokenOptions,
        process: &Environment,
        at: Instant,
    ) -> Result<Self, SettingsError> {
        let mut resolver = Resolver::new(&args.env_file, &args.network, process, at)?;
        let store = resolver.store(&args.network);
        let (project, _) = resolver.project(args.project.as_deref(), None);
        match (store, project, resolver.problems.is_empty()) {
            (Some(store), Some(project), true) => Ok(Self { project, store, warnings: resolver.warnings }),
            _ => Err(SettingsError(resolver.problems)),
        }
    }
}

/// The master password from the file that `REDENV_MASTER_PASSWORD_FILE` names, where it is set.
///
/// # Errors
/// [`SettingsError`] where that file can't be read, or is empty.
pub(crate) fn master_password(process: &Environment) -> Result<Option<SecretText>, SettingsError> {
    let name = var::MASTER_PASSWORD_FILE.name;
    let wrong = |problem| SettingsError(vec![problem]);
    let Some(path) = process.get(OsStr::new(name)) else { return Ok(None) };
    // Waited for as at the prompt: what writes it may itself be asking somebody.
    let password = source::read_value(name, Path::new(path), None).map_err(wrong)?;
    if password.expose().is_empty() {
        return Err(wrong(Problem::Empty(name.to_owned())));
    }
    Ok(Some(password))
}

/// How much is said: `-v`, `-q`, or their variables.
pub(crate) fn verbosity(args: OutputArgs, process: &Environment) -> Verbosity {
    let set = |variable: Variable| {
        process.get(OsStr::new(variable.name)).and_then(|value| boolean(value.to_str()?)).unwrap_or(false)
    };
    match (args.verbose, args.quiet) {
        (true, _) => Verbosity::Verbose,
        (_, true) => Verbosity::Quiet,
        _ if set(var::QUIET) => Verbosity::Quiet,
        _ if set(var::VERBOSE) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" | "" => Some(false),
        _ => None,
    }
}

/// The flag that a variable stands for.
fn flag_of(variable: Variable) -> String {
    let name = variable.name.trim_start_matches("REDENV_");
    format!("--{}", name.to_ascii_lowercase().replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_read_generously() {
        for (text, expected) in
            [("1", Some(true)), ("TRUE", Some(true)), ("off", Some(false)), ("", Some(false)), ("2", None)]
        {
            assert_eq!(boolean(text), expected, "{text}");
        }
    }
}
