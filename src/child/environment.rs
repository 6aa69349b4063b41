//! The command's environment: a pure function of the inherited variables, the secrets and the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

use crate::child::reserved;
use crate::ui::text::{Shown, join, shown_path};
use crate::vault::Secret;

/// An environment: a value per name. When a name appears twice, the last value wins, as in shells.
pub(crate) type Environment = BTreeMap<OsString, OsString>;

/// How inherited variables and secrets become the command's environment.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// `--preserve-env`: the inherited variables that a secret doesn't replace.
    pub(crate) preserve: Preserve,
    /// redenv-run's own variables in the inherited environment.
    pub(crate) own_names: BTreeSet<OsString>,
    /// redenv-run's own variables that the command gets with an empty value, because the command may read them
    /// in an env file.
    pub(crate) emptied: BTreeSet<OsString>,
    /// Whether another redenv-run started this one, and no flag here names the project or the environment.
    pub(crate) is_nested: bool,
    /// `--keep-token`: whether the command keeps redenv-run's own variables.
    pub(crate) own: OwnVariables,
    /// `--pristine`: the variables that the command inherits.
    pub(crate) inherit: Inherit,
    /// `--allow-reserved`: the reserved names that a secret may have.
    pub(crate) allow_reserved: BTreeSet<String>,
    /// `--require`: the secrets that must exist and must not be empty.
    pub(crate) require: Vec<String>,
    /// `--require-from`: the variables that must exist and must not be empty.
    pub(crate) require_from: Option<RequiredFile>,
}

/// A file and the variables that it defines.
#[derive(Debug)]
pub(crate) struct RequiredFile {
    pub(crate) path: PathBuf,
    pub(crate) names: BTreeSet<String>,
}

/// The inherited variables that a secret doesn't replace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Preserve {
    #[default]
    None,
    All,
    Names(BTreeSet<String>),
}

/// Whether the command gets redenv-run's own variables.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnVariables {
    #[default]
    Remove,
    Keep,
}

/// The variables that the command inherits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Inherit {
    #[default]
    All,
    /// Only [`PRISTINE`] and these.
    Pristine { keep: BTreeSet<String> },
}

/// The variables that `--pristine` keeps. A `*` matches any text.
pub(crate) const PRISTINE: [&str; 11] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "LANG", "TMPDIR", "PWD", "LC_*"];

/// The command's environment, and what happened to each name.
#[derive(Debug, Default)]
pub(crate) struct Child {
    pub(crate) environment: Environment,
    /// In-memory files, open until they are dropped. The environment has their paths.
    pub(crate) files: Vec<OwnedFd>,
    /// Secrets in the environment.
    pub(crate) injected: BTreeSet<String>,
    /// Inherited variables that a secret replaced.
    pub(crate) replaced: BTreeSet<String>,
    /// Variables of an outer redenv-run that get another value.
    pub(crate) changed: BTreeSet<String>,
    /// Inherited variables that `--preserve-env` kept, and no secret replaced.
    pub(crate) preserved: BTreeSet<String>,
    /// redenv-run's own variables that were removed.
    pub(crate) removed: BTreeSet<String>,
}

/// Why the environment can't be built.
#[derive(Debug, PartialEq, Eq, Error, Diagnostic)]
pub(crate) enum EnvironmentError {
    #[error("secrets may not be named {reasons}")]
    #[diagnostic(help("leave out with --exclude {vault_names}, or allow with --allow-reserved {names}"))]
    Reserved { reasons: String, vault_names: String, names: String },
    /// The missing and empty names, as the message lists them.
    #[error("required secrets: {0}")]
    #[diagnostic(help("--require takes names as the command sees them; `redenv-run check` lists them"))]
    Required(String),
    #[error("variables that {} defines: {unmet}", shown_path(path))]
    #[diagnostic(help(
        "add each to the vault, or export it; --only, --exclude and --scope may have left it out"
    ))]
    RequiredByFile { path: PathBuf, unmet: String },
}

