//! The packages of a release, installed by the package managers that they are for, start a command with its
//! secrets. Slow: `scripts/test --packages` runs these tests, and brings the package managers.

use std::env;
use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::anywhere::PROBE;
use crate::support::dist::{Dist, TARGETS, run};
use crate::support::namespace::{Process, Root};
use crate::support::project::Project;
use crate::support::registry::Registry;
use crate::support::vault::Vault;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where cargo builds, and `scripts/test` puts what tests need.
static TARGET: LazyLock<&Path> = LazyLock::new(|| Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap());

/// The archive that a release has for this machine.
static ARCHIVE: LazyLock<PathBuf> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/package");
    let printed = run(Command::new(script).args(["archive", TARGETS[0]]).env("CARGO_TARGET_DIR", *TARGET));
    PathBuf::from(printed.trim_end())
});

/// The archives of a release, with stand-ins for other machines.
fn release() -> Dist {
    let dist = Dist::of_stand_ins();
    fs::copy(&*ARCHIVE, dist.path(ARCHIVE.file_name().unwrap().to_str().unwrap())).unwrap();
    dist
}

/// The release's binary as a user gets it from the archive.
fn unpacked(directory: &Path) -> PathBuf {
    run(Command::new("tar").arg("-xzf").arg(&*ARCHIVE).arg("-C").arg(directory));
    directory.join(format!("redenv-run-{VERSION}-{}/redenv-run", TARGETS[0]))
}

fn vault() -> Vault {
    Vault::of(&Project::new("shop").secret("development", "GREETING", "grüße"))
}

fn settings(vault: &Vault) -> [(&'static str, String); 6] {
    let credentials = vault.credentials().unwrap();
    [
        ("UPSTASH_REDIS_URL", vault.url()),
        ("UPSTASH_REDIS_TOKEN", vault.token().to_owned()),
        ("REDENV_PROJECT", credentials.project.clone()),
        ("REDENV_TOKEN_ID", credentials.token_id.clone()),
        ("REDENV_TOKEN_KEY", credentials.token_key.clone()),
        ("REDENV_TOKEN_SALT", credentials.salt.clone()),
    ]
}

/// The command prints its secret, and that it was not given the token.
#[track_caller]
fn assert_launches(start: &mut Command, vault: &Vault) {
    let script = r#"echo "$GREETING ${REDENV_TOKEN_KEY-without the token}""#;
    let start = start.args(["--", "sh", "-c", script]).envs(settings(vault));
    assert_eq!(run(start), "grüße without the token\n");
}

/// Tells who started it and with what, and ends with `EXIT_CODE`, or on TERM when it is told to wait.
const PROGRAM: &str = r#"
const fs = require("node:fs");
if (process.argv[2] === "wait") {
  process.on("SIGTERM", () => process.exit(43));
  setInterval(() => {}, 1000);
}
const ancestors = [];
for (let pid = process.ppid; pid > 1; ) {
  ancestors.push(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0"));
  pid = Number(fs.readFileSync(`/proc/${pid}/stat`, "utf8").replace(/.*\) /s, "").split(" ")[1]);
}
console.log(JSON.stringify({
  pid: process.pid,
  secret: process.env.GREETING,
  token: process.env.REDENV_TOKEN_KEY ?? null,
  arguments: process.argv.slice(2),
  ancestors,
}));
process.exitCode = Number(process.env.EXIT_CODE ?? 0);
"#;

/// A package manager of npm's registry.
struct Manager {
    name: &'static str,
    install: &'static [&'static str],
    /// Starts an installed package's command.
    exec: &'static [&'static str],
    /// Runs a script of `package.json`.
    script: &'static [&'static str],
    /// These remove the first `--` of what follows.
    swallow: &'static [&'static [&'static str]],
    environment: &'static [(&'static str, &'static str)],
}

