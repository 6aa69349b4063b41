//! The env file: what redenv-run takes from it, and what a stranger's file can't do.

use crate::settings::{asked, vault, without};
use crate::support::launch::{Launch, bare_redenv_run, pairs, redenv_run};
use crate::support::project::{Project, TOKEN_ID, TOKEN_KEY};
use crate::support::vault::Vault;

/// The settings of `vault` as an env file.
fn env_file(vault: &Vault) -> String {
    format!(
        "# for local use\nexport REDENV_TOKEN_ID={TOKEN_ID}\nREDENV_TOKEN_KEY='{TOKEN_KEY}'\n\
         UPSTASH_REDIS_URL=\"{}\"\nUPSTASH_REDIS_TOKEN={}\nREDENV_PROJECT=acme\nREDENV_ENVIRONMENT=staging\n\
         UNRELATED=from the file\nWHERE=from the file\n",
        vault.url(),
        vault.token()
    )
}

#[test]
fn every_setting_may_stand_in_env_local_and_no_value_of_it_reaches_the_command() {
    let vault = vault();
    let launch = bare_redenv_run().file(".env.local", env_file(&vault));
    let environment = launch.environment();
    // Other programs that read the file keep variables that exist.
    let expected = [
        ("WHERE", "staging"),
        ("STAGING", "1"),
        ("REDENV_TOKEN_ID", ""),
        ("REDENV_TOKEN_KEY", ""),
        ("UPSTASH_REDIS_URL", ""),
        ("UPSTASH_REDIS_TOKEN", ""),
        ("REDENV_PROJECT", ""),
        ("REDENV_ENVIRONMENT", ""),
    ];
    assert_eq!(environment, pairs(&expected));

    let launch = bare_redenv_run().file(".env.local", env_file(&vault)).arg("--keep-token");
    assert_eq!(launch.environment().into_keys().collect::<Vec<_>>(), ["STAGING", "WHERE"]);
}

/// The nested launch finds its settings in the file, although its own variables are empty.
#[test]
fn a_command_that_starts_redenv_run_again_works() {
    let vault = vault();
    let launch = bare_redenv_run().file(".env.local", env_file(&vault));
    let nested = [env!("CARGO_BIN_EXE_redenv-run"), "-e", "production", "--", "printenv", "WHERE", "STAGING"];
    let outcome = launch.program(nested).run();
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("production\n1\n", ""));
    // Other programs read no file of another name.
    let named = bare_redenv_run().file("settings", env_file(&vault)).args(["--env-file", "settings"]);
    assert_eq!(named.environment().get("REDENV_TOKEN_KEY"), None);
}

/// As `redenv-run -e production -- npm start` with a script that starts redenv-run itself.
#[test]
fn a_nested_launch_warns_if_it_replaces_the_values_of_the_outer_one() {
    let vault = vault();
    let nested = |outer: &[&str]| {
        let launch = bare_redenv_run().file(".env.local", env_file(&vault)).args(outer);
        launch.program([env!("CARGO_BIN_EXE_redenv-run"), "--", "printenv", "WHERE"]).run()
    };
    let outcome = nested(&["-e", "production"]);
    let warning = "redenv-run: warning: another redenv-run started this one, and its flags don't apply here: \
                   start without it (changed: WHERE)\n";
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("staging\n", warning));
    nested(&[]).assert_ran("staging\n");
    // An outer redenv-run empties every variable of the file. This one was empty before.
    let launch = bare_redenv_run().file(".env.local", env_file(&vault)).env("REDENV_TOKEN_ID", "");
    launch.env("WHERE", "elsewhere").program(["printenv", "WHERE"]).run().assert_ran("staging\n");
}

#[test]
fn an_empty_variable_counts_as_unset_only_if_the_env_file_has_the_setting() {
    let vault = vault();
    let empty = |launch: Launch| {
        let names = ["REDENV_TOKEN_ID", "REDENV_TOKEN_KEY_FILE", "UPSTASH_REDIS_URL", "UPSTASH_REDIS_TOKEN"];
        names.iter().fold(launch, |launch, name| launch.env(name, ""))
    };
    let launch = empty(bare_redenv_run().file(".env.local", env_file(&vault)));
    launch.program(["printenv", "WHERE"]).run().assert_ran("staging\n");
    let outcome = empty(bare_redenv_run()).program(["true"]).run();
    let error = "redenv-run: error: REDENV_PROJECT is not set; REDENV_TOKEN_ID, REDENV_TOKEN_KEY_FILE, \
                 UPSTASH_REDIS_URL and UPSTASH_REDIS_TOKEN are empty\n";
    assert!(outcome.stderr.starts_with(error), "{}", outcome.stderr);
}

