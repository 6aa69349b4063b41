//! Every command of the README runs as it is pasted, or stands in a table with the reason why not here.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::example;
use crate::support::launch::script;
use crate::support::project::{MASTER_PASSWORD, Project};
use crate::support::vault::Vault;

const README: &str = include_str!("../README.md");

/// Commands that no test here runs, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("npm install -D redenv-run", "installs from npm; scripts/test --packages installs the package"),
    ("pip install redenv-run", "installs from PyPI; scripts/test --packages installs the wheel"),
    ("cargo install redenv-run --locked", "installs from crates.io"),
    ("cargo install --path . --locked", "builds for minutes; CI builds with --locked"),
    ("cargo binstall redenv-run", "installs from a release"),
    ("npx redenv-run -- node server.js", "needs the npm package; scripts/test --packages runs it"),
    ("uvx redenv-run -- python app.py", "needs the wheel; scripts/test --packages runs it"),
    ("git clone https://github.com/<owner>/redenv-run", "a checkout is here already"),
    ("nodemon --exec", "the recipe is in docs/guide.md"),
    ("npm start", "tests/env_file.rs: a nested launch warns"),
];

/// Commands in running text that a test runs.
const RUN_IN_TEXT: &[&str] = &["redenv-run -- node server.js"];

/// The lines of a section's blocks in `language`.
fn block(section: &str, language: &str, number: usize) -> String {
    let section = README.split(&format!("\n## {section}\n")).nth(1).unwrap_or_else(|| panic!("{section}"));
    let section = section.split("\n## ").next().unwrap();
    let block = section.split(&format!("```{language}\n")).nth(number + 1).unwrap();
    block.split("```").next().unwrap().to_owned()
}

/// A checkout without its sources' weight, and the shell of someone who follows the README in it.
struct Reader {
    home: TempDir,
}

impl Reader {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let checkout = home.path().join("redenv-run");
        fs::create_dir_all(checkout.join(".git")).unwrap();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::os::unix::fs::symlink(sources.join("scripts"), checkout.join("scripts")).unwrap();
        fs::create_dir_all(checkout.join("examples/node")).unwrap();
        for name in ["package.json", "greet.js", "migrate.js", ".env.example"] {
            let file = Path::new("examples/node").join(name);
            fs::copy(sources.join(&file), checkout.join(&file)).unwrap();
        }
        Self { home }
    }

    fn checkout(&self) -> PathBuf {
        self.home.path().join("redenv-run")
    }

    fn file(&self, name: &str, content: &str) {
        fs::write(self.checkout().join(name), content).unwrap();
    }

    /// A shell with the built binary first in `PATH`, and with what cargo and npm need.
    fn shell(&self, lines: &str) -> Command {
        let built = Path::new(env!("CARGO_BIN_EXE_redenv-run")).parent().unwrap().to_owned();
        let path = env::var_os("PATH").unwrap();
        let path = env::join_paths([built].into_iter().chain(env::split_paths(&path))).unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("set -e\nshopt -s expand_aliases\n{lines}")]);
        shell.current_dir(self.checkout()).env_clear().env("PATH", path).stdin(Stdio::null());
        for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR"] {
            if let Some(value) = env::var_os(name) {
                shell.env(name, value);
            }
        }
        shell
    }

    #[track_caller]
    fn paste(&self, lines: &str) -> String {
        succeeded(&self.shell(lines).output().unwrap())
    }
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    stdout
}

/// A vault in a terminal of its own.
struct Terminal(Child);

impl Drop for Terminal {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn the_path_without_an_account_ends_with_a_secret_in_npm_start() {
    let section = "Start here, without an account";
    let first = block(section, "sh", 0);
    let second = block(section, "sh", 1);
    // 8079 may be taken on this machine.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    assert!(first.contains("--port 8079 ") && second.contains("http://127.0.0.1:8079 "));

    let reader = Reader::new();
    let [clone, enter, install, vault] = first.lines().collect::<Vec<_>>()[..] else { panic!("{first}") };
    assert_eq!((clone, enter), ("git clone https://github.com/<owner>/redenv-run", "cd redenv-run"));
    // The built binary is first in PATH.
    assert_eq!(install, "cargo install --path . --locked");
    let vault = format!("exec {}", vault.replace("8079", &port));
    let output = fs::File::create(reader.home.path().join("vault")).unwrap();
    let _first_terminal = Terminal(reader.shell(&vault).stdout(output).spawn().unwrap());
    let ready = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        fs::read_to_string(reader.home.path().join("vault")).unwrap().contains("REDENV_TOKEN_ID")
    });
    assert!(ready, "the vault did not start in a minute");

    let printed = reader.paste(&second.replace("8079", &port));
    assert!(printed.ends_with("\nGood morning, 世界\ntoken key: not here\n"), "{printed}");
}

