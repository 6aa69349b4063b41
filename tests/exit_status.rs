//! The exit code is the command's own; when the command did not run, it is 125, 126 or 127.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::launch::{Launch, bare_redenv_run, redenv_run};
use crate::support::project::Project;
use crate::support::vault::Vault;

/// Writes a file with this mode into the working directory and returns its path.
pub fn write(launch: Launch, name: &str, content: impl AsRef<[u8]>, mode: u32) -> (Launch, PathBuf) {
    let launch = launch.file(name, content);
    let path = launch.directory().join(name);
    fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    (launch, path)
}

#[test]
fn the_exit_code_is_the_commands() {
    let vault = Vault::greeting();
    for status in [0, 1, 2, 42, 125, 126, 127, 128, 255] {
        let outcome = redenv_run(&vault).program(["sh", "-c", &format!("exit {status}")]).run();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(status), ""), "{status}");
    }
}

#[test]
fn a_signal_that_ends_the_command_is_what_the_parent_sees() {
    let vault = Vault::greeting();
    for (name, number) in [("KILL", 9), ("TERM", 15), ("INT", 2), ("HUP", 1), ("SEGV", 11), ("PIPE", 13)] {
        let outcome =
            redenv_run(&vault).program(["sh", "-c", &format!("ulimit -c 0; kill -{name} $$")]).run();
        assert_eq!((outcome.code(), outcome.status.signal()), (None, Some(number)), "{name}");
        assert_eq!(outcome.stderr, "", "{name}");
    }
}

#[test]
fn a_signal_during_the_fetch_ends_redenv_run() {
    let vault = Vault::greeting();
    vault.set_delay(Duration::from_secs(30));
    let mut launch = redenv_run(&vault).program(["echo", "started"]);
    let command = launch.command().stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    vault.wait_for_requests(1);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.signal(), output.stdout), (Some(15), Vec::new()));
}

/// Fails before the first request, although every setting is right.
pub fn assert_refused_unasked(launch: Launch, vault: &Vault, status: i32, lines: &[&str]) {
    launch.run().assert_failed(status, lines);
    assert_eq!(vault.connections(), 0);
}

#[test]
fn a_command_that_is_not_in_path_is_127() {
    let vault = Vault::greeting();
    for (name, shown) in [("no-such-program-anywhere", "no-such-program-anywhere"), ("", "\"\"")] {
        let error = format!("error: {shown} was not found in PATH");
        let hint = "hint: check the spelling: redenv-run searches the PATH that it was started with; \
                    shell aliases and functions are not programs";
        assert_refused_unasked(redenv_run(&vault).program([name]), &vault, 127, &[&error, hint]);
    }
}

#[test]
fn a_word_of_redenv_run_behind_the_dashes_gets_a_hint_of_its_own() {
    let vault = Vault::greeting();
    for (word, hint) in [
        ("check", "hint: did you mean `redenv-run check`, without `--`?"),
        ("token", "hint: did you mean `redenv-run token`, without `--`?"),
        ("-e", "hint: flags of redenv-run go before `--`"),
        ("--only", "hint: flags of redenv-run go before `--`"),
    ] {
        let error = format!("error: {word} was not found in PATH");
        assert_refused_unasked(redenv_run(&vault).program([word, "x"]), &vault, 127, &[&error, hint]);
    }
}

#[test]
fn a_path_to_nothing_is_127() {
    let vault = Vault::greeting();
    for path in ["./nothing", "/no/such/program", "no/such/program"] {
        let error = format!("error: {path} was not found");
        assert_refused_unasked(redenv_run(&vault).program([path]), &vault, 127, &[&error]);
    }
}

#[test]
fn without_path_only_the_systems_directories_are_looked_in() {
    let vault = Vault::greeting();
    assert_refused_unasked(
        redenv_run(&vault).env_remove("PATH").program(["no-such-program-anywhere"]),
        &vault,
        127,
        &[
            "error: no-such-program-anywhere was not found",
            "hint: PATH is not set, so redenv-run searched only /bin and /usr/bin",
        ],
    );
    redenv_run(&vault).env_remove("PATH").program(["echo", "found"]).run().assert_ran("found\n");
}

#[test]
fn a_directory_is_126() {
    let vault = Vault::greeting();
    for path in ["/usr", "./", "."] {
        let refused = redenv_run(&vault).program([path]);
        if path == "." {
            // Without a slash it is a name to look up, as `execvp` and every shell would.
            assert_eq!(refused.run().code(), Some(127));
        } else {
            let error = format!("error: {path} can't be executed: it is a directory");
            assert_refused_unasked(refused, &vault, 126, &[&error]);
        }
    }
}

