//! COMMAND takes the launcher's place: the same process, and everything as the launcher received it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::launcher::{Launcher, launcher};
use crate::support::project::Project;
use crate::support::python;
use crate::support::vault::Vault;

fn vault() -> Vault {
    Vault::of(&Project::new("acme").secret("development", "GREETING", "hello"))
}

#[test]
fn command_is_the_same_process() {
    let vault = vault();
    let mut launch = launcher(&vault).program(["sh", "-c", "echo $$ $PPID"]);
    let child = launch.command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let expected = format!("{} {}\n", child.id(), std::process::id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn a_launch_is_one_request_on_one_connection() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1").secret("staging", "A", "2"));
    launcher(&vault)
        .args(["-e", "development,staging"])
        .program(["sh", "-c", "echo $A"])
        .run()
        .assert_ran("2\n");
    let requests = vault.requests();
    assert_eq!((requests.len(), vault.connections()), (1, 1));
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/pipeline"));
    assert_eq!(
        request.body,
        concat!(
            r#"[["HMGET","meta@acme","salt","kdf","algorithm","serviceTokens","ephemeral:stk_a1B2c3D4e5F6g7H8"],"#,
            r#"["HGETALL","development:acme"],["HGETALL","staging:acme"]]"#
        )
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {}", vault.token())));
    assert_eq!(request.header("upstash-encoding"), None);
}

#[test]
fn nothing_is_said_and_nothing_printed_on_the_way() {
    launcher(&vault()).program(["true"]).run().assert_ran("");
}

#[test]
fn arguments_arrive_byte_for_byte() {
    let arguments: Vec<&[u8]> = vec![
        b"plain",
        b"",
        b" ",
        b"two words",
        b"line\nbreak",
        b"--",
        b"-v",
        b"--project=x",
        b"-",
        b"\xff\xfe",
        b"gr\xc3\xbc\xc3\x9fe",
        b"\xc3",
        b"$GREETING",
        b"'\"\\",
        b"*",
    ];
    let program = [&b"sh"[..], b"-c", br#"printf '%s\0' "$@""#, b"sh"];
    let words = program.into_iter().chain(arguments.iter().copied()).map(OsStr::from_bytes);
    let output = launcher(&vault()).program(words).run_raw();
    let expected: Vec<u8> = arguments.iter().flat_map(|word| [word, &b"\0"[..]].concat()).collect();
    assert_eq!(output.stdout.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn argv_0_is_what_was_typed() {
    let vault = vault();
    for typed in ["cat", "/bin/cat", "/bin/../bin/./cat"] {
        let outcome = launcher(&vault).program([typed, "/proc/self/cmdline"]).run();
        outcome.assert_ran(&format!("{typed}\0/proc/self/cmdline\0"));
    }
    // A program that goes by its name, and one whose name is not UTF-8.
    for name in [&b"alias"[..], b"al\xffias"] {
        let launch = launcher(&vault);
        let name = OsStr::from_bytes(name);
        std::os::unix::fs::symlink("/bin/cat", launch.directory().join(name)).unwrap();
        let mut path = launch.directory().as_os_str().to_owned();
        path.push(":/bin");
        let output = launch.env("PATH", path).program([name, "/proc/self/cmdline".as_ref()]).run_raw();
        let expected = [name.as_bytes(), b"\0/proc/self/cmdline\0"].concat();
        assert_eq!(output.stdout.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

/// Starts what comes behind it with exactly these entries as its environment, as no shell would.
const EXECVE: &str = "
import ctypes, sys
def strings(items):
    array = (ctypes.c_char_p * (len(items) + 1))()
    array[:len(items)] = items
    return array
arguments = [word.encode('utf-8', 'surrogateescape') for word in sys.argv[2:]]
entries = bytes.fromhex(sys.argv[1]).split(b'\\0')
ctypes.CDLL(None).execve(arguments[0], strings(arguments), strings(entries))
";

/// COMMAND's environment, entry by entry, when the launcher is started with exactly `entries` and
/// its own settings.
fn entries_after(vault: &Vault, entries: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut launch = launcher(vault).program(["/bin/cat", "/proc/self/environ"]);
    let settings: Vec<Vec<u8>> = launch
        .command()
        .get_envs()
        .filter(|(name, _)| *name != "PATH")
        .map(|(name, value)| [name.as_bytes(), b"=", value.unwrap().as_bytes()].concat())
        .collect();
    let entries: Vec<&[u8]> = entries.iter().copied().chain(settings.iter().map(Vec::as_slice)).collect();
    let hex = base16ct::lower::encode_string(&entries.join(&b'\0'));
    let python = python::interpreter();
    let output =
        launch.through([python.as_os_str(), "-Ic".as_ref(), EXECVE.as_ref(), hex.as_ref()]).run_raw();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
    let mut entries: Vec<Vec<u8>> = output
        .stdout
        .split(|byte| *byte == 0)
        .map(<[u8]>::to_vec)
        .filter(|entry| !entry.is_empty())
        .collect();
    entries.sort();
    entries
}

fn shown(entries: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.as_ref().escape_ascii().to_string()).collect()
}

#[test]
fn inherited_variables_arrive_byte_for_byte() {
    let inherited: &[&[u8]] = &[
        b"BYTES=\xff\xfe",
        b"EMPTY=",
        b"EQUALS=a=b==",
        b"LINES=a\nb\r\n",
        b"N\xc3\x9cR=1",
        b"WITH SPACE=1",
        b"\xff=1",
        b"lower=1",
    ];
    let mut expected: Vec<&[u8]> = inherited.to_vec();
    expected.push(b"GREETING=hello");
    expected.sort_unstable();
    assert_eq!(shown(entries_after(&vault(), inherited)), shown(expected));
}

#[test]
fn odd_entries_never_break_the_launcher() {
    let inherited: &[&[u8]] = &[b"NO_EQUALS_SIGN", b"", b"=", b"=nameless", b"\xff", b"GOOD=1"];
    assert_eq!(shown(entries_after(&vault(), inherited)), ["GOOD=1", "GREETING=hello"]);
}

#[test]
fn of_duplicates_the_last_one_stays_and_a_secret_replaces_all() {
    let inherited: &[&[u8]] =
        &[b"TWICE=first", b"GREETING=old", b"TWICE=second", b"GREETING=older", b"TWICE=third"];
    assert_eq!(shown(entries_after(&vault(), inherited)), ["GREETING=hello", "TWICE=third"]);
}

#[test]
fn a_duplicate_of_an_own_variable_does_not_reach_command() {
    let inherited: &[&[u8]] = &[b"REDENV_TOKEN_KEY=one", b"REDENV_TOKEN_KEY=another", b"X=1"];
    assert_eq!(shown(entries_after(&vault(), inherited)), ["GREETING=hello", "X=1"]);
}

#[test]
fn a_secret_replaces_an_inherited_variable() {
    let vault = vault();
    let launch = launcher(&vault).env("GREETING", "inherited").env("OTHER", "kept");
    let environment = launch.program(["env", "-0"]).run().environment();
    assert_eq!((environment["GREETING"].as_str(), environment["OTHER"].as_str()), ("hello", "kept"));
}

/// Every own variable that does not change what is launched, in its plain and its `_FILE` form.
const OWN: &[(&str, &str)] = &[
    ("REDENV_TOKEN_SALT", "000102030405060708090a0b0c0d0e0f"),
    ("REDENV_ENVIRONMENT", "development"),
    ("UPSTASH_REDIS_REST_URL", "https://other.upstash.io"),
    ("UPSTASH_REDIS_REST_TOKEN", "other"),
    ("REDENV_TIMEOUT", "10s"),
    ("REDENV_ALLOW_HTTP", "0"),
    ("REDENV_QUIET", "1"),
    ("REDENV_ONLY", "GREETING"),
    ("REDENV_MASTER_PASSWORD_FILE", "/nowhere"),
    ("REDENV_NO_ENV_FILE", "1"),
];

#[test]
fn the_launchers_own_variables_are_removed() {
    let vault = vault();
    let mut launch = launcher(&vault).env("REDENV_UNKNOWN", "kept").env("UPSTASH_REDIS_PORT", "kept");
    for (name, value) in OWN {
        launch = launch.env(name, value);
    }
    let launch =
        launch.file("project", "acme\n").env_remove("REDENV_PROJECT").env("REDENV_PROJECT_FILE", "project");
    let mut environment = launch.program(["env", "-0"]).run().environment();
    environment.remove("PATH");
    let expected = [("GREETING", "hello"), ("REDENV_UNKNOWN", "kept"), ("UPSTASH_REDIS_PORT", "kept")];
    assert_eq!(environment, expected.map(|(name, value)| (name.into(), value.into())).into());
}

#[test]
fn keep_token_passes_them_on() {
    let vault = vault();
    for by in [&["--keep-token"][..], &[]] {
        let mut launch = launcher(&vault).args(by);
        for (name, value) in OWN {
            launch = launch.env(name, value);
        }
        if by.is_empty() {
            launch = launch.env("REDENV_KEEP_TOKEN", "1");
        }
        let given: BTreeMap<OsString, OsString> = launch
            .command()
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let environment = launch.program(["env", "-0"]).run().environment();
        for (name, value) in given {
            assert_eq!(Some(environment[name.to_str().unwrap()].as_ref()), value.to_str(), "{name:?}");
        }
        assert_eq!(environment["GREETING"], "hello");
    }
}

#[test]
fn a_secret_with_the_name_of_an_own_variable_is_injected() {
    let project = Project::new("acme")
        .secret("development", "UPSTASH_REDIS_URL", "https://the-programs-own.upstash.io")
        .secret("development", "REDENV_PROJECT", "its own");
    let mut environment = launcher(&Vault::of(&project)).program(["env", "-0"]).run().environment();
    environment.remove("PATH");
    let expected =
        [("REDENV_PROJECT", "its own"), ("UPSTASH_REDIS_URL", "https://the-programs-own.upstash.io")];
    assert_eq!(environment, expected.map(|(name, value)| (name.into(), value.into())).into());
}

/// Prints the masks of blocked, ignored and caught signals.
const SIGNALS: [&str; 4] = ["sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"];

/// The masks less the two signals that the C library keeps to itself, 32 and 33: it treats them as
/// it likes.
fn own_signals(status: &str) -> String {
    let line = |line: &str| match line.split_once(":\t") {
        Some((name, mask)) if name.starts_with("Sig") => {
            let mask = u64::from_str_radix(mask, 16).unwrap() & !(0b11 << 31);
            format!("{name} {mask:x}\n")
        }
        _ => format!("{line}\n"),
    };
    status.lines().map(line).collect()
}

/// What `probe` prints when it is started after `setup`: by itself, and through the launcher.
fn with_and_without(setup: &str, probe: &[&str]) -> (String, String) {
    let vault = vault();
    let without = {
        let output = Command::new("sh")
            .args(["-c", &format!("{setup}\nexec \"$@\""), "sh"])
            .args(probe)
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        own_signals(str::from_utf8(&output.stdout).unwrap())
    };
    let mut launch = launcher(&vault);
    launch.command().current_dir("/");
    let with = launch.program(probe).after(setup).run();
    assert_eq!((with.code(), with.stderr.as_str()), (Some(0), ""));
    (own_signals(&with.stdout), without)
}

#[test]
fn what_a_process_inherits_command_inherits() {
    let signals = &SIGNALS[..];
    let limits = &["cat", "/proc/self/limits"][..];
    for (setup, probe, expected) in [
        (":", signals, "SigBlk 0\nSigIgn 0\nSigCgt 0\n"),
        ("trap '' HUP INT QUIT TERM USR1", signals, "SigIgn 4207\n"),
        // 0x800 is USR2, 0x10000 is CHLD. TERM and HUP stay blocked too.
        ("set -- env --block-signal=USR2,CHLD,TERM,HUP -- \"$@\"", signals, "SigBlk 14801\n"),
        ("umask 0137", &["grep", "^Umask:", "/proc/self/status"][..], "Umask:\t0137"),
        ("ulimit -n 77; ulimit -c 0", limits, "Max open files            77"),
        ("cd /usr/bin", &["pwd", "-P"][..], "/usr/bin\n"),
        ("exec 7</dev/null 9>/dev/null", &["ls", "/proc/self/fd"][..], "7\n9\n"),
        ("set -- nice -n 7 \"$@\"", &["nice"][..], "7\n"),
        (
            ":",
            &["grep", "-E", "^(NoNewPrivs|Seccomp|CapEff|Groups|THP_enabled):", "/proc/self/status"][..],
            "",
        ),
    ] {
        let (with, without) = with_and_without(setup, probe);
        assert_eq!(with, without, "{setup}");
        assert!(with.contains(expected), "{setup}: {with}");
    }
}

#[test]
fn sigpipe_is_back_to_its_default() {
    let vault = vault();
    // The program that writes on would otherwise complain of a broken pipe.
    launcher(&vault).program(["sh", "-c", "yes | head -n 1"]).run().assert_ran("y\n");
    // Also where it was ignored when the launcher was started.
    let outcome = launcher(&vault).program(SIGNALS).after("trap '' PIPE").run();
    assert_eq!(own_signals(&outcome.stdout), "SigBlk 0\nSigIgn 0\nSigCgt 0\n");
}

#[test]
fn command_may_be_debugged_and_dumped_again() {
    // PR_GET_DUMPABLE is 3: the launcher forbids it for itself while it holds the secrets.
    let script = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))";
    let python = python::interpreter();
    let program = [python.as_os_str(), "-Ic".as_ref(), script.as_ref()];
    launcher(&vault()).program(program).run().assert_ran("1\n");
}

#[test]
fn stdin_reaches_command_untouched() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let output = launcher(&vault()).stdin(bytes.clone()).program(["cat"]).run_raw();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == bytes, "{} bytes of {}", output.stdout.len(), bytes.len());
}

#[test]
fn a_launch_needs_no_home_and_no_directory_to_write_to() {
    let vault = vault();
    for setup in ["unset HOME; cd /proc", "mkdir gone; cd gone; rmdir ../gone"] {
        let launch = launcher(&vault).program(["printenv", "GREETING"]);
        launch.after(setup).run().assert_ran("hello\n");
    }
}

// Rust opens /dev/null in their place before `main`, so that no file of COMMAND becomes its stdout.
#[test]
fn closed_standard_streams_are_no_obstacle() {
    let vault = vault();
    let launch = launcher(&vault);
    let told = launch.directory().join("told");
    let tell = format!("echo $GREETING >{}", told.display());
    let mut launch = launch.program(["sh", "-c", &tell]).after("exec <&- >&- 2>&-");
    assert!(launch.command().status().unwrap().success());
    assert_eq!(fs::read_to_string(told).unwrap(), "hello\n");
}

#[test]
fn a_script_without_an_interpreter_line_is_the_shells() {
    let vault = vault();
    let launch = launcher(&vault).file("script", "echo \"$GREETING\" \"$@\"\n");
    let path = launch.directory().join("script");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    launch.program([path.to_str().unwrap(), "a b", "c"]).run().assert_ran("hello a b c\n");
}

#[test]
fn a_script_with_an_interpreter_line_gets_its_own_path() {
    let vault = vault();
    let launch = launcher(&vault).file("bin/script", "#!/bin/sh\necho \"$0\" \"$GREETING\"\n");
    let directory = launch.directory().join("bin");
    let path = directory.join("script");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let paths = std::env::join_paths([directory.as_path(), "/bin".as_ref()]).unwrap();
    let expected = format!("{} hello\n", path.display());
    launch.env("PATH", paths).program(["script"]).run().assert_ran(&expected);
}

/// The launcher as process 1 of a PID namespace of its own.
fn as_process_1(launcher: Launcher) -> Launcher {
    let mut wrapper = vec!["unshare", "--pid", "--fork", "--mount-proc"];
    let probe = |wrapper: &[&str]| {
        let output = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
        output.is_ok_and(|output| output.status.success())
    };
    if !probe(&wrapper) {
        wrapper.extend(["--user", "--map-root-user"]);
        assert!(probe(&wrapper), "`{}` must work: run as root, or allow user namespaces", wrapper.join(" "));
    }
    launcher.through(wrapper)
}

#[test]
fn command_is_process_1_where_the_launcher_was() {
    let vault = vault();
    let launch = launcher(&vault).program(["sh", "-c", "echo $$ $GREETING"]);
    as_process_1(launch).run().assert_ran("1 hello\n");
}

#[test]
fn process_1_leaves_command_with_default_signals_or_the_ignored_ones() {
    let vault = vault();
    for (setup, ignored) in [(":", "0"), ("trap '' TERM HUP", "4001")] {
        let outcome = as_process_1(launcher(&vault).program(SIGNALS).after(setup)).run();
        let expected = format!("SigBlk 0\nSigIgn {ignored}\nSigCgt 0\n");
        assert_eq!((own_signals(&outcome.stdout), outcome.stderr.as_str()), (expected, ""));
    }
}

#[test]
fn a_signal_during_the_fetch_ends_process_1_at_once() {
    for (signal, status) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let vault = vault();
        vault.set_delay(Duration::from_secs(30));
        let mut launch = as_process_1(launcher(&vault).program(["echo", "started"]));
        let child = start(&mut launch);
        vault.wait_for_requests(1);
        kill(signal, &child_of(&child));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{signal}");
        assert_eq!((output.stdout, output.stderr), (Vec::new(), Vec::new()), "{signal}");
    }
}

#[test]
fn a_signal_that_process_1_was_told_to_ignore_is_ignored_during_the_fetch() {
    let vault = vault();
    vault.set_delay(Duration::from_secs(1));
    let mut launch = as_process_1(launcher(&vault).program(["echo", "started"]).after("trap '' TERM"));
    let child = start(&mut launch);
    vault.wait_for_requests(1);
    kill("TERM", &child_of(&child));
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"started\n"[..]));
}

