//! The pipeline from top to bottom, the only place that knows every stage:
//!
//! arguments and environment -> settings -> sealed vault (one request) -> token key -> PEK ->
//! secrets -> COMMAND's environment -> exec.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::{Duration, Instant};

use crate::check::Checked;
use crate::cli::{CheckArgs, CheckFormat, Cli, LaunchArgs, MaskArgs, Sub};
use crate::completions;
use crate::crypto::Key;
use crate::deadline::Deadline;
use crate::derivation::Derivation;
use crate::environment::{self, Child, Environment};
use crate::error::Error;
use crate::fallback::{Fallback, FallbackError};
use crate::launch::{self, Launch};
use crate::mask;
use crate::memory_file::MemoryFiles;
use crate::output::print;
use crate::program::Program;
use crate::report::{Colour, Report, Shown, join};
use crate::select::{self, References, Selected};
use crate::settings::{Settings, Store};
use crate::stages::{Stages, milliseconds};
use crate::token;
use crate::upstash::{Patience, Progress, Retry, Upstash};
use crate::usage::UsageError;
use crate::vault::{self, ParseError, Request, SealedVault};

/// What the derivation may still take when the deadline has passed and a fallback is at hand.
const GRACE: Duration = Duration::from_millis(400);

/// What the launcher was started with.
pub(crate) struct Start {
    /// When.
    pub(crate) at: Instant,
    /// The environment.
    pub(crate) environment: Environment,
    /// Where to say things.
    pub(crate) report: Report,
}

/// Does what the command line says. A launch comes back only with the reason why it failed.
///
/// # Errors
/// [`Error`]: why COMMAND did not start.
pub(crate) fn run(cli: Cli, start: Start) -> Result<(), Error> {
    match cli.subcommand {
        None => launch(&cli.launch, cli.command, start).map(|never| match never {}),
        Some(Sub::Check(args)) => check(&args, start).map_err(|error| Error::Checked(Box::new(error))),
        Some(Sub::Mask(args)) => mask(args, &start),
        Some(Sub::Token(args)) => token::run(&args, &start),
        Some(Sub::Completions(args)) => completions::print(&args),
    }
}

fn launch(args: &LaunchArgs, command: Vec<OsString>, start: Start) -> Result<Infallible, Error> {
    if command.is_empty() {
        return Err(Error::Usage(UsageError::NoCommand));
    }
    let (at, report) = (start.at, start.report);
    let mut stages = Stages::new(at);
    let Prepared { program, arguments, child, files, .. } = Prepared::new(args, command, start, &mut stages)?;
    let program = program.ok_or(Error::Usage(UsageError::NoCommand))?;
    let launch = Launch { program, arguments, environment: child.environment, files };
    launch.check_sizes().map_err(Error::Launch)?;
    stages.end("environment");
    tell_stages(&stages, at, report);
    Err(Error::Launch(launch.exec()))
}

fn check(args: &CheckArgs, start: Start) -> Result<(), Error> {
    let mut stages = Stages::new(start.at);
    let prepared = Prepared::new(&args.launch, args.command.clone(), start, &mut stages)?;
    let command = prepared.program.as_ref().map_or(0, |program| launch::size(program, &prepared.arguments));
    launch::check_sizes(&prepared.child.environment, command).map_err(Error::Launch)?;
    stages.end("environment");
    let program = prepared.program.as_ref().map(|program| program.path.as_path());
    let checked = Checked::new(
        &prepared.settings,
        &prepared.selected,
        &prepared.child,
        program,
        prepared.fallback_age,
        &stages,
    );
    let text = match args.format {
        CheckFormat::Json => checked.json(),
        CheckFormat::Table => checked.text(Colour::of(&io::stdout())),
    };
    print(&text)
}

