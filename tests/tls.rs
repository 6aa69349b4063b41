//! A certificate is accepted if a bundled or named authority signed it, for the host in the URL, while it is
//! valid.

use std::fs;
use std::io::Write;

use crate::support::launch::{Launch, redenv_run};
use crate::support::project::Project;
use crate::support::server::Server;
use crate::support::vault::{Certificate, Vault};

const CHECK: &str = "hint: check UPSTASH_REDIS_URL and this machine's clock; name a private CA with --ca-file (REDENV_CA_FILE)";

fn vault(certificate: Certificate) -> Vault {
    let project = Project::new("acme").secret("development", "GREETING", "hello");
    Vault::builder().project(&project).tls(certificate).start()
}

/// A launch that trusts only the bundled authorities.
fn trusting(vault: &Vault) -> Launch {
    redenv_run(vault).env_remove("REDENV_CA_FILE")
}

fn greet(launch: Launch) -> Launch {
    launch.program(["sh", "-c", "echo $GREETING"])
}

#[test]
fn an_authority_is_trusted_when_named_in_any_of_three_places() {
    let vault = vault(Certificate::Valid);
    let ca = vault.ca_file().to_str().unwrap();
    greet(trusting(&vault).args(["--ca-file", ca])).run().assert_ran("hello\n");
    greet(trusting(&vault).env("REDENV_CA_FILE", ca)).run().assert_ran("hello\n");
    greet(trusting(&vault).env("SSL_CERT_FILE", ca)).run().assert_ran("hello\n");
}

#[test]
fn named_authorities_add_up() {
    let (vault, other) = (vault(Certificate::Valid), vault(Certificate::Valid));
    let both = |own: &Vault, systems: &Vault| {
        trusting(&vault).env("REDENV_CA_FILE", own.ca_file()).env("SSL_CERT_FILE", systems.ca_file())
    };
    greet(both(&vault, &other)).run().assert_ran("hello\n");
    greet(both(&other, &vault)).run().assert_ran("hello\n");
    let bundle = [fs::read(other.ca_file()).unwrap(), fs::read(vault.ca_file()).unwrap()].concat();
    let launch = trusting(&vault).file("bundle.pem", bundle).env("SSL_CERT_FILE", "bundle.pem");
    greet(launch).run().assert_ran("hello\n");
}

#[test]
fn an_invalid_certificate_ends_the_launch_at_once() {
    let other = vault(Certificate::Valid);
    for (certificate, authority, why) in [
        (Certificate::Valid, None, "its issuer is not trusted"),
        // An authority of the same name, but another key.
        (Certificate::Valid, Some(&other), "it is not valid"),
    ] {
        let vault = vault(certificate);
        let mut launch = trusting(&vault);
        if let Some(authority) = authority {
            launch = launch.env("REDENV_CA_FILE", authority.ca_file());
        }
        assert_not_accepted(launch, &vault, why);
    }
    for (certificate, why) in
        [(Certificate::Expired, "it has expired"), (Certificate::WrongName, "it is for another name")]
    {
        let vault = vault(certificate);
        assert_not_accepted(redenv_run(&vault), &vault, why);
    }
}

#[track_caller]
fn assert_not_accepted(launch: Launch, vault: &Vault, why: &str) {
    let error = format!("error: localhost has a certificate that redenv-run does not accept: {why}");
    greet(launch).run().assert_failed(125, &[&error, CHECK]);
    assert_eq!((vault.requests().len(), vault.connections()), (0, 1), "no token was sent");
}

#[test]
fn a_certificate_may_be_for_an_ip_address() {
    let vault = vault(Certificate::Valid);
    let launch = redenv_run(&vault).env("UPSTASH_REDIS_URL", vault.url_at("127.0.0.1"));
    greet(launch).run().assert_ran("hello\n");
}

#[test]
fn a_server_without_tls_gets_no_request() {
    let server = Server::start(|mut stream| {
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    });
    let url = format!("https://{}", server.address());
    greet(redenv_run(&vault(Certificate::Valid)).env("UPSTASH_REDIS_URL", url)).run().assert_failed(
        125,
        &[
            "error: 127.0.0.1 failed to set up TLS: it did not answer in TLS",
            "hint: check the scheme and port of UPSTASH_REDIS_URL: something other than the Upstash REST API may listen there",
        ],
    );
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_server_that_refuses_tls_is_not_asked_again() {
    let server = Server::start(|mut stream| {
        // The alert handshake_failure (RFC 8446, section 6).
        drop(stream.write_all(&[21, 3, 3, 0, 2, 2, 40]));
        drop(std::io::copy(&mut stream, &mut std::io::sink()));
    });
    let vault = vault(Certificate::Valid);
    let url = format!("https://{}", server.address());
    greet(redenv_run(&vault).env("UPSTASH_REDIS_URL", url)).run().assert_failed(
        125,
        &[
            "error: 127.0.0.1 failed to set up TLS: it sent the alert HandshakeFailure",
            "hint: check the scheme and port of UPSTASH_REDIS_URL: something other than the Upstash REST API may listen there",
        ],
    );
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_certificate_file_that_cannot_be_used_is_named() {
    let vault = vault(Certificate::Valid);
    let named = "hint: --ca-file, REDENV_CA_FILE or SSL_CERT_FILE names this file";
    for variable in ["REDENV_CA_FILE", "SSL_CERT_FILE"] {
        let with =
            |content: &str| greet(trusting(&vault).file("ca.pem", content).env(variable, "ca.pem")).run();
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for content in ["", "not PEM", damaged, "-----BEGIN CERTIFICATE-----\n"] {
            with(content).assert_failed(125, &["error: ca.pem contains no usable PEM certificate", named]);
        }
        let missing = greet(trusting(&vault).env(variable, "nowhere.pem")).run();
        let error = format!("error: cannot read nowhere.pem ({variable}): no such file or directory");
        let hint = "hint: correct the path, or leave it out: the bundled certificates are enough for Upstash";
        missing.assert_failed(125, &[&error, hint]);
    }
    assert_eq!(vault.connections(), 0);
}
