//! Completions work in bash, zsh and fish.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::launch::bare_redenv_run;
use crate::support::typed::{Cases, Home};

fn completions(shell: &str) -> String {
    let outcome = bare_redenv_run().args(["completions", shell]).run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""), "{shell}");
    outcome.stdout
}

/// The output of a shell that sources the completions and runs the script.
fn sourced(program: &str, arguments: &[&str], completions: &str, script: &str) -> String {
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("_redenv-run");
    std::fs::write(&file, completions).unwrap();
    let script = script.replace("FILE", file.to_str().unwrap());
    let mut shell = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} did not start ({error}); scripts/test installs it"));
    shell.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The words that bash offers for the last of these words.
fn offered_by_bash(words: &[&str]) -> Vec<String> {
    let line: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source FILE\nCOMP_WORDS=({})\nCOMP_CWORD={}\n$(complete -p redenv-run | grep -o '_redenv[^ ]*') redenv-run '{}' '{}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        line.join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let offered = sourced("bash", &["--norc", "--noprofile", "-s"], &completions("bash"), &script);
    let mut offered: Vec<String> = offered.lines().map(str::to_owned).collect();
    // A program in two directories of PATH is offered twice; bash shows it once.
    offered.dedup();
    offered
}

#[test]
fn bash_offers_commands_and_options() {
    assert_eq!(offered_by_bash(&["redenv-run", "ch"]), ["check"]);
    assert_eq!(offered_by_bash(&["redenv-run", "--pr"]), ["--project", "--preserve-env", "--pristine"]);
    assert_eq!(offered_by_bash(&["redenv-run", "check", "--fo"]), ["--format"]);
    assert_eq!(offered_by_bash(&["redenv-run", "check", "--format", ""]), ["table", "json"]);
    assert_eq!(offered_by_bash(&["redenv-run", "token", "re"]), ["revoke"]);
    assert_eq!(offered_by_bash(&["redenv-run", "completions", "z"]), ["zsh"]);
}

#[test]
fn bash_offers_programs_and_files_behind_the_dashes() {
    assert_eq!(offered_by_bash(&["redenv-run", "--", "mkfif"]), ["mkfifo"]);
    assert_eq!(offered_by_bash(&["redenv-run", "-p", "acme", "--", "/bin/ech"]), ["/bin/echo"]);
    assert_eq!(offered_by_bash(&["redenv-run", "check", "--", "mkfif"]), ["mkfifo"]);
    // With no offer, bash completes files, because of `-o default`.
    for typed in ["", "--pr", "ch"] {
        assert_eq!(offered_by_bash(&["redenv-run", "--", "ls", typed]), [""], "{typed}");
    }
    let told = sourced(
        "bash",
        &["--norc", "--noprofile", "-s"],
        &completions("bash"),
        "source FILE; complete -p redenv-run",
    );
    assert!(told.contains(" -o default "), "{told}");
    // A `--` that is being typed begins an option.
    assert!(offered_by_bash(&["redenv-run", "--"]).contains(&"--project".to_owned()));
}

/// Each shell completes the command behind `--` as if it stood alone.
const BEHIND: Cases = &[
    ("redenv-run -- frobn", "redenv-run -- frobnicate "),
    ("redenv-run -p acme -- frobn", "redenv-run -p acme -- frobnicate "),
    ("redenv-run check -- frobn", "redenv-run check -- frobnicate "),
    ("redenv-run -- frobnicate al", "redenv-run -- frobnicate alpha "),
    ("redenv-run check --raw -- frobnicate al", "redenv-run check --raw -- frobnicate alpha "),
    ("redenv-run -- frobnicate 'a b' -- al", "redenv-run -- frobnicate 'a b' -- alpha "),
    ("redenv-run -- ls noex", "redenv-run -- ls noexec "),
];

