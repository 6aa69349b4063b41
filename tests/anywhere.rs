//! One static file is enough: no library, no loader, no `/dev`, no `/proc`, no `HOME`, no user.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::docker::BINARY;
use crate::support::name_server::NameServer;
use crate::support::namespace::{Process, Root, in_a_network_of_its_own};
use crate::support::project::Project;
use crate::support::vault::{Certificate, Vault};

pub const HOST: &str = "vault.test";

pub static PROBE: LazyLock<PathBuf> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/probe.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe");
    let mut cc = Command::new("cc");
    let status = cc.args(["-static", "-Wall", "-Werror", "-o"]).arg(&program).arg(source).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "cc -static failed: scripts/test installs libc6-dev"
    );
    program
});

/// A vault over HTTPS whose name the name server knows.
struct Net {
    vault: Vault,
    names: NameServer,
}

impl Net {
    fn start() -> Self {
        let project = Project::new("acme").secret("development", "GREETING", "grüße");
        let vault = Vault::builder().project(&project).tls(Certificate::Valid).name(HOST).start();
        Self { vault, names: NameServer::start(HOST) }
    }

    /// A root with redenv-run, a program, the name server's address and the certificate of the vault's
    /// own authority.
    fn root(&self) -> Root {
        Root::empty()
            .copy(&BINARY, "redenv-run")
            .copy(&PROBE, "probe")
            .copy(self.vault.ca_file(), "ca.pem")
            .file("etc/resolv.conf", "nameserver 127.0.0.1\n")
    }

    fn redenv_run(&self, root: &Root, process: Process, program: &[&str]) -> Command {
        let credentials = self.vault.credentials().unwrap();
        let mut command = root.command(process, &[&["/redenv-run", "--"], program].concat());
        command
            .env("UPSTASH_REDIS_URL", self.vault.url_at(HOST))
            .env("UPSTASH_REDIS_TOKEN", self.vault.token())
            .env("REDENV_PROJECT", &credentials.project)
            .env("REDENV_TOKEN_ID", &credentials.token_id)
            .env("REDENV_TOKEN_KEY", &credentials.token_key)
            .env("REDENV_CA_FILE", "/ca.pem");
        command
    }
}

#[test]
fn one_static_file_starts_a_program_in_an_empty_read_only_root_as_nobody() {
    in_a_network_of_its_own(|| {
        let net = Net::start();
        let output = net.redenv_run(&net.root(), Process::AnyOther, &["/probe"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "");
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "pid other, uid 65534, gid 65534\nGREETING=grüße\nthe root is read-only\n"
        );
        assert_eq!(output.status.code(), Some(7));
        assert!(net.names.answered() > 0, "the name came from elsewhere");
        assert_eq!(net.vault.requests().len(), 1);
    });
}

#[test]
fn a_host_that_the_name_server_does_not_know_is_named() {
    in_a_network_of_its_own(|| {
        let net = Net::start();
        let root = net.root();
        let mut command = net.redenv_run(&root, Process::AnyOther, &["/probe"]);
        command.env("UPSTASH_REDIS_URL", "https://elsewhere.test").env("REDENV_TIMEOUT", "1s");
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("redenv-run: error: "), "{stderr}");
        // The number of attempts depends on the machine.
        let error = "redenv-run: error: elsewhere.test could not be reached: its name is unknown";
        assert!(stderr.starts_with(error), "{stderr}");
        assert_eq!(output.status.code(), Some(125));
    });
}

#[test]
fn as_process_1_the_command_gets_signals_and_its_exit_code_is_passed_on() {
    in_a_network_of_its_own(|| {
        let net = Net::start();
        let root = net.root();
        let mut command = net.redenv_run(&root, Process::First, &["/probe", "trap"]);
        let mut container = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(container.stdout.take().unwrap()).lines().map(Result::unwrap);
        let told: Vec<String> = lines.by_ref().take_while(|line| line != "ready").collect();
        assert_eq!(told, ["pid 1, uid 65534, gid 65534", "GREETING=grüße", "the root is read-only"]);
        send_term(&container);
        assert_eq!(end(container), (Some(42), String::new()));
    });
}

#[test]
fn as_process_1_redenv_run_ends_on_term_while_it_fetches() {
    in_a_network_of_its_own(|| {
        let net = Net::start();
        net.vault.set_delay(Duration::from_secs(30));
        let root = net.root();
        let mut command = net.redenv_run(&root, Process::First, &["/probe"]);
        let container = command.env("REDENV_TIMEOUT", "60s").stderr(Stdio::piped()).spawn().unwrap();
        net.vault.wait_for_requests(1);
        send_term(&container);
        assert_eq!(end(container), (Some(128 + 15), String::new()));
    });
}

/// Sends TERM to process 1 of the namespace, the only child of `unshare`.
pub fn send_term(container: &Child) {
    let children = format!("/proc/{0}/task/{0}/children", container.id());
    let children = fs::read_to_string(children).unwrap();
    let first = children.trim().parse().ok().and_then(Pid::from_raw).expect("unshare has one child");
    kill_process(first, Signal::TERM).unwrap();
}

/// The exit code and stderr.
pub fn end(mut container: Child) -> (Option<i32>, String) {
    let mut stderr = String::new();
    container.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    (container.wait().unwrap().code(), stderr)
}
