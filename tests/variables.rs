//! Every option has a variable, and the command gets none of them.

use crate::support::launch::{Launch, redenv_run};
use crate::support::project::Project;
use crate::support::vault::Vault;

/// An option, its variable and the variable's value; a script, its output with either, and its output
/// with neither.
type Case = (&'static [&'static str], [&'static str; 2], &'static str, [&'static str; 2]);

const SHOW: &str = "echo \"$API_KEY $API_URL $KEY $MINE\"";
const ALL: &str = "new https://new  mine";

const CASES: &[Case] = &[
    (&["-e", "production"], ["REDENV_ENVIRONMENT", "production"], SHOW, ["live   mine", ALL]),
    (&["--only", "API_K*"], ["REDENV_ONLY", "API_K*"], SHOW, ["new   mine", ALL]),
    (&["--exclude", "API_K*"], ["REDENV_EXCLUDE", "API_K*"], SHOW, [" https://new  mine", ALL]),
    (&["--scope", "API_"], ["REDENV_SCOPE", "API_"], SHOW, ["  new mine", ALL]),
    (&["--pin", "API_KEY=~1"], ["REDENV_PIN", "API_KEY=~1"], SHOW, ["old https://old  mine", ALL]),
    (&["--raw"], ["REDENV_RAW", "1"], SHOW, ["new https://${API_KEY}  mine", ALL]),
    (&["--pristine"], ["REDENV_PRISTINE", "true"], SHOW, ["new https://new  ", ALL]),
    (&["--preserve-env"], ["REDENV_PRESERVE_ENV", "1"], "echo \"$API_FLAG\"", ["inherited", "vault"]),
    (&["--preserve-env"], ["REDENV_PRESERVE_ENV", "*"], "echo \"$API_FLAG\"", ["inherited", "vault"]),
    (&["--preserve-env"], ["REDENV_PRESERVE_ENV", "MINE,*"], "echo \"$API_FLAG\"", ["inherited", "vault"]),
    (
        &["--preserve-env=API_FLAG"],
        ["REDENV_PRESERVE_ENV", "API_FLAG"],
        "echo \"$API_FLAG\"",
        ["inherited", "vault"],
    ),
    #[cfg(target_os = "linux")]
    (
        &["--file", "API_KEY"],
        ["REDENV_FILE", "API_KEY"],
        "test ! -r \"$API_KEY\" || cat \"$API_KEY\"",
        ["new", ""],
    ),
    (
        &["--keep-token"],
        ["REDENV_KEEP_TOKEN", "yes"],
        "echo \"$REDENV_TOKEN_ID\"",
        ["stk_a1B2c3D4e5F6g7H8", ""],
    ),
];

fn vault() -> Vault {
    let project = Project::new("acme")
        .history("development", "API_KEY", &["new", "old"])
        .secret("development", "API_URL", "https://${API_KEY}")
        .secret("development", "API_FLAG", "vault")
        .secret("production", "API_KEY", "live");
    Vault::of(&project)
}

fn run(launch: Launch, script: &str) -> String {
    let launch = launch.env("MINE", "mine").env("API_FLAG", "inherited");
    let outcome = launch.program(["/bin/sh", "-c", script]).run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
    outcome.stdout.trim_end_matches('\n').to_owned()
}

#[test]
fn every_variable_has_the_effect_of_its_option() {
    let vault = vault();
    for (options, [variable, value], script, [with, without]) in CASES {
        assert_eq!(run(redenv_run(&vault).args(*options), script), *with, "{options:?}");
        assert_eq!(run(redenv_run(&vault).env(variable, value), script), *with, "{variable}={value}");
        assert_eq!(run(redenv_run(&vault), script), *without, "without {variable}");
        // The value in a file has the same effect. An empty variable counts as unset.
        let file = redenv_run(&vault).file("value", format!("{value}\n"));
        let file = file.env(&format!("{variable}_FILE"), "value");
        assert_eq!(run(file, script), *with, "{variable}_FILE");
        if *variable != "REDENV_ENVIRONMENT" {
            assert_eq!(run(redenv_run(&vault).env(variable, ""), script), *without, "an empty {variable}");
        }
    }
}

/// Variables that decide whether the launch fails.
#[test]
fn variables_that_decide_whether_command_starts_do_as_their_options() {
    let project = Project::new("acme").secret("development", "NODE_OPTIONS", "--vault").raw_field(
        "development",
        "BROKEN",
        "[]",
    );
    let vault = Vault::of(&project);
    let starts = |launch: Launch| launch.program(["true"]).run().code() == Some(0);
    let both = || redenv_run(&vault).args(["--allow-reserved", "NODE_OPTIONS", "--skip-broken"]);
    let either = |without: &str| {
        let options = ["--allow-reserved=NODE_OPTIONS", "--skip-broken"];
        redenv_run(&vault).args(options.iter().filter(|option| !option.starts_with(without)))
    };
    assert!(starts(both()));
    assert!(!starts(either("--allow-reserved")));
    assert!(starts(either("--allow-reserved").env("REDENV_ALLOW_RESERVED", "NODE_OPTIONS")));
    assert!(!starts(either("--skip-broken")));
    assert!(starts(either("--skip-broken").env("REDENV_SKIP_BROKEN", "1")));
    assert!(!starts(both().env("REDENV_REQUIRE", "MISSING")));
    assert!(starts(both().env("REDENV_REQUIRE", "NODE_OPTIONS")));
    assert!(!starts(both().env("REDENV_KEEP", "MINE")), "it needs --pristine, as the option does");
    assert!(starts(both().env("REDENV_KEEP", "MINE").env("REDENV_PRISTINE", "1")));
}

#[test]
fn keep_and_pristine_work_together_as_variables() {
    let vault = vault();
    let launch = redenv_run(&vault).env("REDENV_PRISTINE", "1").env("REDENV_KEEP", "MINE,ELSE");
    assert_eq!(run(launch, "echo \"$MINE\""), "mine");
}

#[test]
fn an_option_replaces_its_variable_and_does_not_add_to_it() {
    let vault = vault();
    let only = redenv_run(&vault).env("REDENV_ONLY", "NONE_SUCH").args(["--only", "API_URL"]);
    assert_eq!(run(only, SHOW), " https://new  mine");
    let scope = redenv_run(&vault).env("REDENV_SCOPE", "NONE_SUCH").args(["--scope", "API_"]);
    assert_eq!(run(scope, SHOW), "  new mine");
    let pin = redenv_run(&vault).env("REDENV_PIN", "API_KEY=99").args(["--pin", "API_KEY=1"]);
    assert_eq!(run(pin, "echo \"$API_KEY\""), "old");
}

#[test]
fn verbosity_may_be_a_variable() {
    let vault = vault();
    let said = |launch: Launch| launch.program(["true"]).run().stderr;
    assert_eq!(said(redenv_run(&vault)), "");
    assert!(said(redenv_run(&vault).env("REDENV_VERBOSE", "1")).starts_with("redenv-run: project acme, "));
    assert_eq!(said(redenv_run(&vault).env("REDENV_VERBOSE", "0")), "");
    // They are read before anything can be reported, so not from a file and without an error.
    assert_eq!(said(redenv_run(&vault).env("REDENV_VERBOSE", "maybe")), "");
    assert_eq!(said(redenv_run(&vault).file("value", "1").env("REDENV_VERBOSE_FILE", "value")), "");
    // An option beats both.
    assert_eq!(said(redenv_run(&vault).env("REDENV_VERBOSE", "1").arg("-q")), "");
    assert!(
        said(redenv_run(&vault).env("REDENV_QUIET", "1").arg("-v")).starts_with("redenv-run: project acme, ")
    );
    let project = Project::new("acme").raw_field("development", "BROKEN", "[]");
    let vault = Vault::of(&project);
    let warned = said(redenv_run(&vault).arg("--skip-broken"));
    assert_eq!(warned, "redenv-run: warning: skipped BROKEN: its history has no version\n");
    assert_eq!(said(redenv_run(&vault).arg("--skip-broken").env("REDENV_QUIET", "1")), "");
}

#[test]
fn a_value_that_is_neither_yes_nor_no_is_a_slip() {
    let vault = vault();
    for variable in
        ["REDENV_RAW", "REDENV_SKIP_BROKEN", "REDENV_PRISTINE", "REDENV_KEEP_TOKEN", "REDENV_ALLOW_HTTP"]
    {
        let outcome = redenv_run(&vault).env(variable, "maybe").program(["true"]).run();
        let error = format!("error: {variable} is neither 1 nor 0");
        outcome.assert_failed(125, &[&error, "hint: set it to 1 or 0"]);
        for (value, status) in [("0", 0), ("no", 0), ("FALSE", 0), ("off", 0), ("", 0), ("ON", 0)] {
            let outcome = redenv_run(&vault).env(variable, value).program(["true"]).run();
            assert_eq!(outcome.code(), Some(status), "{variable}={value}: {}", outcome.stderr);
        }
    }
}

/// A file in a stranger's directory must not choose secrets or change the environment.
#[test]
fn what_an_env_file_may_not_set_is_ignored_with_a_warning() {
    let vault = vault();
    for variable in [
        "REDENV_CA_FILE",
        "REDENV_FALLBACK",
        "REDENV_MAX_STALE",
        "REDENV_OFFLINE",
        "REDENV_ENV_FILE",
        "REDENV_NO_ENV_FILE",
        "REDENV_ONLY",
        "REDENV_EXCLUDE",
        "REDENV_SCOPE",
        "REDENV_REQUIRE",
        "REDENV_PIN",
        "REDENV_RAW",
        "REDENV_SKIP_BROKEN",
        "REDENV_PRESERVE_ENV",
        "REDENV_KEEP_TOKEN",
        "REDENV_PRISTINE",
        "REDENV_KEEP",
        "REDENV_ALLOW_RESERVED",
        "REDENV_FILE",
        "REDENV_VERBOSE",
        "REDENV_QUIET",
        "REDENV_ONLY_FILE",
    ] {
        let launch = redenv_run(&vault).file(".env.local", format!("{variable}=none-such\n"));
        let outcome = launch.program(["printenv", "API_KEY"]).run();
        let warning = format!(
            "redenv-run: warning: {variable} in .env.local is ignored: set it in the environment, or use the flag\n"
        );
        assert_eq!(
            (outcome.code(), outcome.stdout.as_str(), outcome.stderr.as_str()),
            (Some(0), "new\n", warning.as_str()),
            "{variable}"
        );
    }
}

#[test]
fn the_command_gets_none_of_them() {
    let vault = vault();
    let mut launch = redenv_run(&vault).file("salt", "000102030405060708090a0b0c0d0e0f\n").file("empty", "");
    for (variable, value) in [
        ("REDENV_TOKEN_SALT_FILE", "salt"),
        ("REDENV_ENVIRONMENT", "development"),
        ("REDENV_TIMEOUT", "9s"),
        ("REDENV_ALLOW_HTTP", "0"),
        ("REDENV_CA_FILE", ""),
        ("REDENV_FALLBACK", ""),
        ("REDENV_MAX_STALE", "1h"),
        ("REDENV_ENV_FILE", ""),
        ("REDENV_NO_ENV_FILE", "1"),
        ("REDENV_ONLY", "API_*"),
        ("REDENV_EXCLUDE", "API_FLAG"),
        ("REDENV_SCOPE", "API_"),
        ("REDENV_REQUIRE", "KEY"),
        ("REDENV_PIN", "API_KEY=1"),
        ("REDENV_RAW", "1"),
        ("REDENV_SKIP_BROKEN", "1"),
        ("REDENV_PRESERVE_ENV", "0"),
        ("REDENV_KEEP_TOKEN", "0"),
        ("REDENV_PRISTINE", "0"),
        ("REDENV_KEEP", ""),
        ("REDENV_ALLOW_RESERVED", "PATH"),
        ("REDENV_FILE_FILE", "empty"),
        ("REDENV_VERBOSE", "0"),
        ("REDENV_QUIET", "1"),
        ("REDENV_MASTER_PASSWORD_FILE", "/none"),
    ] {
        launch = launch.env(variable, value);
    }
    let environment = launch.env("REDENV_SOMETHING_ELSE", "stays").environment();
    let seen: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(seen, [("KEY", "old"), ("REDENV_SOMETHING_ELSE", "stays"), ("URL", "https://${API_KEY}")]);
}

#[test]
fn the_path_of_a_file_may_itself_be_in_a_file() {
    let vault = vault();
    let launch = redenv_run(&vault).file("where", "kept\n").env("REDENV_FALLBACK_FILE", "where");
    let script = "test -s kept && echo \"$REDENV_FALLBACK_FILE\"";
    assert_eq!(run(launch, script), "");
    let both = redenv_run(&vault).file("where", "kept\n").env("REDENV_FALLBACK_FILE", "where");
    both.env("REDENV_FALLBACK", "kept").program(["true"]).run().assert_failed(
        125,
        &[
            "error: REDENV_FALLBACK and REDENV_FALLBACK_FILE are both set",
            "hint: unset REDENV_FALLBACK or REDENV_FALLBACK_FILE",
        ],
    );
}
