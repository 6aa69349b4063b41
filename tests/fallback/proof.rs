//! Changed, foreign and old files are not used, and a revoked token deletes its file.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{PEK, Place, made, now, parts, project};
use crate::support::launch::{redenv_run, said};
use crate::support::project::{Project, TOKEN_ID};
use crate::support::vault::{Response, Vault};

#[test]
fn a_changed_file_is_refused_whatever_was_changed() {
    let forged = "it was changed after it was written, or belongs to another project";
    let wrong_key = "REDENV_TOKEN_KEY can't decrypt it: the file was changed, or belongs to another key";
    let damaged = "it is damaged or cut short";
    let most = "2562047788015215h 30m 7s 999ms 999µs 999ns";
    let far_ahead = &format!("it is from the future ({most} ahead): the clock was set back");
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
    // A well-formed PEK that this key can't decrypt.
    for (text, why) in [
        (header("project", "other".into()), "it belongs to project other"),
        (header("environments", json!(["production"])), "it belongs to environment production"),
        (header("environments", json!(["development", "x"])), "it belongs to environment development, x"),
        (header("environments", json!([])), "it belongs to environment \"\""),
        (header("token_id", "stk_other".into()), "it belongs to token stk_other"),
        (header("salt", "00".repeat(16).into()), forged),
        (header("salt", "no salt".into()), forged),
        (header("fetched_at", (now() - 5).into()), forged),
        (header("fetched_at", json!(-1)), damaged),
        (header("fetched_at", json!(1.5)), damaged),
        (header("fetched_at", "now".into()), damaged),
        (header("fetched_at", u64::MAX.into()), far_ahead),
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
        (token("encryptedPEK", PEK), wrong_key),
        (token("encryptedPEK", "x"), wrong_key),
        (token("salt", "ffffffffffffffffffffffffffffffff"), wrong_key),
        (token("salt", "x"), damaged),
        (token("more", "x"), forged),
    ] {
        place.write(&text);
        place.assert_unusable(place.greet(), why);
        assert_eq!(place.read(), text, "a refused file stays");
    }
    place.write(&original);
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
}

#[test]
fn a_file_cut_short_anywhere_is_refused_and_replaced() {
    let place = Place::filled();
    let original = place.read();
    let [first, header, mac, reply] = parts(&original).map(str::len);
    let other = "it is not a fallback file; redenv-run leaves it alone";
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
    place.assert_unusable(place.greet(), "it has another version of the format");
    place.come_back();
    place.greet().run().assert_ran("hello world\n");
    assert!(place.read().starts_with("redenv-run fallback 1\n"));
}

