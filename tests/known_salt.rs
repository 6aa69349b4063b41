//! With the salt known beforehand the key is derived while the request is under way.

use std::time::Duration;

use tempfile::TempDir;

use crate::support::launcher::{Launcher, launcher};
use crate::support::project::{Project, TOKEN_SALT};
use crate::support::vault::Vault;

/// Longer than a derivation takes on a machine that isn't too busy.
const DELAY: Duration = Duration::from_millis(400);

fn slow_vault() -> Vault {
    let vault = Vault::of(&Project::new("acme").secret("development", "GREETING", "hello"));
    vault.set_delay(DELAY);
    vault
}

/// What the derivation still took when the answer was there, by `-v`, in milliseconds: the least of
/// five launches, as the machine may be busy.
#[track_caller]
fn derivation(launch: impl Fn() -> Launcher) -> f64 {
    let stage = || {
        let launch = launch().env("REDENV_VERBOSE", "1").env("REDENV_TIMEOUT", "50s");
        let outcome = launch.program(["sh", "-c", "echo $GREETING"]).run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(0), "hello\n"), "{}", outcome.stderr);
        let after = outcome.stderr.split_once(", derive ").expect("a stage").1;
        after.split_once(" ms").unwrap().0.parse::<f64>().unwrap()
    };
    (0..5).map(|_| stage()).fold(f64::INFINITY, f64::min)
}

#[test]
fn the_derivation_hides_behind_the_request() {
    let vault = slow_vault();
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("fallback");
    let unknown = derivation(|| launcher(&vault));
    assert!(unknown > 5.0, "310,000 iterations take their time: {unknown} ms");

    let told = derivation(|| launcher(&vault).env("REDENV_TOKEN_SALT", TOKEN_SALT));
    assert!(told < unknown / 4.0, "{told} ms instead of {unknown} ms");
    let upper = TOKEN_SALT.to_uppercase();
    let told = derivation(|| launcher(&vault).env("REDENV_TOKEN_SALT", &upper));
    assert!(told < unknown / 4.0, "{told} ms instead of {unknown} ms");

    let remembered = derivation(|| launcher(&vault).env("REDENV_FALLBACK", &file));
    assert!(remembered < unknown / 4.0, "{remembered} ms instead of {unknown} ms");
}

#[test]
fn a_wrong_salt_costs_time_and_nothing_else() {
    let vault = slow_vault();
    let unknown = derivation(|| launcher(&vault));
    let wrong = "ffffffffffffffffffffffffffffffff";
    let again = derivation(|| launcher(&vault).env("REDENV_TOKEN_SALT", wrong));
    assert!(again > unknown / 4.0, "it is derived anew, with the salt of the store: {again} ms");
    let launch = launcher(&vault).env("REDENV_TOKEN_SALT", wrong).program(["sh", "-c", "echo $GREETING"]);
    launch.run().assert_ran("hello\n");
}
