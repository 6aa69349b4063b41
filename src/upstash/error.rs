//! The errors of a request. They hold no text from the network.

use miette::Diagnostic;

use super::RedisError;
use super::outage::{Outage, Transient};
use crate::ui::text::Shown;

/// The most bytes that redenv-run reads of an answer.
pub(super) const LIMIT: usize = 64 * 1024 * 1024;

/// The hint for a port that speaks another protocol.
const OTHER_SERVICE: &str = "check the scheme and port of UPSTASH_REDIS_URL: \
    something other than the Upstash REST API may listen there";

/// Why there is no reply.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum Error {
    #[error("the Upstash token contains a character that no token has")]
    #[diagnostic(help("copy the REST token again, without line breaks"))]
    BadToken,
    #[error("{} contains no usable PEM certificate", Shown(path))]
    #[diagnostic(help("--ca-file, REDENV_CA_FILE or SSL_CERT_FILE names this file"))]
    NoCertificate { path: String },
    /// The database could not be reached in time.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Outage(Box<Outage>),
    /// Another attempt can't help.
    #[error("{} {problem}", Shown(host))]
    #[diagnostic(forward(problem))]
    Request { host: String, problem: Permanent },
}

/// A failed request that another attempt can't mend. The message continues the host's name.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum Permanent {
    #[error("was not asked: the system allows no more threads")]
    #[diagnostic(help("raise the limit of processes: `ulimit -u`, or the container's limit of pids"))]
    NoThread,
    /// The token is wrong. Holds the status or the error code that says so.
    #[error("rejected the Upstash token ({0})")]
    #[diagnostic(help(
        "copy the REST token from the database's page, with a trailing =; \
         the database's password does not work here; -v shows where the token came from"
    ))]
    Unauthorized(String),
    #[error("denied access (HTTP 403)")]
    #[diagnostic(help("check that the token and this machine's IP address may use this database"))]
    Forbidden,
    #[error("refused the request: the database's request quota is used up")]
    #[diagnostic(help("raise the quota in Upstash's console, or wait for its next period"))]
    Quota,
    #[error("redirects to another URL (HTTP {0}), which redenv-run does not follow")]
    #[diagnostic(help("set UPSTASH_REDIS_URL to the database's own REST URL"))]
    Redirect(u16),
    #[error("has no Upstash REST API at this URL (HTTP {0})")]
    #[diagnostic(help("set UPSTASH_REDIS_URL to the REST URL from the database's page"))]
    NotRest(u16),
    /// `what` is the request with its status, or the command with its key.
    #[error("refused {what}: {error}")]
    #[diagnostic(forward(error))]
    Refused { what: String, error: RedisError },
    #[error("sent an answer longer than {} MiB", LIMIT >> 20)]
    TooLong,
    #[error("did not answer in HTTP")]
    #[diagnostic(help("{OTHER_SERVICE}"))]
    NotHttp,
    #[error("did not answer like an Upstash REST API (invalid JSON at byte {at})")]
    #[diagnostic(help("set UPSTASH_REDIS_URL to the REST URL from the database's page"))]
    NotJson { at: usize },
    #[error("answered {found} commands instead of {expected}")]
    Count { expected: usize, found: usize },
    #[error("has a certificate that redenv-run does not accept: {0}")]
    #[diagnostic(help(
        "check UPSTASH_REDIS_URL and this machine's clock; name a private CA with --ca-file (REDENV_CA_FILE)"
    ))]
    Certificate(&'static str),
    #[error("failed to set up TLS: {0}")]
    #[diagnostic(help("{OTHER_SERVICE}"))]
    Tls(String),
    #[error("cannot be reached through the proxy: {0}")]
    #[diagnostic(help("check HTTPS_PROXY"))]
    Proxy(String),
}

/// How an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Transient(#[from] Transient),
    #[error(transparent)]
    Permanent(#[from] Permanent),
}

impl Permanent {
    /// The refusal of a command, or of a request as a whole.
    pub(super) fn refused(what: String, error: RedisError) -> Self {
        match error {
            RedisError::WrongPass => Self::Unauthorized("WRONGPASS".into()),
            RedisError::Quota => Self::Quota,
            error => Self::Refused { what, error },
        }
    }
}

impl Error {
    /// Whether the database could not be reached in time. Then redenv-run may use a fallback file.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Outage(_))
    }

    /// Whether Upstash says that the token must not be used.
    pub(crate) fn is_revocation(&self) -> bool {
        matches!(self, Self::Request { problem: Permanent::Unauthorized(_) | Permanent::Forbidden, .. })
    }

    /// Whether the database may have run the commands although there is no valid answer.
    pub(crate) fn is_uncertain(&self) -> bool {
        matches!(
            self,
            Self::Outage(_)
                | Self::Request {
                    problem: Permanent::NotHttp
                        | Permanent::NotJson { .. }
                        | Permanent::Count { .. }
                        | Permanent::TooLong,
                    ..
                }
        )
    }
}
