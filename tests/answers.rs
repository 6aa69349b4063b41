//! HTTP and TLS as servers and middleboxes really speak them: a whole answer starts the command, however
//! it is framed, and half an answer never does.

use std::time::Duration;

use crate::support::launch::{Launch, redenv_run};
use crate::support::project::Project;
use crate::support::vault::{Certificate, Vault};

/// Makes a response of an answer's body.
type Framing = fn(&[u8]) -> Vec<u8>;

fn project() -> Project {
    Project::new("acme").secret("development", "GREETING", "hello")
}

fn secure() -> Vault {
    Vault::builder().project(&project()).tls(Certificate::Valid).start()
}

fn greet(vault: &Vault) -> Launch {
    redenv_run(vault).env("REDENV_TIMEOUT", "50s").program(["sh", "-c", "echo $GREETING"])
}

/// A head, and a body behind it.
fn response(head: &str, body: &[u8]) -> Vec<u8> {
    [head.as_bytes(), b"\r\n\r\n", body].concat()
}

/// One chunk of a chunked body. `size` is the chunk's first line.
fn chunk(size: &str, content: &[u8]) -> Vec<u8> {
    [size.as_bytes(), b"\r\n", content, b"\r\n"].concat()
}

fn with_length(head: &str, body: &[u8], length: usize) -> Vec<u8> {
    response(&format!("{head}\r\nContent-Length: {length}"), body)
}

const CLOSED: &str = "the connection was closed early";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked";

/// A whole answer.
const WHOLE: &[(&str, Framing)] = &[
    ("one chunk", |body| {
        response(CHUNKED, &[chunk(&format!("{:x}", body.len()), body), chunk("0", b"")].concat())
    }),
    ("a chunk per byte", |body| {
        let chunks: Vec<u8> = body.chunks(1).flat_map(|byte| chunk("1", byte)).collect();
        response(CHUNKED, &[chunks, chunk("0", b"")].concat())
    }),
    ("a chunk size in upper case with zeros before it", |body| {
        response(CHUNKED, &[chunk(&format!("000{:X}", body.len()), body), chunk("000", b"")].concat())
    }),
    ("a chunk extension", |body| {
        response(CHUNKED, &[chunk(&format!("{:x};name=value", body.len()), body), chunk("0", b"")].concat())
    }),
    ("a trailer", |body| {
        let end = b"0\r\nX-Checked: yes\r\n\r\n";
        response(CHUNKED, &[&chunk(&format!("{:x}", body.len()), body), &end[..]].concat())
    }),
    ("an unannounced length", |body| response("HTTP/1.1 200 OK", body)),
    ("an unannounced length in HTTP/1.0", |body| response("HTTP/1.0 200 OK", body)),
    ("HTTP/1.0", |body| with_length("HTTP/1.0 200 OK", body, body.len())),
    ("HTTP/1.0 that keeps the connection open", |body| {
        with_length("HTTP/1.0 200 OK\r\nConnection: keep-alive", body, body.len())
    }),
    ("a status without a reason", |body| with_length("HTTP/1.1 200 ", body, body.len())),
    ("header names in lower case", |body| {
        response(&format!("HTTP/1.1 200 OK\r\ncontent-length:{}", body.len()), body)
    }),
    ("early hints before it", |body| {
        with_length("HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\nHTTP/1.1 200 OK", body, body.len())
    }),
    ("more bytes than announced behind it", |body| {
        with_length("HTTP/1.1 200 OK", &[body, b"HTTP/1.1 400 Bad Request\r\n\r\n"].concat(), body.len())
    }),
];

/// Part of an answer, or an answer of which nobody can say where it ends; and the reason in the error.
const BROKEN: &[(&str, Framing, &str)] = &[
    ("fewer bytes than announced", |body| with_length("HTTP/1.1 200 OK", body, body.len() + 1), CLOSED),
    ("chunks without an end", |body| response(CHUNKED, &chunk(&format!("{:x}", body.len()), body)), CLOSED),
    (
        "a chunk that is cut off",
        |body| response(CHUNKED, &chunk(&format!("{:x}", body.len() + 9), body)),
        CLOSED,
    ),
    ("a longer body than announced", |body| with_length("HTTP/1.1 200 OK", body, body.len() - 1), "at byte"),
    (
        "an unannounced length that is cut off",
        |body| response("HTTP/1.1 200 OK", &body[..body.len() - 1]),
        "at byte",
    ),
    (
        "a chunk size that is no number",
        |body| response(CHUNKED, &chunk("zz", body)),
        "did not answer in HTTP",
    ),
    (
        "a chunk size beyond every number",
        |body| response(CHUNKED, &chunk("ffffffffffffffffffff", body)),
        "did not answer in HTTP",
    ),
    (
        "a length that is no number",
        |body| response("HTTP/1.1 200 OK\r\nContent-Length: many", body),
        "did not answer in HTTP",
    ),
    (
        "two lengths that differ",
        |body| response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2", body),
        "did not answer in HTTP",
    ),
];

/// Over HTTP, over HTTPS, and over HTTPS that ends without a `close_notify`.
fn vaults() -> [Vault; 3] {
    let hangs_up = secure();
    hangs_up.hang_up();
    [Vault::of(&project()), secure(), hangs_up]
}

#[test]
fn a_whole_answer_starts_the_command_however_it_is_framed() {
    for (what, framing) in WHOLE {
        for vault in vaults() {
            vault.set_framing(*framing);
            let outcome = greet(&vault).run();
            assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("hello\n", ""), "{what}");
            assert_eq!(vault.requests().len(), 1, "{what}");
        }
    }
}

#[test]
fn half_an_answer_never_starts_the_command() {
    for (what, framing, reason) in BROKEN {
        for vault in vaults() {
            vault.set_framing(*framing);
            // A connection that broke is tried again until the deadline.
            let timeout = if *reason == CLOSED { "1s" } else { "50s" };
            let outcome = greet(&vault).env("REDENV_TIMEOUT", timeout).run();
            assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(125), ""), "{what}");
            let lines: Vec<&str> = outcome.stderr.lines().collect();
            let [error, hint] = lines[..] else { panic!("{what}: {}", outcome.stderr) };
            assert!(error.starts_with("redenv-run: error: ") && error.contains(reason), "{what}: {error}");
            assert!(hint.starts_with("redenv-run: hint: "), "{what}: {hint}");
        }
    }
}

#[test]
fn an_answer_that_drips_starts_the_command_in_time() {
    let vault = Vault::of(&project());
    vault.set_trickle(Duration::from_millis(1));
    greet(&vault).run().assert_ran("hello\n");
    assert_eq!(vault.requests().len(), 1);
}

#[test]
fn tls_1_2_is_enough() {
    let vault = Vault::builder().project(&project()).tls(Certificate::Valid).tls_1_2_only().start();
    greet(&vault).run().assert_ran("hello\n");
}
