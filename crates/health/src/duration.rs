//! Durations in the configuration.

use std::time::Duration;

/// Microseconds of a duration, for arithmetic with timestamps.
pub(crate) fn as_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
