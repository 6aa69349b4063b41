//! A file that can't be executed is refused, and the error says why.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::exit_status::{assert_refused_unasked, write};
use crate::support::isolated::isolated;
use crate::support::launch::redenv_run;
use crate::support::vault::Vault;

#[test]
fn directories_of_path_that_may_not_be_searched_are_named() {
    let vault = Vault::greeting();
    let launch = redenv_run(&vault).file("closed/tool", "").file("shut/tool", "").file("open/other", "");
    let at = |name: &str| launch.directory().join(name).display().to_string();
    let (closed, shut) = (at("closed"), at("shut"));
    let path = [&closed, &at("open"), &shut, "/usr/bin"].join(":");
    for directory in [&closed, &shut] {
        fs::set_permissions(directory, PermissionsExt::from_mode(0o000)).unwrap();
    }
    let hint = format!("hint: this user may not search {closed} and {shut} in PATH");
    let launch = launch.env("PATH", path).program(["tool"]).bound_by_modes();
    assert_refused_unasked(launch, &vault, 127, &["error: tool was not found in PATH", &hint]);
}

#[test]
fn a_path_through_a_directory_that_may_not_be_searched_is_126() {
    let vault = Vault::greeting();
    let launch = redenv_run(&vault).file("closed/tool", "");
    let closed = launch.directory().join("closed");
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
    let tool = closed.join("tool").display().to_string();
    let error = format!("error: {tool} can't be executed: this user may not search a directory in its path");
    assert_refused_unasked(launch.program([&tool]).bound_by_modes(), &vault, 126, &[&error]);
}

#[test]
fn a_file_that_only_others_may_execute_is_126_without_a_chmod_hint() {
    let vault = Vault::greeting();
    let (launch, path) = write(redenv_run(&vault), "tool", "#!/bin/sh\n", 0o077);
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        chown(&path, Some(65534), None).unwrap();
    }
    let error =
        format!("error: {} can't be executed: it is executable, but not by this user", path.display());
    assert_refused_unasked(launch.program([path]).bound_by_modes(), &vault, 126, &[&error]);
}

#[test]
fn nothing_is_executed_from_a_file_system_that_is_mounted_noexec() {
    let vault = Vault::greeting();
    let launch = redenv_run(&vault).file("mnt/here", "").program(["mnt/tool"]);
    let setup = "mount -t tmpfs -o noexec none mnt; cp /bin/true mnt/tool";
    assert_refused_unasked(
        isolated(launch, &["--mount"], setup),
        &vault,
        126,
        &[
            "error: mnt/tool can't be executed: its file system is mounted noexec",
            "hint: put it on a file system that is mounted without noexec",
        ],
    );
}

/// `/bin/true` with other bytes at `offset`.
fn program_with(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut program = fs::read("/bin/true").unwrap();
    program[offset..offset + bytes.len()].copy_from_slice(bytes);
    program
}

// `execvp` hands such a file to /bin/sh, which reads it as a script, with all secrets in the environment.
#[test]
fn what_the_kernel_refuses_is_126_and_never_read_by_a_shell() {
    let vault = Vault::greeting();
    let other = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    let a_command = b"echo ran by a shell\n\0";
    for content in [
        program_with(18, &u16::to_le_bytes(other)),
        program_with(18, &u16::to_le_bytes(243)),
        program_with(16, &[1]),
        program_with(0, &[])[..100].to_vec(),
        b"\x7fELF".iter().chain(a_command).copied().collect(),
        b"\x89PNG\r\n\x1a\n\0".iter().chain(a_command).copied().collect(),
        b"MZ\x90\0\n".iter().chain(a_command).copied().collect(),
        a_command.to_vec(),
    ] {
        let (launch, path) = write(redenv_run(&vault), "tool", &content, 0o755);
        let arch = std::env::consts::ARCH;
        let error = format!(
            "error: {} can't be executed: it is neither a program for this machine ({arch}) nor a script",
            path.display()
        );
        let hint =
            format!("hint: use a build for {arch}, or start the program that reads it, as in java -jar FILE");
        launch.program([path]).run().assert_failed(126, &[&error, &hint]);
    }
}

