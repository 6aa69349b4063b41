//! `completions`: prints a shell's completions as `clap_complete` generates them.
//!
//! `clap_complete` can't complete the command behind `--`, the word that users type most. A few lines per shell
//! complete the command as if it stood alone.

use clap_complete::{Shell, generate};

use crate::ui::failure::Failure;
use crate::ui::output;

/// Takes the place of the generated function. Without bash-completion, the command's arguments are files.
const BASH: &str = include_str!("completions/command.bash");

/// Begins the generated function.
const ZSH: &str = include_str!("completions/command.zsh");

/// Behind `--`, the shell must not offer redenv-run's options. So the generated conditions must be false there.
const FISH: &str = include_str!("completions/command.fish");

/// Prints the completions of a shell.
pub(super) fn run(shell: Shell, mut command: clap::Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut command, "redenv-run", &mut script);
    let script = String::from_utf8_lossy(&script);
    let script = match shell {
        // clap_complete 4.6 writes the `-` of the name in two ways; without this, no subcommand is completed.
        Shell::Bash => script.replace("redenv__subcmd__run", "redenv__run") + BASH,
        Shell::Zsh => script.replace("\n_redenv-run() {\n", ZSH),
        _ => {
            let before = "    set -l cmd (commandline -opc)\n    set -e cmd[1]\n";
            script.replace(
                before,
                &format!("    contains -- -- (commandline -opc)\n    and return 1\n{before}"),
            ) + FISH
        }
    };
    Ok(output::print(&script)?)
}
