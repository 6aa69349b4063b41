//! The REST client: commands in, replies out, inside one deadline. The only place that names `ureq`.
//!
//! | what happens | tried again? |
//! | --- | --- |
//! | no connection, a connection that breaks, a name look-up that fails | yes |
//! | no answer in time | yes, with what is left of the deadline |
//! | 429, 500, 502, 503, 504 and other 5xx | yes, `Retry-After` honoured |
//! | 429 or an error that says the quota is used up | no: no retry cures it |
//! | 401, 403, a redirect, any other 4xx | no |
//! | a certificate that isn't valid, a TLS alert | no |
//! | an answer over 64 MiB, or one that isn't the protocol's | no |

pub(crate) mod address;
mod error;
mod names;
pub(crate) mod proxy;
mod retry;
mod tls;

use std::io::{self, Read};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ureq::http::HeaderValue;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};

pub(crate) use address::Address;
pub(crate) use error::{Error, Peer, Phase, StoreError, Transient};
pub(crate) use proxy::Proxy;
pub(crate) use tls::CertificateFile;

use crate::deadline::Deadline;
use crate::secret::SecretText;
use crate::ui::report::{Report, Shown};

/// The most that is read of an answer.
const LIMIT: usize = 64 * 1024 * 1024;
/// Bytes that are read from the connection at a time.
const INPUT_BUFFER: usize = 32 * 1024;
/// Bytes that are written to it at a time.
const OUTPUT_BUFFER: usize = 8 * 1024;
/// By what a phase ends before the deadline.
const MARGIN: Duration = Duration::from_millis(2);
/// After how many bytes of an answer, and of twice as many, and so on, its beginning is shown.
const FIRST_LOOK: usize = 16 * 1024;
/// After how many bytes the last time.
const LAST_LOOK: usize = 1024 * 1024;
/// What is read at a time of a longer answer whose length isn't announced: so much that the C library's
/// allocator gives each piece back to the system when it is freed.
const PIECE: usize = 4 * 1024 * 1024;

/// A client of one database.
#[derive(Clone)]
pub(crate) struct Upstash {
    agent: ureq::Agent,
    base: String,
    peer: Peer,
    authorization: HeaderValue,
}

/// How the database is reached.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// The proxy, where one applies to the address.
    pub(crate) proxy: Option<Proxy>,
    /// Certificates that are trusted beside the bundled ones.
    pub(crate) roots: Vec<CertificateFile>,
}

/// How long an unreachable store is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    /// Until the deadline.
    UntilDeadline,
    /// A few attempts: there is a fallback to start from.
    FewAttempts,
}

/// What is told of a request that is under way.
pub(crate) enum Progress<'a> {
    /// An attempt failed and is repeated.
    Retry(Retry<'a>),
    /// A long answer begins with these bytes; more of it is still to come.
    Beginning(&'a [u8]),
}

/// What is told of an attempt that failed and is repeated.
#[derive(Debug)]
pub(crate) struct Retry<'a> {
    /// Which attempt failed, from 1.
    pub(crate) attempt: u32,
    /// Why.
    pub(crate) reason: &'a Transient,
    /// How long until the next one.
    pub(crate) wait: Duration,
}

impl Retry<'_> {
    /// Tells of it where details are asked for.
    pub(crate) fn tell(&self, host: &str, report: Report) {
        let Self { attempt, reason, wait } = self;
        report.detail(|| {
            format!("attempt {attempt} at {} failed: {reason}; again in {} ms", Shown(host), wait.as_millis())
        });
    }
}

