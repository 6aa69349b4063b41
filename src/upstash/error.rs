//! What can go wrong between here and the store, in types that hold none of its texts.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::Deserialize;

use super::names::NoThread;
use super::tls::BadRoots;
use super::{Address, Proxy};
use crate::ui::report::Shown;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Error {
    /// The token holds a character that no header can.
    BadToken,
    /// The proxy's URL can't be used.
    BadProxy(String),
    /// A certificate file can't be used.
    Roots(BadRoots),
    /// Worth another try. Never leaves the client: it becomes `Overdue` or `Unreachable`.
    Transient(Transient),
    /// The deadline passed, or no further attempt would fit into it.
    Overdue { peer: Box<Peer>, span: Duration, reason: Transient, attempts: u32 },
    /// It was given up before the deadline.
    Unreachable { peer: Box<Peer>, reason: Transient, attempts: u32 },
    /// 401, or a `WRONGPASS`.
    Unauthorized,
    /// 403.
    Forbidden,
    /// The database's quota is used up.
    Quota,
    /// The answer points elsewhere, and redirects are not followed.
    Redirect(u16),
    /// The address has no REST API.
    NotRest(u16),
    /// Any other refusal.
    Refused(u16, StoreError),
    /// The answer is longer than is read.
    TooLarge { limit: usize },
    /// The certificate was not accepted, and why.
    Certificate(String),
    /// TLS failed otherwise.
    Tls(String),
    /// The proxy refused.
    Proxy(String),
    /// The system gave no thread.
    NoThread,
    /// The answer is not HTTP.
    Http,
}

/// Who is spoken to, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) host: String,
    /// The proxy in between: its host and port, and the variable that names it.
    pub(crate) proxy: Option<(String, &'static str)>,
    /// Where it is not the scheme's own.
    port: Option<u16>,
}

impl Peer {
    pub(super) fn new(address: &Address, proxy: Option<&Proxy>) -> Self {
        Self {
            host: address.host().to_owned(),
            proxy: proxy.map(|proxy| (proxy.host().to_owned(), proxy.variable())),
            port: address.unusual_port(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(&self.host))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.proxy {
            Some((proxy, _)) => write!(f, " through the proxy {}", Shown(proxy)),
            None => Ok(()),
        }
    }
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    NameLookup,
    Connection,
    Request,
    Answer,
    Proxy,
    /// The body, or a phase whose share was more than the phases before it had left.
    Whole,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NameLookup => "the name look-up",
            Self::Connection => "the connection",
            Self::Request => "the request",
            Self::Answer => "the answer",
            Self::Proxy => "the proxy",
            Self::Whole => "the whole request",
        })
    }
}

/// A failure that may pass.
#[derive(Debug)]
pub(crate) enum Transient {
    /// No address for the name. `unknown`: the name server says that there is none.
    NameLookup { unknown: bool },
    /// No connection, or one that broke.
    Connection(io::ErrorKind),
    /// Nothing in time, in this phase.
    Timeout(Phase),
    /// 429 or 5xx, with the wait that was asked for.
    Status(u16, Option<Duration>),
}

impl Transient {
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(_, wait) => *wait,
            _ => None,
        }
    }

    pub(super) fn is_unknown_name(&self) -> bool {
        matches!(self, Self::NameLookup { unknown: true })
    }

    pub(super) fn is_unreachable(&self) -> bool {
        !matches!(self, Self::Status(..))
    }
}

