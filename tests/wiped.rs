//! When redenv-run ends, its memory holds no secret.
//!
//! strace delays its last system call, and root reads all of its writable memory meanwhile, except the
//! environment that it was started with.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::launch::{Launch, redenv_run};
use crate::support::project::{MASTER_PASSWORD, Project, TOKEN_KEY, TOKEN_SALT};
use crate::support::redis_server::RedisServer;
use crate::support::vault::{Response, Vault};

const CANARY: &str = "hunter2-in-a-value";

/// A system call that ends redenv-run.
#[derive(Clone, Copy)]
enum Last {
    /// `exit_group`.
    Exit,
    /// The `execve` of the command.
    Exec,
}

impl Last {
    /// Its number, as in `/proc/<pid>/syscall`.
    fn number(self) -> &'static str {
        match (self, std::env::consts::ARCH) {
            (Self::Exit, "x86_64") => "231",
            (Self::Exec, "x86_64") => "59",
            (Self::Exit, "aarch64") => "94",
            (Self::Exec, "aarch64") => "221",
            (_, other) => panic!("the numbers of {other}'s system calls are not known here"),
        }
    }

    /// The option of strace that delays it by a minute, longer than a test waits.
    fn held_back(self) -> &'static str {
        match self {
            Self::Exit => "inject=exit_group:delay_enter=60s",
            Self::Exec => "inject=execve:delay_enter=60s",
        }
    }
}

/// redenv-run just before its end, with all of its memory.
struct Ended {
    strace: Child,
    pid: u32,
    /// Owns the working directory.
    _launcher: Launch,
}

impl Ended {
    fn at(last: Last, launch: Launch) -> Self {
        let wrapper = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", last.held_back(), "--"];
        let mut launch = launch.through(wrapper);
        let command = launch.command().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let strace = command.spawn().expect("strace is missing; scripts/test installs it");
        let begin = Instant::now();
        let pid = loop {
            assert!(begin.elapsed() < Duration::from_secs(30), "it never came to its end");
            thread::sleep(Duration::from_millis(5));
            if let Some(pid) = process_of(&strace).filter(|pid| is_in(*pid, last)) {
                break pid;
            }
        };
        Self { strace, pid, _launcher: launch }
    }

    /// The names of the texts that its memory holds.
    fn holds(&self, texts: &[(&'static str, String)]) -> Vec<&'static str> {
        let memory = memory(self.pid);
        assert!(memory.iter().map(Vec::len).sum::<usize>() > 100_000, "that can't be all of it");
        let holds =
            |text: &str| memory.iter().any(|piece| piece.windows(text.len()).any(|w| w == text.as_bytes()));
        texts.iter().filter(|(_, text)| holds(text)).map(|(name, _)| *name).collect()
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
        drop(self.strace.kill());
        drop(self.strace.wait());
    }
}

/// The process that strace started.
fn process_of(strace: &Child) -> Option<u32> {
    let children = format!("/proc/{0}/task/{0}/children", strace.id());
    fs::read_to_string(children).ok()?.split_whitespace().next()?.parse().ok()
}

/// Whether the process is delayed in this system call. Before its exec, strace's child is strace. Until that exec
/// has ended, the process is called redenv-run, but has not loaded the C library.
fn is_in(pid: u32, last: Last) -> bool {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    read("comm").trim_end() == "redenv-run"
        && read("maps").contains("/libc.so.6\n")
        && read("syscall").split(' ').next() == Some(last.number())
}

/// The writable memory of the process, without its first environment.
fn memory(pid: u32) -> Vec<Vec<u8>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // Behind the name in parentheses the third field comes; the environment is fields 50 and 51.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let environment = fields[47].parse().unwrap()..fields[48].parse().unwrap();
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let writable = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|p| p.starts_with("rw")));
    let ranges = writable.map(|line| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        u64::from_str_radix(from, 16).unwrap()..u64::from_str_radix(to, 16).unwrap()
    });
    ranges.flat_map(|range| without(range, &environment)).map(|range| read(&memory, range).unwrap()).collect()
}

fn without(range: Range<u64>, hole: &Range<u64>) -> [Range<u64>; 2] {
    [range.start..range.end.min(hole.start), range.start.max(hole.end)..range.end]
}

fn read(memory: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(range.end.saturating_sub(range.start)).unwrap()];
    memory.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}

fn project() -> Project {
    Project::new("acme")
        .secret("development", "CANARY", CANARY)
        .secret("development", "OTHER", "<${CANARY}>")
        .secret("reserved", "LD_PRELOAD", CANARY)
        .secret("long", "LONG", &CANARY.repeat(10_000))
        .secret("broken", "CANARY", CANARY)
        .raw_field("broken", "BROKEN", "[]")
}

/// Makes the file `script` in the working directory executable.
fn executable(launch: Launch) -> Launch {
    let script = launch.directory().join("script");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
    launch
}

/// The texts that no memory may hold: credentials, the project's key, and values.
fn secrets(vault: &Vault, project: &Project) -> Vec<(&'static str, String)> {
    vec![
        ("the token key", TOKEN_KEY.to_owned()),
        ("the Upstash token", vault.token().to_owned()),
        ("the project's key", project.pek_hex()),
        ("a value", CANARY.to_owned()),
    ]
}

