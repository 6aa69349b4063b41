//! `completions`: what a shell needs to complete the launcher's commands and options.
//!
//! `clap_complete` generates it. Behind `--` of a launch or of `check` it would offer the launcher's own,
//! or nothing: there COMMAND is completed as if it stood alone.

use clap::CommandFactory;
use clap_complete::Generator;
use clap_complete::shells::{Bash, Fish, Zsh};

use crate::cli::{Cli, CompletionsArgs, Shell};
use crate::ui::failure::Failure;
use crate::ui::output;

/// What is replaced, everywhere, by what.
type Edits = &'static [(&'static str, &'static str)];

/// bash-completion, by the name that its function has or had, knows what COMMAND takes. Without it COMMAND
/// gets files, which bash takes where it is offered nothing.
const BASH: Edits = &[
    // clap_complete 4.6 writes a `-` in the program's name in two ways, and no command would have
    // completions.
    ("redenv__subcmd__run", "redenv__run"),
    (
        "    COMPREPLY=()\n    if",
        r#"    COMPREPLY=()
    local at offset
    for ((at = 1; at < COMP_CWORD; at++)); do
        if [[ ${COMP_WORDS[at]} == -- ]]; then
            [[ ${COMP_WORDS[1]} == -* || ${COMP_WORDS[1]} == check ]] || return 0
            for offset in _comp_command_offset _command_offset; do
                if declare -F $offset >/dev/null; then
                    $offset $((at + 1))
                    return 0
                fi
            done
            ((at + 1 == COMP_CWORD)) && COMPREPLY=($(compgen -c -- "$2"))
            return 0
        fi
    done
    if"#,
    ),
];

const ZSH: Edits = &[
    (
        "\n_redenv-run() {\n",
        r"
_redenv-run() {
    local at=${words[(i)--]}
    if (( at < CURRENT )) && [[ $words[2] == (-*|check) ]]; then
        shift $at words
        (( CURRENT -= at ))
        _normal -p redenv-run
        return
    fi
",
    ),
    // COMMAND, which `print` takes out, is counted before the subcommand.
    ("$line[2]", "$line[1]"),
];

const FISH: Edits = &[
    (
        "    set -e cmd[1]\n",
        "    contains -- -- $cmd
    and return 1
    set -e cmd[1]
",
    ),
    // The value that is being typed is not among the words, and an option without its own is an error.
    ("-- $cmd 2>", "-- $cmd '' 2>"),
    ("if set -q argv[1]", r#"if test -n "$argv[1]""#),
];

/// Files are offered where an option takes one, and where COMMAND does.
const FISH_MORE: &str = r#"complete -c redenv-run -f
complete -c redenv-run -n "__fish_redenv_run_using_subcommand completions" -a "bash zsh fish"

function __fish_redenv_run_command
    set -l words (commandline -opc)
    set -l at (contains -i -- -- $words)
    and string match -qr '^(-|check$)' -- $words[2]
    or return
    set -e words[1..$at]
    set words (string escape -- $words)
    set -l word (commandline -ct)
    complete -C "$words $word"
end
complete -c redenv-run -a "(__fish_redenv_run_command)"
"#;

/// Prints the completions of a shell.
pub(super) fn run(args: &CompletionsArgs) -> Result<(), Box<dyn Failure>> {
    let (generator, edits, more): (&dyn Generator, _, _) = match args.shell {
        Shell::Bash => (&Bash, BASH, ""),
        Shell::Zsh => (&Zsh, ZSH, ""),
        Shell::Fish => (&Fish, FISH, FISH_MORE),
    };
    let mut command = Cli::command().bin_name("redenv-run");
    command.build();
    let mut bytes = Vec::new();
    generator.generate(&command, &mut bytes);
    // Without the dashes COMMAND is refused.
    let text: String = String::from_utf8_lossy(&bytes)
        .split_inclusive('\n')
        .filter(|line| !line.contains("::command -- "))
        .collect();
    let text = edits.iter().fold(text, |text, (old, new)| text.replace(old, new));
    Ok(output::print(&(text + more))?)
}
