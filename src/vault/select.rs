//! Which secrets, under which names: a pure function from the opened vault and the request.
//!
//! References are expanded over the whole set, then the secrets are selected, then `--scope` takes
//! its prefix off. Only what is selected, and what that refers to, needs to open.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use wildmatch::WildMatch;

use crate::secret::SecretText;
use crate::ui::report::nearest;
use crate::vault::expand::{self, ExpandError};
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
    pub(crate) skipped: BTreeMap<String, Broken>,
}

impl Selected {
    /// The names whose values hold a reference to one that was skipped, as it stands.
    pub(crate) fn referring_to<'s>(&'s self, skipped: &str) -> Vec<&'s str> {
        // What isn't such a name can't be referred to.
        let name = skipped.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let reference = format!("${{{skipped}}}");
        let holds = |secret: &Secret| name && secret.value.expose().contains(&reference);
        self.secrets.iter().filter(|(_, secret)| holds(secret)).map(|(name, _)| name.as_str()).collect()
    }
}

/// Why a selection can't be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SelectError {
    /// A pattern, name or prefix that matches nothing, its flag, and the nearest name.
    NoMatch { flag: &'static str, pattern: String, nearest: Option<String> },
    /// Secrets that are needed and can't be opened.
    Broken(BTreeMap<String, Broken>),
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
    let mut needed_broken: BTreeSet<String> = BTreeSet::new();
    let mut expanded: BTreeMap<String, SecretText> = {
        let mut lookup = |name: &'_ str| {
            let value = vault.get(name)?.value.as_ref().ok();
            if value.is_none() {
                needed_broken.insert(name.to_owned());
            }
            value.map(SecretText::expose)
        };
        match selection.references {
            References::Expand => expand::expand(chosen.iter().map(String::as_str), lookup)
                .map_err(SelectError::Expand)?
                .into_iter()
                .filter(|(name, _)| chosen.contains(*name))
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            References::Keep => {
                for name in &chosen {
                    let _ = lookup(name);
                }
                BTreeMap::new()
            }
        }
    };
    let broken: BTreeMap<String, Broken> = needed_broken
        .into_iter()
        .filter_map(|name| {
            let reason = *vault.get(&name)?.value.as_ref().err()?;
            Some((name, reason))
        })
        .collect();
    if !broken.is_empty() && selection.broken == OnBroken::Refuse {
        return Err(SelectError::Broken(broken));
    }

    let mut selected = Selected { secrets: BTreeMap::new(), skipped: broken };
    let mut bad_names = Vec::new();
    for vault_name in chosen {
        let Some(Opened { environment, version, created_at, value: Ok(value) }) = vault.remove(&vault_name)
        else {
            continue;
        };
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
