//! No other process can read redenv-run's memory. The command is a process like any other.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::launch::{Launch, redenv_run};
use crate::support::vault::Vault;

/// `prctl(PR_GET_DUMPABLE)`, and the limit on core files.
const LOOK: &str = "\
import ctypes, resource
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))";

/// A redenv-run that waits for an answer.
struct Waiting {
    vault: Vault,
    launch: Launch,
    child: Child,
}

impl Waiting {
    fn new(setup: impl FnOnce(Launch) -> Launch) -> Self {
        let vault = Vault::greeting();
        vault.set_delay(Duration::from_secs(30));
        let mut launch = setup(redenv_run(&vault).program(["echo", "started"]));
        let command = launch.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        vault.wait_for_requests(1);
        Self { vault, launch, child }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn no_process_of_the_same_user_can_look_into_redenv_run() {
    let waiting = Waiting::new(Launch::by_nobody);
    let look = |file: &str| {
        let path = format!("/proc/{}/{file}", waiting.child.id());
        let cat = ["--reuid=65534", "--regid=65534", "--clear-groups", "head", "-c1", &path];
        Command::new("setpriv").args(cat).output().unwrap()
    };
    for file in ["environ", "mem", "maps", "auxv"] {
        let output = look(file);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("Permission denied"), "{file}: {error}");
        assert!(output.stdout.is_empty(), "{file}");
    }
    // Public files stay readable, so the look itself works.
    assert!(look("stat").status.success());
    assert_eq!(waiting.vault.requests().len(), 1);
}

#[test]
fn a_program_that_is_not_guarded_can_be_looked_into() {
    // The counterpart of the test above: without the guard the same look succeeds.
    let script = "head -c1 /proc/$$/environ >/dev/null && echo seen";
    let vault = Vault::greeting();
    redenv_run(&vault).program(["sh", "-c", script]).by_nobody().run().assert_ran("seen\n");
}

#[test]
fn the_command_is_dumpable_again_with_unchanged_limits() {
    let vault = Vault::greeting();
    let look = |setup: &str| redenv_run(&vault).program(["python3", "-c", LOOK]).after(setup).run();
    look("ulimit -c 0").assert_ran("1 0 0\n");
    look("ulimit -S -c 2; ulimit -H -c 4").assert_ran("1 1024 2048\n");
}

#[test]
fn no_core_file_is_left_by_a_crash_during_the_fetch() {
    for (name, number) in [("ABRT", 6), ("SEGV", 11), ("QUIT", 3)] {
        let mut waiting = Waiting::new(|launch| launch.after("ulimit -c unlimited"));
        let status = loop {
            // Rust's handler ignores the first SEGV without a fault.
            waiting.signal(name);
            thread::sleep(Duration::from_millis(50));
            if let Some(status) = waiting.child.try_wait().unwrap() {
                break status;
            }
        };
        assert_eq!((status.signal(), status.core_dumped()), (Some(number), false), "{name}");
        let files: Vec<_> = fs::read_dir(waiting.launch.directory()).unwrap().collect();
        assert_eq!(files.len(), 0, "{name}: {files:?}");
    }
}

#[test]
fn a_crash_of_an_unguarded_program_would_leave_a_core() {
    // The counterpart of the test above: the command, with the same limit, leaves a core file.
    let vault = Vault::greeting();
    let mut launch = redenv_run(&vault).program(["sh", "-c", "kill -ABRT $$"]).after("ulimit -c unlimited");
    let status = launch.command().status().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), true));
}
