//! A found file counts only if the right user owns it: whoever can put a file above a project must not choose
//! its secrets. Real owners need root; elsewhere these tests have nothing to try.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use crate::settings::{asked, vault, without};
use crate::support::launch::{Launch, said};
use crate::support::vault::Vault;

const NOBODY: u32 = 65534;
const USER: u32 = 1000;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A launch from `directory` below its working directory, in which every entry belongs to `owner`.
fn launch(vault: &Vault, files: &[(&str, &str)], directory: &str, owner: u32) -> Launch {
    let mut launch = without(vault, &["REDENV_PROJECT"]);
    for (name, content) in files {
        launch = launch.file(name, content);
    }
    fs::create_dir_all(launch.directory().join(directory)).unwrap();
    own_all(launch.directory(), owner);
    fs::set_permissions(launch.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let directory = launch.directory().join(directory);
    launch.command().current_dir(directory);
    launch
}

fn own_all(path: &Path, owner: u32) {
    lchown(path, Some(owner), Some(owner)).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own_all(&entry.unwrap().path(), owner);
        }
    }
}

/// A file's owner and mode, or a directory's.
fn set(launch: &Launch, name: &str, owner: u32, mode: u32) {
    let path = launch.directory().join(name);
    chown(&path, Some(owner), Some(owner)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Run as this user.
fn by(user: u32, launch: Launch) -> Launch {
    let id = user.to_string();
    launch.through(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"])
}

const CONFIG: (&str, &str) = ("redenv.config.json", r#"{"name": "planted", "environment": "production"}"#);
const LOCAL: (&str, &str) = (".env.local", "REDENV_PROJECT=planted\n");

const MISSING: [&str; 2] = [
    "error: REDENV_PROJECT is not set",
    "hint: set it with -p NAME, in REDENV_PROJECT, or as `name` in a redenv.config file here or above",
];

#[test]
fn a_strangers_project_file_above_does_not_choose_the_project() {
    if !is_root() {
        return;
    }
    let vault = vault();
    let launch = launch(&vault, &[CONFIG], "project", 0).program(["true"]);
    set(&launch, ".", 0, 0o777);
    set(&launch, CONFIG.0, NOBODY, 0o644);
    let path = launch.directory().canonicalize().unwrap().join(CONFIG.0);
    let skipped = format!(
        "warning: skipped {}: it belongs to user 65534; give the project and the environment with -p and -e",
        path.display()
    );
    launch.run().assert_failed(125, &[&skipped, MISSING[0], MISSING[1]]);
    assert_eq!(vault.connections(), 0);
}

#[test]
fn a_strangers_env_file_is_skipped_with_a_warning() {
    if !is_root() {
        return;
    }
    let vault = vault();
    let plant = || {
        let launch = launch(&vault, &[LOCAL], ".", 0);
        set(&launch, LOCAL.0, NOBODY, 0o666);
        launch
    };
    let skipped = "warning: skipped .env.local: it belongs to user 65534; use it with --env-file .env.local";
    plant().program(["true"]).run().assert_failed(125, &[skipped, MISSING[0], MISSING[1]]);
    // On purpose it is read.
    assert_eq!(asked(&vault, plant().args(["--env-file", ".env.local"])), "planted development");
    // The search goes on behind it.
    let above = launch(
        &vault,
        &[("a/.env.local", "REDENV_PROJECT=no\n"), (".env.local", "REDENV_PROJECT=above\n")],
        "a",
        0,
    );
    set(&above, "a/.env.local", NOBODY, 0o666);
    let outcome = above.arg("-v").program(["true"]).run();
    assert!(
        outcome.stderr.starts_with(&said(&[skipped, "project above, environment development"])),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_stranger_cannot_choose_a_file_with_a_link_or_stop_a_launch() {
    if !is_root() {
        return;
    }
    let vault = vault();
    let planted = |kind: &str| {
        let launch = launch(&vault, &[("other", LOCAL.1)], ".", 0);
        let path = launch.directory().join(LOCAL.0);
        match kind {
            "link" => symlink("other", &path).unwrap(),
            "pipe" => assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success()),
            _ => fs::write(&path, "not an env file").unwrap(),
        }
        lchown(&path, Some(NOBODY), None).unwrap();
        launch.env("REDENV_PROJECT", "acme")
    };
    let skipped = "warning: skipped .env.local: it belongs to user 65534; use it with --env-file .env.local";
    for kind in ["link", "pipe", "text"] {
        let outcome = planted(kind).program(["true"]).run();
        assert_eq!((outcome.code(), outcome.stderr), (Some(0), said(&[skipped])), "{kind}");
    }
    // Of a link of one's own, the file's owner counts as well.
    let launch = launch(&vault, &[("other", LOCAL.1)], ".", 0).env("REDENV_PROJECT", "acme");
    symlink("other", launch.directory().join(LOCAL.0)).unwrap();
    set(&launch, "other", NOBODY, 0o644);
    let outcome = launch.program(["true"]).run();
    assert_eq!((outcome.code(), outcome.stderr), (Some(0), said(&[skipped])));
}

#[test]
fn a_directory_of_another_user_ends_the_search() {
    if !is_root() {
        return;
    }
    let vault = vault();
    // The project is root's, in a directory of nobody's.
    let above = launch(&vault, &[LOCAL, CONFIG], "project", 0).program(["true"]);
    set(&above, ".", NOBODY, 0o755);
    above.run().assert_failed(125, &MISSING);
    // The project is a user's, in a directory of root's, as in /home and /srv.
    let above = launch(&vault, &[LOCAL, CONFIG], "project", 0);
    set(&above, "project", USER, 0o755);
    by(USER, above).program(["true"]).run().assert_failed(125, &MISSING);
}

/// Modes are not judged: only owners are.
#[test]
fn files_that_everyone_may_write_count_where_the_owner_is_right() {
    if !is_root() {
        return;
    }
    let vault = vault();
    // A umask of 002, and a mount from Windows, for the user and for root in a container.
    for (owner, user, file, directory) in [
        (USER, USER, 0o664, 0o775),
        (USER, USER, 0o777, 0o777),
        (USER, 0, 0o644, 0o755),
        (USER, 0, 0o777, 0o777),
        (0, USER, 0o777, 0o777),
        (0, 0, 0o664, 0o2775),
    ] {
        let launch = launch(&vault, &[LOCAL, CONFIG], "apps/web", owner);
        for name in [".", "apps", "apps/web"] {
            set(&launch, name, owner, directory);
        }
        set(&launch, LOCAL.0, owner, file);
        set(&launch, CONFIG.0, owner, file);
        assert_eq!(asked(&vault, by(user, launch)), "planted production", "{owner} {user} {file:o}");
    }
}

/// As on NFS, where the server shows root's files as nobody's, and as in a user namespace that maps no owner.
#[test]
fn files_count_that_belong_to_the_owner_of_their_directory() {
    if !is_root() {
        return;
    }
    let vault = vault();
    for user in [0, USER] {
        let launch = launch(&vault, &[LOCAL, CONFIG], "project/src", NOBODY);
        assert_eq!(asked(&vault, by(user, launch)), "planted production", "{user}");
    }
    // Root may put files into a user's directory.
    let launch = launch(&vault, &[LOCAL, CONFIG], ".", USER);
    set(&launch, LOCAL.0, 0, 0o644);
    assert_eq!(asked(&vault, by(USER, launch)), "planted production");
}
