//! Service tokens are created, listed and revoked as the official clients do it, and no change of
//! anybody is lost.

use std::collections::BTreeSet;
use std::fs::File;
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::fixtures;
use crate::support::launcher::{Launcher, Outcome, bare_launcher, launcher};
use crate::support::project::{self, Credentials, Project};
use crate::support::python::python;
use crate::support::redis_server::RedisServer;
use crate::support::vault::{Builder, Response, Vault};

const META: &str = "meta@acme-api";
const CI: &str = "stk_ZKqhDH5sy2yjU7i7";
const WEB: &str = "stk_kQuCkPK6bAXdb2cN";
const EPHEMERAL: &str = "stk_eph_dump_dev@acme.example";

/// What the official clients wrote, in a real Redis: memory runs no scripts.
fn vault() -> (Vault, RedisServer) {
    vault_with(Vault::builder())
}

fn vault_with(builder: Builder) -> (Vault, RedisServer) {
    let redis = RedisServer::start();
    let builder = builder.dump(fixtures::dump()).read_only_token("read-only");
    (builder.credentials(fixtures::credentials("ci")).redis(&redis.url()).start(), redis)
}

/// `redenv-run token ...` without a service token, which it needs none of.
fn token(vault: &Vault, arguments: &[&str]) -> Launcher {
    let launcher = launcher(vault).env_remove("REDENV_TOKEN_ID").env_remove("REDENV_TOKEN_KEY");
    launcher.env("TZ", "UTC0").arg("token").args(arguments)
}

fn create(vault: &Vault, arguments: &[&str]) -> Launcher {
    token(vault, &["create", "--password-stdin"])
        .args(arguments)
        .stdin(format!("{}\n", fixtures::master_password()))
}

/// The JSON that a successful `token create --format json` prints.
fn created(vault: &Vault, arguments: &[&str]) -> Value {
    let outcome = create(vault, arguments).args(["--format", "json"]).run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&outcome.stdout).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The project's credentials with a token that was just created.
fn credentials(token: &Value) -> Credentials {
    Credentials {
        project: text(&token["project"]),
        token_id: text(&token["tokenId"]),
        token_key: text(&token["tokenKey"]),
        salt: text(&token["tokenSalt"]),
    }
}

fn launch(vault: &Vault, credentials: &Credentials) -> Outcome {
    launcher(vault)
        .env("REDENV_TOKEN_ID", &credentials.token_id)
        .env("REDENV_TOKEN_KEY", &credentials.token_key)
        .program(["printenv", "PLAIN"])
        .run()
}

fn service_tokens(vault: &Vault) -> String {
    vault.hget(META, "serviceTokens").unwrap()
}

fn ids(vault: &Vault) -> BTreeSet<String> {
    let tokens: Value = serde_json::from_str(&service_tokens(vault)).unwrap();
    tokens.as_object().unwrap().keys().cloned().collect()
}

fn assert_failed(outcome: &Outcome, stderr: &str) {
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(125), stderr));
    assert_eq!(outcome.stdout, "");
}

fn ago(days: u64) -> String {
    let at = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60 + 60);
    humantime::format_rfc3339_millis(at).to_string()
}

/// As `token list` shows it where `TZ` is UTC.
fn local(time: &str) -> String {
    time[..16].replace('T', " ")
}

#[test]
fn the_guides_walk_through_works_line_by_line_on_a_terminal() {
    let (vault, _redis) = vault();
    let mut terminal = token(&vault, &["create", "-n", "my-app-production"]).on_terminal();
    terminal.expect("Master password of project acme-api: ").type_hidden(&fixtures::master_password());
    let shown = terminal.finish();
    let id = shown.screen.split("stk_").nth(1).map(|rest| format!("stk_{}", &rest[..16])).unwrap();
    let key =
        shown.screen.split("redenv_sk_").nth(1).map(|rest| format!("redenv_sk_{}", &rest[..32])).unwrap();
    assert_eq!(
        shown.screen,
        format!(
            "Master password of project acme-api: \n\
             Project Name: acme-api\n\
             Public Token ID: {id}\n\
             Secret Token Key: {key}\n\
             redenv-run: \x1b[1;33mwarning:\x1b[0m the key is shown only this once: put it where the program's settings are, or into a password manager\n"
        )
    );
    assert_eq!(shown.code, 0);

    let list = token(&vault, &["list"]).env("NO_COLOR", "1").on_terminal().finish();
    let lines: Vec<&str> = list.screen.lines().collect();
    assert!(lines[0].starts_with("Name"), "{}", list.screen);
    let columns: Vec<&str> = lines[0].split("  ").map(str::trim).filter(|name| !name.is_empty()).collect();
    assert_eq!(columns, ["Name", "Description", "Token ID", "Created At", "Age"]);
    assert!(lines[1].starts_with("my-app") && lines[1].contains(&id), "{}", list.screen);

    let new = Credentials { token_id: id.clone(), token_key: key, ..fixtures::credentials("ci") };
    assert_eq!(launch(&vault, &new).stdout, "hello world\n");

    let mut terminal = token(&vault, &["revoke", &id]).on_terminal();
    terminal.expect("Revoke? [y/N] ").type_line("y");
    let shown = terminal.finish();
    assert_eq!(
        shown.screen.split("[y/N] ").nth(1).unwrap(),
        format!("y\nRevoked: {id} (my-app-production)\n3 tokens of project acme-api remain\n")
    );
    assert_eq!(shown.code, 0);

    let refused = format!(
        "redenv-run: error: project acme-api has no service token {id}: it was revoked, or is of another project\n\
         redenv-run: hint: check REDENV_TOKEN_ID, or make a new token with `redenv-run token create`\n"
    );
    assert_failed(&launch(&vault, &new), &refused);
    assert!(!token(&vault, &["list"]).run().stdout.contains(&id));
}