#[test]
fn a_program_with_a_registered_handler_is_executed() {
    let vault = Vault::greeting();
    let register = "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc\n\
                    echo ':redenv-test:M::redenv-test\\x00::/bin/echo:' >/proc/sys/fs/binfmt_misc/register";
    let (launch, path) = write(redenv_run(&vault), "tool", "redenv-test\0", 0o755);
    let expected = format!("{} argument\n", path.display());
    // A user namespace has handlers of its own since Linux 6.7.
    let options = ["--user", "--map-root-user", "--mount"];
    let outcome = isolated(launch.program([path.to_str().unwrap(), "argument"]), &options, register).run();
    let is_old = outcome.stderr.contains("binfmt_misc");
    assert!(is_old || outcome.stdout == expected, "{outcome:?}");
}

#[test]
fn a_script_without_an_interpreter_line_needs_a_shell() {
    let vault = Vault::greeting();
    // A `#!` line without a path is a comment to the shell.
    for first in ["echo one\n", "#!\necho one\n", "#! \t\necho one\n", ": grüße; echo one\n"] {
        let (launch, path) = write(redenv_run(&vault), "script", first, 0o755);
        launch.program([&path]).run().assert_ran("one\n");

        let (launch, path) = write(redenv_run(&vault), "script", first, 0o755);
        let error =
            format!("error: {} is a script without `#!`, and there is no /bin/sh to run it", path.display());
        let launch = isolated(launch.program([&path]), &["--mount"], "mount -t tmpfs none /bin");
        let hint = "hint: name its interpreter in the first line: #!/path/to/interpreter";
        launch.run().assert_failed(127, &[&error, hint]);
    }
}

#[test]
fn a_program_that_may_be_executed_but_not_read_is_executed() {
    let vault = Vault::greeting();
    let (launch, path) = write(redenv_run(&vault), "tool", fs::read("/bin/true").unwrap(), 0o111);
    launch.program([path]).bound_by_modes().run().assert_ran("");
}

#[test]
fn an_interpreter_that_is_missing_is_127_before_the_first_request() {
    let vault = Vault::greeting();
    for (line, interpreter, hint) in [
        (
            "#!/no/such/interpreter -x",
            "/no/such/interpreter",
            "install it, or correct the script's `#!` line",
        ),
        ("#! \t/no/such", "/no/such", "install it, or correct the script's `#!` line"),
        ("#!no/such", "no/such", "install it, or correct the script's `#!` line"),
        ("#!/bin/sh\r", "/bin/sh\\u{d}", "the script has Windows line endings: save it with LF"),
    ] {
        for (check, code) in [(None, 127), (Some("check"), 125)] {
            let script = format!("{line}\necho ran\n");
            let (launch, path) = write(redenv_run(&vault).args(check), "script", script, 0o755);
            let error =
                format!("error: the interpreter {interpreter} that {} names was not found", path.display());
            let hint = format!("hint: {hint}");
            assert_refused_unasked(launch.program([path]), &vault, code, &[&error, &hint]);
        }
    }
}

#[test]
fn an_interpreter_that_cannot_be_executed_is_126() {
    let vault = Vault::greeting();
    let foreign =
        format!("it is neither a program for this machine ({}) nor a script", std::env::consts::ARCH);
    for (content, mode, problem) in [
        (&b"#!/bin/sh\n"[..], 0o644, "it is not executable"),
        (&program_with(18, &[243, 0]), 0o755, &*foreign),
        (b"echo one\n", 0o755, &foreign),
    ] {
        let (launch, _) = write(redenv_run(&vault), "interpreter", content, mode);
        let (launch, script) = write(launch, "script", "#!./interpreter\necho ran\n", 0o755);
        let outcome = launch.program([script]).run();
        let error = format!("redenv-run: error: ./interpreter can't be executed: {problem}\n");
        assert_eq!((outcome.code(), outcome.stdout.as_str()), (Some(126), ""));
        assert!(outcome.stderr.starts_with(&error), "{}", outcome.stderr);
    }
    // An interpreter may be a script itself.
    let (launch, _) = write(redenv_run(&vault), "interpreter", "#!/bin/cat\n", 0o755);
    let (launch, script) = write(launch, "script", "#!./interpreter\n", 0o755);
    launch.program([script]).run().assert_ran("#!/bin/cat\n#!./interpreter\n");
}
