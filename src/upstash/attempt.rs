//! One attempt: a request and its answer, on a thread of its own.
//!
//! The caller waits for the thread, but not beyond the deadline, whatever hangs: a name server, a connection, a
//! proxy, TLS, or an answer that drips. Nobody waits for a thread that took too long.

use std::io::Read as _;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, RustlsConnector};

use super::connect::{Arrived, Names, Race};
use super::error::{LIMIT, Problem, Trouble};
use super::outage::Transient;
use super::progress::{Phase, Progress};
use super::{Upstash, retry, translate};
use crate::deadline::Deadline;

/// Enough for a lookup, TLS and HTTP. The default of 2 MiB counts against limits on address space.
const STACK: usize = 512 * 1024;

impl Upstash {
    /// Sends the request once.
    pub(super) fn attempt(&self, body: &[u8], deadline: Deadline) -> Result<Vec<u8>, Trouble> {
        let progress = Arc::new(Progress::new(&self.peer.host));
        let (send, answer) = mpsc::channel();
        let (client, body, shared) = (self.clone(), body.to_vec(), Arc::clone(&progress));
        thread::Builder::new()
            .name("request".into())
            .stack_size(STACK)
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
        answered.unwrap_or_else(|_| {
            Err(match progress.phase() {
                Phase::Connection => Transient::Unconnected(progress.tried()).into(),
                phase => Transient::Timeout(phase).into(),
            })
        })
    }

    fn exchange(&self, body: &[u8], progress: &Arc<Progress>) -> Result<Vec<u8>, Trouble> {
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(Race(Arc::clone(progress)))
                .chain(RustlsConnector::default())
                .chain(Arrived(Arc::clone(progress)));
        let agent = ureq::Agent::with_parts(self.config.clone(), connector, Names(Arc::clone(progress)));
        let mut response = agent
            .post(&self.url)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .send(body)
            .map_err(|error| match error {
                ureq::Error::ConnectionFailed => Transient::Unconnected(progress.tried()).into(),
                error => translate::from_ureq(error),
            })?;
        progress.enter(Phase::Body);
        let status = response.status().as_u16();
        let retry_after = retry::retry_after(response.headers());
        let length = response.body().content_length().unwrap_or(0);
        let length =
            usize::try_from(length).ok().filter(|length| *length <= LIMIT).ok_or(Problem::TooLong)?;
        let mut answer = Vec::with_capacity(length);
        let mut reader = response.body_mut().with_config().limit(LIMIT as u64).reader();
        reader.read_to_end(&mut answer).map_err(|error| translate::from_ureq(error.into()))?;
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
