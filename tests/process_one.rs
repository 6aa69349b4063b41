//! As process 1, redenv-run ends at once on a signal, whatever it is waiting for, and becomes a command
//! with the signals that it was started with.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::launch::{SIGNALS, own_signals};
use crate::support::isolated::isolated;
use crate::support::launch::{Launch, redenv_run};
use crate::support::server::Server;
use crate::support::vault::{Response, Vault};

/// A new PID namespace, whose process 1 is redenv-run.
const PROCESS_1: [&str; 4] = ["--pid", "--fork", "--kill-child", "--mount-proc"];
const ENDING: [(&str, i32); 4] = [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131)];
/// The time in which redenv-run must end.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A launch with a deadline far away that prints its steps.
fn patient(vault: &Vault) -> Launch {
    redenv_run(vault).env("REDENV_TIMEOUT", "1h").env("REDENV_VERBOSE", "1").program(["echo", "started"])
}

/// Drops every packet to 192.0.2.0/24, and uses a name server there.
const DROPPED: &str = "\
ip link set lo up
ip route add 192.0.2.0/24 dev lo
echo nameserver 192.0.2.53 >resolv.conf
mount --bind resolv.conf /etc/resolv.conf";

/// The process ID of `unshare`'s only child, process 1 of its namespace, once it is redenv-run.
fn process_1(unshare: &Child) -> String {
    let children = format!("/proc/{0}/task/{0}/children", unshare.id());
    loop {
        let child = fs::read_to_string(&children).unwrap().trim().to_owned();
        let name = fs::read_to_string(format!("/proc/{child}/comm"));
        if name.is_ok_and(|name| name == "redenv-run\n") {
            return child;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Asserts that every signal ends it with 128+n, and at least one time in three at once: the machine may
/// be busy.
#[track_caller]
fn assert_ended_at_once(launch: impl Fn() -> Launch, options: &[&str], setup: &str, ready: impl Fn(&str)) {
    let options = [&PROCESS_1, options].concat();
    for (signal, code) in ENDING {
        let end = || {
            let mut launch = isolated(launch(), &options, setup);
            let child = start(&mut launch);
            let pid = process_1(&child);
            ready(&pid);
            let start = Instant::now();
            kill(signal, &pid);
            let output = child.wait_with_output().unwrap();
            let took = start.elapsed();
            assert_eq!((output.status.code(), output.stdout), (Some(code), Vec::new()), "{signal}");
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(!stderr.contains("error:") && !stderr.contains("bug"), "{signal}: {stderr}");
            took
        };
        let times: Vec<Duration> = (0..3).map(|_| end()).collect();
        assert!(times.iter().min() < Some(&AT_ONCE), "{signal}: {times:?}");
    }
}

fn start(launch: &mut Launch) -> Child {
    let command = launch.command().stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), pid]).status().unwrap().success());
}

