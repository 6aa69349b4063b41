//! Attempts inside the deadline: exponential back-off with full jitter, `Retry-After` honoured.

use std::thread;
use std::time::{Duration, SystemTime};

use ureq::http::HeaderMap;

use super::{Error, Patience, Retry, Transient, Upstash};
use crate::crypto::random_bytes;
use crate::deadline::Deadline;

/// The ceiling of the first wait; it doubles with each attempt.
const FIRST: Duration = Duration::from_millis(100);
/// The ceiling of every wait.
const MOST: Duration = Duration::from_secs(5);
/// An attempt of so little time is not begun.
const TOO_SHORT: Duration = Duration::from_millis(5);
/// Attempts at an unreachable store when a fallback is at hand: waits of 350 ms on average.
const FEW: u32 = 4;
/// Attempts at a host whose name nobody knows: most likely it is mistyped.
const UNKNOWN_NAME: u32 = 3;

impl Upstash {
    pub(super) fn with_retries(
        &self,
        deadline: Deadline,
        patience: Patience,
        observe: &mut dyn FnMut(&Retry<'_>),
        mut attempt: impl FnMut(&Self) -> Result<Vec<u8>, Error>,
    ) -> Result<Vec<u8>, Error> {
        let mut before = None;
        for number in 1.. {
            let reason = match attempt(self) {
                Err(Error::Transient(reason)) => reason,
                other => return other,
            };
            let overdue = deadline.remaining() < TOO_SHORT;
            if !overdue && gives_up(&reason, number, patience) {
                return Err(Error::Unreachable { host: self.host().into(), reason, attempts: number });
            }
            let wait = wait(number, reason.retry_after());
            if overdue || wait >= deadline.remaining() {
                // An attempt that the deadline cut short says less than the one before it.
                let reason = before.filter(|_| matches!(reason, Transient::Timeout(_))).unwrap_or(reason);
                let span = deadline.span();
                return Err(Error::Overdue { host: self.host().into(), span, reason, attempts: number });
            }
            observe(&Retry { attempt: number, reason: &reason, wait });
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

/// The wait after attempt `number`: anything up to a ceiling that doubles, on top of what the store
/// asked for. The whole span is random ("full jitter"), so that launches that failed together don't
/// come back together.
fn wait(number: u32, asked: Option<Duration>) -> Duration {
    let ceiling = FIRST.saturating_mul(1 << (number - 1).min(16)).min(MOST);
    // Without randomness the launch can go on: the ceiling itself is a wait like any other.
    let part = random_bytes().map_or(1.0, |bytes| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX));
    asked.unwrap_or_default().saturating_add(ceiling.mul_f64(part))
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

    #[test]
    fn the_ceiling_doubles_and_ends_at_five_seconds() {
        for (attempt, ceiling) in [(1, 100), (2, 200), (3, 400), (6, 3200), (7, 5000), (4_000_000, 5000)] {
            for _ in 0..50 {
                assert!(wait(attempt, None) <= Duration::from_millis(ceiling), "attempt {attempt}");
            }
        }
    }

    #[test]
    fn what_the_store_asks_for_is_waited_at_least() {
        for _ in 0..50 {
            assert!(wait(1, Some(Duration::from_secs(3))) >= Duration::from_secs(3));
            assert!(wait(7, Some(Duration::from_secs(u64::MAX))) >= Duration::from_secs(u64::MAX));
        }
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
