//! A launch from the settings to the exec. This is the only file that knows every step.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};

use super::secrets::{self, Obtained};
use crate::child::environment::{self, Child};
use crate::child::exec::Launch;
use crate::child::memory_file;
use crate::child::program::Program;
use crate::settings::{Settings, Start};
use crate::ui::failure::Failure;
use crate::ui::report::Report;
use crate::ui::stages::Stages;
use crate::ui::text::{Shown, join};

/// Becomes the command, with its secrets. Returns only when that failed.
pub(super) fn run(
    typed: &OsStr,
    arguments: Vec<OsString>,
    start: Start,
) -> Result<Infallible, Box<dyn Failure>> {
    let mut stages = Stages::new(start.at);

    let settings = Settings::resolve(&start)?;
    // Looked up before the first request: a mistyped command costs no round trip.
    let program = Program::find(typed, start.path())?;
    stages.end("settings");

    let Obtained { selected, .. } = secrets::obtain(&settings, &start, &mut stages)?;

    let Start { environment, report, .. } = start;
    let mut child = environment::build(environment, &selected.secrets, &settings.policy)?;
    let files = memory_file::create(&settings.files, &selected.secrets, &mut child)?;
    report_child(&child, report);
    let launch = Launch { program, arguments, environment: child.environment, files };
    launch.check_sizes()?;
    stages.end("environment");
    report.detail(|| stages.to_string());

    // Wipes the token key, the Upstash token and the values: the command's environment is all that the exec takes.
    drop((settings, selected));
    Err(launch.exec().into())
}

/// Names what was done to the command's environment.
pub(super) fn report_child(child: &Child, report: Report) {
    let lists = [
        ("injected", child.injected.iter().collect::<Vec<_>>()),
        ("replaced", child.replaced.iter().collect()),
        ("kept inherited", child.preserved.iter().collect()),
        ("removed", child.removed.iter().collect()),
    ];
    for (what, names) in lists {
        if !names.is_empty() {
            report.detail(|| format!("{what} {}", join(names.iter().map(|name| Shown(name)))));
        }
    }
}