#[test]
fn a_file_that_is_not_executable_is_126() {
    let vault = Vault::greeting();
    let (launch, path) = write(redenv_run(&vault), "bin/tool", "#!/bin/sh\n", 0o644);
    let path = path.display();
    let lines = [
        &*format!("error: {path} can't be executed: it is not executable"),
        &*format!("hint: chmod +x {path}"),
    ];
    assert_refused_unasked(launch.program([path.to_string()]), &vault, 126, &lines);

    // The same file, found in PATH.
    let (launch, path) = write(redenv_run(&vault), "bin/tool", "#!/bin/sh\n", 0o644);
    let directory = path.parent().unwrap().to_owned();
    let lines = [
        &*format!("error: {} can't be executed: it is not executable", path.display()),
        &*format!("hint: chmod +x {}", path.display()),
    ];
    assert_refused_unasked(launch.env("PATH", directory).program(["tool"]), &vault, 126, &lines);
}

#[test]
fn a_device_or_a_pipe_is_126() {
    let vault = Vault::greeting();
    let error = "error: /dev/null can't be executed: it is not a regular file";
    assert_refused_unasked(redenv_run(&vault).program(["/dev/null"]), &vault, 126, &[error]);
}

#[test]
fn the_first_executable_file_in_path_is_started() {
    let vault = Vault::greeting();
    let launch = redenv_run(&vault).file("directory/tool/file", "");
    let (launch, _) = write(launch, "plain/tool", "#!/bin/sh\necho plain\n", 0o644);
    let (launch, _) = write(launch, "good/tool", "#!/bin/sh\necho good\n", 0o755);
    let (launch, _) = write(launch, "later/tool", "#!/bin/sh\necho later\n", 0o755);
    let at = |name: &str| launch.directory().join(name).display().to_string();
    let path = ["/nowhere", &at("directory"), &at("plain"), &at("good"), &at("later")].join(":");
    launch.env("PATH", path).program(["tool"]).run().assert_ran("good\n");
}

#[test]
fn an_empty_entry_of_path_is_the_working_directory() {
    let vault = Vault::greeting();
    for path in [":/bin", "/nowhere:", "."] {
        let (launch, _) = write(redenv_run(&vault), "tool", "#!/bin/sh\necho here\n", 0o755);
        launch.env("PATH", path).program(["tool"]).run().assert_ran("here\n");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_that_is_being_written_is_126() {
    let vault = Vault::greeting();
    let (launch, path) = write(redenv_run(&vault), "tool", fs::read("/bin/true").unwrap(), 0o755);
    let writing = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let error = format!("error: {} can't be executed: text file busy", path.display());
    launch.program([path.to_str().unwrap()]).run().assert_failed(126, &[&error]);
    drop(writing);
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_whose_loader_is_missing_is_127() {
    let vault = Vault::greeting();
    // The path of the loader is in the first page of a dynamic program, ld-linux or ld-musl.
    let mut program = fs::read("/bin/true").unwrap();
    let loader = program.windows(4).position(|bytes| bytes == b"/ld-").expect("a dynamic /bin/true");
    program[loader..loader + 4].copy_from_slice(b"/xx-");
    let (launch, path) = write(redenv_run(&vault), "tool", program, 0o755);
    launch.program([path.to_str().unwrap()]).run().assert_failed(
        127,
        &[
            &format!("error: the loader or interpreter of {} was not found", path.display()),
            "hint: it is built for another system or C library, or this image has no dynamic loader",
        ],
    );
}

#[test]
fn a_secret_path_does_not_choose_the_program() {
    let launch = |vault: &Vault| {
        let (launch, _) = write(redenv_run(vault), "evil/echo", "#!/bin/sh\n/bin/echo evil\n", 0o755);
        launch
    };
    let vault = Vault::of(&Project::new("acme").secret("development", "PATH", "evil:/bin"));
    launch(&vault).program(["echo", "true"]).run().assert_failed(
        125,
        &[
            "error: secrets may not be named PATH (every program would start programs from the directories that the value names)",
            "hint: leave out with --exclude PATH, or allow with --allow-reserved PATH",
        ],
    );
    let allowed = launch(&vault).args(["--allow-reserved", "PATH"]);
    allowed.program(["sh", "-c", "/bin/echo \"$PATH\""]).run().assert_ran("evil:/bin\n");
    let allowed = launch(&vault).args(["--allow-reserved", "PATH"]);
    allowed.program(["echo", "true"]).run().assert_ran("true\n");
}

#[test]
fn the_command_is_looked_up_after_the_settings_and_before_the_first_request() {
    // Both are wrong: the settings come first.
    let outcome = bare_redenv_run().program(["no-such-program-anywhere"]).run();
    assert_eq!(outcome.code(), Some(125));
    // Upstash can't be reached, and the launch doesn't try.
    let outcome = redenv_run(&Vault::greeting())
        .env("UPSTASH_REDIS_URL", "http://127.0.0.1:1")
        .program(["no-such-program-anywhere"])
        .run();
    assert_eq!(outcome.code(), Some(127));
}

#[test]
fn a_relative_path_is_taken_from_the_working_directory() {
    let vault = Vault::greeting();
    let (launch, path) = write(redenv_run(&vault), "bin/tool", "#!/bin/sh\necho $GREETING\n", 0o755);
    assert!(Path::new(&path).is_absolute());
    launch.program(["bin/tool"]).run().assert_ran("hello\n");
}
