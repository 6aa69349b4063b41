//! COMMAND's environment: a pure function from what was inherited, the secrets and the policy.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use crate::settings::variables;
use crate::vault::select::Secret;

/// An environment: a value per name. Of duplicate names the last one counts, as shells read them.
pub(crate) type Environment = BTreeMap<OsString, OsString>;

/// What becomes of the variables.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// `--preserve-env`: which inherited variables a secret doesn't replace.
    pub(crate) preserve: Preserve,
    /// `--keep-token`: whether the launcher's own variables go on to COMMAND.
    pub(crate) own: OwnVariables,
    /// `--pristine`: what is inherited at all.
    pub(crate) inherit: Inherit,
    /// `--allow-reserved`: the reserved names a secret may have.
    pub(crate) allow_reserved: BTreeSet<String>,
    /// `--require`: the names that must be there, and not empty.
    pub(crate) require: Vec<String>,
}

/// Which inherited variables a secret doesn't replace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Preserve {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// These.
    Names(BTreeSet<String>),
}

/// What becomes of the launcher's own variables.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnVariables {
    /// They are removed.
    #[default]
    Remove,
    /// They are passed on.
    Keep,
}

/// What is inherited.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Inherit {
    /// Everything.
    #[default]
    All,
    /// A handful of names that programs can't do without, and these.
    Pristine { keep: BTreeSet<String> },
}

/// What `--pristine` keeps, beside names that begin with `LC_`.
pub(crate) const PRISTINE: [&str; 11] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "LANG", "TMPDIR", "PWD", "LC_*"];

/// Names through which a value becomes code in COMMAND; a trailing `*` stands for any ending.
pub(crate) const RESERVED: [&str; 21] = [
    "PATH",
    "LD_*",
    "DYLD_*",
    "GLIBC_TUNABLES",
    "BASH_ENV",
    "BASH_FUNC_*",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "NODE_OPTIONS",
    "PYTHONSTARTUP",
    "PYTHONPATH",
    "PYTHONHOME",
    "PERL5OPT",
    "PERL5LIB",
    "RUBYOPT",
    "RUBYLIB",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
];

/// COMMAND's environment and what was done for it, by name.
#[derive(Debug, Default)]
pub(crate) struct Child {
    /// The environment.
    pub(crate) environment: Environment,
    /// Secrets that are in it.
    pub(crate) injected: BTreeSet<String>,
    /// Inherited variables that a secret replaced.
    pub(crate) replaced: Vec<String>,
    /// Secrets that `--preserve-env` kept out.
    pub(crate) preserved: Vec<String>,
    /// The launcher's own variables that were removed.
    pub(crate) removed: Vec<String>,
}

/// Why there is no environment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EnvironmentError {
    /// Secrets of reserved names.
    Reserved(Vec<String>),
    /// Required names that are missing, and required ones that are empty.
    Required { missing: Vec<String>, empty: Vec<String> },
}

/// Puts COMMAND's environment together: inherited, less the launcher's own, then the secrets.
///
/// # Errors
/// [`EnvironmentError`]: reserved names, or required ones that aren't there.
pub(crate) fn build(
    inherited: Environment,
    secrets: &BTreeMap<String, Secret>,
    policy: &Policy,
) -> Result<Child, EnvironmentError> {
    let mut child = Child::default();
    for (name, value) in inherited {
        if policy.own == OwnVariables::Remove && variables::is_own(&name) {
            child.removed.push(name.to_string_lossy().into_owned());
        } else if policy.inherits(&name) {
            child.environment.insert(name, value);
        }
    }
    let mut reserved = Vec::new();
    for (name, secret) in secrets {
        let key = OsStr::new(name);
        if child.environment.contains_key(key) {
            if policy.preserve.covers(name) {
                child.preserved.push(name.clone());
                continue;
            }
            child.replaced.push(name.clone());
        }
        if is_reserved(name) && !policy.allow_reserved.contains(name) {
            reserved.push(name.clone());
        }
        child.environment.insert(key.to_owned(), secret.value.expose().into());
        child.injected.insert(name.clone());
    }
    if !reserved.is_empty() {
        return Err(EnvironmentError::Reserved(reserved));
    }
    policy.check_required(secrets, &child.environment)?;
    Ok(child)
}

impl Policy {
    fn inherits(&self, name: &OsStr) -> bool {
        match &self.inherit {
            Inherit::All => true,
            Inherit::Pristine { keep } => {
                name.to_str().is_some_and(|name| matches_any(name, &PRISTINE) || keep.contains(name))
                    || (self.own == OwnVariables::Keep && variables::is_own(name))
            }
        }
    }

    fn check_required(
        &self,
        secrets: &BTreeMap<String, Secret>,
        environment: &Environment,
    ) -> Result<(), EnvironmentError> {
        let (mut missing, mut empty) = (Vec::new(), Vec::new());
        for name in &self.require {
            if !secrets.contains_key(name) {
                missing.push(name.clone());
            } else if environment.get(OsStr::new(name)).is_none_or(|value| value.is_empty()) {
                empty.push(name.clone());
            }
        }
        if missing.is_empty() && empty.is_empty() {
            Ok(())
        } else {
            Err(EnvironmentError::Required { missing, empty })
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

/// Whether a value under this name becomes code in COMMAND.
pub(crate) fn is_reserved(name: &str) -> bool {
    matches_any(name, &RESERVED)
}

fn matches_any(name: &str, patterns: &[&str]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *pattern,
    })
}

#[cfg(test)]
mod tests;
