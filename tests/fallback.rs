//! Starting from the sealed reply of the last fetch while the store can't be reached, and from
//! nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::isolated::isolated;
use crate::support::launcher::{Launcher, Outcome, launcher};
use crate::support::project::{Project, TOKEN_ID, TOKEN_KEY, TOKEN_SALT};
use crate::support::vault::{Response, Vault};

const NOBODY: u32 = 65534;

/// A sealed PEK of the right form, which opens with no key.
const PEK: &str = "000000000000000000000000.00000000000000000000000000000000";

fn project() -> Project {
    Project::new("acme")
        .history("development", "GREETING", &["hello", "hi"])
        .secret("development", "NAME", "world")
        .secret("production", "GREETING", "good evening")
        .raw_field("development", "__created_by", "somebody")
}

/// What an outage of this vault is called in every message.
fn outage(vault: &Vault) -> String {
    let why = "it answered with status 503 and asks to wait 16m 40s";
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

    /// One whose file a launch has written.
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

    fn launcher(&self) -> Launcher {
        launcher(&self.vault).env("REDENV_FALLBACK", self.file())
    }

    fn greet(&self) -> Launcher {
        self.launcher().program(["sh", "-c", "echo $GREETING $NAME"])
    }

    /// From now on the store asks for more patience than there is: the quickest of outages.
    fn go_down(&self) {
        self.vault.respond_always(Some(Response::new(503).header("Retry-After", "1000")));
    }

    fn come_back(&self) {
        self.vault.respond_always(None);
    }

    /// COMMAND started during the outage, and a line said so, with the age.
    #[track_caller]
    fn assert_started_from_file(&self, outcome: &Outcome, stdout: &str) {
        self.assert_started_from_file_of(&self.vault, outcome, stdout);
    }

    /// The same where the outage is another vault's.
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

    /// COMMAND did not start: neither the store nor the file would do.
    #[track_caller]
    fn assert_unusable(&self, launch: Launcher, why: &str) {
        self.assert_unusable_for(&self.vault, launch, why);
    }

    /// The same where the outage is another vault's.
    #[track_caller]
    fn assert_unusable_for(&self, down: &Vault, launch: Launcher, why: &str) {
        let file = self.file().display().to_string();
        let error = format!("error: {}; and the fallback file {file} can't be used: {why}", outage(down));
        launch.run().assert_failed(125, &[&error]);
    }

    /// COMMAND started with fetched secrets, and a line says why the file is not up to date.
    #[track_caller]
    fn assert_started_without_writing(&self, launch: Launcher, why: &str) {
        let outcome = launch.run();
        let file = self.file().display().to_string();
        let warning = format!("redenv-run: warning: the fallback file {file} is not up to date: {why}\n");
        assert_eq!(
            (outcome.code(), outcome.stdout.as_str(), outcome.stderr.as_str()),
            (Some(0), "hello world\n", warning.as_str())
        );
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A file as its format is described, of any time, made with the project's key.
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
fn an_outage_is_bridged_and_said() {
    let place = Place::filled();
    place.go_down();
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
    let quiet = place.launcher().arg("-q").program(["sh", "-c", "echo $GREETING"]);
    quiet.run().assert_ran("hello\n");
}

#[test]
fn every_kind_of_outage_is_bridged() {
    let started = |place: &Place, launch: Launcher, why: &str| {
        let outcome = launch.run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(0), "hello world\n"), "{outcome:?}");
        let beginning = format!("redenv-run: warning: {why}");
        assert!(outcome.stderr.starts_with(&beginning), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(&format!("; starting from {}", place.file().display())));
    };
    for (response, why) in [
        (Response::new(429), "it allows no more requests for now (status 429), "),
        (Response::new(500), "it answered with status 500, "),
    ] {
        let place = Place::filled();
        place.vault.respond_always(Some(response));
        let why = format!("{} did not serve the request within 2s: {why}", place.vault.address());
        started(&place, place.greet().env("REDENV_TIMEOUT", "2s"), &why);
    }
    // Attempts at a store that isn't there are few: no need to wait for the deadline.
    let place = Place::filled();
    place.vault.respond_always(Some(Response::raw("")));
    let address = place.vault.address();
    let why = format!("{address} could not be reached: the connection was closed early, 4 times");
    started(&place, place.greet().env("REDENV_TIMEOUT", "50s"), &why);
    let nobody = "http://127.0.0.1:1";
    let why = "127.0.0.1:1 could not be reached: the connection was refused, 4 times";
    started(&place, place.greet().env("UPSTASH_REDIS_URL", nobody).env("REDENV_TIMEOUT", "50s"), why);
    place.come_back();
    place.vault.set_delay(Duration::from_secs(30));
    let why = format!("{address} did not answer within 2s: no answer in time");
    started(&place, place.greet().env("REDENV_TIMEOUT", "2s"), &why);
}

