//! `--file`: a secret as a file that is on no disk.

use std::process::{Command, Output};

use crate::support::isolated::isolated;
use crate::support::launch::{Launch, redenv_run};
use crate::support::project::Project;
use crate::support::python;
use crate::support::vault::Vault;

const VALUE: &str = "first line\nzweite Zeile ü\nno newline at the end";

fn vault() -> Vault {
    let project = Project::new("acme")
        .secret("development", "KEY", VALUE)
        .secret("development", "APP_KEY", "scoped")
        .secret("development", "EMPTY", "")
        .secret("development", "OTHER", "plain");
    Vault::of(&project)
}

/// The secret `KEY` as a file, to a Python program that has its path in `path`.
fn to_python(vault: &Vault, script: &str) -> Launch {
    let script = format!("import os, sys\npath = os.environ['KEY']\n{script}");
    let python = python::interpreter();
    let python = python.to_str().unwrap();
    redenv_run(vault).args(["--file", "KEY"]).program([python, "-I", "-X", "utf8", "-c", &script])
}

#[test]
fn the_command_and_its_children_read_the_value_from_the_path() {
    let vault = vault();
    let cat = |command: &str| redenv_run(&vault).args(["--file", "KEY"]).program(["sh", "-c", command]).run();
    redenv_run(&vault)
        .args(["--file", "KEY"])
        .program(["sh", "-c", "exec cat \"$KEY\""])
        .run()
        .assert_ran(VALUE);
    cat("cat \"$KEY\"; :").assert_ran(VALUE);
    cat("sh -c 'sh -c \"cat \\\"\\$KEY\\\"; :\"; :'").assert_ran(VALUE);
    cat("(cat \"$KEY\") | cat; :").assert_ran(VALUE);
    // Scripts use the descriptors of one digit for their own ends.
    cat("exec 3</dev/null 4>&- 5>&1; cat \"$KEY\" 3>&- 6>&1; :").assert_ran(VALUE);
    let python = python::interpreter();
    let closing = "import os, subprocess
print(subprocess.run(['cat', os.environ['KEY']], close_fds=True, capture_output=True).stdout.decode(), end='')";
    let python =
        redenv_run(&vault).args(["--file", "KEY"]).program([python.to_str().unwrap(), "-I", "-c", closing]);
    python.run().assert_ran(VALUE);
}

#[test]
fn the_path_is_of_the_process_and_the_others_stay_values() {
    let script = "echo \"$KEY|$$|$OTHER\"";
    let outcome = redenv_run(&vault()).args(["--file", "KEY"]).program(["sh", "-c", script]).run();
    let (path, rest) = outcome.stdout.split_once('|').unwrap();
    let (pid, other) = rest.split_once('|').unwrap();
    assert!(path.starts_with(&format!("/proc/{pid}/fd/")), "{path} of {pid}");
    assert_eq!(other, "plain\n");
}

#[test]
fn each_opening_has_an_offset_of_its_own() {
    let script = "
a, b = open(path), open(path)
a.read(6)
print(b.readline().strip(), a.readline().strip(), open(path).readline().strip(), sep='|')";
    to_python(&vault(), script).run().assert_ran("first line|line|first line\n");
}

#[test]
fn it_can_be_mapped() {
    let script = "
import mmap
with open(path, 'rb') as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    print(mapped[:10].decode(), mapped.rfind(b'the end'))";
    to_python(&vault(), script).run().assert_ran("first line 41\n");
}

#[test]
fn it_is_sealed_and_of_its_owner_alone() {
    let script = "
import fcntl
descriptor = int(path.rsplit('/', 1)[1])
GET_SEALS, SEAL, SHRINK, GROW, WRITE, EXEC = 1034, 1, 2, 4, 8, 32
# Kernels before 6.3 know no EXEC.
assert fcntl.fcntl(descriptor, GET_SEALS) | EXEC == SEAL | SHRINK | GROW | WRITE | EXEC
assert not fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
status = os.fstat(descriptor)
print(oct(status.st_mode), status.st_nlink, status.st_uid == os.getuid(), os.readlink(path))
for what, change in [
    ('write', lambda: os.pwrite(descriptor, b'x', 0)),
    ('append', lambda: os.pwrite(descriptor, b'x', status.st_size)),
    ('truncate', lambda: os.ftruncate(descriptor, 0)),
    ('grow', lambda: os.ftruncate(descriptor, 1 << 20)),
    ('unseal', lambda: fcntl.fcntl(descriptor, 1033, 0)),
]:
    try:
        change()
        print(what, 'worked')
    except OSError as error:
        print(what, error.strerror)
print(open(path).read() == sys.argv[1])";
    to_python(&vault(), script).arg(VALUE).run().assert_ran(
        "0o100400 0 True /memfd:redenv-run (deleted)\n\
         write Operation not permitted\n\
         append Operation not permitted\n\
         truncate Operation not permitted\n\
         grow Operation not permitted\n\
         unseal Operation not permitted\n\
         True\n",
    );
}

