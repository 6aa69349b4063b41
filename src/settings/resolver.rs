//! The look-up of each setting in its places, and all that is wrong with them, gathered.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::env_file::EnvFile;
use super::problem::{Problem, SettingsError};
use super::project_file::ProjectFile;
use super::source::{Found, Source, Sources};
use super::variables::{self as var, Variable};
use super::{DEFAULT_ENVIRONMENT, DEFAULT_MAX_STALE, DEFAULT_TIMEOUT, ServiceToken, Store, boolean, flag_of};
use crate::cli::{EnvFileArgs, EnvironmentArgs, FallbackArgs, NetworkArgs, SelectionArgs};
use crate::crypto::Salt;
use crate::environment::{Environment, Inherit, OwnVariables, Policy, Preserve};
use crate::fallback::FallbackSettings;
use crate::secret::SecretText;
use crate::select::{OnBroken, References, Selection};
use crate::upstash::address::{PlainHttp, Scheme};
use crate::upstash::{Address, CertificateFile, Network, Proxy};
use crate::vault::{Name, Pin};

/// Looks settings up one by one and gathers what is wrong.
pub(super) struct Resolver<'e> {
    pub(super) sources: Sources<'e>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl<'e> Resolver<'e> {
    pub(super) fn new(args: &EnvFileArgs, process: &'e Environment) -> Result<Self, SettingsError> {
        let sources = Sources { process, file: EnvFile::default() };
        let mut this = Self { sources, problems: Vec::new(), warnings: Vec::new() };
        let file = if args.no_env_file {
            Ok(EnvFile::default())
        } else if let Some(path) = args.env_file.clone().or_else(|| this.path(var::ENV_FILE)) {
            EnvFile::read(&path)
        } else if this.flag(false, var::NO_ENV_FILE) {
            Ok(EnvFile::default())
        } else {
            EnvFile::read_default()
        };
        // Without the file nearly every other setting would seem to be missing.
        this.sources.file = file.map_err(|error| SettingsError(vec![Problem::EnvFile(error)]))?;
        let path = this.sources.file.path.display().to_string();
        let ignored = this.sources.file.ignored.iter();
        this.warnings.extend(
            ignored.map(|name| format!("{name} in {path} is ignored: only the environment may set it")),
        );
        Ok(this)
    }

    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// A variable's value, not empty. An empty one is as good as none.
    pub(super) fn optional(&mut self, variable: Variable) -> Option<Found> {
        match self.sources.find(variable) {
            Ok(found) => found.filter(|found| !found.value.expose().is_empty()),
            Err(problem) => {
                self.problem(problem);
                None
            }
        }
    }

    /// A variable's value where an empty one is a slip, such as `$UNSET` in a deployment's file.
    pub(super) fn significant(&mut self, variable: Variable) -> Option<Found> {
        match self.sources.find(variable) {
            Ok(Some(found)) if found.value.expose().is_empty() => {
                self.problem(Problem::Empty(found.name));
                None
            }
            Ok(found) => found,
            Err(problem) => {
                self.problem(problem);
                None
            }
        }
    }

    /// A path, which need not be UTF-8.
    pub(super) fn path(&mut self, variable: Variable) -> Option<PathBuf> {
        let file_form = format!("{}{}", variable.name, var::FILE_SUFFIX);
        if self.sources.process.contains_key(OsStr::new(&file_form)) {
            return self.optional(variable).map(|found| found.value.expose().into());
        }
        self.sources.process.get(OsStr::new(variable.name)).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    pub(super) fn flag(&mut self, flag: bool, variable: Variable) -> bool {
        if flag {
            return true;
        }
        let Some(found) = self.optional(variable) else { return false };
        boolean(found.value.expose()).unwrap_or_else(|| {
            self.problem(Problem::Boolean(found.name));
            false
        })
    }

    /// A flag's names or patterns, else the variable's. A flag that is given and holds none is a
    /// slip, such as `--only "$UNSET"`, and must not mean everything.
    pub(super) fn list(&mut self, flag: &[String], variable: Variable) -> Vec<String> {
        let trimmed = |item: &str| Some(item.trim().to_owned()).filter(|item| !item.is_empty());
        if !flag.is_empty() {
            let items: Vec<_> = flag.iter().filter_map(|item| trimmed(item)).collect();
            if items.is_empty() {
                self.problem(Problem::Empty(flag_of(variable)));
            }
            return items;
        }
        let found = self.optional(variable);
        found.map(|found| found.value.expose().split(',').filter_map(trimmed).collect()).unwrap_or_default()
    }

    pub(super) fn time(&mut self, flag: Option<&str>, name: &str, variable: Variable) -> Option<Duration> {
        let (text, name) = if let Some(text) = flag {
            (text.to_owned(), name.to_owned())
        } else {
            let found = self.optional(variable)?;
            (found.value.expose().to_owned(), found.name)
        };
        let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let span = seconds.or_else(|| humantime::parse_duration(&text).ok()).filter(|span| !span.is_zero());
        if span.is_none() {
            self.problem(Problem::Time { name });
        }
        span
    }

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

    /// A setting that has to be there, without the usual slips.
    pub(super) fn required(&mut self, variable: Variable) -> Option<Found> {
        let before = self.problems.len();
        let found = self.significant(variable);
        if found.is_none() && self.problems.len() == before {
            self.problem(Problem::Missing(variable.name));
        }
        self.without_slips(found?)
    }

    pub(super) fn without_slips(&mut self, found: Found) -> Option<Found> {
        let text = found.value.expose();
        let quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        let problem = match text {
            "" => Problem::Empty(found.name),
            _ if text.trim() != text => Problem::Space(found.name),
            _ if quoted('"') || quoted('\'') => Problem::Quotes(found.name),
            _ => return Some(found),
        };
        self.problem(problem);
        None
    }

    pub(super) fn store(&mut self, args: &NetworkArgs) -> Option<Store> {
        let plain = if self.flag(args.allow_http, var::ALLOW_HTTP) {
            PlainHttp::Anywhere
        } else {
            PlainHttp::Loopback
        };
        let timeout =
            self.time(args.timeout.as_deref(), "--timeout", var::TIMEOUT).unwrap_or(DEFAULT_TIMEOUT);
        let (url, token) = self.url_and_token()?;
        let address = match Address::parse(url.value.expose(), plain) {
            Ok(address) => address,
            Err(problem) => {
                self.problem(Problem::Address { name: url.name, problem });
                return None;
            }
        };
        let network = self.network(args, &address);
        Some(Store { address, token: token.value, network, timeout })
    }

    /// The URL and the token, from the same source: the first that has either.
    pub(super) fn url_and_token(&mut self) -> Option<(Found, Found)> {
        for source in [Source::Process, Source::EnvFile(self.sources.file.path.clone())] {
            let url = self.first_of(var::URL, &source);
            let token = self.first_of(var::TOKEN, &source);
            let (Ok(url), Ok(token)) = (url, token) else { return None };
            let missing = match (&url, &token) {
                (None, None) => continue,
                (Some(found), None) => Some((var::TOKEN, found.name.clone())),
                (None, Some(found)) => Some((var::URL, found.name.clone())),
                (Some(_), Some(_)) => None,
            };
            if let Some((variables, other)) = missing {
                let name = variables[0].name;
                let elsewhere = variables.iter().any(|v| matches!(self.sources.find(*v), Ok(Some(_))));
                self.problem(if elsewhere {
                    Problem::OtherSource { name, other, source }
                } else {
                    Problem::Missing(name)
                });
                return None;
            }
            let (url, token) = (self.without_slips(url?), self.without_slips(token?));
            let (url, token) = (url?, token?);
            if token.value.expose().starts_with("Bearer ") {
                self.problem(Problem::Bearer(token.name));
                return None;
            }
            return Some((url, token));
        }
        self.problem(Problem::Missing(var::URL[0].name));
        self.problem(Problem::Missing(var::TOKEN[0].name));
        None
    }

    /// The first of two spellings that a source has. `Err` where it was a problem.
    pub(super) fn first_of(
        &mut self,
        variables: [Variable; 2],
        source: &Source,
    ) -> Result<Option<Found>, ()> {
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

    pub(super) fn network(&mut self, args: &NetworkArgs, address: &Address) -> Network {
        let process = self.sources.process;
        let text =
            |name: &str| process.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned());
        let proxy = Proxy::choose(address, text).unwrap_or_else(|problem| {
            self.problem(Problem::Proxy(problem));
            None
        });
        let mut roots = Vec::new();
        let own = args.ca_file.clone().or_else(|| self.path(var::CA_FILE));
        let systems =
            process.get(OsStr::new("SSL_CERT_FILE")).filter(|path| !path.is_empty()).map(PathBuf::from);
        if address.scheme() == Scheme::Https {
            for path in own.into_iter().chain(systems) {
                match fs::read(&path) {
                    Ok(pem) => roots.push(CertificateFile { path: path.to_string_lossy().into_owned(), pem }),
                    Err(error) => self.problem(Problem::CertificateFile { path, error }),
                }
            }
        }
        Network { proxy, roots }
    }

    /// The project, and its environments where they are asked for with their flags.
    pub(super) fn project(
        &mut self,
        flag: Option<&str>,
        environments: Option<&[String]>,
    ) -> (Option<Name>, Vec<Name>) {
        let before = self.problems.len();
        let mut project = match flag {
            Some(name) => Some((name.to_owned(), "--project".to_owned())),
            None => self.significant(var::PROJECT).map(|found| (found.value.expose().to_owned(), found.name)),
        };
        let mut environments = match environments {
            None => Some((Vec::new(), String::new())),
            Some([]) => self.significant(var::ENVIRONMENT).map(|found| {
                (
                    found.value.expose().split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>(),
                    found.name,
                )
            }),
            Some(names) => Some((names.to_vec(), "--env".to_owned())),
        };
        let faultless = self.problems.len() == before;
        let mut file_without_name = None;
        if faultless && (project.is_none() || environments.is_none()) {
            match ProjectFile::find(&std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))) {
                Ok(Some(file)) => {
                    let path = file.path.display().to_string();
                    if file.name.is_none() {
                        file_without_name = Some(file.path);
                    }
                    project = project.or_else(|| file.name.map(|name| (name, path.clone())));
                    environments = environments.or_else(|| file.environment.map(|name| (vec![name], path)));
                }
                Ok(None) => {}
                Err(error) => self.problem(Problem::ProjectFile(error)),
            }
        }
        if project.is_none() && self.problems.len() == before {
            self.problem(
                file_without_name.map_or(Problem::Missing(var::PROJECT.name), Problem::ProjectFileName),
            );
        }
        let (names, place) =
            environments.unwrap_or_else(|| (vec![DEFAULT_ENVIRONMENT.to_owned()], String::new()));
        let mut layers: Vec<Name> = Vec::new();
        for name in &names {
            if let Some(name) = self.name(name, &place) {
                // Named twice, its last place counts.
                layers.retain(|other| *other != name);
                layers.push(name);
            }
        }
        (project.and_then(|(name, place)| self.name(&name, &place)), layers)
    }

    pub(super) fn name(&mut self, text: &str, place: &str) -> Option<Name> {
        let found = Found { name: place.to_owned(), value: SecretText::new(text.to_owned()) };
        Name::new(self.without_slips(found)?.value.expose())
    }

    pub(super) fn fallback(&mut self, args: &FallbackArgs) -> Option<FallbackSettings> {
        let max_stale = self.time(args.max_stale.as_deref(), "--max-stale", var::MAX_STALE);
        let path = args.fallback.clone().or_else(|| self.path(var::FALLBACK));
        if path.is_none() && args.max_stale.is_some() {
            self.problem(Problem::Needs("--max-stale", "--fallback"));
        }
        Some(FallbackSettings { path: path?, max_stale: max_stale.unwrap_or(DEFAULT_MAX_STALE) })
    }

    pub(super) fn selection(&mut self, args: &SelectionArgs) -> Selection {
        let scope = match &args.scope {
            Some(scope) if scope.is_empty() => {
                self.problem(Problem::Empty(flag_of(var::SCOPE)));
                None
            }
            Some(scope) => Some(scope.clone()),
            None => self.optional(var::SCOPE).map(|found| found.value.expose().to_owned()),
        };
        Selection {
            only: self.list(&args.only, var::ONLY),
            exclude: self.list(&args.exclude, var::EXCLUDE),
            scope,
            references: if self.flag(args.raw, var::RAW) { References::Keep } else { References::Expand },
            broken: if self.flag(args.skip_broken, var::SKIP_BROKEN) {
                OnBroken::Skip
            } else {
                OnBroken::Refuse
            },
        }
    }

    pub(super) fn pins(&mut self, args: &SelectionArgs) -> BTreeMap<String, Pin> {
        let mut pins = BTreeMap::new();
        let place = if args.pin.is_empty() { var::PIN.name } else { "--pin" };
        for text in self.list(&args.pin, var::PIN) {
            match text
                .rsplit_once('=')
                .and_then(|(name, version)| Some((name.to_owned(), Pin::parse(version)?)))
            {
                Some((name, pin)) => drop(pins.insert(name, pin)),
                None => self.problem(Problem::Pin(place.to_owned())),
            }
        }
        pins
    }

    pub(super) fn policy(&mut self, args: &EnvironmentArgs) -> Policy {
        let keep: BTreeSet<String> = self.list(&args.keep, var::KEEP).into_iter().collect();
        let pristine = self.flag(args.pristine, var::PRISTINE);
        if !keep.is_empty() && !pristine {
            self.problem(Problem::Needs("--keep", "--pristine"));
        }
        Policy {
            preserve: self.preserve(args),
            own: if self.flag(args.keep_token, var::KEEP_TOKEN) {
                OwnVariables::Keep
            } else {
                OwnVariables::Remove
            },
            inherit: if pristine { Inherit::Pristine { keep } } else { Inherit::All },
            allow_reserved: self.list(&args.allow_reserved, var::ALLOW_RESERVED).into_iter().collect(),
            require: self.list(&args.require, var::REQUIRE),
        }
    }

    /// `--preserve-env`, `--preserve-env=A,B`; in the variable `1` or `*` is all.
    pub(super) fn preserve(&mut self, args: &EnvironmentArgs) -> Preserve {
        let names = self.list(&args.preserve_env, var::PRESERVE_ENV);
        match names.as_slice() {
            [] => Preserve::None,
            [one] if one == "*" => Preserve::All,
            [one] if boolean(one).is_some() && args.preserve_env.is_empty() => {
                if boolean(one) == Some(true) {
                    Preserve::All
                } else {
                    Preserve::None
                }
            }
            _ => Preserve::Names(names.into_iter().collect()),
        }
    }
}
