//! Many launches at once with an Upstash that allows few requests per second.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::launch::redenv_run;
use crate::support::project::Project;
use crate::support::vault::{Response, Vault};

const LAUNCHES: usize = 200;
const REQUESTS_PER_SECOND: u32 = 50;

/// Each launch needs pipes and a connection. The default limit of macOS is 256 open files.
fn allow_open_files(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        let current = limit.maximum.map_or(count, |most| most.min(count));
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limit }).unwrap();
    }
}

/// Prints with `--nocapture` when they started.
#[test]
fn two_hundred_launches_start_although_upstash_allows_fifty_requests_a_second() {
    allow_open_files(4096);
    let vault = Vault::of(&Project::new("acme").secret("development", "GREETING", "hello"));
    vault.set_rate(Some(REQUESTS_PER_SECOND));
    // Refuses some launches even on a machine that starts fewer per second.
    vault.respond_next(LAUNCHES / 2, &Response::new(429));
    let begin = Instant::now();
    let mut times: Vec<Duration> = thread::scope(|all| {
        let launch = || {
            let launch = redenv_run(&vault).args(["--timeout", "120s"]);
            let launch = launch.program(["sh", "-c", "echo $GREETING"]);
            // Two hundred derivations at once must not make the other tests miss their deadlines.
            launch.through(["nice", "-n", "10"]).run().assert_ran("hello\n");
            begin.elapsed()
        };
        let launches: Vec<_> = (0..LAUNCHES).map(|_| all.spawn(launch)).collect();
        launches.into_iter().map(|launch| launch.join().unwrap()).collect()
    });
    times.sort();
    let requests = vault.requests().len();
    assert!(requests >= LAUNCHES + LAUNCHES / 2);
    println!("{LAUNCHES} launches, {requests} requests; started after so many seconds:");
    for percent in [0, 10, 25, 50, 75, 90, 100] {
        let time = times[(LAUNCHES - 1) * percent / 100];
        println!("{percent:>4}% {:>6.2}", time.as_secs_f64());
    }
}
