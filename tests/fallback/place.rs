//! The file's owner and mode, and errors of the system.

use std::fs;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
#[cfg(target_os = "linux")]
use std::time::Duration;

use tempfile::TempDir;

use super::{NOBODY, Place, project};
use crate::support::isolated::isolated;
use crate::support::launch::redenv_run;
use crate::support::vault::Response;

#[test]
fn a_file_that_others_may_write_is_neither_used_nor_replaced() {
    let place = Place::filled();
    let before = place.read();
    let both_ways = |why: &str| {
        place.come_back();
        place.assert_started_without_writing(place.greet(), why);
        place.go_down();
        place.assert_unusable(place.greet(), why);
        assert_eq!(place.read(), before);
    };
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(place.file(), Permissions::from_mode(mode)).unwrap();
        both_ways("other users may write it");
    }
    // Only root can give a file away, and only on Linux do the tests run as root.
    if !cfg!(target_os = "linux") {
        return;
    }
    fs::set_permissions(place.file(), Permissions::from_mode(0o600)).unwrap();
    lchown(place.file(), Some(NOBODY), None).expect("chown takes root");
    both_ways("it belongs to another user");
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_cannot_be_read_is_not_replaced() {
    let place = Place::new();
    fs::write(place.file(), "something precious").unwrap();
    fs::set_permissions(place.file(), Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(place.directory.path(), Permissions::from_mode(0o777)).unwrap();
    place.assert_started_without_writing(place.greet().by_nobody(), "cannot read it: permission denied");
    assert_eq!(place.read(), "something precious");
}

#[test]
fn the_users_own_symbolic_link_is_followed() {
    let place = Place::new();
    let target = place.directory.path().join("target");
    symlink(&target, place.file()).unwrap();
    fs::write(&target, "").unwrap();
    place.greet().run().assert_ran("hello world\n");
    assert!(fs::symlink_metadata(place.file()).unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().starts_with("redenv-run fallback 1\n"));
    place.go_down();
    place.assert_started_from_file(&place.greet().run(), "hello world\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_symbolic_link_of_another_user_is_not_followed() {
    let place = Place::filled();
    let target = place.directory.path().join("target");
    fs::rename(place.file(), &target).unwrap();
    symlink(&target, place.file()).unwrap();
    place.go_down();
    lchown(place.file(), Some(NOBODY), None).expect("chown takes root");
    let why = "it is another user's symbolic link";
    place.assert_unusable(place.greet(), why);
    place.come_back();
    let before = fs::read_to_string(&target).unwrap();
    place.assert_started_without_writing(place.greet(), why);
    assert_eq!(fs::read_to_string(&target).unwrap(), before);
    place.vault.respond_always(Some(Response::new(401)));
    assert_eq!(place.greet().run().code(), Some(125));
    assert!(target.exists(), "nothing is deleted through it");
}

#[test]
#[cfg(target_os = "linux")]
fn a_link_that_appears_during_the_fetch_is_not_followed() {
    let place = Place::new();
    let precious = place.directory.path().join("precious");
    fs::write(&precious, "something precious").unwrap();
    place.vault.set_delay(Duration::from_secs(1));
    let launch = place.greet();
    thread::scope(|both| {
        both.spawn(|| {
            place.vault.wait_for_requests(1);
            symlink(&precious, place.file()).unwrap();
            lchown(place.file(), Some(NOBODY), None).expect("chown takes root");
        });
        place.assert_started_without_writing(launch, "it is another user's symbolic link");
    });
    assert_eq!(fs::read_to_string(&precious).unwrap(), "something precious");
}

#[test]
fn anything_but_a_regular_file_is_left_alone_and_never_blocks() {
    let why = "it is not a regular file";
    let make: [fn(&Path); 4] = [
        |path| fs::create_dir(path).unwrap(),
        |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        |path| symlink("/dev/null", path).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
    ];
    for make in make {
        let place = Place::new();
        make(&place.file());
        place.assert_started_without_writing(place.greet(), why);
        place.go_down();
        place.assert_unusable(place.greet(), why);
    }
}

#[test]
fn a_launch_starts_although_the_directory_cannot_be_written() {
    let mut place = Place::new();
    let greet = |place: &Place| redenv_run(&place.vault).program(["sh", "-c", "echo $GREETING $NAME"]);
    let launch = greet(&place).env("REDENV_FALLBACK", "nowhere/fallback").run();
    assert_eq!(
        (launch.code(), launch.stdout.as_str(), launch.stderr.as_str()),
        (
            Some(0),
            "hello world\n",
            "redenv-run: warning: the fallback file nowhere/fallback is out of date: cannot write it: no such file or directory\n"
        )
    );
    if cfg!(target_os = "linux") {
        let mount = "mount -t tmpfs -o ro none \"${REDENV_FALLBACK%/*}\"";
        let launch = isolated(place.greet(), &["--mount"], mount);
        place.assert_started_without_writing(launch, "cannot write it: read-only file system");
    }
    // A file in the place of a directory is the same.
    let file = place.directory.path().join("file");
    fs::write(&file, "").unwrap();
    let launch = greet(&place).env("REDENV_FALLBACK", file.join("fallback")).run();
    assert_eq!((launch.code(), launch.stdout.as_str()), (Some(0), "hello world\n"));
    place.directory = TempDir::new().unwrap();
    place.greet().run().assert_ran("hello world\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_launch_on_a_full_disk_starts_and_leaves_nothing_behind() {
    let project = project().secret("development", "LONG", &"x".repeat(20_000));
    let place = Place::of(project);
    let disk = "cd \"${REDENV_FALLBACK%/*}\"; mount -t tmpfs -o size=8k none .; cd .";
    let script = "echo $GREETING $NAME; ls -A \"$DISK\"";
    let launch = place.redenv_run().env("DISK", place.directory.path()).program(["sh", "-c", script]);
    let launch = isolated(launch, &["--mount"], disk);
    place.assert_started_without_writing(launch, "cannot write it: no space left on device");
}

#[test]
fn a_launch_starts_despite_a_limit_on_file_sizes() {
    let place = Place::new();
    let launch = place.greet().after("ulimit -f 0");
    place.assert_started_without_writing(launch, "cannot write it: file too large");
}
