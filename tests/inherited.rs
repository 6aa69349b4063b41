//! The command inherits every variable byte for byte, except redenv-run's own.

use std::collections::BTreeMap;
use std::ffi::OsString;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;

use crate::support::launch::{pairs, redenv_run};
use crate::support::project::Project;
#[cfg(target_os = "linux")]
use crate::support::python;
use crate::support::vault::Vault;

/// Starts the program after it with exactly these environment entries, as no shell would.
#[cfg(target_os = "linux")]
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

/// The entries of the command's environment when redenv-run starts with exactly `entries` and its settings.
#[cfg(target_os = "linux")]
fn entries_after(vault: &Vault, entries: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut launch = redenv_run(vault).program(["/bin/cat", "/proc/self/environ"]);
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

#[cfg(target_os = "linux")]
fn shown(entries: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<String> {
    entries.into_iter().map(|entry| entry.as_ref().escape_ascii().to_string()).collect()
}

#[test]
#[cfg(target_os = "linux")]
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
    assert_eq!(shown(entries_after(&Vault::greeting(), inherited)), shown(expected));
}

#[test]
#[cfg(target_os = "linux")]
fn odd_entries_never_break_a_launch() {
    let inherited: &[&[u8]] = &[b"NO_EQUALS_SIGN", b"", b"=", b"=nameless", b"\xff", b"GOOD=1"];
    assert_eq!(shown(entries_after(&Vault::greeting(), inherited)), ["GOOD=1", "GREETING=hello"]);
}

#[test]
#[cfg(target_os = "linux")]
fn of_duplicates_the_last_wins_and_a_secret_replaces_all() {
    let inherited: &[&[u8]] =
        &[b"TWICE=first", b"GREETING=old", b"TWICE=second", b"GREETING=older", b"TWICE=third"];
    assert_eq!(shown(entries_after(&Vault::greeting(), inherited)), ["GREETING=hello", "TWICE=third"]);
}

#[test]
#[cfg(target_os = "linux")]
fn duplicates_of_an_own_variable_are_all_removed() {
    let inherited: &[&[u8]] = &[b"REDENV_TOKEN_KEY=one", b"REDENV_TOKEN_KEY=another", b"X=1"];
    assert_eq!(shown(entries_after(&Vault::greeting(), inherited)), ["GREETING=hello", "X=1"]);
}

/// Own variables that don't change the launch.
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
fn redenv_runs_own_variables_are_removed() {
    let vault = Vault::greeting();
    let mut launch = redenv_run(&vault).env("REDENV_UNKNOWN", "kept").env("UPSTASH_REDIS_PORT", "kept");
    for (name, value) in OWN {
        launch = launch.env(name, value);
    }
    let launch =
        launch.file("project", "acme\n").env_remove("REDENV_PROJECT").env("REDENV_PROJECT_FILE", "project");
    let expected = [("GREETING", "hello"), ("REDENV_UNKNOWN", "kept"), ("UPSTASH_REDIS_PORT", "kept")];
    assert_eq!(launch.environment(), pairs(&expected));
}

#[test]
fn keep_token_passes_them_on() {
    let vault = Vault::greeting();
    for by in [&["--keep-token"][..], &[]] {
        let mut launch = redenv_run(&vault).args(by);
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
        let environment = launch.environment();
        for (name, value) in given.into_iter().filter(|(name, _)| name != "PATH") {
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
    let expected =
        [("REDENV_PROJECT", "its own"), ("UPSTASH_REDIS_URL", "https://the-programs-own.upstash.io")];
    assert_eq!(redenv_run(&Vault::of(&project)).environment(), pairs(&expected));
}