#[test]
fn create_prints_three_lines_and_nothing_else() {
    let (vault, _redis) = vault();
    let outcome = create(&vault, &["-n", "api"]).run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "Project Name: acme-api"));
    let base64 = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '+' || c == '/');
    let id = lines[1].strip_prefix("Public Token ID: stk_").unwrap();
    let key = lines[2].strip_prefix("Secret Token Key: redenv_sk_").unwrap();
    assert!(id.len() == 16 && base64(id) && key.len() == 32 && base64(key), "{lines:?}");
}

#[test]
fn a_new_entry_is_like_those_of_the_official_clients_and_the_others_stay_byte_for_byte() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let token = created(&vault, &["-n", "Grüße \"1\"", "-d", "für ✓"]);
    let after = service_tokens(&vault);
    let added = after.strip_prefix(before.strip_suffix('}').unwrap()).unwrap();
    let entry: Value = serde_json::from_str(&after).unwrap();
    let entry = &entry[text(&token["tokenId"])];
    // Formatted again from its parts: fields, order and form are all in this.
    let expected = format!(
        ",\"{}\":{{\"encryptedPEK\":{},\"salt\":{},\"name\":\"Grüße \\\"1\\\"\",\"description\":\"für ✓\",\"createdAt\":{},\"createdBy\":{}}}}}",
        text(&token["tokenId"]),
        entry["encryptedPEK"],
        token["tokenSalt"],
        token["createdAt"],
        token["createdBy"],
    );
    assert_eq!(added, expected);

    let hex =
        |text: &str, length| text.len() == length && text.bytes().all(|b| b"0123456789abcdef".contains(&b));
    let sealed = text(&entry["encryptedPEK"]);
    let (iv, rest) = sealed.split_once('.').unwrap();
    assert!(hex(iv, 24) && hex(rest, 2 * (64 + 16)) && hex(&text(&entry["salt"]), 32), "{entry}");
    let created_at = text(&entry["createdAt"]);
    assert_eq!(
        humantime::format_rfc3339_millis(humantime::parse_rfc3339(&created_at).unwrap()).to_string(),
        created_at
    );
    let output = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(text(&entry["createdBy"]), format!("{}@{}", output("id", "-un"), output("uname", "-n")));
}

#[test]
fn whatever_other_tools_wrote_stays_byte_for_byte() {
    let (vault, _redis) = vault();
    let odd = "{\n \"tok_old\" : {\"x\":1.50, \"\\u006eame\":\"a\\/b\", \"name\":\"twice\"},\t\"n\":null , \"stk_gone\":{} }\n";
    vault.hset(META, "serviceTokens", odd);
    let id = text(&created(&vault, &["-n", "new"])["tokenId"]);
    let with = service_tokens(&vault);
    assert!(with.starts_with(odd.strip_suffix(" }\n").unwrap()) && with.ends_with(" }\n"), "{with}");
    let outcome = token(&vault, &["revoke", "--yes", &id, "stk_gone"]).run();
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(service_tokens(&vault), odd.replace(" , \"stk_gone\":{}", ""));
    assert_eq!(vault.hget(META, "historyLimit").as_deref(), Some("10"));
}