#[test]
fn the_path_with_a_project_of_ones_own_starts_npm_and_node() {
    let section = "Start here, with your project";
    let project = Project::new("shop").secret("development", "GREETING", "grüße").secret(
        "production",
        "GREETING",
        "Grüße aus der Produktion",
    );
    let vault = Vault::builder().project(&project).read_only_token("read-only").start();
    let reader = Reader::new();
    reader.file("package.json", r#"{"scripts": {"start": "node -p process.env.GREETING"}}"#);
    reader.file("server.js", "console.log(process.env.GREETING, process.env.REDENV_TOKEN_KEY)");
    reader.file("password", MASTER_PASSWORD);

    let create = block(section, "sh", 0);
    assert!(create.contains("https://....upstash.io UPSTASH_REDIS_TOKEN=...\n"));
    let create = create
        .replace("https://....upstash.io", &vault.url())
        .replace("UPSTASH_REDIS_TOKEN=...\n", &format!("UPSTASH_REDIS_TOKEN={}\n", vault.token()));
    // The password is typed on a terminal; tests/token/password.rs does that.
    reader.paste(&format!("export REDENV_MASTER_PASSWORD_FILE=password\n{create}"));

    let settings = fs::read_to_string(reader.checkout().join(".env.local")).unwrap();
    let (rest, last) = settings.trim_end().rsplit_once('\n').unwrap();
    assert!(last.starts_with('#') && last.contains("UPSTASH_REDIS_TOKEN="), "{settings}");
    reader.file(".env.local", &format!("{rest}\nUPSTASH_REDIS_TOKEN=read-only\n"));

    let printed = reader.paste(&block(section, "sh", 1));
    assert!(printed.contains("\ngrüße\n"), "{printed}");
    let last = printed.lines().last().unwrap();
    assert!(last.starts_with("Grüße aus der Produktion ") && !last.contains("redenv_sk_"), "{printed}");
}

#[test]
fn the_commands_for_your_machine_run_with_the_secrets() {
    let vault =
        Vault::of(&Project::new("shop").secret("staging", "DATABASE_URL", "postgres://grüße").secret(
            "staging",
            "DB_PASSWORD",
            "geheim",
        ));
    let credentials = vault.credentials().unwrap();
    let reader = Reader::new();
    reader.file(
        ".env.local",
        &format!(
            "REDENV_TOKEN_ID={}\nREDENV_TOKEN_KEY={}\nUPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN={}\n",
            credentials.token_id,
            credentials.token_key,
            vault.url(),
            vault.token()
        ),
    );
    reader.file("redenv.config.ts", "export default { name: 'shop', environment: 'staging' };\n");
    reader.file(".env.example", "DATABASE_URL=postgres://localhost/shop\n");
    reader.file("Cargo.toml", "[package]\nname = 'shop'\nedition = '2024'\n[lib]\npath = 'shop.rs'\n");
    reader.file(
        "shop.rs",
        r#"#[test] fn is_given() { assert_eq!(std::env::var("DB_PASSWORD").as_deref(), Ok("geheim")) }"#,
    );
    let scripts = r#"{"scripts": {
        "start": "node -p process.env.DB_PASSWORD",
        "migrate": "node -p \"process.env.DB_PASSWORD + process.env.DATABASE_URL\""
    }}"#;
    reader.file("package.json", scripts);

    let lines = block("Your machine", "sh", 0);
    let mut shell = reader.shell(&format!("{lines}rr npm start\n"));
    // The package of this test is built beside it.
    shell.env_remove("CARGO_TARGET_DIR");
    let printed = succeeded(&shell.output().unwrap());
    for expected in ["test is_given ... ok\n", "\ngeheimundefined\n", "\npostgres://grüße\n"] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    assert_eq!(printed.matches("\ngeheim\n").count(), 2, "{printed}");
}

