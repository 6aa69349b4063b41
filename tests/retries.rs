//! Failures that are tried again inside the deadline, and those that are not.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

#[cfg(target_os = "linux")]
use crate::support::isolated::isolated;
use crate::support::launch::{Launch, Outcome, redenv_run};
use crate::support::project::Project;
use crate::support::server::Server;
use crate::support::vault::{Response, Vault};

/// What `-v` begins with.
const READ: &str = "project acme, environment development";

fn project() -> Project {
    Project::new("acme").secret("development", "GREETING", "hello")
}

/// A verbose launch with time enough for any machine.
fn patient(vault: &Vault) -> Launch {
    let launch = redenv_run(vault).env("REDENV_TIMEOUT", "50s").env("REDENV_VERBOSE", "1");
    launch.program(["sh", "-c", "echo $GREETING"])
}

/// The failed attempts that `-v` reports, without the wait.
fn attempts(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.stderr.lines().filter_map(|line| line.strip_prefix("redenv-run: attempt "));
    lines.map(|line| line.rsplit_once("; next attempt in ").unwrap().0).collect()
}

/// The waits between attempts that `-v` reports.
fn waits(outcome: &Outcome) -> Vec<Duration> {
    let waits = outcome.stderr.lines().filter_map(|line| line.rsplit_once("; next attempt in "));
    waits.map(|(_, ms)| Duration::from_millis(ms.strip_suffix(" ms").unwrap().parse().unwrap())).collect()
}

/// The HTTP date so long from now.
fn http_date(later: Duration) -> String {
    (Timestamp::now() + later).strftime("%a, %d %b %Y %T GMT").to_string()
}

#[track_caller]
fn assert_started(outcome: &Outcome) {
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(0), "hello\n"), "{}", outcome.stderr);
}

#[test]
fn a_failure_that_may_pass_is_tried_again() {
    let cut = Response::raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{\"result\"");
    for (response, reason) in [
        (
            Response::new(429).body(r#"{"error":"Too Many Requests"}"#),
            "it answered HTTP 429 (too many requests)",
        ),
        (Response::new(500), "it answered HTTP 500"),
        (Response::new(502).body("<html>Bad Gateway</html>"), "it answered HTTP 502"),
        (Response::new(503).body("x".repeat(100_000)), "it answered HTTP 503"),
        (Response::new(504), "it answered HTTP 504"),
        (Response::new(529), "it answered HTTP 529"),
        (Response::raw(""), "the connection was closed early"),
        (Response::raw("HTTP/1.1 200 OK\r\nContent-Le"), "the connection was closed early"),
        (cut, "the connection was closed early"),
    ] {
        let vault = Vault::of(&project());
        vault.respond_next(2, &response);
        let outcome = patient(&vault).run().without_sources();
        assert_started(&outcome);
        assert_eq!(attempts(&outcome), [1, 2].map(|n| format!("{n} at 127.0.0.1 failed: {reason}")));
        assert_eq!(vault.requests().len(), 3, "nothing is asked after the answer");
    }
}

#[test]
fn a_refused_connection_is_tried_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(300));
        Vault::builder().project(&project()).port(port).start()
    });
    let vault = Vault::of(&project());
    let outcome = patient(&vault)
        .env("UPSTASH_REDIS_URL", format!("http://127.0.0.1:{port}"))
        .env("UPSTASH_REDIS_TOKEN", vault.token())
        .run();
    let started = later.join().unwrap();
    assert_started(&outcome);
    assert_eq!(attempts(&outcome)[0], "1 at 127.0.0.1 failed: connection refused");
    assert_eq!((vault.requests().len(), started.requests().len()), (0, 1));
}

#[test]
fn an_attempt_that_hangs_leaves_time_for_another() {
    let vault = Vault::of(&project());
    let (address, connections) = (vault.address(), AtomicUsize::new(0));
    let server = Server::start(move |near| {
        if connections.fetch_add(1, Ordering::SeqCst) == 0 {
            return drop(io::copy(&mut &near, &mut io::sink()));
        }
        let far = TcpStream::connect(address).unwrap();
        thread::scope(|both| {
            both.spawn(|| io::copy(&mut &near, &mut &far));
            drop(io::copy(&mut &far, &mut &near));
        });
    });
    let launch = patient(&vault).env("UPSTASH_REDIS_URL", server.url()).env("REDENV_TIMEOUT", "6s");
    let outcome = launch.run();
    assert_started(&outcome);
    assert_eq!(attempts(&outcome), ["1 at 127.0.0.1 failed: no answer came"]);
}