const MANAGERS: [Manager; 5] = [
    Manager {
        name: "npm",
        install: &["npm", "install", "--save-dev", "--ignore-scripts", "redenv-run"],
        exec: &["npx", "redenv-run"],
        script: &["npm", "start"],
        swallow: &[&["npm", "exec", "redenv-run"]],
        environment: &[],
    },
    Manager {
        name: "pnpm",
        install: &["pnpm", "add", "--save-dev", "--ignore-scripts", "redenv-run"],
        exec: &["pnpm", "exec", "redenv-run"],
        script: &["pnpm", "start"],
        swallow: &[],
        environment: &[],
    },
    Manager {
        name: "yarn",
        install: &["yarn", "add", "--dev", "redenv-run"],
        exec: &["yarn", "run", "redenv-run"],
        script: &["yarn", "start"],
        swallow: &[],
        environment: &[("YARN_NODE_LINKER", "node-modules")],
    },
    Manager {
        name: "yarn with Plug'n'Play",
        install: &["yarn", "add", "--dev", "redenv-run"],
        exec: &["yarn", "run", "redenv-run"],
        script: &["yarn", "start"],
        swallow: &[],
        environment: &[("YARN_NODE_LINKER", "pnp")],
    },
    Manager {
        name: "bun",
        install: &["bun", "add", "--dev", "--ignore-scripts", "redenv-run"],
        exec: &["bunx", "redenv-run"],
        script: &["bun", "run", "start"],
        swallow: &[&["bun", "run", "redenv-run"]],
        environment: &[],
    },
];

/// A user's project, in which a package manager is used.
struct Shop<'a> {
    directory: TempDir,
    manager: &'a Manager,
    registry: &'a Registry,
}

impl<'a> Shop<'a> {
    fn new(manager: &'a Manager, registry: &'a Registry) -> Self {
        let shop = Self { directory: TempDir::new().unwrap(), manager, registry };
        let manifest = json!({
            "name": "shop",
            "private": true,
            "scripts": { "start": "redenv-run -- node program.js 'from a script'" },
        });
        shop.file("package.json", &manifest.to_string());
        shop.file("program.js", PROGRAM);
        shop.file(".npmrc", &registry.npmrc());
        shop.file("yarn.lock", "");
        // One file that looks at the name it was started by.
        fs::create_dir(shop.path("tools")).unwrap();
        for name in ["bun", "bunx"] {
            let bun = TARGET.join("package-managers/node_modules/@oven/bun-linux-x64/bin/bun");
            symlink(bun, shop.path("tools").join(name)).unwrap();
        }
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let managers = TARGET.join("package-managers/node_modules/.bin");
        assert!(managers.exists(), "{} is missing: scripts/test --packages makes it", managers.display());
        let system = env::var_os("PATH").unwrap();
        let path = [self.path("tools"), managers].into_iter().chain(env::split_paths(&system));
        let mut command = Command::new("timeout");
        command.args(["--foreground", "120"]).args(words).current_dir(self.directory.path());
        command.env_clear().env("PATH", env::join_paths(path).unwrap()).env("HOME", self.directory.path());
        command.env("YARN_NPM_REGISTRY_SERVER", self.registry.url()).env("YARN_ENABLE_TELEMETRY", "0");
        command.env("YARN_UNSAFE_HTTP_WHITELIST", "127.0.0.1").env("YARN_ENABLE_SCRIPTS", "0");
        command.envs(self.manager.environment.iter().copied()).stdin(Stdio::null());
        command
    }
}

/// What [`PROGRAM`] told.
#[track_caller]
fn told(output: &Output) -> Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().find(|line| line.starts_with("{\"pid\""));
    let line = line.unwrap_or_else(|| panic!("{stdout}{}", String::from_utf8_lossy(&output.stderr)));
    serde_json::from_str(line).unwrap()
}

/// No process of redenv-run is left behind the program: neither the binary nor the file that starts it.
#[track_caller]
fn assert_in_place(told: &Value, name: &str) {
    for ancestor in told["ancestors"].as_array().unwrap() {
        let words = ancestor.as_array().unwrap().iter().take(2);
        let ours = words.filter_map(Value::as_str).any(|word| word.ends_with("/redenv-run"));
        assert!(!ours, "{name}: {ancestor}");
    }
}

