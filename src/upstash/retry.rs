//! Attempts inside the deadline: exponential back-off with full jitter, `Retry-After` honoured.

use std::thread;
use std::time::{Duration, SystemTime};

use ureq::http::HeaderMap;

use super::{Error, Patience, Progress, Retry, Transient, Upstash};
use crate::deadline::Deadline;
use crate::vault::crypto::random_bytes;

/// The ceiling of the first wait; it doubles with each attempt.
const FIRST: Duration = Duration::from_millis(100);
/// The ceiling of every wait.
const MOST: Duration = Duration::from_secs(5);
/// What an attempt is left of the deadline: without that much it is not begun.
const ROOM: Duration = Duration::from_millis(250);
/// Attempts at an unreachable store when a fallback is at hand: waits of 350 ms on average.
const FEW: u32 = 4;
/// Attempts at a host whose name nobody knows: most likely it is mistyped.
const UNKNOWN_NAME: u32 = 3;

impl Upstash {
    pub(super) fn with_retries(
        &self,
        deadline: Deadline,
        patience: Patience,
        observe: &mut dyn FnMut(Progress<'_>),
        mut attempt: impl FnMut(&mut dyn FnMut(Progress<'_>)) -> Result<Vec<u8>, Error>,
    ) -> Result<Vec<u8>, Error> {
        let mut before = None;
        for number in 1.. {
            let reason = match attempt(observe) {
                Err(Error::Transient(reason)) => reason,
                other => return other,
            };
            let peer = || Box::new(self.peer.clone());
            let remaining = deadline.remaining();
            if remaining > ROOM && gives_up(&reason, number, patience) {
                return Err(Error::Unreachable { peer: peer(), reason, attempts: number });
            }
            let Some(wait) = wait(number, reason.retry_after(), remaining) else {
                // An attempt that the deadline cut short says less than the one before it.
                let reason = before.filter(|_| matches!(reason, Transient::Timeout(_))).unwrap_or(reason);
                return Err(Error::Overdue { peer: peer(), span: deadline.span(), reason, attempts: number });
            };
            observe(Progress::Retry(Retry { attempt: number, reason: &reason, wait }));
            before = Some(reason);
            thread::sleep(wait);
        }
        unreachable!("the attempts are counted without end")
    }
}

fn gives_up(reason: &Transient, attempt: u32, patience: Patience) -> bool {
    let most = match patience {
        _ if reason.is_unknown_name() => UNKNOWN_NAME,
        Patience::FewAttempts if reason.is_unreachable() => FEW,
        _ => return false,
    };
    attempt >= most
}

/// The wait after attempt `number`: anything up to the ceiling, on top of what the store asked for. The
/// whole span is random ("full jitter"), so that launches that failed together don't come back together.
/// It leaves room for another attempt; `None` where there is none.
fn wait(number: u32, asked: Option<Duration>, remaining: Duration) -> Option<Duration> {
    let asked = asked.unwrap_or_default();
    let most = remaining.checked_sub(asked)?.checked_sub(ROOM)?;
    // Without randomness the launch can go on: the ceiling itself is a wait like any other.
    let part = random_bytes().map_or(1.0, |bytes| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX));
    Some(asked + ceiling(number).mul_f64(part).min(most))
}

/// The most that is waited after attempt `number`, which the store asks for nothing.
fn ceiling(number: u32) -> Duration {
    FIRST.saturating_mul(1 << (number - 1).min(16)).min(MOST)
}

/// `Retry-After`: seconds, or an HTTP date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
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
        // Of 200 at random each fifth of the span has some: none in it has a chance of 10^-19.
        for fifth in 0..5 {
            assert!(
                waits.iter().any(|wait| (fifth * 1000..=fifth * 1000 + 1000).contains(wait)),
                "{waits:?}"
            );
        }
    }

    #[test]
    fn what_the_store_asks_for_is_waited_at_least() {
        let asked = Duration::from_secs(3);
        for _ in 0..50 {
            let wait = wait(1, Some(asked), LONG).unwrap();
            assert!(wait >= asked && wait <= asked + ceiling(1), "{wait:?}");
        }
    }

    #[test]
    fn a_wait_leaves_room_for_another_attempt_where_there_is_any() {
        let remaining = ROOM + Duration::from_millis(100);
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
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        assert!(header(&soon).is_some_and(|wait| wait > Duration::from_secs(50)));
        for bad in ["soon", "-1", "1.5", ""] {
            assert_eq!(header(bad), None, "{bad}");
        }
    }
}
