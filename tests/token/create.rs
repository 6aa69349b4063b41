//! `token create`: the entry in Upstash and the output.

use std::process::Command;

use serde_json::Value;

use super::{META, create, created, credentials, ids, launch, service_tokens, text, token, vault};
use crate::support::fixtures;
use crate::support::launch::{bare_redenv_run, redenv_run};
use crate::support::project;
use crate::support::project::Project;
use crate::support::python::python;
use crate::support::redis_server::RedisServer;
use crate::support::vault::Vault;

#[test]
fn the_text_format_is_three_lines() {
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
fn a_new_entry_has_the_official_form_and_the_others_stay_byte_for_byte() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let output = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let user = output("id", "-un");
    // macOS doesn't list its users in /etc/passwd.
    let outcome = create(&vault, &["-n", "Grüße \"1\"", "-d", "für ✓", "--format", "json"])
        .env("USER", "another")
        .run();
    let token: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let after = service_tokens(&vault);
    let added = after.strip_prefix(before.strip_suffix('}').unwrap()).unwrap();
    let entry: Value = serde_json::from_str(&after).unwrap();
    let entry = &entry[text(&token["tokenId"])];
    // Put together again from its parts: this compares fields, order and form.
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
    let encrypted = text(&entry["encryptedPEK"]);
    let (iv, rest) = encrypted.split_once('.').unwrap();
    assert!(hex(iv, 24) && hex(rest, 2 * (64 + 16)) && hex(&text(&entry["salt"]), 32), "{entry}");
    let created_at = text(&entry["createdAt"]);
    assert_eq!(format!("{:.3}", created_at.parse::<jiff::Timestamp>().unwrap()), created_at);
    assert_eq!(text(&entry["createdBy"]), format!("{user}@{}", output("uname", "-n")));
}

#[test]
fn entries_of_other_tools_stay_byte_for_byte() {
    let (vault, _redis) = vault();
    let odd = "{\n \"tok_old\" : {\"x\":1.50, \"\\u006eame\":\"a\\/b\", \"name\":\"twice\"},\t\"n\":null , \"stk_gone\":{} }\n";
    vault.hset(META, "serviceTokens", odd);
    let entries = "{\"tok_old\":{\"x\":1.50, \"\\u006eame\":\"a\\/b\", \"name\":\"twice\"},\"n\":null";
    let id = text(&created(&vault, &["-n", "new"])["tokenId"]);
    let with = service_tokens(&vault);
    assert!(with.starts_with(&format!("{entries},\"stk_gone\":{{}},\"{id}\":{{")), "{with}");
    let outcome = token(&vault, &["revoke", "--yes", &id, "stk_gone"]).run();
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(service_tokens(&vault), format!("{entries}}}"));
    assert_eq!(vault.hget(META, "historyLimit").as_deref(), Some("10"));
}

#[test]
fn a_project_without_tokens_gets_its_first_one() {
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
    let launched = redenv_run(&vault)
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
fn the_official_sdk_reads_and_writes_with_a_new_token() {
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
fn the_env_format_is_a_complete_env_file_but_for_the_read_only_token() {
    let (vault, _redis) = vault();
    let outcome = create(&vault, &["-n", "env", "--format", "env"]).run();
    assert_eq!(outcome.stderr, "");
    let settings: Vec<(&str, &str)> =
        outcome.stdout.lines().filter_map(|line| line.split_once('=')).collect();
    let names: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
    let expected = [
        "REDENV_PROJECT",
        "REDENV_TOKEN_ID",
        "REDENV_TOKEN_KEY",
        "REDENV_TOKEN_SALT",
        "UPSTASH_REDIS_URL",
        "# UPSTASH_REDIS_TOKEN",
    ];
    assert_eq!(names, expected);
    assert!(service_tokens(&vault).contains(&format!("\"salt\":\"{}\"", settings[3].1)));
    assert_eq!(settings[4].1, vault.url());
    assert!(!outcome.stdout.contains(vault.token()), "the token that can write is left out");
    assert!(outcome.stdout.starts_with('\n'), "a file whose last line has no end can be continued");

    // In a new shell, the file lacks one setting. With that line filled in, or added, it is enough.
    let launch = |file: &str| bare_redenv_run().file(".env.local", file).program(["printenv", "PLAIN"]).run();
    launch(&outcome.stdout).assert_failed(
        125,
        &[
            "error: UPSTASH_REDIS_TOKEN is missing in .env.local",
            "hint: add this line to .env.local, from the database's page: UPSTASH_REDIS_TOKEN=<the read-only token>",
        ],
    );
    let file = outcome.stdout.replace("# UPSTASH_REDIS_TOKEN=", "UPSTASH_REDIS_TOKEN=read-only");
    launch(&file).assert_ran("hello world\n");
    let file = format!("{}UPSTASH_REDIS_TOKEN=read-only\n", outcome.stdout);
    launch(&file).assert_ran("hello world\n");
}

#[test]
fn a_launch_and_a_shell_read_the_env_format_alike() {
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
        let launch = bare_redenv_run().file("token.env", &outcome.stdout);
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
fn the_json_format_has_every_field() {
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
fn the_master_password_can_come_from_a_file() {
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
