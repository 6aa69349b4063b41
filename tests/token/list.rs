//! `token list`: IDs, names and ages, never a key.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::{CI, EPHEMERAL, META, WEB, ago, local, text, token, vault};
use crate::support::fixtures;
use crate::support::vault::Vault;

#[test]
fn the_table_shows_the_newest_first_and_marks_the_old_ones() {
    let vault = Vault::builder().credentials(fixtures::credentials("ci")).start();
    let (young, old) = (ago(3), ago(91));
    let tokens = json!({
        "stk_oldOldOldOldOldO": { "name": "old", "description": "", "createdAt": old, "encryptedPEK": "5ea1ed.00" },
        "stk_newNewNewNewNewN": { "name": "生产", "description": "wide", "createdAt": young, "salt": "5a17" },
        "stk_bare": {},
        "stk_odd": ["name"],
        "stk_undated": { "name": "a\u{1b}[31m\nb", "description": 7, "createdAt": "yesterday" },
    });
    vault.hset(META, "serviceTokens", &tokens.to_string());
    let ephemeral = json!({ "name": "dev", "createdAt": 0, "expiresAt": ago(1), "description": "laptop" });
    vault.hset(META, "ephemeral:stk_eph", &ephemeral.to_string());
    let outcome = token(&vault, &["list"]).run();
    let age = |days: u64| format!("{days}d");
    let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() / 86400;
    let expected = format!(
        "Name               Description                 Token ID              Created At        Age\n\
         生产               wide                        stk_newNewNewNewNewN  {}  {}\n\
         old                                            stk_oldOldOldOldOldO  {}  {} !\n\
         dev                ephemeral, expired: laptop  stk_eph               1970-01-01 00:00  {} !\n\
         -                                              stk_bare              -                 -\n\
         -                                              stk_odd               -                 -\n\
         a\\u{{1b}}[31m\\u{{a}}b  7                           stk_undated           yesterday         -\n",
        local(&young),
        age(3),
        local(&old),
        age(91),
        age(epoch),
    );
    assert_eq!(outcome.stdout, expected);
    assert_eq!(
        outcome.stderr,
        "redenv-run: warning: older than 90 days: stk_oldOldOldOldOldO and stk_eph; to rotate a token, create another, deploy it, then revoke the old one\n"
    );
}

#[test]
fn free_text_wraps_at_the_width_of_the_terminal() {
    let vault = Vault::builder().credentials(fixtures::credentials("ci")).start();
    let young = ago(3);
    let tokens = json!({ CI: {
        "name": "GitHub Actions of the website",
        "description": "生产环境的部署令牌 for releases alone",
        "createdAt": young,
    } });
    vault.hset(META, "serviceTokens", &tokens.to_string());
    let shown = token(&vault, &["list"]).env("NO_COLOR", "1").on_terminal().finish();
    let expected = format!(
        "Name               Description       Token ID              Created At        Age\n\
         GitHub Actions of  生产环境的部署令  {CI}  {}  3d\n\
         the website        牌 for releases\n\
         \x20                  alone\n",
        local(&young)
    );
    assert_eq!(shown.screen, expected);
}

#[test]
fn times_are_shown_in_the_zone_of_tz() {
    let vault = Vault::builder().credentials(fixtures::credentials("ci")).start();
    vault.hset(META, "serviceTokens", r#"{"stk_a":{"createdAt":"2026-07-01T22:30:17Z"}}"#);
    for (tz, shown) in [
        ("UTC0", "2026-07-01 22:30"),
        ("", "2026-07-01 22:30"),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-02 00:30"),
        ("<-0330>3:30", "2026-07-01 19:00"),
        ("No/Such_Zone", "2026-07-01 22:30"),
    ] {
        let outcome = token(&vault, &["list"]).env("TZ", tz).run();
        assert!(outcome.stdout.contains(&format!("  {shown}  ")), "{tz}: {}", outcome.stdout);
    }
}

#[test]
fn the_json_has_no_key_in_it() {
    let (vault, _redis) = vault();
    let outcome = token(&vault, &["list", "--format", "json"]).run();
    let tokens: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let listed: Vec<String> =
        tokens.as_array().unwrap().iter().map(|token| text(&token["tokenId"])).collect();
    assert_eq!(listed, [EPHEMERAL, WEB, CI]);
    let mut web = tokens[1].clone();
    assert!(web["ageDays"].take().is_u64());
    assert!(web["olderThan90Days"].take().is_boolean());
    assert_eq!(
        web,
        json!({
            "tokenId": WEB,
            "kind": "service",
            "name": "web production",
            "description": "created with newest CLI token create (createdBy)",
            "createdAt": "2026-11-23T23:30:18.942Z",
            "createdBy": "dev@acme.example",
            "ageDays": null,
            "olderThan90Days": null,
        })
    );
    assert_eq!(tokens[0]["kind"], "ephemeral");
    for secret in ["encryptedPEK", "salt", "b0e3492ee6a4924417c34d55", "61cacc7efa167112ef4641d9075cc52d"] {
        assert!(!outcome.stdout.contains(secret), "{secret}");
    }
}
