//! Connects to a host by its name, as in RFC 8305 (Happy Eyeballs). One dead address costs 250 ms.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
};

use super::outage::Phase;
use super::progress::{Message, Progress};

/// The most addresses that ureq takes.
const MOST_ADDRESSES: usize = 16;
/// The time after which the next address is tried, too.
const HEAD_START: Duration = Duration::from_millis(250);
/// The thread's stack: enough for one system call. The default of 2 MiB counts against limits on address space.
const STACK: usize = 64 * 1024;

/// Looks names up with the system's resolver, on the attempt's thread. ureq's own resolver starts another
/// thread, and panics when the system refuses that thread.
#[derive(Debug)]
pub(super) struct SystemResolver(pub(super) Progress);

impl Resolver for SystemResolver {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.tell(Message::Phase(Phase::NameLookup));
        let parts = uri.scheme().zip(uri.authority());
        let name = parts.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let mut addresses = self.empty();
        for address in name.ok_or(ureq::Error::HostNotFound)?.to_socket_addrs()?.take(MOST_ADDRESSES) {
            addresses.push(address);
        }
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// Connects to the first address that answers.
#[derive(Debug)]
pub(super) struct Race(pub(super) Progress);

impl<In: Transport> Connector<In> for Race {
    type Out = Either<In, Tcp>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A tunnel through a proxy.
        if let Some(tunnel) = chained {
            return Ok(Some(Either::A(tunnel)));
        }
        self.0.tell(Message::Phase(Phase::Connection));
        let stream =
            self.first_connection(&alternating(&details.addrs)).ok_or(ureq::Error::ConnectionFailed)?;
        let next = if self.0.is_to_host(details.uri) { Phase::Tls } else { Phase::Proxy };
        self.0.tell(Message::Phase(next));
        stream.set_nodelay(true)?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(Tcp { stream, buffers })))
    }
}

impl Race {
    /// Tries each address on a thread of its own. The next address is tried after [`HEAD_START`], or at once if
    /// one fails. The other threads end by themselves.
    fn first_connection(&self, addresses: &[SocketAddr]) -> Option<TcpStream> {
        let (send, ended) = mpsc::channel();
        let mut waiting = addresses.iter().copied();
        let mut running = 0;
        loop {
            let next = waiting.next();
            if let Some(address) = next {
                self.0.tell(Message::Tried(address, None));
                running += 1;
                let later = send.clone();
                let connect = move || drop(later.send((address, TcpStream::connect(address))));
                let thread = thread::Builder::new().name("connect".into()).stack_size(STACK);
                let is_last = running == 1 && waiting.len() == 0;
                // A last address needs no thread. If the system gives no thread, the others wait for this one.
                if is_last || thread.spawn(connect).is_err() {
                    drop(send.send((address, TcpStream::connect(address))));
                }
            } else if running == 0 {
                return None;
            }
            let head_start = if next.is_some() { HEAD_START } else { Duration::MAX };
            match ended.recv_timeout(head_start) {
                Ok((_, Ok(stream))) => return Some(stream),
                Ok((address, Err(error))) => {
                    self.0.tell(Message::Tried(address, Some(error.kind())));
                    running -= 1;
                }
                Err(_) => {}
            }
        }
    }
}

/// The addresses, IPv6 and IPv4 in turn. The family of the first address comes first (RFC 8305, section 4).
fn alternating(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_first_family = |address: &&SocketAddr| address.is_ipv6() == addresses[0].is_ipv6();
    let (first, second): (Vec<&SocketAddr>, Vec<_>) = addresses.iter().partition(is_first_family);
    let pairs = (0..addresses.len()).flat_map(|n| [first.get(n), second.get(n)]);
    pairs.flatten().map(|address| **address).collect()
}

/// A TCP connection for ureq. It has no timeouts: after the deadline nobody waits for it.
pub(super) struct Tcp {
    stream: TcpStream,
    buffers: LazyBuffers,
}

impl Transport for Tcp {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let amount = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // No connection is used twice.
        false
    }
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tcp({:?})", self.stream)
    }
}

/// Reports that the connection to the host is ready. This is the last of ureq's connectors.
#[derive(Debug)]
pub(super) struct Arrived(pub(super) Progress);

impl<In: Transport> Connector<In> for Arrived {
    type Out = In;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<In>, ureq::Error> {
        // ureq runs all connectors for the connection to a proxy, too.
        if self.0.is_to_host(details.uri) {
            self.0.tell(Message::Phase(Phase::Answer));
        }
        Ok(chained)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_and_the_first_ones_is_first() {
        let addresses =
            |text: &str| text.split(' ').map(|ip| SocketAddr::new(ip.parse().unwrap(), 443)).collect();
        for (resolved, expected) in [
            ("::1 ::2 ::3 127.0.0.1 127.0.0.2", "::1 127.0.0.1 ::2 127.0.0.2 ::3"),
            ("127.0.0.1 ::1 ::2", "127.0.0.1 ::1 ::2"),
            ("127.0.0.1 127.0.0.2 ::1", "127.0.0.1 ::1 127.0.0.2"),
            ("127.0.0.1 127.0.0.2", "127.0.0.1 127.0.0.2"),
            ("::1", "::1"),
        ] {
            let (resolved, expected): (Vec<_>, Vec<_>) = (addresses(resolved), addresses(expected));
            assert_eq!(alternating(&resolved), expected);
        }
    }
}
