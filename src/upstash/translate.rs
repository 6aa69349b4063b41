//! Translates statuses, and the errors of ureq, rustls and the system, into this room's errors.

use std::io;
use std::time::Duration;

use super::RedisError;
use super::error::{Permanent, Trouble};
use super::outage::Transient;
use super::reply;

/// The trouble behind a status other than 200.
pub(super) fn from_status(status: u16, body: &[u8], retry_after: Option<Duration>) -> Trouble {
    let problem = match (status, reply::only_error(body).unwrap_or(RedisError::Unknown)) {
        (401, _) | (400, RedisError::WrongPass) => Permanent::Unauthorized(format!("HTTP {status}")),
        (403, _) => Permanent::Forbidden,
        (_, RedisError::Quota) => Permanent::Quota,
        (429 | 500..=599, _) => return Transient::Status { status, retry_after }.into(),
        (300..=399, _) => Permanent::Redirect(status),
        (404 | 405, _) => Permanent::NotRest(status),
        (_, error) => Permanent::Refused { what: format!("the request (HTTP {status})"), error },
    };
    problem.into()
}

/// The trouble behind an error of ureq.
pub(super) fn from_ureq(error: ureq::Error) -> Trouble {
    match error {
        ureq::Error::HostNotFound => Transient::UnknownName.into(),
        ureq::Error::BodyExceedsLimit(_) => Permanent::TooLong.into(),
        ureq::Error::Io(error) => from_io(&error),
        ureq::Error::Rustls(error) => from_rustls(&error).into(),
        ureq::Error::Tls(_) => {
            Permanent::Certificate("no certificate can be valid for this host name").into()
        }
        ureq::Error::ConnectProxyFailed(reason) => from_proxy(&reason),
        _ => Permanent::NotHttp.into(),
    }
}

fn from_io(error: &io::Error) -> Trouble {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return from_rustls(tls).into();
    }
    // std gives a failed lookup no kind, only this text of its own and the C library's reason.
    let text = error.to_string();
    if text.starts_with("failed to lookup address information") {
        let unknown = ["not known", "No address", "does not resolve", "nodename nor servname"];
        let is_unknown = unknown.iter().any(|reason| text.contains(reason));
        return if is_unknown { Transient::UnknownName } else { Transient::NameLookup }.into();
    }
    match error.kind() {
        io::ErrorKind::InvalidData => Permanent::NotHttp.into(),
        kind => Transient::Broken(kind).into(),
    }
}

fn from_rustls(error: &rustls::Error) -> Permanent {
    use rustls::CertificateError as Certificate;
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return Permanent::Tls(match error {
            rustls::Error::AlertReceived(alert) => format!("it sent the alert {alert:?}"),
            rustls::Error::InvalidMessage(_) => "it did not answer in TLS".into(),
            rustls::Error::PeerIncompatible(_) => "there is no common version or cipher".into(),
            _ => "the handshake failed".into(),
        });
    };
    Permanent::Certificate(match certificate {
        Certificate::Expired | Certificate::ExpiredContext { .. } => "it has expired",
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => "it is not valid yet",
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => "it is for another name",
        Certificate::UnknownIssuer => "its issuer is not trusted",
        Certificate::Revoked => "it is revoked",
        _ => "it is not valid",
    })
}

/// ureq reports a proxy's answer only as text, such as "proxy server responded 407/407".
fn from_proxy(reason: &str) -> Trouble {
    let status = reason.rsplit([' ', '/']).find_map(|word| word.parse::<u16>().ok());
    match status {
        Some(status @ (429 | 500..=599)) => Transient::Status { status, retry_after: None }.into(),
        Some(407) => Permanent::Proxy("it wants a user name and password (HTTP 407)".into()).into(),
        Some(status) => Permanent::Proxy(format!("it answered HTTP {status}")).into(),
        None => Transient::Broken(io::ErrorKind::UnexpectedEof).into(),
    }
}