#[test]
fn the_first_token_of_a_project_makes_the_field() {
    let redis = RedisServer::start();
    let project = Project::new("acme").without_meta("serviceTokens").secret("development", "A", "1");
    let vault = Vault::builder().project(&project).redis(&redis.url()).start();
    let outcome = token(&vault, &["list"]).run();
    assert_eq!(outcome.stdout, "");
    assert_eq!(outcome.stderr, "redenv-run: warning: project acme has no service token\n");
    let outcome = token(&vault, &["create", "-n", "first", "--format", "json", "--password-stdin"])
        .stdin(project::MASTER_PASSWORD)
        .run();
    let new = credentials(&serde_json::from_str(&outcome.stdout).unwrap());
    let launched = launcher(&vault)
        .env("REDENV_TOKEN_ID", &new.token_id)
        .env("REDENV_TOKEN_KEY", &new.token_key)
        .program(["printenv", "A"])
        .run();
    assert_eq!(launched.stdout, "1\n");
    let outcome = token(&vault, &["revoke", "--yes", &new.token_id]).run();
    assert_eq!(
        outcome.stdout,
        format!("Revoked: {} (first)\n0 tokens of project acme remain\n", new.token_id)
    );
    assert_eq!(vault.hget("meta@acme", "serviceTokens").as_deref(), Some("{}"));
}

#[test]
fn the_official_sdk_works_with_a_new_token_and_writes_in_its_name() {
    let (vault, redis) = vault();
    let new = credentials(&created(&vault, &["-n", "sdk"]));
    let same = Vault::builder().redis(&redis.url()).credentials(new.clone()).start();
    let script = r#"
import asyncio, json, os
from redenv import Redenv
client = Redenv({
    "project": os.environ["REDENV_PROJECT"],
    "environment": "development",
    "token_id": os.environ["REDENV_TOKEN_ID"],
    "token": os.environ["REDENV_TOKEN_KEY"],
    "upstash": {"url": os.environ["UPSTASH_REDIS_URL"], "token": os.environ["UPSTASH_REDIS_TOKEN"]},
})
async def main():
    print(json.dumps(dict(await client.load())))
    await client.set("ADDED", "by the SDK")
asyncio.run(main())
"#;
    let loaded: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&python(&same, script)).unwrap();
    assert_eq!(loaded, fixtures::expected("development"));
    let added: Value = serde_json::from_str(&vault.hget("development:acme-api", "ADDED").unwrap()).unwrap();
    assert_eq!(text(&added[0]["user"]), new.token_id);
}

#[test]
fn the_env_format_is_an_env_file_for_a_launch_that_starts_faster() {
    let (vault, _redis) = vault();
    let outcome = create(&vault, &["-n", "env", "--format", "env"]).run();
    assert_eq!(outcome.stderr, "");
    let names: Vec<&str> = outcome.stdout.lines().map(|line| line.split_once('=').unwrap().0).collect();
    assert_eq!(names, ["REDENV_PROJECT", "REDENV_TOKEN_ID", "REDENV_TOKEN_KEY", "REDENV_TOKEN_SALT"]);
    let salt = outcome.stdout.lines().last().unwrap().strip_prefix("REDENV_TOKEN_SALT=").unwrap().to_owned();
    assert!(service_tokens(&vault).contains(&format!("\"salt\":\"{salt}\"")));
    let launched = bare_launcher()
        .env("UPSTASH_REDIS_URL", vault.url())
        .env("UPSTASH_REDIS_TOKEN", vault.token())
        .file("token.env", &outcome.stdout)
        .args(["--env-file", "token.env"])
        .program(["printenv", "PLAIN"])
        .run();
    assert_eq!((launched.stdout.as_str(), launched.stderr.as_str()), ("hello world\n", ""));
}

#[test]
fn the_env_format_is_read_back_alike_by_a_launch_and_by_a_shell() {
    let redis = RedisServer::start();
    for name in ["my app", "it's \"$HOME\" `id` \\n\\", "\"$HOME\" \\", "#1", "café", "~", "a\n=b"] {
        let vault = Vault::builder()
            .redis(&redis.url())
            .project(&Project::new(name).secret("development", "A", "1"))
            .start();
        let outcome = token(&vault, &["create", "--password-stdin", "-n", "x", "--format", "env"])
            .stdin(project::MASTER_PASSWORD)
            .run();
        assert_eq!(outcome.stderr, "", "{name}");
        let launch = bare_launcher().file("token.env", &outcome.stdout);
        let shell = Command::new("sh")
            .args(["-c", ". ./token.env && printf %s \"$REDENV_PROJECT\""])
            .current_dir(launch.directory())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), name);
        let launched = launch
            .env("UPSTASH_REDIS_URL", vault.url())
            .env("UPSTASH_REDIS_TOKEN", vault.token())
            .args(["--env-file", "token.env"])
            .program(["true"])
            .run();
        launched.assert_ran("");
    }
}

#[test]
fn the_json_format_has_all_of_it() {
    let (vault, _redis) = vault();
    let token = created(&vault, &["--name", "api", "--description", "d"]);
    let fields: Vec<&String> = token.as_object().unwrap().keys().collect();
    let expected =
        ["createdAt", "createdBy", "description", "name", "project", "tokenId", "tokenKey", "tokenSalt"];
    assert_eq!(fields, expected);
    assert_eq!(token["name"], "api");
    assert_eq!(token["description"], "d");
    assert_eq!(launch(&vault, &credentials(&token)).stdout, "hello world\n");
}

