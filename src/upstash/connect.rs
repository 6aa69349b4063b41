//! From a host's name to a connection.

use std::net::ToSocketAddrs as _;
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout, Transport};

use super::attempt::{Phase, Progress};

/// As many addresses as ureq takes.
const MOST_ADDRESSES: usize = 16;

/// Looks names up with the system's resolver. An attempt has a thread to wait on; ureq's own resolver starts
/// one, and panics when the system refuses it.
#[derive(Debug)]
pub(super) struct Names(pub(super) Arc<Progress>);

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.enter(Phase::NameLookup);
        let parts = uri.scheme().zip(uri.authority());
        let name = parts.and_then(|(scheme, authority)| DefaultResolver::host_and_port(scheme, authority));
        let mut addresses = self.empty();
        for address in name.ok_or(ureq::Error::HostNotFound)?.to_socket_addrs()?.take(MOST_ADDRESSES) {
            addresses.push(address);
        }
        self.0.enter(Phase::Connection);
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// Notes that the connection stands, as the last of ureq's connectors.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) progress: Arc<Progress>,
    /// The host that the request is for. ureq runs all connectors for the connection to a proxy, too.
    pub(super) host: String,
}

impl<In: Transport> Connector<In> for Arrived {
    type Out = In;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<In>, ureq::Error> {
        if details.uri.host() == Some(&self.host) {
            self.progress.enter(Phase::Answer);
        }
        Ok(chained)
    }
}
