//! How far an attempt has come: its threads tell the one that waits for it.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use ureq::http::Uri;

use super::error::Trouble;
use super::outage::Phase;

/// What the threads of an attempt tell.
pub(super) enum Message {
    Phase(Phase),
    /// An address is tried, or failed.
    Tried(SocketAddr, Option<io::ErrorKind>),
    /// The first bytes of a long answer.
    Beginning(Vec<u8>),
    Answer(Result<Vec<u8>, Trouble>),
}

/// Tells the progress of a request to `host`.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) host: String,
    pub(super) messages: Sender<Message>,
}

impl Progress {
    /// Tells the thread that waits, unless it has given up.
    pub(super) fn tell(&self, message: Message) {
        drop(self.messages.send(message));
    }

    /// Whether a connection for this URI is the one to the host, rather than one to a proxy.
    pub(super) fn is_to_host(&self, uri: &Uri) -> bool {
        uri.host() == Some(&self.host)
    }
}
