//! One attempt: a request and its answer, on a thread of its own.
//!
//! The caller stops waiting for the thread at the deadline, whatever hangs: a name server, a connection, a
//! proxy, TLS, or an answer that drips. Nobody waits for a thread that took too long.

use std::io::{self, Read as _};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, RustlsConnector};

use super::connect::{Arrived, Race, SystemResolver};
use super::error::{LIMIT, Permanent, Trouble};
use super::outage::{Phase, Transient, Tried};
use super::progress::{Message, Progress};
use super::{Upstash, retry, translate};
use crate::deadline::Deadline;

/// The bytes of a long answer that the caller gets early. In most projects, they contain the whole first
/// answer.
const BEGINNING: u64 = 16 * 1024;
/// The thread's stack: enough for a lookup, TLS and HTTP. The default of 2 MiB counts against limits on address
/// space.
const STACK: usize = 512 * 1024;

impl Upstash {
    /// Sends the request once. `on_beginning` sees the first bytes of a long answer while the rest arrives.
    pub(super) fn attempt(
        &self,
        body: &[u8],
        deadline: Deadline,
        on_beginning: &mut dyn FnMut(&[u8]),
    ) -> Result<Vec<u8>, Trouble> {
        let (send, messages) = mpsc::channel();
        let progress = Progress { host: self.peer.host.clone(), messages: send };
        let (client, body) = (self.clone(), body.to_vec());
        thread::Builder::new()
            .name("request".into())
            .stack_size(STACK)
            .spawn(move || {
                let answer = client.exchange(&body, &progress);
                // Nobody gets the answer while this thread still holds the Upstash token.
                drop(client);
                progress.tell(Message::Answer(answer));
            })
            .map_err(|_| Permanent::NoThread)?;
        let share = Deadline::new(Instant::now(), share(deadline.remaining()));
        let (mut phase, mut tried) = (Phase::Start, Tried::new());
        loop {
            // An answer that has begun may take all the time that is left.
            let end = if phase == Phase::Body { deadline } else { share };
            match messages.recv_timeout(end.remaining()) {
                Ok(Message::Phase(entered)) => phase = entered,
                Ok(Message::Tried(address, failure)) => drop(tried.insert(address, failure)),
                Ok(Message::Beginning(bytes)) => on_beginning(&bytes),
                // The attempt failed, or its time is over, before an address answered.
                Ok(Message::Answer(Err(_))) | Err(_) if phase == Phase::Connection => {
                    return Err(Transient::Unconnected(tried).into());
                }
                Ok(Message::Answer(answer)) => return answer,
                Err(_) => return Err(Transient::Timeout(phase).into()),
            }
        }
    }

    fn exchange(&self, body: &[u8], progress: &Progress) -> Result<Vec<u8>, Trouble> {
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(Race(progress.clone()))
                .chain(RustlsConnector::default())
                .chain(Arrived(progress.clone()));
        let agent = ureq::Agent::with_parts(self.config.clone(), connector, SystemResolver(progress.clone()));
        let mut response = agent
            .post(&self.url)
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .send(body)
            .map_err(translate::from_ureq)?;
        progress.tell(Message::Phase(Phase::Body));
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
            progress.tell(Message::Beginning(answer.clone()));
        }
        reader.read_to_end(&mut answer).map_err(broken)?;
        match status {
            200 => Ok(answer),
            _ => Err(translate::from_status(status, &answer, retry_after)),
        }
    }
}

/// How long an attempt may take until the answer begins: half of the remaining time, so that there is time for
/// another attempt. Near the end, it is all of the remaining time.
fn share(remaining: Duration) -> Duration {
    if remaining < Duration::from_secs(2) { remaining } else { remaining / 2 }
}
