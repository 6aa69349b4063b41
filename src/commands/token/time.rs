//! The local time.

use std::time::{SystemTime, UNIX_EPOCH};

use tz::{DateTime, TimeZone};

use crate::child::environment::Environment;

/// The zone that times are shown in.
pub(super) struct Zone(TimeZone);

impl Zone {
    /// The zone of `TZ`, or else the system's; UTC where neither can be read, as the C library does.
    pub(super) fn local(environment: &Environment) -> Self {
        let zone = match environment.get(std::ffi::OsStr::new("TZ")).map(|tz| tz.to_str()) {
            Some(Some(tz)) if !tz.is_empty() => TimeZone::from_posix_tz(tz),
            Some(_) => Ok(TimeZone::utc()),
            None => TimeZone::local(),
        };
        Self(zone.unwrap_or_else(|_| TimeZone::utc()))
    }

    /// `2026-01-16 10:21`; `None` for a time that no calendar of this zone has.
    pub(super) fn show(&self, time: SystemTime) -> Option<String> {
        let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let time = DateTime::from_timespec(i64::try_from(seconds).ok()?, 0, self.0.as_ref()).ok()?;
        Some(format!(
            "{:04}-{:02}-{:02} {:02}:{:02}",
            time.year(),
            time.month(),
            time.month_day(),
            time.hour(),
            time.minute()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_zone_of_tz() {
        let time = humantime::parse_rfc3339("2026-07-01T22:30:17Z").unwrap();
        for (tz, shown) in [
            ("UTC0", "2026-07-01 22:30"),
            ("", "2026-07-01 22:30"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-02 00:30"),
            ("<-0330>3:30", "2026-07-01 19:00"),
            ("No/Such_Zone", "2026-07-01 22:30"),
        ] {
            let environment = [("TZ".into(), tz.into())].into_iter().collect();
            assert_eq!(Zone::local(&environment).show(time).as_deref(), Some(shown), "{tz}");
        }
    }
}
