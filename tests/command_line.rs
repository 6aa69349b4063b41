//! A wrong command line gets a corrected one as its hint, without the command's arguments.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::launch::{Launch, bare_redenv_run, redenv_run};
use crate::support::project::TOKEN_KEY;
use crate::support::vault::Vault;

#[test]
fn without_dashes_the_error_shows_the_corrected_command_line() {
    for (arguments, corrected) in [
        (&["node", "server.js"][..], "redenv-run -- node ..."),
        (&["node"], "redenv-run -- node"),
        (&["-p", "acme", "node", "--token", "hunter2"], "redenv-run -p ... -- node ..."),
        (&["-e", "production", "./run", "hunter2"], "redenv-run -e ... -- ./run ..."),
        (&["-p", "my shop", "--only", "hunter2", "node"], "redenv-run -p ... --only ... -- node"),
        (&["-p", "it's", "DB_PASS=hunter2", "node"], "redenv-run -p ... -- env DB_PASS=... COMMAND"),
        (&["npm start --token=hunter2"], "redenv-run -- npm ..."),
        (&["-p", "node", "node", "hunter2"], "redenv-run -p ... -- node ..."),
        (&["-v", "--env", "sh", "sh", "hunter2"], "redenv-run -v --env ... -- sh ..."),
        (&["-vp", "sh", "sh", "sh"], "redenv-run -vp ... -- sh ..."),
        (&["--project=acme", "sh", "-c", "hunter2"], "redenv-run --project=... -- sh ..."),
        (&["check", "--only", "hunter2", "sh"], "redenv-run check --only ... -- sh"),
        (&["chekc"], "redenv-run -- chekc, or did you mean `redenv-run check`?"),
        (&["help"], "redenv-run -- help, or did you mean `redenv-run --help`?"),
    ] {
        bare_redenv_run().args(arguments).run().assert_failed(
            125,
            &["error: `--` is missing before the command", &format!("hint: {corrected}")],
        );
    }
}

#[test]
fn a_word_before_the_dashes_is_named_with_the_corrected_command_line() {
    for (arguments, stray, corrected) in [
        (
            &["--only", "DB_HOST", "DB_USER", "--", "true"][..],
            "DB_USER",
            "redenv-run --only ... -- DB_USER ...",
        ),
        (&["check", "--file", "A", "B", "--", "true"], "B", "redenv-run check --file ... -- B ..."),
        (&["--preserve-env", "HOME", "--", "true"], "HOME", "redenv-run --preserve-env -- HOME ..."),
        (&["npm", "run", "build", "--", "hunter2"], "npm", "redenv-run -- npm ..."),
        (&["PASS=hunter2", "npm", "--", "x"], "PASS=...", "redenv-run -- env PASS=... COMMAND"),
        (&["chekc", "--", "true"], "chekc", "redenv-run -- chekc ..., or did you mean `redenv-run check`?"),
    ] {
        let error = format!("error: {stray} stands before `--`, where only flags go");
        let hint = format!("hint: separate names with commas, or start the command with `--`: {corrected}");
        bare_redenv_run().args(arguments).run().assert_failed(125, &[&error, &hint]);
    }
}

/// What npm 11.19 and bun 1.4.5 set, measured. The user typed `--`, and they removed it.
#[test]
fn where_a_package_runner_removes_the_dashes_the_hint_names_one_that_keeps_them() {
    let npx = "npm exec removes `--`, npx keeps it: npx redenv-run -- node ...";
    let bunx = |by: &str| format!("{by} removes `--`, bunx keeps it: bunx redenv-run -- node ...");
    let plain = "redenv-run -- node ...".to_owned();
    let (npm, bun) =
        ("npm/11.19.1 node/v20.20.2 linux x64 workspaces/false", "bun/1.4.5 npm/? node/v26.3.0 linux x64");
    for (agent, command, event, hint) in [
        (npm, "exec", "npx", npx.to_owned()),
        (npm, "run", "start", plain.clone()),
        (bun, "run-script", "", bunx("bun run")),
        (bun, "run-script", "start", plain.clone()),
        (bun, "exec", "bunx", bunx("bunx --bun")),
        ("pnpm/12.21.0 npm/? node/v20.20.2 linux x64", "run-script", "start", plain),
    ] {
        let mut launch = bare_redenv_run().env("npm_config_user_agent", agent).env("npm_command", command);
        if !event.is_empty() {
            launch = launch.env("npm_lifecycle_event", event);
        }
        let lines = ["error: `--` is missing before the command", &format!("hint: {hint}")];
        launch.args(["node", "hunter2"]).run().assert_failed(125, &lines);
    }
}

#[test]
fn npx_keeps_the_dashes_and_npm_exec_gets_the_hint() {
    let vault = Vault::greeting();
    let bin = Path::new(env!("CARGO_BIN_EXE_redenv-run"));
    let package = || {
        let launch = redenv_run(&vault).file("package.json", "{}").file("node_modules/.bin/keep", "");
        symlink(bin, launch.directory().join("node_modules/.bin/redenv-run")).unwrap();
        let home = launch.directory().to_owned();
        launch.env("HOME", home).env("npm_config_update_notifier", "false")
    };
    let program = ["redenv-run", "--", "printenv", "GREETING"];
    instead(package(), &[&["npx"], &program[..]].concat()).run().assert_ran("hello\n");
    let outcome = instead(package(), &[&["npm", "exec"], &program[..]].concat()).run();
    let hint = "redenv-run: hint: npm exec removes `--`, npx keeps it: npx redenv-run -- printenv ...\n";
    assert!(outcome.stderr.contains(hint), "{}", outcome.stderr);
}