#[test]
#[ignore = "slow: scripts/test --packages"]
fn npm_pnpm_yarn_and_bun_install_it_without_scripts_and_launch_with_it() {
    let dist = release();
    run(&mut dist.script("package", &["npm"]));
    let registry = Registry::start();
    let home = TempDir::new().unwrap();
    fs::write(home.path().join(".npmrc"), registry.npmrc()).unwrap();
    let publish =
        || run(dist.script("publish", &["npm"]).env("HOME", home.path()).env_remove("GITHUB_ACTIONS"));
    publish();
    let again = publish();
    assert_eq!(again.lines().filter(|line| line.ends_with(" is published already")).count(), 5, "{again}");

    let vault = vault();
    let binary = unpacked(home.path());
    let mut times = String::new();
    for manager in &MANAGERS {
        let name = manager.name;
        let shop = Shop::new(manager, &registry);
        run(&mut shop.command(manager.install));

        let odd = ["two words", "a\nnewline", "'\"$HOME*", "--flag"];
        let words = [manager.exec, &["--", "node", "program.js"], &odd].concat();
        let output = shop.command(&words).envs(settings(&vault)).env("EXIT_CODE", "42").output().unwrap();
        let program = told(&output);
        assert_eq!((&program["secret"], &program["token"]), (&json!("grüße"), &Value::Null), "{name}");
        assert_eq!(program["arguments"], json!(odd), "{name}");
        assert_eq!(output.status.code(), Some(42), "{name}");
        assert_in_place(&program, name);

        let output = shop.command(manager.script).envs(settings(&vault)).output().unwrap();
        let program = told(&output);
        assert_eq!(program["secret"], "grüße", "{name}");
        assert_eq!(program["arguments"], json!(["from a script"]), "{name}");
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert_in_place(&program, name);

        for swallow in manager.swallow {
            let words = [swallow, &["--", "node", "program.js"][..]].concat();
            let output = shop.command(&words).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(
                stderr.contains("redenv-run: error: `--` is missing before the command\n"),
                "{words:?}: {stderr}"
            );
            assert_eq!(output.status.code(), Some(125), "{words:?}");
        }

        let installed = shop.path("node_modules/.bin/redenv-run");
        if installed.exists() {
            assert_becomes_the_program(&shop, &installed, &vault);
            let (file, alone) = fastest(&installed, &binary);
            writeln!(times, "{name}: {file:.2?}, the binary {alone:.2?}").unwrap();
            assert!(file < alone + Duration::from_millis(10), "{name}: {file:.2?}, the binary {alone:.2?}");
        }
    }
    println!("start of --version, the fastest of 40:\n{times}");
}

/// The process that was started is the program's: its ID is the same, and a signal to it arrives.
#[track_caller]
fn assert_becomes_the_program(shop: &Shop, installed: &Path, vault: &Vault) {
    let path = shop.command(&[]).get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_owned();
    let mut start = Command::new(installed);
    start.args(["--", "node", "program.js", "wait"]).current_dir(shop.directory.path()).env("PATH", path);
    let mut child = start.envs(settings(vault)).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let program: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(program["pid"], child.id(), "{}", shop.manager.name);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(43), "{}", shop.manager.name);
}

/// The shortest start of each, of many that take turns: other load on the machine only adds to it.
fn fastest(file: &Path, binary: &Path) -> (Duration, Duration) {
    let time = |path: &Path| {
        let begin = Instant::now();
        run(Command::new(path).arg("--version"));
        begin.elapsed()
    };
    let times = (0..40).map(|_| (time(file), time(binary)));
    times.fold((Duration::MAX, Duration::MAX), |(a, b), (c, d)| (a.min(c), b.min(d)))
}

/// A program of the virtual environment that `scripts/test --packages` makes.
fn python_tool(name: &str) -> PathBuf {
    let tool = TARGET.join("packaging/bin").join(name);
    assert!(tool.exists(), "{} is missing: scripts/test --packages makes it", tool.display());
    tool
}

fn wheels() -> (Dist, PathBuf) {
    let dist = release();
    run(&mut dist.script("package", &["wheel"]));
    let name = format!("wheel/redenv_run-{VERSION}-py3-none-manylinux_2_17_x86_64.musllinux_1_1_x86_64.whl");
    let wheel = dist.path(&name);
    (dist, wheel)
}

