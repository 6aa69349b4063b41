//! What is tried again inside the deadline, and what isn't.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

#[cfg(target_os = "linux")]
use crate::support::isolated::isolated;
use crate::support::launcher::{Launcher, Outcome, launcher};
use crate::support::project::Project;
use crate::support::vault::{Response, Vault};

/// What `-v` begins with.
const READ: &str = "project acme, environment development";
const REST_URL: &str = "hint: set UPSTASH_REDIS_URL to the REST URL from the database's page";
const NOT_HTTP: &str = "error: 127.0.0.1 did not answer in HTTP";
const CHECK_PORT: &str = "hint: check the scheme and port of UPSTASH_REDIS_URL: something other than the Upstash REST API may listen there";

fn project() -> Project {
    Project::new("acme").secret("development", "GREETING", "hello")
}

/// With time enough for any machine, saying what it does.
fn patient(vault: &Vault) -> Launcher {
    let launcher = launcher(vault).env("REDENV_TIMEOUT", "50s").env("REDENV_VERBOSE", "1");
    launcher.program(["sh", "-c", "echo $GREETING"])
}

/// What `-v` says of attempts that failed, without the wait.
fn attempts(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.stderr.lines().filter_map(|line| line.strip_prefix("redenv-run: attempt "));
    lines.map(|line| line.rsplit_once("; next attempt in ").unwrap().0).collect()
}

/// The waits between attempts, as `-v` says them.
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
fn what_may_pass_is_tried_again() {
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
fn what_does_not_pass_is_not_tried_again() {
    let forbidden = "hint: check that the token and this machine's IP address may use this database";
    let upstash_token = "hint: copy the REST token from the database's page, with a trailing =; the database's password does not work here";
    let page = "hint: set UPSTASH_REDIS_URL to the REST URL from the database's page";
    let quota = [
        "error: 127.0.0.1 refused the request: the database's request quota is used up",
        "hint: raise the quota in Upstash's console, or wait for its next period",
    ];
    let rejected = |why: &str| format!("error: 127.0.0.1 rejected the Upstash token ({why})");
    let (by_status, by_error, by_reply) = (rejected("HTTP 401"), rejected("HTTP 400"), rejected("WRONGPASS"));
    let redirect = |status: u16| {
        let answer = Response::new(status).header("Location", "https://elsewhere.example/");
        let error = format!(
            "error: 127.0.0.1 redirects to another URL (HTTP {status}), which redenv-run does not follow"
        );
        (answer, vec![error, "hint: set UPSTASH_REDIS_URL to the database's own REST URL".into()])
    };
    let no_api = |status: u16| {
        let error = format!("error: 127.0.0.1 has no Upstash REST API at this URL (HTTP {status})");
        (Response::new(status), vec![error, page.into()])
    };
    let malformed = |body: &str, at: usize| {
        let error =
            format!("error: 127.0.0.1 did not answer like an Upstash REST API (invalid JSON at byte {at})");
        (Response::new(200).body(body), vec![error, REST_URL.into()])
    };
    let other = |status: u16, body: &str, lines: &[&str]| {
        (Response::new(status).body(body), lines.iter().map(|&line| line.to_owned()).collect())
    };
    let raw = |bytes: &str| (Response::raw(bytes), vec![NOT_HTTP.into(), CHECK_PORT.into()]);
    let refused = "error: 127.0.0.1 refused the request (HTTP 400): error code ERR";
    let cases: Vec<(Response, Vec<String>)> = vec![
        other(400, r#"{"error":"ERR failed to parse 'hunter2'"}"#, &[refused]),
        other(400, "hunter2", &["error: 127.0.0.1 refused the request (HTTP 400): no reason given"]),
        other(413, "", &["error: 127.0.0.1 refused the request (HTTP 413): no reason given"]),
        other(401, "", &[&by_status, upstash_token]),
        other(401, r#"{"error":"Unauthorized"}"#, &[&by_status, upstash_token]),
        other(400, r#"{"error":"WRONGPASS invalid or missing auth token"}"#, &[&by_error, upstash_token]),
        other(403, "", &["error: 127.0.0.1 denied access (HTTP 403)", forbidden]),
        other(429, r#"{"error":"ERR max requests limit exceeded. Limit: 9, Usage: 10"}"#, &quota),
        other(400, r#"{"error":"ERR max daily request limit exceeded. Limit: 9, Usage: 10"}"#, &quota),
        other(200, r#"[{"error":"ERR max requests limit exceeded."},{"error":"ERR"}]"#, &quota),
        other(200, r#"[{"error":"WRONGPASS hunter2"},{"result":[]}]"#, &[&by_reply, upstash_token]),
        redirect(301),
        redirect(302),
        redirect(307),
        redirect(308),
        no_api(404),
        no_api(405),
        malformed("", 0),
        malformed("hunter2", 0),
        malformed(r#"[{"result":"hunter2"}]"#, 19),
        raw("hunter2\r\n\r\n"),
        raw("HTTP/1.1 two hundred\r\n\r\n"),
    ];
    for (response, lines) in cases {
        let vault = Vault::of(&project());
        vault.respond_always(Some(response));
        let outcome = patient(&vault).run().without_sources();
        let said: Vec<&str> = [READ].into_iter().chain(lines.iter().map(String::as_str)).collect();
        outcome.assert_failed(125, &said);
        assert_eq!(vault.requests().len(), 1, "{lines:?}");
    }
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
fn a_host_that_nobody_knows_is_given_up_after_three_attempts() {
    // No name server, but the C library's own word that nobody knows the name.
    let vault = Vault::of(&project());
    let launch = launcher(&vault).env("UPSTASH_REDIS_URL", "https://vault.invalid").program(["true"]);
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
