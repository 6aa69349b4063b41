//! As process 1 the launcher ends at once on TERM, INT and HUP, whatever it is waiting for.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::isolated::isolated;
use crate::support::launcher::{Launcher, launcher};
use crate::support::project::Project;
use crate::support::server::Server;
use crate::support::vault::{Response, Vault};

const SIGNALS: [(&str, i32); 3] = [("TERM", 143), ("INT", 130), ("HUP", 129)];
/// What the launcher may take to end.
const AT_ONCE: Duration = Duration::from_millis(100);

fn vault() -> Vault {
    Vault::of(&Project::new("acme").secret("development", "GREETING", "hello"))
}

/// A launcher that has all the time in the world, and says what it does.
fn patient(vault: &Vault) -> Launcher {
    launcher(vault).env("REDENV_TIMEOUT", "1h").env("REDENV_VERBOSE", "1").program(["echo", "started"])
}

/// Where every packet to 192.0.2.0/24 is dropped, name servers' too.
const DROPPED: &str = "\
ip link set lo up
ip route add 192.0.2.0/24 dev lo
echo nameserver 192.0.2.53 >resolv.conf
mount --bind resolv.conf /etc/resolv.conf";

/// The only child of `unshare`, which is process 1 of its namespace, once it is the launcher.
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

/// Every signal ends it with 128+n, at least once in three times at once: the machine may be busy.
#[track_caller]
fn assert_ended_at_once(launch: impl Fn() -> Launcher, options: &[&str], setup: &str, ready: impl Fn(&str)) {
    let options = [&["--pid", "--fork", "--kill-child", "--mount-proc"], options].concat();
    for (signal, status) in SIGNALS {
        let end = || {
            let mut launch = isolated(launch(), &options, setup);
            let command = launch.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = command.spawn().unwrap();
            let pid = process_1(&child);
            ready(&pid);
            let start = Instant::now();
            assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
            let output = child.wait_with_output().unwrap();
            let took = start.elapsed();
            assert_eq!((output.status.code(), output.stdout), (Some(status), Vec::new()), "{signal}");
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(!stderr.contains("error:") && !stderr.contains("bug"), "{signal}: {stderr}");
            took
        };
        let times: Vec<Duration> = (0..3).map(|_| end()).collect();
        assert!(times.iter().min() < Some(&AT_ONCE), "{signal}: {times:?}");
    }
}

/// Until the process has a thread of this name beside the main one.
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

/// Until the process has more than one thread.
fn wait_for_any_thread(pid: &str) {
    while fs::read_dir(format!("/proc/{pid}/task")).unwrap().count() < 2 {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn during_the_name_look_up() {
    let vault = vault();
    let launch = || patient(&vault).env("UPSTASH_REDIS_URL", "https://vault.example");
    // The look-up has a thread of its own.
    assert_ended_at_once(launch, &["--net", "--mount"], DROPPED, wait_for_any_thread);
}

#[test]
fn during_the_connection() {
    let vault = vault();
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
fn during_the_tls_handshake_and_behind_a_proxy() {
    let vault = vault();
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
fn while_it_waits_for_the_answer() {
    let vault = vault();
    vault.set_delay(Duration::from_secs(60));
    let count = std::cell::Cell::new(0);
    let asked = |_: &str| {
        count.set(count.get() + 1);
        vault.wait_for_requests(count.get());
    };
    assert_ended_at_once(|| patient(&vault), &[], ":", asked);
}

#[test]
fn while_it_waits_before_the_next_attempt() {
    let vault = vault();
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
fn during_the_derivation_with_a_fallback_at_hand() {
    let vault = vault();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("fallback");
    let with_fallback = || patient(&vault).env("REDENV_FALLBACK", &file);
    let written = with_fallback().run();
    assert_eq!((written.code(), written.stdout.as_str()), (Some(0), "started\n"));
    // The salt is in the file: the derivation runs from the start, and the answer never comes.
    vault.set_delay(Duration::from_secs(60));
    assert_ended_at_once(with_fallback, &[], ":", |pid| wait_for_thread(pid, "derivation"));
    // And it isn't taken for an outage: nothing was started from the file.
    assert!(file.exists());
}

#[test]
fn during_the_derivation_after_the_answer() {
    // A derivation is over within some 50 ms; the process is stopped in it, signalled, and let go.
    let vault = vault();
    let stopped = |pid: &str| {
        wait_for_thread(pid, "derivation");
        assert!(Command::new("kill").args(["-STOP", pid]).status().unwrap().success());
        let pid = pid.to_owned();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(30));
            drop(Command::new("kill").args(["-CONT", &pid]).status());
        });
    };
    assert_ended_at_once(|| patient(&vault), &[], ":", stopped);
}
