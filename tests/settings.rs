//! Where settings come from, which source wins, and errors for missing and wrong settings.

use std::os::unix::ffi::OsStrExt;

use crate::support::launch::{Launch, bare_redenv_run, redenv_run, said};
use crate::support::project::{Project, TOKEN_ID, TOKEN_KEY};
use crate::support::vault::Vault;

/// A project `acme` whose environments have their own name as `WHERE`.
pub fn vault() -> Vault {
    let environments = ["development", "staging", "production"];
    let project = environments.iter().fold(Project::new("acme"), |project, environment| {
        project.secret(environment, "WHERE", environment).secret(
            environment,
            &environment.to_uppercase(),
            "1",
        )
    });
    Vault::of(&project)
}

/// A launch with every setting except these.
pub fn without(vault: &Vault, names: &[&str]) -> Launch {
    names.iter().fold(redenv_run(vault), |launch, name| launch.env_remove(name))
}

/// The project and the environments that the only request of this launch reads.
#[track_caller]
pub fn asked(vault: &Vault, launch: Launch) -> String {
    let before = vault.requests().len();
    let outcome = launch.program(["true"]).run();
    let requests = vault.requests().split_off(before);
    assert_eq!(requests.len(), 1, "{}", outcome.stderr);
    let commands: Vec<Vec<String>> = serde_json::from_str(&requests[0].body).unwrap();
    let keys = commands.iter().map(|command| command[1].as_str());
    let project = commands[0][1].strip_prefix("meta@").unwrap();
    let environments = keys.skip(1).map(|key| key.strip_suffix(&format!(":{project}")).unwrap());
    format!("{project} {}", environments.collect::<Vec<_>>().join("+"))
}

pub const TYPESCRIPT: &str = r#"import { defineConfig } from "@redenv/client";

export default defineConfig({
  "name": "file",
  "environment": "file-env",
  "plugins": [],
});
"#;

#[test]
fn a_flag_beats_a_variable_which_beats_the_env_file_which_beats_the_project_file() {
    let vault = vault();
    let env_file = "REDENV_PROJECT=local\nREDENV_ENVIRONMENT=local-env\n";
    for (flag, variable, local, file, expected) in [
        (true, true, true, true, "flag flag-env"),
        (false, true, true, true, "variable variable-env"),
        (false, false, true, true, "local local-env"),
        (false, false, false, true, "file file-env"),
        (true, false, false, true, "flag flag-env"),
        (true, true, false, false, "flag flag-env"),
        (true, false, true, false, "flag flag-env"),
        (false, true, false, true, "variable variable-env"),
    ] {
        let mut launch = without(&vault, &["REDENV_PROJECT"]);
        if flag {
            launch = launch.args(["--project", "flag", "--env", "flag-env"]);
        }
        if variable {
            launch = launch.env("REDENV_PROJECT", "variable").env("REDENV_ENVIRONMENT", "variable-env");
        }
        if local {
            launch = launch.file(".env.local", env_file);
        }
        if file {
            launch = launch.file("redenv.config.ts", TYPESCRIPT);
        }
        assert_eq!(asked(&vault, launch), expected);
    }
}

#[test]
fn project_and_environment_are_looked_up_each_for_itself() {
    let vault = vault();
    let bare = || without(&vault, &["REDENV_PROJECT"]).file("redenv.config.ts", TYPESCRIPT);
    assert_eq!(asked(&vault, bare().args(["-e", "flag-env"])), "file flag-env");
    assert_eq!(asked(&vault, bare().args(["-p", "flag"])), "flag file-env");
    assert_eq!(asked(&vault, bare().file(".env.local", "REDENV_PROJECT=local")), "local file-env");
    assert_eq!(asked(&vault, redenv_run(&vault)), "acme development");
}

#[test]
fn environments_are_layered_and_a_later_one_wins() {
    let vault = vault();
    for (launch, expected) in [
        (redenv_run(&vault), "development"),
        (redenv_run(&vault).env("REDENV_ENVIRONMENT", "staging"), "staging"),
        (redenv_run(&vault).env("REDENV_ENVIRONMENT", "staging,development"), "staging+development"),
        (redenv_run(&vault).env("REDENV_ENVIRONMENT", "staging, development"), "staging+development"),
        (redenv_run(&vault).args(["-e", "staging", "-e", "production"]), "staging+production"),
        (redenv_run(&vault).args(["--env=staging,production"]), "staging+production"),
        (
            redenv_run(&vault).args(["-e", "staging,production", "-e", "development"]),
            "staging+production+development",
        ),
        // Named twice, the last place counts.
        (redenv_run(&vault).args(["-e", "production", "-e", "staging,production"]), "staging+production"),
    ] {
        assert_eq!(asked(&vault, launch), format!("acme {expected}"));
    }
    let environment = redenv_run(&vault).args(["-e", "production,staging"]).environment();
    assert_eq!(environment["WHERE"], "staging");
    assert_eq!((environment["PRODUCTION"].as_str(), environment["STAGING"].as_str()), ("1", "1"));
    assert_eq!(environment.get("DEVELOPMENT"), None);
}

