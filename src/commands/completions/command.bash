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
