//! The pipeline from top to bottom, the only place that knows every stage:
//!
//! arguments and environment -> settings -> sealed vault (one request) -> token key -> PEK ->
//! secrets -> COMMAND's environment -> exec.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::time::Instant;

use crate::cli::{Cli, LaunchArgs};
use crate::crypto::Key;
use crate::deadline::Deadline;
use crate::derivation::Derivation;
use crate::environment::{self, Child, Environment};
use crate::error::Error;
use crate::launch::Launch;
use crate::program::Program;
use crate::report::{Report, Shown, join};
use crate::select::{self, Selected};
use crate::settings::{ServiceToken, Settings};
use crate::stages::Stages;
use crate::upstash::{Patience, Retry, Upstash};
use crate::usage::UsageError;
use crate::vault::{self, Request, SealedVault};

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
        Some(other) => match other {},
        None => launch(&cli.launch, cli.command, start).map(|never| match never {}),
    }
}

fn launch(args: &LaunchArgs, command: Vec<OsString>, start: Start) -> Result<Infallible, Error> {
    let Start { at, environment, report } = start;
    let mut stages = Stages::new(at);
    let mut command = command.into_iter();
    let typed = command.next().ok_or(Error::Usage(UsageError::NoCommand))?;

    let settings = resolve(args, &environment, report)?;
    let program = find(&typed, &environment)?;
    stages.end("settings");

    let selected = secrets(&settings, at, report, &mut stages)?;
    let child =
        environment::build(environment, &selected.secrets, &settings.policy).map_err(Error::Environment)?;
    drop(selected);
    tell_child(&child, report);

    let launch = Launch { program, arguments: command.collect(), environment: child.environment };
    launch.check_sizes().map_err(Error::Launch)?;
    stages.end("environment");
    tell_stages(&stages, at, report);
    Err(Error::Launch(launch.exec()))
}

/// The settings, with their warnings said.
fn resolve(args: &LaunchArgs, environment: &Environment, report: Report) -> Result<Settings, Error> {
    let settings = Settings::resolve(args, environment).map_err(Error::Settings)?;
    settings.warnings.iter().for_each(|warning| report.warning(warning));
    Ok(settings)
}

/// COMMAND, looked up with the `PATH` the launcher was started with.
fn find(typed: &OsStr, environment: &Environment) -> Result<Program, Error> {
    let path = environment.get(OsStr::new("PATH"));
    Program::find(typed, path.map(OsString::as_os_str)).map_err(Error::Program)
}

/// Fetches, opens and selects.
fn secrets(settings: &Settings, at: Instant, report: Report, stages: &mut Stages) -> Result<Selected, Error> {
    let Settings { project, environments, token, store, selection, pins, .. } = settings;
    let deadline = Deadline::new(at, store.timeout);
    let early = match token.salt {
        Some(salt) => Some(Derivation::start(&token.key, salt).map_err(Error::Derivation)?),
        None => None,
    };

    let request = Request { project, environments, token_id: &token.id };
    let host = store.address.host().to_owned();
    let client = Upstash::new(&store.address, &store.token, &store.network)
        .map_err(|error| Error::Store { host: host.clone(), error })?;
    let mut observe = |retry: &Retry<'_>| tell_retry(retry, &host, report);
    let body = client
        .pipeline(&request.commands(), deadline, Patience::UntilDeadline, &mut observe)
        .map_err(|error| Error::Store { host: host.clone(), error })?;
    stages.end("fetch");

    let sealed = vault::parse(&body, &request).map_err(|error| Error::Reply { host: host.clone(), error })?;
    stages.end("parse");
    report.detail(|| format!("fetched {} bytes from {}: {}", body.len(), Shown(&host), sealed.counts()));
    let pek = pek(&sealed, token, early, deadline)?;
    stages.end("derive");
    let opened = sealed.open(&pek, pins).map_err(Error::Pin)?;
    stages.end("open");
    let selected = select::select(opened, selection).map_err(Error::Select)?;
    for (name, why) in &selected.skipped {
        report.warning(&format!("started without {}: {why}", Shown(name)));
    }
    stages.end("select");
    Ok(selected)
}

/// The project's key: through the derivation that is under way, if it has the right salt.
fn pek(
    sealed: &SealedVault<'_>,
    token: &ServiceToken,
    early: Option<Derivation>,
    deadline: Deadline,
) -> Result<Key, Error> {
    let derivation = match early.filter(|early| early.salt() == sealed.salt()) {
        Some(early) => early,
        None => Derivation::start(&token.key, sealed.salt()).map_err(Error::Derivation)?,
    };
    let token_key = derivation.finish(deadline).map_err(Error::Derivation)?;
    sealed.open_pek(&token_key).map_err(|error| Error::Key { id: token.id.clone(), error })
}

fn tell_retry(retry: &Retry<'_>, host: &str, report: Report) {
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
        let times = stages.iter().map(|(name, time)| format!("{name} {:.1} ms", time.as_secs_f64() * 1e3));
        let total = at.elapsed().as_secs_f64() * 1e3;
        format!("{}; {total:.1} ms in all", times.collect::<Vec<_>>().join(", "))
    });
}
