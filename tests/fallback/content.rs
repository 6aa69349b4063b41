//! The content of the file is enough for a launch, and contains nothing else.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::{Place, now, parts};
use crate::support::project::{Project, TOKEN_ID, TOKEN_KEY, TOKEN_SALT};

#[test]
fn the_file_contains_only_ciphertext_and_names() {
    let place = Place::filled();
    let text = place.read();
    for secret in ["hello", "hi\"", "world", TOKEN_KEY, place.vault.token(), &place.project.pek_hex()] {
        assert!(!text.contains(secret), "{secret}");
    }
    // It omits other fields of the entry, the tools' own fields, and the copy for the master password.
    for other in ["the only token of this project", "__created_by", "encryptedPEK\":\"f0"] {
        assert!(!text.contains(other), "{other}");
    }
    let history = place.vault.hget("development:acme", "NAME").unwrap();
    let history: Value = serde_json::from_str(&history).unwrap();
    assert!(text.contains(history[0]["value"].as_str().unwrap()), "the ciphertext of Upstash");
}

#[test]
fn the_file_has_the_documented_format() {
    let place = Place::filled();
    let text = place.read();
    let [first, line, mac, reply] = parts(&text);
    assert_eq!(first, "redenv-run fallback 1");
    let header: Value = serde_json::from_str(line).unwrap();
    let fetched_at = header["fetched_at"].as_u64().unwrap();
    assert!((now() - 60..=now()).contains(&fetched_at));
    let mut expected = json!({
        "project": "acme", "environments": ["development"], "token_id": TOKEN_ID, "salt": TOKEN_SALT
    });
    expected["fetched_at"] = fetched_at.into();
    assert_eq!(header, expected);
    let (first, line) = (format!("{first}\n"), format!("{line}\n"));
    assert_eq!(mac, place.project.mac(&first, &[&first, &line, reply]));
    assert!(serde_json::from_str::<Value>(reply).unwrap().is_array());
}

#[test]
fn only_the_owner_can_read_the_file_whatever_the_umask() {
    for umask in ["000", "022", "777"] {
        let place = Place::new();
        place.greet().after(&format!("umask {umask}")).run().assert_ran("hello world\n");
        assert_eq!(fs::metadata(place.file()).unwrap().mode() & 0o7777, 0o600, "umask {umask}");
        let files: Vec<_> = fs::read_dir(place.directory.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "nothing else is left behind");
    }
}

#[test]
fn pins_selection_and_layers_work_from_the_file() {
    let place = Place::new();
    let launch =
        |arguments: &[&str]| place.redenv_run().args(arguments).program(["sh", "-c", "echo $GREETING $NAME"]);
    let both = ["-e", "development", "-e", "production"];
    launch(&both).run().assert_ran("good evening world\n");
    place.go_down();
    place.assert_started_from_file(&launch(&both).run(), "good evening world\n");
    let only = [&both[..], &["--only", "NAME"]].concat();
    place.assert_started_from_file(&launch(&only).run(), "world\n");
    let excluded = [&both[..], &["--exclude", "NAME"]].concat();
    place.assert_started_from_file(&launch(&excluded).run(), "good evening\n");

    let place = Place::filled();
    place.go_down();
    for pin in ["GREETING=1", "GREETING=~1"] {
        let launch = place.redenv_run().args(["--pin", pin]).program(["sh", "-c", "echo $GREETING $NAME"]);
        place.assert_started_from_file(&launch.run(), "hi world\n");
    }
}

#[test]
fn an_environment_without_secrets_still_exists() {
    let place = Place::of(Project::new("acme").raw_field("development", "__created_by", "somebody"));
    place.greet().run().assert_ran("\n");
    place.go_down();
    place.assert_started_from_file(&place.greet().run(), "\n");
}

#[test]
fn check_works_from_the_file() {
    let place = Place::filled();
    place.go_down();
    let outcome = place.redenv_run().arg("check").run();
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("GREETING") && outcome.stderr.contains("; starting from "));
}
