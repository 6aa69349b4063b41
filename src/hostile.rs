//! Whatever the store says: the whole path from response bytes to COMMAND's environment ends in an
//! environment or in an error of one clean line. It never panics, and takes no more than its share
//! of time and memory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::child::environment::{self, Environment, Policy};
use crate::child::{exec, reserved};
use crate::secret::SecretText;
use crate::ui::failure::Failure;
use crate::vault::crypto::Key;
use crate::vault::select::{self, OnBroken, Selection};
use crate::vault::{self, Name, Pin, Request};

const TOKEN_ID: &str = "stk_a1B2c3D4e5F6g7H8";
const SALT: &str = "000102030405060708090a0b0c0d0e0f";
/// What must not be passed on.
const TOKEN_KEY: &str = "redenv_sk_inherited";
/// What is in every encrypted value: no message may hold it.
const VALUE: &str = "hunter2";

fn key(digit: &str) -> Key {
    Key::from_hex(&SecretText::new(digit.repeat(64))).unwrap()
}

fn encrypted(plain: &str) -> String {
    key("b").encrypt(&SecretText::new(plain.to_owned())).unwrap()
}

fn encrypted_pek() -> String {
    key("a").encrypt(&key("b").to_hex()).unwrap()
}

/// Runs every step from the reply to the exec, with a derived key taken for granted.
fn environment(body: &[u8], broken: OnBroken) -> Result<Environment, Box<dyn Failure>> {
    let project = Name::new("acme").unwrap();
    let environments = [Name::new("development").unwrap()];
    let request =
        Request { host: "upstash", project: &project, environments: &environments, token_id: TOKEN_ID };
    let vault = vault::parse(body, &request)?;
    // The fallback file gives the same vault again.
    let kept = vault.to_reply(&request);
    let again = vault::parse(&kept, &request).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!((again.salt(), again.counts()), (vault.salt(), vault.counts()));

    let pek = vault.decrypt_pek(&key("a"))?;
    let pins = [("PINNED".to_owned(), Pin::Before(1))].into();
    // Most replies have no such secret; then it is the same without.
    let decrypted = vault.decrypt(&pek, &pins).or_else(|_| again.decrypt(&pek, &BTreeMap::new()))?;
    let selection = Selection { broken, ..Selection::default() };
    let selected = select::select(decrypted, &selection)?;
    let inherited = [("PATH", "/bin"), ("REDENV_TOKEN_KEY", TOKEN_KEY)];
    let inherited = inherited.map(|(name, value)| (OsString::from(name), OsString::from(value))).into();
    let own_names = [OsString::from("REDENV_TOKEN_KEY")].into();
    let child = environment::build(inherited, &selected.secrets, &Policy { own_names, ..Policy::default() })?;
    exec::check_sizes(&child.environment, 0)?;
    Ok(child.environment)
}

/// Goes the whole way, and looks at what comes out.
fn survive(body: &[u8]) {
    for broken in [OnBroken::Refuse, OnBroken::Skip] {
        match environment(body, broken) {
            Ok(environment) => {
                assert_eq!(environment[&OsString::from("PATH")], "/bin");
                for (name, value) in environment {
                    let (name, value) = (name.into_string().unwrap(), value.into_string().unwrap());
                    assert!(!name.is_empty() && !name.contains(['=', '\0']), "{name:?}");
                    assert!(!value.contains('\0'), "{name:?}");
                    assert!(name == "PATH" || reserved::find(&name).is_none(), "{name}");
                    assert!(!name.starts_with("__") && value != TOKEN_KEY, "{name}");
                }
            }
            Err(error) => {
                let text = error.to_string() + &error.hint().unwrap_or_default();
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(!text.contains(VALUE), "{text}");
            }
        }
    }
}

/// Of anything: bytes, texts and JSON that are hard to read.
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

/// JSON's own pieces in any order.
fn json_soup() -> impl Strategy<Value = String> {
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

/// A name: a usual one, or one that must not get far.
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

/// What stands in a place where a text or null is due.
fn odd_field() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), odd_text().prop_map(Value::from), Just(json!([])), Just(json!(1.5))]
}

/// The token's entry, of the right form or of another one.
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

