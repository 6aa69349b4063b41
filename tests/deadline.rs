//! One deadline for everything before the exec, whatever hangs, and bounds for memory.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use crate::support::isolated::isolated;
use crate::support::launch::{Launch, Outcome, bare_redenv_run, redenv_run};
use crate::support::project::{Project, TOKEN_ID, TOKEN_KEY};
use crate::support::server::Server;
use crate::support::vault::{Certificate, Response, Vault};

const TIMEOUT: Duration = Duration::from_secs(1);
/// How late after the deadline a launch may end.
const OVERSHOOT: Duration = Duration::from_millis(500);
/// No attempt starts with so little time left.
const TOO_SHORT: Duration = Duration::from_millis(5);
const LOOKUP: &str = "the name lookup took too long";
const PROXY: &str = "the proxy took too long";
const TLS: &str = "the TLS handshake took too long";
const ANSWER: &str = "no answer came";
const BODY: &str = "the answer did not end";
const MORE_TIME: &str = "hint: allow more time with --timeout (REDENV_TIMEOUT)";

/// A launch with a deadline of one second and a server at `url` that is no vault.
fn towards(url: &str) -> Launch {
    let settings = [
        ("UPSTASH_REDIS_URL", url),
        ("UPSTASH_REDIS_TOKEN", "token"),
        ("REDENV_PROJECT", "acme"),
        ("REDENV_TOKEN_ID", TOKEN_ID),
        ("REDENV_TOKEN_KEY", TOKEN_KEY),
        ("REDENV_TIMEOUT", "1s"),
    ];
    let launch = bare_redenv_run().program(["echo", "started"]);
    settings.iter().fold(launch, |launch, (name, value)| launch.env(name, value))
}

/// A launch with a deadline of one second.
fn hurried(vault: &Vault) -> Launch {
    redenv_run(vault).env("REDENV_TIMEOUT", "1s").program(["echo", "started"])
}

/// Every launch waits for the deadline and names what took too long. The quickest of three ends soon after it:
/// the machine may be busy.
#[track_caller]
fn assert_overdue(launch: impl Fn() -> Launch, peer: &str, reason: &str) {
    let error = format!("error: {peer} did not answer within 1s: {reason}");
    let hint = match reason {
        _ if peer.contains(" through the proxy ") => {
            "hint: check HTTPS_PROXY, and that the proxy allows connections to this host"
        }
        LOOKUP => "hint: check this machine's network and name servers",
        _ => MORE_TIME,
    };
    let mut quickest = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        let outcome = launch().run();
        let took = start.elapsed();
        outcome.assert_failed(125, &[&error, hint]);
        assert!(took + TOO_SHORT >= TIMEOUT, "{took:?}");
        quickest = quickest.min(took);
        if quickest < TIMEOUT + OVERSHOOT {
            return;
        }
    }
    panic!("it took {quickest:?}");
}

/// The launch in a network where 192.0.2.0/24 drops every packet, and with a name server there.
#[cfg(target_os = "linux")]
fn with_a_dead_name_server(launch: Launch) -> Launch {
    let launch = launch.file("resolv.conf", "nameserver 192.0.2.53\n");
    let setup = "\
        ip link set lo up
        ip route add 192.0.2.0/24 dev lo
        mount --bind resolv.conf /etc/resolv.conf";
    isolated(launch, &["--net", "--mount"], setup)
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_server_that_does_not_answer_ends_with_the_deadline() {
    let launch = || with_a_dead_name_server(towards("https://vault.example"));
    assert_overdue(launch, "vault.example", LOOKUP);
}

#[test]
fn a_server_that_hangs_or_drips_ends_with_the_deadline() {
    let pause = Duration::from_millis(20);
    // The start of a record of 16 KiB, which never comes to its end.
    let record = "\u{16}\u{3}\u{3}\u{3f}\u{ff}";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\nX: ";
    let cases = [
        ("https", Server::silent(), TLS),
        ("https", Server::endless(record, b"\x02", pause), TLS),
        ("http", Server::silent(), ANSWER),
        ("http", Server::endless(head, b"x", pause), ANSWER),
        ("http", Server::endless("", b"HTTP/1.1 103 Early Hints\r\n\r\n", pause), ANSWER),
        ("http", Server::endless(chunked, b"1\r\n \r\n", pause), BODY),
        ("http", Server::endless("HTTP/1.1 200 OK\r\n\r\n", b" ", pause), BODY),
    ];
    thread::scope(|all| {
        for (scheme, server, reason) in &cases {
            let peer = server.address().to_string();
            all.spawn(move || assert_overdue(|| towards(&format!("{scheme}://{peer}")), &peer, reason));
        }
    });
}

#[test]
fn a_proxy_that_hangs_or_drips_ends_with_the_deadline() {
    let pause = Duration::from_millis(20);
    let cases = [
        (Server::silent(), PROXY),
        (Server::endless("HTTP/1.1 200 OK\r\nX: ", b"x", pause), PROXY),
        // It connects, and nothing comes through.
        (Server::endless("HTTP/1.1 200 OK\r\n\r\n", b"", pause), PROXY),
    ];
    thread::scope(|all| {
        for (proxy, reason) in &cases {
            let launch = || towards("https://vault.example").env("HTTPS_PROXY", proxy.url());
            let peer = format!("vault.example through the proxy {}", proxy.address());
            all.spawn(move || assert_overdue(launch, &peer, reason));
        }
    });
}

#[test]
fn a_vault_that_hangs_or_drips_ends_with_the_deadline() {
    let project = Project::new("acme").secret("development", "A", "1");
    let silent = Vault::builder().project(&project).tls(Certificate::Valid).start();
    silent.set_delay(Duration::from_secs(30));
    let peer = format!("localhost:{}", silent.address().port());
    assert_overdue(|| hurried(&silent), &peer, ANSWER);
    let dripping = Vault::of(&project);
    dripping.set_trickle(Duration::from_millis(20));
    assert_overdue(|| hurried(&dripping), &dripping.address().to_string(), BODY);
}

#[test]
fn failing_attempts_end_with_the_deadline() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    vault.respond_always(Some(Response::new(503)));
    let start = Instant::now();
    let outcome = hurried(&vault).run();
    // The last wait is not begun when the deadline comes first.
    assert!(start.elapsed() < Duration::from_secs(10));
    let tries = vault.requests().len();
    assert!(tries > 1);
    let peer = vault.address();
    let error =
        format!("error: {peer} did not serve the request within 1s: it answered HTTP 503 ({tries} attempts)");
    outcome.assert_failed(125, &[&error, MORE_TIME]);
}

