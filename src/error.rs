//! The one error of the program: what failed, what to do about it, and the exit status.

use std::io;
use std::process::ExitCode;

use crate::derivation::DerivationError;
use crate::environment::EnvironmentError;
use crate::fallback::FallbackError;
use crate::launch::{LaunchError, Size};
use crate::mask::{BadOutput, MaskError};
use crate::memory_file::MemoryFileError;
use crate::program::ProgramError;
use crate::report::{Shown, join};
use crate::select::SelectError;
use crate::settings::{SettingsError, reason};
use crate::token::TokenError;
use crate::upstash::{self, StoreError};
use crate::usage::UsageError;
use crate::vault::{KeyError, ParseError, PinError};

/// The launcher failed; COMMAND did not start.
pub(crate) const FAILED: u8 = 125;
/// COMMAND was found and could not be executed.
const NOT_EXECUTABLE: u8 = 126;
/// COMMAND or its interpreter was not found.
const NOT_FOUND: u8 = 127;

/// Why COMMAND did not start.
#[derive(Debug)]
pub(crate) enum Error {
    Usage(UsageError),
    Settings(SettingsError),
    Program(ProgramError),
    Store {
        host: String,
        error: upstash::Error,
    },
    Reply {
        host: String,
        error: ParseError,
    },
    /// The store could not be reached, and the fallback file can't stand in for it.
    Fallback {
        path: String,
        error: String,
        fallback: FallbackError,
    },
    Derivation(DerivationError),
    Key {
        id: String,
        error: KeyError,
    },
    Pin(PinError),
    Select(SelectError),
    Environment(EnvironmentError),
    MemoryFile(MemoryFileError),
    Launch(LaunchError),
    Mask(MaskError),
    Output(io::Error),
    /// What `check` found: whatever it is, COMMAND was not to be started.
    Checked(Box<Error>),
    Token(TokenError),
    Internal {
        place: String,
    },
}

const MORE_THREADS: &str = "raise the limit of processes: `ulimit -u`, or the container's limit of pids";

/// What is said of an error.
struct Told {
    message: String,
    hint: Option<String>,
}

impl Error {
    /// What failed, in one line.
    pub(crate) fn message(&self) -> String {
        self.tell().message
    }

    /// The next step, where there is one.
    pub(crate) fn hint(&self) -> Option<String> {
        self.tell().hint
    }

    /// The launcher's exit status.
    pub(crate) fn status(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Program(error) | Self::Launch(LaunchError::Program(error)) => match error {
                ProgramError::NotExecutable { .. } => NOT_EXECUTABLE,
                _ => NOT_FOUND,
            },
            Self::Launch(LaunchError::NoLoader(_) | LaunchError::Vanished(_)) => NOT_FOUND,
            Self::Launch(LaunchError::NotExecuted { .. }) => NOT_EXECUTABLE,
            _ => FAILED,
        })
    }

    /// Whether the store could not be reached in time, which a fallback is for.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Store { error: upstash::Error::Overdue { .. } | upstash::Error::Unreachable { .. }, .. }
        )
    }

    /// Whether the store says that the token must not be used.
    pub(crate) fn is_revocation(&self) -> bool {
        match self {
            Self::Store { error, .. } => {
                matches!(error, upstash::Error::Unauthorized | upstash::Error::Forbidden)
            }
            Self::Reply { error, .. } => matches!(
                error,
                ParseError::NoToken { .. }
                    | ParseError::Expired { .. }
                    | ParseError::Store { error: StoreError::WrongPass, .. }
            ),
            _ => false,
        }
    }

    fn tell(&self) -> Told {
        match self {
            Self::Usage(error) => Told { message: error.message(), hint: error.hint() },
            Self::Settings(error) => Told { message: error.message(), hint: error.hint() },
            Self::Program(error) => Told { message: error.message(), hint: error.hint() },
            Self::Store { host, error } => store(host, error),
            Self::Reply { host, error } => reply(host, error),
            Self::Fallback { path, error, fallback } => {
                bare(format!("{error}; and the fallback file {path} can't be used: {fallback}"))
            }
            Self::Derivation(DerivationError::Overdue) => told(
                "the deadline passed while the token key was derived",
                "this machine is slow or busy: give more time with --timeout (REDENV_TIMEOUT)",
            ),
            Self::Derivation(DerivationError::NoThread) => {
                told("the system gives no thread for the key derivation", MORE_THREADS)
            }
            Self::Key { id, error } => key(id, error),
            Self::Pin(error) => pin(error),
            Self::Select(error) => select(error),
            Self::Environment(error) => environment(error),
            Self::MemoryFile(error) => memory_file(error),
            Self::Launch(error) => launch(error),
            Self::Mask(error) => mask(error),
            Self::Checked(error) => error.tell(),
            Self::Output(error) => bare(format!("stdout can't be written to: {}", reason(error))),
            Self::Token(error) => Told { message: error.message(), hint: error.hint() },
            Self::Internal { place } => {
                told(format!("the launcher stopped on a bug of its own at {place}"), "please report it")
            }
        }
    }
}