/// Anywhere else, only `-v` prints the attempts.
#[test]
fn a_user_who_waits_at_a_terminal_sees_once_why() {
    let vault = Vault::of(&project());
    vault.respond_next(3, &Response::new(503).header("Retry-After", "1"));
    let launch = redenv_run(&vault).env("REDENV_TIMEOUT", "50s").env("NO_COLOR", "1");
    let shown = launch.program(["printenv", "GREETING"]).on_terminal().finish();
    let lines: Vec<&str> = shown.screen.lines().collect();
    let [warning, "hello"] = lines[..] else { panic!("{lines:?}") };
    let why = "failed: it answered HTTP 503 and asks to wait 1s; next attempt in ";
    assert!(warning.starts_with("redenv-run: warning: attempt ") && warning.contains(why), "{warning}");
    assert!(warning.ends_with(" ms; --timeout is 50s"), "{warning}");
}

#[test]
fn retry_after_is_honoured_in_both_forms() {
    let seconds = || "1".to_owned();
    let date = || http_date(Duration::from_secs(4));
    // A date has whole seconds only, and starting takes some of the time.
    let forms: [&dyn Fn() -> String; 2] = [&seconds, &date];
    for value in forms {
        for status in [429, 503] {
            let vault = Vault::of(&project());
            vault.respond_next(1, &Response::new(status).header("Retry-After", &value()));
            let outcome = patient(&vault).run().without_sources();
            assert_started(&outcome);
            let waits = waits(&outcome);
            assert!(waits[0] >= Duration::from_secs(1), "{waits:?}");
        }
    }
    let vault = Vault::of(&project());
    let past = "Wed, 21 Oct 2015 07:28:00 GMT";
    vault.respond_next(1, &Response::new(429).header("Retry-After", past));
    let outcome = patient(&vault).run().without_sources();
    assert_started(&outcome);
    assert!(waits(&outcome)[0] <= Duration::from_millis(100));
}

#[test]
fn a_retry_after_beyond_the_deadline_ends_at_once() {
    let future = http_date(Duration::from_secs(1000));
    for (value, asked) in [("60", "1m"), ("86400", "24h"), (future.as_str(), "16m ")] {
        let vault = Vault::of(&project());
        vault.respond_next(1, &Response::new(503).header("Retry-After", value));
        let start = Instant::now();
        let outcome = patient(&vault).run().without_sources();
        assert!(start.elapsed() < Duration::from_secs(25), "{value}");
        let error = format!(
            "redenv-run: {READ}\nredenv-run: error: {} did not serve the request within 50s: it answered HTTP 503 and asks to wait {asked}",
            vault.address()
        );
        assert_eq!(outcome.code(), Some(125));
        assert!(outcome.stderr.starts_with(&error), "{}", outcome.stderr);
        assert!(
            outcome.stderr.ends_with("\nredenv-run: hint: allow more time with --timeout (REDENV_TIMEOUT)\n")
        );
        assert_eq!(vault.requests().len(), 1);
    }
}

#[test]
fn waits_are_random_under_a_ceiling_that_doubles() {
    let runs: Vec<Vec<Duration>> = (0..5)
        .map(|_| {
            let vault = Vault::of(&project());
            vault.respond_next(4, &Response::new(503));
            let outcome = patient(&vault).run().without_sources();
            assert_started(&outcome);
            waits(&outcome)
        })
        .collect();
    for waits in &runs {
        for (wait, ceiling) in waits.iter().zip([100, 200, 400, 800]) {
            assert!(*wait <= Duration::from_millis(ceiling), "{runs:?}");
        }
    }
    let mut different: Vec<&Duration> = runs.iter().flatten().collect();
    different.sort();
    different.dedup();
    assert!(different.len() > 5, "{runs:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_unknown_host_gets_three_attempts() {
    // Without a name server the C library says itself that it does not know the name.
    let vault = Vault::of(&project());
    let launch = redenv_run(&vault).env("UPSTASH_REDIS_URL", "https://vault.invalid").program(["true"]);
    let launch = launch.file("nsswitch.conf", "hosts: files\n");
    let outcome = isolated(launch, &["--mount"], "mount --bind nsswitch.conf /etc/nsswitch.conf").run();
    outcome.assert_failed(
        125,
        &[
            "error: vault.invalid could not be reached: its name is unknown (3 attempts)",
            "hint: check the host in UPSTASH_REDIS_URL",
        ],
    );
}
