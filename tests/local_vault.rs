//! The local vault as its users start it: its output is enough for every command of redenv-run, and it
//! overwrites nothing in a Redis unasked.

use std::env;
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::support::fixtures;
use crate::support::launch::bare_redenv_run;
use crate::support::redis_server::RedisServer;
use crate::support::vault::Vault;

/// A running local vault. It is killed when it is dropped.
struct Serving {
    process: Child,
    settings: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn local_vault(arguments: &[&str]) -> Command {
    let tests = env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/local-vault");
    assert!(program.exists(), "cargo build --example local-vault makes it, and so does cargo test");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Starts it and reads its lines. It writes them all at once, as soon as it listens.
fn serve(arguments: &[&str]) -> Serving {
    let mut process = local_vault(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut settings = vec![0; 4096];
    let length = process.stdout.as_mut().unwrap().read(&mut settings).unwrap();
    settings.truncate(length);
    Serving { process, settings: String::from_utf8(settings).unwrap() }
}

fn refused(arguments: &[&str]) -> Output {
    // A vault that starts would run forever.
    let mut command = assert_cmd::Command::from_std(local_vault(arguments));
    let output = command.timeout(Duration::from_secs(30)).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &[][..]));
    output
}

/// `$0` is redenv-run.
const LIFE_OF_A_TOKEN: &str = r#"
set -e
eval "$(cat settings)"
. ./settings
sed -n 's/^# master password: //p' settings >password
export REDENV_MASTER_PASSWORD_FILE=password
"$0" token create -n mine --format env >mine.env
. ./mine.env
"$0" -- printenv "$NAME"
"$0" token list --format json | grep -c '"name": *"mine"'
"$0" token revoke --yes "$REDENV_TOKEN_ID" | grep -c '^Revoked: stk_.* (mine)$'
"$0" -- true || echo "exit status $?"
"#;

#[test]
fn a_token_is_made_used_and_revoked_with_what_it_prints() {
    for (arguments, name, value) in [
        (&["--example"][..], "DB_USER", "shop"),
        (&["--secrets", "3"], "SECRET_00001", "value 1 of secret 1, of a usual length"),
    ] {
        let vault = serve(arguments);
        let launch = bare_redenv_run().file("settings", &vault.settings).env("NAME", name);
        let outcome = launch.through(["sh", "-c", LIFE_OF_A_TOKEN]).run();
        let expected = format!("{value}\n1\n1\nexit status 125\n");
        assert_eq!((outcome.code(), outcome.stdout), (Some(0), expected), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("it was revoked"), "{}", outcome.stderr);
        let (lines, comment) = vault.settings.trim_end().rsplit_once('\n').unwrap();
        assert!(comment.starts_with("# master password: "), "{comment}");
        assert!(lines.lines().all(|line| line.starts_with("export ")), "{lines}");
    }
}

#[test]
fn a_redis_that_holds_the_project_keeps_it_unless_it_is_to_be_overwritten() {
    let redis = RedisServer::start();
    let url = redis.url();
    drop(serve(&["--example", "--redis", &url]));
    let behind = Vault::builder().redis(&url).start();
    behind.hset("meta@shop", "serviceTokens", r#"{"stk_theirs":{}}"#);
    behind.hset("production:shop", "THEIRS", "[]");
    behind.hset("production:other", "THEIRS", "[]");
    behind.hdel("development:shop", "GREETING");
    let tokens = || behind.hget("meta@shop", "serviceTokens").unwrap();

    let output = refused(&["--example", "--redis", &url]);
    let message = "\
        local-vault: error: the Redis already holds development:shop, meta@shop, production:shop\n\
        local-vault: hint: --overwrite replaces them; --redis alone serves them as they are\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), message);
    assert_eq!(tokens(), r#"{"stk_theirs":{}}"#);
    assert_eq!(behind.hget("development:shop", "GREETING"), None);

    drop(serve(&["--redis", &url]));
    assert_eq!(tokens(), r#"{"stk_theirs":{}}"#);

    drop(serve(&["--example", "--overwrite", "--redis", &url]));
    assert!(tokens().starts_with(r#"{"stk_a1B2c3D4e5F6g7H8":"#));
    assert!(behind.hget("development:shop", "GREETING").is_some());
    assert_eq!(behind.hget("production:shop", "THEIRS"), None, "replaced, not mixed");
    assert!(behind.hget("production:other", "THEIRS").is_some());
}

#[test]
fn a_dump_and_a_made_project_are_refused_alike() {
    let redis = RedisServer::start();
    let url = redis.url();
    let behind = Vault::builder().redis(&url).start();
    behind.hset("development:synthetic", "A", "[]");
    behind.hset("meta@acme-api", "kdf", "pbkdf2");
    let dump = fixtures::dump();
    for (arguments, held) in
        [(["--secrets", "1"], "development:synthetic"), (["--dump", dump.to_str().unwrap()], "meta@acme-api")]
    {
        let output = refused(&[&arguments[..], &["--redis", &url]].concat());
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(&format!(" already holds {held}\n")), "{message}");
    }
    assert_eq!(behind.hget("meta@synthetic", "kdf"), None, "none of it was written");
}
