//! Through a proxy where one is set, and never past it.

use crate::support::launch::{Launch, redenv_run};
use crate::support::project::Project;
use crate::support::proxy::Proxy;
use crate::support::server::Server;
use crate::support::vault::{Certificate, Vault};

/// A name that only the proxy knows.
const HOST: &str = "vault.example";

fn vault() -> Vault {
    let project = Project::new("acme").secret("development", "GREETING", "hello");
    Vault::builder().project(&project).tls(Certificate::Valid).name(HOST).start()
}

fn greet(vault: &Vault) -> Launch {
    redenv_run(vault).program(["sh", "-c", "echo $GREETING"])
}

/// Through a name that takes a proxy to reach.
fn far(vault: &Vault) -> Launch {
    greet(vault).env("UPSTASH_REDIS_URL", vault.url_at(HOST))
}

fn port(vault: &Vault) -> String {
    vault.url().rsplit(':').next().unwrap().to_owned()
}

#[test]
fn https_goes_through_the_proxy_and_leaves_the_name_lookup_to_it() {
    let (vault, proxy) = (vault(), Proxy::start());
    let address = proxy.address();
    for (variable, value) in [
        ("HTTPS_PROXY", format!("http://{address}")),
        ("https_proxy", format!("http://{address}/")),
        ("ALL_PROXY", address.to_string()),
        ("all_proxy", format!("HTTP://{address}")),
    ] {
        far(&vault).env(variable, value).run().assert_ran("hello\n");
    }
    assert_eq!(proxy.requests(), vec![format!("CONNECT {HOST}:{} HTTP/1.1", port(&vault)); 4]);
    assert_eq!(vault.requests().len(), 4);
}

#[test]
fn the_certificate_is_checked_behind_a_proxy() {
    let project = Project::new("acme").secret("development", "GREETING", "hello");
    let vault = Vault::builder().project(&project).tls(Certificate::Valid).start();
    let proxy = Proxy::start();
    let outcome = far(&vault).env("HTTPS_PROXY", format!("http://{}", proxy.address())).run();
    outcome.assert_failed(
        125,
        &[
            "error: vault.example has a certificate that redenv-run does not accept: it is for another name",
            "hint: check UPSTASH_REDIS_URL and this machine's clock; name a private CA with --ca-file (REDENV_CA_FILE)",
        ],
    );
    assert_eq!(vault.requests().len(), 0);
}

#[test]
fn a_proxy_gets_its_credentials_and_nobody_else_does() {
    let (vault, proxy) = (vault(), Proxy::with_credentials("dXNlcjpwQHNzOndvcmQ=")); // user:p@ss:word
    let url = format!("http://user:p%40ss%3Aword@{}", proxy.address());
    let outcome = far(&vault).env("HTTPS_PROXY", &url).env("REDENV_VERBOSE", "1").run();
    assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(0), "hello\n"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("p%40ss") && !outcome.stderr.contains("p@ss"), "{}", outcome.stderr);
    let request = &vault.requests()[0];
    assert!(request.headers.iter().all(|(name, _)| !name.to_ascii_lowercase().starts_with("proxy")));
}

#[test]
fn wrong_proxy_credentials_are_an_error_that_does_not_show_them() {
    let (vault, proxy) = (vault(), Proxy::with_credentials("b3RoZXI6b3RoZXI="));
    for user in ["", "user:hunter2@"] {
        let url = format!("http://{user}{}", proxy.address());
        let outcome = far(&vault).env("HTTPS_PROXY", url).env("REDENV_VERBOSE", "1").run().without_sources();
        outcome.assert_failed(
            125,
            &[
                "project acme, environment development",
                "error: vault.example cannot be reached through the proxy: it wants a user name and password (HTTP 407)",
                "hint: check HTTPS_PROXY",
            ],
        );
    }
    assert_eq!((proxy.requests().len(), vault.connections()), (2, 0), "neither is asked again");
}