#[test]
fn zsh_completes_commands_and_options() {
    Home::new().assert_zsh(&[
        ("redenv-run to", "redenv-run token "),
        ("redenv-run --vers", "redenv-run --version "),
        ("redenv-run check --for", "redenv-run check --format="),
        ("redenv-run check --format j", "redenv-run check --format json "),
        ("redenv-run mask --excl", "redenv-run mask --exclude="),
        ("redenv-run token cr", "redenv-run token create "),
        ("redenv-run token create --for", "redenv-run token create --format="),
        ("redenv-run token create --format e", "redenv-run token create --format env "),
        ("redenv-run completions z", "redenv-run completions zsh "),
        // A command is refused without `--`.
        ("redenv-run frobn", "redenv-run frobn"),
    ]);
}

#[test]
fn zsh_completes_the_command_as_if_it_stood_alone() {
    Home::new().assert_zsh(BEHIND);
    Home::new().assert_zsh(&[
        ("rr frobn", "rr frobnicate "),
        ("rr frobnicate al", "rr frobnicate alpha "),
        ("rr ls noex", "rr ls noexec "),
    ]);
}

#[test]
#[cfg(target_os = "linux")]
fn bash_completes_the_command_as_if_it_stood_alone() {
    let home = Home::new();
    let with = |setup: &str| format!("source /usr/share/bash-completion/bash_completion\n{setup}");
    home.assert_bash(&with(""), BEHIND);
    // bash-completion 2.12 renamed the function.
    let renamed = "declare -F _comp_command_offset || eval \"_comp$(declare -f _command_offset)\"
                   unset -f _command_offset";
    home.assert_bash(&with(renamed), BEHIND);
}

#[test]
#[cfg(target_os = "linux")]
fn bash_completes_the_command_without_bash_completion() {
    let setup = "source ~/.local/share/bash-completion/completions/redenv-run";
    let cases = &[
        ("redenv-run to", "redenv-run token "),
        ("redenv-run -- frobn", "redenv-run -- frobnicate "),
        ("redenv-run check -- frobn", "redenv-run check -- frobnicate "),
        ("redenv-run -- ls noex", "redenv-run -- ls noexec "),
        ("redenv-run -- frobnicate al", "redenv-run -- frobnicate al"),
    ];
    Home::new().assert_bash(setup, cases);
}

#[test]
fn fish_offers_commands_and_options() {
    let home = Home::new();
    for (line, offered) in [
        ("redenv-run to", &["token"][..]),
        ("redenv-run --ver", &["--verbose", "--version"]),
        ("redenv-run check --for", &["--format"]),
        ("redenv-run token cr", &["create"]),
        ("redenv-run token create --format e", &["env"]),
        ("redenv-run completions z", &["zsh"]),
        ("redenv-run --env-file noex", &["noexec"]),
    ] {
        assert_eq!(home.fish(line), offered, "{line}");
    }
}

#[test]
fn fish_completes_the_command_as_if_it_stood_alone() {
    let home = Home::new();
    for (typed, line) in BEHIND {
        assert_eq!(home.fish(typed), [line.trim_end().rsplit(' ').next().unwrap()], "{typed}");
    }
    assert_eq!(home.fish("redenv-run -- mk"), home.fish("mk"));
    assert_eq!(home.fish("rr frobnicate al"), ["alpha"]);
}

#[test]
fn zsh_and_fish_load_the_completions() {
    let zsh = sourced(
        "zsh",
        &["-f", "-s"],
        &completions("zsh"),
        "autoload -U compinit; compinit -D -u\nsource FILE\nprint -- $_comps[redenv-run]\n",
    );
    assert_eq!(zsh, "_redenv-run\n");
    let fish = sourced(
        "fish",
        &["--no-config"],
        &completions("fish"),
        "source FILE\ncomplete -C 'redenv-run che'\n",
    );
    assert_eq!(fish, "check\tDo everything except start the command, and list its secrets\n");
}

#[test]
fn an_unknown_shell_is_refused_with_the_known_ones() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(completions(shell).contains("redenv-run"), "{shell}");
    }
    bare_redenv_run().args(["completions", "tcsh"]).run().assert_failed(
        125,
        &["error: invalid value 'tcsh' for '<SHELL>' [possible values: bash, zsh, fish]"],
    );
    bare_redenv_run()
        .args(["completions"])
        .run()
        .assert_failed(125, &["error: the following required arguments were not provided: <SHELL>"]);
}