#[test]
fn the_file_holds_ciphertext_and_names_alone() {
    let place = Place::filled();
    let text = place.read();
    for secret in ["hello", "hi\"", "world", TOKEN_KEY, place.vault.token(), &place.project.pek_hex()] {
        assert!(!text.contains(secret), "{secret}");
    }
    // Nor what isn't needed: other fields of the entry, the tools' own, the master password's copy.
    for other in ["the only token of this project", "__created_by", "encryptedPEK\":\"f0"] {
        assert!(!text.contains(other), "{other}");
    }
    let sealed = place.vault.hget("development:acme", "NAME").unwrap();
    let sealed: Value = serde_json::from_str(&sealed).unwrap();
    assert!(text.contains(sealed[0]["value"].as_str().unwrap()), "sealed as the store has it");
}

#[test]
fn the_file_is_as_its_format_says() {
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
fn the_file_is_its_owners_alone_whatever_the_umask() {
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
        |arguments: &[&str]| place.launcher().args(arguments).program(["sh", "-c", "echo $GREETING $NAME"]);
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
        let launch = place.launcher().args(["--pin", pin]).program(["sh", "-c", "echo $GREETING $NAME"]);
        place.assert_started_from_file(&launch.run(), "hi world\n");
    }
}

#[test]
fn an_environment_without_a_secret_is_still_one() {
    let place = Place::of(Project::new("acme").raw_field("development", "__created_by", "somebody"));
    place.greet().run().assert_ran("\n");
    place.go_down();
    place.assert_started_from_file(&place.greet().run(), "\n");
}

#[test]
fn check_stands_on_it_too() {
    let place = Place::filled();
    place.go_down();
    let outcome = place.launcher().arg("check").run();
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("GREETING") && outcome.stderr.contains("; starting from "));
}

