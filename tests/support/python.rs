//! The official Python clients, in the virtual environment that `scripts/test` makes.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::vault::Vault;

/// Runs `script` with the settings of `vault` in its environment and returns its stdout. Panics with
/// its stderr when it fails.
pub fn python(vault: &Vault, script: &str) -> String {
    let output = command(vault, script).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the Python script failed:\n{stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The official SDK, with a client for an environment of the project.
const SDK: &str = r#"
import asyncio, json, os, sys
from redenv import Redenv

def client(environment="development"):
    return Redenv({
        "project": os.environ["REDENV_PROJECT"],
        "environment": environment,
        "token_id": os.environ["REDENV_TOKEN_ID"],
        "token": os.environ["REDENV_TOKEN_KEY"],
        "upstash": {"url": os.environ["UPSTASH_REDIS_URL"], "token": os.environ["UPSTASH_REDIS_TOKEN"]},
    })
"#;

/// Runs `script` as [`python`] does, with the official SDK's `client()`.
pub fn sdk(vault: &Vault, script: &str) -> String {
    python(vault, &format!("{SDK}\n{script}"))
}

fn command(vault: &Vault, script: &str) -> Command {
    let mut command = Command::new(interpreter());
    command.env_clear().env("UPSTASH_REDIS_URL", vault.url());
    command.env("UPSTASH_REDIS_TOKEN", vault.token());
    if let Some(credentials) = vault.credentials() {
        command.env("REDENV_PROJECT", &credentials.project);
        command.env("REDENV_TOKEN_ID", &credentials.token_id);
        command.env("REDENV_TOKEN_KEY", &credentials.token_key);
    }
    command.args(["-I", "-X", "utf8", "-c", script]);
    command
}

/// The interpreter of `target/python`. Panics when it is missing.
pub fn interpreter() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("python/bin/python");
    assert!(python.exists(), "{} is missing: scripts/test makes this virtual environment", python.display());
    python
}
