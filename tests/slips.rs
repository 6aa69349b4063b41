//! Usual mistakes in settings: each gets its own error and the likely correction.

use crate::settings::{vault, without};
use crate::support::launch::{redenv_run, said};
use crate::support::project::{TOKEN_ID, TOKEN_KEY};

const COPY: &str = "copy the REST URL from the database's page in the console: https://<name>.upstash.io";
const NEXT: &str = "hint: put each into .env.local, here or above, or into the environment; if a file holds the value, set NAME_FILE to its path; `redenv-run token create` creates a token";
const SWAPPED: &str = "the ID (stk_...) and the key (redenv_sk_...) seem to be swapped";

/// A variable, a value that is a usual mistake, its error and its hint.
const SLIPS: &[(&str, &str, &str, &str)] = &[
    ("REDENV_TOKEN_ID", TOKEN_KEY, "REDENV_TOKEN_ID holds a token key", SWAPPED),
    ("REDENV_TOKEN_KEY", TOKEN_ID, "REDENV_TOKEN_KEY holds a token ID", SWAPPED),
    ("REDENV_TOKEN_KEY", "tok_abc", "REDENV_TOKEN_KEY holds a token ID", SWAPPED),
    (
        "REDENV_TOKEN_ID",
        "",
        "REDENV_TOKEN_ID is empty",
        "set REDENV_TOKEN_ID: an undefined CI secret is empty, and a pull request from a fork gets no CI secrets",
    ),
    (
        "REDENV_TOKEN_KEY",
        "",
        "REDENV_TOKEN_KEY is empty",
        "set REDENV_TOKEN_KEY: an undefined CI secret is empty, and a pull request from a fork gets no CI secrets",
    ),
    ("REDENV_PROJECT", "", "REDENV_PROJECT is empty", "give REDENV_PROJECT a value, or unset it"),
    ("REDENV_ENVIRONMENT", "", "REDENV_ENVIRONMENT is empty", "give REDENV_ENVIRONMENT a value, or unset it"),
    (
        "REDENV_ENVIRONMENT",
        "a,,b",
        "REDENV_ENVIRONMENT is empty",
        "give REDENV_ENVIRONMENT a value, or unset it",
    ),
    (
        "UPSTASH_REDIS_URL",
        "",
        "UPSTASH_REDIS_URL is empty",
        "set UPSTASH_REDIS_URL: an undefined CI secret is empty, and a pull request from a fork gets no CI secrets",
    ),
    (
        "UPSTASH_REDIS_TOKEN",
        "",
        "UPSTASH_REDIS_TOKEN is empty",
        "set UPSTASH_REDIS_TOKEN: an undefined CI secret is empty, and a pull request from a fork gets no CI secrets",
    ),
    (
        "REDENV_TOKEN_KEY",
        "redenv_sk_x ",
        "REDENV_TOKEN_KEY has white space around its value",
        "remove them: redenv-run uses the value of REDENV_TOKEN_KEY unchanged (docker's --env-file keeps quotes)",
    ),
    (
        "REDENV_TOKEN_ID",
        "stk_x\r",
        "REDENV_TOKEN_ID has white space around its value",
        "remove them: redenv-run uses the value of REDENV_TOKEN_ID unchanged (docker's --env-file keeps quotes)",
    ),
    (
        "UPSTASH_REDIS_TOKEN",
        "'AXabc='",
        "UPSTASH_REDIS_TOKEN has quotes around its value",
        "remove them: redenv-run uses the value of UPSTASH_REDIS_TOKEN unchanged (docker's --env-file keeps quotes)",
    ),
    (
        "UPSTASH_REDIS_URL",
        "\"https://x.upstash.io\"",
        "UPSTASH_REDIS_URL has quotes around its value",
        "remove them: redenv-run uses the value of UPSTASH_REDIS_URL unchanged (docker's --env-file keeps quotes)",
    ),
    (
        "REDENV_PROJECT",
        "\"acme\"",
        "REDENV_PROJECT has quotes around its value",
        "remove them: redenv-run uses the value of REDENV_PROJECT unchanged (docker's --env-file keeps quotes)",
    ),
    (
        "UPSTASH_REDIS_TOKEN",
        "Bearer AXabc=",
        "UPSTASH_REDIS_TOKEN starts with `Bearer `",
        "set it to the token alone",
    ),
    (
        "UPSTASH_REDIS_URL",
        "redis://default:hunter2@x.upstash.io:6379",
        "UPSTASH_REDIS_URL is a URL of the Redis protocol, not of the REST API",
        COPY,
    ),
    (
        "UPSTASH_REDIS_URL",
        "rediss://default:hunter2@x.upstash.io:6379",
        "UPSTASH_REDIS_URL is a URL of the Redis protocol, not of the REST API",
        COPY,
    ),
    (
        "UPSTASH_REDIS_URL",
        "https://x.upstash.io:6379",
        "UPSTASH_REDIS_URL has the port of the Redis protocol (host x.upstash.io)",
        COPY,
    ),
    (
        "UPSTASH_REDIS_URL",
        "https://console.upstash.com/redis/1234?teamid=0",
        "UPSTASH_REDIS_URL is the URL of Upstash's console",
        COPY,
    ),
    (
        "UPSTASH_REDIS_URL",
        "https://console.upstash.com/redis/1234",
        "UPSTASH_REDIS_URL is the URL of Upstash's console",
        COPY,
    ),
    ("UPSTASH_REDIS_URL", "x.upstash.io", "UPSTASH_REDIS_URL does not start with https://", COPY),
    (
        "UPSTASH_REDIS_URL",
        "https://default:hunter2@x.upstash.io",
        "UPSTASH_REDIS_URL contains a user name or a password",
        COPY,
    ),
    (
        "UPSTASH_REDIS_URL",
        "https://x.upstash.io?token=hunter2",
        "UPSTASH_REDIS_URL contains `?` or `#`",
        COPY,
    ),
    ("UPSTASH_REDIS_URL", "ftp://x.upstash.io", "UPSTASH_REDIS_URL does not start with https://", COPY),
    (
        "UPSTASH_REDIS_URL",
        "http://x.upstash.io",
        "UPSTASH_REDIS_URL is http to x.upstash.io, where others could read the token on the way",
        "use https, or --allow-http (REDENV_ALLOW_HTTP=1) if the network is safe",
    ),
    (
        "REDENV_TOKEN_SALT",
        "0001",
        "REDENV_TOKEN_SALT is not 32 hex digits",
        "`redenv-run token create --format env` prints the salt; without a salt, a launch only takes longer",
    ),
    (
        "REDENV_TIMEOUT",
        "soon",
        "REDENV_TIMEOUT is not a duration above zero",
        "use a duration such as 10s, 500ms or 24h",
    ),
    ("REDENV_ALLOW_HTTP", "maybe", "REDENV_ALLOW_HTTP is neither 1 nor 0", "set it to 1 or 0"),
    ("REDENV_KEEP_TOKEN", "maybe", "REDENV_KEEP_TOKEN is neither 1 nor 0", "set it to 1 or 0"),
];

