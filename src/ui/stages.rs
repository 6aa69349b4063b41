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

/// A span as `51.5 ms`. In whole numbers: what it takes to write fractions is not linked for this alone.
pub(crate) fn milliseconds(span: Duration) -> String {
    let tenths = u64::try_from((span.as_micros() + 50) / 100).unwrap_or(u64::MAX);
    format!("{}.{} ms", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_milliseconds_with_one_decimal() {
        for (nanoseconds, told) in
            [(0, "0.0 ms"), (49_999, "0.0 ms"), (50_000, "0.1 ms"), (51_449_000, "51.4 ms")]
        {
            assert_eq!(milliseconds(Duration::from_nanos(nanoseconds)), told);
        }
        assert_eq!(milliseconds(Duration::from_secs(10)), "10000.0 ms");
    }
}