/// This command in the launch's place.
fn instead(launch: Launch, words: &[&str]) -> Launch {
    launch.through(["sh", "-c", &format!("exec {}", words.join(" "))])
}

#[test]
fn what_a_shell_would_take_apart_is_not_shown_where_it_is_not_found() {
    let vault = Vault::greeting();
    let assignment = "hint: use env to set a variable for the command: redenv-run -- env DB_PASS=... COMMAND";
    let words = "hint: don't quote the command as one word: redenv-run -- npm ...";
    for (command, error, hint) in [
        (&["DB_PASS=hunter2", "node", "app"][..], "DB_PASS=... was not found in PATH", assignment),
        (&["DB_PASS=https://hunter2@host/", "node"], "DB_PASS=... was not found", assignment),
        (&["DB_PASS=hunter2 node app"], "DB_PASS=... was not found in PATH", assignment),
        (&["npm start --token=hunter2"], "npm ... was not found in PATH: it contains spaces", words),
        (&["npm start ./hunter2"], "npm ... was not found: it contains spaces", words),
    ] {
        redenv_run(&vault).program(command).run().assert_failed(127, &[&format!("error: {error}"), hint]);
    }
    // A program's name may contain both.
    let launch = redenv_run(&vault);
    symlink("/bin/echo", launch.directory().join("A=1 b")).unwrap();
    launch.program(["./A=1 b"]).run().assert_ran("\n");
}

#[test]
fn other_mistakes_are_told_in_one_line_without_values() {
    let all = "redenv-run [OPTIONS] -- COMMAND [ARG]...; --help tells more";
    let others = "flags of the command go after `--`; --help lists the flags of redenv-run";
    let of_mask = "`redenv-run mask --help` lists its flags";
    for (arguments, error, hint) in [
        (&[][..], "the command is missing", all),
        (&["--"], "the command is missing", all),
        (
            &["--projct", "acme", "--", "hunter2"],
            "unexpected argument '--projct' found",
            "did you mean --project?",
        ),
        (
            &["--exlude=hunter2", "--", "env"],
            "unexpected argument '--exlude' found",
            "did you mean --exclude?",
        ),
        (&["check", "--fromat", "json"], "unexpected argument '--fromat' found", "did you mean --format?"),
        (&["mask", "--ony", "A"], "unexpected argument '--ony' found", "did you mean --only?"),
        (&["token", "create", "--nmae", "x"], "unexpected argument '--nmae' found", "did you mean --name?"),
        (&["token", "lst"], "unrecognized subcommand 'lst'", "did you mean list?"),
        (&["--zzz=hunter2", "--", "true"], "unexpected argument '--zzz' found", others),
        (&["--format", "json", "--", "true"], "unexpected argument '--format' found", others),
        (&["mask", "--pristine"], "unexpected argument '--pristine' found", of_mask),
        (&["mask", "--", "env"], "unexpected argument 'env' found", of_mask),
        (&["mask", TOKEN_KEY], "unexpected argument '...' found", of_mask),
        (
            &["completions", "bash", "zsh"],
            "unexpected argument 'zsh' found",
            "`redenv-run completions --help` lists its flags",
        ),
        (
            &["-e", "production", "check"],
            "flags go after `check`, not before it",
            "redenv-run check [OPTIONS]",
        ),
        (
            &["-p", "shop", "token", "list"],
            "flags go after `token list`, not before it",
            "redenv-run token list [OPTIONS]",
        ),
        (
            &["run", "--", "npm", "start"],
            "redenv-run has no command `run`",
            "leave out `run`: redenv-run -- COMMAND",
        ),
        (&["-v", "-q", "--", "true"], "the argument '--verbose' cannot be used with '--quiet'", ""),
        (
            &["-p", "a", "-p", "hunter2", "--", "true"],
            "the argument '--project <NAME>' cannot be used multiple times",
            "",
        ),
        (
            &["--pristine", "--pristine", "--", "env"],
            "the argument '--pristine' cannot be used multiple times",
            "",
        ),
        (
            &["--raw=hunter2", "--", "true"],
            "unexpected value '...' for '--raw' found; no more were expected",
            "",
        ),
        (
            &["check", "--format", "xml"],
            "invalid value 'xml' for '--format <FORMAT>' [possible values: table, json]",
            "",
        ),
        (&["token", "create"], "the following required arguments were not provided: --name <NAME>", ""),
    ] {
        let lines = [format!("error: {error}"), format!("hint: {hint}")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).filter(|line| *line != "hint: ").collect();
        bare_redenv_run().args(arguments).run().assert_failed(125, &lines);
    }
}

#[test]
fn a_repeated_dash_dash_is_commands() {
    let vault = Vault::greeting();
    redenv_run(&vault).program(["printf", "%s|", "--", "a", "--"]).run().assert_ran("--|a|--|");
}

#[test]
fn help_and_version_are_printed_on_stdout() {
    let help = bare_redenv_run().arg("--help").run();
    assert_eq!((help.code(), help.stderr.as_str()), (Some(0), ""));
    assert!(help.stdout.contains("redenv-run [OPTIONS] -- COMMAND [ARG]..."), "{}", help.stdout);
    let version = bare_redenv_run().arg("--version").run();
    version.assert_ran(&format!("redenv-run {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let vault = Vault::greeting();
    let help = redenv_run(&vault).arg("--help").run();
    assert_eq!(help.stdout, bare_redenv_run().arg("--help").run().stdout);
}
