//! The proxy that a request goes through, from `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

use std::net::IpAddr;

use super::Address;
use super::address::Scheme;

/// An HTTP proxy that opens tunnels with CONNECT. It may hold a password, so `Debug` shows only the host.
pub(crate) struct Proxy {
    parsed: ureq::Proxy,
    host: String,
    variable: &'static str,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({})", self.host)
    }
}

/// A proxy variable that redenv-run can't follow. A direct connection instead would defeat the proxy's purpose.
#[derive(thiserror::Error, Debug, PartialEq, Eq)]
pub(crate) enum BadProxy {
    /// A kind such as `socks5`.
    #[error("{variable} is a {kind} proxy, which is not supported")]
    Kind { variable: &'static str, kind: String },
    #[error("{variable} is not the URL of a proxy")]
    NotUrl { variable: &'static str },
}

impl BadProxy {
    /// What to type instead.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Kind { .. } => {
                "use an http:// proxy, or put the database's host into NO_PROXY to connect directly"
            }
            Self::NotUrl { .. } => "use a URL such as http://proxy.example:3128",
        }
    }
}

/// The variables that name a proxy; the first one that is set counts. `HTTP_PROXY` is not among them: it is for
/// `http` URLs, and those stay in the own network.
pub(crate) const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The variables that list hosts to connect to directly.
pub(crate) const NO_PROXY_VARIABLES: [&str; 2] = ["NO_PROXY", "no_proxy"];

impl Proxy {
    /// The proxy for `address`, if one applies. `variable` looks a variable up.
    ///
    /// # Errors
    /// [`BadProxy`] when the proxy that applies can't be used.
    pub(crate) fn choose(
        address: &Address,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, BadProxy> {
        if address.scheme() == Scheme::Http {
            return Ok(None);
        }
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let Some((name, url)) = PROXY_VARIABLES.iter().find_map(|name| Some((*name, set(name)?))) else {
            return Ok(None);
        };
        let exceptions = NO_PROXY_VARIABLES.iter().find_map(|name| set(name)).unwrap_or_default();
        if is_excepted(address.host(), address.port(), &exceptions) {
            return Ok(None);
        }
        Self::parse(name, &url).map(Some)
    }

    fn parse(variable: &'static str, url: &str) -> Result<Self, BadProxy> {
        let rest = match url.split_once("://") {
            None => url,
            Some((kind, rest)) if kind.eq_ignore_ascii_case("http") => rest,
            Some((kind, _)) if !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                return Err(BadProxy::Kind { variable, kind: kind.to_ascii_lowercase() });
            }
            Some(_) => return Err(BadProxy::NotUrl { variable }),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        // An `@` in the path: a `/` in the password should have been encoded, and the host is none.
        if !is_host(host) || path.contains('@') {
            return Err(BadProxy::NotUrl { variable });
        }
        let parsed =
            ureq::Proxy::new(&format!("http://{authority}")).map_err(|_| BadProxy::NotUrl { variable })?;
        Ok(Self { parsed, host: host.to_owned(), variable })
    }

    /// The proxy for ureq.
    pub(super) fn for_ureq(&self) -> ureq::Proxy {
        self.parsed.clone()
    }

    /// The host and port, for messages.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The variable that names it.
    pub(crate) fn variable(&self) -> &'static str {
        self.variable
    }
}

/// Whether the text is a host, with or without a port, and so can be shown.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let in_names = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    !name.is_empty() && name.chars().all(in_names) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Whether `NO_PROXY` covers a host: by `*`, a name (with its subdomains), `.name`, an address, or a network
/// such as `10.0.0.0/8`. All but a network may have a port.
fn is_excepted(host: &str, port: u16, exceptions: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip = bare.parse::<IpAddr>().ok();
    exceptions.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some(ip), Some((network, bits))) = (ip, entry.split_once('/')) {
            return in_network(ip, network, bits);
        }
        if let Some(ip) = ip {
            let inner = entry.trim_start_matches('[').trim_end_matches(']');
            if inner.parse() == Ok(ip) {
                return true;
            }
        }
        let (name, wanted) = match entry.rsplit_once(':') {
            Some((name, number)) => match number.parse::<u16>() {
                Ok(number) => (name.trim_start_matches('[').trim_end_matches(']'), Some(number)),
                Err(_) => (entry, None),
            },
            None => (entry, None),
        };
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let host = bare.to_ascii_lowercase();
        let matches = host == name
            || (ip.is_none() && host.strip_suffix(&name).is_some_and(|head| head.ends_with('.')));
        matches && !name.is_empty() && wanted.is_none_or(|wanted| wanted == port)
    })
}

fn in_network(ip: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    let (left, right, width) = match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => (u128::from(ip.to_bits()), u128::from(net.to_bits()), 32),
        (IpAddr::V6(ip), IpAddr::V6(net)) => (ip.to_bits(), net.to_bits(), 128),
        _ => return false,
    };
    bits <= width && (bits == 0 || (left ^ right) >> (width - bits) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstash::address::PlainHttp;

    fn choose(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, BadProxy> {
        let address = Address::parse(url, PlainHttp::Anywhere).unwrap();
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Proxy::choose(&address, lookup).map(|proxy| proxy.map(|proxy| proxy.host().to_owned()))
    }

    #[test]
    fn only_https_goes_through_a_proxy() {
        let https = "https://eu1.upstash.io";
        assert_eq!(choose(https, &[]), Ok(None));
        assert_eq!(
            choose(https, &[("HTTPS_PROXY", "http://u:p@proxy:3128/")]),
            Ok(Some("proxy:3128".into()))
        );
        assert_eq!(choose(https, &[("https_proxy", "proxy:3128")]), Ok(Some("proxy:3128".into())));
        assert_eq!(choose(https, &[("ALL_PROXY", "http://proxy")]), Ok(Some("proxy".into())));
        assert_eq!(choose(https, &[("HTTP_PROXY", "http://proxy")]), Ok(None));
        assert_eq!(choose("http://vault:80", &[("HTTPS_PROXY", "http://proxy")]), Ok(None));
    }

    #[test]
    fn an_unsupported_kind_is_an_error() {
        for kind in ["socks5", "socks4a", "https"] {
            let url = format!("{kind}://proxy:1080");
            let expected = BadProxy::Kind { variable: "HTTPS_PROXY", kind: kind.into() };
            assert_eq!(choose("https://x.upstash.io", &[("HTTPS_PROXY", &url)]), Err(expected));
        }
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
