//! The pipeline from top to bottom, the only place that knows every stage:
//!
//! arguments and environment -> settings -> sealed vault (one request) -> token key -> PEK ->
//! secrets -> COMMAND's environment -> exec. How the secrets are obtained has a file of its own.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::time::{Duration, Instant};

use crate::child::environment::{self, Child, Environment};
use crate::child::exec::{self, Launch};
use crate::child::memory_file::MemoryFiles;
use crate::child::program::Program;
use crate::cli::{CheckArgs, CheckFormat, LaunchArgs, MaskArgs};
use crate::commands::check::Checked;
use crate::commands::error::Error;
use crate::commands::mask;
use crate::commands::usage::UsageError;
use crate::settings::Settings;
use crate::ui::output::print;
use crate::ui::report::{Colour, Report, Shown, join};
use crate::ui::stages::{Stages, milliseconds};
use crate::vault::select::Selected;

use super::secrets::{Obtained, secrets};

pub(super) fn launch(
    args: &LaunchArgs,
    command: Vec<OsString>,
    start: super::Start,
) -> Result<Infallible, Error> {
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

pub(super) fn check(args: &CheckArgs, start: super::Start) -> Result<(), Error> {
    let mut stages = Stages::new(start.at);
    let prepared = Prepared::new(&args.launch, args.command.clone(), start, &mut stages)?;
    let command = prepared.program.as_ref().map_or(0, |program| exec::size(program, &prepared.arguments));
    exec::check_sizes(&prepared.child.environment, command).map_err(Error::Launch)?;
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
    Ok(print(&text)?)
}

pub(super) fn mask(args: MaskArgs, start: &super::Start) -> Result<(), Error> {
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
        start: super::Start,
        stages: &mut Stages,
    ) -> Result<Self, Error> {
        let super::Start { at, environment, report } = start;
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