#[test]
fn the_master_password_comes_from_a_file_too() {
    let (vault, _redis) = vault();
    for ending in ["", "\n", "\r\n"] {
        let outcome = token(&vault, &["create", "-n", "x"])
            .file("password", fixtures::master_password() + ending)
            .env("REDENV_MASTER_PASSWORD_FILE", "password")
            .run();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""), "{ending:?}");
    }
    assert_eq!(ids(&vault).len(), 5);
    // A flag beats a variable.
    let outcome = create(&vault, &["-n", "x"]).env("REDENV_MASTER_PASSWORD_FILE", "/no/such/file").run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
}

const SIGINT: i64 = 2;
const WRONG: &str = "redenv-run: error: the master password is wrong: it does not open the key of project acme-api; nothing was written\n";

#[test]
fn a_password_that_does_not_fit_writes_nothing() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let password = fixtures::master_password();
    // The same letters, decomposed: other bytes are another password.
    let decomposed = password.replace('ä', "a\u{308}").replace('ö', "o\u{308}");
    let not_utf8 = "redenv-run: error: the master password on stdin is not UTF-8\n";
    let empty = "redenv-run: error: the master password is empty; nothing was written\n";
    for (stdin, stderr) in [
        (b"wrong\n".to_vec(), WRONG),
        (format!("{password} \n").into_bytes(), WRONG),
        (format!("\u{feff}{password}\n").into_bytes(), WRONG),
        (decomposed.into_bytes(), WRONG),
        (b"\xff\n".to_vec(), not_utf8),
        (b"\n".to_vec(), empty),
        (Vec::new(), empty),
    ] {
        let outcome = token(&vault, &["create", "-n", "x", "--password-stdin"]).stdin(stdin).run();
        assert_failed(&outcome, stderr);
    }
    let file = |content: &str| {
        token(&vault, &["create", "-n", "x"])
            .file("password", content)
            .env("REDENV_MASTER_PASSWORD_FILE", "password")
            .run()
    };
    assert_failed(&file("wrong"), WRONG);
    assert_eq!(file("\n").code(), Some(125));
    let missing = token(&vault, &["create", "-n", "x"]).env("REDENV_MASTER_PASSWORD_FILE", "/no/file").run();
    let stderr =
        "redenv-run: error: REDENV_MASTER_PASSWORD_FILE: /no/file can't be read: no such file or directory\n";
    assert_failed(&missing, stderr);
    assert_eq!(service_tokens(&vault), before);
}

#[test]
fn a_password_on_the_terminal_is_not_shown_and_can_be_given_up() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let start = || {
        let mut terminal = token(&vault, &["create", "-n", "x"]).env("NO_COLOR", "1").on_terminal();
        terminal.expect("Master password of project acme-api: ");
        terminal
    };
    let prompt = "Master password of project acme-api: \n";
    let shown = start().type_hidden("hunter2").finish();
    assert_eq!((shown.code, shown.screen), (125, format!("{prompt}{WRONG}")));

    let mut terminal =
        token(&vault, &["create", "-n", "x", "--password-stdin"]).env("NO_COLOR", "1").on_terminal();
    let shown = terminal.expect("Master password").type_hidden("hunter2").finish();
    assert_eq!((shown.code, shown.screen), (125, format!("{prompt}{WRONG}")));

    let shown = start().type_control('d').finish();
    let none = "redenv-run: error: no master password was given; nothing was written\n";
    assert_eq!((shown.code, shown.screen), (125, format!("{prompt}{none}")));

    let mut terminal = start();
    let shown = terminal.type_control('c').finish();
    assert_eq!((shown.code, shown.screen.as_str()), (-SIGINT, prompt));
    assert!(terminal.echoes(), "the terminal is left silent");
    assert_eq!(service_tokens(&vault), before);
}

#[test]
fn without_a_terminal_create_and_revoke_say_how_to_go_on() {
    let vault = Vault::of(&Project::new("acme"));
    assert_failed(
        &token(&vault, &["create", "-n", "x"]).without_terminal(),
        "redenv-run: error: there is no terminal to ask for the master password on\n\
         redenv-run: hint: REDENV_MASTER_PASSWORD_FILE names a file that holds it, --password-stdin reads it from stdin\n",
    );
    assert_failed(
        &token(&vault, &["revoke", project::TOKEN_ID]).without_terminal(),
        "redenv-run: error: there is no terminal to ask on whether to revoke\n\
         redenv-run: hint: --yes revokes without asking\n",
    );
    assert_eq!(vault.requests().len(), 0);
}

