//! Faults that a test can switch on while the vault runs.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::http::{Pace, Response};

#[derive(Default)]
pub struct Faults {
    pub delay: Duration,
    pub pace: Pace,
    pub next: VecDeque<Response>,
    pub always: Option<Response>,
    /// Executes this many requests that contain the text, and loses their answers.
    pub lost: (String, usize),
    /// Turns the body of each answer into the bytes of a whole HTTP response.
    pub framing: Option<Framing>,
    /// Closes TLS connections without a `close_notify`.
    pub hangs_up: bool,
    rate: Option<Rate>,
}

pub type Framing = fn(&[u8]) -> Vec<u8>;

struct Rate {
    per_second: u32,
    second: Instant,
    taken: u32,
}

impl Faults {
    pub fn limit(&mut self, per_second: Option<u32>) {
        self.rate = per_second.map(|per_second| Rate { per_second, second: Instant::now(), taken: 0 });
    }

    /// True when the answer to a request with this body is lost.
    pub fn loses(&mut self, body: &str) -> bool {
        let lost = self.lost.1 > 0 && body.contains(&self.lost.0);
        self.lost.1 -= usize::from(lost);
        lost
    }

    /// The response to send instead of the real one.
    pub fn instead(&mut self) -> Option<Response> {
        if let Some(response) = self.next.pop_front() {
            return Some(response);
        }
        if let Some(response) = &self.always {
            return Some(response.clone());
        }
        let rate = self.rate.as_mut()?;
        if rate.second.elapsed() >= Duration::from_secs(1) {
            rate.second = Instant::now();
            rate.taken = 0;
        }
        rate.taken += 1;
        (rate.taken > rate.per_second).then(|| Response::new(429).body(r#"{"error":"Too Many Requests"}"#))
    }
}
