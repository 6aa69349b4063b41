//! A launcher that a shell starts, after having changed what processes inherit.

use std::process::{Command, Output};

use super::launcher::Launcher;

/// A launcher started by a shell that ran `setup` first.
pub fn after(setup: &str, mut launcher: Launcher) -> Output {
    let command = launcher.command();
    let mut shell = Command::new("/bin/bash");
    shell.args(["-c", &format!("{setup} && exec \"$0\" \"$@\"")]).arg(command.get_program());
    shell.args(command.get_args()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap()).output().unwrap()
}
