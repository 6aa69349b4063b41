//! The README shows what the launcher prints: its transcript is run again.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::support::example;
use crate::support::vault::Vault;

#[test]
fn the_transcript_in_the_readme_is_what_the_launcher_prints() {
    let vault = Vault::of(&example::project());
    let credentials = vault.credentials().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut script = Command::new(root.join("scripts/transcript"));
    script.arg("--check").env_clear().env("PATH", env::var_os("PATH").unwrap());
    script.env("LAUNCHER", env!("CARGO_BIN_EXE_redenv-run"));
    script.env("UPSTASH_REDIS_URL", vault.url()).env("UPSTASH_REDIS_TOKEN", vault.token());
    script.env("REDENV_PROJECT", &credentials.project).env("REDENV_TOKEN_ID", &credentials.token_id);
    script.env("REDENV_TOKEN_KEY", &credentials.token_key).env("REDENV_TOKEN_SALT", &credentials.salt);
    let output = script.output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", ""));
}
