//! The secrets that the official clients wrote reach the command byte for byte, from memory and from a real Redis.

use std::collections::BTreeMap;

use crate::support::backends::{Stored, both_backends};
use crate::support::fixtures;
use crate::support::launch::{Launch, redenv_run};

/// The command's environment without the inherited `PATH`.
fn secrets(launch: Launch) -> BTreeMap<String, String> {
    launch.environment()
}

#[test]
fn every_valid_token_gives_every_secret_byte_for_byte() {
    for token in ["ci", "web", "ephemeral"] {
        for Stored { name, vault, _redis } in both_backends(token) {
            let seen = secrets(redenv_run(&vault));
            assert_eq!(seen, fixtures::expected("development"), "{token}, {name}");
        }
    }
}

#[test]
fn a_read_only_upstash_token_is_enough() {
    for Stored { name, vault, _redis } in both_backends("ci") {
        let seen = secrets(redenv_run(&vault).env("UPSTASH_REDIS_TOKEN", "read-only"));
        assert_eq!(seen, fixtures::expected("development"), "{name}");
    }
}

#[test]
fn a_known_or_a_wrong_salt_changes_no_value() {
    let [Stored { vault, .. }, _] = both_backends("ci");
    for salt in [fixtures::credentials("ci").salt.as_str(), "00000000000000000000000000000000"] {
        let seen = secrets(redenv_run(&vault).env("REDENV_TOKEN_SALT", salt));
        assert_eq!(seen, fixtures::expected("development"), "{salt}");
    }
}

#[test]
fn an_escaped_reference_makes_no_cycle() {
    for Stored { name, vault, _redis } in both_backends("ci") {
        let seen = secrets(redenv_run(&vault).args(["-e", "cyclic-escaped"]));
        assert_eq!(seen, fixtures::expected("cyclic-escaped"), "{name}");
    }
}

#[test]
fn a_cycle_is_named() {
    for Stored { vault, _redis, .. } in both_backends("ci") {
        redenv_run(&vault).args(["-e", "cyclic"]).program(["env"]).run().assert_failed(
            125,
            &[
                "error: the references form a cycle: CA -> CB -> CC -> CA",
                r"hint: write \${NAME} for a literal reference, or pass --raw to expand none",
            ],
        );
    }
}

const DAMAGED: &str = "its value can't be decrypted: damaged, or encrypted for another project";

#[test]
fn every_secret_that_cannot_be_decrypted_is_named() {
    for Stored { vault, _redis, .. } in both_backends("ci") {
        let error = format!(
            "error: cannot use secrets CORRUPTED ({DAMAGED}), CORRUPTED_OLD_OK ({DAMAGED}), \
             EMPTY_ARRAY (its history has no version) and NOT_ARRAY (its history is not an array)"
        );
        redenv_run(&vault).args(["-e", "production"]).program(["env"]).run().assert_failed(
            125,
            &[
                &error,
                "hint: set them again; --skip-broken skips them with a warning, --exclude leaves them out",
            ],
        );
    }
}

#[test]
fn skip_broken_starts_without_them_and_warns_of_each() {
    for Stored { name, vault, _redis } in both_backends("web") {
        let outcome =
            redenv_run(&vault).args(["-e", "production", "--skip-broken"]).program(["env", "-0"]).run();
        assert_eq!(
            outcome.stderr,
            format!(
                "redenv-run: warning: skipped CORRUPTED: {DAMAGED}; ${{CORRUPTED}} stays unexpanded in REF_CORRUPTED\n\
                 redenv-run: warning: skipped CORRUPTED_OLD_OK: {DAMAGED}\n\
                 redenv-run: warning: skipped EMPTY_ARRAY: its history has no version\n\
                 redenv-run: warning: skipped NOT_ARRAY: its history is not an array\n"
            ),
            "{name}"
        );
        let quiet = redenv_run(&vault).args(["-e", "production", "--skip-broken", "-q"]);
        assert_eq!(secrets(quiet), fixtures::expected("production"), "{name}");
    }
}

#[test]
fn a_revoked_token_is_refused() {
    for Stored { vault, _redis, .. } in both_backends("revoked") {
        redenv_run(&vault).program(["env"]).run().assert_failed(
            125,
            &[
                "error: project acme-api has no service token stk_4F6Ms3og1JuyU0SM: it was revoked, or it belongs to another project",
                "hint: check REDENV_TOKEN_ID, or create a new token with `redenv-run token create`",
            ],
        );
    }
}
