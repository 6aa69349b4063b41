//! The progress of an attempt. The attempt's threads report it to the thread that waits.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use ureq::http::Uri;

use super::error::Trouble;
use super::outage::Phase;

/// A report from a thread of an attempt.
pub(super) enum Message {
    Phase(Phase),
    /// redenv-run tries this address, or the address failed.
    Tried(SocketAddr, Option<io::ErrorKind>),
    /// The first bytes of a long answer.
    Beginning(Vec<u8>),
    Answer(Result<Vec<u8>, Trouble>),
}

/// Reports the progress of a request. `host` is the database's host.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    pub(super) host: String,
    pub(super) messages: Sender<Message>,
}

impl Progress {
    /// Sends a report to the waiting thread, unless that thread has given up.
    pub(super) fn tell(&self, message: Message) {
        drop(self.messages.send(message));
    }

    /// Whether a connection for this URI goes to the host, and not to a proxy.
    pub(super) fn is_to_host(&self, uri: &Uri) -> bool {
        uri.host() == Some(&self.host)
    }
}