#[test]
fn the_settings_that_are_missing_are_named_at_once() {
    let outcome = bare_launcher().args(["token", "list"]).run();
    let message =
        "redenv-run: error: UPSTASH_REDIS_URL, UPSTASH_REDIS_TOKEN and REDENV_PROJECT are not set\n";
    assert!(outcome.code() == Some(125) && outcome.stderr.starts_with(message), "{}", outcome.stderr);
}

#[test]
fn the_settings_of_a_launch_hold_for_tokens_too() {
    let vault = Vault::of(&Project::new("acme"));
    let settings = format!("UPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN={}\n", vault.url(), vault.token());
    let list = |launcher: Launcher| {
        let outcome = launcher.args(["token", "list"]).run();
        (outcome.code(), outcome.stdout.contains(project::TOKEN_ID))
    };
    assert_eq!(
        list(bare_launcher().file(".env.local", &settings).env("REDENV_PROJECT", "acme")),
        (Some(0), true)
    );
    let config = r#"export default defineConfig({"name": "acme", "environment": "production"})"#;
    assert_eq!(
        list(bare_launcher().file(".env.local", &settings).file("redenv.config.ts", config)),
        (Some(0), true)
    );
    // An environment is no matter here, so neither is a slip in it.
    let empty = bare_launcher().file(".env.local", &settings).env("REDENV_PROJECT", "acme");
    assert_eq!(list(empty.env("REDENV_ENVIRONMENT", "")), (Some(0), true));
}

#[test]
fn a_project_that_is_not_there_is_said_before_the_password_is_asked_for() {
    let vault = Vault::of(&Project::new("acme"));
    let shown =
        token(&vault, &["create", "-n", "x", "-p", "other"]).env("NO_COLOR", "1").on_terminal().finish();
    assert!(
        shown.screen.starts_with("redenv-run: error: there is no project other in the database of "),
        "{shown:?}"
    );
}

#[test]
fn a_token_that_may_only_read_lists_and_changes_nothing() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let read_only = |launcher: Launcher| launcher.env("UPSTASH_REDIS_TOKEN", "read-only").run();
    let refused = "redenv-run: error: 127.0.0.1 refuses: the Upstash token may only read; nothing was written\n\
         redenv-run: hint: set UPSTASH_REDIS_TOKEN to the standard token from the database's page; launches do with the read-only one\n";
    assert_failed(&read_only(create(&vault, &["-n", "x"])), refused);
    assert_failed(&read_only(token(&vault, &["revoke", "--yes", CI])), refused);
    assert_eq!(read_only(token(&vault, &["list"])).code(), Some(0));
    // The same where the server refuses the whole request instead of one command in it.
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
    assert!(wrong.stderr.starts_with("redenv-run: error: 127.0.0.1 does not accept the Upstash token\n"));
}

