//! A database that can't be reached, or does not serve the request for now.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use indexmap::IndexMap;
use miette::Diagnostic;

use super::address::is_loopback;
use super::{Address, Proxy};
use crate::ui::text::Shown;
use crate::ui::time::span;

/// A database that could not be reached, or did not serve the request in time.
#[derive(Debug)]
pub(crate) struct Outage {
    pub(super) peer: Peer,
    /// The deadline that passed; `None` if the client gave up before the deadline.
    pub(super) within: Option<Duration>,
    pub(super) reason: Transient,
    pub(super) attempts: u32,
}

/// A temporary failure.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum Transient {
    #[error("its name is unknown")]
    #[diagnostic(help("check the host in UPSTASH_REDIS_URL"))]
    UnknownName,
    #[error("the name lookup failed")]
    #[diagnostic(help("check this machine's network and name servers"))]
    NameLookup,
    #[error("{}", each(.0))]
    #[diagnostic(help(
        "check UPSTASH_REDIS_URL, this machine's network and firewall; set HTTPS_PROXY if you need a proxy"
    ))]
    Unconnected(Tried),
    /// The connection broke.
    #[error("{}", broken(*.0))]
    #[diagnostic(help("check UPSTASH_REDIS_URL and this machine's network"))]
    Broken(io::ErrorKind),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Timeout(Phase),
    /// 429 or 5xx, with the wait that `Retry-After` asks for.
    #[error("it answered HTTP {status}{}{}", if *status == 429 { " (too many requests)" } else { "" }, asked(*retry_after))]
    Status { status: u16, retry_after: Option<Duration> },
}

/// The current part of an attempt. The message says that this part did not end in time.
#[derive(Debug, thiserror::Error, Diagnostic, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    #[error("no time was left to send the request")]
    Start,
    #[error("the name lookup took too long")]
    #[diagnostic(help("check this machine's network and name servers"))]
    NameLookup,
    #[error("the connection took too long")]
    Connection,
    #[error("the proxy took too long")]
    Proxy,
    #[error("the TLS handshake took too long")]
    Tls,
    #[error("no answer came")]
    Answer,
    #[error("the answer did not end")]
    Body,
}

/// The tried addresses, in order, and the failure of each. `None` means that there was no answer yet.
pub(crate) type Tried = IndexMap<SocketAddr, Option<io::ErrorKind>>;

/// The database's host, and the way to it, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(super) host: String,
    /// The host, the port if it is not the scheme's default, and the proxy.
    shown: String,
    /// The variable that names the proxy.
    proxy: Option<&'static str>,
}

impl std::error::Error for Outage {}

impl Diagnostic for Outage {
    /// The hint of the reason, or a better hint if there is a proxy or the host is this machine.
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let hint = match (&self.reason, self.peer.proxy) {
            (Transient::Status { .. }, _) => None,
            (_, Some(variable)) => {
                Some(format!("check {variable}, and that the proxy allows connections to this host"))
            }
            (Transient::Unconnected(_), None) if is_loopback(&self.peer.host) => {
                Some("nothing answers there: start the local vault, or check UPSTASH_REDIS_URL".to_owned())
            }
            (reason, None) => reason.help().map(|help| help.to_string()),
        };
        let more_time = || self.within.map(|_| "allow more time with --timeout (REDENV_TIMEOUT)".to_owned());
        Some(Box::new(hint.or_else(more_time)?))
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, within, reason, attempts } = self;
        let failed = match reason {
            Transient::Timeout(_) => "did not answer",
            Transient::Status { .. } => "did not serve the request",
            _ => "could not be reached",
        };
        write!(f, "{} {failed}", peer.shown)?;
        if let Some(deadline) = within {
            write!(f, " within {}", span(*deadline))?;
        }
        write!(f, ": {reason}")?;
        if *attempts > 1 { write!(f, " ({attempts} attempts)") } else { Ok(()) }
    }
}

impl Transient {
    /// Whether the deadline ended the attempt.
    pub(super) fn is_cut_short(&self) -> bool {
        match self {
            Self::Timeout(_) => true,
            Self::Unconnected(tried) => tried.values().any(Option::is_none),
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
        let port = Some(address.port).filter(|port| *port != address.scheme.port());
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let through = proxy.map(|proxy| format!(" through the proxy {}", Shown(&proxy.host)));
        let shown = format!("{}{port}{}", Shown(&address.host), through.unwrap_or_default());
        Self { host: address.host.clone(), shown, proxy: proxy.map(|proxy| proxy.variable) }
    }
}

/// The failure of each address. A single address is not named.
fn each(tried: &Tried) -> String {
    let one = |(address, failure): (&SocketAddr, &Option<io::ErrorKind>)| {
        let failure = failure.map_or("no answer".to_owned(), |kind| kind.to_string());
        if tried.len() == 1 { failure } else { format!("{address}: {failure}") }
    };
    tried.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn broken(kind: io::ErrorKind) -> String {
    match kind {
        io::ErrorKind::UnexpectedEof => "the connection was closed early".into(),
        kind => kind.to_string(),
    }
}

/// The wait that `Retry-After` asks for, rounded up to whole seconds: the wait until a date has fractions.
fn asked(wait: Option<Duration>) -> String {
    let whole = |wait: Duration| wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    wait.map(|wait| format!(" and asks to wait {}", span(Duration::from_secs(whole(wait)))))
        .unwrap_or_default()
}
