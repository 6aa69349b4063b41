//! The look-up of each setting in its places, and all that is wrong with them, gathered. What takes
//! more than one look-up has its own file: `store.rs` and `project.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::env_file::{EnvFile, Ignored};
use super::problem::{Problem, SettingsError, shown};
use super::source::{Found, Sources};
use super::variables::{self as var, Variable};
use super::{DEFAULT_MAX_STALE, DEFAULT_TIMEOUT, boolean, flag_of};
use crate::child::environment::{Environment, Inherit, OwnVariables, Policy, Preserve};
use crate::cli::{EnvFileArgs, EnvironmentArgs, FallbackArgs, NetworkArgs, SelectionArgs};
use crate::deadline::Deadline;
use crate::secret::SecretText;
use crate::ui::report::Shown;
use crate::vault::Pin;
use crate::vault::fallback::FallbackSettings;
use crate::vault::select::{OnBroken, References, Selection};

/// Looks settings up one by one and gathers what is wrong.
pub(super) struct Resolver<'e> {
    pub(super) sources: Sources<'e>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
    /// The files that were found, or named.
    pub(super) read: Vec<PathBuf>,
}

impl<'e> Resolver<'e> {
    /// Reads the env file, if any; what looks like a setting and isn't is warned of.
    ///
    /// # Errors
    /// [`SettingsError`]: the env file can't be used.
    pub(super) fn new(
        args: &EnvFileArgs,
        network: &NetworkArgs,
        process: &'e Environment,
        at: Instant,
    ) -> Result<Self, SettingsError> {
        // As far as it is known already; what is wrong with it is told where it is taken for good.
        let deadline = |text: Option<&str>| Deadline::new(at, text.and_then(span).unwrap_or(DEFAULT_TIMEOUT));
        let text = process.get(OsStr::new(var::TIMEOUT.name)).and_then(|text| text.to_str());
        let text = network.timeout.as_deref().or(text);
        let sources = Sources { process, file: EnvFile::default(), deadline: deadline(text) };
        let mut this = Self { sources, problems: Vec::new(), warnings: Vec::new(), read: Vec::new() };
        let file = if args.no_env_file {
            Ok(EnvFile::default())
        } else if let Some(path) = args.env_file.clone().or_else(|| this.path(var::ENV_FILE)) {
            EnvFile::read(&path, this.sources.deadline)
        } else if this.flag(false, var::NO_ENV_FILE) {
            Ok(EnvFile::default())
        } else {
            EnvFile::read_default()
        };
        // Without the file nearly every other setting would seem to be missing.
        this.sources.file = file.map_err(|error| SettingsError(vec![Problem::EnvFile(error)]))?;
        let text = text.or_else(|| this.sources.file.get(var::TIMEOUT.name).map(SecretText::expose));
        this.sources.deadline = deadline(text);
        this.read.extend(Some(this.sources.file.path.clone()).filter(|path| !path.as_os_str().is_empty()));
        this.tell_ignored();
        Ok(this)
    }

    /// What looks like a setting and isn't taken, such as `REDENV_ENVIROMENT`: without it the launch would
    /// quietly be another one.
    fn tell_ignored(&mut self) {
        let process = self.sources.process;
        let is_set = |name: &str| process.contains_key(OsStr::new(name));
        for name in process.keys().filter_map(|name| name.to_str()) {
            // Where the other is set too, this one is somebody's own.
            if let Some(meant) = var::meant(name).filter(|meant| !is_set(meant)) {
                self.warnings.push(format!("{} is not read: did you mean {meant}?", Shown(name)));
            }
        }
        let EnvFile { path, ignored, .. } = &self.sources.file;
        for ignored in ignored {
            let (name, why) = match ignored {
                Ignored::ProcessOnly(name) => {
                    (name, "is ignored: only the environment may set it".to_owned())
                }
                Ignored::FileForm(name) => {
                    let who = "the environment, or a file that --env-file names,";
                    (name, format!("is ignored: only {who} may set it"))
                }
                Ignored::Slip { name, meant } => (name, format!("is not read: did you mean {meant}?")),
            };
            self.warnings.push(format!("{} in {} {why}", Shown(name), shown(path)));
        }
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
        let span = span(&text);
        if span.is_none() {
            self.problem(Problem::Time { name });
        }
        span
    }

    /// A setting that has to be there, without the usual slips.
    pub(super) fn required(&mut self, variable: Variable) -> Option<Found> {
        let before = self.problems.len();
        let found = self.significant(variable);
        if found.is_none() && self.problems.len() == before {
            self.missing(&[variable]);
        }
        self.without_slips(found?)
    }

    /// None of a setting's spellings is there.
    pub(super) fn missing(&mut self, spellings: &[Variable]) {
        let file = &self.sources.file;
        let ignored = spellings.iter().find(|variable| file.ignores_file_form(variable.name));
        let mistyped = self.slips().find(|(_, meant)| {
            let meant = meant.strip_suffix(var::FILE_SUFFIX).unwrap_or(meant);
            spellings.iter().any(|variable| variable.name == meant)
        });
        self.problem(match (ignored, mistyped) {
            (Some(variable), _) => Problem::IgnoredFileForm { name: variable.name, path: file.path.clone() },
            (None, Some((slip, meant))) => Problem::Mistyped { name: spellings[0].name, slip, meant },
            (None, None) => Problem::Missing(spellings[0].name),
        });
    }

    /// The variables that are nearly settings, in the environment and in the env file, and what was meant.
    fn slips(&self) -> impl Iterator<Item = (String, String)> {
        let names = self.sources.process.keys().filter_map(|name| name.to_str());
        let in_process = names.filter_map(|name| Some((name.to_owned(), var::meant(name)?)));
        let in_file = self.sources.file.ignored.iter().filter_map(|ignored| match ignored {
            Ignored::Slip { name, meant } => Some((name.clone(), meant.clone())),
            _ => None,
        });
        in_process.chain(in_file)
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
            own_names: self.sources.process.keys().filter(|name| var::is_own(name)).cloned().collect(),
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
        let answer = match names.as_slice() {
            [one] if args.preserve_env.is_empty() => boolean(one),
            _ => None,
        };
        match answer {
            Some(true) => Preserve::All,
            // The flag without a name is a `*`, whatever it is given beside.
            None if names.iter().any(|name| name == "*") => Preserve::All,
            None if !names.is_empty() => Preserve::Names(names.into_iter().collect()),
            _ => Preserve::None,
        }
    }
}

/// A span of time over zero: seconds, or `10s`, `500ms`, `24h`.
fn span(text: &str) -> Option<Duration> {
    seconds(text).or_else(|| humantime::parse_duration(text).ok()).filter(|span| !span.is_zero())
}

/// Seconds, with a decimal point or without. To read them as a float would bring 16 KB of tables along.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) {
        return None;
    }
    let nanoseconds = format!("{part:0<9}");
    Some(Duration::new(whole.parse().ok()?, nanoseconds[..9].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_seconds_or_has_its_unit() {
        for (text, milliseconds) in [
            ("10", Some(10_000)),
            ("0.5", Some(500)),
            ("2.0009999999999", Some(2000)),
            ("0.0019999999999", Some(1)),
            ("007", Some(7000)),
            ("10s", Some(10_000)),
            ("1500ms", Some(1500)),
            ("1m 30s", Some(90_000)),
            ("0", None),
            ("0.0", None),
            ("0s", None),
            ("", None),
            (".", None),
            ("1.", None),
            (".5", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1.5.5", None),
            ("ten", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(span(text).map(|span| span.as_millis()), milliseconds, "{text}");
        }
    }
}
