//! Moments as text.

use std::time::{SystemTime, UNIX_EPOCH};

use gix::date::Time;
use gix::date::time::format::ISO8601_STRICT;

/// A moment as RFC 3339 has it, in UTC and to the second: `2026-01-02T03:04:05Z`.
pub fn rfc3339(moment: SystemTime) -> String {
    let seconds = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = Time::new(i64::try_from(seconds).unwrap_or(i64::MAX), 0);
    time.format_or_unix(ISO8601_STRICT).replace("+00:00", "Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_582_934_399, "2020-02-28T23:59:59Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
