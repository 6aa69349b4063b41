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
        (&["-e", "production", "./run", "hunter2"], "redenv-run -e production -- ./run ..."),
        (&["-p", "my shop", "--only", "API_*", "node"], "redenv-run -p 'my shop' --only 'API_*' -- node"),
        (&["-p", "it's", "DB_PASS=hunter2", "node"], "redenv-run -p 'it'\\''s' -- env DB_PASS=... COMMAND"),
        (&["npm start --token=hunter2"], "redenv-run -- npm ..."),
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
fn a_word_before_the_dashes_is_named_with_the_option_it_belongs_to() {
    for (arguments, stray, hint) in [
        (&["--only", "DB_HOST", "DB_USER", "--", "true"][..], "DB_USER", "--only DB_HOST,DB_USER"),
        (&["-v", "--only", "A_*", "B", "C", "-q", "--", "true"], "B", "--only 'A_*,B',..."),
        (&["--only=DB_HOST", "DB_USER", "--", "true"], "DB_USER", "--only=DB_HOST,DB_USER"),
        (&["-ve", "staging", "production", "--", "true"], "production", "-ve staging,production"),
        (&["check", "--file", "A", "B", "--", "true"], "B", "--file A,B"),
        (&["--preserve-env", "HOME", "--", "true"], "HOME", "--preserve-env=HOME"),
        (&["--preserve-env", "HOME", "TERM", "--", "true"], "HOME", "--preserve-env=HOME,..."),
        (&["chekc", "--", "true"], "chekc", "redenv-run -- chekc ..., or did you mean `redenv-run check`?"),
        // COMMAND's, most likely, which has a `--` of its own.
        (&["npm", "run", "build", "--", "hunter2"], "npm", "redenv-run -- npm ..."),
        (&["-e", "production", "./run", "--", "hunter2"], "./run", "redenv-run -e production -- ./run ..."),
        (
            &["--only", "A", "PASS=hunter2", "--", "x"],
            "PASS=...",
            "redenv-run --only A -- env PASS=... COMMAND",
        ),
        (&["PASS=hunter2", "npm", "--", "x"], "PASS=...", "redenv-run -- env PASS=... COMMAND"),
    ] {
        let error = format!("error: {stray} stands before `--`, where only options do");
        bare_launcher().args(arguments).run().assert_failed(125, &[&error, &format!("hint: {hint}")]);
    }
}

#[test]
fn what_another_command_takes_is_not_said_to_be_unknown() {
    let mask = "`redenv-run mask --help` lists what it takes";
    for (arguments, error, hint) in [
        (&["mask", "--pristine"][..], "`redenv-run mask` does not take --pristine", mask),
        (&["mask", "--preserve-env=A"], "`redenv-run mask` does not take --preserve-env", mask),
        (&["mask", "--", "env"], "`redenv-run mask` does not take env", mask),
        (&["mask", "--only", "A", "B"], "`redenv-run mask` does not take B", "--only A,B"),
        (
            &["completions", "bash", "zsh"],
            "`redenv-run completions` does not take zsh",
            "`redenv-run completions --help` lists what it takes",
        ),
        (
            &["--format", "json", "--", "true"],
            "a launch does not take --format",
            "`redenv-run check` does; options of COMMAND go behind `--`",
        ),
    ] {
        let lines = [format!("error: {error}"), format!("hint: {hint}")];
        bare_launcher().args(arguments).run().assert_failed(125, &lines.each_ref().map(String::as_str));
    }
}

#[test]
fn what_a_shell_would_take_apart_is_not_shown_where_it_is_not_found() {
    let vault = vault();
    let assignment = "hint: use env to set a variable for the command: redenv-run -- env DB_PASS=... COMMAND";
    let words = "hint: don't quote the command as one word: redenv-run -- npm ...";
    for (command, error, hint) in [
        (&["DB_PASS=hunter2", "node", "app"][..], "DB_PASS=... was not found in PATH", assignment),
        (&["DB_PASS=https://hunter2@host/", "node"], "DB_PASS=... was not found", assignment),
        (&["DB_PASS=hunter2 node app"], "DB_PASS=... was not found in PATH", assignment),
        (&["npm start --token=hunter2"], "npm ... was not found in PATH: it contains spaces", words),
        (&["npm start ./hunter2"], "npm ... was not found: it contains spaces", words),
    ] {
        launcher(&vault).program(command).run().assert_failed(127, &[&format!("error: {error}"), hint]);
    }
    // The name of a program may hold both, where there is one.
    let launch = launcher(&vault);
    std::os::unix::fs::symlink("/bin/echo", launch.directory().join("A=1 b")).unwrap();
    launch.program(["./A=1 b"]).run().assert_ran("\n");
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
