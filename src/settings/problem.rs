//! What can be wrong with the settings, and what to do about it. Never a value.

use std::path::{Path, PathBuf};

use super::env_file::EnvFileError;
use super::project_file::{Member, ProjectFileError};
use super::small_file::FileError;
use super::variables as var;
use crate::ui::report::{Shown, join};
use crate::upstash::address::BadAddress;
use crate::upstash::proxy::BadProxy;

/// One thing that is wrong with one setting.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It is needed and not set anywhere.
    Missing(&'static str),
    /// It is needed, and only its `NAME_FILE` is there, in an env file that nobody named.
    IgnoredFileForm { name: &'static str, path: PathBuf },
    /// It is needed and not set anywhere, and a variable is that was meant to be it, or its `NAME_FILE`.
    Mistyped { name: &'static str, slip: String, meant: String },
    /// The process' environment has its other half, which it has to come from the same place as.
    OtherSource { name: &'static str, other: String },
    /// `NAME` and `NAME_FILE` at once.
    BothForms(&'static str),
    /// It is set to nothing.
    Empty(String),
    /// It is not UTF-8.
    NotUtf8(String),
    /// The file that `NAME_FILE` names can't be read.
    Unreadable { name: String, path: PathBuf, error: FileError },
    /// White space around it.
    Space(String),
    /// Quotes around it.
    Quotes(String),
    /// `Bearer ` before it.
    Bearer(String),
    /// The id holds a key.
    KeyAsId(String),
    /// The key holds an id.
    IdAsKey(String),
    /// Not 32 hex digits.
    Salt(String),
    /// No URL of a database.
    Address { name: String, problem: BadAddress },
    /// The env file allows `http`, but nobody named it, and the URL is not its own.
    AllowsOwnHttp(PathBuf),
    /// No span of time.
    Time { name: String },
    /// Neither yes nor no.
    Boolean(String),
    /// No `NAME=VERSION`.
    Pin(String),
    /// One that has no effect without another.
    Needs(&'static str, &'static str),
    /// It isn't set, and the project file has no literal for it.
    NotLiteral { member: Member, path: PathBuf },
    /// The env file can't be used.
    EnvFile(EnvFileError),
    /// The project file can't be read.
    ProjectFile(ProjectFileError),
    /// The proxy's variable can't be followed.
    Proxy(BadProxy),
    /// A certificate file can't be read.
    CertificateFile { name: &'static str, path: PathBuf, error: FileError },
}

impl Problem {
    fn message(&self) -> String {
        match self {
            Self::Missing(name) => format!("{name} is not set"),
            Self::IgnoredFileForm { name, path } => {
                format!("{name} is not set, and {name}_FILE in {} is ignored", shown(path))
            }
            Self::Mistyped { name, slip, .. } => format!("{name} is not set, but {} is", Shown(slip)),
            Self::OtherSource { name, other } => {
                format!("{name} is not set in the environment, where {other} is from")
            }
            Self::BothForms(name) => format!("{name} and {name}_FILE are both set"),
            Self::Empty(name) => format!("{name} is empty"),
            Self::NotUtf8(name) => format!("{name} is not UTF-8"),
            Self::Unreadable { name, path, error } => unreadable(name, path, error),
            Self::CertificateFile { name, path, error } => unreadable(name, path, error),
            Self::Space(name) => format!("{name} has white space around its value"),
            Self::Quotes(name) => format!("{name} has quotes around its value"),
            Self::Bearer(name) => format!("{name} begins with `Bearer `"),
            Self::KeyAsId(name) => format!("{name} holds a token key"),
            Self::IdAsKey(name) => format!("{name} holds a token id"),
            Self::Salt(name) => format!("{name} is not 32 hex digits"),
            Self::Address { name, problem } => format!("{name} {}", address(problem)),
            Self::AllowsOwnHttp(path) => {
                format!("REDENV_ALLOW_HTTP in {} counts only for a URL that is there too", shown(path))
            }
            Self::Time { name } => format!("{name} is no span of time over zero"),
            Self::Boolean(name) => format!("{name} is neither 1 nor 0"),
            Self::Pin(name) => format!("{name} is not NAME=VERSION"),
            Self::Needs(flag, other) => format!("{flag} needs {other}"),
            Self::NotLiteral { member, path } => {
                let (variable, member) = (member.variable().name, member.key());
                format!("{variable} is not set, and {} has no literal `{member}`", shown(path))
            }
            Self::EnvFile(EnvFileError::Malformed { path, line }) => {
                format!("{} is malformed: line {line} is not NAME=VALUE", shown(path))
            }
            Self::EnvFile(EnvFileError::NotUtf8 { path, line }) => {
                format!("{} is malformed: line {line} is not UTF-8", shown(path))
            }
            Self::EnvFile(EnvFileError::Unreadable { path, error })
            | Self::ProjectFile(ProjectFileError { path, error }) => {
                format!("{} can't be read: {error}", shown(path))
            }
            Self::Proxy(BadProxy::Kind { variable, kind }) => {
                format!("{variable} is a proxy of the kind {kind}, which is not supported")
            }
            Self::Proxy(BadProxy::NotUrl { variable }) => format!("{variable} is not a proxy's URL"),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { error: FileError::Endless(_), .. }
            | Self::CertificateFile { error: FileError::Endless(_), .. }
            | Self::EnvFile(EnvFileError::Unreadable { error: FileError::Endless(_), .. }) => {
                "a pipe ends when all who write to it have closed it; --timeout (REDENV_TIMEOUT) gives more time"
                    .into()
            }
            Self::Unreadable { error: FileError::Io(_), .. } => {
                "check the path, and that the user this runs as may read the file".into()
            }
            Self::Missing("REDENV_PROJECT") => {
                "give it with -p NAME, in REDENV_PROJECT, or in a redenv.config file here or above".into()
            }
            Self::Missing(name) => {
                let next = match *name {
                    "REDENV_TOKEN_ID" | "REDENV_TOKEN_KEY" => "`redenv-run token create` makes a token",
                    _ => "the database's page in Upstash's console has its URL and tokens",
                };
                format!("export each, name a file with it in NAME_FILE, or write it into .env.local of this directory; {next}")
            }
            Self::IgnoredFileForm { name, .. } => {
                format!("set {name} there or in the environment, or name the file with --env-file")
            }
            Self::Mistyped { meant, .. } => format!("did you mean {meant}?"),
            Self::OtherSource { .. } => {
                "the database's URL and token have to come from the same place, so that a file can't send your token elsewhere".into()
            }
            Self::BothForms(name) => format!("unset {name} or {name}_FILE"),
            Self::Empty(name) if name.starts_with("--") => format!("give {name} a value, or leave it out"),
            Self::Empty(name) if self.is_of_the_four() => {
                format!("give {name} a value: a secret that isn't set where it is from arrives empty, as all do in a pull request from a fork")
            }
            Self::Empty(name) => format!("give {name} a value, or unset it"),
            Self::Space(name) | Self::Quotes(name) => {
                format!("remove them: the value of {name} is taken as it stands (docker's --env-file keeps quotes)")
            }
            Self::Bearer(_) => "give the token alone".into(),
            Self::KeyAsId(_) | Self::IdAsKey(_) => {
                "the id (stk_...) and the key (redenv_sk_...) seem to be swapped".into()
            }
            Self::Salt(_) => "`token create --format env` prints it; without it the launch only takes longer".into(),
            Self::Address { problem, .. } => address_hint(problem)?,
            Self::Time { .. } => "give it like 10s, 500ms or 24h".into(),
            Self::Boolean(_) => "set it to 1 or 0".into(),
            Self::Pin(_) => "give the name, `=`, and a version number or ~N for the one N before the current".into(),
            Self::NotLiteral { member, .. } => {
                let (key, flag) = (member.key(), member.flag());
                format!("a project file is read, not run: give the {key} with {flag}")
            }
            Self::EnvFile(EnvFileError::Malformed { .. } | EnvFileError::NotUtf8 { .. }) => {
                "correct that line; --no-env-file starts without the file, --env-file names another".into()
            }
            Self::EnvFile(_) => "--no-env-file starts without it, --env-file names another".into(),
            Self::Proxy(BadProxy::Kind { .. }) => {
                "give an http:// proxy, or name the database's host in NO_PROXY to connect directly".into()
            }
            Self::CertificateFile { .. } => {
                "correct the path, or leave it out: the bundled certificates are enough for Upstash".into()
            }
            Self::Proxy(BadProxy::NotUrl { .. }) => "give it like http://proxy.example:3128".into(),
            Self::Needs(..) | Self::NotUtf8(_) | Self::Unreadable { .. } | Self::AllowsOwnHttp(_)
            | Self::ProjectFile(_) => return None,
        })
    }
}

/// All that is wrong with the settings, at once.
#[derive(Debug)]
pub(crate) struct SettingsError(pub(crate) Vec<Problem>);

impl SettingsError {
    /// One sentence: what is missing first, then the rest.
    pub(crate) fn message(&self) -> String {
        let names = |of: fn(&Problem) -> Option<&str>| self.0.iter().filter_map(of).collect::<Vec<_>>();
        let mut parts = Vec::new();
        for (names, what) in [(names(Problem::missing), "not set"), (names(Problem::empty), "empty")] {
            match names.len() {
                0 => {}
                1 => parts.push(format!("{} is {what}", names[0])),
                _ => parts.push(format!("{} are {what}", join(names))),
            }
        }
        let others = self.0.iter().filter(|problem| problem.missing().or(problem.empty()).is_none());
        parts.extend(others.map(Problem::message));
        parts.join("; ")
    }

    /// The first hint, which is the next step.
    pub(crate) fn hint(&self) -> Option<String> {
        let other = self.0.iter().find(|problem| problem.missing().is_none()).and_then(Problem::hint);
        other.or_else(|| self.0.iter().find_map(Problem::hint))
    }
}

impl Problem {
    fn missing(&self) -> Option<&str> {
        match self {
            Self::Missing(name) => Some(name),
            _ => None,
        }
    }

    fn empty(&self) -> Option<&str> {
        match self {
            Self::Empty(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is empty, and one of those without which there is no launch.
    fn is_of_the_four(&self) -> bool {
        let name = self.empty().unwrap_or_default();
        let variables = [&[var::TOKEN_ID, var::TOKEN_KEY], &var::URL, &var::TOKEN];
        variables.iter().copied().flatten().any(|variable| variable.name == name)
    }
}

fn unreadable(name: &str, path: &Path, error: &FileError) -> String {
    format!("{name}: {} can't be read: {error}", shown(path))
}

/// A path, safe to show.
pub(super) fn shown(path: &Path) -> String {
    Shown(&path.to_string_lossy()).to_string()
}

fn address(problem: &BadAddress) -> String {
    match problem {
        BadAddress::NotUrl => "is not a URL".into(),
        BadAddress::NoScheme => "has no https:// before it".into(),
        BadAddress::RedisProtocol => "is the address of the Redis protocol".into(),
        BadAddress::Console => "is the address of Upstash's console".into(),
        BadAddress::Scheme => "is a URL of another scheme than https".into(),
        BadAddress::PlainHttp(host) => {
            format!("is http to {}, where the token could be read on the way", Shown(host))
        }
        BadAddress::RedisPort(host) => format!("has the port of the Redis protocol (host {})", Shown(host)),
        BadAddress::UserInfo => "has a user name or password in it".into(),
        BadAddress::Query => "has a `?` or `#` in it".into(),
    }
}

fn address_hint(problem: &BadAddress) -> Option<String> {
    Some(match problem {
        BadAddress::PlainHttp(_) => {
            "use https, or --allow-http (REDENV_ALLOW_HTTP=1) if the way there is safe".into()
        }
        BadAddress::NotUrl => return None,
        _ => "copy the REST URL from the database's page in the console: https://<name>.upstash.io".into(),
    })
}
