//! Whatever Upstash answers, redenv-run exits with 125 and names the field that is wrong.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::launch::{Outcome, redenv_run};
use crate::support::project::{Project, TOKEN_ID};
use crate::support::vault::{Response, Vault};

fn project() -> Project {
    Project::new("acme").secret("development", "GREETING", "hello")
}

fn run(vault: &Vault) -> Outcome {
    redenv_run(vault).env("REDENV_TIMEOUT", "50s").program(["sh", "-c", "echo $GREETING"]).run()
}

/// A reply with this metadata and one environment.
fn answer(metadata: &Value) -> String {
    json!([{ "result": metadata }, { "result": ["GREETING", "[]"] }]).to_string()
}

#[test]
fn a_reply_of_another_shape_is_named_by_its_place() {
    let texts = [
        "",
        "\u{feff}[]",
        "{}",
        "{\"result\":[]}",
        "[{\"result\":5}]",
        "[{\"result\":[],\"result\":[]}]",
        "[] []",
    ];
    let bytes = ["[".repeat(200_000).into_bytes(), b"\xff\xfe[]".to_vec(), vec![0; 1 << 20]];
    let start = Instant::now();
    for body in texts.map(|text| text.as_bytes().to_vec()).into_iter().chain(bytes) {
        let vault = Vault::of(&project());
        vault.respond_always(Some(Response::new(200).body(body.clone())));
        let outcome = run(&vault);
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
        let (error, hint) = outcome.stderr.split_once('\n').unwrap();
        let place = error
            .strip_prefix(
                "redenv-run: error: 127.0.0.1 did not answer like an Upstash REST API (invalid JSON at byte ",
            )
            .and_then(|rest| rest.strip_suffix(')'))
            .unwrap_or_else(|| panic!("{}: {error}", String::from_utf8_lossy(&body)));
        assert!(place.parse::<usize>().unwrap() <= body.len(), "{error}");
        assert_eq!(
            hint,
            "redenv-run: hint: set UPSTASH_REDIS_URL to the REST URL from the database's page\n"
        );
    }
    assert!(start.elapsed() < Duration::from_secs(30));
    for (body, found) in
        [("[]", 0), (r#"[{"result":[]}]"#, 1), (r#"[{"result":[]},{"result":[]},{"result":[]}]"#, 3)]
    {
        let vault = Vault::of(&project());
        vault.respond_always(Some(Response::new(200).body(body)));
        let error = format!("error: 127.0.0.1 answered {found} commands instead of 2");
        run(&vault).assert_failed(125, &[&error]);
    }
}

#[test]
fn a_malformed_project_is_named_by_its_field() {
    let entry = |entry: Value| json!({ TOKEN_ID: entry }).to_string();
    let not_object = "is not an object with `encryptedPEK` and `salt`";
    let in_entry = format!("serviceTokens entry {TOKEN_ID} {not_object}");
    let salt = format!("salt of token {TOKEN_ID} is not 32 hex digits");
    let end = format!("serviceTokens entry {TOKEN_ID} has an invalid time as `expiresAt`");
    let with = |field: &str, value: Value| {
        let mut token = json!({ "encryptedPEK": "a.b", "salt": "00".repeat(16) });
        token[field] = value;
        entry(token)
    };
    let cases = [
        ("no JSON".to_owned(), "serviceTokens is not a JSON object"),
        ("[]".to_owned(), "serviceTokens is not a JSON object"),
        ("{} {}".to_owned(), "serviceTokens is not a JSON object"),
        ("[".repeat(100_000), "serviceTokens is not a JSON object"),
        // The last of two entries counts.
        (format!("{{\"{TOKEN_ID}\":1,\"{TOKEN_ID}\":2}}"), in_entry.as_str()),
        (entry(json!(null)), &in_entry),
        (entry(json!("hunter2")), &in_entry),
        (entry(json!({ "salt": "00" })), &in_entry),
        (with("encryptedPEK", json!(7)), &in_entry),
        (with("salt", json!(7)), &in_entry),
        (with("salt", json!("")), &salt),
        (with("salt", json!("00".repeat(15))), &salt),
        (with("salt", json!("00".repeat(100_000))), &salt),
        (with("salt", json!("zz".repeat(16))), &salt),
        (with("expiresAt", json!("soon")), &end),
        (with("expiresAt", json!(-1)), &end),
        (with("expiresAt", json!(1e300)), &end),
    ];
    for (tokens, problem) in cases {
        let vault = Vault::of(&project().raw_meta("serviceTokens", &tokens));
        run(&vault).assert_failed(125, &[&format!("error: the project's data is malformed: {problem}")]);
    }
    for (pek, problem) in [
        ("", "there is no dot"),
        ("00", "there is no dot"),
        (".", "the IV is not 24 hex digits"),
        ("00.00", "the IV is not 24 hex digits"),
        ("000000000000000000000000.", "the ciphertext is shorter than its tag"),
        ("000000000000000000000000.0", "the ciphertext is not hex"),
        ("000000000000000000000000.zz", "the ciphertext is not hex"),
        ("000000000000000000000000.00.00", "the ciphertext is not hex"),
    ] {
        let tokens = with("encryptedPEK", json!(pek));
        let vault = Vault::of(&project().raw_meta("serviceTokens", &tokens));
        let error = format!(
            "error: the entry of token {TOKEN_ID} is malformed: its ciphertext is malformed: {problem}"
        );
        run(&vault).assert_failed(125, &[&error]);
    }
}

#[test]
fn whatever_is_missing_or_refused_in_a_reply_is_named() {
    let hashes = project().hashes();
    let tokens = &hashes["meta@acme"]["serviceTokens"];
    let metadata = json!({ "result": ["salt", null, null, tokens, null] });
    let secrets = json!({ "result": ["GREETING", "[]"] });
    let nothing = json!({ "result": [null, null, null, null, null] });
    let other = json!({ "result": ["salt", null, null, r#"{"stk_other":{}}"#, null] });
    let no_project = "the database 127.0.0.1 has no project acme";
    let no_token = format!(
        "project acme has no service token {TOKEN_ID}: it was revoked, or it belongs to another project"
    );
    let no_environment = "project acme has no environment development";
    for (metadata, secrets, error) in [
        (&json!({ "result": null }), &secrets, no_project),
        (&json!({ "result": [] }), &secrets, no_project),
        (&nothing, &secrets, no_project),
        (&other, &secrets, no_token.as_str()),
        (&metadata, &json!({ "result": null }), no_environment),
        (&metadata, &json!({ "result": [] }), no_environment),
        (
            &json!({ "result": [1, 2, 3, 4, 5] }),
            &secrets,
            "the project's data is malformed: kdf contains a value that is not text",
        ),
        (
            &metadata,
            &json!({ "result": ["A"] }),
            "the project's data is malformed: development:acme has a name without a value",
        ),
        (&metadata, &json!({ "result": ["A", null] }), "the project's data is malformed: A is null"),
        (
            &metadata,
            &json!({ "result": [null, "A"] }),
            "the project's data is malformed: development:acme has a null as a name",
        ),
        (
            &metadata,
            &json!({ "result": ["A", "[]", "A", "[]"] }),
            "the project's data is malformed: development:acme has the same name twice",
        ),
        (
            &metadata,
            &json!({ "error": "WRONGTYPE hunter2" }),
            "127.0.0.1 refused to read development:acme: the key is not a hash",
        ),
        (
            &metadata,
            &json!({ "error": "hunter2 is no code" }),
            "127.0.0.1 refused to read development:acme: no reason given",
        ),
    ] {
        let vault = Vault::of(&project());
        let reply = json!([metadata, secrets]).to_string();
        vault.respond_always(Some(Response::new(200).body(reply.as_str())));
        let outcome = run(&vault);
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
        let line = outcome.stderr.lines().next().unwrap();
        assert_eq!(line, format!("redenv-run: error: {error}"), "{reply}");
    }
}

#[test]
fn metadata_with_the_wrong_number_of_fields_is_refused() {
    for metadata in [json!(["x"]), json!(["x", null, null, null]), json!([0; 6].map(|_| "x"))] {
        let vault = Vault::of(&project());
        vault.respond_always(Some(Response::new(200).body(answer(&metadata))));
        let problem = "meta@acme has the wrong number of fields";
        run(&vault).assert_failed(125, &[&format!("error: the project's data is malformed: {problem}")]);
    }
}

#[test]
fn nothing_weakens_the_cryptography() {
    let hint = "hint: look for a newer version of redenv-run; if there is none, somebody may have changed the project";
    for (field, value, expected) in [
        ("kdf", "md5", "pbkdf2"),
        ("kdf", "", "pbkdf2"),
        ("kdf", "pbkdf2;iterations=1", "pbkdf2"),
        ("algorithm", "none", "aes-256-gcm"),
        ("algorithm", "aes-128-gcm", "aes-256-gcm"),
    ] {
        let vault = Vault::of(&project().raw_meta(field, value));
        let error = format!(
            "error: the project's `{field}` is not {expected}, the only one that redenv-run supports"
        );
        run(&vault).assert_failed(125, &[&error, hint]);
    }
    // Fields that no client reads change nothing.
    let vault = Vault::of(&project().raw_meta("iterations", "1").raw_meta("historyLimit", "x"));
    run(&vault).assert_ran("hello\n");
}

#[test]
fn a_malformed_secret_is_named() {
    let hint = "hint: set them again; --skip-broken skips them with a warning, --exclude leaves them out";
    let value = |value: &str| json!([{ "value": value, "version": 1 }]).to_string();
    let malformed = "its ciphertext is malformed: ";
    let iv = "000000000000000000000000";
    for (text, problem) in [
        (String::new(), "its history is not JSON".to_owned()),
        ("null".to_owned(), "its history is not an array".to_owned()),
        ("{\"value\":\"a.b\"}".to_owned(), "its history is not an array".to_owned()),
        ("[]".to_owned(), "its history has no version".to_owned()),
        ("[".repeat(100_000), "its history contains a malformed version".to_owned()),
        ("[{\"value\":1}]".to_owned(), "its history contains a malformed version".to_owned()),
        ("[{\"version\":1}]".to_owned(), "its history contains a malformed version".to_owned()),
        (value(""), format!("{malformed}there is no dot")),
        (value("00.00"), format!("{malformed}the IV is not 24 hex digits")),
        (value(&format!("{iv}00.00")), format!("{malformed}the IV is not 24 hex digits")),
        (value(&format!("{iv}.")), format!("{malformed}the ciphertext is shorter than its tag")),
        (value(&format!("{iv}.x")), format!("{malformed}the ciphertext is not hex")),
        (
            value(&format!("{iv}.{}", "00".repeat(16))),
            "its value can't be decrypted: damaged, or encrypted for another project".to_owned(),
        ),
    ] {
        let vault = Vault::of(&project().raw_field("development", "BAD\u{1b}[31m", &text));
        let error = format!("error: cannot use secret BAD\\u{{1b}}[31m ({problem})");
        run(&vault).assert_failed(125, &[&error, hint]);
    }
}

#[test]
fn a_hundred_thousand_fields_are_read_quickly() {
    let mut fields = vec!["GREETING".to_owned(), "[]".to_owned()];
    fields.extend((0..100_000).flat_map(|n| [format!("F{n}"), "[]".to_owned()]));
    let tokens = project().hashes()["meta@acme"]["serviceTokens"].clone();
    let body = json!([{ "result": ["salt", null, null, tokens, null] }, { "result": fields }]);
    let vault = Vault::of(&project());
    vault.respond_always(Some(Response::new(200).body(body.to_string())));
    let start = Instant::now();
    let outcome = run(&vault);
    assert!(start.elapsed() < Duration::from_secs(50));
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
    let error = "redenv-run: error: cannot use secrets F0 (its history has no version), F1 ";
    assert!(outcome.stderr.starts_with(error), "{}", &outcome.stderr[..200]);
}
