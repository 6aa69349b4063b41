//! redenv-run waits for a setting in a pipe until the deadline, and no longer.

use crate::support::launch::{Launch, redenv_run};
use crate::support::project::{Project, TOKEN_KEY};
use crate::support::vault::{Certificate, Vault};

fn vault() -> Vault {
    Vault::of(&Project::new("acme").secret("development", "A", "1"))
}

fn launch(vault: &Vault) -> Launch {
    redenv_run(vault).program(["sh", "-c", "echo $A"])
}

fn key_from_a_pipe(vault: &Vault) -> Launch {
    launch(vault).env_remove("REDENV_TOKEN_KEY").env("REDENV_TOKEN_KEY_FILE", "pipe")
}

#[track_caller]
fn assert_overdue(launch: Launch, what: &str) {
    let error = format!("error: cannot read {what}: it did not end within 300ms");
    let hint = "hint: a pipe ends when every program that writes to it has closed it; --timeout (REDENV_TIMEOUT) gives more time";
    launch.run().assert_failed(125, &[&error, hint]);
}

#[test]
fn a_pipe_without_a_writer_ends_with_the_deadline() {
    let vault = vault();
    let tls = Vault::builder().project(&Project::new("acme")).tls(Certificate::Valid).start();
    for (launch, what) in [
        (key_from_a_pipe(&vault), "pipe (REDENV_TOKEN_KEY_FILE)"),
        (launch(&vault).env("REDENV_ENV_FILE", "pipe"), "pipe"),
        (launch(&tls).env("REDENV_CA_FILE", "pipe"), "pipe (REDENV_CA_FILE)"),
        (launch(&tls).env("SSL_CERT_FILE", "pipe"), "pipe (SSL_CERT_FILE)"),
    ] {
        assert_overdue(launch.env("REDENV_TIMEOUT", "300ms").after("mkfifo pipe"), what);
    }
    assert_eq!(vault.requests().len() + tls.requests().len(), 0);
}

#[test]
fn a_pipe_that_is_never_closed_ends_with_the_deadline() {
    let vault = vault();
    let launch = key_from_a_pipe(&vault).env("REDENV_TIMEOUT", "300ms");
    let writer = format!("mkfifo pipe; (printf {TOKEN_KEY}; sleep 20) >pipe 2>/dev/null </dev/null &");
    assert_overdue(launch.after(&writer), "pipe (REDENV_TOKEN_KEY_FILE)");
}

#[test]
fn a_slow_writer_of_a_pipe_gets_its_time() {
    let vault = vault();
    let writer = format!("mkfifo pipe; (sleep 0.5; echo {TOKEN_KEY} >pipe) &");
    key_from_a_pipe(&vault).after(&writer).run().assert_ran("1\n");
}

#[test]
fn the_deadline_may_be_the_env_files() {
    let vault = vault();
    let launch = key_from_a_pipe(&vault).file(".env.local", "REDENV_TIMEOUT=300ms\n");
    assert_overdue(launch.after("mkfifo pipe"), "pipe (REDENV_TOKEN_KEY_FILE)");
}

#[test]
fn a_file_of_certificates_without_an_end_is_refused() {
    let tls = Vault::builder().project(&Project::new("acme")).tls(Certificate::Valid).start();
    let launch = launch(&tls).env("REDENV_CA_FILE", "/dev/zero");
    launch.run().assert_failed(
        125,
        &[
            "error: cannot read /dev/zero (REDENV_CA_FILE): it is longer than 16 MiB",
            "hint: correct the path, or leave it out: the bundled certificates are enough for Upstash",
        ],
    );
}