impl Upstash {
    /// A client for `address` with its REST token. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Error::BadToken`] where the token can't be part of a header, [`Error::Roots`] and
    /// [`Error::BadProxy`] where these can't be used.
    pub(crate) fn new(address: &Address, token: &SecretText, network: &Network) -> Result<Self, Error> {
        if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::BadToken);
        }
        let header = zeroize::Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut authorization = HeaderValue::from_str(&header).map_err(|_| Error::BadToken)?;
        authorization.set_sensitive(true);
        let proxy = match &network.proxy {
            Some(proxy) => {
                Some(ureq::Proxy::new(proxy.url()).map_err(|_| Error::BadProxy(proxy.host().into()))?)
            }
            None => None,
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .user_agent(concat!("redenv-run/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections(0)
            // Room for two TLS records; the defaults of 128 KiB each, twice over, are memory that a small
            // vault would not need.
            .input_buffer_size(INPUT_BUFFER)
            .output_buffer_size(OUTPUT_BUFFER)
            .build();
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(tls::TlsConnector::new(&network.roots)?);
        Ok(Self {
            agent: ureq::Agent::with_parts(config, connector, names::Names),
            base: address.base().to_owned(),
            peer: Peer::new(address, network.proxy.as_ref()),
            authorization,
        })
    }

    /// The host, for messages.
    pub(crate) fn host(&self) -> &str {
        &self.peer.host
    }

    /// Sends commands as one `/pipeline` and gives the raw answer, one element per command.
    /// Failures that may pass are tried again until the deadline; `observe` is told how it goes.
    ///
    /// # Errors
    /// [`Error`]: what the store, the network or the deadline said.
    pub(crate) fn pipeline(
        &self,
        commands: &[Vec<String>],
        deadline: Deadline,
        patience: Patience,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<u8>, Error> {
        let body = json(commands);
        self.with_retries(deadline, patience, observe, |observe| {
            if self.peer.proxy.is_none() {
                let mut show = |beginning: &[u8]| observe(Progress::Beginning(beginning));
                return self.exchange("/pipeline", &body, deadline, &mut show);
            }
            self.watched("/pipeline", &body, deadline, observe)
        })
    }

    /// The exchange on a thread of its own: ureq begins a phase's time anew with every step of a
    /// proxy's CONNECT and with every byte of its answer, so that one that drips would never end.
    fn watched(
        &self,
        path: &'static str,
        body: &[u8],
        deadline: Deadline,
        observe: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<u8>, Error> {
        enum Step {
            Beginning(Vec<u8>),
            End(Result<Vec<u8>, Error>),
        }
        let (client, body) = (self.clone(), body.to_vec());
        let (send, steps) = mpsc::channel();
        let exchange = move || {
            let mut show = |beginning: &[u8]| drop(send.send(Step::Beginning(beginning.to_vec())));
            let end = client.exchange(path, &body, deadline, &mut show);
            drop(send.send(Step::End(end)));
        };
        thread::Builder::new().name("request".into()).spawn(exchange).map_err(|_| Error::NoThread)?;
        loop {
            match steps.recv_timeout(deadline.remaining()) {
                Ok(Step::Beginning(beginning)) => observe(Progress::Beginning(&beginning)),
                Ok(Step::End(end)) => return end,
                Err(_) => return Err(Error::Transient(Transient::Timeout(Phase::Proxy))),
            }
        }
    }

    fn exchange(
        &self,
        path: &str,
        body: &[u8],
        deadline: Deadline,
        show: &mut dyn FnMut(&[u8]),
    ) -> Result<Vec<u8>, Error> {
        let remaining = deadline.remaining();
        if remaining.is_zero() {
            return Err(Error::Transient(Transient::Timeout(Phase::Request)));
        }
        let mut response = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .config()
            .timeout_global(Some(remaining))
            // Shares of it, so that a name server, a route or a server that never answers leaves
            // time for another try. The body may take all that is left.
            .timeout_resolve(Some(share(remaining)))
            .timeout_connect(Some(share(remaining)))
            .timeout_recv_response(Some(share(remaining)))
            .build()
            .send(body)
            .map_err(error::from_ureq)?;
        let status = response.status().as_u16();
        let retry_after = retry::retry_after(response.headers());
        let length = response.body().content_length().unwrap_or(0);
        if length > LIMIT as u64 {
            return Err(Error::TooLarge { limit: LIMIT });
        }
        let mut reader = response.body_mut().as_reader().take(LIMIT as u64 + 1);
        let show = if status == 200 { show } else { &mut |_: &[u8]| () };
        let pieces = read(&mut reader, usize::try_from(length).unwrap_or(0), show)
            .map_err(|error| error::from_ureq(error.into()))?;
        if pieces.iter().map(Vec::len).sum::<usize>() > LIMIT {
            return Err(Error::TooLarge { limit: LIMIT });
        }
        let answer = joined(pieces);
        match status {
            200 => Ok(answer),
            _ => Err(error::from_status(status, &answer, retry_after)),
        }
    }
}

/// All that there is to read, of which `length` bytes are announced; `show` is given its beginnings. It is
/// one piece where it is no longer than announced, or short.
fn read(reader: &mut impl Read, length: usize, show: &mut dyn FnMut(&[u8])) -> io::Result<Vec<Vec<u8>>> {
    let mut answer = Vec::with_capacity(length + 1);
    let mut look = FIRST_LOOK;
    while look <= LAST_LOOK {
        reader.by_ref().take((look - answer.len()) as u64).read_to_end(&mut answer)?;
        if answer.len() < look {
            return Ok(vec![answer]);
        }
        show(&answer);
        look *= 2;
    }
    if answer.len() < length {
        reader.read_to_end(&mut answer)?;
        return Ok(vec![answer]);
    }
    let mut pieces = vec![answer];
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        reader.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        let was_last = piece.len() < PIECE;
        pieces.push(piece);
        if was_last {
            return Ok(pieces);
        }
    }
}

/// Puts pieces together, and frees each with that: a buffer that grows without knowing how far would be
/// there twice while it is copied.
fn joined(mut pieces: Vec<Vec<u8>>) -> Vec<u8> {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut whole = Vec::with_capacity(pieces.iter().map(Vec::len).sum());
    for piece in pieces {
        whole.extend_from_slice(&piece);
    }
    whole
}

/// What one phase of an attempt may take: half of what is left, and near the end all of it, but for
/// so little that the time-out names the phase and not the whole.
fn share(remaining: Duration) -> Duration {
    if remaining < Duration::from_secs(2) { remaining.saturating_sub(MARGIN) } else { remaining / 2 }
}

fn json(commands: &[Vec<String>]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "strings in arrays always serialize")]
    serde_json::to_vec(commands).expect("commands as JSON")
}