#[test]
fn another_env_file_may_be_named_and_none_be_read() {
    let vault = vault();
    let local = "REDENV_PROJECT=local\n";
    let bare = || {
        without(&vault, &["REDENV_PROJECT"]).file(".env.local", local).file("other", "REDENV_PROJECT=other\n")
    };
    assert_eq!(asked(&vault, bare()), "local development");
    assert_eq!(asked(&vault, bare().args(["--env-file", "other"])), "other development");
    assert_eq!(asked(&vault, bare().env("REDENV_ENV_FILE", "other")), "other development");
    let missing = [
        "error: REDENV_PROJECT is not set",
        "hint: set it with -p NAME, in REDENV_PROJECT, or as `name` in a redenv.config file here or above",
    ];
    bare().arg("--no-env-file").program(["true"]).run().assert_failed(125, &missing);
    bare().env("REDENV_NO_ENV_FILE", "1").program(["true"]).run().assert_failed(125, &missing);
    // A flag beats the variable.
    let both = bare().env("REDENV_NO_ENV_FILE", "1").args(["--env-file", "other"]);
    assert_eq!(asked(&vault, both), "other development");
}

#[test]
fn an_env_file_that_cannot_be_read_is_an_error_unless_it_is_the_default_one() {
    let vault = vault();
    redenv_run(&vault).args(["--env-file", "missing"]).program(["true"]).run().assert_failed(
        125,
        &[
            "error: cannot read missing: no such file or directory",
            "hint: --no-env-file starts without it, --env-file names another",
        ],
    );
    // The content of a malformed line may be a secret.
    for content in [
        "\n\nhunter2 is secret\n",
        "A=1\nB=2\nREDENV_TOKEN_KEY 'hunter2 is secret\n",
        "A=1\nB=2\nREDENV_TOKEN_KEY=hunter2 is secret\n",
    ] {
        redenv_run(&vault).file(".env.local", content).program(["true"]).run().assert_failed(
            125,
            &[
                "error: .env.local is malformed: line 3 is not NAME=VALUE",
                "hint: correct that line; --no-env-file starts without the file, --env-file names another",
            ],
        );
    }
    // Some tools create a directory of that name.
    redenv_run(&vault).file(".env.local/x", "").program(["true"]).run().assert_ran("");
}

#[test]
fn what_widens_trust_is_not_taken_from_an_env_file() {
    let vault = Vault::of(&Project::new("acme").secret("development", "NODE_OPTIONS", "--require=x"));
    let launch = redenv_run(&vault).file(".env.local", "REDENV_ALLOW_RESERVED=NODE_OPTIONS\n");
    launch.program(["true"]).run().assert_failed(
        125,
        &[
            "warning: REDENV_ALLOW_RESERVED in .env.local is ignored: set it in the environment, or use the flag",
            "error: secrets may not be named NODE_OPTIONS (node would load the code that the value names)",
            "hint: leave out with --exclude NODE_OPTIONS, or allow with --allow-reserved NODE_OPTIONS",
        ],
    );
}

/// A stranger's file must not send a variable of the user's shell to the stranger's database.
#[test]
fn nothing_of_the_environment_gets_into_a_value() {
    let evil = vault();
    for value in ["$GITHUB_TOKEN", "${GITHUB_TOKEN}", "\"${GITHUB_TOKEN}\"", "x$GITHUB_TOKEN-${PATH}y"] {
        let lines = format!(
            "UPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN={value}\nREDENV_PROJECT={value}\nREDENV_TOKEN_ID={value}\n",
            evil.url()
        );
        let launch = bare_redenv_run()
            .file(".env.local", lines)
            .env("REDENV_TOKEN_KEY", TOKEN_KEY)
            .env("GITHUB_TOKEN", "hunter2");
        let before = evil.requests().len();
        launch.program(["true"]).run();
        let request = evil.requests().split_off(before).remove(0);
        let taken = value.trim_matches('"');
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {taken}")));
        assert!(request.body.contains(&format!("meta@{taken}")), "{}", request.body);
        assert!(!request.body.contains("hunter2"), "{}", request.body);
    }
}

