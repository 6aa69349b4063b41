//! A network namespace for one test, and an empty root to start a program in.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

/// Runs `test` on a thread whose network is a loopback interface of its own. Its threads and processes
/// share it.
pub fn in_a_network_of_its_own(test: impl FnOnce() + Send) {
    assert!(
        rustix::process::geteuid().is_root(),
        "namespaces and chroot take root: scripts/test runs the tests with sudo"
    );
    let holder = Holder::start();
    let namespace = File::open(format!("/proc/{}/ns/net", holder.0.id())).unwrap();
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            test();
        });
        if let Err(panic) = inside.join() {
            panic::resume_unwind(panic);
        }
    });
}

/// The process that owns the network namespace.
struct Holder(Child);

impl Holder {
    fn start() -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && echo up && exec cat"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("unshare is part of util-linux: scripts/test installs it");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n", "`ip link set lo up` failed: scripts/test installs iproute2");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A directory that becomes the root of a process. It holds only files that the test put into it.
pub struct Root(TempDir);

/// Whether the program of a root is the first process of a PID namespace.
#[derive(Clone, Copy, PartialEq)]
pub enum Process {
    First,
    AnyOther,
}

impl Root {
    pub fn empty() -> Self {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    pub fn copy(self, from: &Path, name: &str) -> Self {
        let to = self.path(name);
        fs::copy(from, &to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        // Everybody may read and execute it; only the owner may use a temporary file.
        fs::set_permissions(to, Permissions::from_mode(0o555)).unwrap();
        self
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// `program` with its arguments in this root, read-only, as `nobody`, with an empty
    /// environment.
    pub fn command(&self, process: Process, program: &[&str]) -> Command {
        // A bind mount is writable at first; the second `mount` makes it read-only. `chroot` has its full
        // path because PATH is the program's.
        const ENTER: &str = r#"
            mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && unset PWD OLDPWD &&
            exec /usr/sbin/chroot --userspec=65534:65534 --groups= "$0" "$@""#;
        let mut command = Command::new("unshare");
        command.env_clear().arg("--mount");
        if process == Process::First {
            command.args(["--pid", "--fork", "--kill-child"]);
        }
        command.args(["sh", "-c", ENTER]).arg(self.0.path()).args(program);
        command
    }
}
