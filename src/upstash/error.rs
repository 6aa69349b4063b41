//! Why there is no reply, in types that hold no text from the network.

use std::fmt;
use std::io;
use std::time::Duration;

use super::progress::{Phase, Tried};
use super::{Address, Proxy, RedisError};
use crate::ui::failure::Failure;
use crate::ui::text::{Shown, span};

/// The longest answer that is read.
pub(super) const LIMIT: usize = 64 * 1024 * 1024;

const MORE_TIME: &str = "allow more time with --timeout (REDENV_TIMEOUT)";
const OTHER_SERVICE: &str = "check the scheme and port of UPSTASH_REDIS_URL: something other than the Upstash REST API may listen there";

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the Upstash token contains a character that no token has")]
    BadToken,
    #[error("{} contains no usable PEM certificate", Shown(path))]
    NoCertificate { path: String },
    /// The database could not be reached in time.
    #[error(transparent)]
    Outage(Box<Outage>),
    /// Another attempt can't help.
    #[error("{} {problem}", Shown(host))]
    Request { host: String, problem: Problem },
}

/// What went wrong with a request to a host that another attempt can't mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("was not asked: the system allows no more threads")]
    NoThread,
    /// The token is wrong, by this status or error code.
    #[error("rejected the Upstash token ({0})")]
    Unauthorized(String),
    #[error("denied access (HTTP 403)")]
    Forbidden,
    #[error("refused the request: the database's request quota is used up")]
    Quota,
    #[error("redirects to another URL (HTTP {0}), which redenv-run does not follow")]
    Redirect(u16),
    #[error("has no Upstash REST API at this URL (HTTP {0})")]
    NotRest(u16),
    #[error("refused the request (HTTP {0}): {1}")]
    Refused(u16, RedisError),
    #[error("sent an answer longer than {} MiB", LIMIT >> 20)]
    TooLong,
    #[error("did not answer in HTTP")]
    NotHttp,
    #[error("did not answer like an Upstash REST API (invalid JSON at byte {at})")]
    NotJson { at: usize },
    #[error("answered {found} commands instead of {expected}")]
    Count { expected: usize, found: usize },
    #[error("has a certificate that redenv-run does not accept: {0}")]
    Certificate(&'static str),
    #[error("failed to set up TLS: {0}")]
    Tls(String),
    #[error("cannot be reached through the proxy: {0}")]
    Proxy(String),
}

/// A database that could not be reached, or did not serve the request in time.
#[derive(Debug)]
pub(crate) struct Outage {
    pub(super) peer: Peer,
    /// The deadline that passed; `None` when the client gave up before.
    pub(super) within: Option<Duration>,
    pub(super) reason: Transient,
    pub(super) attempts: u32,
}

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Worth another attempt.
    Passing(Transient),
    Final(Problem),
}

/// A failure that may pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Transient {
    #[error("its name is unknown")]
    UnknownName,
    #[error("the name lookup failed")]
    NameLookup,
    #[error("{}", each(.0))]
    Unconnected(Vec<Tried>),
    /// The connection broke.
    #[error("{}", broken(*.0))]
    Broken(io::ErrorKind),
    #[error("{0}")]
    Timeout(Phase),
    /// 429 or 5xx, with the wait that `Retry-After` asks for.
    #[error("it answered HTTP {status}{}{}", if *status == 429 { " (too many requests)" } else { "" }, asked(*retry_after))]
    Status { status: u16, retry_after: Option<Duration> },
}

/// The database's host, and the way to it, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(super) host: String,
    /// The port, unless it is the scheme's own.
    port: Option<u16>,
    /// The host of the proxy, and the variable that names it.
    proxy: Option<(String, &'static str)>,
}

impl Error {
    /// The error of a command that Redis refused because of the token or the quota.
    pub(crate) fn from_redis(host: &str, error: &RedisError) -> Option<Self> {
        let problem = match error {
            RedisError::WrongPass => Problem::Unauthorized("WRONGPASS".into()),
            RedisError::Quota => Problem::Quota,
            _ => return None,
        };
        Some(Self::Request { host: host.to_owned(), problem })
    }

    /// Whether the database could not be reached in time, the case that a fallback file is for.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Outage(_))
    }

    /// Whether Upstash says that the token must not be used.
    pub(crate) fn is_revocation(&self) -> bool {
        matches!(self, Self::Request { problem: Problem::Unauthorized(_) | Problem::Forbidden, .. })
    }

    /// Whether a request may have had its effect although no answer tells.
    pub(crate) fn is_uncertain(&self) -> bool {
        matches!(
            self,
            Self::Outage(_)
                | Self::Request {
                    problem: Problem::NotHttp
                        | Problem::NotJson { .. }
                        | Problem::Count { .. }
                        | Problem::TooLong,
                    ..
                }
        )
    }
}

