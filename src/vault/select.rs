//! Decides which secrets the command gets, and under which names; a pure function.
//!
//! Secrets are selected, their references are expanded over the whole set, then `--scope` strips its prefix. A
//! broken secret matters only if it is selected, or if a selected secret refers to it.

use std::collections::BTreeMap;
use std::fmt::Display;

use wildmatch::WildMatch;

use super::expand::{self, ExpandError};
use super::{Broken, DecryptedVault, Secret};
use crate::secret::SecretText;
use crate::ui::suggestion::name_hint;
use crate::ui::text::{Shown, join};

/// The user's selection. Names are vault names.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// `--only`: patterns; empty means all secrets.
    pub(crate) only: Vec<String>,
    /// `--exclude`: patterns.
    pub(crate) exclude: Vec<String>,
    /// `--scope`: a prefix.
    pub(crate) scope: Option<String>,
    /// `--raw`: `${NAME}` stays as it is.
    pub(crate) raw: bool,
    /// `--skip-broken`: a broken secret is skipped with a warning.
    pub(crate) skip_broken: bool,
}

/// The selected secrets.
#[derive(Debug, Default)]
pub(crate) struct Selected {
    /// The secrets by their names as the command sees them.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// What `--skip-broken` skipped, by vault names.
    pub(crate) skipped: BTreeMap<String, Broken>,
}

impl Selected {
    /// The names whose values still contain a reference to the skipped secret.
    pub(crate) fn referring_to<'s>(&'s self, skipped: &str) -> Vec<&'s str> {
        // References can't contain other names.
        let name = skipped.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let reference = format!("${{{skipped}}}");
        let refers = |secret: &Secret| name && secret.value.expose().contains(&reference);
        self.secrets.iter().filter(|(_, secret)| refers(secret)).map(|(name, _)| name.as_str()).collect()
    }
}

/// Why a selection can't be made.
#[derive(thiserror::Error, miette::Diagnostic, Debug, PartialEq, Eq)]
pub(crate) enum SelectError {
    #[error("{flag}: no secret matches {}", Shown(pattern))]
    #[diagnostic(help("{hint}"))]
    NoMatch { flag: &'static str, pattern: String, hint: String },
    #[error("cannot use {}", listed(_0))]
    #[diagnostic(help("set them again; --skip-broken skips them with a warning, --exclude leaves them out"))]
    Broken(BTreeMap<String, Broken>),
    #[error(transparent)]
    #[diagnostic(help("write \\${{NAME}} for a literal reference, or pass --raw to expand none"))]
    Expand(#[from] ExpandError),
    /// Vault names that no variable can have, and why.
    #[error("no variable can be named like {}", listed(_0))]
    #[diagnostic(help("rename the secret, or leave it out with --exclude"))]
    BadNames(BTreeMap<String, &'static str>),
}

/// The secrets, each with its problem.
fn listed<W: Display>(secrets: &BTreeMap<String, W>) -> String {
    let noun = if secrets.len() == 1 { "secret" } else { "secrets" };
    format!("{noun} {}", join(secrets.iter().map(|(name, why)| format!("{} ({why})", Shown(name)))))
}

/// Selects secrets from the decrypted vault.
pub(crate) fn select(mut vault: DecryptedVault, selection: &Selection) -> Result<Selected, SelectError> {
    let chosen = choose(&vault, selection)?;
    let mut broken: BTreeMap<String, Broken> = BTreeMap::new();
    let mut value = |name: &str| match vault.get(name)? {
        Ok(secret) => Some(secret.value.expose()),
        Err(why) => {
            broken.insert(name.to_owned(), *why);
            None
        }
    };
    for name in &chosen {
        value(name);
    }
    let mut expanded: BTreeMap<String, SecretText> = BTreeMap::new();
    if !selection.raw {
        let values = expand::expand(chosen.iter().map(String::as_str), value)?;
        expanded = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    }
    if !broken.is_empty() && !selection.skip_broken {
        return Err(SelectError::Broken(broken));
    }

    let mut selected = Selected { secrets: BTreeMap::new(), skipped: broken };
    let mut bad_names = BTreeMap::new();
    for vault_name in chosen {
        let Some(Ok(mut secret)) = vault.remove(&vault_name) else { continue };
        let scope = selection.scope.as_deref().unwrap_or_default();
        let name = vault_name.strip_prefix(scope).unwrap_or(&vault_name).to_owned();
        if let Some(problem) = name_problem(&name, scope) {
            bad_names.insert(vault_name, problem);
            continue;
        }
        if let Some(value) = expanded.remove(&vault_name) {
            secret.value = value;
        }
        selected.secrets.insert(name, secret);
    }
    if bad_names.is_empty() { Ok(selected) } else { Err(SelectError::BadNames(bad_names)) }
}

/// The vault names that remain after `--only`, `--exclude` and `--scope`.
fn choose(vault: &DecryptedVault, selection: &Selection) -> Result<Vec<String>, SelectError> {
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
    vault: &DecryptedVault,
) -> Result<Vec<WildMatch>, SelectError> {
    let compile = |text: &String| {
        let pattern = WildMatch::new(text);
        let matches = vault.keys().any(|name| pattern.matches(name));
        matches.then_some(pattern).ok_or_else(|| no_match(flag, text, vault))
    };
    texts.iter().map(compile).collect()
}

fn no_match(flag: &'static str, pattern: &str, vault: &DecryptedVault) -> SelectError {
    SelectError::NoMatch { flag, pattern: pattern.to_owned(), hint: name_hint(pattern, vault.keys()) }
}

fn name_problem(name: &str, scope: &str) -> Option<&'static str> {
    match name {
        "" if !scope.is_empty() => Some("empty without the prefix"),
        "" => Some("empty"),
        _ if name.contains('=') => Some("contains a `=`"),
        _ if name.contains('\0') => Some("contains a NUL byte"),
        _ => None,
    }
}