#[test]
fn a_change_between_reading_and_writing_is_kept() {
    let (vault, _redis) = vault();
    let mut terminal = token(&vault, &["create", "-n", "mine"]).on_terminal();
    terminal.expect("Master password");
    // The project was read; now somebody revokes one token and adds another.
    vault.hset(META, "serviceTokens", r#"{"stk_theirs":{"name":"theirs"}}"#);
    let shown = terminal.type_hidden(&fixtures::master_password()).finish();
    assert_eq!(shown.code, 0, "{}", shown.screen);
    let after = service_tokens(&vault);
    assert!(after.starts_with(r#"{"stk_theirs":{"name":"theirs"},"stk_"#), "{after}");
    assert_eq!(ids(&vault).len(), 2);

    let mut terminal = token(&vault, &["revoke", "stk_theirs"]).on_terminal();
    terminal.expect("Revoke? [y/N] ");
    vault.hset(META, "serviceTokens", r#"{"stk_new":{},"stk_theirs":{"name":"theirs"}}"#);
    let shown = terminal.type_line("yes").finish();
    assert!(shown.screen.ends_with("Revoked: stk_theirs (theirs)\n2 tokens of project acme-api remain\n"));
    assert_eq!(service_tokens(&vault), r#"{"stk_new":{}}"#);
}

#[test]
fn a_project_that_got_another_key_meanwhile_gets_no_token_for_the_old_one() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let mut terminal = token(&vault, &["create", "-n", "mine"]).env("NO_COLOR", "1").on_terminal();
    terminal.expect("Master password");
    vault.hset(META, "encryptedPEK", "00.00");
    let shown = terminal.type_hidden(&fixtures::master_password()).finish();
    let message = "redenv-run: error: the key of project acme-api was changed by somebody else at the same time; nothing was written\n";
    assert!(shown.code == 125 && shown.screen.contains(message), "{}", shown.screen);
    assert_eq!(service_tokens(&vault), before);
}

#[test]
fn of_many_creators_and_revokers_at_once_nothing_is_lost_and_nothing_comes_back() {
    const EACH: usize = 6;
    let (vault, _redis) = vault();
    let old: Vec<String> = (0..EACH).map(|i| format!("stk_old{i}")).collect();
    let field: serde_json::Map<String, Value> =
        old.iter().chain([&CI.to_owned()]).map(|id| (id.clone(), json!({ "name": id }))).collect();
    vault.hset(META, "serviceTokens", &Value::from(field).to_string());
    // Every answer takes its time, so that what was read is stale when it is written.
    vault.set_delay(Duration::from_millis(30));
    let vault = &vault;
    let new: Vec<String> = thread::scope(|scope| {
        let creators: Vec<_> = (0..EACH)
            .map(|i| scope.spawn(move || text(&created(vault, &["-n", &format!("new{i}")])["tokenId"])))
            .collect();
        let revokers: Vec<_> =
            old.iter().map(|id| scope.spawn(move || token(vault, &["revoke", "--yes", id]).run())).collect();
        for revoker in revokers {
            let outcome = revoker.join().unwrap();
            assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
        }
        creators.into_iter().map(|creator| creator.join().unwrap()).collect()
    });
    vault.set_delay(Duration::ZERO);
    let expected: BTreeSet<String> = new.into_iter().chain([CI.to_owned()]).collect();
    assert_eq!(ids(vault), expected);
    let attempts = vault.requests().iter().filter(|request| request.body.contains("EVAL")).count();
    assert!(attempts > 2 * EACH, "{attempts} attempts of {} processes: there was no race", 2 * EACH);
}

#[test]
fn an_answer_that_gets_lost_changes_nothing_twice() {
    let (vault, _redis) = vault();
    vault.lose_answers(2, "EVAL");
    let new = credentials(&created(&vault, &["-n", "once"]));
    assert_eq!(service_tokens(&vault).matches("\"once\"").count(), 1);
    assert_eq!(launch(&vault, &new).stdout, "hello world\n");
    vault.lose_answers(1, "EVAL");
    let outcome = token(&vault, &["revoke", "--yes", &new.token_id, EPHEMERAL]).run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        outcome.stdout,
        format!(
            "Revoked: {} (once)\nRevoked: {EPHEMERAL} (Ephemeral (dump))\n2 tokens of project acme-api remain\n",
            new.token_id
        )
    );
    assert_eq!(ids(&vault), BTreeSet::from([CI.to_owned(), WEB.to_owned()]));
}

#[test]
fn where_every_answer_gets_lost_it_is_said_that_the_token_may_be_there() {
    let (vault, _redis) = vault();
    vault.lose_answers(usize::MAX, "EVAL");
    let outcome = create(&vault, &["-n", "lost", "--timeout", "1s"]).run();
    let added = ids(&vault).into_iter().find(|id| id != CI && id != WEB).unwrap();
    let warning = format!(
        "redenv-run: warning: it is not known whether token {added} was created; its key is lost, so that `redenv-run token revoke {added}` is due if `redenv-run token list` shows it\n"
    );
    assert!(outcome.stderr.starts_with(&warning), "{}", outcome.stderr);
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
}

#[test]
fn what_fails_after_a_lost_answer_says_that_the_change_may_have_been_made() {
    let (vault, _redis) = vault();
    vault.lose_answers(1, "EVAL");
    let launch = create(&vault, &["-n", "perhaps"]);
    let outcome = thread::scope(|both| {
        both.spawn(|| {
            vault.wait_for_requests(2);
            vault.respond_always(Some(Response::new(401)));
        });
        launch.run()
    });
    let added = ids(&vault).into_iter().find(|id| id != CI && id != WEB).unwrap();
    let warning = format!("redenv-run: warning: it is not known whether token {added} was created; ");
    assert!(outcome.stderr.starts_with(&warning), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("redenv-run: error: 127.0.0.1 does not accept the Upstash token\n"));
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
}

#[test]
fn a_key_that_cannot_be_printed_is_said_to_be_lost() {
    let (vault, _redis) = vault();
    let mut launcher = token(&vault, &["create", "-n", "x"]);
    launcher =
        launcher.file("password", fixtures::master_password()).env("REDENV_MASTER_PASSWORD_FILE", "password");
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = launcher.command().stdout(full).output().unwrap();
    let added = ids(&vault).into_iter().find(|id| id != CI && id != WEB).unwrap();
    let expected = format!(
        "redenv-run: error: token {added} was created, but its key could not be written to stdout: no space left on device\n\
         redenv-run: hint: redenv-run token revoke {added}, and create another\n"
    );
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(125), expected));
}

#[test]
fn the_list_is_a_table_the_newest_first_with_the_old_ones_marked() {
    let vault = Vault::builder().credentials(fixtures::credentials("ci")).start();
    let (young, old) = (ago(3), ago(91));
    let tokens = json!({
        "stk_oldOldOldOldOldO": { "name": "old", "description": "", "createdAt": old, "encryptedPEK": "5ea1ed.00" },
        "stk_newNewNewNewNewN": { "name": "生产", "description": "wide", "createdAt": young, "salt": "5a17" },
        "stk_bare": {},
        "stk_odd": ["name"],
        "stk_undated": { "name": "a\u{1b}[31m\nb", "description": 7, "createdAt": "yesterday" },
    });
    vault.hset(META, "serviceTokens", &tokens.to_string());
    let ephemeral = json!({ "name": "dev", "createdAt": 0, "expiresAt": ago(1), "description": "laptop" });
    vault.hset(META, "ephemeral:stk_eph", &ephemeral.to_string());
    let outcome = token(&vault, &["list"]).run();
    let age = |days: u64| format!("{days}d");
    let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86400;
    let expected = format!(
        "Name               Description                 Token ID              Created At        Age\n\
         生产               wide                        stk_newNewNewNewNewN  {}  {}\n\
         old                                            stk_oldOldOldOldOldO  {}  {} !\n\
         dev                ephemeral, expired: laptop  stk_eph               1970-01-01 00:00  {} !\n\
         -                                              stk_bare              -                 -\n\
         -                                              stk_odd               -                 -\n\
         a\\u{{1b}}[31m\\u{{a}}b  7                           stk_undated           yesterday         -\n",
        local(&young),
        age(3),
        local(&old),
        age(91),
        age(epoch),
    );
    assert_eq!(outcome.stdout, expected);
    assert_eq!(
        outcome.stderr,
        "redenv-run: warning: older than 90 days: stk_oldOldOldOldOldO and stk_eph; to rotate one, create another, deploy it, then revoke the old one\n"
    );
}

#[test]
fn the_list_keeps_to_the_width_of_a_terminal() {
    let vault = Vault::builder().credentials(fixtures::credentials("ci")).start();
    let young = ago(3);
    let tokens = json!({ CI: {
        "name": "GitHub Actions of the website",
        "description": "生产环境的部署令牌 for releases alone",
        "createdAt": young,
    } });
    vault.hset(META, "serviceTokens", &tokens.to_string());
    let shown = token(&vault, &["list"]).env("NO_COLOR", "1").on_terminal().finish();
    let expected = format!(
        "Name             Description         Token ID              Created At        Age\n\
         GitHub Actions   生产环境的部署令牌  {CI}  {}  3d\n\
         of the website   for releases alone\n",
        local(&young)
    );
    assert_eq!(shown.screen, expected);
}

#[test]
fn the_list_as_json_has_no_key_in_it() {
    let (vault, _redis) = vault();
    let outcome = token(&vault, &["list", "--format", "json"]).run();
    let tokens: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let listed: Vec<String> =
        tokens.as_array().unwrap().iter().map(|token| text(&token["tokenId"])).collect();
    assert_eq!(listed, [EPHEMERAL, WEB, CI]);
    let mut web = tokens[1].clone();
    assert!(web["ageDays"].take().is_u64());
    assert!(web["olderThan90Days"].take().is_boolean());
    assert_eq!(
        web,
        json!({
            "tokenId": WEB,
            "kind": "service",
            "name": "web production",
            "description": "created with newest CLI token create (createdBy)",
            "createdAt": "2026-11-23T23:30:18.942Z",
            "createdBy": "dev@acme.example",
            "ageDays": null,
            "olderThan90Days": null,
        })
    );
    assert_eq!(tokens[0]["kind"], "ephemeral");
    for secret in ["encryptedPEK", "salt", "b0e3492ee6a4924417c34d55", "61cacc7efa167112ef4641d9075cc52d"] {
        assert!(!outcome.stdout.contains(secret), "{secret}");
    }
}

#[test]
fn unknown_ids_are_named_and_the_rest_is_revoked() {
    let (vault, _redis) = vault();
    let outcome = token(&vault, &["revoke", "--yes", "stk_no", CI, EPHEMERAL, CI, "tok_abc123"]).run();
    assert_eq!(
        outcome.stdout,
        format!(
            "Revoked: {EPHEMERAL} (Ephemeral (dump))\nRevoked: {CI} (CI)\n1 token of project acme-api remains\n"
        )
    );
    assert_eq!(
        outcome.stderr,
        "redenv-run: error: project acme-api has no service token stk_no and tok_abc123\n\
         redenv-run: hint: `redenv-run token list` shows the ids\n"
    );
    assert_eq!(outcome.code(), Some(125));
    assert_eq!(ids(&vault), BTreeSet::from([WEB.to_owned()]));
    assert_eq!(vault.hget(META, &format!("ephemeral:{EPHEMERAL}")), None);
    assert_eq!(launch(&vault, &fixtures::credentials("ephemeral")).code(), Some(125));
    assert_eq!(launch(&vault, &fixtures::credentials("web")).code(), Some(0));
}

#[test]
fn a_fallback_file_is_of_no_use_once_its_token_is_revoked() {
    let (vault, _redis) = vault();
    let new = credentials(&created(&vault, &["-n", "x"]));
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("fallback");
    let start = || {
        let launcher = launcher(&vault).env("REDENV_TOKEN_ID", &new.token_id);
        let launcher = launcher.env("REDENV_TOKEN_KEY", &new.token_key).env("REDENV_FALLBACK", &file);
        launcher.program(["printenv", "PLAIN"]).run()
    };
    assert_eq!(start().stdout, "hello world\n");
    assert!(file.exists());
    assert_eq!(token(&vault, &["revoke", "--yes", &new.token_id]).run().code(), Some(0));
    let refused = start();
    assert_eq!((refused.code(), refused.stdout.as_str()), (Some(125), ""));
    assert!(!file.exists());
}

#[test]
fn what_is_not_confirmed_is_not_revoked() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    for answer in ["", "n", "no", "yesterday"] {
        let mut terminal = token(&vault, &["revoke", CI]).env("NO_COLOR", "1").on_terminal();
        terminal.expect("Revoke? [y/N] ").type_line(answer);
        let shown = terminal.finish();
        let expected = format!(
            "To be revoked in project acme-api:\n  {CI}  CI  created 2026-11-23 23:30\n\
             Programs that use them will fail at once, and it can't be undone. Revoke? [y/N] {answer}\n\
             redenv-run: error: nothing was revoked\n"
        );
        assert_eq!((shown.code, shown.screen), (125, expected));
    }
    assert_eq!(service_tokens(&vault), before);
}

