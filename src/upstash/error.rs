//! Why there is no reply, in types that hold no text from the network.

use super::RedisError;
use super::outage::{Outage, Transient};
use crate::ui::failure::Failure;
use crate::ui::text::Shown;

/// The longest answer that is read.
pub(super) const LIMIT: usize = 64 * 1024 * 1024;

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

/// How an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Worth another attempt.
    #[error(transparent)]
    Passing(#[from] Transient),
    #[error(transparent)]
    Final(#[from] Problem),
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
                "copy the REST token from the database's page, with a trailing =; the database's password does not work here; -v shows where the token came from"
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
