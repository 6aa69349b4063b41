//! One attempt: a request and its answer, on a thread of its own.
//!
//! The caller waits for the thread and no longer than the deadline, whatever hangs: a name server, a connection,
//! a proxy, TLS, or an answer that drips. An attempt that took too long is left to itself.

use std::fmt;
use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, RustlsConnector, TcpConnector};

use super::connect::{Arrived, Names};
use super::error::{Problem, Transient, Trouble};
use super::{Upstash, retry, translate};
use crate::deadline::Deadline;

/// The longest answer that is read.
pub(super) const LIMIT: usize = 64 * 1024 * 1024;

impl Upstash {
    /// Sends the request once.
    pub(super) fn attempt(&self, body: &[u8], deadline: Deadline) -> Result<Vec<u8>, Trouble> {
        let progress = Arc::new(Progress::default());
        let (send, answer) = mpsc::channel();
        let (client, body, shared) = (self.clone(), body.to_vec(), Arc::clone(&progress));
        thread::Builder::new()
            .name("request".into())
            .spawn(move || {
                let answer = client.exchange(&body, &shared);
                // Nobody gets the answer while this thread still holds the Upstash token.
                drop(client);
                drop(send.send(answer));
            })
            .map_err(|_| Problem::NoThread)?;
        let mut answered = answer.recv_timeout(share(deadline.remaining()));
        if answered.is_err() && progress.phase() == Phase::Body {
            answered = answer.recv_timeout(deadline.remaining());
        }
        answered.unwrap_or_else(|_| Err(Transient::Timeout(progress.phase()).into()))
    }

    fn exchange(&self, body: &[u8], progress: &Arc<Progress>) -> Result<Vec<u8>, Trouble> {
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(RustlsConnector::default())
                .chain(Arrived { progress: Arc::clone(progress), host: self.peer.host.clone() });
        let agent = ureq::Agent::with_parts(self.config.clone(), connector, Names(Arc::clone(progress)));
        let mut response = agent
            .post(&self.url)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .send(body)
            .map_err(translate::from_ureq)?;
        progress.enter(Phase::Body);
        let status = response.status().as_u16();
        let retry_after = retry::retry_after(response.headers());
        let announced = response.body().content_length().unwrap_or(0);
        let length =
            usize::try_from(announced).ok().filter(|length| *length <= LIMIT).ok_or(Problem::TooLong)?;
        let mut answer = Vec::with_capacity(length);
        let mut reader = response.body_mut().as_reader().take(LIMIT as u64 + 1);
        reader.read_to_end(&mut answer).map_err(|error| translate::from_ureq(error.into()))?;
        if answer.len() > LIMIT {
            return Err(Problem::TooLong.into());
        }
        match status {
            200 => Ok(answer),
            _ => Err(translate::from_status(status, &answer, retry_after)),
        }
    }
}

/// How long an attempt may take until the answer begins: half of what is left, so that a hanging one leaves
/// time for another, and near the end all of it.
fn share(remaining: Duration) -> Duration {
    if remaining < Duration::from_secs(2) { remaining } else { remaining / 2 }
}

/// How far an attempt has come, for the thread that waits for it.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<Phase>);

impl Progress {
    pub(super) fn enter(&self, phase: Phase) {
        *self.lock() = phase;
    }

    fn phase(&self) -> Phase {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The part of an attempt that is under way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    #[default]
    Start,
    NameLookup,
    /// From TCP to the end of the TLS handshake, through a proxy where there is one.
    Connection,
    Answer,
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "no time was left to send the request",
            Self::NameLookup => "the name lookup took too long",
            Self::Connection => "the connection took too long",
            Self::Answer => "no answer came",
            Self::Body => "the answer did not end",
        })
    }
}