#[test]
fn a_value_is_read_as_dotenv_files_have_it() {
    let vault = vault();
    for (line, project) in [
        ("REDENV_PROJECT=local", "local"),
        ("\u{feff}REDENV_PROJECT=local", "local"),
        ("export REDENV_PROJECT = local # not shared\r", "local"),
        ("REDENV_PROJECT='my \"app\" # $1'", "my \"app\" # $1"),
        (r#"REDENV_PROJECT="my \"app\" \$1 # 2" # not shared"#, r#"my "app" $1 # 2"#),
        ("A='\nREDENV_PROJECT=other\n'\nREDENV_PROJECT=local", "local"),
    ] {
        let launch = without(&vault, &["REDENV_PROJECT"]).file(".env.local", line);
        assert_eq!(asked(&vault, launch), format!("{project} development"), "{line}");
    }
}

#[test]
fn lines_of_other_programs_are_theirs_whatever_their_bytes() {
    let vault = vault();
    let lines = b"TITLE=two words\nBYTES=\xff\xfe\nIT=It's\n\xff=\nREDENV_PROJECT=local\nLAST=\xff";
    assert_eq!(
        asked(&vault, without(&vault, &["REDENV_PROJECT"]).file(".env.local", lines)),
        "local development"
    );
    let launch = redenv_run(&vault).file(".env.local", b"A=1\nREDENV_TOKEN_SALT=\xff\n");
    launch.program(["true"]).run().assert_failed(
        125,
        &[
            "error: .env.local is malformed: line 2 is not UTF-8",
            "hint: correct that line; --no-env-file starts without the file, --env-file names another",
        ],
    );
}

/// Otherwise it could make redenv-run read any file and send the content to its own URL.
#[test]
fn the_default_env_file_names_no_file_with_a_value() {
    let vault = vault();
    let lines = format!(
        "UPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN={}\nREDENV_PROJECT_FILE=secret\nREDENV_TOKEN_SALT_FILE=salt\n",
        vault.url(),
        vault.token()
    );
    let launch = || {
        bare_redenv_run()
            .file("secret", "local")
            .env("REDENV_TOKEN_ID", TOKEN_ID)
            .env("REDENV_TOKEN_KEY", TOKEN_KEY)
    };
    let ignored = |name: &str| {
        format!(
            "warning: {name} in .env.local is ignored: set it in the environment, or in a file named with --env-file"
        )
    };
    let outcome = launch().file(".env.local", &lines).program(["true"]).run();
    outcome.assert_failed(
        125,
        &[
            &ignored("REDENV_PROJECT_FILE"),
            &ignored("REDENV_TOKEN_SALT_FILE"),
            "error: REDENV_PROJECT is not set",
            "hint: set it with -p NAME, in REDENV_PROJECT, or as `name` in a redenv.config file here or above",
        ],
    );
    assert_eq!(vault.connections(), 0);
    let outcome = launch().file(".env.local", &lines).env("REDENV_PROJECT", "acme").program(["true"]).run();
    let warnings = [ignored("REDENV_PROJECT_FILE"), ignored("REDENV_TOKEN_SALT_FILE")];
    let warnings = warnings.map(|warning| format!("redenv-run: {warning}\n")).concat();
    assert_eq!((outcome.code(), outcome.stderr), (Some(0), warnings));
    // A file that the user names is trusted.
    for launch in [
        launch().file("mine", &lines).args(["--env-file", "mine"]),
        launch().file("mine", &lines).env("REDENV_ENV_FILE", "mine"),
        launch().file(".env.local", &lines).args(["--env-file", ".env.local"]),
    ] {
        let outcome = launch
            .file("secret", "acme")
            .file("salt", "000102030405060708090a0b0c0d0e0f")
            .program(["printenv", "WHERE"])
            .run();
        outcome.assert_ran("development\n");
    }
}

/// The wildcard address is this machine, but no loopback address.
#[test]
fn the_default_env_file_allows_http_for_its_own_url_alone() {
    let vault = vault();
    let pair = format!(
        "UPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN={}\nREDENV_ALLOW_HTTP=1\n",
        vault.url_at("0.0.0.0"),
        vault.token()
    );
    let own = without(&vault, &["UPSTASH_REDIS_URL", "UPSTASH_REDIS_TOKEN"]).file(".env.local", pair);
    assert_eq!(asked(&vault, own), "acme development");
    let before = vault.connections();
    let launch = || redenv_run(&vault).env("UPSTASH_REDIS_URL", vault.url_at("0.0.0.0"));
    launch().file(".env.local", "REDENV_ALLOW_HTTP=1\n").program(["true"]).run().assert_failed(
        125,
        &[
            "error: UPSTASH_REDIS_URL is http to 0.0.0.0, where others could read the token on the way; REDENV_ALLOW_HTTP in .env.local counts only for a URL in the same file",
            "hint: use https, or --allow-http (REDENV_ALLOW_HTTP=1) if the network is safe",
        ],
    );
    assert_eq!(vault.connections(), before);
    let named = launch().file("mine", "REDENV_ALLOW_HTTP=1\n").args(["--env-file", "mine"]);
    assert_eq!(asked(&vault, named), "acme development");
}

const ANOTHER: &str = "hint: --no-env-file starts without it, --env-file names another";

/// A stranger's repository can contain one. A directory of that name is ignored.
#[cfg(unix)]
#[test]
fn a_default_env_file_that_is_no_plain_file_is_refused_and_not_read() {
    use std::os::unix::fs::symlink;
    let vault = vault();
    // The limit protects this machine if redenv-run reads it nevertheless.
    let limit = "ulimit -v 2000000 2>/dev/null";
    let refused = ["error: cannot read .env.local: it is not a regular file", ANOTHER];
    redenv_run(&vault).program(["true"]).after("mkfifo .env.local").run().assert_failed(125, &refused);
    for target in ["/dev/zero", "/dev/stdin"] {
        let launch = redenv_run(&vault).stdin("REDENV_PROJECT=stdin\n").program(["true"]);
        symlink(target, launch.directory().join(".env.local")).unwrap();
        launch.after(limit).run().assert_failed(125, &refused);
    }
    // A link to a file is a file.
    let launch = without(&vault, &["REDENV_PROJECT"]).file("other", "REDENV_PROJECT=other\n");
    symlink("other", launch.directory().join(".env.local")).unwrap();
    assert_eq!(asked(&vault, launch), "other development");
    assert_eq!(vault.connections(), 1);
}

#[test]
fn an_env_file_has_at_most_one_mebibyte() {
    let vault = vault();
    let long = |length: usize| "#".repeat(length - 21) + "\nREDENV_PROJECT=local";
    let launch = |length: usize| without(&vault, &["REDENV_PROJECT"]).file(".env.local", long(length));
    assert_eq!(asked(&vault, launch(1024 * 1024)), "local development");
    launch(1024 * 1024 + 1)
        .program(["true"])
        .run()
        .assert_failed(125, &["error: cannot read .env.local: it is longer than 1 MiB", ANOTHER]);
    redenv_run(&vault)
        .args(["--env-file", "/dev/zero"])
        .program(["true"])
        .after("ulimit -v 2000000 2>/dev/null")
        .run()
        .assert_failed(125, &["error: cannot read /dev/zero: it is longer than 1 MiB", ANOTHER]);
}

#[test]
fn a_named_env_file_may_be_a_stream() {
    let vault = vault();
    let lines = "REDENV_PROJECT=stream\n";
    let bare = || without(&vault, &["REDENV_PROJECT"]);
    for path in ["/dev/stdin", "/dev/fd/0"] {
        assert_eq!(asked(&vault, bare().stdin(lines).args(["--env-file", path])), "stream development");
    }
    let substituted = bare().file("lines", lines).through([
        "bash",
        "-c",
        r#""$1" --env-file <(cat lines) "${@:2}""#,
        "bash",
    ]);
    assert_eq!(asked(&vault, substituted), "stream development");
    // A value's file may be a stream, too.
    for path in ["/dev/stdin", "/dev/fd/0"] {
        assert_eq!(
            asked(&vault, bare().stdin("stream\n").env("REDENV_PROJECT_FILE", path)),
            "stream development"
        );
    }
    let substituted = bare().through(["bash", "-c", r#"REDENV_PROJECT_FILE=<(echo stream) "$@""#, "bash"]);
    assert_eq!(asked(&vault, substituted), "stream development");
    bare()
        .env("REDENV_PROJECT_FILE", "/dev/zero")
        .program(["true"])
        .after("ulimit -v 2000000 2>/dev/null")
        .run()
        .assert_failed(125, &["error: cannot read /dev/zero (REDENV_PROJECT_FILE): it is longer than 1 MiB"]);
}

#[test]
fn a_path_cannot_write_to_the_terminal() {
    let vault = vault();
    let launch = redenv_run(&vault).file("a\u{1b}[31m", "REDENV_RAW=1\n").args(["--env-file", "a\u{1b}[31m"]);
    let outcome = launch.program(["true"]).run();
    let warning =
        "warning: REDENV_RAW in a\\u{1b}[31m is ignored: set it in the environment, or use the flag";
    assert_eq!((outcome.code(), outcome.stderr), (Some(0), format!("redenv-run: {warning}\n")));
}
