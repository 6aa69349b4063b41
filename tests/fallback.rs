//! `--fallback`: a launch starts from the ciphertext of the last reply while Upstash can't be reached.

mod content;
mod killed;
mod offline;
mod place;
mod proof;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::launch::{Launch, Outcome, redenv_run};
use crate::support::project::{Project, TOKEN_ID, TOKEN_SALT};
use crate::support::vault::{Response, Vault};

const NOBODY: u32 = 65534;

/// An encrypted PEK of the right form that no key decrypts.
const PEK: &str = "000000000000000000000000.00000000000000000000000000000000";

fn project() -> Project {
    Project::new("acme")
        .history("development", "GREETING", &["hello", "hi"])
        .secret("development", "NAME", "world")
        .secret("production", "GREETING", "good evening")
        .raw_field("development", "__created_by", "somebody")
}

/// The words for an outage of this vault in every message.
fn outage(vault: &Vault) -> String {
    let why = "it answered HTTP 503 and asks to wait 16m 40s";
    format!("{} did not serve the request within 10s: {why}", vault.address())
}

/// A vault, and a place for its fallback file.
struct Place {
    project: Project,
    vault: Vault,
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self::of(project())
    }

    fn of(project: Project) -> Self {
        Self { vault: Vault::of(&project), project, directory: TempDir::new().unwrap() }
    }

    /// A place whose file a launch has written.
    fn filled() -> Self {
        let place = Self::new();
        place.greet().run().assert_ran("hello world\n");
        place
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("fallback")
    }

    fn read(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
        fs::set_permissions(self.file(), Permissions::from_mode(0o600)).unwrap();
    }

    fn redenv_run(&self) -> Launch {
        redenv_run(&self.vault).env("REDENV_FALLBACK", self.file())
    }

    fn greet(&self) -> Launch {
        self.redenv_run().program(["sh", "-c", "echo $GREETING $NAME"])
    }

    /// From now on Upstash asks to wait longer than the deadline: the quickest outage.
    fn go_down(&self) {
        self.vault.respond_always(Some(Response::new(503).header("Retry-After", "1000")));
    }

    fn come_back(&self) {
        self.vault.respond_always(None);
    }

    /// The command started from the file, with a warning that names the outage and the file's age.
    #[track_caller]
    fn assert_started_from_file(&self, outcome: &Outcome, stdout: &str) {
        self.assert_started_from_file_of(&self.vault, outcome, stdout);
    }

    /// The same for an outage of another vault.
    #[track_caller]
    fn assert_started_from_file_of(&self, down: &Vault, outcome: &Outcome, stdout: &str) {
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(0), stdout), "{}", outcome.stderr);
        let beginning = format!(
            "redenv-run: warning: {}; starting from {}, fetched ",
            outage(down),
            self.file().display()
        );
        assert!(outcome.stderr.starts_with(&beginning), "{}", outcome.stderr);
        assert!(outcome.stderr.ends_with(" ago\n") && outcome.stderr.lines().count() == 1);
    }

    /// The command did not start, because neither Upstash nor the file could be used.
    #[track_caller]
    fn assert_unusable(&self, launch: Launch, why: &str) {
        self.assert_unusable_for(&self.vault, launch, why);
    }

    /// The same for an outage of another vault.
    #[track_caller]
    fn assert_unusable_for(&self, down: &Vault, launch: Launch, why: &str) {
        let file = self.file().display().to_string();
        let error = format!("error: {}; and the fallback file {file} can't be used: {why}", outage(down));
        let hint = match why {
            "it does not exist yet" => {
                Some("hint: start once while Upstash can be reached, without --offline")
            }
            "other users may write it" => {
                Some("hint: run `chmod go-w` on it, unless somebody else has changed it")
            }
            _ if ["it belongs to project ", "it belongs to environment ", "it belongs to token "]
                .iter()
                .any(|of| why.starts_with(of)) =>
            {
                Some("hint: give each project, environment and token its own file")
            }
            _ => None,
        };
        let lines: Vec<&str> = [error.as_str()].into_iter().chain(hint).collect();
        launch.run().assert_failed(125, &lines);
    }

    /// The command started with fetched secrets, with a warning why the file is out of date.
    #[track_caller]
    fn assert_started_without_writing(&self, launch: Launch, why: &str) {
        let outcome = launch.run();
        let file = self.file().display().to_string();
        let warning = format!("redenv-run: warning: the fallback file {file} is out of date: {why}\n");
        assert_eq!(
            (outcome.code(), outcome.stdout.as_str(), outcome.stderr.as_str()),
            (Some(0), "hello world\n", warning.as_str())
        );
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A file in the documented format, with any time, made with the project's key.
fn made(project: &Project, fetched_at: &Value, reply: &str) -> String {
    let first = "redenv-run fallback 1\n";
    let header = json!({
        "project": "acme", "environments": ["development"], "token_id": TOKEN_ID, "salt": TOKEN_SALT,
        "fetched_at": fetched_at,
    });
    let header = format!("{header}\n");
    let mac = project.mac(first, &[first, &header, reply]);
    format!("{first}{header}{mac}\n{reply}")
}

/// The four parts of a file.
fn parts(text: &str) -> [&str; 4] {
    text.splitn(4, '\n').collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn a_launch_in_an_outage_starts_from_the_file_with_a_warning() {
    let place = Place::filled();
    place.go_down();
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
    let quiet = place.redenv_run().arg("-q").program(["sh", "-c", "echo $GREETING"]);
    quiet.run().assert_ran("hello\n");
}

#[test]
fn every_kind_of_outage_starts_from_the_file() {
    let started = |place: &Place, launch: Launch, why: &str| {
        let outcome = launch.run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(0), "hello world\n"), "{outcome:?}");
        let beginning = format!("redenv-run: warning: {why}");
        assert!(outcome.stderr.starts_with(&beginning), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("; starting from {}", place.file().display())));
    };
    for (response, why) in [
        (Response::new(429), "it answered HTTP 429 (too many requests) ("),
        (Response::new(500), "it answered HTTP 500 ("),
    ] {
        let place = Place::filled();
        place.vault.respond_always(Some(response));
        // Time for the derivation beside a hundred launches of another test.
        let why = format!("{} did not serve the request within 6s: {why}", place.vault.address());
        started(&place, place.greet().env("REDENV_TIMEOUT", "6s"), &why);
    }
    // With a usable file there are only a few attempts, so nobody waits for the deadline.
    let place = Place::filled();
    place.vault.respond_always(Some(Response::raw("")));
    let address = place.vault.address();
    let why = format!("{address} could not be reached: the connection was closed early (4 attempts)");
    started(&place, place.greet().env("REDENV_TIMEOUT", "50s"), &why);
    let nobody = "http://127.0.0.1:1";
    let why = "127.0.0.1:1 could not be reached: connection refused (4 attempts)";
    started(&place, place.greet().env("UPSTASH_REDIS_URL", nobody).env("REDENV_TIMEOUT", "50s"), why);
    place.come_back();
    place.vault.set_delay(Duration::from_secs(30));
    let why = format!("{address} did not answer within 2s: no answer came");
    started(&place, place.greet().env("REDENV_TIMEOUT", "2s"), &why);
}
