//! A change is one compare-and-set: concurrent changes are never lost, and a lost answer changes nothing twice.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    CI, EPHEMERAL, META, WEB, create, created, credentials, ids, launch, service_tokens, text, token, vault,
};
use crate::support::fixtures;
use crate::support::vault::Response;

#[test]
fn a_change_between_reading_and_writing_is_kept() {
    let (vault, _redis) = vault();
    let mut terminal = token(&vault, &["create", "-n", "mine"]).on_terminal();
    terminal.expect("Master password");
    // The project was read. Before the write, its tokens change.
    vault.hset(META, "serviceTokens", r#"{"stk_theirs":{"name":"theirs"}}"#);
    let shown = terminal.type_hidden(&fixtures::master_password()).finish();
    assert_eq!(shown.code, 0, "{}", shown.screen);
    let after = service_tokens(&vault);
    assert!(after.starts_with(r#"{"stk_theirs":{"name":"theirs"},"stk_"#), "{after}");
    assert_eq!(ids(&vault).len(), 2);

    let mut terminal = token(&vault, &["revoke", "stk_theirs"]).on_terminal();
    terminal.expect("Revoke? [y/N] ");
    vault.hset(META, "serviceTokens", r#"{"stk_new":{},"stk_theirs":{"name":"theirs"}}"#);
    let shown = terminal.type_line("yes").finish();
    assert!(shown.screen.ends_with("Revoked: stk_theirs (theirs)\n2 tokens of project acme-api remain\n"));
    assert_eq!(service_tokens(&vault), r#"{"stk_new":{}}"#);
}

#[test]
fn a_project_whose_key_changed_gets_no_token_for_the_old_key() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    let mut terminal = token(&vault, &["create", "-n", "mine"]).env("NO_COLOR", "1").on_terminal();
    terminal.expect("Master password");
    vault.hset(META, "encryptedPEK", "00.00");
    let shown = terminal.type_hidden(&fixtures::master_password()).finish();
    let message =
        "redenv-run: error: the key of project acme-api was changed at the same time; nothing was written\n";
    assert!(shown.code == 125 && shown.screen.contains(message), "{}", shown.screen);
    assert_eq!(service_tokens(&vault), before);
}

#[test]
fn concurrent_creates_and_revokes_lose_nothing_and_nothing_comes_back() {
    const EACH: usize = 6;
    let (vault, _redis) = vault();
    let old: Vec<String> = (0..EACH).map(|i| format!("stk_old{i}")).collect();
    let field: serde_json::Map<String, Value> =
        old.iter().chain([&CI.to_owned()]).map(|id| (id.clone(), json!({ "name": id }))).collect();
    vault.hset(META, "serviceTokens", &Value::from(field).to_string());
    // Slow answers make every reading stale before the write.
    vault.set_delay(Duration::from_millis(30));
    let vault = &vault;
    let new: Vec<String> = thread::scope(|scope| {
        let creators: Vec<_> = (0..EACH)
            .map(|i| scope.spawn(move || text(&created(vault, &["-n", &format!("new{i}")])["tokenId"])))
            .collect();
        let revokers: Vec<_> =
            old.iter().map(|id| scope.spawn(move || token(vault, &["revoke", "--yes", id]).run())).collect();
        for revoker in revokers {
            let outcome = revoker.join().unwrap();
            assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
        }
        creators.into_iter().map(|creator| creator.join().unwrap()).collect()
    });
    vault.set_delay(Duration::ZERO);
    let expected: BTreeSet<String> = new.into_iter().chain([CI.to_owned()]).collect();
    assert_eq!(ids(vault), expected);
    let attempts = vault.requests().iter().filter(|request| request.body.contains("EVAL")).count();
    assert!(attempts > 2 * EACH, "{attempts} attempts of {} processes: there was no race", 2 * EACH);
}

#[test]
fn a_lost_answer_changes_nothing_twice() {
    let (vault, _redis) = vault();
    vault.lose_answers(2, "EVAL");
    let new = credentials(&created(&vault, &["-n", "once"]));
    assert_eq!(service_tokens(&vault).matches("\"once\"").count(), 1);
    assert_eq!(launch(&vault, &new).stdout, "hello world\n");
    vault.lose_answers(1, "EVAL");
    let outcome = token(&vault, &["revoke", "--yes", &new.token_id, EPHEMERAL]).run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        outcome.stdout,
        format!(
            "Revoked: {} (once)\nRevoked: {EPHEMERAL} (Ephemeral (dump))\n2 tokens of project acme-api remain\n",
            new.token_id
        )
    );
    assert_eq!(ids(&vault), BTreeSet::from([CI.to_owned(), WEB.to_owned()]));
}

#[test]
fn lost_answers_are_reported_as_a_token_that_may_exist() {
    let (vault, _redis) = vault();
    vault.lose_answers(usize::MAX, "EVAL");
    let outcome = create(&vault, &["-n", "lost", "--timeout", "1s"]).run();
    let added = ids(&vault).into_iter().find(|id| id != CI && id != WEB).unwrap();
    let warning = format!(
        "redenv-run: warning: token {added} may have been created, and its key is lost: run `redenv-run token revoke {added}` if `redenv-run token list` shows it\n"
    );
    assert!(outcome.stderr.starts_with(&warning), "{}", outcome.stderr);
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
}

#[test]
fn a_failure_after_a_lost_answer_is_reported_as_a_token_that_may_exist() {
    let (vault, _redis) = vault();
    vault.lose_answers(1, "EVAL");
    let launch = create(&vault, &["-n", "perhaps"]);
    let outcome = thread::scope(|both| {
        both.spawn(|| {
            vault.wait_for_requests(2);
            vault.respond_always(Some(Response::new(401)));
        });
        launch.run()
    });
    let added = ids(&vault).into_iter().find(|id| id != CI && id != WEB).unwrap();
    let warning = format!("redenv-run: warning: token {added} may have been created, and its key is lost: ");
    assert!(outcome.stderr.starts_with(&warning), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("redenv-run: error: 127.0.0.1 rejected the Upstash token (HTTP 401)\n"));
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""));
}

#[test]
#[cfg(target_os = "linux")]
fn a_key_that_cannot_be_printed_is_reported_as_lost() {
    let (vault, _redis) = vault();
    let mut launch = token(&vault, &["create", "-n", "x"]);
    launch =
        launch.file("password", fixtures::master_password()).env("REDENV_MASTER_PASSWORD_FILE", "password");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = launch.command().stdout(full).output().unwrap();
    let added = ids(&vault).into_iter().find(|id| id != CI && id != WEB).unwrap();
    let expected = format!(
        "redenv-run: error: token {added} was created, but its key cannot be written to stdout: no space left on device\n\
         redenv-run: hint: run `redenv-run token revoke {added}`, then create another token\n"
    );
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(125), expected));
}