fn mask(args: MaskArgs, start: &Start) -> Result<(), Error> {
    mask::check_output(&io::stdout()).map_err(Error::Mask)?;
    let MaskArgs { project, env_file, selection, network, fallback, output } = args;
    let args =
        LaunchArgs { project, env_file, selection, network, fallback, output, ..LaunchArgs::default() };
    let settings = resolve(&args, &start.environment, start.at, start.report)?;
    let Obtained { selected, .. } = secrets(&settings, start.at, start.report, &mut Stages::new(start.at))?;
    let short = mask::write(&selected.secrets, &mut io::stdout().lock()).map_err(Error::Mask)?;
    if !short.is_empty() {
        let names = join(short.iter().map(|name| Shown(name)));
        start.report.warning(&format!("not masked where a line is shorter than 4 characters: {names}"));
    }
    Ok(())
}

/// The secrets, and where they are from.
struct Obtained {
    selected: Selected,
    /// How old the reply is, where it is the fallback file's and not the store's.
    fallback_age: Option<Duration>,
}

/// Everything but the exec.
struct Prepared {
    settings: Settings,
    fallback_age: Option<Duration>,
    program: Option<Program>,
    arguments: Vec<OsString>,
    selected: Selected,
    child: Child,
    files: MemoryFiles,
}

impl Prepared {
    fn new(
        args: &LaunchArgs,
        command: Vec<OsString>,
        start: Start,
        stages: &mut Stages,
    ) -> Result<Self, Error> {
        let Start { at, environment, report } = start;
        let settings = resolve(args, &environment, at, report)?;
        let mut arguments = command.into_iter();
        let program = match arguments.next() {
            Some(typed) => Some(find(&typed, &environment)?),
            None => None,
        };
        stages.end("settings");

        let Obtained { selected, fallback_age } = secrets(&settings, at, report, stages)?;
        let mut child = environment::build(environment, &selected.secrets, &settings.policy)
            .map_err(Error::Environment)?;
        let files =
            MemoryFiles::create(&settings.files, &selected.secrets, &mut child).map_err(Error::MemoryFile)?;
        tell_child(&child, report);
        Ok(Self { settings, fallback_age, program, arguments: arguments.collect(), selected, child, files })
    }
}

/// The settings, with their warnings said.
fn resolve(
    args: &LaunchArgs,
    environment: &Environment,
    at: Instant,
    report: Report,
) -> Result<Settings, Error> {
    let settings = Settings::resolve(args, environment, at).map_err(Error::Settings)?;
    settings.warnings.iter().for_each(|warning| report.warning(warning));
    report.detail(|| {
        let Settings { project, environments, read, .. } = &settings;
        let files = join(read.iter().map(|path| Shown(&path.to_string_lossy()).to_string()));
        let files = if read.is_empty() { String::new() } else { format!("; settings also from {files}") };
        format!("project {project}, environment {}{files}", join(environments))
    });
    Ok(settings)
}

/// COMMAND, looked up with the `PATH` the launcher was started with.
fn find(typed: &OsStr, environment: &Environment) -> Result<Program, Error> {
    let path = environment.get(OsStr::new("PATH"));
    Program::find(typed, path.map(OsString::as_os_str)).map_err(Error::Program)
}

/// Fetches, opens and selects.
fn secrets(settings: &Settings, at: Instant, report: Report, stages: &mut Stages) -> Result<Obtained, Error> {
    let Settings { project, environments, token, store, .. } = settings;
    let request = Request { project, environments, token_id: &token.id };
    let deadline = Deadline::new(at, store.timeout);
    let fallback = settings.fallback.as_ref().map(|settings| Fallback::open(settings, &request));

    // With the salt known beforehand the derivation hides behind the request.
    let mut derivation = Derivation::new(&token.key);
    if let Some(salt) = token.salt.or_else(|| fallback.as_ref().and_then(Fallback::salt)) {
        derivation.start(salt).map_err(Error::Derivation)?;
    }
    let patience = match &fallback {
        Some(fallback) if fallback.is_usable() => Patience::FewAttempts,
        _ => Patience::UntilDeadline,
    };
    let fetched = fetch(store, &request, deadline, patience, &mut derivation, report);
    stages.end("fetch");

    let unlock = Unlock { settings, request: &request, derivation, deadline };
    let obtained = match fetched {
        Ok(body) => from_store(&body, unlock, fallback, report, stages)?,
        Err(error) => {
            revoke(&error, fallback.as_ref(), report);
            match fallback {
                Some(fallback) if error.is_outage() => {
                    from_fallback(&error, unlock, fallback, report, stages)?
                }
                _ => return Err(error),
            }
        }
    };
    tell_skipped(&obtained.selected, settings.selection.references, report);
    Ok(obtained)
}

