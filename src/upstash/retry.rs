//! Attempts inside the deadline, with exponential back-off, full jitter and `Retry-After`.

use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use ureq::http::HeaderMap;

use super::Upstash;
use super::error::{Error, Trouble};
use super::outage::{Outage, Transient};
use crate::deadline::Deadline;
use crate::ui::text::Shown;

/// The ceiling of the first wait; it doubles with each attempt.
const FIRST: Duration = Duration::from_millis(100);
/// The ceiling of every wait.
const MOST: Duration = Duration::from_secs(5);
/// An attempt starts only if this much time is left until the deadline.
const MARGIN: Duration = Duration::from_millis(250);
/// Attempts when a fallback file is usable: 350 ms of waiting on average.
const FEW: u32 = 4;
/// Attempts when the host's name is unknown: most likely it is mistyped.
const UNKNOWN_NAME: u32 = 3;

/// How long to try an unreachable database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Patience {
    UntilDeadline,
    /// A fallback file is usable.
    FewAttempts,
}

impl Upstash {
    /// Runs `attempt` until it succeeds, can't succeed, or the deadline leaves no time for another.
    pub(super) fn with_retries(
        &self,
        deadline: Deadline,
        patience: Patience,
        on_retry: &mut dyn FnMut(String),
        mut attempt: impl FnMut() -> Result<Vec<u8>, Trouble>,
    ) -> Result<Vec<u8>, Error> {
        let host = &self.peer.host;
        let mut before = None;
        for number in 1.. {
            let reason = match attempt() {
                Ok(answer) => return Ok(answer),
                Err(Trouble::Permanent(problem)) => {
                    return Err(Error::Request { host: host.clone(), problem });
                }
                Err(Trouble::Transient(reason)) => reason,
            };
            let outage = |reason, within| {
                Error::Outage(Box::new(Outage { peer: self.peer.clone(), within, reason, attempts: number }))
            };
            let remaining = deadline.remaining();
            if remaining > MARGIN && gives_up(&reason, number, patience) {
                return Err(outage(reason, None));
            }
            let Some(wait) = wait(number, reason.retry_after(), remaining) else {
                // An attempt that the deadline cut short says less than the one before it.
                let reason = before.filter(|_| reason.is_cut_short()).unwrap_or(reason);
                return Err(outage(reason, Some(deadline.span())));
            };
            let (host, milliseconds) = (Shown(host), wait.as_millis());
            on_retry(format!(
                "attempt {number} at {host} failed: {reason}; next attempt in {milliseconds} ms"
            ));
            before = Some(reason);
            thread::sleep(wait);
        }
        unreachable!("the attempts are counted without end")
    }
}

fn gives_up(reason: &Transient, attempt: u32, patience: Patience) -> bool {
    let most = match (reason, patience) {
        (Transient::UnknownName, _) => UNKNOWN_NAME,
        (Transient::Status { .. }, _) | (_, Patience::UntilDeadline) => return false,
        (_, Patience::FewAttempts) => FEW,
    };
    attempt >= most
}

/// The wait after attempt `number`: the wait that Upstash asks for, plus a random time up to the ceiling. The
/// whole span is random ("full jitter"), so launches that failed together don't return together. The wait
/// leaves time for another attempt; `None` if there is no time left.
fn wait(number: u32, asked: Option<Duration>, remaining: Duration) -> Option<Duration> {
    let asked = asked.unwrap_or_default();
    let most = remaining.checked_sub(asked)?.checked_sub(MARGIN)?;
    Some(asked + ceiling(number).mul_f64(fastrand::f64()).min(most))
}

/// The longest wait after attempt `number` when Upstash asks for none.
fn ceiling(number: u32) -> Duration {
    FIRST.saturating_mul(1 << (number - 1).min(16)).min(MOST)
}

/// `Retry-After`: seconds, or an HTTP date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(value).ok()?;
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(100);

    #[test]
    fn the_ceiling_doubles_and_ends_at_five_seconds() {
        let steps = [(1, 100), (2, 200), (3, 400), (4, 800), (6, 3200), (7, 5000), (4_000_000, 5000)];
        for (attempt, milliseconds) in steps {
            assert_eq!(ceiling(attempt), Duration::from_millis(milliseconds), "attempt {attempt}");
        }
    }

    #[test]
    fn waits_are_spread_under_their_ceiling() {
        let waits: Vec<_> = (0..200).map(|_| wait(7, None, LONG).unwrap().as_millis()).collect();
        assert!(waits.iter().all(|wait| *wait <= 5000));
        // Of 200 random waits some fall into each fifth of the span: the chance that none does is 10^-19.
        for fifth in 0..5 {
            assert!(
                waits.iter().any(|wait| (fifth * 1000..=fifth * 1000 + 1000).contains(wait)),
                "{waits:?}"
            );
        }
    }

    #[test]
    fn the_wait_that_upstash_asks_for_is_kept() {
        let asked = Duration::from_secs(3);
        for _ in 0..50 {
            let wait = wait(1, Some(asked), LONG).unwrap();
            assert!(wait >= asked && wait <= asked + ceiling(1), "{wait:?}");
        }
    }

    #[test]
    fn a_wait_leaves_room_for_another_attempt() {
        let remaining = MARGIN + Duration::from_millis(100);
        for _ in 0..50 {
            assert!(wait(7, None, remaining).unwrap() <= Duration::from_millis(100));
        }
        assert_eq!(wait(1, Some(Duration::from_millis(101)), remaining), None);
        assert_eq!(wait(7, Some(Duration::from_secs(u64::MAX)), LONG), None);
        assert_eq!(wait(1, None, Duration::from_millis(249)), None);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let header = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(header("7"), Some(Duration::from_secs(7)));
        assert_eq!(header("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let soon = (Timestamp::now() + Duration::from_secs(60)).strftime("%a, %d %b %Y %T GMT").to_string();
        assert!(header(&soon).is_some_and(|wait| wait > Duration::from_secs(50)));
        for bad in ["soon", "-1", "1.5", ""] {
            assert_eq!(header(bad), None, "{bad}");
        }
    }
}
