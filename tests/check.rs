//! `check`: everything but the exec, as a table or as JSON.

#[cfg(target_os = "linux")]
use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Value;

use crate::support::launch::{Launch, redenv_run};
use crate::support::project::{self, Project};
use crate::support::vault::Vault;

const VALUES: [&str; 4] = ["value-of-db", "value-of-key", "value-of-port", "first-value"];

/// Adds a secret with these versions, newest first, written `seconds` ago.
fn aged(project: Project, environment: &str, name: &str, values: &[&str], seconds: u64) -> Project {
    let written = SystemTime::now() - Duration::from_secs(seconds);
    let written = Timestamp::try_from(written).unwrap().to_string();
    let versions = values.iter().zip((1..=values.len()).rev()).map(|(value, number)| {
        let mut version = project.version(value, number);
        version["createdAt"] = written.clone().into();
        version
    });
    let history = Value::Array(versions.collect()).to_string();
    project.raw_field(environment, name, &history)
}

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

fn vault() -> Vault {
    let mut project = Project::new("acme");
    project = aged(project, "development", "DB_URL", &["value-of-db", "first-value"], 313 * DAY);
    project = aged(project, "development", "APP_KEY", &["value-of-key"], 2 * DAY + HOUR);
    project = aged(project, "production", "DB_URL", &["value-of-db/ünï"; 12], 23 * HOUR);
    project = aged(project, "production", "PORT", &["value-of-port"], 40 * 60);
    let undated = format!(r#"[{{"value":"{}"}}]"#, project.encrypt(b"value-of-key"));
    Vault::of(&project.raw_field("production", "UNDATED", &undated))
}

/// The output without the times of the stages.
fn steady(text: &str) -> String {
    let line = |line: &str| match line.split_once("stages   ") {
        None => line.to_owned(),
        Some((before, stages)) => {
            let stages = stages.split(", ").map(|stage| {
                let (name, time) = stage.split_once(' ').unwrap();
                assert!(time.strip_suffix(" ms").unwrap().parse::<f64>().unwrap() >= 0.0, "{stage}");
                name
            });
            format!("{before}stages   {}", stages.collect::<Vec<_>>().join(", "))
        }
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

fn check(vault: &Vault, arguments: &[&str]) -> Launch {
    redenv_run(vault).env("REDENV_TOKEN_SALT", project::TOKEN_SALT).arg("check").args(arguments)
}

const STAGES: &str = "stages   settings, fetch, parse, derive, decrypt, select, environment\n";

#[test]
fn the_table_shows_names_environments_versions_ages_and_sizes() {
    let vault = vault();
    let outcome = check(&vault, &["-e", "development,production"]).run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
    let table = "\
project acme, environment development, production: 4 secrets

NAME     ENVIRONMENT  VERSION    AGE  SIZE
APP_KEY  development        1     2d    12
DB_URL   production        12    23h    17
PORT     production         1  40min    13
UNDATED  production         ?      ?    12

";
    assert_eq!(steady(&outcome.stdout), format!("{table}{STAGES}ready to launch\n"));
}

#[test]
fn the_table_shows_renamed_replaced_and_kept_variables() {
    let vault = vault();
    let options = ["-e=production,development", "--scope=APP_", "--preserve-env=NONE"];
    let outcome = check(&vault, &options).env("KEY", "mine").run();
    let table = "\
project acme, environment production, development: 1 secret

NAME  ENVIRONMENT  VERSION  AGE  SIZE
KEY   development        1   2d    12  from APP_KEY, replaces the inherited variable

";
    assert_eq!(steady(&outcome.stdout), format!("{table}{STAGES}ready to launch\n"));
    let outcome = check(&vault, &["--preserve-env", "--pin", "DB_URL=~1"]).env("APP_KEY", "mine").run();
    let table = "\
project acme, environment development: 2 secrets

NAME     ENVIRONMENT  VERSION   AGE  SIZE
APP_KEY  development        1    2d    12  not injected: the inherited variable is kept
DB_URL   development        1  313d    11

";
    assert_eq!(steady(&outcome.stdout), format!("{table}{STAGES}ready to launch\n"));
}

#[test]
#[cfg(target_os = "linux")]
fn the_table_shows_secrets_that_become_files() {
    let vault = vault();
    let outcome = check(&vault, &["--file", "DB_URL", "--only", "DB_URL"]).run();
    let table = "\
project acme, environment development: 1 secret

NAME    ENVIRONMENT  VERSION   AGE  SIZE
DB_URL  development        2  313d    11  as a file

";
    assert_eq!(steady(&outcome.stdout), format!("{table}{STAGES}ready to launch\n"));
}

#[test]
fn an_empty_selection_has_no_table() {
    let vault = vault();
    let outcome = check(&vault, &["--only", "APP_*", "--exclude", "*_KEY"]).run();
    let text = format!("project acme, environment development: 0 secrets\n\n{STAGES}ready to launch\n");
    assert_eq!((outcome.code(), steady(&outcome.stdout)), (Some(0), text));
}

#[test]
fn without_the_salt_the_line_that_makes_a_launch_faster_is_shown() {
    let vault = vault();
    let line =
        format!("faster   with this line in the settings: REDENV_TOKEN_SALT={}\n", project::TOKEN_SALT);
    let without = check(&vault, &[]).env_remove("REDENV_TOKEN_SALT").run();
    assert!(without.stdout.ends_with(&format!("{line}ready to launch\n")), "{}", without.stdout);
    let another = check(&vault, &[]).env("REDENV_TOKEN_SALT", "00".repeat(16)).run();
    assert!(another.stdout.contains(&line), "{}", another.stdout);
    assert!(!check(&vault, &[]).run().stdout.contains("faster"));
}

#[test]
fn the_json_has_the_same_for_programs() {
    let vault = vault();
    let options = ["--format", "json", "--scope", "APP_", "--", "sh", "-c", "ignored"];
    let outcome = check(&vault, &options).env("KEY", "mine").run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
    assert!(outcome.stdout.ends_with("}\n"));
    let mut told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let stages = told["stages"].take();
    let stages = stages.as_array().unwrap().iter().map(|stage| {
        assert!(stage["milliseconds"].is_f64(), "{stage}");
        stage["name"].as_str().unwrap()
    });
    assert_eq!(
        stages.collect::<Vec<_>>(),
        ["settings", "fetch", "parse", "derive", "decrypt", "select", "environment"]
    );
    let age = told["secrets"][0]["age_seconds"].take().as_u64().unwrap();
    assert!((2 * DAY + HOUR..3 * DAY).contains(&age), "{age}");
    let written = told["secrets"][0]["created_at"].take();
    let written: Timestamp = written.as_str().unwrap().parse().unwrap();
    assert!(written.duration_until(Timestamp::now()).as_secs() >= age.cast_signed());
    assert!(told["command"].take().as_str().unwrap().ends_with("/sh"));
    assert_eq!(
        told,
        serde_json::json!({
            "project": "acme",
            "environments": ["development"],
            "secrets": [{
                "name": "KEY",
                "vault_name": "APP_KEY",
                "environment": "development",
                "version": 1,
                "created_at": null,
                "age_seconds": null,
                "size": 12,
                "effect": "replaces",
            }],
            "skipped": [],
            "removed": [
                "REDENV_PROJECT",
                "REDENV_TOKEN_ID",
                "REDENV_TOKEN_KEY",
                "REDENV_TOKEN_SALT",
                "UPSTASH_REDIS_TOKEN",
                "UPSTASH_REDIS_URL",
            ],
            "token_salt": project::TOKEN_SALT,
            "fallback_age_seconds": null,
            "command": null,
            "stages": null,
        })
    );
}

#[test]
fn version_numbers_that_clients_accept_are_shown_as_they_are() {
    let project = Project::new("acme");
    let numbers = [
        ("A", "\"7\"", "7"),
        ("B", "1.5", "1.5"),
        ("C", "1e+14", "1e+14"),
        ("D", "-1", "-1"),
        ("E", "[7]", "?"),
    ];
    let project = numbers.iter().fold(project, |project, (name, number, _)| {
        let history = format!(r#"[{{"value":"{}","version":{number}}}]"#, project.encrypt(b"x"));
        project.raw_field("development", name, &history)
    });
    let vault = Vault::of(&project);
    let table = check(&vault, &[]).run().stdout;
    let json = check(&vault, &["--format=json"]).run().stdout;
    for (name, number, shown) in numbers {
        let row = table.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(row.split_whitespace().nth(2), Some(shown), "{table}");
        let number = if shown == "?" { "null" } else { number };
        assert!(json.contains(&format!(r#""environment":"development","version":{number},"#)), "{json}");
        // A pin matches only whole numbers.
        let pin = format!("{name}={}", number.trim_matches('"'));
        assert_eq!(check(&vault, &["--pin", &pin]).run().code(), Some(125), "{pin}");
    }
}

#[test]
fn the_json_names_every_effect_and_has_null_for_the_unknown() {
    let vault = vault();
    let options = ["--format=json", "-e=production,development", "--preserve-env=PORT"];
    // Only Linux has memory files.
    let file = cfg!(target_os = "linux").then_some("--file=APP_KEY");
    let outcome = check(&vault, &options).args(file).env("PORT", "1").env("DB_URL", "2").run();
    let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let secrets = told["secrets"].as_array().unwrap().iter();
    let effects: Vec<_> =
        secrets.map(|s| (s["name"].as_str().unwrap(), s["effect"].as_str().unwrap())).collect();
    let app_key = if file.is_some() { "file" } else { "added" };
    let expected =
        [("APP_KEY", app_key), ("DB_URL", "replaces"), ("PORT", "kept_inherited"), ("UNDATED", "added")];
    assert_eq!(effects, expected);
    let undated = &told["secrets"][3];
    for field in ["version", "created_at", "age_seconds"] {
        assert!(undated[field].is_null(), "{field} of {undated}");
    }
}

#[test]
fn skipped_secrets_are_listed() {
    let project = Project::new("acme").raw_field("development", "BAD", "[]").secret("development", "A", "1");
    let vault = Vault::of(&project);
    let outcome = check(&vault, &["--skip-broken", "--format", "json"]).run();
    let warning = "redenv-run: warning: skipped BAD: its history has no version\n";
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), warning));
    let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let skipped = serde_json::json!([{ "name": "BAD", "reason": "its history has no version" }]);
    assert_eq!(told["skipped"], skipped);
}

#[test]
fn a_command_is_looked_up_and_never_started() {
    let vault = vault();
    let directory = tempfile::TempDir::new().unwrap();
    let trace = directory.path().join("trace");
    let script = directory.path().join("command");
    std::fs::write(&script, format!("#!/bin/sh\necho started > {}\n", trace.display())).unwrap();
    let mut executable = std::fs::metadata(&script).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut executable, 0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let script = script.to_str().unwrap();
    let outcome = check(&vault, &["--", script, "argument"]).run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
    let end = format!("\ncommand  {script}\n{STAGES}ready to launch\n");
    assert!(steady(&outcome.stdout).ends_with(&end), "{}", outcome.stdout);
    assert!(!trace.exists(), "the command was started");
    assert!(!outcome.stdout.contains("argument"));
}

#[test]
fn every_reason_for_a_launch_to_fail_exits_with_125() {
    let vault = vault();
    check(&vault, &["--", "no-such-program"]).run().assert_failed(
        125,
        &[
            "error: no-such-program was not found in PATH",
            "hint: check the spelling: redenv-run searches the PATH that it was started with; shell aliases and functions are not programs",
        ],
    );
    check(&vault, &["--", "/etc/passwd"]).run().assert_failed(
        125,
        &["error: /etc/passwd can't be executed: it is not executable", "hint: chmod +x /etc/passwd"],
    );
    check(&vault, &["--only", "NO_*"]).run().assert_failed(
        125,
        &["error: --only: no secret matches NO_*", "hint: `redenv-run check` lists the names"],
    );
    check(&vault, &[]).env_remove("REDENV_TOKEN_ID").run().assert_failed(
        125,
        &[
            "error: REDENV_TOKEN_ID is not set",
            "hint: put each into .env.local, here or above, or into the environment; if a file holds the value, set NAME_FILE to its path; `redenv-run token create` creates a token",
        ],
    );
    check(&vault, &["--format", "yaml"]).run().assert_failed(
        125,
        &["error: invalid value 'yaml' for '--format <FORMAT>' [possible values: table, json]"],
    );
}

#[test]
fn a_value_too_long_for_a_launch_is_an_error() {
    let project = Project::new("acme").secret("development", "LONG", &"x".repeat(131_072));
    let vault = Vault::of(&project);
    check(&vault, &[]).run().assert_failed(
        125,
        &[
            "error: variables over the system's limit of 131071 bytes for NAME=VALUE: LONG (131077 bytes)",
            "hint: pass the value as a file with --file NAME, or leave it out with --exclude NAME",
        ],
    );
}

#[test]
#[cfg(target_os = "linux")]
fn the_size_of_the_commands_arguments_counts() {
    let vault = Vault::of(&Project::new("acme").secret("development", "LONG", &"x".repeat(80_000)));
    let argument = "y".repeat(60_000);
    let outcome = check(&vault, &["--", "true", &argument]).after("ulimit -S -s 512").run();
    let too_long = "error: arguments and environment take ";
    assert!(outcome.stderr.contains(too_long), "{}", outcome.stderr);
    assert_eq!(outcome.code(), Some(125));
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let vault = vault();
    for arguments in [&["check"][..], &["check", "--format", "json"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut launch = redenv_run(&vault).args(arguments);
        let output = launch.command().stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_failed_write_to_stdout_is_an_error() {
    let vault = vault();
    for arguments in [&["check"][..], &["check", "--format", "json"], &["completions", "bash"]] {
        let mut launch = redenv_run(&vault).args(arguments);
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = launch.command().stdout(full).stderr(Stdio::piped()).output().unwrap();
        let error = b"redenv-run: error: cannot write to stdout: no space left on device\n";
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(125), &error[..]), "{arguments:?}");
    }
}

#[test]
fn no_value_is_shown_in_any_form() {
    let vault = vault();
    for options in [&[][..], &["-v"], &["-q"], &["--format", "json"], &["-v", "--format", "json"]] {
        let outcome = check(&vault, &[options, &["-e", "development,production"]].concat()).run();
        assert_eq!(outcome.code(), Some(0));
        let said = outcome.stdout + &outcome.stderr;
        for value in VALUES.iter().chain(&[vault.token(), "redenv_sk_"]) {
            assert!(!said.contains(value), "{value} with {options:?} in {said}");
        }
    }
}

#[test]
fn quiet_and_verbose_change_only_stderr() {
    let vault = vault();
    let text = steady(&check(&vault, &[]).run().stdout);
    let quiet = check(&vault, &["-q"]).run();
    assert_eq!((steady(&quiet.stdout), quiet.stderr.as_str()), (text.clone(), ""));
    let verbose = check(&vault, &["-v"]).run();
    assert_eq!(steady(&verbose.stdout), text);
    assert!(verbose.stderr.contains("\nredenv-run: injected APP_KEY and DB_URL\n"), "{}", verbose.stderr);
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let vault = vault();
    let piped = check(&vault, &[]).run();
    assert!(!piped.stdout.contains('\x1b'));
    let shown = |launch: Launch| launch.on_terminal().finish().screen;
    let coloured = shown(check(&vault, &[]));
    assert!(coloured.contains("\x1b[1mNAME     ENVIRONMENT"), "{coloured:?}");
    assert!(coloured.ends_with("\x1b[32mready to launch\x1b[0m\n"), "{coloured:?}");
    // Without the colours, it is the same.
    let plain = coloured.replace("\x1b[1m", "").replace("\x1b[32m", "").replace("\x1b[0m", "");
    assert_eq!(steady(&plain), steady(&piped.stdout));
    let refused = shown(check(&vault, &[]).env("NO_COLOR", "1"));
    assert_eq!(steady(&refused), steady(&piped.stdout));
    assert!(
        shown(check(&vault, &[]).env("NO_COLOR", "")).contains('\x1b'),
        "an empty NO_COLOR refuses nothing"
    );
    let dumb = shown(check(&vault, &[]).env("TERM", "dumb"));
    assert_eq!(steady(&dumb), steady(&piped.stdout));
    let error = shown(check(&vault, &["--only", "DB_URI"]));
    assert_eq!(
        error,
        "redenv-run: \x1b[1;31merror:\x1b[0m --only: no secret matches DB_URI\n\
         redenv-run: \x1b[36mhint:\x1b[0m did you mean DB_URL?\n"
    );
}

#[test]
fn names_of_any_width_stay_in_their_columns_and_cannot_write_to_the_terminal() {
    let mut project = Project::new("acme");
    for name in ["密码", "ESC\u{1b}[31m", "A"] {
        project = aged(project, "development", name, &["1"], DAY + HOUR);
    }
    let vault = Vault::of(&project);
    let table = "\
project acme, environment development: 3 secrets

NAME           ENVIRONMENT  VERSION  AGE  SIZE
A              development        1   1d     1
ESC\\u{1b}[31m  development        1   1d     1
密码           development        1   1d     1

";
    assert_eq!(steady(&check(&vault, &[]).run().stdout), format!("{table}{STAGES}ready to launch\n"));
}
