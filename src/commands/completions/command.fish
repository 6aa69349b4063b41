complete -c redenv-run -n "__fish_redenv_run_using_subcommand completions" -a "bash zsh fish"

function __fish_redenv_run_command
    set -l words (commandline -opc)
    set -l at (contains -i -- -- $words)
    or return
    set -e words[1..$at]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end
complete -c redenv-run -a "(__fish_redenv_run_command)"
