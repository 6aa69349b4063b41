//! Programs that load `.env.local` themselves don't put redenv-run's token back.

use std::path::{Path, PathBuf};

use crate::support::launch::{Launch, bare_redenv_run};
use crate::support::project::{Project, TOKEN_ID, TOKEN_KEY};
use crate::support::vault::Vault;

/// What each loader runs after it has loaded the file: `env` are the variables that it hands to the program.
const PRINT: &str = "
const names = ['GREETING', 'FROM_FILE', 'REDENV_TOKEN_ID', 'REDENV_TOKEN_KEY', 'UPSTASH_REDIS_URL', 'UPSTASH_REDIS_TOKEN'];
console.log(names.map((name) => `${name}=${env[name]}`).join(' '));
if (process.env.NESTED) {
    const words = ['-e', 'staging', '--', 'printenv', 'GREETING'];
    require('child_process').spawnSync(process.env.NESTED, words, { env, stdio: 'inherit' });
}";

/// A program that loads `.env.local`, and what it does before [`PRINT`].
const LOADERS: [(&str, &[&str], &str); 5] = [
    ("bun", &["@oven/bun/bin/bun", "-e"], "const env = process.env;"),
    (
        "Next.js",
        &["node", "-e"],
        "require('@next/env').loadEnvConfig('.', true, { info() {}, error() {} });
         const env = process.env;",
    ),
    (
        "Vite",
        &["node", "--no-warnings", "--experimental-require-module", "-e"],
        "const env = { PATH: process.env.PATH, ...require('vite').loadEnv('development', '.', '') };",
    ),
    (
        "dotenv",
        &["node", "-e"],
        "require('dotenv').config({ path: '.env.local', quiet: true }); const env = process.env;",
    ),
    ("Node.js", &["node", "--env-file=.env.local", "-e"], "const env = process.env;"),
];

/// The npm packages that `scripts/test` installs. Panics when they are missing.
fn packages() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let packages = target.join("env-loaders/node_modules");
    assert!(packages.exists(), "{} is missing: scripts/test installs it", packages.display());
    packages
}

/// redenv-run's settings and a variable of the program's own, in `.env.local`.
fn with_env_file(vault: &Vault) -> Launch {
    let settings = format!(
        "REDENV_PROJECT=acme\nREDENV_TOKEN_ID={TOKEN_ID}\nREDENV_TOKEN_KEY={TOKEN_KEY}\n\
         UPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN={}\nREDENV_TIMEOUT=60s\nFROM_FILE=1\n",
        vault.url(),
        vault.token()
    );
    bare_redenv_run().file(".env.local", settings).env("NODE_PATH", packages())
}

/// The loader's command line. Bun's own package is named after the platform.
fn program(words: &[&str], script: &str) -> Vec<String> {
    let bun = |word: &str| {
        let (system, machine) = (std::env::consts::OS.replace("macos", "darwin"), std::env::consts::ARCH);
        let name = format!("@oven/bun-{system}-{}", machine.replace("x86_64", "x64"));
        packages().join(word.replace("@oven/bun", &name)).display().to_string()
    };
    let mut words: Vec<String> =
        words.iter().map(|word| if word.starts_with('@') { bun(word) } else { (*word).to_owned() }).collect();
    words.push(format!("{script}{PRINT}"));
    words
}

#[test]
fn no_loader_hands_the_program_the_token_of_env_local() {
    let project = Project::new("acme")
        .secret("development", "GREETING", "hello")
        .secret("staging", "GREETING", "nested");
    let vault = Vault::of(&project);
    let the_token = format!(
        "REDENV_TOKEN_ID={TOKEN_ID} REDENV_TOKEN_KEY={TOKEN_KEY} UPSTASH_REDIS_URL={} UPSTASH_REDIS_TOKEN={}\n",
        vault.url(),
        vault.token()
    );
    let nothing = "REDENV_TOKEN_ID= REDENV_TOKEN_KEY= UPSTASH_REDIS_URL= UPSTASH_REDIS_TOKEN=\n";
    for (loader, words, script) in LOADERS {
        let words = program(words, script);
        let run = |launch: Launch| {
            let outcome = launch.program(&words).run();
            assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""), "{loader}");
            outcome.stdout
        };
        // By itself, the loader takes the token from the file. It ignores the path of redenv-run in its arguments.
        let alone = with_env_file(&vault).env("GREETING", "mine").through(&words).run();
        assert_eq!(
            alone.stdout,
            format!("GREETING=mine FROM_FILE=1 {the_token}"),
            "{loader}: {}",
            alone.stderr
        );

        assert_eq!(run(with_env_file(&vault)), format!("GREETING=hello FROM_FILE=1 {nothing}"), "{loader}");
        let nested = with_env_file(&vault).env("NESTED", env!("CARGO_BIN_EXE_redenv-run"));
        assert_eq!(run(nested), format!("GREETING=hello FROM_FILE=1 {nothing}nested\n"), "{loader}");
        let kept = with_env_file(&vault).arg("--keep-token");
        assert_eq!(run(kept), format!("GREETING=hello FROM_FILE=1 {the_token}"), "{loader}");
    }
}
