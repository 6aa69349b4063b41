//! redenv-run's own variables, and names that are probably misspelled ones.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::table::{self, Row};

/// The ending of a variable that holds the path of a file with the value.
pub(super) const FILE_SUFFIX: &str = "_FILE";

/// What a variable holds.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Form {
    /// `NAME`: the value itself.
    Value,
    /// `NAME_FILE`: the path of a file with the value.
    File,
}

/// The setting that a variable of this name holds.
pub(super) fn find(name: &[u8]) -> Option<(&'static Row, Form)> {
    // Almost every inherited name ends here.
    if !name.starts_with(b"REDENV_") && !name.starts_with(b"UPSTASH_REDIS_") {
        return None;
    }
    let holds = |name: &[u8]| {
        table::rows().find(|row| row.variables.iter().any(|variable| variable.as_bytes() == name))
    };
    match holds(name) {
        Some(row) => Some((row, Form::Value)),
        None => Some((holds(name.strip_suffix(FILE_SUFFIX.as_bytes())?)?, Form::File)),
    }
}

/// Whether a variable is one of redenv-run's own; a `NAME_FILE` is one too.
pub(crate) fn is_own(name: &OsStr) -> bool {
    find(name.as_bytes()).is_some()
}

/// Names from other tools and older docs, and what they are called here.
const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("REDENV_ENV", &["REDENV_ENVIRONMENT"]),
    ("REDENV_TOKEN", &["REDENV_TOKEN_ID", "REDENV_TOKEN_KEY"]),
    ("REDENV_UPSTASH_URL", &["UPSTASH_REDIS_URL"]),
    ("REDENV_UPSTASH_TOKEN", &["UPSTASH_REDIS_TOKEN"]),
    ("REDENV_MASTER_PASSWORD", &["REDENV_MASTER_PASSWORD_FILE"]),
];

/// redenv-run's own variables that a name probably means. The name differs by one typing mistake, or by two if
/// it is long.
pub(super) fn meant(name: &str) -> Vec<String> {
    let own = name.strip_prefix("REDENV_").or_else(|| name.strip_prefix("UPSTASH_REDIS_"));
    let Some(own) = own.filter(|_| !is_own(OsStr::new(name))) else { return Vec::new() };
    if let Some((_, meant)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        return meant.iter().map(|name| (*name).to_owned()).collect();
    }
    let slips = (own.len() / 4).min(2);
    let (base, suffix) = name.strip_suffix(FILE_SUFFIX).map_or((name, ""), |base| (base, FILE_SUFFIX));
    let known = table::rows().flat_map(|row| row.variables);
    let distances = known.map(|known| (strsim::osa_distance(known, base), known));
    let nearest = distances.filter(|(distance, _)| *distance <= slips).min();
    nearest.map(|(_, known)| format!("{known}{suffix}")).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_of_the_table_is_removed_from_the_command() {
        for row in table::rows() {
            assert_eq!(row.setting.row().variables, row.variables);
            for variable in row.variables {
                assert!(is_own(OsStr::new(variable)), "{variable}");
            }
        }
    }

    #[test]
    fn own_variables_and_their_file_forms_are_known() {
        for (name, own) in [
            ("REDENV_TOKEN_KEY", true),
            ("REDENV_TOKEN_KEY_FILE", true),
            ("UPSTASH_REDIS_REST_TOKEN_FILE", true),
            ("REDENV_MASTER_PASSWORD_FILE", true),
            ("REDENV_TOKEN_KEY_FILE_FILE", false),
            ("REDENV_SOMETHING_ELSE", false),
            ("UPSTASH_REDIS_PORT", false),
            ("MY_REDENV_TOKEN_KEY", false),
        ] {
            assert_eq!(is_own(OsStr::new(name)), own, "{name}");
        }
    }

    #[test]
    fn a_typo_is_told_from_a_variable_of_another_program() {
        for (name, expected) in [
            ("REDENV_ENVIROMENT", &["REDENV_ENVIRONMENT"][..]),
            ("REDENV_ENV", &["REDENV_ENVIRONMENT"]),
            ("REDENV_PROJET", &["REDENV_PROJECT"]),
            ("REDENV_TIMEUOT", &["REDENV_TIMEOUT"]),
            ("REDENV_TOKN_KEY_FILE", &["REDENV_TOKEN_KEY_FILE"]),
            ("REDENV_MASTER_PASSWORD", &["REDENV_MASTER_PASSWORD_FILE"]),
            ("REDENV_TOKEN", &["REDENV_TOKEN_ID", "REDENV_TOKEN_KEY"]),
            ("REDENV_UPSTASH_TOKEN", &["UPSTASH_REDIS_TOKEN"]),
            ("UPSTASH_REDIS_RESTURL", &["UPSTASH_REDIS_REST_URL"]),
            ("REDENV_ENVIRONMENT", &[]),
            ("REDENV_TOKEN_KEY_FILE", &[]),
            ("REDENV_KEY", &[]),
            ("REDENV_", &[]),
            ("UPSTASH_REDIS_PORT", &[]),
            ("UPSTASH_REDIS_HOST", &[]),
            ("MY_REDENV_PROJET", &[]),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
    }
}
