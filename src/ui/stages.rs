//! The time that each stage took, for `-v` and `check`.

use std::fmt;
use std::time::{Duration, Instant};

/// The finished stages, in order.
#[derive(Debug)]
pub(crate) struct Stages {
    since: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Stages {
    /// No stage is finished yet.
    pub(crate) fn new(start: Instant) -> Self {
        Self { since: start, done: Vec::with_capacity(8) }
    }

    /// Ends a stage, which began when the one before it ended.
    pub(crate) fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.done.push((name, now - self.since));
        self.since = now;
    }

    /// The names and times.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        self.done.iter().copied()
    }
}

impl fmt::Display for Stages {
    /// Such as `settings 0.5 ms, fetch 20.1 ms, total 20.6 ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.done.iter().map(|(_, time)| *time).sum();
        for (name, time) in self.iter() {
            write!(f, "{name} {:.1} ms, ", time.as_secs_f64() * 1e3)?;
        }
        write!(f, "total {:.1} ms", Duration::as_secs_f64(&total) * 1e3)
    }
}
