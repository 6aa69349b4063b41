//! What can be wrong with the settings, and what to type next. Never contains a value.

use std::fmt;
use std::path::PathBuf;

use miette::Diagnostic;

use super::file::FileError;
use super::table::Setting;
use crate::ui::text::{join, shown_path};
use crate::upstash::address::BadAddress;
use crate::upstash::proxy::BadProxy;

/// One thing that is wrong with one setting. A `String` is how the setting was set.
#[derive(thiserror::Error, Diagnostic, Debug)]
pub(crate) enum Problem {
    #[error("{0} is not set")]
    #[diagnostic(help("{}", missing_hint(_0)))]
    Missing(&'static str),
    /// An env file has the URL but not the token, or the token but not the URL.
    #[error("{name} is missing in {}", shown_path(path))]
    #[diagnostic(help(
        "add this line to {}, from the database's page: {name}=<the {}>",
        shown_path(path),
        if *name == "UPSTASH_REDIS_TOKEN" { "read-only token" } else { "REST URL" }
    ))]
    MissingInFile { name: &'static str, path: PathBuf },
    #[error("{name} is not set in the environment, but {other} is")]
    #[diagnostic(help("set URL and token in the same place: a file must not send your token elsewhere"))]
    OtherSource { name: &'static str, other: String },
    #[error("{0} and {0}_FILE are both set")]
    #[diagnostic(help("unset {0} or {0}_FILE"))]
    BothForms(&'static str),
    #[error("{0} is empty")]
    #[diagnostic(help("{}", empty_hint(_0)))]
    Empty(String),
    #[error("{0} is not UTF-8")]
    NotUtf8(String),
    #[error("cannot read {} ({name}): {error}", shown_path(path))]
    #[diagnostic(forward(error))]
    Unreadable { name: String, path: PathBuf, error: FileError },
    /// White space or quotes.
    #[error("{name} has {what} around its value")]
    #[diagnostic(help(
        "remove them: redenv-run uses the value of {name} unchanged (docker's --env-file keeps quotes)"
    ))]
    Surrounded { name: String, what: &'static str },
    #[error("{0} starts with `Bearer `")]
    #[diagnostic(help("set it to the token alone"))]
    Bearer(String),
    #[error("{name} holds a token {what}")]
    #[diagnostic(help("the ID (stk_...) and the key (redenv_sk_...) seem to be swapped"))]
    Swapped { name: String, what: &'static str },
    #[error("{0} is not 32 hex digits")]
    #[diagnostic(help(
        "`redenv-run token create --format env` prints the salt; without a salt, a launch only takes longer"
    ))]
    Salt(String),
    #[error("{name} {problem}")]
    #[diagnostic(forward(problem))]
    Address { name: String, problem: BadAddress },
    #[error("REDENV_ALLOW_HTTP in {} counts only for a URL in the same file", shown_path(.0))]
    AllowsOwnHttp(PathBuf),
    #[error("{0} is not a duration above zero")]
    #[diagnostic(help("use a duration such as 10s, 500ms or 24h"))]
    Duration(String),
    #[error("{0} is neither 1 nor 0")]
    #[diagnostic(help("set it to 1 or 0"))]
    Boolean(String),
    #[error("{0} is not NAME=VERSION")]
    #[diagnostic(help("use NAME=3 for version 3, or NAME=~1 for the previous one"))]
    Pin(String),
    #[error("{} ({name}) is malformed: line {line} is not NAME=VALUE", shown_path(path))]
    #[diagnostic(help("correct that line, or name another file"))]
    RequiredLine { name: String, path: PathBuf, line: usize },
    #[error("{} ({name}) defines no variables", shown_path(path))]
    #[diagnostic(help("name a file with a NAME= line per variable, such as .env.example"))]
    RequiresNothing { name: String, path: PathBuf },
    #[error("{0} needs {1}")]
    Needs(String, String),
    #[error("{variable} is not set, and `{key}` in {} is not a literal string", shown_path(path))]
    #[diagnostic(help("redenv-run reads the project file and never runs it: give the {key} with {flag}"))]
    NotLiteral { variable: &'static str, key: &'static str, path: PathBuf, flag: String },
    #[error("cannot read {}: {error}", shown_path(path))]
    #[diagnostic(help("{}", error.hint_or("--no-env-file starts without it, --env-file names another")))]
    EnvFile { path: PathBuf, error: FileError },
    #[error("{} is malformed: line {line} is not {what}", shown_path(path))]
    #[diagnostic(help("correct that line; --no-env-file starts without the file, --env-file names another"))]
    EnvFileLine { path: PathBuf, line: usize, what: &'static str },
    #[error("cannot read {}: {error}", shown_path(path))]
    ProjectFile { path: PathBuf, error: FileError },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Proxy(BadProxy),
    #[error("cannot read {} ({name}): {error}", shown_path(path))]
    #[diagnostic(help("{}", error.hint_or(
        "correct the path, or leave it out: the bundled certificates are enough for Upstash"
    )))]
    CertificateFile { name: String, path: PathBuf, error: FileError },
}

/// Where to set a variable that is not set.
fn missing_hint(name: &str) -> String {
    let put = "put each into .env.local, here or above, or into the environment; \
        if a file holds the value, set NAME_FILE to its path";
    match name {
        "REDENV_PROJECT" => {
            "set it with -p NAME, in REDENV_PROJECT, or as `name` in a redenv.config file here or above"
                .into()
        }
        "REDENV_TOKEN_ID" | "REDENV_TOKEN_KEY" => format!("{put}; `redenv-run token create` creates a token"),
        _ => format!("{put}; the database's page in Upstash's console shows its URL and tokens"),
    }
}

/// How to set a variable or a flag that is empty.
fn empty_hint(name: &str) -> String {
    use Setting as S;
    // Without one of these a launch is impossible.
    let needed = [S::TokenId, S::TokenKey, S::UpstashUrl, S::UpstashToken];
    if name.starts_with("--") {
        format!("give {name} a value, or leave it out")
    } else if needed.iter().any(|setting| setting.variables().contains(&name)) {
        format!(
            "set {name}: an undefined CI secret is empty, and a pull request from a fork gets no CI secrets"
        )
    } else {
        format!("give {name} a value, or unset it")
    }
}

/// Everything that is wrong with the settings, at once.
#[derive(thiserror::Error, Debug)]
#[error("{}", one_line(.0))]
pub(crate) struct SettingsError(pub(super) Vec<Problem>);

/// The settings that are missing, those that are empty, and the rest.
fn one_line(problems: &[Problem]) -> String {
    let (mut missing, mut empty, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for problem in problems {
        match problem {
            Problem::Missing(name) => missing.push(*name),
            Problem::Empty(name) => empty.push(name.as_str()),
            other => parts.push(other.to_string()),
        }
    }
    let listed = |names: Vec<&str>, what| match names.len() {
        0 => None,
        1 => Some(format!("{} is {what}", names[0])),
        _ => Some(format!("{} are {what}", join(names))),
    };
    let first = [listed(missing, "not set"), listed(empty, "empty")].into_iter().flatten();
    first.chain(parts).collect::<Vec<_>>().join("; ")
}

impl Diagnostic for SettingsError {
    /// The first hint, which is the next step.
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let is_missing = |problem: &&Problem| matches!(problem, Problem::Missing(_));
        let (missing, others): (Vec<_>, Vec<_>) = self.0.iter().partition(is_missing);
        let first = others.first().and_then(|problem| problem.help());
        first.or_else(|| missing.into_iter().chain(others).find_map(Problem::help))
    }
}