/// An answer of the store's form, with something odd here and there.
fn reply() -> impl Strategy<Value = Value> {
    let field = || prop_oneof![9 => Just(Value::Null), 1 => odd_field()];
    let tokens = prop_oneof![9 => tokens(), 1 => odd_field()];
    let secrets = vec((name(), history()), 0..5);
    (field(), field(), tokens, field(), secrets).prop_map(|(kdf, algorithm, tokens, ephemeral, secrets)| {
        let pairs = secrets.into_iter().flat_map(|(name, history)| [Value::from(name), history]);
        let hash: Vec<Value> = pairs.collect();
        json!([{ "result": [SALT, kdf, algorithm, tokens, ephemeral] }, { "result": hash }])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(body in vec(any::<u8>(), 0..300)) {
        survive(&body);
    }

    #[test]
    fn any_json(body in json_soup()) {
        survive(body.as_bytes());
        survive(format!("[{{\"result\":{body}}},{{\"result\":{body}}}]").as_bytes());
    }

    #[test]
    fn any_reply(reply in reply()) {
        survive(reply.to_string().as_bytes());
    }

    #[test]
    fn any_damage(reply in reply(), damage in vec((any::<Index>(), any::<u8>(), 0..3u8), 1..4)) {
        let mut body = reply.to_string().into_bytes();
        for (index, byte, kind) in damage {
            let at = index.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => body.truncate(at + 1),
            }
        }
        survive(&body);
    }
}

/// A reply with these fields of one environment, as JSON.
fn reply_of(fields: &str) -> String {
    let entry = json!({ "salt": SALT, "encryptedPEK": encrypted_pek() });
    let tokens = json!({ TOKEN_ID: entry }).to_string();
    format!("[{},{{\"result\":[{fields}]}}]", json!({ "result": [SALT, null, null, tokens, null] }))
}

fn field(name: &str, plain: &str) -> String {
    let history = json!([{ "value": encrypted(plain), "version": 1 }]).to_string();
    format!("{},{}", json!(name), json!(history))
}

#[test]
fn the_path_is_one_that_leads_somewhere() {
    let fields = [field("A", "1"), field("B", "<${A}>")].join(",");
    let environment = environment(reply_of(&fields).as_bytes(), OnBroken::Refuse).ok().unwrap();
    let expected = [("A", "1"), ("B", "<1>"), ("PATH", "/bin")];
    assert_eq!(environment, expected.map(|(name, value)| (name.into(), value.into())).into());
}

#[test]
fn deep_nesting_has_no_bottom_to_fall_through() {
    const DEEP: usize = 100_000;
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"value\":", "}]"), ("[{\"result\":", "}]")] {
        let nested = format!("{}1{}", open.repeat(DEEP), close.repeat(DEEP));
        survive(nested.as_bytes());
        survive(open.repeat(DEEP).as_bytes());
        survive(reply_of(&format!("\"A\",{nested}")).as_bytes());
        survive(reply_of(&format!("\"A\",{}", json!(nested))).as_bytes());
        survive(reply_of(&format!("\"A\",{}", json!(format!("[{nested}]")))).as_bytes());
        let tokens = json!({ "result": [SALT, null, null, format!("{{\"stk_other\":{nested}}}"), null] });
        survive(format!("[{tokens},{{\"result\":[]}}]").as_bytes());
        let entry = format!("{{\"{TOKEN_ID}\":{{\"expiresAt\":{nested}}}}}");
        let tokens = json!({ "result": [SALT, null, null, entry, nested] });
        survive(format!("[{tokens},{{\"result\":[]}}]").as_bytes());
    }
}

#[test]
fn a_hundred_thousand_fields_and_giant_numbers_are_read_in_passing() {
    let mut many = String::new();
    for n in 0..100_000 {
        let _ = write!(many, "\"F{n}\",\"[]\",");
    }
    // Once is enough: unoptimised, they take their time.
    let all = environment(reply_of(many.trim_end_matches(',')).as_bytes(), OnBroken::Skip);
    assert_eq!(all.ok().unwrap().len(), 1, "none of them has a version");
    let twice = [field("A", "1"), field("A", "2")].join(",");
    survive(reply_of(&twice).as_bytes());
    let digits = "9".repeat(1_000_000);
    survive(reply_of(&format!("\"A\",{digits}")).as_bytes());
    survive(
        reply_of(&format!("\"A\",\"[{{\\\"value\\\":\\\"a.b\\\",\\\"version\\\":{digits}}}]\"")).as_bytes(),
    );
    survive(reply_of(&format!("\"A\",\"[{digits}]\"")).as_bytes());
}

#[test]
fn references_that_multiply_are_refused_before_they_fill_the_memory() {
    let mut fields = vec![field("X0", &VALUE.repeat(10))];
    for n in 1..60 {
        fields.push(field(&format!("X{n}"), &format!("${{X{0}}}${{X{0}}}", n - 1)));
    }
    let result = environment(reply_of(&fields.join(",")).as_bytes(), OnBroken::Refuse);
    let message = result.err().unwrap().to_string();
    assert!(message.starts_with("the references in X") && !message.contains(VALUE), "{message}");
}
