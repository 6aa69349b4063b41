//! Service tokens are created, listed and revoked like the official clients do it, and no change is lost.

mod change;
mod create;
mod list;
mod password;
mod revoke;
mod settings;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::fixtures;
use crate::support::launch::{Launch, Outcome, redenv_run};
use crate::support::project::Credentials;
use crate::support::redis_server::RedisServer;
use crate::support::vault::{Builder, Vault};

const META: &str = "meta@acme-api";
const CI: &str = "stk_ZKqhDH5sy2yjU7i7";
const WEB: &str = "stk_kQuCkPK6bAXdb2cN";
const EPHEMERAL: &str = "stk_eph_dump_dev@acme.example";

/// The data of the official clients in a real Redis, which runs the compare-and-set script.
fn vault() -> (Vault, RedisServer) {
    vault_with(Vault::builder())
}

fn vault_with(builder: Builder) -> (Vault, RedisServer) {
    let redis = RedisServer::start();
    let builder = builder.dump(fixtures::dump()).read_only_token("read-only");
    (builder.credentials(fixtures::credentials("ci")).redis(&redis.url()).start(), redis)
}

/// `redenv-run token ...`, which needs no service token.
fn token(vault: &Vault, arguments: &[&str]) -> Launch {
    let launch = redenv_run(vault).env_remove("REDENV_TOKEN_ID").env_remove("REDENV_TOKEN_KEY");
    launch.env("TZ", "UTC0").arg("token").args(arguments)
}

fn create(vault: &Vault, arguments: &[&str]) -> Launch {
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
    redenv_run(vault)
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
    format!("{:.3}", jiff::Timestamp::try_from(at).unwrap())
}

/// The time as `token list` shows it in UTC.
fn local(time: &str) -> String {
    time[..16].replace('T', " ")
}

#[test]
fn the_steps_of_redenvs_guide_work_on_a_terminal() {
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
             redenv-run: \x1b[1;33mwarning:\x1b[0m the key is shown only once: save it now, in the program's settings or a password manager\n"
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
        "redenv-run: error: project acme-api has no service token {id}: it was revoked, or it belongs to another project\n\
         redenv-run: hint: check REDENV_TOKEN_ID, or create a new token with `redenv-run token create`\n"
    );
    assert_failed(&launch(&vault, &new), &refused);
    assert!(!token(&vault, &["list"]).run().stdout.contains(&id));
}
