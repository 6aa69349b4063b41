//! A launch from the settings to the exec. `secrets.rs` has the steps from the request to the selected secrets.

use std::ffi::{OsStr, OsString};

use super::secrets::{self, Obtained};
use crate::child::environment::{self, Child};
use crate::child::exec;
use crate::child::memory_file;
use crate::child::program::Program;
use crate::settings::{Settings, Start};
use crate::ui::failure::Failure;
use crate::ui::report::Report;
use crate::ui::stages::Stages;
use crate::ui::text::{Shown, join};

/// Becomes the command, with its secrets. Returns only if this fails.
pub(super) fn run(typed: &OsStr, arguments: Vec<OsString>, start: Start) -> Result<(), Failure> {
    let (mut stages, report) = (Stages::new(start.at), start.report);

    let settings = Settings::resolve(&start)?;
    // Looked up before the first request: a mistyped command costs no round trip.
    let program = Program::find(typed, start.path())?;
    stages.end("settings");

    let command_size = exec::size(&program, &arguments);
    let (obtained, child) = prepare(&settings, start, command_size, &mut stages)?;
    report.detail(|| stages.to_string());

    // Wipes the token key, the Upstash token and the values. The exec needs only the command's environment.
    drop((settings, obtained));
    Err(exec::exec(program, arguments, &child.environment))
}

/// Obtains the secrets, and builds the command's environment. `command_size` comes from [`exec::size`].
pub(super) fn prepare(
    settings: &Settings,
    start: Start,
    command_size: usize,
    stages: &mut Stages,
) -> Result<(Obtained, Child), Failure> {
    let obtained = secrets::obtain(settings, &start, stages)?;
    let secrets = &obtained.selected.secrets;
    let mut child = environment::build(start.environment, secrets, &settings.policy)?;
    memory_file::create(&settings.files, secrets, &mut child)?;
    report_child(&child, start.report);
    exec::check_sizes(&child.environment, command_size)?;
    stages.end("environment");
    Ok((obtained, child))
}

/// Prints the changes to the command's environment, by name.
fn report_child(child: &Child, report: Report) {
    let lists = [
        ("injected", &child.injected),
        ("replaced", &child.replaced),
        ("kept inherited", &child.preserved),
        ("removed", &child.removed),
    ];
    for (what, names) in lists {
        if !names.is_empty() {
            report.detail(|| format!("{what} {}", join(names.iter().map(|name| Shown(name)))));
        }
    }
    if !child.changed.is_empty() {
        report.warning(&format!(
            "another redenv-run started this one, and its flags don't apply here: start without it (changed: {})",
            join(child.changed.iter().map(|name| Shown(name)))
        ));
    }
}