fn told(message: impl Into<String>, hint: impl Into<String>) -> Told {
    Told { message: message.into(), hint: Some(hint.into()) }
}

fn bare(message: impl Into<String>) -> Told {
    Told { message: message.into(), hint: None }
}

fn path(path: &std::path::Path) -> String {
    Shown(&path.to_string_lossy()).to_string()
}

fn names<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    join(names.into_iter().map(|name| Shown(name)))
}

fn store(host: &str, error: &upstash::Error) -> Told {
    use upstash::Error as E;
    let host = Shown(host);
    match error {
        E::BadToken => told(
            "the Upstash token holds a character that no token has",
            "copy the REST token again, without line breaks",
        ),
        E::BadProxy(proxy) => bare(format!("the proxy {} can't be used: its URL is malformed", Shown(proxy))),
        E::Roots(file) => told(
            format!("{} holds no certificate in PEM form", Shown(&file.path)),
            "it is named by --ca-file, REDENV_CA_FILE or SSL_CERT_FILE",
        ),
        E::Transient(reason) => bare(format!("{host}: {reason}")),
        E::Overdue { peer, span, reason, attempts } => {
            let failed = match reason {
                upstash::Transient::Timeout(_) => "did not answer",
                upstash::Transient::Status(..) => "did not serve the request",
                _ => "could not be reached",
            };
            let span = humantime::format_duration(*span);
            let message = format!("{peer} {failed} within {span}: {reason}{}", tries(*attempts));
            let more_time = || "--timeout (REDENV_TIMEOUT) gives more time".into();
            Told { message, hint: Some(unreachable_hint(peer, reason).unwrap_or_else(more_time)) }
        }
        E::Unreachable { peer, reason, attempts } => {
            let message = format!("{peer} could not be reached: {reason}{}", tries(*attempts));
            Told { message, hint: unreachable_hint(peer, reason) }
        }
        E::NoThread => told("the system gives no thread for the request", MORE_THREADS),
        E::Unauthorized => told(
            format!("{host} does not accept the Upstash token"),
            "copy the REST token from the database's page, a trailing = included; its password is another thing",
        ),
        E::Forbidden => told(
            format!("{host} refuses access (status 403)"),
            "the token or this machine's address may not use this database",
        ),
        E::Quota => told(
            format!("{host} refuses: the database's request quota is used up"),
            "no retry helps: raise the quota in Upstash's console, or wait for its next period",
        ),
        E::Redirect(status) => told(
            format!("{host} redirects elsewhere (status {status}), which is not followed"),
            "set UPSTASH_REDIS_URL to the database's own REST URL",
        ),
        E::NotRest(status) => told(
            format!("{host} has no Upstash REST API at this address (status {status})"),
            "set UPSTASH_REDIS_URL to the REST URL from the database's page",
        ),
        E::Refused(_, StoreError::NoPermission) => told(
            format!("{host} refuses: the Upstash token may not do this"),
            "reading needs a token that may read, and creating or revoking one that may write",
        ),
        E::Refused(status, error) => bare(format!("{host} refuses the request (status {status}): {error}")),
        E::TooLarge { limit } => bare(format!("the answer of {host} is longer than {} MiB", limit >> 20)),
        E::Certificate(why) => told(
            format!("the certificate of {host} is not accepted: {why}"),
            "check the URL and this machine's clock; a private CA is named with --ca-file (REDENV_CA_FILE)",
        ),
        E::Tls(why) => told(
            format!("no TLS connection to {host}: {why}"),
            "check the port: something else than the REST API may be listening there",
        ),
        E::Proxy(why) => told(format!("the proxy does not connect to {host}: {why}"), "check HTTPS_PROXY"),
        E::Http => told(
            format!("the answer of {host} is not HTTP"),
            "check the URL's scheme and port: something else than the REST API may be listening there",
        ),
    }
}

fn tries(attempts: u32) -> String {
    if attempts == 1 { String::new() } else { format!(", {attempts} times") }
}

