//! `--offline` starts from the fallback file without asking Upstash.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::Value;

use super::{Place, made, now, parts};
use crate::support::launch::{Launch, redenv_run};

/// A launch with these options that prints the secrets.
fn greet(place: &Place, upstash: &TcpListener, options: &[&str]) -> Launch {
    let launch =
        place.redenv_run().env("UPSTASH_REDIS_URL", format!("http://{}", upstash.local_addr().unwrap()));
    launch.args(options).program(["sh", "-c", "echo $GREETING $NAME"])
}

fn offline(place: &Place, upstash: &TcpListener) -> Launch {
    greet(place, upstash, &["--offline"])
}

/// A server that never answers.
fn upstash() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

#[track_caller]
fn assert_no_connection(upstash: &TcpListener) {
    assert_eq!(upstash.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_launch_starts_from_the_file_and_connects_to_nothing() {
    let (place, upstash) = (Place::filled(), upstash());
    let before = place.read();
    offline(&place, &upstash).run().assert_ran("hello world\n");
    greet(&place, &upstash, &[]).env("REDENV_OFFLINE", "1").run().assert_ran("hello world\n");
    let outcome = greet(&place, &upstash, &["-v", "--offline"]).run();
    let line = format!("redenv-run: starting from {}, fetched ", place.file().display());
    assert!(outcome.stderr.contains(&line) && !outcome.stderr.contains("fetch "), "{}", outcome.stderr);
    assert_no_connection(&upstash);
    assert_eq!(place.read(), before);
}

#[test]
fn check_and_mask_work_offline_too() {
    let (place, upstash) = (Place::filled(), upstash());
    let command = |name| {
        let launch = redenv_run(&place.vault).env("REDENV_FALLBACK", place.file());
        launch.env("UPSTASH_REDIS_URL", format!("http://{}", upstash.local_addr().unwrap())).arg(name)
    };
    let outcome = command("check").args(["--offline", "--format", "json"]).run();
    let checked: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(checked["fallback_age_seconds"].is_u64(), "{checked}");
    command("mask").args(["--offline"]).run().assert_ran("::add-mask::hello\n::add-mask::world\n");
    assert_no_connection(&upstash);
}

#[test]
fn a_revoked_token_is_not_noticed_offline() {
    let place = Place::filled();
    place.vault.hset("meta@acme", "serviceTokens", "{}");
    place.greet().env("REDENV_OFFLINE", "1").run().assert_ran("hello world\n");
    assert_eq!(place.greet().run().code(), Some(125));
}

#[test]
fn a_file_that_cannot_be_used_is_an_error_with_the_next_step() {
    let (place, upstash) = (Place::filled(), upstash());
    let file = place.file().display().to_string();
    let text = place.read();
    let refused = |why: &str, hint: Option<&str>| {
        let error = format!("error: --offline: the fallback file {file} can't be used: {why}");
        let hint = hint.map(|hint| format!("hint: {hint}"));
        let lines: Vec<&str> = [&error].into_iter().chain(&hint).map(String::as_str).collect();
        offline(&place, &upstash).run().assert_failed(125, &lines);
    };
    place.write(&made(&place.project, &(now() - 25 * 3600).into(), parts(&text)[3]));
    let outcome = offline(&place, &upstash).run();
    let end = "; the limit is 24h\nredenv-run: hint: raise the limit with --max-stale (REDENV_MAX_STALE), \
        or start once while Upstash can be reached, without --offline\n";
    assert!(outcome.code() == Some(125) && outcome.stderr.ends_with(end), "{}", outcome.stderr);

    place.write(&text[..text.len() - 1]);
    refused("it is damaged or cut short", None);
    std::fs::remove_file(place.file()).unwrap();
    refused("it does not exist yet", Some("start once while Upstash can be reached, without --offline"));
    assert_no_connection(&upstash);
    assert!(!place.file().exists());
}

#[test]
fn offline_needs_a_fallback_file() {
    let place = Place::new();
    let launch = || redenv_run(&place.vault);
    for launch in [launch().args(["--offline"]), launch().env("REDENV_OFFLINE", "yes")] {
        launch.program(["true"]).run().assert_failed(125, &["error: --offline needs --fallback"]);
    }
    launch().env("REDENV_OFFLINE", "0").program(["true"]).run().assert_ran("");
    // Token commands have no use for the file: the variable changes nothing for them.
    let list = redenv_run(&place.vault).args(["token", "list"]).env("REDENV_OFFLINE", "1").run();
    assert_eq!(list.code(), Some(0), "{}", list.stderr);
    assert_eq!(place.vault.requests().len(), 2);
}