#[test]
fn a_changed_file_is_refused_whatever_was_changed() {
    let forged = "it was changed since it was written, or is of another project";
    let unopened = "REDENV_TOKEN_KEY doesn't open it: it was changed, or is of another key";
    let damaged = "it is damaged or cut short";
    let place = Place::filled();
    place.go_down();
    let original = place.read();
    let [first, header, mac, reply] = parts(&original);
    let header: Value = serde_json::from_str(header).unwrap();
    let header = |field: &str, value: Value| {
        let mut header = header.clone();
        header[field] = value;
        format!("{first}\n{header}\n{mac}\n{reply}")
    };
    let replies: Value = serde_json::from_str(reply).unwrap();
    let reply = |change: &dyn Fn(&mut Value)| {
        let mut replies = replies.clone();
        change(&mut replies);
        let original_header = original.lines().nth(1).unwrap();
        format!("{first}\n{original_header}\n{mac}\n{replies}")
    };
    let token = |field: &'static str, value: &'static str| {
        reply(&move |replies| {
            let mut tokens: Value = serde_json::from_str(replies[0]["result"][3].as_str().unwrap()).unwrap();
            tokens[TOKEN_ID][field] = value.into();
            replies[0]["result"][3] = tokens.to_string().into();
        })
    };
    // A well-formed PEK that this key doesn't open.
    for (text, why) in [
        (header("project", "other".into()), "it is of project other"),
        (header("environments", json!(["production"])), "it is of environment production"),
        (header("environments", json!(["development", "x"])), "it is of environment development, x"),
        (header("environments", json!([])), "it is of environment \"\""),
        (header("token_id", "stk_other".into()), "it is of token stk_other"),
        (header("salt", "00".repeat(16).into()), forged),
        (header("salt", "no salt".into()), forged),
        (header("fetched_at", (now() - 5).into()), forged),
        (header("fetched_at", json!(-1)), damaged),
        (header("fetched_at", json!(1.5)), damaged),
        (header("fetched_at", "now".into()), damaged),
        (header("fetched_at", u64::MAX.into()), damaged),
        (header("more", 1.into()), forged),
        (original.replacen("{\"", "{ \"", 1), forged),
        (original.replacen(mac, &"0".repeat(64), 1), forged),
        (original.replacen(mac, "", 1), forged),
        (original.replacen(mac, &mac[..62], 1), forged),
        (original.replacen(mac, &format!("{mac}00"), 1), forged),
        (original.replacen(mac, "not a MAC", 1), forged),
        (format!("{original} "), forged),
        (reply(&|r| r[1]["result"].as_array_mut().unwrap().swap(1, 3)), forged),
        (reply(&|r| r[1]["result"].as_array_mut().unwrap().truncate(2)), forged),
        (reply(&|r| r[1]["result"][1] = "[]".into()), forged),
        (reply(&|r| r[1]["result"][0] = "LD_PRELOAD".into()), forged),
        (reply(&|r| r[0]["result"][1] = "md5".into()), damaged),
        (reply(&|r| r[0]["error"] = "WRONGPASS".into()), damaged),
        (reply(&|r| *r = json!([])), damaged),
        (token("encryptedPEK", PEK), unopened),
        (token("encryptedPEK", "x"), unopened),
        (token("salt", "ffffffffffffffffffffffffffffffff"), unopened),
        (token("salt", "x"), damaged),
        (token("more", "x"), forged),
    ] {
        place.write(&text);
        place.assert_unusable(place.greet(), why);
        assert_eq!(place.read(), text, "a file that is refused is left alone");
    }
    place.write(&original);
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
}

#[test]
fn a_file_that_was_cut_short_anywhere_is_refused_and_replaced() {
    let place = Place::filled();
    let original = place.read();
    let [first, header, mac, reply] = parts(&original).map(str::len);
    let other = "it is another kind of file, and left alone";
    let damaged = "it is damaged or cut short";
    for (length, why) in [
        (0, damaged),
        (first, other),
        (first + 1, damaged),
        (first + 20, damaged),
        (first + 1 + header, damaged),
        (first + 1 + header + 10, damaged),
        (first + 1 + header + 1 + mac, damaged),
        (first + 1 + header + 1 + mac + 1, damaged),
        (first + 1 + header + 1 + mac + 1 + reply / 2, damaged),
        (original.len() - 1, damaged),
    ] {
        place.write(&original[..length]);
        place.go_down();
        place.assert_unusable(place.greet(), why);
        place.come_back();
        if why == damaged {
            place.greet().run().assert_ran("hello world\n");
            assert_eq!(place.read().len(), original.len(), "{length}");
        } else {
            place.assert_started_without_writing(place.greet(), other);
        }
    }
}

#[test]
fn a_file_of_another_version_is_refused_and_replaced() {
    let place = Place::filled();
    let newer = place.read().replacen("fallback 1\n", "fallback 2\n", 1);
    place.write(&newer);
    place.go_down();
    place.assert_unusable(place.greet(), "it is of another version of the format");
    place.come_back();
    place.greet().run().assert_ran("hello world\n");
    assert!(place.read().starts_with("redenv-run fallback 1\n"));
}

