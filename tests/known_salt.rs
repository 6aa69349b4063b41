//! If the salt is known, the key is derived during the request.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::launch::{Launch, redenv_run};
use crate::support::project::{Project, TOKEN_SALT};
use crate::support::server::Server;
use crate::support::vault::Vault;

/// Longer than a derivation takes, unless the machine is very busy.
const DELAY: Duration = Duration::from_millis(400);

fn slow_vault() -> Vault {
    let vault = Vault::of(&Project::new("acme").secret("development", "GREETING", "hello"));
    vault.set_delay(DELAY);
    vault
}

/// How long a launch waited for the key after the reply, in milliseconds by `-v`. The shortest of five
/// launches, as the machine may be busy.
#[track_caller]
fn derivation(launch: impl Fn() -> Launch) -> f64 {
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
    let unknown = derivation(|| redenv_run(&vault));
    assert!(unknown > 5.0, "310,000 iterations take their time: {unknown} ms");

    let told = derivation(|| redenv_run(&vault).env("REDENV_TOKEN_SALT", TOKEN_SALT));
    assert!(told < unknown / 4.0, "{told} ms instead of {unknown} ms");
    let upper = TOKEN_SALT.to_uppercase();
    let told = derivation(|| redenv_run(&vault).env("REDENV_TOKEN_SALT", &upper));
    assert!(told < unknown / 4.0, "{told} ms instead of {unknown} ms");

    let remembered = derivation(|| redenv_run(&vault).env("REDENV_FALLBACK", &file));
    assert!(remembered < unknown / 4.0, "{remembered} ms instead of {unknown} ms");
}

#[test]
fn a_wrong_salt_costs_time_and_nothing_else() {
    let vault = slow_vault();
    let unknown = derivation(|| redenv_run(&vault));
    let wrong = "ffffffffffffffffffffffffffffffff";
    let again = derivation(|| redenv_run(&vault).env("REDENV_TOKEN_SALT", wrong));
    assert!(again > unknown / 4.0, "it is derived again with the right salt: {again} ms");
    let launch = redenv_run(&vault).env("REDENV_TOKEN_SALT", wrong).program(["sh", "-c", "echo $GREETING"]);
    launch.run().assert_ran("hello\n");
}

/// A project whose reply contains this many bytes of old versions.
fn long_project(bytes: usize) -> Project {
    let project = Project::new("acme");
    let newest = project.version("hello", 2);
    let history = format!(r#"[{newest},{{"value":"{}"}}]"#, "old ".repeat(bytes / 4));
    project.raw_field("development", "GREETING", &history)
}

/// Forwards the bytes from `near` on its own thread, and returns the other end.
fn joined_to(far: SocketAddr, near: &TcpStream) -> TcpStream {
    let far = TcpStream::connect(far).unwrap();
    let mut sender = (near.try_clone().unwrap(), far.try_clone().unwrap());
    thread::spawn(move || drop(std::io::copy(&mut sender.0, &mut sender.1)));
    far
}

#[test]
fn the_beginning_of_a_long_answer_starts_the_derivation() {
    let vault = Vault::of(&long_project(300_000));
    let address = vault.address();
    let late = Server::start(move |mut near| {
        let mut far = joined_to(address, &near);
        drop(std::io::copy(&mut (&mut far).take(100_000), &mut near));
        thread::sleep(DELAY);
        drop(std::io::copy(&mut far, &mut near));
    });
    let whole = derivation(|| redenv_run(&vault));
    let begun = derivation(|| redenv_run(&vault).env("UPSTASH_REDIS_URL", late.url()));
    assert!(begun < whole / 4.0, "{begun} ms instead of {whole} ms");
}

#[test]
fn a_long_answer_without_a_length_arrives_whole() {
    for bytes in [10_000, 2_000_000, 9_000_000] {
        let vault = Vault::of(&long_project(bytes));
        let address = vault.address();
        let server = Server::start(move |mut near| {
            let mut far = joined_to(address, &near);
            let mut answer = Vec::new();
            let mut piece = [0; 16 * 1024];
            let mut missing = None;
            while missing != Some(0) {
                let length = far.read(&mut piece).unwrap();
                answer.extend_from_slice(&piece[..length]);
                missing = missing_bytes(&answer);
            }
            // Without a length, the connection's end is the answer's end.
            let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            near.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
            near.write_all(&answer[head + 2..]).unwrap();
            near.shutdown(Shutdown::Both).unwrap();
        });
        let launch = redenv_run(&vault).env("UPSTASH_REDIS_URL", server.url());
        launch.program(["sh", "-c", "echo $GREETING"]).run().assert_ran("hello\n");
    }
}

/// The number of missing bytes, once the head has arrived.
fn missing_bytes(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&answer[..head]).to_lowercase();
    let length: usize = text.split_once("content-length: ")?.1.lines().next()?.parse().ok()?;
    Some(head + 4 + length - answer.len())
}