#[test]
fn no_failure_leaves_a_secret() {
    let project = project();
    let vault = Vault::of(&project);
    let at = |environment: &'static str| redenv_run(&vault).args(["-e", environment]);
    let unauthorized = Response::new(401).body(r#"{"error":"Unauthorized"}"#);
    let script = "#!/nowhere/at/all\n";
    for (what, answer, launch) in [
        ("a slip in the settings", None, at("development").args(["--timeout", "soon"]).program(["true"])),
        ("a program that isn't there", None, at("development").program(["no-such-program"])),
        ("the Upstash token", Some(unauthorized), at("development").program(["true"])),
        ("an environment", None, at("nowhere").program(["true"])),
        ("the token", None, at("development").env("REDENV_TOKEN_ID", "stk_other").program(["true"])),
        ("another token's key", None, {
            at("development").env("REDENV_TOKEN_KEY", format!("{TOKEN_KEY}X")).program(["true"])
        }),
        ("an answer that is none", Some(Response::new(200).body("no JSON")), {
            at("development").program(["true"])
        }),
        ("a secret that doesn't open", None, at("broken").program(["true"])),
        ("a reserved name", None, at("reserved").program(["true"])),
        ("a variable that is too long", None, at("long").program(["true"])),
        (
            "a missing interpreter",
            None,
            executable(at("development").file("script", script)).program(["./script"]),
        ),
    ] {
        vault.respond_always(answer);
        let ended = Ended::at(Last::Exit, launch);
        assert_eq!(ended.holds(&secrets(&vault, &project)), [] as [&str; 0], "{what}");
    }
}

/// Waits for a derivation that nobody needs any more. On a busy machine one can outlast the wait, so one launch
/// of three must leave nothing.
#[test]
fn a_failure_during_the_derivation_leaves_no_secret() {
    let project = project();
    let vault = Vault::of(&project);
    let leaves_nothing = |_| {
        let launch = redenv_run(&vault).args(["-e", "nowhere"]).env("REDENV_TOKEN_SALT", TOKEN_SALT);
        Ended::at(Last::Exit, launch.program(["true"])).holds(&secrets(&vault, &project)).is_empty()
    };
    assert!((0..3).any(leaves_nothing));
}

#[test]
fn check_and_mask_leave_no_secret() {
    let project = project();
    let vault = Vault::of(&project);
    for command in ["check", "mask"] {
        let ended = Ended::at(Last::Exit, redenv_run(&vault).arg(command));
        assert_eq!(ended.holds(&secrets(&vault, &project)), [] as [&str; 0], "{command}");
    }
}

#[test]
fn settings_in_files_leave_no_secret() {
    let project = project();
    let vault = Vault::of(&project);
    let token = vault.token();
    let file = format!("UPSTASH_REDIS_URL={}\nUPSTASH_REDIS_TOKEN='{token}'\n", vault.url());
    let launch = redenv_run(&vault)
        .env_remove("UPSTASH_REDIS_URL")
        .env_remove("UPSTASH_REDIS_TOKEN")
        .env_remove("REDENV_TOKEN_KEY")
        .env("REDENV_TOKEN_KEY_FILE", "key")
        .file("key", format!("{TOKEN_KEY}\n"))
        .file(".env.local", file);
    let ended = Ended::at(Last::Exit, launch.arg("check"));
    assert_eq!(ended.holds(&secrets(&vault, &project)), [] as [&str; 0]);
}

#[test]
fn the_exec_takes_only_the_values_along() {
    let project = project();
    let vault = Vault::of(&project);
    for launch in [redenv_run(&vault), redenv_run(&vault).env("REDENV_TOKEN_SALT", TOKEN_SALT)] {
        let ended = Ended::at(Last::Exec, launch.program(["true"]));
        // That a value is found shows that the look is a thorough one.
        assert_eq!(ended.holds(&secrets(&vault, &project)), ["a value"]);
    }
}

#[test]
fn a_new_token_leaves_no_secret() {
    let project = project();
    let redis = RedisServer::start();
    let vault = Vault::builder().project(&project).redis(&redis.url()).start();
    let launch = redenv_run(&vault)
        .env("REDENV_MASTER_PASSWORD_FILE", "password")
        .file("password", format!("{MASTER_PASSWORD}\n"))
        .args(["token", "create", "--name", "new", "--format", "json"]);
    let mut ended = Ended::at(Last::Exit, launch);
    // It was written before the end, and is all that will come.
    let mut printed = [0; 4096];
    let length = ended.strace.stdout.as_mut().unwrap().read(&mut printed).unwrap();
    let made: Value = serde_json::from_slice(&printed[..length]).unwrap();
    let key = made["tokenKey"].as_str().unwrap().to_owned();
    let secrets = [
        ("the master password", MASTER_PASSWORD.to_owned()),
        ("the new key", key),
        ("the Upstash token", vault.token().to_owned()),
        ("the project's key", project.pek_hex()),
    ];
    assert_eq!(ended.holds(&secrets), [] as [&str; 0]);
}
