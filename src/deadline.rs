//! The deadline for everything before the exec.

use std::time::{Duration, Instant};

/// A point in time. It keeps the span from the start to this point, because messages show the span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    span: Duration,
}

impl Deadline {
    /// The deadline `span` after `start`.
    pub(crate) fn new(start: Instant, span: Duration) -> Self {
        // The clock can't hold every span: then the deadline never comes.
        let never = Duration::from_secs(60 * 60 * 24 * 365);
        let at = start.checked_add(span).unwrap_or(start + never);
        Self { at, span }
    }

    /// The time that is left: zero after the deadline.
    pub(crate) fn remaining(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// This deadline, or `span` from now if that is later.
    pub(crate) fn or_at_least(self, span: Duration) -> Self {
        Self { at: self.at.max(Instant::now() + span), ..self }
    }

    /// The time that is over.
    pub(crate) fn elapsed(self) -> Duration {
        self.span.saturating_sub(self.remaining())
    }

    /// The whole span.
    pub(crate) fn span(self) -> Duration {
        self.span
    }
}