/// Waits until the process has a thread of this name.
fn wait_for_thread(pid: &str, name: &str) {
    let is_there = || {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let mut names = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")));
        names.any(|found| found.is_ok_and(|found| found.trim_end() == name))
    };
    while !is_there() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the process has a second thread.
fn wait_for_any_thread(pid: &str) {
    while fs::read_dir(format!("/proc/{pid}/task")).unwrap().count() < 2 {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_signal_ends_it_during_the_name_look_up() {
    let vault = Vault::greeting();
    let launch = || patient(&vault).env("UPSTASH_REDIS_URL", "https://vault.example");
    // The lookup has a thread of its own.
    assert_ended_at_once(launch, &["--net", "--mount"], DROPPED, wait_for_any_thread);
}

#[test]
fn a_signal_ends_it_while_it_connects() {
    let vault = Vault::greeting();
    let launch = || patient(&vault).env("UPSTASH_REDIS_URL", "https://192.0.2.1");
    // SYN_SENT is state 2.
    let connecting = |pid: &str| {
        while !fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap().contains(":01BB 02 ") {
            thread::sleep(Duration::from_millis(1));
        }
    };
    assert_ended_at_once(launch, &["--net"], DROPPED.split_once("\necho").unwrap().0, connecting);
}

#[test]
fn a_signal_ends_it_during_the_tls_handshake_and_behind_a_proxy() {
    let vault = Vault::greeting();
    let silent = Server::silent();
    let wait = |before: usize| {
        while silent.connections() <= before {
            thread::sleep(Duration::from_millis(1));
        }
    };
    let count = std::cell::Cell::new(0);
    let handshake = |_: &str| {
        wait(count.get());
        count.set(silent.connections());
    };
    let url = format!("https://{}", silent.address());
    assert_ended_at_once(|| patient(&vault).env("UPSTASH_REDIS_URL", &url), &[], ":", handshake);
    let proxied =
        || patient(&vault).env("UPSTASH_REDIS_URL", "https://vault.example").env("HTTPS_PROXY", silent.url());
    assert_ended_at_once(proxied, &[], ":", handshake);
}

#[test]
fn a_signal_ends_it_while_it_waits_for_the_answer() {
    let vault = Vault::greeting();
    vault.set_delay(Duration::from_secs(60));
    let count = std::cell::Cell::new(0);
    let asked = |_: &str| {
        count.set(count.get() + 1);
        vault.wait_for_requests(count.get());
    };
    assert_ended_at_once(|| patient(&vault), &[], ":", asked);
}

#[test]
fn a_signal_ends_it_before_the_next_attempt() {
    let vault = Vault::greeting();
    vault.respond_always(Some(Response::new(503).header("Retry-After", "1000")));
    let count = std::cell::Cell::new(0);
    let asked = |_: &str| {
        count.set(count.get() + 1);
        vault.wait_for_requests(count.get());
        thread::sleep(Duration::from_millis(50));
    };
    assert_ended_at_once(|| patient(&vault), &[], ":", asked);
}

#[test]
fn a_signal_ends_it_during_the_derivation_with_a_fallback_file() {
    let vault = Vault::greeting();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("fallback");
    let with_fallback = || patient(&vault).env("REDENV_FALLBACK", &file);
    let written = with_fallback().run();
    assert_eq!((written.code(), written.stdout.as_str()), (Some(0), "started\n"));
    // The salt is in the file: the derivation runs from the start, and the answer never comes.
    vault.set_delay(Duration::from_secs(60));
    assert_ended_at_once(with_fallback, &[], ":", |pid| wait_for_thread(pid, "derivation"));
    // A signal is no outage: nothing started from the file.
    assert!(file.exists());
}

#[test]
fn a_signal_ends_it_during_the_derivation() {
    // A derivation takes only 50 ms, so the process is stopped meanwhile, signalled and continued.
    let vault = Vault::greeting();
    let stopped = |pid: &str| {
        wait_for_thread(pid, "derivation");
        kill("STOP", pid);
        let pid = pid.to_owned();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            drop(Command::new("kill").args(["-CONT", &pid]).status());
        });
    };
    assert_ended_at_once(|| patient(&vault), &[], ":", stopped);
}

#[test]
fn the_command_is_process_1_afterwards() {
    let vault = Vault::greeting();
    let launch = redenv_run(&vault).program(["sh", "-c", "echo $$ $GREETING"]);
    isolated(launch, &PROCESS_1, ":").run().assert_ran("1 hello\n");
}

#[test]
fn the_command_gets_default_signals_or_the_ignored_ones() {
    let vault = Vault::greeting();
    for (setup, ignored) in [(":", "0"), ("trap '' TERM HUP QUIT", "4005")] {
        let outcome = isolated(redenv_run(&vault).program(SIGNALS), &PROCESS_1, setup).run();
        let expected = format!("SigBlk 0\nSigIgn {ignored}\nSigCgt 0\n");
        assert_eq!((own_signals(&outcome.stdout), outcome.stderr.as_str()), (expected, ""));
    }
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let vault = Vault::greeting();
    vault.set_delay(Duration::from_millis(300));
    let mut launch = isolated(redenv_run(&vault).program(["echo", "started"]), &PROCESS_1, "trap '' TERM");
    let child = start(&mut launch);
    vault.wait_for_requests(1);
    kill("TERM", &process_1(&child));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"started\n"[..]));
}
