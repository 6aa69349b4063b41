//! Resolves the service token, the database, and the network settings for it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use super::env_file::Choice;
use super::file::{self, CERTIFICATES};
use super::problem::Problem;
use super::resolver::{Resolver, missing};
use super::sources::{Found, Source};
use super::table::Setting;
use super::{Database, ServiceToken};
use crate::upstash::address::{BadAddress, PlainHttp, Scheme};
use crate::upstash::{Address, CertificateFile, Network, Proxy};
use crate::vault::crypto::Salt;

/// The system's variable for certificates, which other programs read too.
const SSL_CERT_FILE: &str = "SSL_CERT_FILE";

impl Resolver<'_> {
    pub(super) fn service_token(&mut self) -> Option<ServiceToken> {
        let id = self.required(Setting::TokenId);
        let key = self.required(Setting::TokenKey);
        let salt = self
            .optional(Setting::TokenSalt)
            .and_then(|found| self.kept(Salt::from_hex(found.text()).ok_or(Problem::Salt(found.name))));
        let (id, key) = (id?, key?);
        let swapped = if id.text().starts_with("redenv_sk_") {
            Problem::Swapped { name: id.name, what: "key" }
        } else if key.text().starts_with("stk_") || key.text().starts_with("tok_") {
            Problem::Swapped { name: key.name, what: "ID" }
        } else {
            return Some(ServiceToken { id: id.text().to_owned(), key: Arc::new(key.secret()), salt });
        };
        self.problems.push(swapped);
        None
    }

    pub(super) fn database(&mut self) -> Option<Database> {
        let allowed = self.switch(Setting::AllowHttp);
        let timeout = self.duration(Setting::Timeout);
        let both = self.url_and_token();
        let (url, token) = self.kept(both).flatten()?;
        let (url, token) = (self.kept(url.without_slips()), self.kept(token.without_slips()));
        let (url, token) = (url?, token?);
        if token.text().starts_with("Bearer ") {
            self.problems.push(Problem::Bearer(token.name));
            return None;
        }
        let refused = allowed && url.source == Source::Process && self.is_http_allowed_by_found_file();
        let plain = if allowed && !refused { PlainHttp::Anywhere } else { PlainHttp::Loopback };
        let address = match Address::parse(url.text(), plain) {
            Ok(address) => address,
            Err(problem) => {
                let refused = refused && matches!(problem, BadAddress::PlainHttp(_));
                self.problems.push(Problem::Address { name: url.name, problem });
                if refused {
                    self.problems.push(Problem::AllowsOwnHttp(self.sources.env_file.path.clone()));
                }
                return None;
            }
        };
        let network = self.network(&address);
        Some(Database { address, token: token.secret(), network, timeout })
    }

    /// Whether only a file that the user did not name allows `http`. Such a file may belong to a stranger, and
    /// must not send the token of the user's shell in the clear.
    fn is_http_allowed_by_found_file(&self) -> bool {
        let found = self.sources.find(Setting::AllowHttp);
        let is_in_file = matches!(found, Ok(Some(Found { source: Source::EnvFile, .. })));
        is_in_file && self.sources.env_file.choice == Choice::Found
    }

    /// The URL and the token from the first source that has one of them. The other must come from the same
    /// source. `None` if neither is set.
    fn url_and_token(&mut self) -> Result<Option<(Found, Found)>, Problem> {
        for source in [Source::Process, Source::EnvFile] {
            let url = self.sources.find_in(Setting::UpstashUrl, source)?;
            let token = self.sources.find_in(Setting::UpstashToken, source)?;
            url.iter().chain(&token).for_each(|found| self.note(found));
            let (missing, other) = match (url, token) {
                (None, None) => continue,
                (Some(url), Some(token)) => return Ok(Some((url, token))),
                (Some(found), None) => (Setting::UpstashToken, found),
                (None, Some(found)) => (Setting::UpstashUrl, found),
            };
            let name = missing.variables()[0];
            return Err(if matches!(self.sources.find(missing), Ok(Some(_))) {
                Problem::OtherSource { name, other: other.name }
            } else if source == Source::EnvFile {
                Problem::MissingInFile { name, path: self.sources.env_file.path.clone() }
            } else {
                Problem::Missing(name)
            });
        }
        self.problems.extend([Setting::UpstashUrl, Setting::UpstashToken].map(missing));
        Ok(None)
    }

    fn network(&mut self, address: &Address) -> Network {
        let process = self.sources.process;
        let text =
            |name: &str| process.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned());
        let proxy = self.kept(Proxy::choose(address, text).map_err(Problem::Proxy)).flatten();
        let own = self.path(Setting::CaFile);
        let systems = process.get(OsStr::new(SSL_CERT_FILE)).filter(|path| !path.is_empty());
        let systems = systems.map(|path| (SSL_CERT_FILE.to_owned(), PathBuf::from(path)));
        let mut certificates = Vec::new();
        if address.scheme == Scheme::Https {
            for (name, path) in own.into_iter().chain(systems) {
                match file::read(&path, CERTIFICATES, Some(self.sources.deadline)) {
                    Ok(pem) => {
                        certificates.push(CertificateFile { path: path.to_string_lossy().into_owned(), pem });
                    }
                    Err(error) => self.problems.push(Problem::CertificateFile { name, path, error }),
                }
            }
        }
        Network { proxy, certificates }
    }
}