#[test]
fn every_recognisable_slip_gets_its_own_hint() {
    let vault = vault();
    for (name, value, error, hint) in SLIPS {
        let outcome = redenv_run(&vault).env(name, value).program(["true"]).run();
        let expected = format!("redenv-run: error: {error}\nredenv-run: hint: {hint}\n");
        assert_eq!((outcome.code(), outcome.stderr), (Some(125), expected), "{name}={value}");
    }
    assert_eq!(vault.connections(), 0);
}

#[test]
fn a_mistyped_setting_is_not_passed_over_in_silence() {
    let vault = vault();
    for (slip, meant) in [
        ("REDENV_ENV", "REDENV_ENVIRONMENT"),
        ("REDENV_ENVIROMENT", "REDENV_ENVIRONMENT"),
        ("REDENV_ENVIROMENT_FILE", "REDENV_ENVIRONMENT_FILE"),
    ] {
        let question = format!("is not read: did you mean {meant}?");
        for launch in [
            redenv_run(&vault).env(slip, "production"),
            redenv_run(&vault).file(".env.local", format!("{slip}=production\n")),
        ] {
            let place = if launch.directory().join(".env.local").exists() { " in .env.local" } else { "" };
            let outcome = launch.program(["printenv", "WHERE"]).run();
            let warning = format!("warning: {slip}{place} {question}");
            assert_eq!((outcome.stdout.as_str(), outcome.stderr), ("development\n", said(&[&warning])));
        }
    }
    // Names from other tools and older docs.
    for (other, meant, value) in [
        ("REDENV_TOKEN", "REDENV_TOKEN_ID and REDENV_TOKEN_KEY", TOKEN_KEY),
        ("REDENV_UPSTASH_URL", "UPSTASH_REDIS_URL", "https://x.upstash.io"),
        ("REDENV_UPSTASH_TOKEN", "UPSTASH_REDIS_TOKEN", "hunter2"),
    ] {
        let launch = without(
            &vault,
            &["REDENV_TOKEN_ID", "REDENV_TOKEN_KEY", "UPSTASH_REDIS_URL", "UPSTASH_REDIS_TOKEN"],
        );
        let outcome = launch.env(other, value).program(["true"]).run();
        let warning = said(&[&format!("warning: {other} is not read: did you mean {meant}?")]);
        assert!(outcome.stderr.starts_with(&warning), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains(value), "{}", outcome.stderr);
    }
    // If the setting is missing, the warning comes before the error.
    let place = [("REDENV_TOKN_KEY", TOKEN_KEY, ""), ("REDENV_TOKN_KEY_FILE", "key", "_FILE")];
    for (slip, value, suffix) in place {
        let missing = |place: &str| {
            let warning =
                format!("warning: {slip}{place} is not read: did you mean REDENV_TOKEN_KEY{suffix}?");
            [warning, "error: REDENV_TOKEN_KEY is not set".into(), NEXT.into()]
        };
        let launch = || redenv_run(&vault).env_remove("REDENV_TOKEN_KEY").program(["true"]);
        let lines = missing("");
        launch().env(slip, value).run().assert_failed(125, &lines.each_ref().map(String::as_str));
        let launch = launch().file(".env.local", format!("{slip}={value}\n"));
        let lines = missing(" in .env.local");
        launch.run().assert_failed(125, &lines.each_ref().map(String::as_str));
    }
    // If the similar setting is there too, the variable is the user's own.
    let launch = redenv_run(&vault).env("REDENV_ENVIROMENT", "mine").env("REDENV_ENVIRONMENT", "production");
    let launch = launch.program(["printenv", "WHERE", "REDENV_ENVIROMENT"]);
    launch.run().assert_ran("production\nmine\n");
}
