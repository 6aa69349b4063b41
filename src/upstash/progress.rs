//! How far an attempt has come, for the thread that waits for it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ureq::http::Uri;

/// The progress of one attempt, shared by its threads.
#[derive(Debug)]
pub(super) struct Progress {
    host: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    tried: Vec<Tried>,
}

/// The part of an attempt that is under way, with the message for one that did not end in time.
#[derive(thiserror::Error, miette::Diagnostic, Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
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

/// An address that was tried.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    pub(super) address: SocketAddr,
    /// `None` while it has not answered.
    pub(super) failure: Option<io::ErrorKind>,
}

impl Progress {
    /// The progress of a request to `host`.
    pub(super) fn new(host: &str) -> Self {
        Self { host: host.to_owned(), state: Mutex::default() }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.lock().phase = phase;
    }

    pub(super) fn phase(&self) -> Phase {
        self.lock().phase
    }

    /// Notes that an address is being tried.
    pub(super) fn tries(&self, address: SocketAddr) {
        self.lock().tried.push(Tried { address, failure: None });
    }

    /// Notes that an address failed.
    pub(super) fn failed(&self, address: SocketAddr, failure: io::ErrorKind) {
        self.lock().tried.iter_mut().filter(|tried| tried.address == address).for_each(|tried| {
            tried.failure = Some(failure);
        });
    }

    /// The addresses that were tried, in order.
    pub(super) fn tried(&self) -> Vec<Tried> {
        self.lock().tried.clone()
    }

    /// Whether a connection for this URI is the one to the host, rather than one to a proxy.
    pub(super) fn is_to_host(&self, uri: &Uri) -> bool {
        uri.host() == Some(&self.host)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.failure {
            Some(kind) => write!(f, "{kind}"),
            None => f.write_str("no answer"),
        }
    }
}
