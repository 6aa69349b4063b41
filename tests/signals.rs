//! A signal during the fetch ends the launcher, also as process 1, where the kernel would discard it;
//! COMMAND gets every signal as the launcher received it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::launch::{SIGNALS, own_signals};
use crate::support::launcher::{Launcher, launcher};
use crate::support::project::Project;
use crate::support::vault::Vault;

fn vault() -> Vault {
    Vault::of(&Project::new("acme").secret("development", "GREETING", "hello"))
}

/// The launcher as process 1 of a PID namespace of its own.
fn as_process_1(launcher: Launcher) -> Launcher {
    let mut wrapper = vec!["unshare", "--pid", "--fork", "--mount-proc"];
    let probe = |wrapper: &[&str]| {
        let output = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
        output.is_ok_and(|output| output.status.success())
    };
    if !probe(&wrapper) {
        wrapper.extend(["--user", "--map-root-user"]);
        assert!(probe(&wrapper), "`{}` must work: run as root, or allow user namespaces", wrapper.join(" "));
    }
    launcher.through(wrapper)
}

#[test]
fn command_is_process_1_where_the_launcher_was() {
    let vault = vault();
    let launch = launcher(&vault).program(["sh", "-c", "echo $$ $GREETING"]);
    as_process_1(launch).run().assert_ran("1 hello\n");
}

#[test]
fn process_1_leaves_command_with_default_signals_or_the_ignored_ones() {
    let vault = vault();
    for (setup, ignored) in [(":", "0"), ("trap '' TERM HUP QUIT", "4005")] {
        let outcome = as_process_1(launcher(&vault).program(SIGNALS).after(setup)).run();
        let expected = format!("SigBlk 0\nSigIgn {ignored}\nSigCgt 0\n");
        assert_eq!((own_signals(&outcome.stdout), outcome.stderr.as_str()), (expected, ""));
    }
}

#[test]
fn a_signal_during_the_fetch_ends_process_1_at_once() {
    for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131)] {
        let vault = vault();
        vault.set_delay(Duration::from_secs(30));
        let mut launch = as_process_1(launcher(&vault).program(["echo", "started"]));
        let child = start(&mut launch);
        vault.wait_for_requests(1);
        kill(signal, &child_of(&child));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{signal}");
        assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()), "{signal}");
    }
}

#[test]
fn a_signal_that_process_1_was_told_to_ignore_is_ignored_during_the_fetch() {
    let vault = vault();
    vault.set_delay(Duration::from_secs(1));
    let mut launch = as_process_1(launcher(&vault).program(["echo", "started"]).after("trap '' TERM"));
    let child = start(&mut launch);
    vault.wait_for_requests(1);
    kill("TERM", &child_of(&child));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"started\n"[..]));
}

fn start(launch: &mut Launcher) -> Child {
    let command = launch.command().stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), pid]).status().unwrap().success());
}

/// The only child of `unshare`, which is process 1 of the namespace.
fn child_of(parent: &Child) -> String {
    let children = format!("/proc/{0}/task/{0}/children", parent.id());
    fs::read_to_string(children).unwrap().trim().to_owned()
}