#[test]
#[ignore = "slow: scripts/test --packages"]
fn pip_installs_the_wheel_and_it_launches() {
    let (_dist, wheel) = wheels();
    let vault = vault();
    let directory = TempDir::new().unwrap();
    let environment = directory.path().join("venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
    let pip = || Command::new(environment.join("bin/pip"));
    run(pip().args(["install", "--no-index"]).arg(&wheel));
    assert_launches(&mut Command::new(environment.join("bin/redenv-run")), &vault);

    // For musl, as pip on Alpine would take it.
    let musl = directory.path().join("musl");
    let platform = ["--platform", "musllinux_1_1_x86_64", "--only-binary=:all:"];
    run(pip().args(["install", "--no-index"]).args(platform).arg("--target").arg(&musl).arg(&wheel));
    assert_launches_in_an_empty_root(&musl.join("bin/redenv-run"), &vault);
}

#[test]
#[ignore = "slow: scripts/test --packages"]
fn uv_installs_the_wheel_as_a_tool_and_runs_it_once() {
    let (_dist, wheel) = wheels();
    let vault = vault();
    let home = TempDir::new().unwrap();
    let uv = || {
        let mut uv = Command::new(python_tool("uv"));
        uv.arg("--offline").env("HOME", home.path()).env_remove("XDG_DATA_HOME").env_remove("UV_CACHE_DIR");
        uv
    };
    run(uv().args(["tool", "install"]).arg(&wheel));
    assert_launches(&mut Command::new(home.path().join(".local/bin/redenv-run")), &vault);
    assert_launches(uv().args(["tool", "run", "--from"]).arg(&wheel).arg("redenv-run"), &vault);
}

#[test]
#[ignore = "slow: scripts/test --packages"]
fn pypi_would_accept_the_wheels() {
    let (dist, _) = wheels();
    let files: Vec<PathBuf> =
        fs::read_dir(dist.path("wheel")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 4);
    run(Command::new(python_tool("twine")).args(["check", "--strict"]).args(files));
}

#[test]
#[ignore = "slow: scripts/test --packages"]
fn the_file_of_the_image_launches_in_an_empty_root() {
    let dist = release();
    run(&mut dist.script("package", &["image"]));
    let image = format!("oci:{}:{VERSION}", dist.path("image").display());
    let manifest: Value =
        serde_json::from_str(&run(Command::new("skopeo").args(["inspect", "--raw", &image]))).unwrap();
    assert_eq!(manifest["manifests"].as_array().unwrap().len(), 2);
    for architecture in ["amd64", "arm64"] {
        let copy = TempDir::new().unwrap();
        let single = format!("oci:{}:{VERSION}", copy.path().join("image").display());
        run(Command::new("skopeo").args(["--override-arch", architecture, "copy", &image, &single]));
        let inspected: Value =
            serde_json::from_str(&run(Command::new("skopeo").args(["inspect", &single]))).unwrap();
        assert_eq!(inspected["Architecture"], architecture);
        assert_eq!(inspected["Labels"]["org.opencontainers.image.version"], VERSION);
        if architecture == "amd64" {
            let bundle = copy.path().join("bundle");
            run(Command::new("umoci").args(["unpack", "--image", &single["oci:".len()..]]).arg(&bundle));
            assert_launches_in_an_empty_root(&bundle.join("rootfs/redenv-run"), &vault());
        }
    }
}

#[track_caller]
fn assert_launches_in_an_empty_root(binary: &Path, vault: &Vault) {
    let root = Root::empty().copy(binary, "redenv-run").copy(&PROBE, "probe");
    let mut start = root.command(Process::AnyOther, &["/redenv-run", "--", "/probe"]);
    let output = start.envs(settings(vault)).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        stdout, "pid other, uid 65534, gid 65534\nGREETING=grüße\nthe root is read-only\n",
        "{stderr}"
    );
}

#[test]
#[ignore = "slow: scripts/test --packages"]
fn the_archive_holds_a_binary_that_launches_with_manual_and_completions() {
    let directory = TempDir::new().unwrap();
    let binary = unpacked(directory.path());
    assert_launches(&mut Command::new(&binary), &vault());
    let content = binary.parent().unwrap();
    for name in [
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "man/redenv-run.1",
        "completions/redenv-run.bash",
        "completions/_redenv-run",
        "completions/redenv-run.fish",
    ] {
        assert!(content.join(name).metadata().is_ok_and(|file| file.len() > 0), "{name}");
    }
}

/// The jobs of the release workflow, with all but the upload.
#[test]
#[ignore = "slow: scripts/test --packages"]
fn every_job_of_the_release_can_be_run_dry() {
    let dist = release();
    for kind in ["npm", "wheel", "image", "formula"] {
        run(&mut dist.script("package", &[kind]));
    }
    fs::write(dist.path("redenv-run.cdx.json"), "{}").unwrap();
    let publish = |kind| {
        let mut publish = dist.script("publish", &[kind, "--dry-run"]);
        publish.env("GITHUB_REPOSITORY", "Acme/redenv-run");
        publish
    };
    run(&mut publish("image"));
    let release = run(&mut publish("release"));
    assert!(release.starts_with(&format!("gh release create v{VERSION} --verify-tag ")), "{release}");
    run(Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(dist.path("")));
    let sums = fs::read_to_string(dist.path("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 6, "{sums}");
    let registry = Registry::start();
    let home = TempDir::new().unwrap();
    fs::write(home.path().join(".npmrc"), registry.npmrc()).unwrap();
    run(publish("npm").env("HOME", home.path()).env_remove("GITHUB_ACTIONS"));
    run(publish("crate").env("CARGO_TARGET_DIR", *TARGET));
}
