//! What can be wrong with the settings, and what to type next. Never a value.

use std::path::PathBuf;

use super::env_file::EnvFileError;
use super::file::FileError;
use super::project_file::ProjectFileError;
use super::table::Setting;
use crate::ui::failure::Failure;
use crate::ui::text::{join, shown_path};
use crate::upstash::address::BadAddress;
use crate::upstash::proxy::BadProxy;

/// One thing that is wrong with one setting. A `String` is how the setting was set.
#[derive(thiserror::Error, Debug)]
pub(crate) enum Problem {
    #[error("{0} is not set")]
    Missing(&'static str),
    /// An env file has the URL and not the token, or the other way round.
    #[error("{name} is missing in {}", shown_path(path))]
    MissingInFile { name: &'static str, path: PathBuf },
    #[error("{name} is not set in the environment, but {other} is")]
    OtherSource { name: &'static str, other: String },
    #[error("{0} and {0}_FILE are both set")]
    BothForms(&'static str),
    #[error("{0} is empty")]
    Empty(String),
    #[error("{0} is not UTF-8")]
    NotUtf8(String),
    #[error("cannot read {} ({name}): {error}", shown_path(path))]
    Unreadable { name: String, path: PathBuf, error: FileError },
    #[error("{0} has white space around its value")]
    Space(String),
    #[error("{0} has quotes around its value")]
    Quotes(String),
    #[error("{0} starts with `Bearer `")]
    Bearer(String),
    #[error("{0} holds a token key")]
    KeyAsId(String),
    #[error("{0} holds a token ID")]
    IdAsKey(String),
    #[error("{0} is not 32 hex digits")]
    Salt(String),
    #[error("{name} {problem}")]
    Address { name: String, problem: BadAddress },
    #[error("REDENV_ALLOW_HTTP in {} counts only for a URL in the same file", shown_path(.0))]
    AllowsOwnHttp(PathBuf),
    #[error("{0} is not a duration above zero")]
    Duration(String),
    #[error("{0} is neither 1 nor 0")]
    Boolean(String),
    #[error("{0} is not NAME=VERSION")]
    Pin(String),
    #[error("{} ({name}) is malformed: line {line} is not NAME=VALUE", shown_path(path))]
    RequiredLine { name: String, path: PathBuf, line: usize },
    #[error("{} ({name}) defines no variables", shown_path(path))]
    RequiresNothing { name: String, path: PathBuf },
    #[error("{0} needs {1}")]
    Needs(String, String),
    #[error("{} is not set, and `{key}` in {} is not a literal string", setting.variables()[0], shown_path(path))]
    NotLiteral { setting: Setting, key: &'static str, path: PathBuf, shell: Option<String> },
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
    #[error(transparent)]
    ProjectFile(#[from] ProjectFileError),
    #[error(transparent)]
    Proxy(BadProxy),
    #[error("cannot read {} ({name}): {error}", shown_path(path))]
    CertificateFile { name: String, path: PathBuf, error: FileError },
}

impl Problem {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { error: FileError::Endless(_), .. }
            | Self::CertificateFile { error: FileError::Endless(_), .. }
            | Self::EnvFile(EnvFileError::Unreadable { error: FileError::Endless(_), .. }) => {
                "a pipe ends when everything that writes to it has closed it; --timeout (REDENV_TIMEOUT) gives more time"
                    .into()
            }
            Self::Unreadable { error: FileError::Io(_), .. } => {
                "check the path, and that this user may read the file".into()
            }
            Self::Missing("REDENV_PROJECT") => {
                "set it with -p NAME, in REDENV_PROJECT, or as `name` in a redenv.config file here or above".into()
            }
            Self::Missing(name) => {
                let next = match *name {
                    "REDENV_TOKEN_ID" | "REDENV_TOKEN_KEY" => "`redenv-run token create` creates a token",
                    _ => "the database's page in Upstash's console shows its URL and tokens",
                };
                format!("put each into .env.local, here or above, or export it; if a file holds the value, set NAME_FILE to its path; {next}")
            }
            Self::MissingInFile { name, path } => {
                let value = if *name == "UPSTASH_REDIS_TOKEN" { "<the read-only token>" } else { "<the REST URL>" };
                format!("add this line to {}, from the database's page: {name}={value}", shown_path(path))
            }
            Self::OtherSource { .. } => {
                "set URL and token in the same place: a file must not send your token elsewhere".into()
            }
            Self::BothForms(name) => format!("unset {name} or {name}_FILE"),
            Self::Empty(name) if name.starts_with("--") => format!("give {name} a value, or leave it out"),
            Self::Empty(name) if is_credential(name) => {
                format!("set {name}: a CI secret that isn't defined is empty, as all are in a pull request from a fork")
            }
            Self::Empty(name) => format!("give {name} a value, or unset it"),
            Self::Space(name) | Self::Quotes(name) => {
                format!("remove them: the value of {name} is used as it is (docker's --env-file keeps quotes)")
            }
            Self::Bearer(_) => "set it to the token alone".into(),
            Self::KeyAsId(_) | Self::IdAsKey(_) => {
                "the ID (stk_...) and the key (redenv_sk_...) seem to be swapped".into()
            }
            Self::Salt(_) => {
                "`redenv-run token create --format env` prints it; without it, a launch only takes longer".into()
            }
            Self::Address { problem, .. } => problem.hint()?.into(),
            Self::Duration(_) => "use a duration such as 10s, 500ms or 24h".into(),
            Self::Boolean(_) => "set it to 1 or 0".into(),
            Self::Pin(_) => "use NAME=3 for version 3, or NAME=~1 for the previous one".into(),
            Self::NotLiteral { setting, key, shell, .. } => {
                let flag = if *setting == Setting::Project { "-p" } else { "-e" };
                let shell = shell.as_ref().map(|shell| format!(" {shell}")).unwrap_or_default();
                format!("redenv-run reads the project file and never runs it: give the {key} with {flag}{shell}")
            }
            Self::EnvFile(EnvFileError::Malformed { .. } | EnvFileError::NotUtf8 { .. }) => {
                "correct that line; --no-env-file starts without the file, --env-file names another".into()
            }
            Self::EnvFile(_) => "--no-env-file starts without it, --env-file names another".into(),
            Self::RequiredLine { .. } => "correct that line, or name another file".into(),
            Self::RequiresNothing { .. } => "name a file with a NAME= line per variable, such as .env.example".into(),
            Self::Proxy(problem) => problem.hint().into(),
            Self::CertificateFile { .. } => {
                "correct the path, or leave it out: the bundled certificates are enough for Upstash".into()
            }
            Self::Needs(..) | Self::NotUtf8(_) | Self::Unreadable { .. } | Self::AllowsOwnHttp(_)
            | Self::ProjectFile(_) => return None,
        })
    }
}

/// Everything that is wrong with the settings, at once.
#[derive(Debug)]
pub(crate) struct SettingsError(pub(super) Vec<Problem>);

impl std::error::Error for SettingsError {}

impl std::fmt::Display for SettingsError {
    /// One line: the settings that are missing, those that are empty, and the rest.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (mut missing, mut empty, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for problem in &self.0 {
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
        f.write_str(&first.chain(parts).collect::<Vec<_>>().join("; "))
    }
}

impl Failure for SettingsError {
    /// The first hint, which is the next step.
    fn hint(&self) -> Option<String> {
        let is_missing = |problem: &&Problem| matches!(problem, Problem::Missing(_));
        let (missing, others): (Vec<_>, Vec<_>) = self.0.iter().partition(is_missing);
        let first = others.first().and_then(|problem| problem.hint());
        first.or_else(|| missing.into_iter().chain(others).find_map(Problem::hint))
    }
}

/// Whether a launch is impossible without this variable.
fn is_credential(name: &str) -> bool {
    use Setting as S;
    [S::TokenId, S::TokenKey, S::UpstashUrl, S::UpstashToken].iter().any(|it| it.variables().contains(&name))
}
