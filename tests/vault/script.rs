//! redenv-run's only script does the same in memory as in a real Redis.

use std::thread;

use serde_json::{Value, json};

use super::post;
use crate::support::backends::{Stored, both_backends};
use crate::support::vault::Vault;

const SCRIPT: &str = include_str!("../../src/commands/token/compare_and_set.lua");
const KEY: &str = "meta@shop";

fn ask(vault: &Vault, token: &str, command: &Value) -> (u16, Value) {
    let headers = [("Authorization", format!("Bearer {token}"))];
    let (status, body) = post(vault, "/", &headers, &command.to_string());
    (status, serde_json::from_str(&body).unwrap())
}

/// Runs the compare-and-set with these arguments. Returns its reply and the hash afterwards.
fn compare_and_set(vault: &Vault, arguments: &[&str]) -> (Value, Value) {
    let mut command = vec!["EVAL", SCRIPT, "1", KEY];
    command.extend(arguments);
    let (_, reply) = ask(vault, vault.token(), &json!(command));
    let (_, hash) = ask(vault, vault.token(), &json!(["HGETALL", KEY]));
    (reply, hash["result"].clone())
}

/// The hash before, the script's arguments, its result, and the hash afterwards.
type Case = (&'static [&'static str], &'static [&'static str], u8, &'static [&'static str]);

const CASES: &[Case] = &[
    // Nothing has changed since the read.
    (
        &["encryptedPEK", "k", "serviceTokens", "old"],
        &["k", "old", "new"],
        1,
        &["encryptedPEK", "k", "serviceTokens", "new"],
    ),
    (
        &["encryptedPEK", "k", "ephemeral:a", "1", "ephemeral:b", "2", "serviceTokens", "old"],
        &["k", "old", "old", "ephemeral:b", "ephemeral:none", "ephemeral:b"],
        1,
        &["encryptedPEK", "k", "ephemeral:a", "1", "serviceTokens", "old"],
    ),
    // Somebody else has written.
    (
        &["encryptedPEK", "k", "ephemeral:a", "1", "serviceTokens", "theirs"],
        &["k", "old", "new", "ephemeral:a"],
        0,
        &["encryptedPEK", "k", "ephemeral:a", "1", "serviceTokens", "theirs"],
    ),
    (
        &["encryptedPEK", "other", "serviceTokens", "old"],
        &["k", "old", "new"],
        0,
        &["encryptedPEK", "other", "serviceTokens", "old"],
    ),
    // A missing field equals an empty one.
    (&["encryptedPEK", "k"], &["k", "old", "new"], 0, &["encryptedPEK", "k"]),
    (&["encryptedPEK", "k"], &["k", "", "new"], 1, &["encryptedPEK", "k", "serviceTokens", "new"]),
    (&["encryptedPEK", "k"], &["k", "", ""], 1, &["encryptedPEK", "k"]),
    (
        &["encryptedPEK", "", "serviceTokens", ""],
        &["", "", "ü"],
        1,
        &["encryptedPEK", "", "serviceTokens", "ü"],
    ),
    // The key is missing, or vanishes with its last field.
    (&[], &["k", "old", "new"], 0, &[]),
    (&[], &["", "", ""], 1, &[]),
    (&[], &["", "", "new"], 1, &["serviceTokens", "new"]),
    (&["ephemeral:a", "1"], &["", "", "", "ephemeral:a"], 1, &[]),
];

#[test]
fn both_backends_compare_and_set_alike() {
    for Stored { name, vault, _redis } in both_backends("ci") {
        for (before, arguments, result, after) in CASES {
            ask(&vault, vault.token(), &json!(["DEL", KEY]));
            for pair in before.chunks(2) {
                vault.hset(KEY, pair[0], pair[1]);
            }
            let (reply, hash) = compare_and_set(&vault, arguments);
            assert_eq!(reply, json!({ "result": result }), "{before:?} {arguments:?} on {name}");
            let pairs = hash.as_array().unwrap().chunks(2);
            let mut pairs: Vec<_> = pairs.map(|pair| (pair[0].clone(), pair[1].clone())).collect();
            pairs.sort_by_key(|(field, _)| field.to_string());
            let expected: Vec<_> = after.chunks(2).map(|pair| (json!(pair[0]), json!(pair[1]))).collect();
            assert_eq!(pairs, expected, "{before:?} {arguments:?} on {name}");
        }
    }
}

#[test]
fn both_backends_refuse_alike() {
    let refusals = both_backends("ci").map(|Stored { vault, _redis, .. }| {
        ask(&vault, vault.token(), &json!(["SET", KEY, "no hash"]));
        let wrong_type = ask(&vault, vault.token(), &json!(["EVAL", SCRIPT, "1", KEY, "", "", "new"]));
        let transaction = json!([["EVAL", SCRIPT, "1", KEY, "", "", "new"], ["GET", KEY]]).to_string();
        let bearer = |token: &str| [("Authorization", format!("Bearer {token}"))];
        let transaction = post(&vault, "/multi-exec", &bearer(vault.token()), &transaction);
        let read_only = ask(&vault, "read-only", &json!(["EVAL", SCRIPT, "1", KEY, "", "", "new"]));
        let keys =
            ["x", "-1", "2", ""].map(|keys| ask(&vault, vault.token(), &json!(["EVAL", SCRIPT, keys])));
        let short = ask(&vault, vault.token(), &json!(["EVAL", SCRIPT]));
        (wrong_type, transaction, read_only, keys, short)
    });
    let [memory, redis] = refusals;
    let (status, reply) = &redis.0;
    assert_eq!(*status, 400);
    assert!(reply["error"].as_str().unwrap().starts_with("WRONGTYPE "), "{reply}");
    assert_eq!(memory, redis);
}

#[test]
fn memory_runs_no_other_script_and_this_one_with_all_of_its_arguments_only() {
    let [Stored { vault, .. }, _] = both_backends("ci");
    let script = "ERR in memory the local vault runs no script but redenv-run's: start it with --redis";
    let shape =
        "ERR in memory the local vault runs redenv-run's script with one key and three arguments or more";
    for (command, error) in [
        (json!(["EVAL", "return 1", "0"]), script),
        (json!(["EVAL", format!("{SCRIPT} "), "1", KEY, "", "", "new"]), script),
        (json!(["EVAL", SCRIPT, "0", "", "", "new"]), shape),
        (json!(["EVAL", SCRIPT, "1", KEY, "", ""]), shape),
        (json!(["EVAL", SCRIPT, "2", KEY, KEY, "", "", "new"]), shape),
    ] {
        assert_eq!(ask(&vault, vault.token(), &command), (400, json!({ "error": error })), "{command}");
    }
    assert_eq!(vault.hget(KEY, "serviceTokens"), None);
}

#[test]
fn of_many_at_once_only_one_finds_what_it_has_read() {
    let [Stored { vault, .. }, _] = both_backends("ci");
    let winners = thread::scope(|all| {
        let vault = &vault;
        let contenders: Vec<_> = (0..8)
            .map(|i| all.spawn(move || compare_and_set(vault, &["", "", &format!("{i}")]).0["result"] == 1))
            .collect();
        contenders.into_iter().map(|c| usize::from(c.join().unwrap())).sum::<usize>()
    });
    assert_eq!(winners, 1);
}
