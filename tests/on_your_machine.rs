//! The README's lines for a developer's machine work as they are: the env file, `cargo test`, and `npm start`
//! through an alias.

use std::env;
use std::path::Path;

use crate::support::launcher::bare_launcher;
use crate::support::project::Project;
use crate::support::vault::Vault;

/// The lines of the README's section, with this vault's settings in place of the dots.
fn lines(vault: &Vault) -> String {
    let credentials = vault.credentials().unwrap();
    let section = include_str!("../README.md").split("\n### On your machine\n").nth(1).unwrap();
    let lines = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let settings = [
        ("REDENV_TOKEN_ID=stk_...", format!("REDENV_TOKEN_ID={}", credentials.token_id)),
        ("REDENV_TOKEN_KEY=redenv_sk_...", format!("REDENV_TOKEN_KEY={}", credentials.token_key)),
        ("UPSTASH_REDIS_URL=https://....upstash.io", format!("UPSTASH_REDIS_URL={}", vault.url())),
        ("UPSTASH_REDIS_TOKEN=...", format!("UPSTASH_REDIS_TOKEN={}", vault.token())),
    ];
    settings.iter().fold(lines.to_owned(), |lines, (shown, real)| {
        assert_eq!(lines.matches(&format!("\n{shown}\n")).count(), 1, "{shown}");
        lines.replace(shown, real)
    })
}

#[test]
fn the_lines_of_the_readme_run_cargo_and_npm_with_the_secrets() {
    let vault = Vault::of(&Project::new("shop").secret("staging", "GREETING", "grüße"));
    let script = format!("set -e\nshopt -s expand_aliases\n{}rr npm --silent start\n", lines(&vault));
    assert!(script.contains("\nredenv-run -- cargo test ") && script.contains("# rr npm start\n"));
    let launcher = Path::new(env!("CARGO_BIN_EXE_redenv-run")).parent().unwrap();
    let path = env::join_paths(
        [launcher.to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let test = r#"#[test] fn is_given() { assert_eq!(std::env::var("GREETING").as_deref(), Ok("grüße")) }"#;
    let start = r#"{"scripts": {"start": "node -p process.env.GREETING+process.env.REDENV_TOKEN_KEY"}}"#;
    let mut shell = bare_launcher()
        .file("redenv.config.ts", "export default { name: 'shop', environment: 'staging' };\n")
        .file("Cargo.toml", "[package]\nname = 'shop'\nedition = '2024'\n[lib]\npath = 'shop.rs'\n")
        .file("shop.rs", test)
        .file("package.json", start)
        .env("PATH", path.unwrap());
    // cargo and rustup keep their files there.
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME"] {
        if let Some(place) = env::var_os(name) {
            shell = shell.env(name, place);
        }
    }
    let outcome = shell.through(["bash", "-c", &script]).run();
    assert_eq!(outcome.code(), Some(0), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("test is_given ... ok\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.ends_with("\ngrüße\n"), "{}", outcome.stdout);
}
