//! The Docker example, run as Docker runs it: ENTRYPOINT and CMD as process 1 of a read-only root, as its
//! user, with the settings of its compose file and the keys as files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::anywhere::{HOST, PROBE, end, send_term};
use crate::support::dist::run;
use crate::support::launch::redenv_run;
use crate::support::name_server::NameServer;
use crate::support::namespace::{Process, Root, in_a_network_of_its_own};
use crate::support::project::Project;
use crate::support::vault::{Certificate, Vault};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/docker").join(name)
}

/// The static binary, the one file of the image that the Dockerfile copies from.
pub static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/build-static");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    PathBuf::from(run(Command::new(build).env("CARGO_TARGET_DIR", target)).trim_end())
});

/// The text after the last instruction of this name in the Dockerfile.
fn instruction(name: &str) -> String {
    let text = fs::read_to_string(example("Dockerfile")).unwrap();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    lines.next_back().unwrap_or_else(|| panic!("no {name}")).to_owned()
}

fn array(name: &str) -> Vec<String> {
    serde_json::from_str(&instruction(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The `environment:` of the one service.
fn environment() -> BTreeMap<String, String> {
    let text = fs::read_to_string(example("compose.yaml")).unwrap();
    let block = text.split("    environment:\n").nth(1).unwrap();
    let lines = block.lines().map_while(|line| line.strip_prefix("      ")?.split_once(": "));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_container_starts_its_program_as_process_1_with_keys_from_files() {
    in_a_network_of_its_own(|| {
        let project = Project::new("acme").secret("production", "GREETING", "grüße");
        let vault = Vault::builder().project(&project).tls(Certificate::Valid).name(HOST).start();
        let _names = NameServer::start(HOST);
        let credentials = vault.credentials().unwrap();
        let mut settings = environment();
        // The example's placeholders.
        settings.insert("UPSTASH_REDIS_URL".to_owned(), vault.url_at(HOST));
        settings.insert("REDENV_CA_FILE".to_owned(), "/ca.pem".to_owned());
        assert_eq!(settings["REDENV_TOKEN_ID"], credentials.token_id);

        assert_eq!(instruction("USER"), "65534:65534");
        let command = [array("ENTRYPOINT"), array("CMD")].concat();
        assert_eq!(command, ["redenv-run", "--", "node", "server.js"]);
        // Editors end a file with a newline, which is not part of the key.
        let root = Root::empty()
            .copy(&BINARY, "usr/local/bin/redenv-run")
            .copy(&PROBE, "usr/local/bin/node")
            .copy(vault.ca_file(), "ca.pem")
            .file("etc/resolv.conf", "nameserver 127.0.0.1\n")
            .file(&settings["REDENV_TOKEN_KEY_FILE"][1..], &format!("{}\n", credentials.token_key))
            .file(&settings["UPSTASH_REDIS_TOKEN_FILE"][1..], &format!("{}\n", vault.token()));
        let mut container: Vec<&str> = command.iter().map(String::as_str).collect();
        // PROBE stands in for node: it prints its environment and waits for TERM.
        *container.last_mut().unwrap() = "trap";
        container[0] = "/usr/local/bin/redenv-run";
        let mut container = root.command(Process::First, &container);
        container.envs(&settings).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        let mut container = container.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(container.stdout.take().unwrap()).lines().map(Result::unwrap);
        let told: Vec<String> = lines.by_ref().take_while(|line| line != "ready").collect();
        assert_eq!(
            told,
            [
                "pid 1, uid 65534, gid 65534",
                "GREETING=grüße",
                "PATH=/usr/local/bin:/usr/bin:/bin",
                "the root is read-only"
            ]
        );
        send_term(&container);
        assert_eq!(end(container), (Some(42), String::new()));
    });
}

#[test]
fn the_examples_service_greets_is_healthy_and_ends_on_term() {
    let project = Project::new("acme").secret("development", "GREETING", "grüße");
    let vault = Vault::of(&project);
    let script = example("server.js");
    let script = script.to_str().unwrap();
    let mut launch = redenv_run(&vault).env("LISTEN_PORT", "0").program(["node", script]);
    let service = launch.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut service = service.unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim_end().strip_prefix("listening on ").expect("node is missing: scripts/test names it");

    let mut connection = TcpStream::connect(("localhost", port.parse().unwrap())).unwrap();
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("\r\n\r\ngrüße\n"), "{response}");

    let health = |port: &str| {
        let mut check = Command::new("node");
        check.env("LISTEN_PORT", port).arg(script).arg("--health").status().unwrap().code()
    };
    assert_eq!(
        instruction("HEALTHCHECK").split_once(" CMD ").unwrap().1,
        r#"["node", "server.js", "--health"]"#
    );
    assert_eq!(health(port), Some(0));
    rustix::process::kill_process(rustix::process::Pid::from_child(&service), rustix::process::Signal::TERM)
        .unwrap();
    assert_eq!(end(service), (Some(0), String::new()));
    assert_eq!(health(port), Some(1));
}
