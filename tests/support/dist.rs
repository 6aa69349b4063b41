//! The packages of a release, made by `scripts/package` from archives that a test puts together.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub const TARGETS: [&str; 4] =
    ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-apple-darwin", "aarch64-apple-darwin"];
pub const PLATFORMS: [&str; 4] = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];

/// A `target` directory of a test's own, for the scripts of this checkout.
pub struct Dist {
    target: TempDir,
}

impl Dist {
    /// Without an archive.
    pub fn empty() -> Self {
        let target = TempDir::new().unwrap();
        fs::create_dir(target.path().join("dist")).unwrap();
        Self { target }
    }

    /// The archives of all targets, each with a program that prints the target and its arguments.
    pub fn of_stand_ins() -> Self {
        let dist = Self::empty();
        for target in TARGETS {
            dist.archive(target, format!("#!/bin/sh\necho {target} \"$@\"\n").as_bytes());
        }
        dist
    }

    fn archive(&self, target: &str, binary: &[u8]) {
        let name = format!("redenv-run-{}-{target}", env!("CARGO_PKG_VERSION"));
        let content = self.target.path().join(&name);
        fs::create_dir_all(&content).unwrap();
        fs::write(content.join("redenv-run"), binary).unwrap();
        fs::set_permissions(content.join("redenv-run"), Permissions::from_mode(0o755)).unwrap();
        let archive = self.path(&format!("{name}.tar.gz"));
        run(Command::new("tar").arg("-czf").arg(archive).arg("-C").arg(self.target.path()).arg(name));
    }

    /// A file of `target/dist`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.target.path().join("dist").join(name)
    }

    /// `scripts/package` with these arguments.
    pub fn package(&self, arguments: &[&str]) -> Output {
        self.script("package", arguments).output().unwrap()
    }

    pub fn script(&self, name: &str, arguments: &[&str]) -> Command {
        let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name));
        script.args(arguments).env("CARGO_TARGET_DIR", self.target.path());
        script
    }

    /// The one npm package of this name, such as `redenv-run-linux-x64`, unpacked.
    pub fn npm(&self, name: &str) -> PathBuf {
        let directory = self.target.path().join("unpacked").join(name);
        fs::create_dir_all(&directory).unwrap();
        let package = self.path(&format!("npm/{name}-{}.tgz", env!("CARGO_PKG_VERSION")));
        run(Command::new("tar").arg("-xzf").arg(package).arg("-C").arg(&directory));
        directory.join("package")
    }
}

/// Panics with all output when the command fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout
}
