//! redenv-run becomes the command: the same process, with everything that redenv-run inherited.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::process::Stdio;

use crate::support::launch::{pairs, redenv_run};
use crate::support::project::Project;
use crate::support::vault::Vault;

#[test]
fn the_command_is_the_same_process() {
    let vault = Vault::greeting();
    let mut launch = redenv_run(&vault).program(["sh", "-c", "echo $$ $PPID"]);
    let child = launch.command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let expected = format!("{} {}\n", child.id(), std::process::id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

#[test]
fn a_launch_is_one_request_on_one_connection() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1").secret("staging", "A", "2"));
    redenv_run(&vault)
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
    let output = redenv_run(&Vault::greeting()).program(words).run_raw();
    let expected: Vec<u8> = arguments.iter().flat_map(|word| [word, &b"\0"[..]].concat()).collect();
    assert_eq!(output.stdout.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
#[cfg(target_os = "linux")]
fn argv_0_is_what_was_typed() {
    let vault = Vault::greeting();
    for typed in ["cat", "/bin/cat", "/bin/../bin/./cat"] {
        let outcome = redenv_run(&vault).program([typed, "/proc/self/cmdline"]).run();
        outcome.assert_ran(&format!("{typed}\0/proc/self/cmdline\0"));
    }
    // A name found in PATH, and a name that is not UTF-8.
    for name in [&b"alias"[..], b"al\xffias"] {
        let launch = redenv_run(&vault);
        let name = OsStr::from_bytes(name);
        std::os::unix::fs::symlink("/bin/cat", launch.directory().join(name)).unwrap();
        let mut path = launch.directory().as_os_str().to_owned();
        path.push(":/bin");
        let output = launch.env("PATH", path).program([name, "/proc/self/cmdline".as_ref()]).run_raw();
        let expected = [name.as_bytes(), b"\0/proc/self/cmdline\0"].concat();
        assert_eq!(output.stdout.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }
}

/// Prints the masks of blocked, ignored and caught signals.
#[cfg(target_os = "linux")]
pub const SIGNALS: [&str; 4] = ["sed", "-n", "/^Sig[BIC]/p", "/proc/self/status"];

/// The masks without signals 32 and 33, which the C library uses itself.
#[cfg(target_os = "linux")]
pub fn own_signals(status: &str) -> String {
    let line = |line: &str| match line.split_once(":\t") {
        Some((name, mask)) if name.starts_with("Sig") => {
            let mask = u64::from_str_radix(mask, 16).unwrap() & !(0b11 << 31);
            format!("{name} {mask:x}\n")
        }
        _ => format!("{line}\n"),
    };
    status.lines().map(line).collect()
}

/// The output of `probe` when it is started after `setup`: by itself, and through redenv-run.
#[cfg(target_os = "linux")]
fn with_and_without(setup: &str, probe: &[&str]) -> (String, String) {
    let vault = Vault::greeting();
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
    let mut launch = redenv_run(&vault);
    launch.command().current_dir("/");
    let with = launch.program(probe).after(setup).run();
    assert_eq!((with.code(), with.stderr.as_str()), (Some(0), ""));
    (own_signals(&with.stdout), without)
}

#[test]
#[cfg(target_os = "linux")]
fn the_command_inherits_what_a_process_inherits() {
    let signals = &SIGNALS[..];
    let limits = &["cat", "/proc/self/limits"][..];
    let nice = Command::new("nice").args(["-n", "7", "nice"]).output().unwrap().stdout;
    let nice = String::from_utf8(nice).unwrap();
    for (setup, probe, expected) in [
        (":", signals, "SigBlk 0\nSigIgn 0\nSigCgt 0\n"),
        ("trap '' HUP INT QUIT TERM USR1", signals, "SigIgn 4207\n"),
        // 0x800 is USR2, 0x10000 is CHLD. TERM and HUP stay blocked too.
        ("set -- env --block-signal=USR2,CHLD,TERM,HUP -- \"$@\"", signals, "SigBlk 14801\n"),
        ("umask 0137", &["grep", "^Umask:", "/proc/self/status"][..], "Umask:\t0137"),
        ("ulimit -n 77; ulimit -c 0", limits, "Max open files            77"),
        ("cd /usr/bin", &["pwd", "-P"][..], "/usr/bin\n"),
        ("exec 7</dev/null 9>/dev/null", &["ls", "/proc/self/fd"][..], "7\n9\n"),
        ("set -- nice -n 7 \"$@\"", &["nice"][..], nice.as_str()),
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
    let vault = Vault::greeting();
    // Otherwise `yes` would complain about a broken pipe.
    redenv_run(&vault).program(["sh", "-c", "yes | head -n 1"]).run().assert_ran("y\n");
}

#[test]
#[cfg(target_os = "linux")]
fn sigpipe_is_back_to_its_default_also_where_it_was_ignored() {
    let outcome = redenv_run(&Vault::greeting()).program(SIGNALS).after("trap '' PIPE").run();
    assert_eq!(own_signals(&outcome.stdout), "SigBlk 0\nSigIgn 0\nSigCgt 0\n");
}

#[test]
fn stdin_reaches_the_command_untouched() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let output = redenv_run(&Vault::greeting()).stdin(bytes.clone()).program(["cat"]).run_raw();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == bytes, "{} bytes of {}", output.stdout.len(), bytes.len());
}

#[test]
fn a_launch_needs_no_home_and_no_directory_to_write_to() {
    let vault = Vault::greeting();
    // Not even root can create a file there.
    let closed = if cfg!(target_os = "linux") { "/proc" } else { "/" };
    for setup in [&*format!("unset HOME; cd {closed}"), "mkdir gone; cd gone; rmdir ../gone"] {
        let launch = redenv_run(&vault).program(["printenv", "GREETING"]);
        launch.after(setup).run().assert_ran("hello\n");
    }
}

#[test]
fn a_script_without_an_interpreter_line_is_run_by_the_shell() {
    let vault = Vault::greeting();
    let launch = redenv_run(&vault).file("script", "echo \"$GREETING\" \"$@\"\n");
    let path = launch.directory().join("script");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    launch.program([path.to_str().unwrap(), "a b", "c"]).run().assert_ran("hello a b c\n");
}

#[test]
fn a_script_with_an_interpreter_line_gets_its_own_path() {
    let vault = Vault::greeting();
    let launch = redenv_run(&vault).file("bin/script", "#!/bin/sh\necho \"$0\" \"$GREETING\"\n");
    let directory = launch.directory().join("bin");
    let path = directory.join("script");
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let paths = std::env::join_paths([directory.as_path(), "/bin".as_ref()]).unwrap();
    let expected = format!("{} hello\n", path.display());
    launch.env("PATH", paths).program(["script"]).run().assert_ran(&expected);
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
    redenv_run(&Vault::of(&project)).program(["sh", "-c", script]).run().assert_ran("131066 end end\n");
}

#[test]
fn fields_of_redenv_itself_are_not_injected() {
    let project = Project::new("acme")
        .secret("development", "A", "1")
        .raw_field("development", "__created_by", "someone")
        .raw_field("development", "__", "[]");
    assert_eq!(redenv_run(&Vault::of(&project)).environment(), pairs(&[("A", "1")]));
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
        redenv_run(&token(valid)).program(["sh", "-c", "echo $A"]).run().assert_ran("1\n");
    }
    for expired in [r#""expiresAt":"2020-01-01T00:00:00.000Z","#, r#""expiresAt":1577836800000,"#] {
        redenv_run(&token(expired)).program(["env"]).run().assert_failed(
            125,
            &[
                "error: the short-lived token stk_a1B2c3D4e5F6g7H8 has expired",
                "hint: restart the tool that created it, or use a service token",
            ],
        );
    }
}

#[test]
fn an_argument_of_the_command_is_never_taken_for_a_flag() {
    // Before `--`, a word that isn't UTF-8 is refused; after it, the command gets it.
    let odd = OsString::from_vec(vec![b'-', b'-', 0xff]);
    let outcome = redenv_run(&Vault::greeting()).arg(&odd).program(["true"]).run();
    assert_eq!(outcome.code(), Some(125), "{}", outcome.stderr);
    let output =
        redenv_run(&Vault::greeting()).program(["printf".as_ref(), "%s".as_ref(), odd.as_os_str()]).run_raw();
    assert_eq!(output.stdout, odd.as_bytes());
}
