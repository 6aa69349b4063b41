//! A launch under tight limits, without standard streams, stopped for a while, or signalled at any moment.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::isolated::isolated;
use crate::support::launch::{Launch, redenv_run};
use crate::support::project::Project;
use crate::support::vault::{Certificate, Vault};

/// The command's own exit code.
const OWN: i32 = 7;
const ENDING: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];
/// A launch that takes longer hangs.
const HANGS: Duration = Duration::from_secs(30);

#[test]
fn four_descriptors_and_20_mb_of_address_space_are_enough() {
    let project = Project::new("acme").secret("development", "GREETING", "hello");
    let vault = Vault::builder().project(&project).tls(Certificate::Valid).start();
    for limit in ["ulimit -n 4", "ulimit -v 20000", "ulimit -n 4; ulimit -v 20000"] {
        redenv_run(&vault).program(["printenv", "GREETING"]).after(limit).run().assert_ran("hello\n");
    }
}

// Rust opens /dev/null in place of each before `main`, so that no other file becomes the command's stream.
#[test]
fn closed_standard_streams_are_no_obstacle() {
    let vault = Vault::greeting();
    for closed in 0..8 {
        let is_closed = |stream: usize| closed & (1 << stream) != 0;
        let close: Vec<&str> =
            (0..3).filter(|stream| is_closed(*stream)).map(|stream| ["<&-", ">&-", "2>&-"][stream]).collect();
        let setup = format!("exec {}", close.join(" "));
        let script =
            "streams=$(for stream in 0 1 2; do readlink /proc/$$/fd/$stream; done); echo \"$streams\" >streams
             echo $GREETING >told";
        let mut launch = redenv_run(&vault).program(["sh", "-c", script]).after(&setup);
        assert!(end(start(&mut launch)).success(), "{setup}");
        let read = |name: &str| fs::read_to_string(launch.directory().join(name)).unwrap();
        assert_eq!(read("told"), "hello\n", "{setup}");
        for (stream, target) in read("streams").lines().enumerate() {
            let expected = if is_closed(stream) { "/dev/null" } else { "pipe:" };
            assert!(target.starts_with(expected), "{setup}: stream {stream} is {target}");
        }
        // An error that nobody can see is still an error.
        let mut failing = redenv_run(&vault).env_remove("REDENV_TOKEN_ID").program(["true"]).after(&setup);
        assert_eq!(end(start(&mut failing)).code(), Some(125), "{setup}");
    }
}

#[test]
fn a_stop_longer_than_the_deadline_ends_in_a_timeout_or_a_launch() {
    let vault = Vault::greeting();
    for (delay, may_run) in [(Duration::from_secs(60), false), (Duration::from_millis(300), true)] {
        vault.set_delay(delay);
        let asked = vault.requests().len();
        let mut launch =
            redenv_run(&vault).args(["--timeout", "1s"]).program(["sh", "-c", &format!("exit {OWN}")]);
        let child = start(&mut launch);
        vault.wait_for_requests(asked + 1);
        kill_process(pid(child.id()), Signal::STOP).unwrap();
        thread::sleep(Duration::from_millis(1500));
        kill_process(pid(child.id()), Signal::CONT).unwrap();
        let start = Instant::now();
        let code = end(child).code();
        assert!(code == Some(125) || may_run && code == Some(OWN), "{code:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

/// Launches, with a signal each at a random moment.
struct Shots {
    /// How many are still to be started.
    left: AtomicUsize,
    /// How many a signal ended.
    hit: AtomicUsize,
    /// How long the last launch took that no signal ended, in microseconds. The signals are spread over it.
    usual: AtomicU64,
}

/// Starts `count` launches, each with the process that gets the signal, and checks how they end.
#[track_caller]
fn assert_each_ends(
    count: usize,
    launch: impl Fn() -> Launch + Sync,
    target: impl Fn(&mut Child) -> Option<Pid> + Sync,
    is_ended: impl Fn(ExitStatus, Signal) -> bool + Sync,
) {
    let seed = fastrand::u64(..);
    let begin = Instant::now();
    assert_eq!(end(start(&mut launch())).code(), Some(OWN));
    let usual = AtomicU64::new(u64::try_from(begin.elapsed().as_micros()).unwrap());
    let shots = Shots { left: AtomicUsize::new(count), hit: AtomicUsize::new(0), usual };
    let shoot = |mut random: fastrand::Rng| {
        while shots
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .is_ok()
        {
            let signal = random.choice(ENDING).unwrap();
            let mut launch = launch();
            let mut child = start(&mut launch);
            let start = Instant::now();
            let moment = random.u64(..shots.usual.load(Ordering::Relaxed) * 5 / 4);
            if let Some(pid) = target(&mut child) {
                thread::sleep(Duration::from_micros(moment).saturating_sub(start.elapsed()));
                // It may have ended, and nobody has asked for its exit code yet.
                let _ = kill_process(pid, signal);
            }
            let status = end(child);
            if status.code() == Some(OWN) {
                let took = u64::try_from(start.elapsed().as_micros()).unwrap();
                shots.usual.store(took, Ordering::Relaxed);
                continue;
            }
            assert!(is_ended(status, signal), "{signal:?} after {moment} us ended in {status}; seed {seed}");
            shots.hit.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for worker in 0..3 {
            scope.spawn(move || shoot(fastrand::Rng::with_seed(seed + worker)));
        }
    });
    let hit = shots.hit.into_inner();
    assert!(hit > count / 4, "only {hit} of {count} signals met a launch; seed {seed}");
}

#[test]
fn a_signal_at_any_moment_ends_the_launch() {
    let vault = Vault::greeting();
    let launch = || redenv_run(&vault).program(["sh", "-c", &format!("exit {OWN}")]);
    let is_ended = |status: ExitStatus, signal: Signal| status.signal() == Some(signal.as_raw());
    assert_each_ends(150, launch, |child| Some(pid(child.id())), is_ended);
}

#[test]
fn a_signal_at_any_moment_ends_the_launch_as_process_1() {
    let vault = Vault::greeting();
    let launch = || {
        let launch = redenv_run(&vault).program(["sh", "-c", &format!("exit {OWN}")]);
        isolated(launch, &["--pid", "--fork", "--kill-child"], ":")
    };
    let is_ended = |status: ExitStatus, signal: Signal| status.code() == Some(128 + signal.as_raw());
    let process_1 = |unshare: &mut Child| {
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        while unshare.try_wait().unwrap().is_none() {
            if let Some(child) = fs::read_to_string(&children).ok().and_then(|text| text.trim().parse().ok())
            {
                return Some(pid(child));
            }
        }
        None
    };
    assert_each_ends(150, launch, process_1, is_ended);
}

fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).unwrap()
}

fn start(launch: &mut Launch) -> Child {
    let command = launch.command().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// How it ended.
fn end(mut child: Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > HANGS {
            child.kill().unwrap();
            panic!("the launch hangs");
        }
        thread::sleep(Duration::from_millis(1));
    }
}
