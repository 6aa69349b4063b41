//! What can't become COMMAND is refused before the first request, and by its right name.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::exit_status::{assert_refused_unasked, vault, write};
use crate::support::isolated::isolated;
use crate::support::launcher::{Launcher, launcher};

/// Starts the launcher as one who is bound by the modes of files, though it be root.
fn bound_by_modes(launcher: Launcher) -> Launcher {
    if !rustix::process::geteuid().is_root() {
        return launcher;
    }
    let without = "-dac_override,-dac_read_search";
    let (bounding, inherited) = (format!("--bounding-set={without}"), format!("--inh-caps={without}"));
    launcher.through(["setpriv", &bounding, &inherited, "--"])
}

#[test]
fn a_command_that_is_in_no_directory_is_127_also_where_some_may_not_be_searched() {
    let vault = vault();
    let launch = launcher(&vault).file("closed/tool", "").file("shut/tool", "").file("open/other", "");
    let at = |name: &str| launch.directory().join(name).display().to_string();
    let (closed, shut) = (at("closed"), at("shut"));
    let path = [&closed, &at("open"), &shut, "/usr/bin"].join(":");
    for directory in [&closed, &shut] {
        fs::set_permissions(directory, PermissionsExt::from_mode(0o000)).unwrap();
    }
    let hint = format!("hint: this user may not search {closed} and {shut}, which PATH names");
    let launch = bound_by_modes(launch.env("PATH", path).program(["tool"]));
    assert_refused_unasked(launch, &vault, 127, &["error: tool was not found in PATH", &hint]);
}

#[test]
fn a_path_through_a_directory_that_may_not_be_searched_is_126() {
    let vault = vault();
    let launch = launcher(&vault).file("closed/tool", "");
    let closed = launch.directory().join("closed");
    fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).unwrap();
    let tool = closed.join("tool").display().to_string();
    let error = format!("error: {tool} can't be executed: a directory on the way to it can't be searched");
    assert_refused_unasked(bound_by_modes(launch.program([&tool])), &vault, 126, &[&error]);
}

#[test]
fn a_file_that_only_others_may_execute_is_not_to_be_made_executable() {
    let vault = vault();
    let (launch, path) = write(launcher(&vault), "tool", "#!/bin/sh\n", 0o077);
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        chown(&path, Some(65534), None).unwrap();
    }
    let error =
        format!("error: {} can't be executed: it is executable, but not by this user", path.display());
    assert_refused_unasked(bound_by_modes(launch.program([path])), &vault, 126, &[&error]);
}

#[test]
fn nothing_is_executed_from_a_file_system_that_is_mounted_noexec() {
    let vault = vault();
    let launch = launcher(&vault).file("mnt/here", "").program(["mnt/tool"]);
    let setup = "mount -t tmpfs -o noexec none mnt; cp /bin/true mnt/tool";
    assert_refused_unasked(
        isolated(launch, &["--mount"], setup),
        &vault,
        126,
        &[
            "error: mnt/tool can't be executed: its file system is mounted noexec",
            "hint: put it on a file system from which programs may be executed",
        ],
    );
}

/// `/bin/true` with other bytes at `offset`.
fn program_with(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut program = fs::read("/bin/true").unwrap();
    program[offset..offset + bytes.len()].copy_from_slice(bytes);
    program
}

/// Refused as COMMAND of a launch, and of `check`, before the first request.
#[track_caller]
fn assert_no_program(content: impl AsRef<[u8]>, status: i32, problem: &str, hint: &str) {
    let vault = vault();
    for check in [&[][..], &["check"]] {
        let (launch, path) = write(launcher(&vault).args(check), "tool", &content, 0o755);
        let error = format!("error: {}", problem.replace("FILE", path.to_str().unwrap()));
        let hint = format!("hint: {hint}");
        let status = if check.is_empty() { status } else { 125 };
        assert_refused_unasked(launch.program([path]), &vault, status, &[&error, &hint]);
    }
}

