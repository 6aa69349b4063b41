//! Which secrets, under which names: a pure function from the opened vault and the request.
//!
//! References are expanded over the whole set, then the secrets are selected, then `--scope` takes
//! its prefix off. Only what is selected, and what that refers to, needs to open.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::SystemTime;

use wildmatch::WildMatch;

use crate::expand::{self, ExpandError, Value};
use crate::report::{Shown, nearest};
use crate::secret::SecretText;
use crate::vault::{Broken, Name, Opened, OpenedVault};

/// What is asked for; names as in the vault.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// `--only`: nothing else; empty is everything.
    pub(crate) only: Vec<String>,
    /// `--exclude`: not these.
    pub(crate) exclude: Vec<String>,
    /// `--scope`: only these, without the prefix.
    pub(crate) scope: Option<String>,
    /// `--raw`: references stay as they are.
    pub(crate) references: References,
    /// `--skip-broken`: start without what can't be opened.
    pub(crate) broken: OnBroken,
}

/// What becomes of `${NAME}`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum References {
    /// It is expanded.
    #[default]
    Expand,
    /// It stays: `--raw`.
    Keep,
}

/// What becomes of a secret that can't be opened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnBroken {
    /// The launch fails.
    #[default]
    Refuse,
    /// It is left out, with a warning: `--skip-broken`.
    Skip,
}

/// A secret as COMMAND gets it.
#[derive(Debug)]
pub(crate) struct Secret {
    /// Its name in the vault.
    pub(crate) vault_name: String,
    /// The environment it came from.
    pub(crate) environment: Name,
    /// Its version, where known.
    pub(crate) version: Option<u64>,
    /// When that version was written.
    pub(crate) created_at: Option<SystemTime>,
    /// Its value.
    pub(crate) value: SecretText,
}

/// The selected secrets, by their name as COMMAND sees it, and those that were skipped.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    /// What COMMAND gets.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// What `--skip-broken` left out, by its name in the vault.
    pub(crate) skipped: BTreeMap<String, Unusable>,
}

/// Why a secret has no value for COMMAND.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It can't be opened.
    Broken(Broken),
    /// It refers to this one, which can't be opened, perhaps through others.
    RefersTo(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(why) => why.fmt(f),
            Self::RefersTo(name) => write!(f, "it refers to {}, which can't be opened", Shown(name)),
        }
    }
}

/// Why a selection can't be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SelectError {
    /// A pattern, name or prefix that matches nothing, its flag, and the nearest name.
    NoMatch { flag: &'static str, pattern: String, nearest: Option<String> },
    /// Secrets that are needed and can't be opened, and the selected ones that refer to others of them
    /// than selected ones.
    Broken(BTreeMap<String, Unusable>),
    /// References that can't be expanded.
    Expand(ExpandError),
    /// Names that no variable can have, as COMMAND would see them.
    BadNames(Vec<BadName>),
}

/// A name that no variable can have, as it is in the vault, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadName {
    /// The name in the vault.
    pub(crate) name: String,
    /// What is wrong with it.
    pub(crate) problem: &'static str,
}

/// Selects from the opened vault.
///
/// # Errors
/// [`SelectError`]: patterns that match nothing, broken secrets, cycles, impossible names.
pub(crate) fn select(mut vault: OpenedVault, selection: &Selection) -> Result<Selected, SelectError> {
    let chosen = choose(&vault, selection)?;
    let mut unusable: BTreeMap<String, Unusable> = BTreeMap::new();
    let mut expanded: BTreeMap<String, SecretText> = BTreeMap::new();
    let mut lookup = |name: &'_ str| match vault.get(name).map(|opened| opened.value.as_ref()) {
        Some(Ok(text)) => Value::Text(text.expose()),
        Some(Err(why)) => {
            unusable.insert(name.to_owned(), Unusable::Broken(*why));
            Value::Broken
        }
        None => Value::Missing,
    };
    match selection.references {
        References::Keep => {
            for name in &chosen {
                lookup(name);
            }
        }
        References::Expand => {
            let done =
                expand::expand(chosen.iter().map(String::as_str), lookup).map_err(SelectError::Expand)?;
            for (name, value) in done.into_iter().filter(|(name, _)| chosen.contains(*name)) {
                match value {
                    Ok(text) => drop(expanded.insert(name.to_owned(), text)),
                    // It is broken itself.
                    Err(broken) if broken == name => {}
                    // What refers to another selected one is mended with that.
                    Err(broken) if selection.broken == OnBroken::Refuse && chosen.contains(broken) => {}
                    Err(broken) => {
                        unusable.insert(name.to_owned(), Unusable::RefersTo(broken.to_owned()));
                    }
                }
            }
        }
    }
    if !unusable.is_empty() && selection.broken == OnBroken::Refuse {
        return Err(SelectError::Broken(unusable));
    }

    let mut selected = Selected { secrets: BTreeMap::new(), skipped: unusable };
    let mut bad_names = Vec::new();
    for vault_name in chosen {
        let Some(Opened { environment, version, created_at, value: Ok(value) }) = vault.remove(&vault_name)
        else {
            continue;
        };
        if selected.skipped.contains_key(&vault_name) {
            continue;
        }
        let scope = selection.scope.as_deref().unwrap_or_default();
        let name = vault_name.strip_prefix(scope).unwrap_or(&vault_name).to_owned();
        if let Some(problem) = name_problem(&name, scope) {
            bad_names.push(BadName { name: vault_name, problem });
            continue;
        }
        let value = expanded.remove(&vault_name).unwrap_or(value);
        selected.secrets.insert(name, Secret { vault_name, environment, version, created_at, value });
    }
    if bad_names.is_empty() { Ok(selected) } else { Err(SelectError::BadNames(bad_names)) }
}

/// The names in the vault that `--only`, `--exclude` and `--scope` leave.
fn choose(vault: &OpenedVault, selection: &Selection) -> Result<BTreeSet<String>, SelectError> {
    let in_scope = |name: &str| selection.scope.as_deref().is_none_or(|scope| name.starts_with(scope));
    if let Some(scope) = &selection.scope
        && !vault.keys().any(|name| in_scope(name))
    {
        return Err(no_match("--scope", scope, vault));
    }
    let only = patterns("--only", &selection.only, vault)?;
    let exclude = patterns("--exclude", &selection.exclude, vault)?;
    let any = |patterns: &[WildMatch], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
    Ok(vault
        .keys()
        .filter(|name| in_scope(name))
        .filter(|name| only.is_empty() || any(&only, name))
        .filter(|name| !any(&exclude, name))
        .cloned()
        .collect())
}

fn patterns(
    flag: &'static str,
    texts: &[String],
    vault: &OpenedVault,
) -> Result<Vec<WildMatch>, SelectError> {
    let compile = |text: &String| {
        let pattern = WildMatch::new(text);
        let matches = vault.keys().any(|name| pattern.matches(name));
        matches.then_some(pattern).ok_or_else(|| no_match(flag, text, vault))
    };
    texts.iter().map(compile).collect()
}

fn no_match(flag: &'static str, pattern: &str, vault: &OpenedVault) -> SelectError {
    let nearest = nearest(pattern, vault.keys().map(String::as_str)).map(String::from);
    SelectError::NoMatch { flag, pattern: pattern.to_owned(), nearest }
}

fn name_problem(name: &str, scope: &str) -> Option<&'static str> {
    match name {
        "" if !scope.is_empty() => Some("is empty without the prefix"),
        "" => Some("is empty"),
        _ if name.contains('=') => Some("holds a `=`"),
        _ if name.contains('\0') => Some("holds a NUL byte"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