impl fmt::Display for Transient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameLookup { unknown: true } => f.write_str("its name is not known"),
            Self::NameLookup { unknown: false } => f.write_str("the name look-up failed"),
            Self::Connection(io::ErrorKind::ConnectionRefused) => f.write_str("the connection was refused"),
            Self::Connection(io::ErrorKind::UnexpectedEof) => f.write_str("the connection was closed early"),
            Self::Connection(kind) => write!(f, "{kind}"),
            Self::Timeout(phase) => write!(f, "no answer in time ({phase})"),
            Self::Status(429, _) => f.write_str("it allows no more requests for now (status 429)"),
            Self::Status(status, _) => write!(f, "it answered with status {status}"),
        }?;
        match self {
            Self::Status(_, Some(wait)) => {
                // A date is a fraction of a second away.
                let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
                write!(f, " and asks to wait {}", humantime::format_duration(Duration::from_secs(seconds)))
            }
            _ => Ok(()),
        }
    }
}

/// What the store says of a command. Its text may repeat the command, so only its kind is kept.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) enum StoreError {
    /// The token is wrong.
    WrongPass,
    /// The token may not do this, a read-only one for example.
    NoPermission,
    /// The quota is used up.
    Quota,
    /// The key holds something else than a hash.
    WrongType,
    /// Another error, by its code where it has one, such as `ERR`.
    Other(Option<String>),
}

impl StoreError {
    /// The kind of an error text.
    pub(crate) fn classify(text: &str) -> Self {
        let code = text.split_whitespace().next().unwrap_or_default();
        match code {
            "WRONGPASS" | "NOAUTH" | "Unauthorized" => Self::WrongPass,
            "NOPERM" => Self::NoPermission,
            "WRONGTYPE" => Self::WrongType,
            _ if text.contains("max requests limit") || text.contains("max daily request limit") => {
                Self::Quota
            }
            _ => {
                let is_code = (2..=16).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase());
                Self::Other(is_code.then(|| code.to_owned()))
            }
        }
    }

    /// The kind of an answer's body, `{"error": "..."}`.
    fn of_body(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: String,
        }
        match serde_json::from_slice::<Body>(body) {
            Ok(body) => Self::classify(&body.error),
            Err(_) => Self::Other(None),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPass => f.write_str("the token is wrong"),
            Self::NoPermission => f.write_str("the token may not do this"),
            Self::Quota => f.write_str("the database's request quota is used up"),
            Self::WrongType => f.write_str("the key is not a hash"),
            Self::Other(Some(code)) => write!(f, "an error of code {code}"),
            Self::Other(None) => f.write_str("an error"),
        }
    }
}

/// The error of an answer other than 200.
pub(super) fn from_status(status: u16, body: &[u8], retry_after: Option<Duration>) -> Error {
    match (status, StoreError::of_body(body)) {
        (401, _) | (400, StoreError::WrongPass) => Error::Unauthorized,
        (403, _) => Error::Forbidden,
        (_, StoreError::Quota) => Error::Quota,
        (429 | 500..=599, _) => Error::Transient(Transient::Status(status, retry_after)),
        (300..=399, _) => Error::Redirect(status),
        (404 | 405, _) => Error::NotRest(status),
        (_, error) => Error::Refused(status, error),
    }
}

/// ureq's error in this program's terms.
pub(super) fn from_ureq(error: ureq::Error) -> Error {
    match error {
        ureq::Error::Timeout(timeout) => Error::Transient(Transient::Timeout(phase(timeout))),
        ureq::Error::HostNotFound => Error::Transient(Transient::NameLookup { unknown: true }),
        ureq::Error::Io(error) => from_io(&error),
        ureq::Error::Rustls(error) => from_rustls(&error),
        ureq::Error::Tls(_) => Error::Certificate("the host's name can't be in a certificate".into()),
        ureq::Error::ConnectProxyFailed(reason) => from_proxy(&reason),
        ureq::Error::Other(other) if other.is::<NoThread>() => Error::NoThread,
        ureq::Error::ConnectionFailed => Error::Transient(Transient::Connection(io::ErrorKind::NotConnected)),
        _ => Error::Http,
    }
}

