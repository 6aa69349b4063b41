//! The GitHub Action installs the binary of a release, and nothing else. Its scripts run as a runner runs them,
//! with a release on the disk.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::launch::redenv_run;
use crate::support::project::Project;
use crate::support::vault::Vault;

const ARCHIVE: &str = "redenv-run-1.2.3-x86_64-unknown-linux-gnu.tar.gz";

/// A runner's directories, and a release of version 1.2.3 whose binary is a script.
struct Runner {
    directory: TempDir,
}

/// Whether a step succeeded, and its output.
type Ended = (bool, String);

impl Runner {
    fn new() -> Self {
        let runner = Self { directory: TempDir::new().unwrap() };
        let content = runner.path("content").join(ARCHIVE.trim_end_matches(".tar.gz"));
        fs::create_dir_all(&content).unwrap();
        let binary = content.join("redenv-run");
        fs::write(&binary, "#!/bin/sh\necho redenv-run 1.2.3\n").unwrap();
        fs::set_permissions(&binary, Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(runner.release("")).unwrap();
        fs::create_dir(runner.path("job")).unwrap();
        runner.sh(&format!("tar -czf release/v1.2.3/{ARCHIVE} -C content $(ls content)"));
        runner.sh(&format!("cd release/v1.2.3 && sha256sum {ARCHIVE} >SHA256SUMS"));
        runner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn release(&self, name: &str) -> PathBuf {
        self.path("release/v1.2.3").join(name)
    }

    fn sh(&self, script: &str) {
        let status = Command::new("sh").args(["-c", script]).current_dir(self.directory.path()).status();
        assert!(status.unwrap().success(), "{script}");
    }

    fn step(&self, script: &str, environment: &[(&str, &str)]) -> Ended {
        let action = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/action");
        let mut command = Command::new(action.join(script));
        command.env_clear().current_dir(self.path("job"));
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("RUNNER_TEMP", self.path("temp"));
        command.env("GITHUB_OUTPUT", self.path("output")).env("GITHUB_PATH", self.path("added-to-path"));
        let output = command.envs(environment.iter().copied()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }

    /// The directory of the action when a job uses it at `reference`, with small sources of version 1.2.3. An empty
    /// reference stands for `uses: ./` in the job's own checkout.
    fn action(&self, reference: &str) -> PathBuf {
        let repository = match reference {
            "" => self.path("job"),
            _ => self.path("_actions/acme/redenv-run").join(reference),
        };
        for (name, content) in [
            ("Cargo.toml", "[package]\nname = 'redenv-run'\nversion = \"1.2.3\"\nedition = '2024'\n"),
            ("Cargo.lock", "version = 4\n[[package]]\nname = 'redenv-run'\nversion = '1.2.3'\n"),
            ("src/main.rs", r#"fn main() { println!("redenv-run {}", env!("CARGO_PKG_VERSION")) }"#),
        ] {
            let path = repository.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        repository
    }

    fn plan(&self, version: &str, reference: &str, system: (&str, &str)) -> Ended {
        self.plan_with(version, reference, system, "")
    }

    fn plan_with(&self, version: &str, reference: &str, system: (&str, &str), sha256: &str) -> Ended {
        let environment = [("VERSION", version), ("SHA256", sha256), ("MASK", "false")];
        let action = self.action(reference);
        // The second and third belong to an action that uses this one.
        let runner = [
            ("GITHUB_ACTION_PATH", action.to_str().unwrap()),
            ("GITHUB_ACTION_REPOSITORY", "acme/outer"),
            ("GITHUB_ACTION_REF", "v9.9.9"),
            ("GITHUB_SERVER_URL", "https://github.example"),
            ("GITHUB_REPOSITORY", "acme/job"),
            ("RUNNER_OS", system.0),
            ("RUNNER_ARCH", system.1),
        ];
        self.step("plan", &[&environment[..], &runner].concat())
    }

    fn install(&self, sha256: &str) -> Ended {
        let url = self.url();
        let file = self.cached();
        let environment = [("URL", url.as_str()), ("ARCHIVE", ARCHIVE), ("SHA256", sha256)];
        self.step("install", &[&environment[..], &[("FILE", file.to_str().unwrap())]].concat())
    }

    /// The release's URL, an output of `plan`.
    fn url(&self) -> String {
        format!("file://{}", self.path("release/v1.2.3").display())
    }

    /// Runs the step `install` when there is no archive.
    fn build(&self, reference: &str, environment: &[(&str, &str)]) -> Ended {
        let action = self.action(reference);
        let own = [("GITHUB_ACTION_PATH", action.to_str().unwrap()), ("ARCHIVE", "")];
        // cargo and rustup keep their files there.
        let theirs = ["HOME", "CARGO_HOME", "RUSTUP_HOME"];
        let theirs: Vec<_> =
            theirs.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?))).collect();
        let theirs: Vec<_> = theirs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.step("install", &[&own, &theirs[..], environment].concat())
    }

    /// The outputs of the steps so far.
    fn outputs(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.path("output")).unwrap_or_default();
        let lines = text.lines().map(|line| line.split_once('=').unwrap());
        lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn added_to_path(&self) -> String {
        fs::read_to_string(self.path("added-to-path")).unwrap_or_default()
    }

    /// The only file in the cache, an output of `plan`.
    fn cached(&self) -> PathBuf {
        self.path("temp/redenv-run-archive").join(ARCHIVE)
    }

    /// The files in the directory that was added to PATH.
    fn installed(&self) -> Vec<String> {
        let files = fs::read_dir(self.path("temp/redenv-run/bin")).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}

#[test]
fn the_archive_follows_from_the_version_and_the_runner() {
    for (version, reference, system, expected, target) in [
        ("", "v1.2.3", ("macOS", "X64"), "1.2.3", "x86_64-apple-darwin"),
        ("1.2.3", "main", ("Linux", "X64"), "1.2.3", "x86_64-unknown-linux-gnu"),
        ("", "v1", ("Linux", "X64"), "1.2.3", "x86_64-unknown-linux-gnu"),
        ("", "v1.2", ("Linux", "X64"), "1.2.3", "x86_64-unknown-linux-gnu"),
        ("v1.0.0", "v1.2.3", ("Linux", "ARM64"), "1.0.0", "aarch64-unknown-linux-gnu"),
        ("1.2.3-rc.1", "a/branch", ("macOS", "ARM64"), "1.2.3-rc.1", "aarch64-apple-darwin"),
    ] {
        let runner = Runner::new();
        assert_eq!(runner.plan(version, reference, system), (true, String::new()));
        let outputs = runner.outputs();
        let archive = format!("redenv-run-{expected}-{target}.tar.gz");
        assert_eq!(outputs["archive"], archive);
        // The release is in the action's repository, not in that of an action around it.
        let releases = "https://github.example/acme/redenv-run/releases/download";
        assert_eq!(outputs["url"], format!("{releases}/v{expected}"));
        assert_eq!(outputs["file"], runner.path("temp/redenv-run-archive").join(archive).to_str().unwrap());
    }
}

#[test]
fn in_the_jobs_own_checkout_the_release_is_that_repositorys() {
    let runner = Runner::new();
    assert!(runner.plan("1.2.3", "", ("Linux", "X64")).0);
    let url = "https://github.example/acme/job/releases/download/v1.2.3";
    assert_eq!(runner.outputs()["url"], url);
}

#[test]
fn a_wrong_version_and_a_system_without_a_release_are_refused() {
    let version = |text| format!("::error title=redenv-run::'{text}' is not a version such as 0.1.0\n");
    for (given, reference, system, error) in [
        ("../1.2.3", "", ("Linux", "X64"), version("../1.2.3")),
        ("latest", "v1.2.3", ("Linux", "X64"), version("latest")),
        (
            "1.2.3",
            "",
            ("Windows", "X64"),
            "::error title=redenv-run::redenv-run runs on Linux and macOS, on x64 and arm64; \
             this runner is Windows on X64\n"
                .to_owned(),
        ),
    ] {
        let runner = Runner::new();
        assert_eq!(runner.plan(given, reference, system), (false, error));
        assert_eq!(runner.outputs(), BTreeMap::new());
    }
}

impl Runner {
    /// The binary is the only file that was added to PATH, and the outputs name it.
    #[track_caller]
    fn assert_installed(&self, ended: &Ended) {
        assert_eq!(ended, &(true, "redenv-run 1.2.3\n".to_owned()));
        let bin = self.path("temp/redenv-run/bin");
        assert_eq!(self.added_to_path(), format!("{}\n", bin.display()));
        assert_eq!(self.installed(), ["redenv-run"]);
        assert_eq!(self.outputs()["path"], bin.join("redenv-run").to_str().unwrap());
        assert_eq!(self.outputs()["version"], "1.2.3");
    }
}

#[test]
fn the_binary_of_a_release_is_installed_into_the_path() {
    let runner = Runner::new();
    runner.assert_installed(&runner.install(""));
}

#[test]
fn a_branch_or_commit_is_built_from_the_actions_own_sources() {
    // The last four are not tags of version 1.2.3.
    for reference in
        ["main", "08c6903cd8c0fde910a37f88322edcfb5dd907a8", "a/branch", "", "v", "v2", "v1.2.4", "v1.2.3.4"]
    {
        let runner = Runner::new();
        assert_eq!(runner.plan("", reference, ("Linux", "X64")), (true, String::new()));
        assert_eq!(runner.outputs(), BTreeMap::from([("archive".to_owned(), String::new())]));
        runner.assert_installed(&runner.build(reference, &[]));
    }
}

#[test]
fn the_jobs_toolchain_and_flags_do_not_affect_the_build() {
    let runner = Runner::new();
    fs::create_dir(runner.path("job/.cargo")).unwrap();
    fs::write(runner.path("job/.cargo/config.toml"), "build.rustflags = '--nonsense'\n").unwrap();
    fs::write(runner.path("job/rust-toolchain"), "nonsense\n").unwrap();
    let settings = [("RUSTFLAGS", "--nonsense"), ("CARGO_BUILD_TARGET", "nonsense")];
    runner.assert_installed(&runner.build("main", &settings));
}

#[test]
fn a_build_without_cargo_or_with_a_checksum_is_refused() {
    let runner = Runner::new();
    let error = "::error title=redenv-run::cargo is missing to build redenv-run with: \
        set version to install a release's archive\n";
    runner.sh("mkdir tools && for tool in mkdir rm; do ln -s $(command -v $tool) tools; done");
    let tools = runner.path("tools");
    assert_eq!(runner.build("main", &[("PATH", tools.to_str().unwrap())]), (false, error.to_owned()));
    assert_eq!(runner.added_to_path(), "");
    // A build can't have the checksum of an archive.
    let sha256 = "0".repeat(64);
    let error = "::error title=redenv-run::sha256 is an archive's: set version too\n";
    assert_eq!(runner.plan_with("", "main", ("Linux", "X64"), &sha256), (false, error.to_owned()));
}

#[test]
fn a_cached_archive_is_not_downloaded_again() {
    let runner = Runner::new();
    fs::create_dir_all(runner.cached().parent().unwrap()).unwrap();
    fs::rename(runner.release(ARCHIVE), runner.cached()).unwrap();
    assert_eq!(runner.install(""), (true, "redenv-run 1.2.3\n".to_owned()));
}

/// A cache entry or an earlier step could leave other files there.
#[test]
fn only_the_binary_of_the_archive_reaches_the_path() {
    for (plant, place) in [
        ("echo 'echo stolen' >temp/redenv-run/bin/npm", "a file"),
        ("ln -s /bin/true temp/redenv-run/bin/redenv-run", "a link in the binary's place"),
        (
            "rmdir temp/redenv-run/bin && ln -s ../../elsewhere temp/redenv-run/bin",
            "a link in the directory's place",
        ),
        ("rm -r temp/redenv-run && ln -s ../elsewhere temp/redenv-run", "a link one above"),
        (
            "touch $(echo content/*)/npm && tar -czf release/v1.2.3/$ARCHIVE -C content $(ls content)",
            "the archive",
        ),
    ] {
        let runner = Runner::new();
        runner.sh("mkdir -p temp/redenv-run/bin elsewhere/bin && touch elsewhere/npm elsewhere/bin/npm");
        runner.sh(&plant.replace("$ARCHIVE", ARCHIVE));
        runner.sh(&format!("cd release/v1.2.3 && sha256sum {ARCHIVE} >SHA256SUMS"));
        assert_eq!(runner.install(""), (true, "redenv-run 1.2.3\n".to_owned()), "{place}");
        assert_eq!(runner.installed(), ["redenv-run"], "{place}");
        assert!(runner.path("elsewhere/bin/npm").exists(), "{place}");
    }
}

/// A cache that held a directory of PATH could add commands to a later job.
#[test]
fn only_the_archive_is_cached() {
    let action = Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml");
    let action = fs::read_to_string(action).unwrap();
    let paths: Vec<&str> = action.lines().filter_map(|line| line.trim().strip_prefix("path: ")).collect();
    assert_eq!(paths, ["${{ steps.plan.outputs.file }}"]);
    let runner = Runner::new();
    assert!(runner.install("").0);
    let cached = fs::read_dir(runner.cached().parent().unwrap()).unwrap();
    assert_eq!(cached.map(|file| file.unwrap().path()).collect::<Vec<_>>(), [runner.cached()]);
    assert!(!runner.added_to_path().contains("archive"));
}

#[test]
fn an_archive_with_another_checksum_is_refused_and_deleted() {
    for place in ["download", "cache"] {
        let runner = Runner::new();
        let expected = fs::read_to_string(runner.release("SHA256SUMS")).unwrap();
        let expected = expected.split(' ').next().unwrap();
        fs::create_dir_all(runner.cached().parent().unwrap()).unwrap();
        let changed = if place == "cache" { runner.cached() } else { runner.release(ARCHIVE) };
        fs::write(changed, "something else").unwrap();
        let actual = "f41f3fa625ff120ddca7ef456bf66371ecea23c129f4e4c32367101edb516cf8";
        let error = format!(
            "::error title=redenv-run::{ARCHIVE} has the SHA-256 {actual} instead of {expected}: \
             it was not installed\n"
        );
        assert_eq!(runner.install(""), (false, error), "{place}");
        assert!(!runner.cached().exists());
        assert_eq!(runner.added_to_path(), "");
    }
}

#[test]
fn the_users_checksum_replaces_the_releases() {
    let runner = Runner::new();
    let sums = fs::read_to_string(runner.release("SHA256SUMS")).unwrap();
    let right = sums.split(' ').next().unwrap().to_owned();
    let wrong = "0".repeat(64);
    let error = format!(
        "::error title=redenv-run::{ARCHIVE} has the SHA-256 {right} instead of {wrong}: it was not installed\n"
    );
    assert_eq!(runner.install(&wrong), (false, error));
    assert_eq!(runner.install(&right.to_uppercase()), (true, "redenv-run 1.2.3\n".to_owned()));
    // The step doesn't need the release's own list then.
    fs::remove_file(runner.release("SHA256SUMS")).unwrap();
    assert_eq!(runner.install(&right), (true, "redenv-run 1.2.3\n".to_owned()));
}

#[test]
fn a_release_without_the_archive_is_refused() {
    let runner = Runner::new();
    fs::write(runner.release("SHA256SUMS"), "").unwrap();
    let sums = format!("{}/SHA256SUMS", runner.url());
    let error = format!("::error title=redenv-run::{sums} does not name {ARCHIVE}\n");
    assert_eq!(runner.install(""), (false, error));
    fs::remove_file(runner.release("SHA256SUMS")).unwrap();
    let error = format!("::error title=redenv-run::cannot download {sums}\n");
    assert_eq!(runner.install(""), (false, error));
}

#[test]
fn mask_is_true_or_false() {
    let runner = Runner::new();
    let action = runner.action("v1.2.3");
    let environment = [
        ("VERSION", ""),
        ("SHA256", ""),
        ("MASK", "yes"),
        ("GITHUB_ACTION_PATH", action.to_str().unwrap()),
        ("GITHUB_REPOSITORY", "acme/job"),
        ("RUNNER_OS", "Linux"),
        ("RUNNER_ARCH", "X64"),
    ];
    let error = "::error title=redenv-run::mask is true or false, not 'yes'\n";
    assert_eq!(runner.step("plan", &environment), (false, error.to_owned()));
}

/// The last step gets the settings from `env:` of the step that uses the action.
#[test]
fn with_mask_the_log_never_shows_a_secret() {
    let action = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("action.yml")).unwrap();
    let step = action.split("\n    - ").last().unwrap();
    assert!(step.starts_with("if: inputs.mask == 'true'\n"), "{step}");
    assert!(step.contains("\n        BINARY: ${{ steps.install.outputs.path }}\n"), "{step}");
    let line = step.lines().find_map(|line| line.trim().strip_prefix("run: ")).unwrap().trim_matches('\'');
    let vault = Vault::of(&Project::new("shop").secret("development", "PASSWORD", "correct horse"));
    let outcome = redenv_run(&vault)
        .env("BINARY", env!("CARGO_BIN_EXE_redenv-run"))
        .through(["bash", "-c", line])
        .run();
    outcome.assert_ran("::add-mask::correct horse\n");
}