#[test]
fn elsewhere_a_signal_during_the_fetch_ends_the_launcher_as_it_ends_any_program() {
    use std::os::unix::process::ExitStatusExt;
    let vault = vault();
    vault.set_delay(Duration::from_secs(30));
    let mut launch = launcher(&vault).program(["echo", "started"]);
    let child = start(&mut launch);
    vault.wait_for_requests(1);
    kill("TERM", &child.id().to_string());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), output.stdout), (Some(15), Vec::new()));
}

fn start(launch: &mut Launcher) -> Child {
    let command = launch.command().stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([&format!("-{signal}"), pid]).status().unwrap().success());
}

/// The only child of `unshare`, which is process 1 of the namespace.
fn child_of(parent: &Child) -> String {
    let children = format!("/proc/{0}/task/{0}/children", parent.id());
    fs::read_to_string(children).unwrap().trim().to_owned()
}

#[test]
fn a_value_that_is_long_or_refers_far_arrives_whole() {
    let mut project = Project::new("acme").secret("development", "LONG", &"x".repeat(131_066));
    for link in 0..1000 {
        let (name, value) = (format!("LINK_{link}"), format!("${{LINK_{}}}", link + 1));
        project = project.secret("development", &name, &value);
    }
    project = project.secret("development", "LINK_1000", "end");
    let script = "echo ${#LONG} $LINK_0 $LINK_500";
    launcher(&Vault::of(&project)).program(["sh", "-c", script]).run().assert_ran("131066 end end\n");
}

