//! The words for what the network, the store and its answer do.

use super::{MORE_THREADS, Told, bare, told};
use crate::ui::report::{Shown, join};
use crate::upstash::{self, StoreError};
use crate::vault::{KeyError, ParseError};

pub(super) fn store(host: &str, error: &upstash::Error) -> Told {
    use upstash::Error as E;
    let host = Shown(host);
    match error {
        E::BadToken => told(
            "the Upstash token holds a character that no token has",
            "copy the REST token again, without line breaks",
        ),
        E::BadProxy(proxy) => bare(format!("the proxy {} can't be used: its URL is malformed", Shown(proxy))),
        E::Roots(file) => told(
            format!("{} holds no certificate in PEM form", Shown(&file.path)),
            "it is named by --ca-file, REDENV_CA_FILE or SSL_CERT_FILE",
        ),
        E::Transient(reason) => bare(format!("{host}: {reason}")),
        E::Overdue { peer, span, reason, attempts } => {
            let failed = match reason {
                upstash::Transient::Timeout(_) => "did not answer",
                upstash::Transient::Status(..) => "did not serve the request",
                _ => "could not be reached",
            };
            let span = humantime::format_duration(*span);
            let message = format!("{peer} {failed} within {span}: {reason}{}", tries(*attempts));
            let more_time = || "--timeout (REDENV_TIMEOUT) gives more time".into();
            Told { message, hint: Some(unreachable_hint(peer, reason).unwrap_or_else(more_time)) }
        }
        E::Unreachable { peer, reason, attempts } => {
            let message = format!("{peer} could not be reached: {reason}{}", tries(*attempts));
            Told { message, hint: unreachable_hint(peer, reason) }
        }
        E::NoThread => told("the system gives no thread for the request", MORE_THREADS),
        E::Unauthorized => told(
            format!("{host} does not accept the Upstash token"),
            "copy the REST token from the database's page, a trailing = included; its password is another thing",
        ),
        E::Forbidden => told(
            format!("{host} refuses access (status 403)"),
            "the token or this machine's address may not use this database",
        ),
        E::Quota => told(
            format!("{host} refuses: the database's request quota is used up"),
            "no retry helps: raise the quota in Upstash's console, or wait for its next period",
        ),
        E::Redirect(status) => told(
            format!("{host} redirects elsewhere (status {status}), which is not followed"),
            "set UPSTASH_REDIS_URL to the database's own REST URL",
        ),
        E::NotRest(status) => told(
            format!("{host} has no Upstash REST API at this address (status {status})"),
            "set UPSTASH_REDIS_URL to the REST URL from the database's page",
        ),
        E::Refused(_, StoreError::NoPermission) => told(
            format!("{host} refuses: the Upstash token may not do this"),
            "reading needs a token that may read, and creating or revoking one that may write",
        ),
        E::Refused(status, error) => bare(format!("{host} refuses the request (status {status}): {error}")),
        E::TooLarge { limit } => bare(format!("the answer of {host} is longer than {} MiB", limit >> 20)),
        E::Certificate(why) => told(
            format!("the certificate of {host} is not accepted: {why}"),
            "check the URL and this machine's clock; a private CA is named with --ca-file (REDENV_CA_FILE)",
        ),
        E::Tls(why) => told(
            format!("no TLS connection to {host}: {why}"),
            "check the port: something else than the REST API may be listening there",
        ),
        E::Proxy(why) => told(format!("the proxy does not connect to {host}: {why}"), "check HTTPS_PROXY"),
        E::Http => told(
            format!("the answer of {host} is not HTTP"),
            "check the URL's scheme and port: something else than the REST API may be listening there",
        ),
    }
}

fn tries(attempts: u32) -> String {
    if attempts == 1 { String::new() } else { format!(", {attempts} times") }
}

fn unreachable_hint(peer: &upstash::Peer, reason: &upstash::Transient) -> Option<String> {
    use upstash::{Phase, Transient as T};
    let hint = match (reason, &peer.proxy) {
        (T::Status(..), _) => return None,
        (_, Some((_, variable))) => {
            return Some(format!(
                "check {variable}, and that the proxy lets connections to this host through"
            ));
        }
        (T::NameLookup { unknown: true }, None) => "check the host in UPSTASH_REDIS_URL",
        (T::NameLookup { unknown: false } | T::Timeout(Phase::NameLookup), None) => {
            "check this machine's network and name servers"
        }
        (T::Connection(_), None) => "check UPSTASH_REDIS_URL and this machine's network",
        (T::Timeout(Phase::Connection), None) => {
            "check UPSTASH_REDIS_URL, and that a firewall lets this machine connect there; HTTPS_PROXY names a proxy"
        }
        (T::Timeout(_), None) => return None,
    };
    Some(hint.into())
}

pub(super) fn reply(host: &str, error: &ParseError) -> Told {
    let host = Shown(host);
    match error {
        ParseError::Malformed { at } => told(
            format!("the answer of {host} is not the REST API's: malformed at byte {at}"),
            "check that UPSTASH_REDIS_URL is the database's REST URL",
        ),
        ParseError::Count { expected, found } => {
            bare(format!("the answer of {host} has {found} results instead of {expected}"))
        }
        ParseError::Store { key: _, error: StoreError::WrongPass } => {
            store(host.0, &upstash::Error::Unauthorized)
        }
        ParseError::Store { key: _, error: StoreError::Quota } => store(host.0, &upstash::Error::Quota),
        ParseError::Store { key, error } => bare(format!("{host} refuses to read {}: {error}", Shown(key))),
        ParseError::Field { field, problem } => {
            bare(format!("the store's data is malformed: {} {problem}", Shown(field)))
        }
        ParseError::Unsupported { field, expected } => told(
            format!("the project's `{field}` is not {expected}, the only one this launcher accepts"),
            "a newer version of redenv-run may know it; otherwise somebody tampered with the project",
        ),
        ParseError::NoProject(project) => told(
            format!("there is no project {project} in the database of {host}"),
            "check -p (REDENV_PROJECT), and that the URL is this project's database",
        ),
        ParseError::NoToken { project, id } => told(
            format!(
                "project {project} has no service token {}: it was revoked, or is of another project",
                Shown(id)
            ),
            "check REDENV_TOKEN_ID, or make a new token with `redenv-run token create`",
        ),
        ParseError::Expired { id } => told(
            format!("the short-lived token {} has expired", Shown(id)),
            "start the tool that made it again, or use a service token",
        ),
        ParseError::NoEnvironment { project, missing } => {
            let what = if missing.len() == 1 { "environment" } else { "environments" };
            told(
                format!("project {project} has no {what} {}", join(missing)),
                "check -e (REDENV_ENVIRONMENT); an environment exists once it has a secret",
            )
        }
    }
}

pub(super) fn key(id: &str, error: &KeyError) -> Told {
    match error {
        KeyError::WrongKey => told(
            format!("REDENV_TOKEN_KEY is not the key of token {}", Shown(id)),
            "id and key have to be of the same `token create`; a key that is lost can only be replaced by a new token",
        ),
        KeyError::Malformed(error) => bare(format!("the entry of token {} is malformed: {error}", Shown(id))),
    }
}