/// Builds the command's environment: the inherited variables without redenv-run's own, then the secrets.
pub(crate) fn build(
    inherited: Environment,
    secrets: &BTreeMap<String, Secret>,
    policy: &Policy,
) -> Result<Child, EnvironmentError> {
    let mut child = Child::default();
    for (name, value) in inherited {
        let is_own = policy.own_names.contains(&name);
        if is_own && policy.own == OwnVariables::Remove {
            child.removed.insert(name.to_string_lossy().into_owned());
        } else if is_own || policy.inherit.covers(&name) {
            child.environment.insert(name, value);
        }
    }
    let (mut reasons, mut vault_names, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (name, secret) in secrets {
        let key = OsStr::new(name);
        if let Some(inherited) = child.environment.get(key) {
            if policy.preserve.covers(name) {
                child.preserved.insert(name.clone());
                continue;
            }
            if policy.is_nested && inherited != secret.value.expose() {
                child.changed.insert(name.clone());
            }
            child.replaced.insert(name.clone());
        }
        if let Some(row) = reserved::find(name)
            && !policy.allow_reserved.contains(name)
        {
            reasons.push(format!("{} ({} would {})", Shown(name), row.program, row.effect));
            vault_names.push(Shown(&secret.vault_name).to_string());
            names.push(Shown(name).to_string());
        }
        child.environment.insert(key.to_owned(), secret.value.expose().into());
        child.injected.insert(name.clone());
    }
    if !names.is_empty() {
        let (vault_names, names) = (vault_names.join(","), names.join(","));
        return Err(EnvironmentError::Reserved { reasons: join(reasons), vault_names, names });
    }
    policy.check_required(secrets, &child.environment)?;
    if policy.own == OwnVariables::Remove {
        for name in &policy.emptied {
            child.environment.entry(name.clone()).or_default();
        }
    }
    Ok(child)
}

impl Policy {
    fn check_required(
        &self,
        secrets: &BTreeMap<String, Secret>,
        environment: &Environment,
    ) -> Result<(), EnvironmentError> {
        check_values(&self.require, |name| secrets.get(name).and_then(|_| environment.get(OsStr::new(name))))
            .map_err(EnvironmentError::Required)?;
        if let Some(RequiredFile { path, names }) = &self.require_from {
            check_values(names, |name| environment.get(OsStr::new(name)))
                .map_err(|unmet| EnvironmentError::RequiredByFile { path: path.clone(), unmet })?;
        }
        Ok(())
    }
}

/// Checks that each name has a value that is not empty. The error lists the names that have none.
fn check_values<'n, 'v>(
    names: impl IntoIterator<Item = &'n String>,
    value: impl Fn(&str) -> Option<&'v OsString>,
) -> Result<(), String> {
    let unmet = names.into_iter().filter(|name| value(name).is_none_or(|value| value.is_empty()));
    let (missing, empty): (Vec<_>, Vec<_>) =
        unmet.map(|name| Shown(name)).partition(|name| value(name.0).is_none());
    match (missing.is_empty(), empty.is_empty()) {
        (true, true) => Ok(()),
        (false, true) => Err(format!("{} missing", join(missing))),
        (true, false) => Err(format!("{} empty", join(empty))),
        (false, false) => Err(format!("{} missing; {} empty", join(missing), join(empty))),
    }
}

impl Inherit {
    fn covers(&self, name: &OsStr) -> bool {
        match self {
            Self::All => true,
            Self::Pristine { keep } => name.to_str().is_some_and(|name| {
                PRISTINE.iter().any(|pattern| reserved::matches(pattern, name)) || keep.contains(name)
            }),
        }
    }
}

impl Preserve {
    fn covers(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Names(names) => names.contains(name),
        }
    }
}

#[cfg(test)]
mod tests;