#[test]
fn a_colon_in_a_name_becomes_a_dash_as_the_clients_write_it() {
    let vault = vault();
    let launch = redenv_run(&vault).args(["-p", "ac:me", "-e", "a:b"]);
    assert_eq!(asked(&vault, launch), "ac-me a-b");
}

const FILES: [&str; 5] =
    ["REDENV_TOKEN_ID", "REDENV_TOKEN_KEY", "UPSTASH_REDIS_URL", "UPSTASH_REDIS_TOKEN", "REDENV_PROJECT"];

#[test]
fn each_setting_may_be_in_a_file_less_one_newline() {
    let vault = vault();
    let values = [TOKEN_ID, TOKEN_KEY, &vault.url(), vault.token(), "acme"];
    for (begin, end) in [("", ""), ("", "\n"), ("", "\r\n"), ("\u{feff}", "\r\n")] {
        let launch = FILES.iter().zip(values).fold(bare_redenv_run(), |launch, (name, value)| {
            launch.file(name, format!("{begin}{value}{end}")).env(&format!("{name}_FILE"), name)
        });
        launch.program(["printenv", "WHERE"]).run().assert_ran("development\n");
    }
    // In an env file, too, if the user names it.
    let lines = FILES.map(|name| format!("{name}_FILE={name}\n")).concat();
    let launch =
        FILES.iter().zip(values).fold(bare_redenv_run(), |launch, (name, value)| launch.file(name, value));
    let launch = launch.file("mine", lines).args(["--env-file", "mine"]);
    launch.program(["printenv", "WHERE"]).run().assert_ran("development\n");
}

#[test]
fn a_variable_and_its_file_at_once_are_an_error() {
    let vault = vault();
    for name in FILES {
        let launch = redenv_run(&vault).file("value", "x").env(&format!("{name}_FILE"), "value");
        launch.program(["true"]).run().assert_failed(
            125,
            &[
                &format!("error: {name} and {name}_FILE are both set"),
                &format!("hint: unset {name} or {name}_FILE"),
            ],
        );
    }
}

#[test]
fn a_file_that_holds_no_value_is_an_error() {
    let vault = vault();
    for (content, error) in [
        (&b"\n"[..], "REDENV_TOKEN_KEY_FILE is empty"),
        (b"redenv_sk_x\n\n", "REDENV_TOKEN_KEY_FILE has white space around its value"),
        (b"redenv_sk_\xff", "REDENV_TOKEN_KEY_FILE is not UTF-8"),
    ] {
        let launch = without(&vault, &["REDENV_TOKEN_KEY"]).file("key", content);
        let outcome = launch.env("REDENV_TOKEN_KEY_FILE", "key").program(["true"]).run();
        let first = outcome.stderr.lines().next();
        assert_eq!(first, Some(&*format!("redenv-run: error: {error}")));
    }
    without(&vault, &["REDENV_TOKEN_KEY"])
        .env("REDENV_TOKEN_KEY_FILE", "/no/such/file")
        .program(["true"])
        .run()
        .assert_failed(
            125,
            &[
                "error: cannot read /no/such/file (REDENV_TOKEN_KEY_FILE): no such file or directory",
                "hint: check the path, and that this user may read the file",
            ],
        );
}

#[test]
fn the_names_of_upstashs_own_clients_are_known() {
    let vault = vault();
    let rest = || {
        without(&vault, &["UPSTASH_REDIS_URL", "UPSTASH_REDIS_TOKEN"])
            .env("UPSTASH_REDIS_REST_URL", vault.url())
            .env("UPSTASH_REDIS_REST_TOKEN", vault.token())
    };
    assert_eq!(asked(&vault, rest()), "acme development");
    // Redenv's own names win.
    let both = redenv_run(&vault)
        .env("UPSTASH_REDIS_REST_URL", "http://127.0.0.1:1")
        .env("UPSTASH_REDIS_REST_TOKEN", "x");
    assert_eq!(asked(&vault, both), "acme development");
    // One name of each kind is fine.
    let mixed = without(&vault, &["UPSTASH_REDIS_URL"]).env("UPSTASH_REDIS_REST_URL", vault.url());
    assert_eq!(asked(&vault, mixed), "acme development");
}

const SAME_SOURCE: &str =
    "hint: set URL and token in the same place: a file must not send your token elsewhere";

