//! `token revoke`: the question, the change, and its effect at once.

use std::collections::BTreeSet;

use super::{CI, EPHEMERAL, META, WEB, created, credentials, ids, launch, service_tokens, token, vault};
use crate::support::fixtures;
use crate::support::launch::redenv_run;
use crate::support::project;
use crate::support::project::Project;
use crate::support::vault::Vault;

#[test]
fn unknown_ids_are_named_and_the_rest_is_revoked() {
    let (vault, _redis) = vault();
    let outcome = token(&vault, &["revoke", "--yes", "stk_no", CI, EPHEMERAL, CI, "tok_abc123"]).run();
    assert_eq!(
        outcome.stdout,
        format!(
            "Revoked: {EPHEMERAL} (Ephemeral (dump))\nRevoked: {CI} (CI)\n1 token of project acme-api remains\n"
        )
    );
    assert_eq!(
        outcome.stderr,
        "redenv-run: error: project acme-api has no service token stk_no and tok_abc123\n\
         redenv-run: hint: `redenv-run token list` shows the IDs\n"
    );
    assert_eq!(outcome.code(), Some(125));
    assert_eq!(ids(&vault), BTreeSet::from([WEB.to_owned()]));
    assert_eq!(vault.hget(META, &format!("ephemeral:{EPHEMERAL}")), None);
    assert_eq!(launch(&vault, &fixtures::credentials("ephemeral")).code(), Some(125));
    assert_eq!(launch(&vault, &fixtures::credentials("web")).code(), Some(0));
}

#[test]
fn the_fallback_file_of_a_revoked_token_is_deleted() {
    let (vault, _redis) = vault();
    let new = credentials(&created(&vault, &["-n", "x"]));
    let directory = tempfile::TempDir::new().unwrap();
    let file = directory.path().join("fallback");
    let start = || {
        let launch = redenv_run(&vault).env("REDENV_TOKEN_ID", &new.token_id);
        let launch = launch.env("REDENV_TOKEN_KEY", &new.token_key).env("REDENV_FALLBACK", &file);
        launch.program(["printenv", "PLAIN"]).run()
    };
    assert_eq!(start().stdout, "hello world\n");
    assert!(file.exists());
    assert_eq!(token(&vault, &["revoke", "--yes", &new.token_id]).run().code(), Some(0));
    let refused = start();
    assert_eq!((refused.code(), refused.stdout.as_str()), (Some(125), ""));
    assert!(!file.exists());
}

#[test]
fn only_a_yes_revokes() {
    let (vault, _redis) = vault();
    let before = service_tokens(&vault);
    for answer in ["", "n", "no", "yesterday"] {
        let mut terminal = token(&vault, &["revoke", CI]).env("NO_COLOR", "1").on_terminal();
        terminal.expect("Revoke? [y/N] ").type_line(answer);
        let shown = terminal.finish();
        let expected = format!(
            "To be revoked in project acme-api:\n  {CI}  CI  created 2026-11-23 23:30\n\
             Programs that use them fail at once, and this can't be undone. Revoke? [y/N] {answer}\n\
             redenv-run: error: nothing was revoked\n"
        );
        assert_eq!((shown.code, shown.screen), (125, expected));
    }
    assert_eq!(service_tokens(&vault), before);
}

#[test]
fn an_unknown_id_is_named_before_the_question() {
    let (vault, _redis) = vault();
    let mut terminal = token(&vault, &["revoke", CI, "stk_no", "tok_no"]).env("NO_COLOR", "1").on_terminal();
    terminal.expect("Revoke? [y/N] ").type_line("n");
    let shown = terminal.finish();
    let expected = format!(
        "Not in project acme-api: stk_no and tok_no\n\
         To be revoked in project acme-api:\n  {CI}  CI  created 2026-11-23 23:30\n\
         Programs that use them fail at once, and this can't be undone. Revoke? [y/N] n\n\
         redenv-run: error: nothing was revoked\n"
    );
    assert_eq!((shown.code, shown.screen), (125, expected));
}

#[test]
fn a_key_in_place_of_an_id_is_not_printed() {
    let vault = Vault::of(&Project::new("acme"));
    let outcome = token(&vault, &["revoke", "--yes", project::TOKEN_ID, project::TOKEN_KEY]).run();
    assert!(
        outcome.stderr.starts_with("redenv-run: error: an argument is a token key"),
        "{}",
        outcome.stderr
    );
    assert!(!outcome.stderr.contains(project::TOKEN_KEY));
    assert_eq!(vault.requests().len(), 0);
}