// Otherwise the C library hands it to /bin/sh, which reads it as a script, with all secrets.
#[test]
fn a_program_for_another_machine_is_126_and_no_script() {
    let this = std::env::consts::ARCH;
    let other = if this == "aarch64" { (62, "x86_64") } else { (183, "aarch64") };
    for (machine, name) in [other, (243, "riscv"), (22, "s390x"), (9999, "ELF machine 9999")] {
        assert_no_program(
            program_with(18, &u16::to_le_bytes(machine)),
            126,
            &format!("FILE can't be executed: it is built for another machine ({name})"),
            &format!("this machine needs a build for {this}"),
        );
    }
    for (offset, form) in [(4, "32-bit"), (5, "big-endian")] {
        let mut program = program_with(offset, &[[1, 2][offset - 4]]);
        if offset == 5 {
            program.swap(18, 19);
        }
        assert_no_program(
            program,
            126,
            &format!("FILE can't be executed: it is built for another machine ({this}, {form})"),
            &format!("this machine needs a build for {this}"),
        );
    }
}

#[test]
fn data_is_126_and_no_script() {
    let object = program_with(16, &[1]);
    let cut_off = &program_with(0, &[])[..100];
    let mach_o = b"\xcf\xfa\xed\xfe\x0c\0\0\x01";
    for data in [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &b"MZ\x90\0"[..], mach_o, b"\x7fELF", cut_off, &object] {
        assert_no_program(
            data,
            126,
            "FILE can't be executed: it is neither a program of this system nor a script",
            "put the program that reads it before it, as in java -jar FILE",
        );
    }
}

#[test]
fn a_script_without_an_interpreter_line_needs_a_shell() {
    let vault = vault();
    // An interpreter line that names none is a comment to the shell.
    for first in ["echo one\n", "#!\necho one\n", "#! \t\necho one\n", ": grüße; echo one\n"] {
        let (launch, path) = write(launcher(&vault), "script", first, 0o755);
        launch.program([&path]).run().assert_ran("one\n");

        let requests = vault.connections();
        let (launch, path) = write(launcher(&vault), "script", first, 0o755);
        let error =
            format!("error: {} is a script without `#!`, and there is no /bin/sh to run it", path.display());
        let launch = isolated(launch.program([&path]), &["--mount"], "mount -t tmpfs none /bin");
        let hint = "hint: let its first line name its interpreter: #!/path/to/interpreter";
        launch.run().assert_failed(127, &[&error, hint]);
        assert_eq!(vault.connections(), requests);
    }
}

#[test]
fn what_may_be_executed_and_not_read_is_executed() {
    let vault = vault();
    let (launch, path) = write(launcher(&vault), "tool", fs::read("/bin/true").unwrap(), 0o111);
    bound_by_modes(launch.program([path])).run().assert_ran("");
}

#[test]
fn an_interpreter_that_is_missing_is_seen_before_the_first_request() {
    for (line, interpreter, hint) in [
        (
            "#!/no/such/interpreter -x",
            "/no/such/interpreter",
            "install it, or correct the script's `#!` line",
        ),
        ("#!no/such", "no/such", "install it, or correct the script's `#!` line"),
        ("#!/bin/sh\r", "/bin/sh\\u{d}", "the script has Windows line endings: save it with LF alone"),
        // `env` is there, and what it looks for is not.
        ("#!/usr/bin/env sh\r", "sh\\u{d}", "the script has Windows line endings: save it with LF alone"),
    ] {
        let problem = format!("the interpreter {interpreter} that FILE names was not found");
        assert_no_program(format!("{line}\necho ran\n"), 127, &problem, hint);
    }
}

#[test]
fn an_interpreter_that_cannot_be_executed_is_126() {
    let vault = vault();
    let foreign = program_with(18, &[243, 0]);
    let build = format!("hint: this machine needs a build for {}", std::env::consts::ARCH);
    for (content, mode, problem, hint) in [
        (&b"#!/bin/sh\n"[..], 0o644, "it is not executable", Some("hint: chmod +x ./interpreter")),
        (&foreign, 0o755, "it is built for another machine (riscv)", Some(&*build)),
        (b"echo one\n", 0o755, "it is a script without `#!`, and no interpreter", None),
    ] {
        let (launch, _) = write(launcher(&vault), "interpreter", content, mode);
        let (launch, script) = write(launch, "script", "#!./interpreter\necho ran\n", 0o755);
        let error = format!("error: ./interpreter can't be executed: {problem}");
        let lines: Vec<&str> = std::iter::once(error.as_str()).chain(hint).collect();
        assert_refused_unasked(launch.program([script]), &vault, 126, &lines);
    }
    // An interpreter may be a script itself.
    let (launch, _) = write(launcher(&vault), "interpreter", "#!/bin/cat\n", 0o755);
    let (launch, script) = write(launch, "script", "#!./interpreter\n", 0o755);
    launch.program([script]).run().assert_ran("#!/bin/cat\n#!./interpreter\n");
}