fn unreachable_hint(peer: &upstash::Peer, reason: &upstash::Transient) -> Option<String> {
    use upstash::{Phase, Transient as T};
    let hint = match (reason, &peer.proxy) {
        (T::Status(..), _) => return None,
        (_, Some((_, variable))) => {
            return Some(format!(
                "check {variable}, and that the proxy lets connections to this host through"
            ));
        }
        (T::NameLookup { unknown: true }, None) => "check the host in UPSTASH_REDIS_URL",
        (T::NameLookup { unknown: false } | T::Timeout(Phase::NameLookup), None) => {
            "check this machine's network and name servers"
        }
        (T::Connection(_), None) => "check UPSTASH_REDIS_URL and this machine's network",
        (T::Timeout(Phase::Connection), None) => {
            "check UPSTASH_REDIS_URL, and that a firewall lets this machine connect there; HTTPS_PROXY names a proxy"
        }
        (T::Timeout(_), None) => return None,
    };
    Some(hint.into())
}

fn reply(host: &str, error: &ParseError) -> Told {
    let host = Shown(host);
    match error {
        ParseError::Malformed { at } => told(
            format!("the answer of {host} is not the REST API's: malformed at byte {at}"),
            "check that UPSTASH_REDIS_URL is the database's REST URL",
        ),
        ParseError::Count { expected, found } => {
            bare(format!("the answer of {host} has {found} results instead of {expected}"))
        }
        ParseError::Store { key: _, error: StoreError::WrongPass } => {
            store(host.0, &upstash::Error::Unauthorized)
        }
        ParseError::Store { key: _, error: StoreError::Quota } => store(host.0, &upstash::Error::Quota),
        ParseError::Store { key, error } => bare(format!("{host} refuses to read {}: {error}", Shown(key))),
        ParseError::Field { field, problem } => {
            bare(format!("the store's data is malformed: {} {problem}", Shown(field)))
        }
        ParseError::Unsupported { field, expected } => told(
            format!("the project's `{field}` is not {expected}, the only one this launcher accepts"),
            "a newer version of redenv-run may know it; otherwise somebody tampered with the project",
        ),
        ParseError::NoProject(project) => told(
            format!("there is no project {project} in the database of {host}"),
            "check -p (REDENV_PROJECT), and that the URL is this project's database",
        ),
        ParseError::NoToken { project, id } => told(
            format!(
                "project {project} has no service token {}: it was revoked, or is of another project",
                Shown(id)
            ),
            "check REDENV_TOKEN_ID, or make a new token with `redenv-run token create`",
        ),
        ParseError::Expired { id } => told(
            format!("the short-lived token {} has expired", Shown(id)),
            "start the tool that made it again, or use a service token",
        ),
        ParseError::NoEnvironment { project, missing } => {
            let what = if missing.len() == 1 { "environment" } else { "environments" };
            told(
                format!("project {project} has no {what} {}", join(missing)),
                "check -e (REDENV_ENVIRONMENT); an environment exists once it has a secret",
            )
        }
    }
}

fn key(id: &str, error: &KeyError) -> Told {
    match error {
        KeyError::WrongKey => told(
            format!("REDENV_TOKEN_KEY is not the key of token {}", Shown(id)),
            "id and key have to be of the same `token create`; a key that is lost can only be replaced by a new token",
        ),
        KeyError::Malformed(error) => bare(format!("the entry of token {} is malformed: {error}", Shown(id))),
    }
}

fn pin(error: &PinError) -> Told {
    match error {
        PinError::Twice { environment, name } => {
            bare(format!("the store's data is malformed: {} is twice in {environment}", Shown(name)))
        }
        PinError::NoSuchSecret { name, nearest } => Told {
            message: format!("--pin: there is no secret {}", Shown(name)),
            hint: Some(nearest_name(nearest.as_deref())),
        },
        PinError::NoSuchVersion { name, pin, newest, oldest } => {
            let message = format!("--pin: {} has no version {pin}", Shown(name));
            match (oldest, newest) {
                (Some(oldest), Some(newest)) => {
                    told(message, format!("its history goes from {oldest} to {newest}"))
                }
                _ => bare(message),
            }
        }
    }
}

fn nearest_name(name: Option<&str>) -> String {
    name.map_or_else(
        || "`redenv-run check` lists the names".into(),
        |name| format!("did you mean {}?", Shown(name)),
    )
}

