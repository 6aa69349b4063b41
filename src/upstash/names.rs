//! The look-up of names, by the system's resolver, inside a time.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The most addresses of a name that are tried: as many as ureq holds.
const MOST: usize = 16;

/// Looks names up on a thread of its own, as the C library can't be told how long it may take.
/// ureq's own resolver panics where the system gives no thread, and starts one for an address, too.
#[derive(Debug)]
pub(super) struct Names;

/// The system gave no thread: a limit on processes is reached.
#[derive(Debug)]
pub(super) struct NoThread;

impl fmt::Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system gives no thread")
    }
}

impl std::error::Error for NoThread {}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let parts = uri.scheme().zip(uri.authority());
        let name = parts.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let name = name.ok_or(ureq::Error::HostNotFound)?;
        let mut addresses = self.empty();
        match name.parse() {
            Ok(address) => addresses.push(address),
            Err(_) => look_up(name, timeout)?.into_iter().take(MOST).for_each(|a| addresses.push(a)),
        }
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// The addresses of `host:port`.
fn look_up(name: String, timeout: NextTimeout) -> Result<Vec<SocketAddr>, ureq::Error> {
    let no_thread = || ureq::Error::Other(Box::new(NoThread));
    let (send, found) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("names".into())
        .spawn(move || drop(send.send(name.to_socket_addrs().map(Iterator::collect))))
        .map_err(|_| no_thread())?;
    match found.recv_timeout(*timeout.after) {
        Ok(addresses) => Ok(addresses?),
        Err(RecvTimeoutError::Timeout) => Err(ureq::Error::Timeout(timeout.reason)),
        Err(RecvTimeoutError::Disconnected) => Err(no_thread()),
    }
}
