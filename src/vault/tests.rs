use std::fmt::Write;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::upstash::RedisError;

const TOKEN_ID: &str = "stk_a1B2c3D4e5F6g7H8";
const SALT: &str = "000102030405060708090a0b0c0d0e0f";

fn key(byte: &str) -> Key {
    Key::from_hex(&SecretText::new(byte.repeat(32))).unwrap()
}

fn seal(key: &Key, text: &str) -> String {
    key.seal(&SecretText::new(text.to_owned())).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The token's entry: the PEK of ones, sealed under the token key of twos.
fn entry() -> Value {
    json!({ "encryptedPEK": seal(&key("02"), key("01").to_hex().expose()), "salt": SALT, "name": "}\"{" })
}

fn tokens() -> String {
    json!({ "stk_other": { "name": TOKEN_ID }, TOKEN_ID: entry() }).to_string()
}

/// What `HMGET` gives of a project: salt, kdf, algorithm, serviceTokens, ephemeral.
fn metadata() -> Value {
    json!({ "result": [SALT, "pbkdf2", "aes-256-gcm", tokens(), null] })
}

/// A history whose newest version is `value`, with older ones behind it.
fn history(value: &str, user: &str, older: &[&str]) -> Value {
    let version = |value: &str, number: usize| json!({ "user": user, "value": seal(&key("01"), value), "createdAt": "2026-01-15T09:30:00.000Z", "version": number });
    let values = std::iter::once(&value).chain(older);
    values.zip((1..=older.len() + 1).rev()).map(|(value, number)| version(value, number)).collect()
}

/// Parses the reply for one environment, and opens what is in it.
fn opened(reply: &[u8]) -> Result<OpenedVault, ParseError> {
    let (project, environments) = (name("acme"), [name("development")]);
    let request = Request { project: &project, environments: &environments, token_id: TOKEN_ID };
    let sealed = parse(reply, &request)?;
    let pek = sealed.open_pek(&key("02")).unwrap_or_else(|_| key("03"));
    Ok(sealed.open(&pek, &BTreeMap::new()).unwrap_or_default())
}

fn error(reply: &Value) -> ParseError {
    opened(reply.to_string().as_bytes()).map(drop).unwrap_err()
}

/// JSON in ASCII alone, as Python writes it.
fn ascii(json: &str) -> String {
    let mut units = [0; 2];
    json.chars().fold(String::new(), |mut text, c| {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                write!(text, "\\u{unit:04x}").unwrap();
            }
        }
        text
    })
}

/// How a client or a store may write the same JSON.
#[derive(Debug, Clone, Copy)]
enum Style {
    Compact,
    Ascii,
    Pretty,
}

impl Style {
    fn write(self, value: &Value) -> String {
        match self {
            Self::Compact => value.to_string(),
            Self::Ascii => ascii(&value.to_string()),
            Self::Pretty => format!(" {value:#}\r\n"),
        }
    }
}

fn style() -> impl Strategy<Value = Style> {
    prop_oneof![Just(Style::Compact), Just(Style::Ascii), Just(Style::Pretty)]
}