fn from_io(error: &io::Error) -> Error {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return from_rustls(tls);
    }
    // std gives no kind to a failed look-up, only this text of its own and the C library's reason.
    let text = error.to_string();
    if text.starts_with("failed to lookup address information") {
        let unknown = ["not known", "No address", "does not resolve", "nodename nor servname"]
            .iter()
            .any(|reason| text.contains(reason));
        return Error::Transient(Transient::NameLookup { unknown });
    }
    match error.kind() {
        io::ErrorKind::InvalidData => Error::Http,
        // What macOS says when a time-out is set on a connection that was reset.
        io::ErrorKind::InvalidInput if cfg!(target_os = "macos") => {
            Error::Transient(Transient::Connection(io::ErrorKind::ConnectionReset))
        }
        kind => Error::Transient(Transient::Connection(kind)),
    }
}

fn from_rustls(error: &rustls::Error) -> Error {
    use rustls::CertificateError as Certificate;
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return Error::Tls(describe(error));
    };
    Error::Certificate(
        match certificate {
            Certificate::Expired | Certificate::ExpiredContext { .. } => "it has expired",
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => "it is not valid yet",
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                "it is for another name"
            }
            Certificate::UnknownIssuer => "its issuer is not trusted",
            Certificate::Revoked => "it is revoked",
            _ => "it is not valid",
        }
        .into(),
    )
}

fn describe(error: &rustls::Error) -> String {
    match error {
        rustls::Error::AlertReceived(alert) => format!("the server sent the alert {alert:?}"),
        rustls::Error::InvalidMessage(_) => "the answer is not TLS".into(),
        rustls::Error::PeerIncompatible(_) => "no common version or cipher".into(),
        _ => "the handshake failed".into(),
    }
}

/// ureq's text is its own: "proxy server responded 407/407".
fn from_proxy(reason: &str) -> Error {
    let status = reason.rsplit([' ', '/']).find_map(|word| word.parse::<u16>().ok());
    match status {
        Some(status @ (429 | 500..=599)) => Error::Transient(Transient::Status(status, None)),
        Some(407) => Error::Proxy("it wants a user name and password (status 407)".into()),
        Some(status) => Error::Proxy(format!("it answered with status {status}")),
        None => Error::Transient(Transient::Connection(io::ErrorKind::UnexpectedEof)),
    }
}

fn phase(timeout: ureq::Timeout) -> Phase {
    match timeout {
        ureq::Timeout::Resolve => Phase::NameLookup,
        ureq::Timeout::Connect => Phase::Connection,
        ureq::Timeout::SendRequest | ureq::Timeout::SendBody => Phase::Request,
        ureq::Timeout::RecvResponse => Phase::Answer,
        _ => Phase::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_stores_error_is_told_without_its_text() {
        for (text, kind) in [
            ("WRONGPASS invalid or missing auth token", StoreError::WrongPass),
            ("Unauthorized", StoreError::WrongPass),
            ("NOPERM this user has no permissions to run the 'hset' command", StoreError::NoPermission),
            ("ERR max requests limit exceeded. Limit: 10000, Usage: 10001", StoreError::Quota),
            ("ERR max daily request limit exceeded", StoreError::Quota),
            ("WRONGTYPE Operation against a key", StoreError::WrongType),
            ("ERR unknown command 'hunter2'", StoreError::Other(Some("ERR".into()))),
            ("hunter2 is no command", StoreError::Other(None)),
            ("", StoreError::Other(None)),
        ] {
            assert_eq!(StoreError::classify(text), kind, "{text}");
        }
    }

    #[test]
    fn what_is_tried_again_is_this_table() {
        let transient =
            |status, body: &str| matches!(from_status(status, body.as_bytes(), None), Error::Transient(_));
        for status in [429, 500, 502, 503, 504, 599] {
            assert!(transient(status, ""), "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 413, 418] {
            assert!(!transient(status, ""), "{status}");
        }
        assert!(!transient(429, r#"{"error":"ERR max requests limit exceeded. Limit: 1, Usage: 2"}"#));
    }
}
