//! The launcher's own variables: the one table that reading, removing and documenting them share.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A variable that the launcher reads.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it may come from.
    pub(crate) sources: Sources,
}

/// Where a variable is read from.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Sources {
    /// The process' environment, or an env file.
    Anywhere,
    /// Only the process' environment: it widens what a vault may do or who is trusted, which a file
    /// in a stranger's directory must not.
    Process,
}

const fn anywhere(name: &'static str) -> Variable {
    Variable { name, sources: Sources::Anywhere }
}

const fn process(name: &'static str) -> Variable {
    Variable { name, sources: Sources::Process }
}

pub(crate) const TOKEN_ID: Variable = anywhere("REDENV_TOKEN_ID");
pub(crate) const TOKEN_KEY: Variable = anywhere("REDENV_TOKEN_KEY");
pub(crate) const TOKEN_SALT: Variable = anywhere("REDENV_TOKEN_SALT");
pub(crate) const URL: [Variable; 2] = [anywhere("UPSTASH_REDIS_URL"), anywhere("UPSTASH_REDIS_REST_URL")];
pub(crate) const TOKEN: [Variable; 2] =
    [anywhere("UPSTASH_REDIS_TOKEN"), anywhere("UPSTASH_REDIS_REST_TOKEN")];
pub(crate) const PROJECT: Variable = anywhere("REDENV_PROJECT");
pub(crate) const ENVIRONMENT: Variable = anywhere("REDENV_ENVIRONMENT");
pub(crate) const TIMEOUT: Variable = anywhere("REDENV_TIMEOUT");
pub(crate) const ALLOW_HTTP: Variable = anywhere("REDENV_ALLOW_HTTP");
pub(crate) const CA_FILE: Variable = process("REDENV_CA_FILE");
pub(crate) const FALLBACK: Variable = process("REDENV_FALLBACK");
pub(crate) const MAX_STALE: Variable = process("REDENV_MAX_STALE");
pub(crate) const ENV_FILE: Variable = process("REDENV_ENV_FILE");
pub(crate) const NO_ENV_FILE: Variable = process("REDENV_NO_ENV_FILE");
pub(crate) const ONLY: Variable = process("REDENV_ONLY");
pub(crate) const EXCLUDE: Variable = process("REDENV_EXCLUDE");
pub(crate) const SCOPE: Variable = process("REDENV_SCOPE");
pub(crate) const REQUIRE: Variable = process("REDENV_REQUIRE");
pub(crate) const PIN: Variable = process("REDENV_PIN");
pub(crate) const RAW: Variable = process("REDENV_RAW");
pub(crate) const SKIP_BROKEN: Variable = process("REDENV_SKIP_BROKEN");
pub(crate) const PRESERVE_ENV: Variable = process("REDENV_PRESERVE_ENV");
pub(crate) const KEEP_TOKEN: Variable = process("REDENV_KEEP_TOKEN");
pub(crate) const PRISTINE: Variable = process("REDENV_PRISTINE");
pub(crate) const KEEP: Variable = process("REDENV_KEEP");
pub(crate) const ALLOW_RESERVED: Variable = process("REDENV_ALLOW_RESERVED");
pub(crate) const FILE: Variable = process("REDENV_FILE");
pub(crate) const VERBOSE: Variable = process("REDENV_VERBOSE");
pub(crate) const QUIET: Variable = process("REDENV_QUIET");
pub(crate) const MASTER_PASSWORD_FILE: Variable = process("REDENV_MASTER_PASSWORD_FILE");

/// Every variable that the launcher reads.
pub(crate) const ALL: [Variable; 32] = [
    TOKEN_ID,
    TOKEN_KEY,
    TOKEN_SALT,
    URL[0],
    URL[1],
    TOKEN[0],
    TOKEN[1],
    PROJECT,
    ENVIRONMENT,
    TIMEOUT,
    ALLOW_HTTP,
    CA_FILE,
    FALLBACK,
    MAX_STALE,
    ENV_FILE,
    NO_ENV_FILE,
    ONLY,
    EXCLUDE,
    SCOPE,
    REQUIRE,
    PIN,
    RAW,
    SKIP_BROKEN,
    PRESERVE_ENV,
    KEEP_TOKEN,
    PRISTINE,
    KEEP,
    ALLOW_RESERVED,
    FILE,
    VERBOSE,
    QUIET,
    MASTER_PASSWORD_FILE,
];

