//! Fuzz tests for the steps from the reply to the command's environment. Whatever Upstash sends, these steps
//! end in an environment or in an error of one clean line. They never panic and never hang.
//!
//! `cargo test` runs a short form. `scripts/fuzz MINUTES` runs `mutated_replies` for that many minutes.

mod mutate;
mod replies;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use std::{fs, panic};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use crate::child::environment::{self, Environment, Policy};
use crate::child::{exec, reserved};
use crate::secret::SecretText;
use crate::ui::failure::Failure;
use crate::vault::crypto::Key;
use crate::vault::select::{self, Selection};
use crate::vault::{self, Name, Pin, Request};
use replies::{json_soup, reply};

const TOKEN_ID: &str = "stk_a1B2c3D4e5F6g7H8";
const SALT: &str = "000102030405060708090a0b0c0d0e0f";
/// An inherited variable that the command must not get.
const TOKEN_KEY: &str = "redenv_sk_inherited";
/// Part of the encrypted values: no message may contain it.
const VALUE: &str = "hunter2";
/// The most replies that are mutated.
const MOST: usize = 5000;

fn key(digit: &str) -> Key {
    Key::from_hex(&SecretText::new(digit.repeat(64))).unwrap()
}

fn encrypted(plain: &str) -> String {
    key("b").encrypt(&SecretText::new(plain.to_owned())).unwrap()
}

fn encrypted_pek() -> String {
    key("a").encrypt(&key("b").to_hex()).unwrap()
}

/// Runs every step from the reply to the exec, except the key derivation.
fn environment(body: &[u8], skip_broken: bool) -> Result<Environment, Failure> {
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
    // Most replies have no secret PINNED. Then decrypt without pins.
    let decrypted = vault.decrypt(&pek, &pins).or_else(|_| again.decrypt(&pek, &BTreeMap::new()))?;
    let selection = Selection { skip_broken, ..Selection::default() };
    let selected = select::select(decrypted, &selection)?;
    let inherited = [("PATH", "/bin"), ("REDENV_TOKEN_KEY", TOKEN_KEY)];
    let inherited = inherited.map(|(name, value)| (OsString::from(name), OsString::from(value))).into();
    let own_names = [OsString::from("REDENV_TOKEN_KEY")].into();
    let child = environment::build(inherited, &selected.secrets, &Policy { own_names, ..Policy::default() })?;
    exec::check_sizes(&child.environment, 0)?;
    Ok(child.environment)
}

/// Runs every step, checks the result, and returns its kind.
fn survive(reply: &[u8]) -> String {
    let in_clear = reply.windows(VALUE.len()).any(|window| window == VALUE.as_bytes());
    let mut kind = String::new();
    for skip_broken in [false, true] {
        match environment(reply, skip_broken) {
            Ok(environment) => {
                assert_eq!(environment[&OsString::from("PATH")], "/bin");
                kind += ["0", "1", "2", "3", "4", "more"][environment.len().min(5)];
                for (name, value) in environment {
                    let (name, value) = (name.into_string().unwrap(), value.into_string().unwrap());
                    assert!(!name.is_empty() && !name.contains(['=', '\0']), "{name:?}");
                    assert!(!value.contains('\0'), "{name:?}");
                    assert!(name == "PATH" || reserved::find(&name).is_none(), "{name}");
                    assert!(!name.starts_with("__") && value != TOKEN_KEY, "{name}");
                }
            }
            Err(error) => {
                let text = error.help().map_or(error.to_string(), |help| format!("{error}{help}"));
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(in_clear || !text.contains(VALUE), "{text}");
                // The kind is the error without its names and numbers.
                let debug = format!("{error:?}");
                kind.extend(debug.split('"').step_by(2).flat_map(str::chars).filter(|c| !c.is_ascii_digit()));
            }
        }
    }
    kind
}

/// Mutates the recorded replies, while `goes_on`. Mutates a mutated reply again if it ended in a new way.
/// Returns the number of cases.
fn fuzz(seed: u64, mut goes_on: impl FnMut(u64) -> bool) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut pool = corpus();
    let mut kinds: BTreeSet<String> = pool.iter().map(|reply| survive(reply)).collect();
    let mut cases = 0;
    while goes_on(cases) {
        let reply = mutate::mutate(&pool, &mut random);
        let begin = Instant::now();
        let survived = panic::catch_unwind(|| survive(&reply));
        assert!(begin.elapsed() < Duration::from_secs(10), "it hangs: {}", saved(&reply));
        let kind = survived.unwrap_or_else(|_| panic!("it panics: {}", saved(&reply)));
        if pool.len() < MOST && kinds.insert(kind) {
            pool.push(reply);
        }
        cases += 1;
    }
    cases
}

/// The recorded replies, including odd ones. Their tokens and secrets are encrypted with `key("a")` and
/// `key("b")`.
fn corpus() -> Vec<Vec<u8>> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    fs::read_dir(directory).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
}

/// Saves a reply that fails, and returns its path.
fn saved(reply: &[u8]) -> String {
    let path = std::env::temp_dir().join("redenv-run-fuzz-failure");
    fs::write(&path, reply).unwrap();
    format!("the reply is in {}; add it to tests/corpus", path.display())
}

#[test]
fn mutated_replies() {
    let Some(minutes) = std::env::var("REDENV_FUZZ_MINUTES").ok() else {
        fuzz(0, |cases| cases < 3000);
        return;
    };
    let minute = Duration::from_secs(60);
    let (begin, mut told) = (Instant::now(), 0);
    let end = minute * minutes.parse().unwrap();
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let cases = fuzz(seed, |cases| {
        let elapsed = begin.elapsed();
        if elapsed >= minute * (told + 1) {
            told += 1;
            println!("{told} min: {cases} cases");
        }
        elapsed < end
    });
    println!("{cases} cases, no failure");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_survive(body in vec(any::<u8>(), 0..300)) {
        survive(&body);
    }

    #[test]
    fn any_json_survives(body in json_soup()) {
        survive(body.as_bytes());
        survive(format!("[{{\"result\":{body}}},{{\"result\":{body}}}]").as_bytes());
    }

    #[test]
    fn any_reply_survives(reply in reply()) {
        survive(reply.to_string().as_bytes());
    }

    #[test]
    fn any_damaged_reply_survives(reply in reply(), damage in vec((any::<Index>(), any::<u8>(), 0..3u8), 1..4)) {
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
fn a_good_reply_becomes_an_environment() {
    let fields = [field("A", "1"), field("B", "<${A}>")].join(",");
    let environment = environment(reply_of(&fields).as_bytes(), false).ok().unwrap();
    let expected = [("A", "1"), ("B", "<1>"), ("PATH", "/bin")];
    assert_eq!(environment, expected.map(|(name, value)| (name.into(), value.into())).into());
}

#[test]
fn deep_nesting_overflows_no_stack() {
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
fn many_fields_and_giant_numbers_are_read() {
    let mut many = String::new();
    for n in 0..100_000 {
        let _ = write!(many, "\"F{n}\",\"[]\",");
    }
    // Once is enough: without optimisation, this is slow.
    let all = environment(reply_of(many.trim_end_matches(',')).as_bytes(), true);
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
