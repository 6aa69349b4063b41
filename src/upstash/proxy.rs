//! The proxy that a request goes through, from `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Address;
use super::address::{self, Scheme};

/// An HTTP proxy that opens tunnels with CONNECT. It may hold a password, so `Debug` shows only the host.
pub(crate) struct Proxy {
    pub(super) for_ureq: ureq::Proxy,
    /// The host, and the port if the URL has one, for messages.
    pub(super) host: String,
    /// The variable that names the proxy.
    pub(super) variable: &'static str,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({})", self.host)
    }
}

/// A proxy variable that redenv-run can't use. A direct connection would defeat the proxy's purpose.
#[derive(thiserror::Error, miette::Diagnostic, Debug, PartialEq, Eq)]
pub(crate) enum BadProxy {
    /// A kind such as `socks5`.
    #[error("{variable} is a {kind} proxy, which is not supported")]
    #[diagnostic(help("use an http:// proxy, or put the database's host into NO_PROXY to connect directly"))]
    Kind { variable: &'static str, kind: String },
    #[error("{variable} is not the URL of a proxy")]
    #[diagnostic(help("use a URL such as http://proxy.example:3128"))]
    NotUrl { variable: &'static str },
}

/// The variables that name a proxy; the first one that is set counts. redenv-run ignores `HTTP_PROXY`: it is
/// for `http` URLs, and these stay in the user's own network.
pub(crate) const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that list hosts to connect to directly.
pub(crate) const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

impl Proxy {
    /// The proxy for `address`, if one applies. `variable` returns a variable's value.
    ///
    /// # Errors
    /// [`BadProxy`] when the proxy that applies can't be used.
    pub(crate) fn choose(
        address: &Address,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, BadProxy> {
        if address.scheme == Scheme::Http {
            return Ok(None);
        }
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let Some((name, url)) = PROXY_VARIABLES.iter().find_map(|name| Some((*name, set(name)?))) else {
            return Ok(None);
        };
        let exceptions = NO_PROXY_VARIABLES.iter().find_map(|name| set(name)).unwrap_or_default();
        if is_excepted(&address.host, address.port, &exceptions) {
            return Ok(None);
        }
        Self::parse(name, &url).map(Some)
    }

    fn parse(variable: &'static str, url: &str) -> Result<Self, BadProxy> {
        let (kind, rest) = url.split_once("://").unwrap_or(("http", url));
        if !kind.eq_ignore_ascii_case("http")
            && !kind.is_empty()
            && kind.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return Err(BadProxy::Kind { variable, kind: kind.to_ascii_lowercase() });
        }
        // A `/`, `?` or `#` in the password should have been encoded: it ends the host.
        if rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(['/', '?', '#'])) {
            return Err(BadProxy::NotUrl { variable });
        }
        let for_ureq = ureq::Proxy::new(url).map_err(|_| BadProxy::NotUrl { variable })?;
        let (host, port) = address::host_and_port(for_ureq.uri()).ok_or(BadProxy::NotUrl { variable })?;
        let host = port.map_or(host.clone(), |port| format!("{host}:{port}"));
        Ok(Self { for_ureq, host, variable })
    }
}

/// Whether `NO_PROXY` covers a host: by `*`, an address, a network such as `10.0.0.0/8`, or a name, which covers
/// its subdomains. An address and a name may have a port.
fn is_excepted(host: &str, port: u16, exceptions: &str) -> bool {
    let bare = |text: &str| text.replace(['[', ']'], "").to_ascii_lowercase();
    let host = bare(host);
    let with_port = format!("{host}:{port}");
    let ip = host.parse::<IpAddr>().ok();
    exceptions.split([',', ' ']).map(bare).any(|entry| {
        if let Some(ip) = ip
            && (entry.parse() == Ok(ip) || entry.parse().is_ok_and(|network: IpNet| network.contains(&ip)))
        {
            return true;
        }
        let name = entry.trim_start_matches("*.").trim_start_matches('.');
        let covers = |host: &str| host == name || ip.is_none() && host.ends_with(&format!(".{name}"));
        entry == "*" || !name.is_empty() && (covers(&host) || covers(&with_port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstash::address::PlainHttp;

    fn choose(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, BadProxy> {
        let address = Address::parse(url, PlainHttp::Anywhere).unwrap();
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Proxy::choose(&address, lookup).map(|proxy| proxy.map(|proxy| proxy.host))
    }

    #[test]
    fn a_malformed_url_is_refused_as_a_whole() {
        for url in [
            "http://",
            "http://:3128",
            "http://user:pass",
            "http://user:pa/ss@proxy:3128",
            "http://user:pa#ss@proxy:3128",
            "http://user:pa?ss@proxy:3128",
            "http://user:hunter2 x/y@127.0.0.1:1",
            "http://proxy:99999",
            "http://proxy:port",
            "http://pro xy",
            "http://[::1]:x",
            "bücher.example:8080",
        ] {
            let expected = Err(BadProxy::NotUrl { variable: "HTTPS_PROXY" });
            assert_eq!(choose("https://x.upstash.io", &[("HTTPS_PROXY", url)]), expected, "{url}");
        }
        for (url, host) in [
            ("http://[::1]:3128", "[::1]:3128"),
            ("http://[::1]", "[::1]"),
            ("http://u:p%2F@proxy.example/", "proxy.example"),
        ] {
            let expected = Ok(Some(host.to_owned()));
            assert_eq!(choose("https://x.upstash.io", &[("HTTPS_PROXY", url)]), expected, "{url}");
        }
    }

    #[test]
    fn no_proxy_covers_hosts() {
        for (host, exceptions, excepted) in [
            ("eu1.upstash.io", "*", true),
            ("eu1.upstash.io", "eu1.upstash.io", true),
            ("eu1.upstash.io", "upstash.io", true),
            ("eu1.upstash.io", "localhost, .UPSTASH.io", true),
            ("eu1.upstash.io", "*.upstash.io", true),
            ("eu1.upstash.io", "pstash.io", false),
            ("eu1.upstash.io", "upstash.io:443", true),
            ("eu1.upstash.io", "upstash.io:8443", false),
            ("10.1.2.3", "10.0.0.0/8", true),
            ("11.1.2.3", "10.0.0.0/8", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("[::1]", "::1", true),
            ("[fd00::1]", "fd00::/8", true),
            ("eu1.upstash.io", "", false),
            ("eu1.upstash.io", ".", false),
        ] {
            assert_eq!(is_excepted(host, 443, exceptions), excepted, "{host} in {exceptions}");
        }
    }
}
