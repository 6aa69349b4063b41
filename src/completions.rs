//! `completions`: what a shell needs to complete the launcher's commands and options.

use clap::CommandFactory;
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use crate::cli::{Cli, CompletionsArgs, Shell};
use crate::error::Error;
use crate::output;

/// What bash does behind `--`: COMMAND is completed, and then files, which it takes where it is offered
/// nothing. The generated script would offer the launcher's own options.
const BEHIND_DASHES: &str = r#"    COMPREPLY=()
    local at
    for ((at = 1; at < COMP_CWORD; at++)); do
        if [[ ${COMP_WORDS[at]} == -- ]]; then
            ((at + 1 == COMP_CWORD)) && COMPREPLY=($(compgen -c -- "$2"))
            return 0
        fi
    done
"#;

/// Prints the completions of a shell.
///
/// # Errors
/// [`Error::Output`] where stdout can't be written to.
pub(crate) fn print(args: &CompletionsArgs) -> Result<(), Error> {
    let (mut bytes, mut command) = (Vec::new(), Cli::command());
    match args.shell {
        Shell::Bash => generate(Bash, &mut command, "redenv-run", &mut bytes),
        Shell::Zsh => generate(Zsh, &mut command, "redenv-run", &mut bytes),
        Shell::Fish => generate(Fish, &mut command, "redenv-run", &mut bytes),
    }
    let text = String::from_utf8_lossy(&bytes);
    if args.shell != Shell::Bash {
        return output::print(&text);
    }
    // clap_complete 4.6 writes a `-` in the program's name in two ways, and no command would have
    // completions.
    let text = text.replace("redenv__subcmd__run", "redenv__run");
    output::print(&text.replacen("    COMPREPLY=()\n", BEHIND_DASHES, 1))
}