#[test]
fn the_dockerfile_starts_its_command_with_the_secrets() {
    let dockerfile = block("Docker", "dockerfile", 0);
    let value = |name: &str| {
        dockerfile.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap().to_owned()
    };
    let array = |name: &str| -> Vec<String> { serde_json::from_str(&value(name)).unwrap() };
    let command = [array("ENTRYPOINT"), array("CMD")].concat();
    assert_eq!(command, ["redenv-run", "--", "node", "server.js"]);

    let project = Project::new("shop").secret("production", "GREETING", "grüße");
    let vault = Vault::builder().project(&project).read_only_token("read-only").start();
    let reader = Reader::new();
    reader.file("server.js", "console.log(process.env.GREETING)");
    reader.file("password", MASTER_PASSWORD);
    let lines = block("Docker", "sh", 0);
    // There is no Docker here: tests/docker.rs and scripts/test --packages try the rest.
    let [ignore, create, chmod, "docker build -t shop .", "docker run --env-file token.env shop"] =
        lines.lines().collect::<Vec<_>>()[..]
    else {
        panic!("{lines}");
    };
    reader.paste(&format!(
        "export UPSTASH_REDIS_URL={} UPSTASH_REDIS_TOKEN={} REDENV_MASTER_PASSWORD_FILE=password\n{ignore}\n{create}\n{chmod}",
        vault.url(),
        vault.token(),
    ));
    let ignored = fs::read_to_string(reader.checkout().join(".dockerignore")).unwrap();
    assert!(
        ignored.lines().any(|line| line == "**/token.env") && ignored.lines().any(|line| line == "**/.env*")
    );
    let settings = fs::read_to_string(reader.checkout().join("token.env")).unwrap();
    let settings = settings.replace("# UPSTASH_REDIS_TOKEN=", "UPSTASH_REDIS_TOKEN=read-only");
    // As Docker reads the file: a variable per line, values as they are.
    let settings = settings.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let variables = settings.collect::<Vec<_>>().join(" ");
    let printed = reader.paste(&format!("export {} {variables}\nexec {}", value("ENV"), command.join(" ")));
    assert_eq!(printed, "grüße\n");
}

#[test]
fn the_step_of_github_actions_runs_the_tests_with_the_secrets() {
    let workflow = block("GitHub Actions", "yaml", 0);
    let steps: Vec<&str> = workflow.lines().filter_map(|line| line.strip_prefix("- run: ")).collect();
    assert_eq!(steps, ["redenv-run -- npm test"]);
    let vault = Vault::of(&Project::new("shop").secret("ci", "GREETING", "grüße"));
    let credentials = vault.credentials().unwrap();
    let names: Vec<&str> = workflow
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(": "))
        .map(|pair| pair.0)
        .collect();
    let values = |name: &str| match name {
        "REDENV_PROJECT" => "shop".to_owned(),
        "REDENV_ENVIRONMENT" => "ci".to_owned(),
        "REDENV_TOKEN_ID" => credentials.token_id.clone(),
        "REDENV_TOKEN_KEY" => credentials.token_key.clone(),
        "REDENV_TOKEN_SALT" => String::new(),
        "UPSTASH_REDIS_URL" => vault.url(),
        "UPSTASH_REDIS_TOKEN" => vault.token().to_owned(),
        other => panic!("{other}"),
    };
    assert_eq!(names.len(), 7, "{workflow}");
    let reader = Reader::new();
    reader.file("package.json", r#"{"scripts": {"test": "node -p process.env.GREETING"}}"#);
    let mut shell = reader.shell(steps[0]);
    shell.envs(names.iter().map(|name| (name, values(name))));
    let printed = succeeded(&shell.output().unwrap());
    assert!(printed.ends_with("\ngrüße\n"), "{printed}");
}

#[test]
fn the_transcript_and_the_pictures_show_what_the_binary_prints() {
    let vault = Vault::of(&example::project());
    let output = script("transcript", &vault).arg("--check").output().unwrap();
    assert_eq!(succeeded(&output), "");
}

#[test]
fn every_command_is_run_or_has_a_reason() {
    // Sections whose blocks the tests above run whole.
    let run = [
        "Start here, without an account",
        "Start here, with your project",
        "Docker",
        "Your machine",
        "GitHub Actions",
    ];
    let mut commands = BTreeSet::new();
    for section in README.split("\n## ").skip(1) {
        let (heading, text) = section.split_once('\n').unwrap();
        for (number, part) in text.split("```").enumerate() {
            let in_block = number % 2 == 1;
            if in_block && !run.contains(&heading) {
                let (language, lines) = part.split_once('\n').unwrap();
                assert_eq!(language, "sh", "{heading}: a block that no test runs");
                commands.extend(lines.lines().map(|line| line.split(" #").next().unwrap().trim()));
                commands.extend(
                    lines
                        .lines()
                        .filter_map(|line| line.split_once("# ")?.1.split_once(": "))
                        .map(|pair| pair.1.split(" (").next().unwrap()),
                );
            }
            if !in_block {
                let spans = part.split('`').skip(1).step_by(2);
                commands.extend(spans.filter(|span| {
                    let program = span.split(' ').next().unwrap();
                    span.contains(' ')
                        && ["redenv-run", "npx", "uvx", "npm", "pip", "docker", "cargo", "nodemon"]
                            .contains(&program)
                }));
            }
        }
    }
    let known: BTreeSet<&str> =
        NOT_RUN.iter().map(|entry| entry.0).chain(RUN_IN_TEXT.iter().copied()).collect();
    let unknown: Vec<_> = commands.iter().filter(|command| !known.contains(*command)).collect();
    assert!(unknown.is_empty(), "neither run nor in NOT_RUN: {unknown:#?}");
    assert!(README.lines().count() <= 180, "README.md has more than 180 lines");
}