#[test]
fn the_value_is_in_no_variable_and_nothing_is_written_to_a_disk() {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let vault = vault();
    let mut launch = redenv_run(&vault).args(["--file", "KEY"]).program(["sh", "-c", "env; cat \"$KEY\""]);
    let command = launch.command();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=%file,write,memfd_create", "-o"]).arg(trace.path());
    strace.arg(command.get_program()).args(command.get_args()).env_clear();
    strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let directory = command.get_current_dir().unwrap();
    let output = strace
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("strace did not start ({error}); scripts/test installs it"));
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let (variables, read) = printed.split_at(printed.len() - VALUE.len());
    assert_eq!(read, VALUE);
    assert!(!variables.contains("first line"), "{variables}");
    let calls = std::fs::read_to_string(trace.path()).unwrap();
    let made: Vec<&str> = calls
        .lines()
        .filter(|call| call.contains("O_CREAT") || call.contains("O_WRONLY") || call.contains("O_RDWR"))
        .filter(|call| !call.contains("\"/dev/"))
        .collect();
    assert_eq!(made, [""; 0], "files that were opened for writing");
    // The last one is 0x8 to an old strace.
    let made = "memfd_create(\"redenv-run\", MFD_CLOEXEC|MFD_ALLOW_SEALING|";
    let flags = calls.split_once(made).unwrap_or_else(|| panic!("{calls}")).1;
    assert!(flags.starts_with("MFD_NOEXEC_SEAL)") || flags.starts_with("0x8"), "{calls}");
}

#[test]
fn names_are_those_that_the_command_sees() {
    let vault = vault();
    let run = |options: &[&str], command: &str| {
        redenv_run(&vault).args(options).program(["sh", "-c", command]).run()
    };
    run(&["--scope", "APP_", "--file", "KEY"], "cat \"$KEY\"").assert_ran("scoped");
    run(&["--scope", "APP_", "--file", "APP_KEY"], "cat").assert_failed(
        125,
        &["error: --file: no secret is named APP_KEY", "hint: `redenv-run check` lists the names"],
    );
    run(&["--file", "KEY,EMPTY", "--file", "OTHER"], "cat \"$EMPTY\" \"$OTHER\"").assert_ran("plain");
    run(&["--file", "KEYS"], "cat")
        .assert_failed(125, &["error: --file: no secret is named KEYS", "hint: did you mean KEY?"]);
    run(&["--file", "SERVICE_ACCOUNT"], "cat").assert_failed(
        125,
        &["error: --file: no secret is named SERVICE_ACCOUNT", "hint: `redenv-run check` lists the names"],
    );
    run(&["--exclude", "KEY", "--file", "KEY"], "cat").assert_failed(
        125,
        &["error: --file: no secret is named KEY", "hint: `redenv-run check` lists the names"],
    );
    // The same name twice is one file.
    run(&["--file", "KEY,KEY"], "ls -l /proc/self/fd | grep -c memfd:").assert_ran("1\n");
}

#[test]
fn a_preserved_variable_is_not_replaced_by_a_path() {
    let vault = vault();
    let preserved = redenv_run(&vault).env("KEY", "/etc/mine").args(["--preserve-env", "--file", "KEY"]);
    let script = "echo \"$KEY\"; ls -l /proc/self/fd | grep -c memfd: || true";
    preserved.program(["sh", "-c", script]).run().assert_ran("/etc/mine\n0\n");
}

