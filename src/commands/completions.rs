//! `completions`: prints a shell's completions as `clap_complete` generates them.
//!
//! `clap_complete` can't complete the command behind `--`, the word that users type most. A few lines per
//! shell complete it as if it stood alone.

use clap_complete::{Shell, generate};

use crate::ui::failure::Failure;
use crate::ui::output;

/// Takes the place of the generated function. Without bash-completion, the command's arguments are files.
const BASH: &str = r#"
_redenv_run_or_command() {
    local at offset
    for ((at = 1; at < COMP_CWORD; at++)); do
        [[ ${COMP_WORDS[at]} == -- ]] || continue
        for offset in _comp_command_offset _command_offset; do
            declare -F $offset >/dev/null || continue
            $offset $((at + 1))
            return
        done
        COMPREPLY=()
        ((at + 1 < COMP_CWORD)) || COMPREPLY=($(compgen -c -- "$2"))
        return
    done
    _redenv__run "$@"
}
complete -F _redenv_run_or_command -o bashdefault -o default redenv-run
"#;

/// Begins the generated function.
const ZSH: &str = r"
_redenv-run() {
    local at=${words[(i)--]}
    if (( at < CURRENT )); then
        shift $at words
        (( CURRENT -= at ))
        _normal -p redenv-run
        return
    fi
";

/// Behind `--`, the generated conditions must not hold, so that no option of redenv-run is offered.
const FISH: &str = r#"
complete -c redenv-run -n "__fish_redenv_run_using_subcommand completions" -a "bash zsh fish"

function __fish_redenv_run_command
    set -l words (commandline -opc)
    set -l at (contains -i -- -- $words)
    or return
    set -e words[1..$at]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end
complete -c redenv-run -a "(__fish_redenv_run_command)"
"#;

/// Prints the completions of a shell.
pub(super) fn run(shell: Shell, mut command: clap::Command) -> Result<(), Box<dyn Failure>> {
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
