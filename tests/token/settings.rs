//! Settings of the token commands, and errors for those that are missing or wrong.

use super::{CI, META, assert_failed, create, service_tokens, token, vault};
use crate::support::launch::{Launch, bare_redenv_run};
use crate::support::project;
use crate::support::project::Project;
use crate::support::vault::{Response, Vault};

#[test]
fn without_a_terminal_the_hint_names_another_way() {
    let vault = Vault::of(&Project::new("acme"));
    assert_failed(
        &token(&vault, &["create", "-n", "x"]).without_terminal(),
        "redenv-run: error: cannot ask for the master password: there is no terminal\n\
         redenv-run: hint: set REDENV_MASTER_PASSWORD_FILE to a file that holds it, or pipe it to --password-stdin\n",
    );
    assert_failed(
        &token(&vault, &["revoke", project::TOKEN_ID]).without_terminal(),
        "redenv-run: error: cannot ask for confirmation: there is no terminal\n\
         redenv-run: hint: --yes revokes without asking\n",
    );
    assert_eq!(vault.requests().len(), 0);
}

#[test]
fn all_missing_settings_are_reported_together() {
    let outcome = bare_redenv_run().args(["token", "list"]).run();
    let message =
        "redenv-run: error: UPSTASH_REDIS_URL, UPSTASH_REDIS_TOKEN and REDENV_PROJECT are not set\n";
    assert!(outcome.code() == Some(125) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
}

#[test]
fn env_files_and_project_files_work_for_token_commands() {
    let vault = Vault::of(&Project::new("acme"));
    let settings = format!("UPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN={}\n", vault.url(), vault.token());
    let list = |launch: Launch| {
        let outcome = launch.args(["token", "list"]).run();
        (outcome.code(), outcome.stdout.contains(project::TOKEN_ID))
    };
    assert_eq!(
        list(bare_redenv_run().file(".env.local", &settings).env("REDENV_PROJECT", "acme")),
        (Some(0), true)
    );
    let config = r#"export default defineConfig({"name": "acme", "environment": "production"})"#;
    assert_eq!(
        list(bare_redenv_run().file(".env.local", &settings).file("redenv.config.ts", config)),
        (Some(0), true)
    );
    // Token commands need no environment, so a wrong one is no error.
    let empty = bare_redenv_run().file(".env.local", &settings).env("REDENV_PROJECT", "acme");
    assert_eq!(list(empty.env("REDENV_ENVIRONMENT", "")), (Some(0), true));
}

#[test]
fn an_unknown_project_is_reported_before_the_prompt() {
    let vault = Vault::of(&Project::new("acme"));
    let shown =
        token(&vault, &["create", "-n", "x", "-p", "other"]).env("NO_COLOR", "1").on_terminal().finish();
    assert!(
        shown.screen.starts_with("redenv-run: error: the database 127.0.0.1 has no project other"),
        "{shown:?}"
    );
}

#[test]
fn a_read_only_token_lists_and_changes_nothing() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let read_only = |launch: Launch| launch.env("UPSTASH_REDIS_TOKEN", "read-only").run();
    let refused = "redenv-run: error: 127.0.0.1 rejected the change: the Upstash token is read-only; nothing was written\n\
         redenv-run: hint: set UPSTASH_REDIS_TOKEN to the token that can write, from the database's page; the read-only token is enough for a launch only\n";
    assert_failed(&read_only(create(&vault, &["-n", "x"])), refused);
    assert_failed(&read_only(token(&vault, &["revoke", "--yes", CI])), refused);
    assert_eq!(read_only(token(&vault, &["list"])).code(), Some(0));
    // The same if the server refuses the whole request instead of one command in it.
    for status in [200, 400] {
        let mut terminal = token(&vault, &["revoke", CI]).env("NO_COLOR", "1").on_terminal();
        terminal.expect("Revoke? [y/N] ");
        let body = r#"{"error":"NOPERM this user has no permissions to run the 'eval' command"}"#;
        vault.respond_next(1, &Response::new(status).body(body));
        let shown = terminal.type_line("y").finish();
        assert!(shown.screen.ends_with(&format!("y\n{refused}")), "{status}: {}", shown.screen);
    }
    assert_eq!(service_tokens(&vault), before);
    let wrong = create(&vault, &["-n", "x"]).env("UPSTASH_REDIS_TOKEN", "wrong").run();
    assert!(wrong.stderr.starts_with("redenv-run: error: 127.0.0.1 rejected the Upstash token (HTTP 401)\n"));
}

#[test]
fn malformed_data_is_named_and_left_alone() {
    let malformed = "redenv-run: error: the data of project acme-api is malformed: encryptedPEK: its ciphertext is malformed: there is no dot\n";
    for (field, value, stderr) in [
        (
            "serviceTokens",
            "[]",
            "redenv-run: error: the project's data is malformed: serviceTokens is not a JSON object\n",
        ),
        ("salt", "xyz", "redenv-run: error: the project's data is malformed: salt is not 32 hex digits\n"),
        ("encryptedPEK", "nonsense", malformed),
        (
            "kdf",
            "scrypt",
            "redenv-run: error: the project's `kdf` is not pbkdf2, the only one that redenv-run supports\n\
             redenv-run: hint: look for a newer version of redenv-run; if there is none, somebody may have changed the project\n",
        ),
    ] {
        let (vault, _redis) = vault();
        vault.hset(META, field, value);
        assert_failed(&create(&vault, &["-n", "x"]).run(), stderr);
        assert_eq!(vault.hget(META, field).as_deref(), Some(value));
    }
    let vault = Vault::of(&Project::new("acme"));
    for body in
        ["", "x", "[]", "[{}]", "[{\"result\":7}]", "[{\"result\":[\"a\"]}]", "{\"result\":[]}", "[1,2]"]
    {
        vault.respond_next(1, &Response::new(200).body(body));
        let outcome = token(&vault, &["list"]).run();
        assert!(
            outcome.code() == Some(125) && outcome.stderr.starts_with("redenv-run: error: "),
            "{body}: {outcome:?}"
        );
    }
}

#[test]
fn a_token_command_line_that_is_incomplete_is_refused_with_the_next_step() {
    let flags = "redenv-run: hint: `redenv-run token --help` lists its flags\n";
    for (arguments, stderr) in [
        (
            vec![],
            "redenv-run: error: 'redenv-run token' requires a subcommand but one was not provided \
             [subcommands: create, list, revoke]\n"
                .to_owned(),
        ),
        (vec!["foo"], format!("redenv-run: error: unrecognized subcommand 'foo'\n{flags}")),
        (
            vec!["create", "-n", " "],
            "redenv-run: error: the token's name is empty\n\
             redenv-run: hint: name it after the program that uses it, such as prod-api-server\n"
                .into(),
        ),
    ] {
        assert_failed(&bare_redenv_run().arg("token").args(arguments).run(), &stderr);
    }
}
