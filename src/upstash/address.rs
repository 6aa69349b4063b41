//! The database's URL.

use std::net::IpAddr;

use ureq::http::Uri;

use crate::ui::text::Shown;

/// The REST URL of a database, without user, query and trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The URL that paths are appended to.
    pub(crate) base: String,
    pub(crate) host: String,
    /// The URL's port, or else the scheme's default.
    pub(crate) port: u16,
    pub(crate) scheme: Scheme,
}

/// Whether the connection uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Https,
    Http,
}

impl Scheme {
    /// The default port of the scheme.
    pub(super) fn port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

/// The hosts that `http` is allowed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainHttp {
    Loopback,
    /// Every host, with `--allow-http`.
    Anywhere,
}

/// The hint if the URL is not the REST URL.
const COPY: &str = "copy the REST URL from the database's page in the console: https://<name>.upstash.io";

/// Why a text is not the URL of a database. Each message continues a line that begins with the setting's name.
/// It never repeats the URL, which may hold a password.
#[derive(thiserror::Error, miette::Diagnostic, Debug, PartialEq, Eq, Clone)]
pub(crate) enum BadAddress {
    #[error("is not a URL")]
    NotUrl,
    #[error("does not start with https://")]
    #[diagnostic(help("{COPY}"))]
    NotHttps,
    /// `redis://` or `rediss://`.
    #[error("is a URL of the Redis protocol, not of the REST API")]
    #[diagnostic(help("{COPY}"))]
    RedisProtocol,
    #[error("is the URL of Upstash's console")]
    #[diagnostic(help("{COPY}"))]
    Console,
    /// `http` to this host, which is another machine.
    #[error("is http to {}, where others could read the token on the way", Shown(.0))]
    #[diagnostic(help("use https, or --allow-http (REDENV_ALLOW_HTTP=1) if the network is safe"))]
    PlainHttp(String),
    #[error("has the port of the Redis protocol (host {})", Shown(.0))]
    #[diagnostic(help("{COPY}"))]
    RedisPort(String),
    #[error("contains a user name or a password")]
    #[diagnostic(help("{COPY}"))]
    UserInfo,
    #[error("contains `?` or `#`")]
    #[diagnostic(help("{COPY}"))]
    Query,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`BadAddress`]: what is wrong with it.
    pub(crate) fn parse(text: &str, plain: PlainHttp) -> Result<Self, BadAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(BadAddress::NotHttps)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            "redis" | "rediss" => return Err(BadAddress::RedisProtocol),
            _ => return Err(BadAddress::NotHttps),
        };
        if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
            return Err(BadAddress::UserInfo);
        }
        let uri: Uri = text.parse().map_err(|_| BadAddress::NotUrl)?;
        let (host, port) = host_and_port(&uri).ok_or(BadAddress::NotUrl)?;
        if host.eq_ignore_ascii_case("console.upstash.com") {
            return Err(BadAddress::Console);
        }
        // Checked after the console, whose URLs contain both.
        if text.contains(['?', '#']) {
            return Err(BadAddress::Query);
        }
        if host.to_ascii_lowercase().ends_with(".upstash.io") && port == Some(6379) {
            return Err(BadAddress::RedisPort(host));
        }
        if scheme == Scheme::Http && plain == PlainHttp::Loopback && !is_loopback(&host) {
            return Err(BadAddress::PlainHttp(host));
        }
        let port = port.unwrap_or(scheme.port());
        Ok(Self { base: text.trim_end_matches('/').to_owned(), host, port, scheme })
    }
}

/// The host and the port of a URL. `None` if the host is missing or the port is invalid.
pub(super) fn host_and_port(uri: &Uri) -> Option<(String, Option<u16>)> {
    let (host, authority) = (uri.host()?, uri.authority()?.as_str());
    let (_, authority) = authority.rsplit_once('@').unwrap_or(("", authority));
    // `host:` and `host:99999` parse as authorities without a port.
    let is_valid = !host.is_empty() && (authority == host || uri.port_u16().is_some());
    is_valid.then(|| (host.to_owned(), uri.port_u16()))
}

/// Whether a host never leaves this machine: `localhost`, 127.0.0.0/8, or `[::1]`.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_or_its_slip_is_named() {
        let plain = |host: &str| Err(BadAddress::PlainHttp(host.into()));
        for (text, expected) in [
            ("https://eu1-x.upstash.io", Ok(443)),
            ("https://eu1-x.upstash.io/", Ok(443)),
            ("HTTPS://EU1.upstash.io:8443/base/", Ok(8443)),
            ("http://localhost:8079", Ok(8079)),
            ("http://127.8.9.1", Ok(80)),
            ("http://[::1]:80", Ok(80)),
            ("http://10.0.0.1", plain("10.0.0.1")),
            ("http://localhost.example.com", plain("localhost.example.com")),
            ("http://127.0.0.1.example.com", plain("127.0.0.1.example.com")),
            ("eu1-x.upstash.io", Err(BadAddress::NotHttps)),
            ("redis://default:pw@eu1-x.upstash.io:6379", Err(BadAddress::RedisProtocol)),
            ("rediss://default:pw@eu1-x.upstash.io:6379", Err(BadAddress::RedisProtocol)),
            ("https://eu1-x.upstash.io:6379", Err(BadAddress::RedisPort("eu1-x.upstash.io".into()))),
            ("https://console.upstash.com/redis/1234", Err(BadAddress::Console)),
            ("https://console.upstash.com/redis/1234?teamid=0#tab", Err(BadAddress::Console)),
            ("https://user:pw@host", Err(BadAddress::UserInfo)),
            ("https://host?token=x", Err(BadAddress::Query)),
            ("ftp://host", Err(BadAddress::NotHttps)),
            ("https://", Err(BadAddress::NotUrl)),
            ("https://host:99999", Err(BadAddress::NotUrl)),
            ("https://ho st", Err(BadAddress::NotUrl)),
            ("://host", Err(BadAddress::NotHttps)),
        ] {
            let parsed = Address::parse(text, PlainHttp::Loopback).map(|address| address.port);
            assert_eq!(parsed, expected, "{text}");
        }
    }
}
