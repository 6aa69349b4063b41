//! A command line that can't be followed is corrected, and never shows what COMMAND was to be given.

use crate::support::launcher::{bare_launcher, launcher};
use crate::support::project::Project;
use crate::support::vault::Vault;

fn vault() -> Vault {
    Vault::of(&Project::new("acme").secret("development", "GREETING", "hello"))
}

#[test]
fn without_dashes_the_error_shows_the_corrected_command_line() {
    for (arguments, corrected) in [
        (&["node", "server.js"][..], "redenv-run -- node ..."),
        (&["node"], "redenv-run -- node"),
        (&["-p", "acme", "node", "--token", "hunter2"], "redenv-run -p acme -- node ..."),
        (&["-e", "production", "./run", "--", "hunter2"], "redenv-run -e production -- ./run ..."),
        (&["-p", "node", "node", "hunter2"], "redenv-run -p node -- node ..."),
        (&["-v", "--env", "sh", "sh", "hunter2"], "redenv-run -v --env sh -- sh ..."),
        (&["-vp", "sh", "sh", "sh"], "redenv-run -vp sh -- sh ..."),
        (&["--project=acme", "sh", "-c", "hunter2"], "redenv-run --project=acme -- sh ..."),
    ] {
        bare_launcher()
            .args(arguments)
            .run()
            .assert_failed(125, &["error: `--` is missing before COMMAND", &format!("hint: {corrected}")]);
    }
}

#[test]
fn other_slips_of_the_command_line_have_their_own_words() {
    let all = "redenv-run [OPTIONS] -- COMMAND [ARG]...; --help tells more";
    for (arguments, error, hint) in [
        (&[][..], "COMMAND is missing", Some(all)),
        (&["--"], "COMMAND is missing", Some(all)),
        (
            &["--projct", "acme", "--", "hunter2"],
            "there is no option --projct",
            Some("did you mean --project?"),
        ),
        (
            &["--zzz=hunter2", "--", "true"],
            "there is no option --zzz",
            Some("options of COMMAND go behind `--`; --help lists the launcher's"),
        ),
        (&["-v", "-q", "--", "true"], "--verbose and --quiet exclude each other", None),
        (&["-p", "a", "-p", "hunter2", "--", "true"], "--project is given twice", None),
        (&["--raw=hunter2", "--", "true"], "--raw takes no value", None),
    ] {
        let mut lines = vec![format!("error: {error}")];
        lines.extend(hint.map(|hint| format!("hint: {hint}")));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        bare_launcher().args(arguments).run().assert_failed(125, &lines);
    }
}

#[test]
fn a_repeated_dash_dash_is_commands() {
    let vault = vault();
    launcher(&vault).program(["printf", "%s|", "--", "a", "--"]).run().assert_ran("--|a|--|");
}

#[test]
fn help_and_version_are_printed_on_stdout() {
    let help = bare_launcher().arg("--help").run();
    assert_eq!((help.code(), help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("redenv-run [OPTIONS] -- COMMAND [ARG]..."), "{}", help.stdout);
    let version = bare_launcher().arg("--version").run();
    version.assert_ran(&format!("redenv-run {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let vault = vault();
    let help = launcher(&vault).arg("--help").run();
    assert_eq!(help.stdout, bare_launcher().arg("--help").run().stdout);
}