impl Failure for Error {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::BadToken => "copy the REST token again, without line breaks",
            Self::NoCertificate { .. } => "--ca-file, REDENV_CA_FILE or SSL_CERT_FILE names this file",
            Self::Outage(outage) => return outage.hint(),
            Self::Request { problem, .. } => return problem.hint().map(String::from),
        };
        Some(hint.into())
    }
}

impl Problem {
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoThread => "raise the limit of processes: `ulimit -u`, or the container's limit of pids",
            Self::Unauthorized(_) => {
                "copy the REST token from the database's page, with a trailing =; the database's password does not work here"
            }
            Self::Forbidden => "check that the token and this machine's IP address may use this database",
            Self::Quota => "raise the quota in Upstash's console, or wait for its next period",
            Self::Redirect(_) => "set UPSTASH_REDIS_URL to the database's own REST URL",
            Self::NotRest(_) | Self::NotJson { .. } => {
                "set UPSTASH_REDIS_URL to the REST URL from the database's page"
            }
            Self::Refused(_, RedisError::NoPermission) => {
                "use a token that may read, or may write for `token create` and `token revoke`"
            }
            Self::NotHttp | Self::Tls(_) => OTHER_SERVICE,
            Self::Certificate(_) => {
                "check UPSTASH_REDIS_URL and this machine's clock; name a private CA with --ca-file (REDENV_CA_FILE)"
            }
            Self::Proxy(_) => "check HTTPS_PROXY",
            Self::Refused(..) | Self::TooLong | Self::Count { .. } => return None,
        })
    }
}

impl Outage {
    fn hint(&self) -> Option<String> {
        let hint = match (&self.reason, &self.peer.proxy) {
            (Transient::Status { .. }, _) => None,
            (_, Some((_, variable))) => {
                return Some(format!("check {variable}, and that the proxy allows connections to this host"));
            }
            (Transient::UnknownName, None) => Some("check the host in UPSTASH_REDIS_URL"),
            (Transient::NameLookup | Transient::Timeout(Phase::NameLookup), None) => {
                Some("check this machine's network and name servers")
            }
            (Transient::Broken(_), None) => Some("check UPSTASH_REDIS_URL and this machine's network"),
            (Transient::Unconnected(_), None) => Some(
                "check UPSTASH_REDIS_URL, this machine's network and firewall; set HTTPS_PROXY if you need a proxy",
            ),
            (Transient::Timeout(_), None) => None,
        };
        hint.or(self.within.map(|_| MORE_TIME)).map(String::from)
    }
}

impl std::error::Error for Outage {}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, within, reason, attempts } = self;
        let failed = match reason {
            Transient::Timeout(_) => "did not answer",
            Transient::Status { .. } => "did not serve the request",
            _ => "could not be reached",
        };
        write!(f, "{peer} {failed}")?;
        if let Some(deadline) = within {
            write!(f, " within {}", span(*deadline))?;
        }
        write!(f, ": {reason}")?;
        if *attempts > 1 { write!(f, " ({attempts} attempts)") } else { Ok(()) }
    }
}

impl Transient {
    /// Whether the attempt came to no end of its own.
    pub(super) fn is_cut_short(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Unconnected(tried) => tried.iter().any(|one| one.failure.is_none()),
            _ => false,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Peer {
    pub(super) fn new(address: &Address, proxy: Option<&Proxy>) -> Self {
        Self {
            host: address.host().to_owned(),
            port: address.unusual_port(),
            proxy: proxy.map(|proxy| (proxy.host().to_owned(), proxy.variable())),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.host))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.proxy {
            Some((proxy, _)) => write!(f, " through the proxy {}", Shown(proxy)),
            None => Ok(()),
        }
    }
}

impl From<Transient> for Trouble {
    fn from(transient: Transient) -> Self {
        Self::Passing(transient)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Final(problem)
    }
}

/// What each address did; a single address needs no name.
fn each(tried: &[Tried]) -> String {
    match tried {
        [only] => only.to_string(),
        all => all.iter().map(|one| format!("{}: {one}", one.address)).collect::<Vec<_>>().join("; "),
    }
}

fn broken(kind: io::ErrorKind) -> String {
    match kind {
        io::ErrorKind::UnexpectedEof => "the connection was closed early".into(),
        kind => kind.to_string(),
    }
}

/// The wait that `Retry-After` asks for, in whole seconds: a date is a fraction of one away.
fn asked(wait: Option<Duration>) -> String {
    let whole = |wait: Duration| wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    wait.map(|wait| format!(" and asks to wait {}", span(Duration::from_secs(whole(wait)))))
        .unwrap_or_default()
}