/// What `--skip-broken` left out, and where its lack shows.
fn tell_skipped(selected: &Selected, references: References, report: Report) {
    for (name, why) in &selected.skipped {
        let referring = selected.referring_to(name);
        let kept = match references {
            References::Expand if !referring.is_empty() => {
                format!(
                    "; ${{{}}} stays unexpanded in {}",
                    Shown(name),
                    join(referring.into_iter().map(Shown))
                )
            }
            _ => String::new(),
        };
        report.warning(&format!("started without {}: {why}{kept}", Shown(name)));
    }
}

/// The raw reply of the store. The derivation is started from what a long one begins with.
fn fetch(
    store: &Store,
    request: &Request<'_>,
    deadline: Deadline,
    patience: Patience,
    derivation: &mut Derivation,
    report: Report,
) -> Result<Vec<u8>, Error> {
    let host = store.address.host();
    let failed = |error| Error::Store { host: host.to_owned(), error };
    let client = Upstash::new(&store.address, &store.token, &store.network).map_err(failed)?;
    let mut observe = |progress: Progress<'_>| match progress {
        Progress::Retry(retry) => tell_retry(&retry, host, report),
        Progress::Beginning(bytes) => {
            // Without a thread for it now, it is tried again when the whole reply is there.
            let _ = vault::salt_in(bytes, request).map(|salt| derivation.start(salt));
        }
    };
    client.pipeline(&request.commands(), deadline, patience, &mut observe).map_err(failed)
}

/// What it takes to open a reply, wherever it is from.
struct Unlock<'a> {
    settings: &'a Settings,
    request: &'a Request<'a>,
    derivation: Derivation,
    deadline: Deadline,
}

impl Unlock<'_> {
    /// The project's key: through the derivation that is under way, if it has the right salt.
    fn pek(self, sealed: &SealedVault<'_>) -> Result<Key, Error> {
        let token_key = self.derivation.finish(sealed.salt(), self.deadline).map_err(Error::Derivation)?;
        let id = || self.settings.token.id.clone();
        sealed.open_pek(&token_key).map_err(|error| Error::Key { id: id(), error })
    }
}

/// The secrets of a reply that was just fetched. It is kept for an outage.
fn from_store(
    body: &[u8],
    unlock: Unlock<'_>,
    fallback: Option<Fallback<'_>>,
    report: Report,
    stages: &mut Stages,
) -> Result<Obtained, Error> {
    let (settings, deadline) = (unlock.settings, unlock.deadline);
    let host = settings.store.address.host();
    let sealed = vault::parse(body, unlock.request)
        .map_err(|error| Error::Reply { host: host.to_owned(), error })
        .inspect_err(|error| revoke(error, fallback.as_ref(), report))?;
    stages.end("parse");
    report.detail(|| format!("fetched {} bytes from {}: {}", body.len(), Shown(host), sealed.counts()));
    let pek = unlock.pek(&sealed)?;
    stages.end("derive");
    if let Some(fallback) = fallback {
        keep(fallback, &sealed, &pek, deadline, report);
        stages.end("fallback");
    }
    Ok(Obtained { selected: open(sealed, &pek, settings, stages)?, fallback_age: None })
}

