//! The service token, and the database that it is for.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use super::env_file::Choice;
use super::problem::Problem;
use super::resolver::Resolver;
use super::small_file::{self, CERTIFICATES};
use super::source::{Found, Source};
use super::variables::{self as var, Variable};
use super::{DEFAULT_TIMEOUT, ServiceToken, Store};
use crate::cli::NetworkArgs;
use crate::upstash::address::{BadAddress, PlainHttp, Scheme};
use crate::upstash::{Address, CertificateFile, Network, Proxy};
use crate::vault::crypto::Salt;

/// The system's variable for certificates, which other programs obey too.
const SSL_CERT_FILE: &str = "SSL_CERT_FILE";

impl Resolver<'_> {
    pub(super) fn service_token(&mut self) -> Option<ServiceToken> {
        let id = self.required(var::TOKEN_ID);
        let key = self.required(var::TOKEN_KEY);
        let salt = self.optional(var::TOKEN_SALT).and_then(|found| {
            let salt = Salt::from_hex(found.value.expose());
            salt.map_err(|_| self.problem(Problem::Salt(found.name))).ok()
        });
        let (id, key) = (id?, key?);
        if id.value.expose().starts_with("redenv_sk_") {
            self.problem(Problem::KeyAsId(id.name));
            return None;
        }
        if key.value.expose().starts_with("stk_") || key.value.expose().starts_with("tok_") {
            self.problem(Problem::IdAsKey(key.name));
            return None;
        }
        Some(ServiceToken { id: id.value.expose().to_owned(), key: Arc::new(key.value), salt })
    }

    pub(super) fn store(&mut self, args: &NetworkArgs) -> Option<Store> {
        let allowed = self.flag(args.allow_http, var::ALLOW_HTTP);
        let timeout =
            self.time(args.timeout.as_deref(), "--timeout", var::TIMEOUT).unwrap_or(DEFAULT_TIMEOUT);
        let (source, url, token) = self.url_and_token()?;
        let refused = allowed && source == Source::Process && self.is_http_allowed_by_chance(args);
        let plain = if allowed && !refused { PlainHttp::Anywhere } else { PlainHttp::Loopback };
        let address = match Address::parse(url.value.expose(), plain) {
            Ok(address) => address,
            Err(problem) => {
                let refused = refused && matches!(problem, BadAddress::PlainHttp(_));
                self.problem(Problem::Address { name: url.name, problem });
                if refused {
                    self.problem(Problem::AllowsOwnHttp(self.sources.file.path.clone()));
                }
                return None;
            }
        };
        let network = self.network(args, &address);
        Some(Store { address, token: token.value, network, timeout })
    }

    /// Whether it is a file that nobody named, perhaps a stranger's, that allows `http`. It must not
    /// send the token of your shell in the clear.
    fn is_http_allowed_by_chance(&self, args: &NetworkArgs) -> bool {
        let by_user = args.allow_http || self.sources.is_in_process(var::ALLOW_HTTP);
        !by_user && self.sources.file.choice == Choice::Found
    }

    /// The URL and the token, from the same source: the first that has either.
    fn url_and_token(&mut self) -> Option<(Source, Found, Found)> {
        for source in [Source::Process, Source::EnvFile] {
            let url = self.first_of(var::URL, source);
            let token = self.first_of(var::TOKEN, source);
            let (Ok(url), Ok(token)) = (url, token) else { return None };
            let missing = match (&url, &token) {
                (None, None) => continue,
                (Some(found), None) => Some((var::TOKEN, found.name.clone())),
                (None, Some(found)) => Some((var::URL, found.name.clone())),
                (Some(_), Some(_)) => None,
            };
            if let Some((variables, other)) = missing {
                if variables.iter().any(|variable| matches!(self.sources.find(*variable), Ok(Some(_)))) {
                    self.problem(Problem::OtherSource { name: variables[0].name, other });
                } else {
                    self.missing(&variables);
                }
                return None;
            }
            let (url, token) = (self.without_slips(url?), self.without_slips(token?));
            let (url, token) = (url?, token?);
            if token.value.expose().starts_with("Bearer ") {
                self.problem(Problem::Bearer(token.name));
                return None;
            }
            return Some((source, url, token));
        }
        self.missing(&var::URL);
        self.missing(&var::TOKEN);
        None
    }

    /// The first of two spellings that a source has. `Err` where it was a problem.
    fn first_of(&mut self, variables: [Variable; 2], source: Source) -> Result<Option<Found>, ()> {
        for variable in variables {
            match self.sources.find_in(variable, source) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(problem) => {
                    self.problem(problem);
                    return Err(());
                }
            }
        }
        Ok(None)
    }

    fn network(&mut self, args: &NetworkArgs, address: &Address) -> Network {
        let process = self.sources.process;
        let text =
            |name: &str| process.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned());
        let proxy = Proxy::choose(address, text).unwrap_or_else(|problem| {
            self.problem(Problem::Proxy(problem));
            None
        });
        let own = match &args.ca_file {
            Some(path) => Some(("--ca-file", path.clone())),
            None => self.path(var::CA_FILE).map(|path| (var::CA_FILE.name, path)),
        };
        let systems = process.get(OsStr::new(SSL_CERT_FILE)).filter(|path| !path.is_empty());
        let systems = systems.map(|path| (SSL_CERT_FILE, PathBuf::from(path)));
        let mut certificates = Vec::new();
        if address.scheme() == Scheme::Https {
            for (name, path) in own.into_iter().chain(systems) {
                match small_file::read(&path, CERTIFICATES, Some(self.sources.deadline)) {
                    Ok(pem) => {
                        certificates.push(CertificateFile { path: path.to_string_lossy().into_owned(), pem });
                    }
                    Err(error) => self.problem(Problem::CertificateFile { name, path, error }),
                }
            }
        }
        Network { proxy, certificates }
    }
}
