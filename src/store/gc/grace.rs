//! How long what nothing needs is kept, as people write it.

use std::str::FromStr;
use std::time::Duration;

const HOUR: u64 = 60 * 60;

/// A grace period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace(Duration);

impl Grace {
    /// As long as git keeps its own.
    pub const DEFAULT: Self = Self(Duration::from_secs(14 * 24 * HOUR));

    /// As a span of time.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

/// A text that is no span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a time such as `14 days`, `2w`, `12h`, `now` or `never`")]
pub struct ParseGraceError(String);

impl FromStr for Grace {
    type Err = ParseGraceError;

    /// A number of days, or of the unit that follows; `now` and `never`, as in git's own settings.
    fn from_str(text: &str) -> Result<Self, ParseGraceError> {
        let error = || ParseGraceError(text.to_owned());
        let lower = text.trim().to_ascii_lowercase();
        match &*lower {
            "now" => return Ok(Self(Duration::ZERO)),
            "never" => return Ok(Self(Duration::MAX)),
            _ => {}
        }
        let (number, unit) = lower.split_at(lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len()));
        let hours = match unit.trim_matches([' ', '.']).trim_end_matches(".ago").trim_end_matches('s') {
            "h" | "hour" => 1,
            "" | "d" | "day" => 24,
            "w" | "week" => 7 * 24,
            "month" => 30 * 24,
            "y" | "year" => 365 * 24,
            _ => return Err(error()),
        };
        let count: u64 = number.parse().map_err(|_| error())?;
        count.checked_mul(hours * HOUR).map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_and_git_write_it() {
        let hours = |text: &str| text.parse::<Grace>().map(|grace| grace.0.as_secs() / HOUR);
        for (text, expected) in [
            ("14", 14 * 24),
            ("0", 0),
            ("now", 0),
            ("14 days", 14 * 24),
            ("1.day", 24),
            ("2.weeks.ago", 14 * 24),
            ("2w", 14 * 24),
            ("12h", 12),
            ("1 Month", 30 * 24),
        ] {
            assert_eq!(hours(text), Ok(expected), "{text}");
        }
        for text in ["", "days", "-1", "1.5", "14 sheep", "99999999999999999999"] {
            assert!(hours(text).is_err(), "{text}");
        }
        assert_eq!("never".parse(), Ok(Grace(Duration::MAX)));
    }
}