#[test]
fn another_kind_of_file_is_left_alone() {
    let why = "it is another kind of file, and left alone";
    let place = Place::new();
    let long = "x".repeat(200_000);
    for content in ["something precious\n", "{}", "\n", long.as_str()] {
        place.write(content);
        place.come_back();
        place.assert_started_without_writing(place.greet(), why);
        place.go_down();
        place.assert_unusable(place.greet(), why);
        assert_eq!(place.read(), content);
    }
    fs::write(place.file(), b"\xff\xfe\x00").unwrap();
    place.assert_unusable(place.greet(), why);
    assert_eq!(fs::read(place.file()).unwrap(), b"\xff\xfe\x00");
}

#[test]
fn a_file_of_another_project_is_left_alone_and_one_of_another_environment_replaced() {
    let place = Place::filled();
    let other = Vault::of(&Project::new("other").secret("development", "GREETING", "hello"));
    let launch = || {
        let launch = launcher(&other).env("REDENV_FALLBACK", place.file());
        launch.env("NAME", "world").program(["sh", "-c", "echo $GREETING $NAME"])
    };
    let before = place.read();
    place.assert_started_without_writing(launch(), "it is of project acme");
    other.respond_always(Some(Response::new(503).header("Retry-After", "1000")));
    place.assert_unusable_for(&other, launch(), "it is of project acme");
    assert_eq!(place.read(), before);

    let production = || place.launcher().args(["-e", "production"]).program(["sh", "-c", "echo $GREETING"]);
    place.go_down();
    place.assert_unusable(production(), "it is of environment development");
    place.come_back();
    production().run().assert_ran("good evening\n");
    place.go_down();
    place.assert_started_from_file(&production().run(), "good evening\n");
}

#[test]
fn the_key_of_another_token_does_not_open_it() {
    let place = Place::filled();
    place.go_down();
    let launch = place.greet().env("REDENV_TOKEN_KEY", "redenv_sk_another");
    place.assert_unusable(launch, "REDENV_TOKEN_KEY doesn't open it: it was changed, or is of another key");
    let launch = place.greet().env("REDENV_TOKEN_ID", "stk_another");
    place.assert_unusable(launch, &format!("it is of token {TOKEN_ID}"));
}

#[test]
fn only_a_fresh_file_is_used() {
    const HOUR: u64 = 3600;
    let place = Place::filled();
    place.go_down();
    let text = place.read();
    let at = |seconds: u64| place.write(&made(&place.project, &seconds.into(), parts(&text)[3]));
    let with = |max_stale: &str| place.greet().env("REDENV_MAX_STALE", max_stale);

    at(now());
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
    at(now() - 23 * HOUR);
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
    at(now() - 25 * HOUR);
    for (max_stale, most) in [("24h", "1day"), ("1h", "1h")] {
        let outcome = with(max_stale).run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
        let (age, most) = ("can't be used: it is 1day 1h ", format!("old, and {most} is the most\n"));
        assert!(outcome.stderr.contains(age) && outcome.stderr.ends_with(&most), "{}", outcome.stderr);
    }
    place.assert_started_from_file(&with("2days").run(), "hello world\n");
    assert_eq!(place.greet().run().code(), Some(125), "a day is the most where nothing is said");
    at(0);
    place.assert_started_from_file(&with("200years").run(), "hello world\n");

    // A clock that is set back by a little is nothing, by more is told.
    at(now() + 30);
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
    at(now() + 48 * HOUR);
    let outcome = place.greet().run();
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
    let why = "can't be used: it is from 1day 23h 59m ";
    assert!(outcome.stderr.contains(why), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with("s in the future: the clock went backwards\n"), "{}", outcome.stderr);
    place.come_back();
    place.greet().run().assert_ran("hello world\n");
    place.go_down();
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
}