/// The secrets of the fallback file, as the store can't be reached, for the reason that `error` gives.
fn from_fallback(
    error: &Error,
    unlock: Unlock<'_>,
    fallback: Fallback<'_>,
    report: Report,
    stages: &mut Stages,
) -> Result<Obtained, Error> {
    let (settings, path) = (unlock.settings, fallback.path());
    let unusable = |fallback| Error::Fallback { path: path.clone(), error: error.message(), fallback };
    let stored = fallback.read().map_err(unusable)?;
    let sealed = vault::parse(&stored.reply, unlock.request).map_err(|found| match found {
        ParseError::Expired { .. } => {
            Error::Reply { host: settings.store.address.host().to_owned(), error: found }
        }
        // It was parsed before it was written.
        _ => unusable(FallbackError::Damaged),
    })?;
    stages.end("parse");
    // The derivation runs since the start; what is left of it is all that is waited for.
    let unlock = Unlock { deadline: unlock.deadline.or_at_least(GRACE), ..unlock };
    let pek = unlock.pek(&sealed).map_err(|error| match error {
        Error::Key { .. } => unusable(FallbackError::NotOpened),
        other => other,
    })?;
    stages.end("derive");
    stored.verify(&pek).map_err(unusable)?;
    let age = humantime::format_duration(Duration::from_secs(stored.age.as_secs()));
    report.warning(&format!("{}; starting from {path}, fetched {age} ago", error.message()));
    Ok(Obtained { selected: open(sealed, &pek, settings, stages)?, fallback_age: Some(stored.age) })
}

fn open(
    sealed: SealedVault<'_>,
    pek: &Key,
    settings: &Settings,
    stages: &mut Stages,
) -> Result<Selected, Error> {
    let opened = sealed.open(pek, &settings.pins).map_err(Error::Pin)?;
    stages.end("open");
    let selected = select::select(opened, &settings.selection).map_err(Error::Select)?;
    stages.end("select");
    Ok(selected)
}

/// Keeps the reply for an outage. What goes wrong with that is no reason not to start.
fn keep(fallback: Fallback<'_>, sealed: &SealedVault<'_>, pek: &Key, deadline: Deadline, report: Report) {
    let path = fallback.path();
    match fallback.write(sealed, pek, deadline) {
        Ok(()) => report.detail(|| format!("wrote the fallback file {path}")),
        Err(error) => report.warning(&format!("the fallback file {path} is not up to date: {error}")),
    }
}

/// Deletes the fallback file where the store says that the token must not be used.
fn revoke(error: &Error, fallback: Option<&Fallback<'_>>, report: Report) {
    let Some(fallback) = fallback.filter(|_| error.is_revocation()) else { return };
    match fallback.delete() {
        Ok(true) => report.warning(&format!("deleted the fallback file {}", fallback.path())),
        Ok(false) => {}
        Err(error) => {
            report.warning(&format!("the fallback file {} is still there: {error}", fallback.path()));
        }
    }
}

pub(crate) fn tell_retry(retry: &Retry<'_>, host: &str, report: Report) {
    report.detail(|| {
        format!(
            "attempt {} at {} failed: {}; again in {} ms",
            retry.attempt,
            Shown(host),
            retry.reason,
            retry.wait.as_millis()
        )
    });
}

fn tell_child(child: &Child, report: Report) {
    let lists = [
        ("injected", child.injected.iter().collect::<Vec<_>>()),
        ("replaced", child.replaced.iter().collect()),
        ("kept the inherited", child.preserved.iter().collect()),
        ("removed", child.removed.iter().collect()),
    ];
    for (what, names) in lists {
        if !names.is_empty() {
            report.detail(|| format!("{what} {}", join(names.iter().map(|name| Shown(name)))));
        }
    }
}

fn tell_stages(stages: &Stages, at: Instant, report: Report) {
    report.detail(|| {
        let times: Vec<String> =
            stages.iter().map(|(name, time)| format!("{name} {}", milliseconds(time))).collect();
        format!("{}; {} in all", times.join(", "), milliseconds(at.elapsed()))
    });
}
