//! What can't become COMMAND is refused before the first request, and by its right name.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

use crate::support::isolated::isolated;
use crate::support::launcher::{Launcher, launcher};
use crate::support::project::Project;
use crate::support::vault::Vault;

fn vault() -> Vault {
    Vault::of(&Project::new("acme").secret("development", "GREETING", "hello"))
}

/// Writes a file with this mode into the launcher's directory and gives its path.
fn write(launcher: Launcher, name: &str, content: impl AsRef<[u8]>, mode: u32) -> (Launcher, PathBuf) {
    let launcher = launcher.file(name, content);
    let path = launcher.directory().join(name);
    fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    (launcher, path)
}

/// Starts the launcher as one who is bound by the modes of files, though it be root.
fn bound_by_modes(launcher: Launcher) -> Launcher {
    if !rustix::process::geteuid().is_root() {
        return launcher;
    }
    let without = "-dac_override,-dac_read_search";
    let (bounding, inherited) = (format!("--bounding-set={without}"), format!("--inh-caps={without}"));
    launcher.through(["setpriv", &bounding, &inherited, "--"])
}

#[track_caller]
fn assert_refused_unasked(launcher: Launcher, vault: &Vault, status: i32, lines: &[&str]) {
    launcher.run().assert_failed(status, lines);
    assert_eq!(vault.connections(), 0);
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