/// The ending of a variable that holds the path of a file with the value.
pub(crate) const FILE_SUFFIX: &str = "_FILE";

/// What a variable's value is.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Form {
    /// `NAME`: the value itself.
    Value,
    /// `NAME_FILE`: the path of a file that holds it.
    File,
}

/// The launcher's own variable of this name.
pub(crate) fn find(name: &[u8]) -> Option<(Variable, Form)> {
    // Almost every inherited name ends here.
    if !name.starts_with(b"REDENV_") && !name.starts_with(b"UPSTASH_REDIS_") {
        return None;
    }
    let called = |name: &[u8]| ALL.iter().find(|variable| variable.name.as_bytes() == name).copied();
    match called(name) {
        Some(variable) => Some((variable, Form::Value)),
        None => Some((called(name.strip_suffix(FILE_SUFFIX.as_bytes())?)?, Form::File)),
    }
}

/// Names that seem to be the launcher's own, and what they are meant to be.
const SLIPS: [(&str, &str); 2] =
    [("REDENV_ENV", "REDENV_ENVIRONMENT"), ("REDENV_MASTER_PASSWORD", "REDENV_MASTER_PASSWORD_FILE")];

/// The own variable that a name which is none was meant to be: it differs by a slip, or by two where it is
/// long.
pub(crate) fn meant(name: &str) -> Option<String> {
    let own = name.strip_prefix("REDENV_").or_else(|| name.strip_prefix("UPSTASH_REDIS_"))?;
    if is_own(name) {
        return None;
    }
    if let Some((_, meant)) = SLIPS.iter().find(|(slip, _)| *slip == name) {
        return Some((*meant).to_owned());
    }
    let slips = (own.len() / 4).min(2);
    let near = |name: &str| {
        let distances = ALL.iter().map(|variable| (strsim::osa_distance(variable.name, name), variable.name));
        distances.filter(|(distance, _)| *distance <= slips).min()
    };
    match name.strip_suffix(FILE_SUFFIX) {
        Some(base) => near(base).map(|(_, meant)| format!("{meant}{FILE_SUFFIX}")),
        None => near(name).map(|(_, meant)| meant.to_owned()),
    }
}

/// Whether a variable is one of the launcher's own, a `_FILE` form too.
pub(crate) fn is_own(name: impl AsRef<OsStr>) -> bool {
    find(name.as_ref().as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_launchers_own_variables_and_their_file_forms_are_known() {
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
            assert_eq!(is_own(name), own, "{name}");
        }
    }

    #[test]
    fn a_slip_of_the_fingers_is_told_from_a_variable_of_others() {
        for (name, expected) in [
            ("REDENV_ENVIROMENT", Some("REDENV_ENVIRONMENT")),
            ("REDENV_ENV", Some("REDENV_ENVIRONMENT")),
            ("REDENV_PROJET", Some("REDENV_PROJECT")),
            ("REDENV_TIMEUOT", Some("REDENV_TIMEOUT")),
            ("REDENV_TOKN_KEY_FILE", Some("REDENV_TOKEN_KEY_FILE")),
            ("REDENV_MASTER_PASSWORD", Some("REDENV_MASTER_PASSWORD_FILE")),
            ("UPSTASH_REDIS_RESTURL", Some("UPSTASH_REDIS_REST_URL")),
            ("REDENV_ENVIRONMENT", None),
            ("REDENV_TOKEN_KEY_FILE", None),
            ("REDENV_TOKEN", None),
            ("REDENV_KEY", None),
            ("REDENV_", None),
            ("UPSTASH_REDIS_PORT", None),
            ("UPSTASH_REDIS_HOST", None),
            ("MY_REDENV_PROJET", None),
        ] {
            assert_eq!(meant(name).as_deref(), expected, "{name}");
        }
    }
}