#[test]
fn a_required_secret_may_be_a_file_but_not_an_empty_one() {
    let vault = vault();
    let outcome = redenv_run(&vault).args(["--file", "KEY", "--require", "KEY"]).program(["true"]).run();
    outcome.assert_ran("");
    redenv_run(&vault).args(["--file", "EMPTY", "--require", "EMPTY"]).program(["true"]).run().assert_failed(
        125,
        &[
            "error: required secrets: EMPTY empty",
            "hint: --require takes names as the command sees them; `redenv-run check` lists them",
        ],
    );
}

/// A vault with a new private key and a certificate of it.
fn vault_with_a_key() -> Vault {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let project = Project::new("acme")
        .secret("development", "TLS_KEY", &made.signing_key.serialize_pem())
        .secret("development", "TLS_CERT", &made.cert.pem());
    Vault::of(&project)
}

#[test]
fn openssl_signs_with_a_key_that_is_on_no_disk() {
    let script = "\
set -e
printf message | openssl dgst -sha256 -sign \"$TLS_KEY\" -out signature
openssl x509 -in \"$TLS_CERT\" -pubkey -noout -out public
printf message | openssl dgst -sha256 -verify public -signature signature";
    let vault = vault_with_a_key();
    let launch = redenv_run(&vault).args(["--file", "TLS_KEY,TLS_CERT"]);
    launch.program(["sh", "-c", script]).run().assert_ran("Verified OK\n");
}

#[test]
fn pythons_ssl_serves_with_a_key_that_is_on_no_disk() {
    let script = "
import os, socket, ssl, threading
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(os.environ['TLS_CERT'], os.environ['TLS_KEY'])
client = ssl.create_default_context(cafile=os.environ['TLS_CERT'])
near, far = socket.socketpair()
def serve():
    with server.wrap_socket(far, server_side=True) as connection:
        connection.sendall(b'served')
thread = threading.Thread(target=serve)
thread.start()
with client.wrap_socket(near, server_hostname='localhost') as connection:
    print(connection.recv(6).decode())
thread.join()";
    let python = python::interpreter();
    let vault = vault_with_a_key();
    let launch = redenv_run(&vault).args(["--file", "TLS_KEY,TLS_CERT"]);
    launch.program([python.to_str().unwrap(), "-I", "-c", script]).run().assert_ran("served\n");
}

/// A launch in namespaces of its own, with an empty directory on `/proc`.
fn without_proc(mut launch: Launch) -> Output {
    let command = launch.command();
    let mut unshare = Command::new("unshare");
    let script = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";
    unshare.args(["--map-root-user", "--mount", "sh", "-c", script]);
    unshare.arg(command.get_program()).args(command.get_args()).env_clear();
    unshare.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    unshare.current_dir(command.get_current_dir().unwrap()).output().unwrap()
}

#[test]
fn without_proc_only_file_fails_with_a_hint() {
    let vault = vault();
    let output = without_proc(redenv_run(&vault).args(["--file", "KEY"]).program(["true"]));
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
        (
            Some(125),
            "redenv-run: error: --file: cannot create an in-memory file for KEY: /proc is not mounted, so the command could not open it\n\
             redenv-run: hint: without --file, the command gets the value in its environment\n"
        )
    );
    let output = without_proc(redenv_run(&vault).program(["printenv", "OTHER"]));
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"plain\n"[..]), "{output:?}");
}

#[test]
fn it_works_where_memory_files_may_not_be_executable() {
    let vault = vault();
    let launch = || redenv_run(&vault).args(["--file", "KEY"]).program(["sh", "-c", "cat \"$KEY\""]);
    // Only kernels since 6.3 can forbid it.
    let setup = "if [ -e /proc/sys/vm/memfd_noexec ]; then echo 2 >/proc/sys/vm/memfd_noexec; fi";
    isolated(launch(), &["--pid", "--fork", "--mount-proc"], setup).run().assert_ran(VALUE);
    // Older kernels don't know the flag.
    let old = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=memfd_create:error=EINVAL:when=1"];
    launch().through(old).run().assert_ran(VALUE);
}

#[test]
fn few_descriptors_are_enough() {
    let vault = vault();
    let launch = redenv_run(&vault).args(["--file", "KEY"]).program(["sh", "-c", "cat \"$KEY\""]);
    launch.after("ulimit -n 20").run().assert_ran(VALUE);
}