#[test]
fn a_key_derivation_ends_with_the_deadline() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    let overdue = [
        "error: the deadline passed during the key derivation",
        "hint: this machine is slow or busy: allow more time with --timeout (REDENV_TIMEOUT)",
    ];
    // Somewhere between the time for a fetch on this machine and the time for a derivation after it.
    let outcomes: Vec<Outcome> = (1..12)
        .map(|n| redenv_run(&vault).env("REDENV_TIMEOUT", format!("{}ms", 5 * n)).program(["true"]).run())
        .collect();
    let lines = overdue.map(|line| format!("redenv-run: {line}\n")).concat();
    assert!(outcomes.iter().any(|o| (o.code(), &o.stderr) == (Some(125), &lines)), "{outcomes:#?}");
}

#[test]
fn a_deadline_beyond_the_clock_never_comes() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    for timeout in ["10000000000000000000", "5000000d"] {
        let launch = redenv_run(&vault).args(["--timeout", timeout]);
        launch.program(["sh", "-c", "echo $A"]).run().assert_ran("1\n");
    }
}

/// Runs it under a watch on its memory: the outcome, and the most that was resident, in KiB. Python counts
/// bytes on macOS.
fn measured(launch: Launch) -> (Outcome, u64) {
    let script = "\
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
open('peak', 'w').write(str(peak // 1024 if sys.platform == 'darwin' else peak))
sys.exit(status)";
    let launch = launch.through(["python3", "-c", script]);
    let peak = launch.directory().join("peak");
    // The directory goes away with redenv-run, so the file is looked at through a descriptor.
    let file = fs::File::create_new(&peak).unwrap();
    let outcome = launch.run();
    (outcome, std::io::read_to_string(file).unwrap().parse().unwrap())
}

#[test]
fn an_answer_over_64_mib_is_refused_within_bounds_of_memory() {
    static MEGABYTE: [u8; 1 << 20] = [b' '; 1 << 20];
    const KIB_PER_MIB: u64 = 1024;
    for (head, most) in [
        // Without a length the buffer doubles when it is full.
        ("HTTP/1.1 200 OK\r\n\r\n", 2 * 64 + 12),
        // Said beforehand, it is not even read.
        ("HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n", 20),
        ("HTTP/1.1 503 Down\r\n\r\n", 2 * 64 + 12),
    ] {
        let server = Server::endless(head, &MEGABYTE, Duration::ZERO);
        let launch = towards(&server.url()).env("REDENV_TIMEOUT", "60s");
        let (outcome, peak) = measured(launch);
        outcome.assert_failed(125, &["error: 127.0.0.1 sent an answer longer than 64 MiB"]);
        assert!(peak < most * KIB_PER_MIB, "{head:?}: {peak} KiB");
        assert_eq!(server.connections(), 1, "it is not asked again");
    }
}

#[test]
fn a_head_without_end_is_refused() {
    let server = Server::start(|mut stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n"));
        while stream.write_all(&b"X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".repeat(1000)).is_ok() {}
    });
    let launch = towards(&server.url()).env("REDENV_TIMEOUT", "60s");
    let (outcome, peak) = measured(launch);
    outcome.assert_failed(
        125,
        &[
            "error: 127.0.0.1 did not answer in HTTP",
            "hint: check the scheme and port of UPSTASH_REDIS_URL: something other than the Upstash REST API may listen there",
        ],
    );
    assert!(peak < 20 * 1024, "{peak} KiB");
}
