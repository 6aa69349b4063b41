//! The REST client of Upstash: Redis commands in, their answers out, inside one deadline.
//!
//! It knows the errors of Redis, but not what a result means. No other room names `ureq` or `rustls`.
//!
//! | what happens | tried again? |
//! | --- | --- |
//! | no connection, a connection that breaks, a name lookup that fails | yes |
//! | no answer within half of the remaining time | yes |
//! | 429, 500, 502, 503, 504 and other 5xx | yes, as `Retry-After` asks |
//! | the database's request quota is used up | no: a retry can't help |
//! | 401, 403, a redirect, any other 4xx | no |
//! | an invalid certificate, a TLS alert | no |
//! | an answer over 64 MiB, or one that is not HTTP | no |

pub(crate) mod address;
mod attempt;
mod certificates;
mod connect;
mod error;
mod outage;
mod progress;
pub(crate) mod proxy;
mod redis_error;
mod reply;
mod retry;
mod translate;

use ureq::http::HeaderValue;
use zeroize::Zeroizing;

pub(crate) use address::Address;
pub(crate) use certificates::CertificateFile;
pub(crate) use error::{Error, Permanent};
pub(crate) use proxy::Proxy;
pub(crate) use redis_error::RedisError;
pub(crate) use reply::{answers, first_answer};
pub(crate) use retry::Patience;

use crate::deadline::Deadline;
use crate::secret::SecretText;
use outage::Peer;

/// Bytes that ureq reads at a time: two TLS records. ureq's default is more memory than a small vault needs.
const INPUT_BUFFER: usize = 32 * 1024;
/// Bytes that ureq writes at a time.
const OUTPUT_BUFFER: usize = 8 * 1024;

/// A client of one database.
#[derive(Clone)]
pub(crate) struct Upstash {
    config: ureq::config::Config,
    url: String,
    peer: Peer,
    authorization: HeaderValue,
}

/// The way to the database.
#[derive(Debug, Default)]
pub(crate) struct Network {
    /// The proxy, if one applies to the address.
    pub(crate) proxy: Option<Proxy>,
    /// Files with certificates to trust, in addition to the bundled certificates.
    pub(crate) certificates: Vec<CertificateFile>,
}

impl Upstash {
    /// Creates a client for `address` with its REST token, and connects to nothing yet.
    ///
    /// # Errors
    /// [`Error`] when the token or a certificate file can't be used.
    pub(crate) fn new(address: &Address, token: &SecretText, network: &Network) -> Result<Self, Error> {
        if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::BadToken);
        }
        let header = Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut authorization = HeaderValue::from_str(&header).map_err(|_| Error::BadToken)?;
        authorization.set_sensitive(true);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .proxy(network.proxy.as_ref().map(|proxy| proxy.for_ureq.clone()))
            .tls_config(certificates::trust(&network.certificates)?)
            .user_agent(concat!("redenv-run/", env!("CARGO_PKG_VERSION")))
            .input_buffer_size(INPUT_BUFFER)
            .output_buffer_size(OUTPUT_BUFFER)
            .build();
        let url = format!("{}/pipeline", address.base);
        Ok(Self { config, url, peer: Peer::new(address, network.proxy.as_ref()), authorization })
    }

    /// The database's host, for messages.
    pub(crate) fn host(&self) -> &str {
        &self.peer.host
    }

    /// Sends commands as one `/pipeline` and returns the raw reply, one element per command. Retries temporary
    /// failures until the deadline. `on_retry` gets one line about each failure, for `-v`. `on_beginning` gets
    /// the first bytes of a long reply while the rest arrives.
    ///
    /// # Errors
    /// [`Error`] when Upstash refuses, or can't be reached before the deadline.
    pub(crate) fn pipeline(
        &self,
        commands: &[Vec<String>],
        deadline: Deadline,
        patience: Patience,
        on_retry: &mut dyn FnMut(String),
        on_beginning: &mut dyn FnMut(&[u8]),
    ) -> Result<Vec<u8>, Error> {
        #[expect(clippy::expect_used, reason = "strings in arrays always serialize")]
        let body = serde_json::to_vec(commands).expect("commands as JSON");
        self.with_retries(deadline, patience, on_retry, || self.attempt(&body, deadline, on_beginning))
    }
}