/// Any JSON, some of it nearly a reply.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(metadata()),
        Just(Value::from(tokens())),
        Just(Value::from(history("x", "u", &["y"]).to_string())),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let member = prop_oneof![Just("result".to_owned()), Just("error".to_owned()), any::<String>()];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map(member, inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_sealed_is_opened_however_it_is_written(
        secrets in prop::collection::btree_map(any::<String>(), any::<(String, String)>(), 1..6),
        outer in style(),
        inner in style(),
    ) {
        let items: Vec<String> = secrets
            .iter()
            .flat_map(|(name, (value, user))| [name.clone(), inner.write(&history(value, user, &["older"]))])
            .collect();
        let reply = outer.write(&json!([metadata(), { "result": items }]));
        let opened = opened(reply.as_bytes()).unwrap();
        let expected: Vec<&String> = secrets.keys().filter(|name| !name.starts_with("__")).collect();
        prop_assert_eq!(opened.keys().collect::<Vec<_>>(), expected);
        for (name, secret) in &opened {
            let (value, _) = &secrets[name];
            prop_assert_eq!(secret.version, Some(2));
            match &secret.value {
                Ok(text) => prop_assert_eq!(text.expose(), value),
                Err(broken) => prop_assert_eq!((broken, value.contains('\0')), (&Broken::Nul, true)),
            }
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        let _ = opened(&bytes);
        let _ = opened(text.as_bytes());
    }

    #[test]
    fn no_json_makes_the_parser_panic(reply in any_json(), first in any_json(), second in any_json()) {
        let _ = opened(reply.to_string().as_bytes());
        for answers in [json!([first, second]), json!([metadata(), { "result": [first, second] }]), json!([metadata(), { "result": second }])] {
            let _ = opened(answers.to_string().as_bytes());
        }
        let tokens = json!({ TOKEN_ID: first }).to_string();
        let metadata = json!({ "result": [SALT, null, null, tokens, second.to_string()] });
        let items = ["A".to_owned(), first.to_string(), "B".to_owned(), json!([first, second]).to_string()];
        let _ = opened(json!([metadata, { "result": items }]).to_string().as_bytes());
    }

    #[test]
    fn no_damage_to_a_reply_makes_the_parser_panic(
        cut in any::<prop::sample::Index>(),
        length in 0_usize..40,
        patch in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\"\\{}[],:nu0".to_vec())], 0..6),
    ) {
        let items = ["A".to_owned(), history("value", "user", &["old"]).to_string(), "Ü".to_owned(), "[]".to_owned()];
        let mut reply = json!([metadata(), { "result": items }]).to_string().into_bytes();
        let from = cut.index(reply.len());
        let to = reply.len().min(from + length);
        reply.splice(from..to, patch);
        let _ = opened(&reply);
    }
}

