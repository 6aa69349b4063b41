//! One attempt: a request and its answer, on a thread of its own.
//!
//! The caller waits for the thread, but not beyond the deadline, whatever hangs: a name server, a connection, a
//! proxy, TLS, or an answer that drips. Nobody waits for a thread that took too long.

use std::io::{self, Read as _};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, RustlsConnector};

use super::connect::{Arrived, Names, Race};
use super::error::{LIMIT, Permanent, Trouble};
use super::outage::Transient;
use super::progress::{Phase, Progress};
use super::{Upstash, retry, translate};
use crate::deadline::Deadline;

/// How much of a long answer is shown to the caller early: a vault's first answer is shorter in most projects.
const BEGINNING: u64 = 16 * 1024;
/// Enough for a lookup, TLS and HTTP. The default of 2 MiB counts against limits on address space.
const STACK: usize = 512 * 1024;

/// What the thread of an attempt sends to the caller.
enum Message {
    Beginning(Vec<u8>),
    Answer(Result<Vec<u8>, Trouble>),
}

impl Upstash {
    /// Sends the request once. `on_beginning` sees the first bytes of a long answer while the rest arrives.
    pub(super) fn attempt(
        &self,
        body: &[u8],
        deadline: Deadline,
        on_beginning: &mut dyn FnMut(&[u8]),
    ) -> Result<Vec<u8>, Trouble> {
        let progress = Arc::new(Progress::new(&self.peer.host));
        let (send, messages) = mpsc::channel();
        let (client, body, shared) = (self.clone(), body.to_vec(), Arc::clone(&progress));
        thread::Builder::new()
            .name("request".into())
            .stack_size(STACK)
            .spawn(move || {
                let answer = client.exchange(&body, &shared, &send);
                // Nobody gets the answer while this thread still holds the Upstash token.
                drop(client);
                drop(send.send(Message::Answer(answer)));
            })
            .map_err(|_| Permanent::NoThread)?;
        let mut wait = share(deadline.remaining());
        loop {
            match messages.recv_timeout(wait) {
                Ok(Message::Beginning(bytes)) => on_beginning(&bytes),
                Ok(Message::Answer(answer)) => return answer,
                Err(_) if progress.phase() == Phase::Body && !deadline.remaining().is_zero() => {}
                Err(_) if progress.phase() == Phase::Connection => {
                    return Err(Transient::Unconnected(progress.tried()).into());
                }
                Err(_) => return Err(Transient::Timeout(progress.phase()).into()),
            }
            // An answer that has begun may take all the time that is left.
            wait = deadline.remaining();
        }
    }

    fn exchange(
        &self,
        body: &[u8],
        progress: &Arc<Progress>,
        messages: &mpsc::Sender<Message>,
    ) -> Result<Vec<u8>, Trouble> {
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
            usize::try_from(length).ok().filter(|length| *length <= LIMIT).ok_or(Permanent::TooLong)?;
        let mut answer = Vec::with_capacity(length);
        let mut reader = response.body_mut().with_config().limit(LIMIT as u64).reader();
        let broken = |error: io::Error| translate::from_ureq(error.into());
        if status == 200 && length as u64 > 2 * BEGINNING {
            reader.by_ref().take(BEGINNING).read_to_end(&mut answer).map_err(broken)?;
            drop(messages.send(Message::Beginning(answer.clone())));
        }
        reader.read_to_end(&mut answer).map_err(broken)?;
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
