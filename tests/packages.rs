//! The packages of a release: what is in them, and the file with which npm's starts the binary. `installs`
//! has them installed by the real package managers.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ring::digest::{SHA256, digest};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::dist::{Dist, PLATFORMS, TARGETS, run};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn json_of(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A program that prints its process ID, its arguments and a variable, and does what the first argument says.
const PROGRAM: &str = r#"#!/bin/sh
[ "$1" != trap ] || trap 'echo trapped; exit 43' TERM
printf '%s\n' "pid $$" "$@" end
case $1 in
exit) exit 42 ;;
trap) while :; do sleep 0.02; done ;;
die) kill -KILL $$ ;;
esac
"#;

/// `redenv-run` and a platform's package in directories as a package manager lays them out.
struct NodeModules {
    directory: TempDir,
}

impl NodeModules {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn file(self, name: &str, content: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// The main package's one file in this directory.
    fn main(self, directory: &str) -> Self {
        let content = fs::read_to_string(checkout("packaging/npm/redenv-run")).unwrap();
        self.file(&format!("{directory}/redenv-run"), &content)
    }

    fn platform(self, directory: &str) -> Self {
        let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
        let cpu = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        self.file(&format!("{directory}/@redenv-run/{system}-{cpu}/bin/redenv-run"), PROGRAM)
    }

    fn link(self, name: &str, target: &str) -> Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        symlink(target, self.path(name)).unwrap();
        self
    }

    fn start(&self, name: &str) -> Command {
        Command::new(self.path(name))
    }

    /// As Yarn starts it, in a Node.js with or without `process.execve`.
    fn node(&self, name: &str, setup: &str) -> Command {
        let setup =
            self.path("setup.cjs").to_str().map(|path| (path.to_owned(), fs::write(path, setup))).unwrap();
        setup.1.unwrap();
        let mut node = Command::new("node");
        node.args(["--require", &setup.0]).arg(self.path(name));
        node
    }
}

