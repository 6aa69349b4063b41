//! Generates replies of the right form with something odd here and there.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::{SALT, TOKEN_ID, VALUE, encrypted, encrypted_pek};

/// Texts and JSON that are hard to read.
fn odd_text() -> impl Strategy<Value = String> {
    let odd = [
        "",
        "[]",
        "{}",
        "null",
        "[null]",
        "[{}]",
        "[[]]",
        "\"",
        "[{\"value\":1}]",
        "[{\"value\":\"\"}]",
        "[{\"value\":\"x\",\"value\":\"y\"}]",
        "[{\"value\":\".\"}]",
        "[{\"value\":\"zz.zz\"}]",
        "1e999",
        "[{\"value\":\"a.b\",\"version\":-1}]",
        "[{\"value\":\"a.b\",\"version\":1e400}]",
        "\u{0}",
        "[{\"value\":\"00.00\",\"version\":99999999999999999999}]",
        "[{\"value\":\"\\ud800\"}]",
        "[{\"value\":\"000000000000000000000000.\"}]",
        "[{\"value\":\"000000000000000000000000.00\"}]",
        " [",
        "[{\"value\":\"000000000000000000000000.00000000000000000000000000000000\"}]",
        "]",
        "}",
        "[{\"value\":\"0.1.2\",\"createdAt\":\"+99999-01-01T00:00:00Z\"}]",
        "pbkdf2",
        "aes-256-gcm",
        SALT,
    ];
    prop_oneof![select(odd.map(str::to_owned).to_vec()), any::<String>(), json_soup()]
}

/// Pieces of JSON in any order.
pub(super) fn json_soup() -> impl Strategy<Value = String> {
    let pieces = [
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "null",
        "true",
        "\"result\"",
        "\"error\"",
        "\"value\"",
        "\"a\"",
        "\"\"",
        "0",
        "-0",
        "1e999",
        "-1",
        "0.5",
        "123456789012345678901234567890",
        "\"\\ud800\"",
        "\"\\u0000\"",
        " ",
        "\"\\ud83d\\ude00\"",
        "\"[]\"",
        "\"[{\\\"value\\\":\\\"a.b\\\"}]\"",
        "\\",
        "\"",
        "\n",
    ];
    vec(select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

/// A name. Some names are impossible or reserved.
fn name() -> impl Strategy<Value = String> {
    let names =
        ["A", "B", "PINNED", "", "=", "A=B", "\u{0}", "LD_PRELOAD", "PATH", "__own", "REDENV_TOKEN_KEY"];
    prop_oneof![select(names.map(str::to_owned).to_vec()), any::<String>()]
}

/// A plaintext, with references.
fn plain() -> impl Strategy<Value = String> {
    let parts = [VALUE, "${A}", "${B}", "\\${A}", "${", "}", "\\", "\u{0}", "ü", "\n", "${PINNED}", "x=y"];
    vec(select(parts.to_vec()), 0..6).prop_map(|parts| VALUE.to_owned() + &parts.concat())
}

/// One element of a history.
fn version() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null)
    ];
    let damage = proptest::option::of((any::<Index>(), any::<char>()));
    (plain(), number, damage, any::<String>()).prop_map(|(plain, number, damage, created)| {
        let mut value = encrypted(&plain);
        if let Some((index, character)) = damage {
            let at = index.index(value.len());
            value.replace_range(at..=at, &character.to_string());
        }
        json!({ "value": value, "version": number, "createdAt": created, "user": {} })
    })
}

/// A secret's field: a history, or anything.
fn history() -> impl Strategy<Value = Value> {
    let histories = vec(version(), 0..4).prop_map(|versions| Value::from(Value::Array(versions).to_string()));
    prop_oneof![4 => histories, 1 => odd_text().prop_map(Value::from), 1 => any::<i64>().prop_map(Value::from)]
}

/// Any JSON value, where a reply should have a text or null.
fn odd_field() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), odd_text().prop_map(Value::from), Just(json!([])), Just(json!(1.5))]
}

/// `serviceTokens`, mostly of the right form.
fn tokens() -> impl Strategy<Value = Value> {
    let salt = prop_oneof![4 => Just(Value::from(SALT)), 1 => odd_field()];
    let pek = prop_oneof![4 => Just(()).prop_map(|()| Value::from(encrypted_pek())), 1 => odd_field()];
    let end = prop_oneof![
        2 => Just(Value::Null),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => odd_field()
    ];
    (salt, pek, end).prop_map(|(salt, pek, end)| {
        let entry = json!({ "salt": salt, "encryptedPEK": pek, "expiresAt": end });
        Value::from(json!({ "stk_other": 1, TOKEN_ID: entry }).to_string())
    })
}

/// A reply of the right form.
pub(super) fn reply() -> impl Strategy<Value = Value> {
    let field = || prop_oneof![9 => Just(Value::Null), 1 => odd_field()];
    let tokens = prop_oneof![9 => tokens(), 1 => odd_field()];
    let secrets = vec((name(), history()), 0..5);
    (field(), field(), tokens, field(), secrets).prop_map(|(kdf, algorithm, tokens, ephemeral, secrets)| {
        let pairs = secrets.into_iter().flat_map(|(name, history)| [Value::from(name), history]);
        let hash: Vec<Value> = pairs.collect();
        json!([{ "result": [SALT, kdf, algorithm, tokens, ephemeral] }, { "result": hash }])
    })
}