#[test]
fn an_unknown_id_is_named_before_the_question() {
    let (vault, _redis) = vault();
    let mut terminal = token(&vault, &["revoke", CI, "stk_no", "tok_no"]).env("NO_COLOR", "1").on_terminal();
    terminal.expect("Revoke? [y/N] ").type_line("n");
    let shown = terminal.finish();
    let expected = format!(
        "Not in project acme-api: stk_no and tok_no\n\
         To be revoked in project acme-api:\n  {CI}  CI  created 2026-11-23 23:30\n\
         Programs that use them will fail at once, and it can't be undone. Revoke? [y/N] n\n\
         redenv-run: error: nothing was revoked\n"
    );
    assert_eq!((shown.code, shown.screen), (125, expected));
}

#[test]
fn a_key_given_for_an_id_is_not_repeated() {
    let vault = Vault::of(&Project::new("acme"));
    let outcome = token(&vault, &["revoke", "--yes", project::TOKEN_ID, project::TOKEN_KEY]).run();
    assert!(outcome.stderr.starts_with("redenv-run: error: an ID is a token key"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains(project::TOKEN_KEY));
    assert_eq!(vault.requests().len(), 0);
}

#[test]
fn data_that_is_malformed_is_named_and_left_alone() {
    let sealed = "redenv-run: error: the store's data is malformed: encryptedPEK: its sealed value is malformed: there is no dot\n";
    for (field, value, stderr) in [
        (
            "serviceTokens",
            "[]",
            "redenv-run: error: the store's data is malformed: serviceTokens is not a JSON object\n",
        ),
        ("salt", "xyz", "redenv-run: error: the store's data is malformed: salt is not 32 hex digits\n"),
        ("encryptedPEK", "nonsense", sealed),
        (
            "kdf",
            "scrypt",
            "redenv-run: error: the project's `kdf` is not pbkdf2, the only one this launcher accepts\n\
             redenv-run: hint: a newer version of redenv-run may know it; otherwise somebody tampered with the project\n",
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
fn what_token_takes_is_said_where_it_is_given_something_else() {
    let usage =
        "redenv-run: hint: redenv-run token create -n NAME | list | revoke ID...; --help tells more\n";
    for (arguments, stderr) in [
        (vec![], format!("redenv-run: error: what to do with the tokens is missing\n{usage}")),
        (vec!["foo"], format!("redenv-run: error: `redenv-run token` does not take foo\n{usage}")),
        (
            vec!["lst"],
            "redenv-run: error: `redenv-run token` does not take lst\nredenv-run: hint: did you mean list?\n"
                .into(),
        ),
        (
            vec!["create"],
            "redenv-run: error: --name <NAME> is missing\nredenv-run: hint: --help tells more\n".into(),
        ),
        (
            vec!["create", "-n", " "],
            "redenv-run: error: the token's name is empty\n\
             redenv-run: hint: name it after what uses it, such as prod-api-server\n"
                .into(),
        ),
    ] {
        assert_failed(&bare_launcher().arg("token").args(arguments).run(), &stderr);
    }
}