#[test]
fn a_proxy_that_is_down_is_an_outage_and_never_a_direct_connection() {
    let vault = vault();
    let closed = Server::silent().address();
    let url = format!("http://user:hunter2@{closed}");
    let launch = greet(&vault).env("HTTPS_PROXY", url).env("REDENV_TIMEOUT", "1s");
    let outcome = launch.env("REDENV_VERBOSE", "1").run();
    assert_eq!(outcome.code(), Some(125));
    let port = vault.address().port();
    let error = format!(
        "redenv-run: error: localhost:{port} through the proxy {closed} could not be reached within 1s: connection refused"
    );
    assert!(outcome.stderr.contains(&error), "{}", outcome.stderr);
    let hint = "redenv-run: hint: check HTTPS_PROXY, and that the proxy allows connections to this host\n";
    assert!(outcome.stderr.ends_with(hint), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
    assert_eq!(vault.connections(), 0);
}

#[test]
fn a_proxy_of_an_unsupported_kind_is_an_error_and_never_a_direct_connection() {
    let vault = vault();
    for kind in ["socks5", "socks5h", "socks4", "socks4a", "socks", "https", "ftp"] {
        let outcome = greet(&vault).env("HTTPS_PROXY", format!("{kind}://user:hunter2@127.0.0.1:1")).run();
        outcome.assert_failed(
            125,
            &[
                &format!("error: HTTPS_PROXY is a {kind} proxy, which is not supported"),
                "hint: use an http:// proxy, or put the database's host into NO_PROXY to connect directly",
            ],
        );
    }
    for url in ["http://", "http://:3128", "so cks://proxy", "://proxy", "http://user:hunter2@"] {
        greet(&vault).env("HTTPS_PROXY", url).run().assert_failed(
            125,
            &[
                "error: HTTPS_PROXY is not the URL of a proxy",
                "hint: use a URL such as http://proxy.example:3128",
            ],
        );
    }
    for url in ["http://pro xy:3128", "http://proxy:hunter2", "http://proxy:99999", "http://[::1"] {
        let outcome = greet(&vault).env("HTTPS_PROXY", url).run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""), "{url}");
        assert!(outcome.stderr.starts_with("redenv-run: error: "), "{url}: {}", outcome.stderr);
    }
    assert_eq!(vault.connections(), 0);
}

#[test]
fn hosts_in_no_proxy_are_reached_directly() {
    let (vault, closed) = (vault(), Server::silent().address());
    let url = format!("http://{closed}");
    let port = port(&vault);
    for (variable, exceptions) in [
        ("NO_PROXY", "localhost".to_owned()),
        ("no_proxy", "example.com, LOCALHOST".to_owned()),
        ("NO_PROXY", format!("localhost:{port}")),
        ("NO_PROXY", "*".to_owned()),
    ] {
        let launch = greet(&vault).env("HTTPS_PROXY", &url).env(variable, exceptions);
        launch.run().assert_ran("hello\n");
    }
    for exceptions in ["", "ocalhost", "localhost.example", "localhost:1", "127.0.0.1"] {
        let launch = greet(&vault).env("HTTPS_PROXY", &url).env("NO_PROXY", exceptions);
        let outcome = launch.env("REDENV_TIMEOUT", "100ms").run();
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""), "{exceptions}");
    }
    assert_eq!(vault.requests().len(), 4);
    // An exception also makes a proxy of another kind do no harm.
    let launch = greet(&vault).env("ALL_PROXY", "socks5://127.0.0.1:1").env("NO_PROXY", "localhost");
    launch.run().assert_ran("hello\n");
}

#[test]
fn http_proxy_is_not_for_https_and_no_proxy_is_for_plain_http() {
    let vault = vault();
    let proxy = Proxy::start();
    let url = format!("http://{}", proxy.address());
    for variable in ["HTTP_PROXY", "http_proxy"] {
        greet(&vault).env(variable, &url).run().assert_ran("hello\n");
    }
    let plain = Vault::of(&Project::new("acme").secret("development", "GREETING", "hello"));
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        greet(&plain).env(variable, &url).run().assert_ran("hello\n");
    }
    assert_eq!(proxy.requests(), Vec::<String>::new());
}

#[test]
fn a_proxy_that_refuses_is_an_error_with_its_status() {
    use std::io::{Read, Write};
    let vault = vault();
    for (answer, reason) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "it answered HTTP 403"),
        ("HTTP/1.1 301 Moved\r\nLocation: http://elsewhere.example\r\n\r\n", "it answered HTTP 301"),
    ] {
        let proxy = Server::start(move |mut stream| {
            // All of it: what is left unread would make the close a reset.
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match stream.read(&mut byte) {
                    Ok(1) => request.push(byte[0]),
                    _ => return,
                }
            }
            drop(stream.write_all(answer.as_bytes()));
        });
        let error = format!("error: vault.example cannot be reached through the proxy: {reason}");
        let outcome = far(&vault).env("HTTPS_PROXY", proxy.url()).run();
        outcome.assert_failed(125, &[&error, "hint: check HTTPS_PROXY"]);
        assert_eq!(proxy.connections(), 1);
    }
    assert_eq!(vault.connections(), 0);
}