#[test]
fn another_kind_of_file_is_left_alone() {
    let why = "it is not a fallback file; redenv-run leaves it alone";
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
fn a_file_of_another_project_stays_and_one_of_another_environment_is_replaced() {
    let place = Place::filled();
    let other = Vault::of(&Project::new("other").secret("development", "GREETING", "hello"));
    let launch = || {
        let launch = redenv_run(&other).env("REDENV_FALLBACK", place.file());
        launch.env("NAME", "world").program(["sh", "-c", "echo $GREETING $NAME"])
    };
    let before = place.read();
    place.assert_started_without_writing(launch(), "it belongs to project acme");
    other.respond_always(Some(Response::new(503).header("Retry-After", "1000")));
    place.assert_unusable_for(&other, launch(), "it belongs to project acme");
    assert_eq!(place.read(), before);

    let production = || place.redenv_run().args(["-e", "production"]).program(["sh", "-c", "echo $GREETING"]);
    place.go_down();
    place.assert_unusable(production(), "it belongs to environment development");
    place.come_back();
    let outcome = production().run();
    let warning = format!(
        "warning: the fallback file {} no longer holds environment development: give each environment its own file",
        place.file().display()
    );
    assert_eq!((outcome.stdout.as_str(), outcome.stderr), ("good evening\n", said(&[&warning])));
    production().run().assert_ran("good evening\n");
    place.go_down();
    place.assert_started_from_file(&production().run(), "good evening\n");
}

#[test]
fn the_key_of_another_token_cannot_decrypt_it() {
    let place = Place::filled();
    place.go_down();
    let launch = place.greet().env("REDENV_TOKEN_KEY", "redenv_sk_another");
    place.assert_unusable(
        launch,
        "REDENV_TOKEN_KEY can't decrypt it: the file was changed, or belongs to another key",
    );
    let launch = place.greet().env("REDENV_TOKEN_ID", "stk_another");
    place.assert_unusable(launch, &format!("it belongs to token {TOKEN_ID}"));
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
    for max_stale in ["24h", "1h"] {
        let outcome = with(max_stale).run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
        let hint = "redenv-run: hint: raise the limit with --max-stale (REDENV_MAX_STALE), or start once while Upstash can be reached, without --offline\n";
        let (age, limit) = ("can't be used: it is 25h", format!("old; the limit is {max_stale}\n{hint}"));
        assert!(outcome.stderr.contains(age) && outcome.stderr.ends_with(&limit), "{}", outcome.stderr);
    }
    place.assert_started_from_file(&with("2days").run(), "hello world\n");
    assert_eq!(place.greet().run().code(), Some(125), "the default limit is a day");
    at(0);
    place.assert_started_from_file(&with("73000d").run(), "hello world\n");

    // A clock that was set back by a little does not matter.
    at(now() + 30);
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
    at(now() + 48 * HOUR);
    let outcome = place.greet().run();
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
    let why =
        |ahead| format!("can't be used: it is from the future ({ahead} ahead): the clock was set back\n");
    // A second may pass before the launch.
    let ahead = ["48h", "47h 59m 59s", "47h 59m 58s"].map(why);
    assert!(ahead.iter().any(|why| outcome.stderr.ends_with(why)), "{}", outcome.stderr);
    place.come_back();
    place.greet().run().assert_ran("hello world\n");
    place.go_down();
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
}

#[test]
fn a_revoked_token_deletes_the_file_and_nothing_starts_from_it() {
    let rejected = |why: &str| format!("error: 127.0.0.1 rejected the Upstash token ({why})");
    let (by_status, by_error, by_reply) = (rejected("HTTP 401"), rejected("HTTP 400"), rejected("WRONGPASS"));
    let forbidden = "error: 127.0.0.1 denied access (HTTP 403)";
    let revoked = &format!(
        "error: project acme has no service token {TOKEN_ID}: it was revoked, or it belongs to another project"
    );
    let respond = |place: &Place, response: Response| place.vault.respond_always(Some(response));
    #[expect(clippy::type_complexity, reason = "a table of names and what is done")]
    let cases: [(&str, &dyn Fn(&Place)); 6] = [
        (&by_status, &|place| respond(place, Response::new(401))),
        (&by_error, &|place| respond(place, Response::new(400).body(r#"{"error":"WRONGPASS"}"#))),
        (&by_reply, &|place| {
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
        place.assert_unusable(place.greet(), "it does not exist yet");
    }
}

#[test]
fn a_revoked_token_deletes_a_stale_file_but_no_other_projects_file() {
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
fn other_failures_neither_use_nor_delete_the_file() {
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
fn a_short_lived_token_expires_in_the_file_too() {
    let expires = |at: Value| {
        let project = project().ephemeral();
        let hashes = project.hashes();
        let field = format!("ephemeral:{TOKEN_ID}");
        let mut entry: Value = serde_json::from_str(&hashes["meta@acme"][&field]).unwrap();
        entry["expiresAt"] = at;
        project.raw_meta(&field, &entry.to_string())
    };
    let milliseconds = |seconds: u64| json!(seconds * 1000);
    // A year of five digits is no error.
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
            "hint: restart the tool that created it, or use a service token",
        ],
    );
}