#[test]
fn url_and_token_have_to_come_from_the_same_place() {
    let vault = vault();
    // A stranger's directory must not redirect the shell's token.
    let evil = Vault::of(&Project::new("acme"));
    without(&vault, &["UPSTASH_REDIS_URL"])
        .file(".env.local", format!("UPSTASH_REDIS_URL={}\n", evil.url()))
        .program(["true"])
        .run()
        .assert_failed(
            125,
            &[
                "error: UPSTASH_REDIS_URL is not set in the environment, but UPSTASH_REDIS_TOKEN is",
                SAME_SOURCE,
            ],
        );
    without(&vault, &["UPSTASH_REDIS_TOKEN"])
        .file(".env.local", "UPSTASH_REDIS_REST_TOKEN=x\n")
        .program(["true"])
        .run()
        .assert_failed(
            125,
            &[
                "error: UPSTASH_REDIS_TOKEN is not set in the environment, but UPSTASH_REDIS_URL is",
                SAME_SOURCE,
            ],
        );
    // With a pair in each place, the environment's wins.
    let pair = format!("UPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN={}\n", evil.url(), evil.token());
    assert_eq!(asked(&vault, redenv_run(&vault).file(".env.local", pair)), "acme development");
    assert_eq!(evil.connections(), 0);
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    bare_redenv_run().program(["true"]).run().assert_failed(
        125,
        &[
            "error: REDENV_TOKEN_ID, REDENV_TOKEN_KEY, UPSTASH_REDIS_URL, UPSTASH_REDIS_TOKEN and REDENV_PROJECT are not set",
            "hint: put each into .env.local, here or above, or into the environment; if a file holds the value, set NAME_FILE to its path; `redenv-run token create` creates a token",
        ],
    );
    // The hint belongs to the wrong setting.
    bare_redenv_run()
        .env("REDENV_TOKEN_ID", "\"stk_1\"")
        .env("UPSTASH_REDIS_URL", "https://x.upstash.io")
        .program(["true"])
        .run()
        .assert_failed(
            125,
            &[
                "error: REDENV_TOKEN_KEY, UPSTASH_REDIS_TOKEN and REDENV_PROJECT are not set; REDENV_TOKEN_ID has quotes around its value",
                "hint: remove them: redenv-run uses the value of REDENV_TOKEN_ID unchanged (docker's --env-file keeps quotes)",
            ],
        );
}

#[test]
fn a_setting_that_is_not_utf8_is_named() {
    let vault = vault();
    let value = std::ffi::OsStr::from_bytes(b"redenv_sk_\xff");
    redenv_run(&vault)
        .env("REDENV_TOKEN_KEY", value)
        .program(["true"])
        .run()
        .assert_failed(125, &["error: REDENV_TOKEN_KEY is not UTF-8"]);
}

#[test]
fn an_empty_optional_setting_is_as_good_as_none() {
    let vault = vault();
    let launch =
        ["REDENV_TOKEN_SALT", "REDENV_TIMEOUT", "REDENV_ALLOW_HTTP", "REDENV_ONLY", "REDENV_VERBOSE"]
            .iter()
            .fold(redenv_run(&vault), |launch, name| launch.env(name, ""));
    launch.program(["printenv", "WHERE"]).run().assert_ran("development\n");
}

#[test]
fn http_leaves_this_machine_only_when_it_is_allowed() {
    let vault = vault();
    // The wildcard address is this machine, but no loopback address.
    let launch = || redenv_run(&vault).env("UPSTASH_REDIS_URL", vault.url_at("0.0.0.0"));
    launch().program(["true"]).run().assert_failed(
        125,
        &[
            "error: UPSTASH_REDIS_URL is http to 0.0.0.0, where others could read the token on the way",
            "hint: use https, or --allow-http (REDENV_ALLOW_HTTP=1) if the network is safe",
        ],
    );
    assert_eq!(vault.connections(), 0);
    launch().arg("--allow-http").program(["true"]).run().assert_ran("");
    launch().env("REDENV_ALLOW_HTTP", "1").program(["true"]).run().assert_ran("");
}

#[test]
fn a_url_may_end_in_a_slash() {
    let vault = vault();
    let launch = redenv_run(&vault).env("UPSTASH_REDIS_URL", format!("{}/", vault.url()));
    assert_eq!(asked(&vault, launch), "acme development");
}

#[test]
fn verbose_says_where_each_setting_came_from_and_no_value() {
    let vault = vault();
    let config = r#"{"name": "acme", "environment": "production"}"#;
    let launch = without(&vault, &["REDENV_PROJECT", "UPSTASH_REDIS_URL", "UPSTASH_REDIS_TOKEN"])
        .file("redenv.config.json", config)
        .file("pin", "WHERE=1")
        .env("REDENV_PIN_FILE", "pin")
        .file(
            ".env.local",
            format!("UPSTASH_REDIS_URL={}\nUPSTASH_REDIS_REST_TOKEN={}\n", vault.url(), vault.token()),
        )
        .args(["-v", "--only", "*"])
        .program(["true"]);
    let config = launch.directory().canonicalize().unwrap().join("redenv.config.json");
    let outcome = launch.run();
    let expected = said(&[
        "project acme, environment production",
        &format!(
            "settings: REDENV_TOKEN_ID, REDENV_TOKEN_KEY and REDENV_PIN_FILE from the environment; \
             UPSTASH_REDIS_URL and UPSTASH_REDIS_REST_TOKEN from .env.local; \
             name and environment from {}; --only from the command line",
            config.display()
        ),
    ]);
    assert!(outcome.stderr.starts_with(&expected), "{}\n{expected}", outcome.stderr);
    for secret in [TOKEN_KEY, vault.token()] {
        assert!(!outcome.stderr.contains(secret), "{}", outcome.stderr);
    }
}