#[test]
fn a_refusal_deletes_it_and_nothing_starts_from_it() {
    let not_accepted = "error: 127.0.0.1 does not accept the Upstash token";
    let forbidden = "error: 127.0.0.1 refuses access (status 403)";
    let revoked = &format!(
        "error: project acme has no service token {TOKEN_ID}: it was revoked, or is of another project"
    );
    let respond = |place: &Place, response: Response| place.vault.respond_always(Some(response));
    #[expect(clippy::type_complexity, reason = "a table of names and what is done")]
    let cases: [(&str, &dyn Fn(&Place)); 6] = [
        (not_accepted, &|place| respond(place, Response::new(401))),
        (not_accepted, &|place| respond(place, Response::new(400).body(r#"{"error":"WRONGPASS"}"#))),
        (not_accepted, &|place| {
            respond(place, Response::new(200).body(r#"[{"error":"WRONGPASS"},{"error":"WRONGPASS"}]"#));
        }),
        (forbidden, &|place| respond(place, Response::new(403))),
        (revoked, &|place| place.vault.hset("meta@acme", "serviceTokens", "{}")),
        (revoked, &|place| place.vault.hdel("meta@acme", "serviceTokens")),
    ];
    for (error, refuse) in cases {
        let place = Place::filled();
        let file = place.file().display().to_string();
        refuse(&place);
        let outcome = place.greet().run();
        let deleted = format!("redenv-run: warning: deleted the fallback file {file}\nredenv-run: {error}\n");
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
        assert!(outcome.stderr.starts_with(&deleted), "{}", outcome.stderr);
        assert!(!place.file().exists());
        place.go_down();
        place.assert_unusable(place.greet(), "it is not there yet");
    }
}

#[test]
fn a_stale_file_is_deleted_too_but_not_one_of_somebody_else() {
    let place = Place::filled();
    let unauthorized = || place.vault.respond_always(Some(Response::new(401)));
    unauthorized();
    let outcome = place.greet().env("REDENV_MAX_STALE", "1ms").run();
    assert_eq!((outcome.code(), place.file().exists()), (Some(125), false), "{}", outcome.stderr);
    for content in ["something precious", "redenv-run fallback 1\n{}"] {
        place.write(content);
        assert_eq!(place.greet().run().code(), Some(125));
        assert_eq!(place.read(), content);
    }
    place.come_back();
    fs::remove_file(place.file()).unwrap();
    place.greet().run().assert_ran("hello world\n");
    unauthorized();
    for (name, value) in [("REDENV_PROJECT", "other"), ("REDENV_TOKEN_ID", "stk_other")] {
        assert_eq!(place.greet().env(name, value).run().code(), Some(125));
        assert!(place.file().exists(), "{name}");
    }
}

#[test]
fn what_is_neither_outage_nor_refusal_leaves_it_alone_and_unused() {
    let place = Place::filled();
    let before = place.read();
    for response in [
        Response::new(200).body("hunter2"),
        Response::new(302).header("Location", "https://elsewhere.example"),
        Response::new(404),
        Response::new(400).body(r#"{"error":"ERR something"}"#),
        Response::new(429).body(r#"{"error":"ERR max requests limit exceeded."}"#),
        Response::new(200).body(r#"[{"result":[null,null,null,null,null]},{"result":[]}]"#),
    ] {
        place.vault.respond_always(Some(response.clone()));
        let outcome = place.greet().run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""), "{response:?}");
        assert!(!outcome.stderr.contains("fallback"), "{}", outcome.stderr);
        assert_eq!(place.read(), before);
    }
    place.come_back();
    let outcome = place.greet().env("REDENV_TOKEN_KEY", "redenv_sk_another").run();
    assert_eq!(outcome.code(), Some(125));
    assert_eq!(place.read(), before);
}

#[test]
fn a_short_lived_token_stays_short_lived() {
    let expires = |at: Value| {
        let project = project().ephemeral();
        let hashes = project.hashes();
        let field = format!("ephemeral:{TOKEN_ID}");
        let mut entry: Value = serde_json::from_str(&hashes["meta@acme"][&field]).unwrap();
        entry["expiresAt"] = at;
        project.raw_meta(&field, &entry.to_string())
    };
    let milliseconds = |seconds: u64| json!(seconds * 1000);
    // Years of five digits are no reason to fail.
    for at in [milliseconds(now() + 3600), milliseconds(999_999_999_999), json!(1e20), json!(9e21)] {
        let place = Place::of(expires(at.clone()));
        place.greet().run().assert_ran("hello world\n");
        place.go_down();
        place.assert_started_from_file(&place.greet().run(), "hello world\n");
    }
    let place = Place::of(expires(milliseconds(now() + 3)));
    place.greet().run().assert_ran("hello world\n");
    thread::sleep(Duration::from_secs(4));
    place.go_down();
    place.greet().run().assert_failed(
        125,
        &[
            &format!("error: the short-lived token {TOKEN_ID} has expired"),
            "hint: start the tool that made it again, or use a service token",
        ],
    );
}

#[test]
fn a_file_that_others_could_have_written_is_not_believed_nor_replaced() {
    let place = Place::filled();
    let before = place.read();
    let both_ways = |why: &str| {
        place.come_back();
        place.assert_started_without_writing(place.greet(), why);
        place.go_down();
        place.assert_unusable(place.greet(), why);
        assert_eq!(place.read(), before);
    };
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(place.file(), Permissions::from_mode(mode)).unwrap();
        both_ways("others may write it");
    }
    fs::set_permissions(place.file(), Permissions::from_mode(0o600)).unwrap();
    lchown(place.file(), Some(NOBODY), None).expect("chown takes root");
    both_ways("it is another user's");
}

#[test]
fn a_file_that_cannot_be_read_is_not_replaced_either() {
    let place = Place::new();
    fs::write(place.file(), "something precious").unwrap();
    fs::set_permissions(place.file(), Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(place.directory.path(), Permissions::from_mode(0o777)).unwrap();
    let launch = place.greet();
    fs::set_permissions(launch.directory(), Permissions::from_mode(0o777)).unwrap();
    let launch = launch.through(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    place.assert_started_without_writing(launch, "it can't be read: permission denied");
    assert_eq!(place.read(), "something precious");
}

#[test]
fn a_symbolic_link_is_followed_where_it_is_ones_own() {
    let place = Place::new();
    let target = place.directory.path().join("target");
    symlink(&target, place.file()).unwrap();
    fs::write(&target, "").unwrap();
    place.greet().run().assert_ran("hello world\n");
    assert!(fs::symlink_metadata(place.file()).unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().starts_with("redenv-run fallback 1\n"));
    place.go_down();
    place.assert_started_from_file(&place.greet().run(), "hello world\n");

    lchown(place.file(), Some(NOBODY), None).expect("chown takes root");
    let why = "it is another user's symbolic link";
    place.assert_unusable(place.greet(), why);
    place.come_back();
    let before = fs::read_to_string(&target).unwrap();
    place.assert_started_without_writing(place.greet(), why);
    assert_eq!(fs::read_to_string(&target).unwrap(), before);
    place.vault.respond_always(Some(Response::new(401)));
    assert_eq!(place.greet().run().code(), Some(125));
    assert!(target.exists(), "nothing is deleted through it");
}

#[test]
fn a_link_that_comes_during_the_fetch_is_not_followed() {
    let place = Place::new();
    let precious = place.directory.path().join("precious");
    fs::write(&precious, "something precious").unwrap();
    place.vault.set_delay(Duration::from_secs(1));
    let launch = place.greet();
    thread::scope(|both| {
        both.spawn(|| {
            place.vault.wait_for_requests(1);
            symlink(&precious, place.file()).unwrap();
            lchown(place.file(), Some(NOBODY), None).expect("chown takes root");
        });
        place.assert_started_without_writing(launch, "it is another user's symbolic link");
    });
    assert_eq!(fs::read_to_string(&precious).unwrap(), "something precious");
}

#[test]
fn what_is_no_file_is_left_alone_and_holds_nothing_up() {
    let why = "it is not a regular file";
    let make: [fn(&Path); 4] = [
        |path| fs::create_dir(path).unwrap(),
        |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        |path| symlink("/dev/null", path).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
    ];
    for make in make {
        let place = Place::new();
        make(&place.file());
        place.assert_started_without_writing(place.greet(), why);
        place.go_down();
        place.assert_unusable(place.greet(), why);
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_no_reason_not_to_start() {
    let mut place = Place::new();
    let greet = |place: &Place| launcher(&place.vault).program(["sh", "-c", "echo $GREETING $NAME"]);
    let launch = greet(&place).env("REDENV_FALLBACK", "nowhere/fallback").run();
    assert_eq!(
        (launch.code(), launch.stdout.as_str(), launch.stderr.as_str()),
        (
            Some(0),
            "hello world\n",
            "redenv-run: warning: the fallback file nowhere/fallback is not up to date: it can't be written: no such file or directory\n"
        )
    );
    let mount = "mount -t tmpfs -o ro none \"${REDENV_FALLBACK%/*}\"";
    let launch = isolated(place.greet(), &["--mount"], mount);
    place.assert_started_without_writing(launch, "it can't be written: read-only file system");
    // Where a name in the path is no directory, too.
    let file = place.directory.path().join("file");
    fs::write(&file, "").unwrap();
    let launch = greet(&place).env("REDENV_FALLBACK", file.join("fallback")).run();
    assert_eq!((launch.code(), launch.stdout.as_str()), (Some(0), "hello world\n"));
    place.directory = TempDir::new().unwrap();
    place.greet().run().assert_ran("hello world\n");
}

#[test]
fn a_full_disk_is_no_reason_not_to_start_and_leaves_nothing_behind() {
    let project = project().secret("development", "LONG", &"x".repeat(20_000));
    let place = Place::of(project);
    let disk = "cd \"${REDENV_FALLBACK%/*}\"; mount -t tmpfs -o size=8k none .; cd .";
    let script = "echo $GREETING $NAME; ls -A \"$DISK\"";
    let launch = place.launcher().env("DISK", place.directory.path()).program(["sh", "-c", script]);
    let launch = isolated(launch, &["--mount"], disk);
    place.assert_started_without_writing(launch, "it can't be written: no space left on device");
}

#[test]
fn a_limit_on_file_sizes_is_no_reason_not_to_start() {
    let place = Place::new();
    let launch = place.greet().after("ulimit -f 0");
    place.assert_started_without_writing(launch, "it can't be written: file too large");
}

#[test]
fn launches_at_once_never_tear_it() {
    const WRITERS: usize = 20;
    let place = Place::filled();
    let down = Vault::of(&project());
    down.respond_always(Some(Response::new(503).header("Retry-After", "1000")));
    let reader = || {
        let launch = launcher(&down).env("REDENV_FALLBACK", place.file());
        launch.program(["sh", "-c", "echo $GREETING $NAME"])
    };
    thread::scope(|all| {
        for _ in 0..WRITERS {
            all.spawn(|| place.greet().run().assert_ran("hello world\n"));
            all.spawn(|| place.assert_started_from_file_of(&down, &reader().run(), "hello world\n"));
        }
    });
    let files: Vec<_> = fs::read_dir(place.directory.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "no temporary file is left behind");
    assert_eq!(place.vault.requests().len(), 1 + WRITERS);
}