fn hoisted() -> NodeModules {
    NodeModules::new().main("node_modules/redenv-run").platform("node_modules")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_npm_packages_are_the_binary_of_each_platform_and_one_file_that_finds_it() {
    let dist = Dist::of_stand_ins();
    let output = dist.package(&["npm"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 5);

    let main = dist.npm("redenv-run");
    let manifest = json_of(main.join("package.json"));
    let platforms: BTreeMap<_, _> =
        PLATFORMS.iter().map(|platform| (format!("@redenv-run/{platform}"), VERSION)).collect();
    assert_eq!(manifest["version"], VERSION);
    assert_eq!(manifest["optionalDependencies"], json!(platforms));
    assert_eq!(manifest["bin"], json!({ "redenv-run": "redenv-run" }));
    assert_eq!(manifest["license"], env!("CARGO_PKG_LICENSE"));
    assert_eq!(manifest["repository"]["url"], format!("git+{REPOSITORY}.git"));
    let keywords = include_str!("../Cargo.toml").lines().find_map(|line| line.strip_prefix("keywords = "));
    assert_eq!(manifest["keywords"], serde_json::from_str::<Value>(keywords.unwrap()).unwrap());
    assert_eq!(files(&main), ["LICENSE", "README.md", "package.json", "redenv-run"]);
    for (platform, target) in PLATFORMS.iter().zip(TARGETS) {
        let package = dist.npm(&format!("redenv-run-{platform}"));
        let manifest = json_of(package.join("package.json"));
        assert_eq!(manifest["name"], format!("@redenv-run/{platform}"));
        assert_eq!(manifest["version"], VERSION);
        let (os, cpu) = platform.split_once('-').unwrap();
        assert_eq!((&manifest["os"], &manifest["cpu"]), (&json!([os]), &json!([cpu])));
        assert_eq!(files(&package), ["LICENSE", "README.md", "bin", "package.json"]);
        let binary = run(Command::new(package.join("bin/redenv-run")).arg("started"));
        assert_eq!(binary, format!("{target} started\n"));
    }
}

#[test]
fn no_npm_package_runs_a_script_when_it_is_installed() {
    for template in ["main.json", "platform.json"] {
        let text = fs::read_to_string(checkout("packaging/npm").join(template)).unwrap();
        assert!(!text.contains("\"scripts\"") && !text.contains("\"dependencies\""), "{template}");
    }
}

/// The names in a directory, sorted.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_wheel_is_the_binary_for_glibc_and_musl() {
    let dist = Dist::of_stand_ins();
    let output = dist.package(&["wheel"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let name = |tags: &str| format!("redenv_run-{VERSION}-py3-none-{tags}.whl");
    assert_eq!(
        files(&dist.path("wheel")),
        [
            name("macosx_10_12_x86_64"),
            name("macosx_11_0_arm64"),
            name("manylinux_2_17_aarch64.musllinux_1_1_aarch64"),
            name("manylinux_2_17_x86_64.musllinux_1_1_x86_64"),
        ]
    );
    let wheel = dist.path("wheel").join(name("manylinux_2_17_x86_64.musllinux_1_1_x86_64"));
    let content = TempDir::new().unwrap();
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(content.path()));
    let information = content.path().join(format!("redenv_run-{VERSION}.dist-info"));
    let metadata = fs::read_to_string(information.join("METADATA")).unwrap();
    for line in [
        format!("Version: {VERSION}"),
        format!("Summary: {}", env!("CARGO_PKG_DESCRIPTION")),
        format!("License-Expression: {}", env!("CARGO_PKG_LICENSE")),
        format!("Project-URL: Source, {REPOSITORY}"),
    ] {
        assert!(metadata.lines().any(|known| known == line), "{line}");
    }
    let tags = fs::read_to_string(information.join("WHEEL")).unwrap();
    assert!(
        tags.ends_with("Tag: py3-none-manylinux_2_17_x86_64\nTag: py3-none-musllinux_1_1_x86_64\n"),
        "{tags}"
    );
    let binary = content.path().join(format!("redenv_run-{VERSION}.data/scripts/redenv-run"));
    assert_eq!(run(Command::new("sh").arg(binary).arg("x")), "x86_64-unknown-linux-gnu x\n");
}

/// Registries show the README far from the files that it links to.
#[test]
fn the_readme_of_the_packages_has_absolute_links() {
    let dist = Dist::of_stand_ins();
    dist.package(&["npm", TARGETS[0]]);
    let readme = fs::read_to_string(dist.npm("redenv-run").join("README.md")).unwrap();
    let links: Vec<&str> = ["](", "href=\"", "src=\"", "srcset=\""]
        .iter()
        .flat_map(|start| readme.split(start).skip(1))
        .map(|rest| rest.split([')', '"']).next().unwrap())
        .collect();
    let files = format!("{REPOSITORY}/blob/v{VERSION}/");
    assert!(links.iter().any(|link| link.starts_with(&files)), "{links:?}");
    for link in links {
        assert!(link.starts_with("https://") || link.starts_with('#'), "{link}");
    }
}

#[test]
fn the_image_is_an_index_of_one_file_for_each_linux_platform() {
    let dist = Dist::of_stand_ins();
    let output = dist.package(&["image"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let blob = |descriptor: &Value| {
        let sha256 = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
        let path = dist.path("image/blobs/sha256").join(&sha256);
        assert_eq!(hex(&fs::read(&path).unwrap()), sha256);
        path
    };
    let layout = json_of(dist.path("image/index.json"));
    assert_eq!(layout["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], VERSION);
    let index = json_of(blob(&layout["manifests"][0]));
    for (manifest, (platform, target)) in
        index["manifests"].as_array().unwrap().iter().zip([("amd64", TARGETS[0]), ("arm64", TARGETS[1])])
    {
        assert_eq!(manifest["platform"], json!({ "os": "linux", "architecture": platform }));
        let manifest = json_of(blob(manifest));
        let config = json_of(blob(&manifest["config"]));
        assert_eq!(config["architecture"], platform);
        let labels = &config["config"]["Labels"];
        assert_eq!(labels["org.opencontainers.image.version"], VERSION);
        assert_eq!(labels["org.opencontainers.image.source"], REPOSITORY);
        assert_eq!(labels["org.opencontainers.image.licenses"], env!("CARGO_PKG_LICENSE"));
        let root = TempDir::new().unwrap();
        run(Command::new("tar").arg("-xzf").arg(blob(&manifest["layers"][0])).arg("-C").arg(root.path()));
        assert_eq!(files(root.path()), ["redenv-run"]);
        assert_eq!(run(Command::new(root.path().join("redenv-run")).arg("x")), format!("{target} x\n"));
    }
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
}

fn hex(content: &[u8]) -> String {
    base16ct::lower::encode_string(digest(&SHA256, content).as_ref())
}

#[test]
fn the_formula_and_binstall_name_the_archives_of_the_release() {
    let dist = Dist::of_stand_ins();
    let output = dist.package(&["formula"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let formula = fs::read_to_string(dist.path("redenv-run.rb")).unwrap();
    for target in TARGETS {
        let archive = format!("redenv-run-{VERSION}-{target}.tar.gz");
        let url = format!("url \"{REPOSITORY}/releases/download/v{VERSION}/{archive}\"\n");
        let checksum = format!("sha256 \"{}\"", hex(&fs::read(dist.path(&archive)).unwrap()));
        let after = formula.split(&url).nth(1).unwrap_or_else(|| panic!("{url}"));
        assert_eq!(after.trim_start().lines().next().unwrap(), checksum);
    }
    let metadata: Value = serde_json::from_str(&run(Command::new("cargo").args([
        "metadata",
        "--no-deps",
        "--format-version=1",
    ])))
    .unwrap();
    let binstall = &metadata["packages"][0]["metadata"]["binstall"];
    for (target, table) in [
        (TARGETS[0], binstall),
        (TARGETS[3], binstall),
        (TARGETS[0], &binstall["overrides"]["x86_64-unknown-linux-musl"]),
        (TARGETS[1], &binstall["overrides"]["aarch64-unknown-linux-musl"]),
    ] {
        let filled = |field: &str| {
            let text = table[field].as_str().unwrap().replace("{ version }", VERSION);
            text.replace("{ repo }", REPOSITORY)
                .replace("{ target }", target)
                .replace("{ bin }", "redenv-run")
        };
        let name = format!("redenv-run-{VERSION}-{target}");
        assert_eq!(filled("pkg-url"), format!("{REPOSITORY}/releases/download/v{VERSION}/{name}.tar.gz"));
        assert_eq!(filled("bin-dir"), format!("{name}/redenv-run"));
    }
}

#[test]
fn the_docker_example_has_the_version_of_cargo_toml() {
    let dockerfile = fs::read_to_string(checkout("examples/docker/Dockerfile")).unwrap();
    let image =
        format!("COPY --from=ghcr.io/<owner>/redenv-run:{VERSION} /redenv-run /usr/local/bin/redenv-run\n");
    assert!(dockerfile.contains(&image), "{image}");
}

#[test]
fn without_an_archive_nothing_is_packaged() {
    let dist = Dist::empty();
    for (kind, target, error) in [
        (
            "npm",
            None,
            format!(
                "{} has no archive of {VERSION}; scripts/package archive makes one",
                dist.path("").display().to_string().trim_end_matches('/')
            ),
        ),
        (
            "wheel",
            Some(TARGETS[1]),
            format!(
                "{} is missing",
                dist.path(&format!("redenv-run-{VERSION}-{}.tar.gz", TARGETS[1])).display()
            ),
        ),
    ] {
        let arguments: Vec<&str> = [kind].into_iter().chain(target).collect();
        let output = dist.package(&arguments);
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), format!("scripts/package: {error}\n")));
    }
}

#[test]
fn sh_finds_the_binary_where_a_package_manager_puts_it_and_becomes_it() {
    let pnpm = "node_modules/.pnpm/redenv-run@1/node_modules";
    for (layout, start) in [
        (
            hoisted().link("node_modules/.bin/redenv-run", "../redenv-run/redenv-run"),
            "node_modules/.bin/redenv-run",
        ),
        (
            NodeModules::new()
                .main("lib/redenv-run")
                .platform("lib/redenv-run/node_modules")
                .link("bin/redenv-run", "../lib/redenv-run/redenv-run"),
            "bin/redenv-run",
        ),
        (
            NodeModules::new()
                .main(&format!("{pnpm}/redenv-run"))
                .platform(pnpm)
                .link("node_modules/redenv-run", ".pnpm/redenv-run@1/node_modules/redenv-run"),
            "node_modules/redenv-run/redenv-run",
        ),
    ] {
        let child = layout
            .start(start)
            .args(["two words", "a\nnewline", "'\"$HOME*", ""])
            .stdout(Stdio::piped())
            .spawn();
        let child = child.unwrap();
        let pid = child.id();
        let output = child.wait_with_output().unwrap();
        let expected = format!("pid {pid}\ntwo words\na\nnewline\n'\"$HOME*\n\nend\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{start}");
    }
}

/// Two ways to start it in Node.js: `process.execve` is in version 22.15 and later.
#[test]
fn node_passes_on_arguments_exit_codes_and_signals() {
    let layout = hoisted();
    let has_execve = run(Command::new("node").args(["-p", "typeof process.execve"])) == "function\n";
    for setup in ["", "delete process.execve"] {
        let node = || layout.node("node_modules/redenv-run/redenv-run", setup);
        let output = node().args(["exit", "two words", "a\nnewline", "'\"$HOME*", ""]).output().unwrap();
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(stdout.ends_with("\nexit\ntwo words\na\nnewline\n'\"$HOME*\n\nend\n"), "{stdout}");
        assert_eq!((output.status.code(), stderr(&output)), (Some(42), String::new()));
        assert_eq!(node().arg("die").output().unwrap().status.signal(), Some(9));

        let mut child = node().arg("trap").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let pid = lines.next().unwrap();
        assert_eq!(pid == format!("pid {}", child.id()), has_execve && setup.is_empty());
        assert!(lines.any(|line| line == "end"));
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(lines.next().as_deref(), Some("trapped"));
        assert_eq!(child.wait().unwrap().code(), Some(43));
    }
}

#[test]
fn a_system_without_a_package_is_named_with_those_that_have_one() {
    let layout = hoisted().file("tools/uname", "#!/bin/sh\necho FreeBSD amd64\n");
    let path = format!("{}:{}", layout.path("tools").display(), std::env::var("PATH").unwrap());
    let sh = layout.start("node_modules/redenv-run/redenv-run").env("PATH", path).output().unwrap();
    let windows = "Object.defineProperty(process, 'platform', { value: 'win32' })";
    let node = layout.node("node_modules/redenv-run/redenv-run", windows).output().unwrap();
    for (output, system) in [(sh, "FreeBSD amd64"), (node, "win32-")] {
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(125));
        assert!(error.starts_with(&format!("redenv-run: error: there is no binary for {system}")), "{error}");
        assert!(error.ends_with(", only for Linux and macOS on x64 and arm64\n"), "{error}");
    }
}

#[test]
fn a_platforms_package_that_was_left_out_is_named() {
    let layout = NodeModules::new().main("node_modules/redenv-run");
    let start = "node_modules/redenv-run/redenv-run";
    for output in [layout.start(start).output().unwrap(), layout.node(start, "").output().unwrap()] {
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(125));
        assert!(error.starts_with("redenv-run: error: the package @redenv-run/"), "{error}");
        let end = " is not installed\nredenv-run: hint: install again on this machine, with optional dependencies\n";
        assert!(error.ends_with(end), "{error}");
    }
}
