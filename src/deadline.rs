//! The one deadline over everything before the exec.

use std::time::{Duration, Instant};

/// A point in time, and the span it was made from, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    span: Duration,
}

impl Deadline {
    /// The deadline `span` after `start`.
    pub(crate) fn new(start: Instant, span: Duration) -> Self {
        // A span beyond what the clock can hold is a deadline that never comes.
        let never = Duration::from_secs(60 * 60 * 24 * 365);
        let at = start.checked_add(span).unwrap_or(start + never);
        Self { at, span }
    }

    /// What is left: zero when it has passed.
    pub(crate) fn remaining(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// This deadline, or `span` from now where that is later.
    pub(crate) fn or_at_least(self, span: Duration) -> Self {
        Self { at: self.at.max(Instant::now() + span), ..self }
    }

    /// The whole span it was made from.
    pub(crate) fn span(self) -> Duration {
        self.span
    }
}
