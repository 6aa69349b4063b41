//! No secret, token key or Upstash token is ever shown: not in a message, not in a list of processes,
//! not in a file. No message shows the command's arguments.

use std::fs;
#[cfg(target_os = "linux")]
use std::process::Stdio;
#[cfg(target_os = "linux")]
use std::time::Duration;

use crate::failures::{CANARY, failures};
#[cfg(target_os = "linux")]
use crate::support::launch::Launch;
use crate::support::launch::{Outcome, redenv_run};
use crate::support::project::{Project, TOKEN_KEY};
use crate::support::vault::{Certificate, Vault};

/// An argument of the command that no message may show.
const ARGUMENT: &str = "canary-argument";

#[track_caller]
fn assert_silent(what: &str, outcome: &Outcome, vault: &Vault) {
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    // Parts of the key and of the token, too: half of one is too much.
    let upstash = vault.token().trim_end_matches('=');
    let key = TOKEN_KEY.strip_prefix("redenv_sk_").unwrap();
    for canary in [CANARY, ARGUMENT, key, &key[..12], &key[20..], upstash, &upstash[..12], &upstash[12..]] {
        assert!(!said.contains(canary), "{what}: {said}");
    }
}

#[test]
fn no_failure_shows_a_secret_a_key_or_a_token_at_any_verbosity() {
    // Without `-v`, failures.rs compares the messages to the letter.
    for failure in failures() {
        let what = failure.lines.join("\n");
        let (vault, launch) = failure.set_up();
        let outcome = launch.arg("-v").program(["echo", ARGUMENT]).run();
        assert_eq!(outcome.code(), Some(125), "{what}");
        assert_silent(&what, &outcome, &vault);
    }
}

#[test]
fn no_failure_to_start_the_command_shows_its_arguments_or_a_secret() {
    let vault = Vault::of(&Project::new("acme").secret("development", "CANARY", CANARY));
    for program in ["no-such-program-anywhere", "/", "/dev/null", "./script"] {
        for verbosity in [None, Some("-v"), Some("-q")] {
            let launch = redenv_run(&vault).file("script", "#!/no/such/interpreter\n");
            let script = launch.directory().join("script");
            fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            let outcome = launch.args(verbosity).program([program, ARGUMENT]).run();
            assert!(matches!(outcome.code(), Some(126 | 127)), "{program}: {}", outcome.stderr);
            assert_silent(program, &outcome, &vault);
        }
    }
}

#[test]
fn no_setting_that_is_refused_is_shown() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    for (name, value) in [
        ("REDENV_TOKEN_ID", format!("redenv_sk_{CANARY}")),
        ("REDENV_TOKEN_KEY", format!("stk_{CANARY}")),
        ("REDENV_TOKEN_KEY", format!("\"redenv_sk_{CANARY}\"")),
        ("REDENV_TOKEN_KEY", format!(" redenv_sk_{CANARY}")),
        ("REDENV_TOKEN_SALT", CANARY.to_owned()),
        ("UPSTASH_REDIS_TOKEN", format!("Bearer {CANARY}")),
        ("UPSTASH_REDIS_TOKEN", format!("'{CANARY}'")),
        ("UPSTASH_REDIS_TOKEN", format!("{CANARY}\n{CANARY}")),
        ("UPSTASH_REDIS_TOKEN", format!("ü{CANARY}")),
        ("UPSTASH_REDIS_URL", format!("redis://default:{CANARY}@x.upstash.io:6379")),
        ("UPSTASH_REDIS_URL", format!("https://default:{CANARY}@x.upstash.io")),
        ("UPSTASH_REDIS_URL", format!("https://x.upstash.io/?token={CANARY}")),
        ("UPSTASH_REDIS_URL", format!("{CANARY} https://x.upstash.io")),
        ("UPSTASH_REDIS_URL", format!("{CANARY}://x.upstash.io")),
        ("UPSTASH_REDIS_URL", format!("{}://x.upstash.io", CANARY.replace('-', ""))),
        ("REDENV_TIMEOUT", CANARY.to_owned()),
        ("REDENV_ALLOW_HTTP", CANARY.to_owned()),
        ("HTTPS_PROXY", format!("socks5://user:{CANARY}@proxy:1080")),
        ("HTTPS_PROXY", format!("http://user:{CANARY} x/y@127.0.0.1:1")),
        ("ALL_PROXY", format!("http://user:{CANARY}@[bad:1")),
    ] {
        for verbosity in [None, Some("-v"), Some("-q")] {
            let launch = redenv_run(&vault).env("REDENV_TIMEOUT", "1s").args(verbosity);
            // A proxy is only used for https.
            let is_proxy = name.ends_with("_PROXY");
            let launch =
                if is_proxy { launch.env("UPSTASH_REDIS_URL", "https://x.upstash.io") } else { launch };
            let outcome = launch.env(name, &value).program(["true", ARGUMENT]).run();
            assert_eq!(outcome.code(), Some(125), "{name}={value}");
            let (text, plain) = (format!("{name}={value}"), CANARY.replace('-', ""));
            assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains(&plain), "{text}");
            assert_silent(&text, &outcome, &vault);
        }
    }
}