fn select(error: &SelectError) -> Told {
    match error {
        SelectError::NoMatch { flag, pattern, nearest } => {
            told(format!("{flag}: no secret matches {}", Shown(pattern)), nearest_name(nearest.as_deref()))
        }
        SelectError::Broken(broken) => {
            let list: Vec<String> =
                broken.iter().map(|(name, why)| format!("{} ({why})", Shown(name))).collect();
            let what = if list.len() == 1 { "a secret" } else { "some secrets" };
            told(
                format!("{what} can't be opened: {}", join(list)),
                "write them again; --skip-broken starts without them, --exclude leaves them out",
            )
        }
        SelectError::Expand(error) => {
            told(error.to_string(), "write \\${NAME} for a literal reference; --raw starts without expansion")
        }
        SelectError::BadNames(bad) => told(
            format!(
                "no variable can have the name of {}",
                join(bad.iter().map(|bad| format!("secret {} (it {})", Shown(&bad.name), bad.problem)))
            ),
            "rename it, or leave it out with --exclude",
        ),
    }
}

fn environment(error: &EnvironmentError) -> Told {
    match error {
        EnvironmentError::Reserved(reserved) => told(
            format!("a secret may not be named {}: its value would run as code in COMMAND", names(reserved)),
            format!(
                "--allow-reserved {} lets it through, --exclude leaves it out",
                reserved.iter().map(|name| Shown(name).to_string()).collect::<Vec<_>>().join(",")
            ),
        ),
        EnvironmentError::Required { missing, empty } => {
            let mut parts = Vec::new();
            if !missing.is_empty() {
                parts.push(format!("{} missing", names(missing)));
            }
            if !empty.is_empty() {
                parts.push(format!("{} empty", names(empty)));
            }
            told(
                format!("required secrets: {}", parts.join("; ")),
                "--require speaks of names as COMMAND sees them; `redenv-run check` lists them",
            )
        }
    }
}

fn memory_file(error: &MemoryFileError) -> Told {
    match error {
        MemoryFileError::NoMatch { name, nearest } => Told {
            message: format!("--file: no secret is named {}", Shown(name)),
            hint: Some(nearest_name(nearest.as_deref())),
        },
        MemoryFileError::NotLinux => told(
            "--file: this system has no memory files",
            "it works on Linux alone; elsewhere give the program the value itself",
        ),
        MemoryFileError::NoProc => told(
            "--file: there is no /proc through which COMMAND could open the file",
            "mount /proc, or give the program the value itself",
        ),
        MemoryFileError::Refused { name, error } => {
            bare(format!("--file: the system gave no memory file for {}: {}", Shown(name), reason(error)))
        }
    }
}

fn mask(error: &MaskError) -> Told {
    match error {
        MaskError::Output(BadOutput::Terminal) => {
            told("mask prints the secrets, and stdout is a terminal", "it belongs into a step of a workflow")
        }
        MaskError::Output(BadOutput::File) => told(
            "mask prints the secrets, and stdout is a file",
            "run it in a step of its own, without a redirection: the runner reads its stdout",
        ),
        MaskError::Output(BadOutput::Null) => told(
            "mask prints for the runner, and stdout is /dev/null or closed: nothing would be masked",
            "run it in a step of its own, without a redirection: the runner reads its stdout",
        ),
        MaskError::Write(error) => {
            bare(format!("the secrets are not masked: stdout can't be written to: {}", reason(error)))
        }
    }
}

fn sizes(largest: &[Size]) -> String {
    join(largest.iter().map(|(name, size)| format!("{} ({size} bytes)", Shown(name))))
}

fn launch(error: &LaunchError) -> Told {
    match error {
        LaunchError::VariablesTooLong(largest) => told(
            format!(
                "too long for any program's environment, over 131071 bytes as NAME=VALUE: {}",
                sizes(largest)
            ),
            "--file NAME passes it as a file's path, --exclude leaves it out",
        ),
        LaunchError::TotalTooLong { total, limit, largest } => told(
            format!(
                "arguments and environment are too long for this system, {total} of {limit} bytes; the largest: {}",
                sizes(largest)
            ),
            "--only and --exclude select, --file passes a value as a file's path; `ulimit -s` raises the limit",
        ),
        LaunchError::Refused { largest } => told(
            format!("the system finds arguments and environment too long; the largest: {}", sizes(largest)),
            "--only and --exclude select, --file passes a value as a file's path",
        ),
        LaunchError::Program(error) => Told { message: error.message(), hint: error.hint() },
        LaunchError::NoLoader(program) => told(
            format!("the loader or interpreter of {} was not found", path(program)),
            "it is built for another system or C library, or this image has no dynamic loader",
        ),
        LaunchError::Vanished(program) => bare(format!("{} was there and is no more", path(program))),
        LaunchError::NotExecuted { program, error } => {
            bare(format!("{} can't be executed: {}", path(program), reason(error)))
        }
    }
}