#[test]
fn nothing_nested_deeply_overflows_the_stack() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    for nested in [deep("[", "]"), deep(r#"{"a":"#, "}"), deep(r#"[{"result":"#, "}]")] {
        let _ = opened(nested.as_bytes());
        let _ = opened(format!(r#"[{{"other":{nested}}}]"#).as_bytes());
        let _ = opened(format!(r#"[{{"result":{nested}}}]"#).as_bytes());
        let entry = json!({ "result": [SALT, null, null, format!(r#"{{"{TOKEN_ID}":{nested}}}"#), null] });
        let _ = opened(json!([entry, { "result": [] }]).to_string().as_bytes());
        for text in [nested.clone(), format!("[{nested}]"), format!(r#"[{{"user":{nested},"value":"x"}}]"#)] {
            let reply = json!([metadata(), { "result": ["A", text] }]).to_string();
            let vault = opened(reply.as_bytes()).unwrap();
            assert!(vault["A"].value.is_err());
        }
    }
}

#[test]
fn what_is_wrong_with_a_reply_is_told_without_its_text() {
    let environment = json!({ "result": ["A", "[]"] });
    let meta = |fields: [Value; 5]| json!([{ "result": fields }, environment]);
    let null = || Value::Null;
    let field = |field: &str, problem| ParseError::Field { field: field.to_owned(), problem };
    let no_token = ParseError::NoToken { project: name("acme"), id: TOKEN_ID.to_owned() };
    let no_environment =
        || ParseError::NoEnvironment { project: name("acme"), missing: vec![name("development")] };
    for (reply, expected) in [
        (json!([]), ParseError::Count { expected: 2, found: 0 }),
        (json!([metadata()]), ParseError::Count { expected: 2, found: 1 }),
        (json!([metadata(), environment, environment]), ParseError::Count { expected: 2, found: 3 }),
        (
            json!([{ "error": "WRONGTYPE hunter2" }, environment]),
            ParseError::Store { key: "meta@acme".to_owned(), error: RedisError::WrongType },
        ),
        (
            json!([metadata(), { "error": "hunter2" }]),
            ParseError::Store { key: "development:acme".to_owned(), error: RedisError::Other(None) },
        ),
        (json!([{ "result": null }, environment]), ParseError::NoProject(name("acme"))),
        (json!([{ "result": [] }, environment]), ParseError::NoProject(name("acme"))),
        (meta([null(), null(), null(), null(), null()]), ParseError::NoProject(name("acme"))),
        (
            json!([{ "result": [SALT] }, environment]),
            field("meta@acme", "has another number of fields than asked for"),
        ),
        (meta([json!(SALT), null(), null(), null(), null()]), no_token),
        (
            meta([json!(SALT), json!("argon2id"), null(), json!(tokens()), null()]),
            ParseError::Unsupported { field: "kdf", expected: "pbkdf2" },
        ),
        (
            meta([json!(SALT), json!("PBKDF2"), json!("aes-128-gcm"), json!(tokens()), null()]),
            ParseError::Unsupported { field: "algorithm", expected: "aes-256-gcm" },
        ),
        (
            meta([json!(SALT), null(), null(), json!("[]"), null()]),
            field("serviceTokens", "is not a JSON object"),
        ),
        (
            meta([json!(SALT), null(), null(), null(), json!(r#"{"salt":"x"}"#)]),
            field("ephemeral:stk_a1B2c3D4e5F6g7H8", "is not an object with `encryptedPEK` and `salt`"),
        ),
        (
            meta([json!(SALT), null(), null(), null(), json!(r#"{"encryptedPEK":"x","salt":"x"}"#)]),
            field("salt of token stk_a1B2c3D4e5F6g7H8", "is not 32 hex digits"),
        ),
        (
            meta([
                json!(SALT),
                null(),
                null(),
                null(),
                json!(r#"{"encryptedPEK":"x","salt":"x","expiresAt":"soon"}"#),
            ]),
            field("ephemeral:stk_a1B2c3D4e5F6g7H8", "has an `expiresAt` that is no time"),
        ),
        (json!([metadata(), { "result": [] }]), no_environment()),
        (json!([metadata(), { "result": null }]), no_environment()),
        (json!([metadata(), { "result": ["A"] }]), field("development:acme", "has a name without a value")),
        (json!([metadata(), { "result": ["A", null] }]), field("A", "is null")),
    ] {
        assert_eq!(error(&reply), expected, "{reply}");
    }
}

#[test]
fn the_same_token_or_name_twice_is_refused() {
    let twice = format!(r#"{{"{TOKEN_ID}":{0},"{TOKEN_ID}":{0}}}"#, entry());
    let reply = json!([{ "result": [SALT, null, null, twice, null] }, { "result": ["A", "[]"] }]);
    assert!(matches!(error(&reply), ParseError::Field { .. }));

    let reply = json!([metadata(), { "result": ["A", "[]", "A", "[]"] }]).to_string();
    let (project, environments) = (name("acme"), [name("development")]);
    let request = Request { project: &project, environments: &environments, token_id: TOKEN_ID };
    let sealed = parse(reply.as_bytes(), &request).unwrap();
    let twice = PinError::Twice { environment: name("development"), name: "A".to_owned() };
    assert_eq!(sealed.open(&key("01"), &BTreeMap::new()).unwrap_err(), twice);
}

#[test]
fn the_store_cannot_choose_another_token_than_the_one_asked_for() {
    // The entry is looked for by its id alone: never the only one there is.
    let tokens = json!({ "stk_other": entry() }).to_string();
    let reply = json!([{ "result": [SALT, null, null, tokens, null] }, { "result": ["A", "[]"] }]);
    let expected = ParseError::NoToken { project: name("acme"), id: TOKEN_ID.to_owned() };
    assert_eq!(error(&reply), expected);
}