#[test]
fn no_slip_on_the_command_line_shows_the_commands_arguments() {
    let vault = Vault::of(&Project::new("acme").secret("development", "A", "1"));
    for arguments in [
        &["sh", "-c", ARGUMENT][..],
        &["-p", "acme", "sh", ARGUMENT, "--", ARGUMENT],
        &["--no-such-option=canary-argument", "--", "true"],
        &["--no-such-option", "--", "true", ARGUMENT],
        &["-p", "a", "--project=canary-argument", "--", "true", ARGUMENT],
        &["--raw=canary-argument", "--", "true"],
        &["-v", "-q", "--", "true", ARGUMENT],
        &["--", "no-such-program-anywhere", ARGUMENT],
    ] {
        let outcome = redenv_run(&vault).args(arguments).run();
        assert!(matches!(outcome.code(), Some(125 | 127)), "{arguments:?}: {}", outcome.stderr);
        assert_silent(&arguments.join(" "), &outcome, &vault);
    }
}

#[test]
fn a_launch_that_works_prints_only_names_at_any_verbosity() {
    let project = Project::new("acme")
        .secret("development", "CANARY", CANARY)
        .secret("development", "COMPOSED", "<${CANARY}>")
        .raw_field("development", "BROKEN", "[]");
    let vault = Vault::builder().project(&project).tls(Certificate::Valid).start();
    for (verbosity, names) in [("-v", true), ("-q", false)] {
        let launch =
            redenv_run(&vault).args([verbosity, "--skip-broken"]).env("CANARY", "canary-4f8a1c-before");
        let outcome = launch.program(["true", ARGUMENT]).run();
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        assert_silent(verbosity, &outcome, &vault);
        assert_eq!(outcome.stderr.contains("COMPOSED"), names, "{}", outcome.stderr);
    }
}

/// The arguments and the environment that other processes of this user see in `/proc`.
#[test]
#[cfg(target_os = "linux")]
fn a_list_of_processes_shows_only_what_was_typed() {
    let vault = Vault::of(&Project::new("acme").secret("development", "CANARY", CANARY));
    vault.set_delay(Duration::from_secs(30));
    let mut launch = redenv_run(&vault).args(["-e", "development"]).program(["true", "typed"]);
    let mut child = launch.command().stdin(Stdio::null()).spawn().unwrap();
    vault.wait_for_requests(1);
    let cmdline = fs::read_to_string(format!("/proc/{}/cmdline", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let (program, arguments) = cmdline.split_once('\0').unwrap();
    assert!(program.ends_with("redenv-run"), "{program}");
    assert_eq!(arguments, "-e\0development\0--\0true\0typed\0");

    // So do the command's.
    vault.set_delay(Duration::ZERO);
    redenv_run(&vault).program(["cat", "/proc/self/cmdline"]).run().assert_ran("cat\0/proc/self/cmdline\0");
}

/// The system calls of a launch up to its exec, one per line, as strace writes them.
#[cfg(target_os = "linux")]
fn trace(launch: Launch) -> Vec<String> {
    let launch = launch.program(["true"]);
    // The launch's own directory is removed with it.
    let directory = tempfile::TempDir::new().unwrap();
    let log = directory.path().join("trace");
    let wrapper = [
        "strace",
        "-f",
        "-qq",
        "-o",
        log.to_str().unwrap(),
        "-e",
        "trace=file,process,desc,network,prctl",
        "--",
    ];
    assert!(
        std::process::Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok(),
        "strace is missing; scripts/test installs it"
    );
    let outcome = launch.through(wrapper).run();
    assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
    let lines: Vec<String> = fs::read_to_string(&log).unwrap().lines().map(String::from).collect();
    let executed = |line: &String| line.contains("execve(") && line.contains("/true\", [\"true\"]");
    let end = lines.iter().position(executed).unwrap_or_else(|| panic!("{lines:#?}"));
    lines[..=end].to_vec()
}

#[test]
#[cfg(target_os = "linux")]
fn a_launch_forbids_dumps_of_itself_before_it_has_anything_to_hide() {
    let vault = Vault::of(&Project::new("acme").secret("development", "CANARY", CANARY));
    let calls = trace(redenv_run(&vault));
    let first = |text: &str| calls.iter().position(|call| call.contains(text));
    let forbidden = first(" prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE) = 0");
    assert!(forbidden.is_some() && forbidden < first(" connect("), "{calls:#?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_launch_writes_no_file_and_starts_no_process() {
    let vault = Vault::builder()
        .project(&Project::new("acme").secret("development", "CANARY", CANARY))
        .tls(Certificate::Valid)
        .start();
    let launch = redenv_run(&vault).env("REDENV_TOKEN_SALT", "000102030405060708090a0b0c0d0e0f");
    let calls = trace(launch);
    let of = |name: &str| -> Vec<&String> {
        calls.iter().filter(|call| call.contains(&format!(" {name}("))).collect()
    };
    assert_eq!(of("execve").len(), 2, "redenv-run and the command: {:#?}", of("execve"));

    assert!(of("openat").len() > 2, "{calls:#?}");
    let writing = |call: &&String| {
        ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"].iter().any(|flag| call.contains(flag))
    };
    let opened: Vec<&String> =
        ["open", "openat", "openat2", "creat"].into_iter().flat_map(of).filter(writing).collect();
    assert!(opened.is_empty(), "{opened:#?}");
    for call in [
        "mkdir",
        "mkdirat",
        "rename",
        "renameat",
        "renameat2",
        "link",
        "linkat",
        "unlink",
        "unlinkat",
        "symlink",
        "symlinkat",
        "truncate",
        "ftruncate",
        "memfd_create",
    ] {
        assert!(of(call).is_empty(), "{:#?}", of(call));
    }
    // A thread is no process: one derives the key.
    assert!(of("fork").is_empty() && of("vfork").is_empty());
    let processes: Vec<&String> =
        ["clone", "clone3"].into_iter().flat_map(of).filter(|call| !call.contains("CLONE_THREAD")).collect();
    assert!(processes.is_empty(), "{processes:#?}");
}
