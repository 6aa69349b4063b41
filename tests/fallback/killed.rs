//! A launch that is killed while it writes the fallback file leaves the old file, or the new one, and no other.

use std::fs;
use std::thread;
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::fs::{FlockOperation, flock};

use super::{Place, project};
use crate::support::launch::{Launch, redenv_run};
use crate::support::vault::{Response, Vault};

/// The launch under strace, which kills it at the beginning of its first `call`.
fn killed_at(call: &str, launch: Launch) -> Launch {
    let inject = format!("inject={call}:signal=KILL:when=1");
    launch.through([
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &format!("trace={call}"),
        "-e",
        &inject,
        "--",
    ])
}

fn files(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.directory.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
#[cfg(target_os = "linux")]
fn a_launch_killed_while_it_writes_leaves_only_the_old_file() {
    for call in ["fchmod", "fsync", "linkat"] {
        let place = Place::new();
        let outcome = killed_at(call, place.greet()).run();
        assert_eq!(outcome.stdout, "", "{call}: {}", outcome.stderr);
        assert_eq!(files(&place), [] as [&str; 0], "{call}");

        let place = Place::filled();
        let before = place.read();
        assert_eq!(killed_at(call, place.greet()).run().stdout, "");
        assert_eq!((files(&place), place.read()), (vec!["fallback".to_owned()], before), "{call}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_leftover_of_a_killed_launch_is_removed_by_a_later_one() {
    let place = Place::filled();
    assert_eq!(killed_at("/^rename", place.greet()).run().stdout, "");
    let leftover = files(&place)[0].clone();
    assert!(leftover.starts_with(".fallback."), "{leftover}");
    // A launch that is still running holds a lock on its temporary file.
    let running = fs::File::open(place.directory.path().join(&leftover)).unwrap();
    flock(&running, FlockOperation::LockExclusive).unwrap();
    place.greet().run().assert_ran("hello world\n");
    assert_eq!(files(&place), [leftover.as_str(), "fallback"]);
    drop(running);
    place.greet().run().assert_ran("hello world\n");
    assert_eq!(files(&place), ["fallback"]);
}

#[test]
fn a_hundred_launches_at_once_with_kills_among_them_leave_one_usable_file() {
    const LAUNCHES: u64 = 100;
    let place = Place::filled();
    let down = Vault::of(&project());
    down.respond_always(Some(Response::new(503).header("Retry-After", "1000")));
    let read = || {
        let launch = redenv_run(&down).env("REDENV_FALLBACK", place.file());
        let launch = launch.args(["--offline", "--timeout", "60s"]);
        launch.program(["sh", "-c", "echo $GREETING $NAME"]).run().assert_ran("hello world\n");
    };
    thread::scope(|all| {
        for number in 0..LAUNCHES {
            let place = &place;
            all.spawn(move || {
                let mut launch = place.greet().env("REDENV_TIMEOUT", "60s");
                let mut child = launch.command().stdout(std::process::Stdio::null()).spawn().unwrap();
                // Every second one is killed, at moments from its start to beyond its end.
                if number % 2 == 0 {
                    thread::sleep(Duration::from_millis(number * 30));
                    drop(child.kill());
                }
                child.wait().unwrap();
            });
            if number % 10 == 0 {
                all.spawn(read);
            }
        }
    });
    read();
    // A launch that was killed just before the rename left a file for the next one to remove.
    place.greet().run().assert_ran("hello world\n");
    assert_eq!(files(&place), ["fallback"]);
}
