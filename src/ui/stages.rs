//! How long each stage took, for `-v` and `check`.

use std::time::{Duration, Instant};

/// The stages that are done, in their order.
#[derive(Debug)]
pub(crate) struct Stages {
    since: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Stages {
    /// Nothing done yet.
    pub(crate) fn new(start: Instant) -> Self {
        Self { since: start, done: Vec::with_capacity(8) }
    }

    /// What happened since the last call was this stage.
    pub(crate) fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.done.push((name, now - self.since));
        self.since = now;
    }

    /// Names and times.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        self.done.iter().copied()
    }
}
