//! The time that each stage took, for `-v` and `check`.

use std::fmt;
use std::time::Instant;

use serde::Serialize;

/// The finished stages, in order.
#[derive(Serialize, Debug)]
#[serde(transparent)]
pub(crate) struct Stages {
    #[serde(skip)]
    since: Instant,
    done: Vec<Stage>,
}

/// A finished stage.
#[derive(Serialize, Debug)]
struct Stage {
    name: &'static str,
    /// Its time, to the microsecond.
    milliseconds: f64,
}

impl Stages {
    /// No stage is finished yet.
    pub(crate) fn new(start: Instant) -> Self {
        Self { since: start, done: Vec::with_capacity(8) }
    }

    /// Ends the current stage. The next stage begins now.
    pub(crate) fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        let milliseconds = ((now - self.since).as_secs_f64() * 1e6).round() / 1e3;
        self.done.push(Stage { name, milliseconds });
        self.since = now;
    }

    /// The names and times, such as `settings 0.5 ms, fetch 20.1 ms`.
    pub(crate) fn list(&self) -> String {
        let stages = self.done.iter().map(|stage| format!("{} {:.1} ms", stage.name, stage.milliseconds));
        stages.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Stages {
    /// The names, the times, and the total time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: f64 = self.done.iter().map(|stage| stage.milliseconds).sum();
        write!(f, "{}, total {total:.1} ms", self.list())
    }
}