#[test]
fn the_tools_own_fields_are_no_secrets() {
    let project = Project::new("acme")
        .secret("development", "A", "1")
        .raw_field("development", "__created_by", "someone")
        .raw_field("development", "__", "[]");
    let mut environment = launcher(&Vault::of(&project)).program(["env", "-0"]).run().environment();
    environment.remove("PATH");
    assert_eq!(environment, BTreeMap::from([("A".to_owned(), "1".to_owned())]));
}

#[test]
fn an_ephemeral_token_works_until_it_expires() {
    let token = |expires: &str| {
        let project = Project::new("acme").secret("development", "A", "1").ephemeral();
        let field = "ephemeral:stk_a1B2c3D4e5F6g7H8";
        let entry = project.hashes()["meta@acme"][field].replacen('{', &format!("{{{expires}"), 1);
        Vault::of(&project.raw_meta(field, &entry))
    };
    for valid in ["", r#""expiresAt":"2099-01-01T00:00:00.000Z","#, r#""expiresAt":4070908800000,"#] {
        launcher(&token(valid)).program(["sh", "-c", "echo $A"]).run().assert_ran("1\n");
    }
    for expired in [r#""expiresAt":"2020-01-01T00:00:00.000Z","#, r#""expiresAt":1577836800000,"#] {
        launcher(&token(expired)).program(["env"]).run().assert_failed(
            125,
            &[
                "error: the short-lived token stk_a1B2c3D4e5F6g7H8 has expired",
                "hint: start the tool that made it again, or use a service token",
            ],
        );
    }
}

#[test]
fn bytes_in_an_argument_are_never_taken_for_the_launchers_own() {
    // A word that isn't UTF-8 before `--` is refused, behind it it is COMMAND's.
    let odd = OsString::from_vec(vec![b'-', b'-', 0xff]);
    let outcome = launcher(&vault()).arg(&odd).program(["true"]).run();
    assert_eq!(outcome.code(), Some(125), "{}", outcome.stderr);
    let output = launcher(&vault()).program(["printf".as_ref(), "%s".as_ref(), odd.as_os_str()]).run_raw();
    assert_eq!(output.stdout, odd.as_bytes());
}
