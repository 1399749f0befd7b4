//! Durations in configuration: a number with a unit, such as `30s`, `5m`, `1h30m`, `2d` or `1w`.
//!
//! A bare number is refused: nobody can see whether it counts seconds, minutes or evaluations.

use std::time::Duration;

use dragline_schema::{Timestamp, parse_duration};
use serde::{Deserialize, Deserializer, Serializer};

/// The units, longest first, with their length in seconds.
const UNITS: [(&str, u64); 5] = [
    ("w", 7 * 86_400),
    ("d", 86_400),
    ("h", 3_600),
    ("m", 60),
    ("s", 1),
];

/// Parses `1h30m` and its like.
///
/// ```
/// use std::time::Duration;
/// use dragline_alerting::duration;
///
/// assert_eq!(duration::parse("1h30m"), Ok(Duration::from_secs(5400)));
/// assert!(duration::parse("300").unwrap_err().contains("300s"));
/// ```
///
/// # Errors
/// When the text is no duration; the message says what to write.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "duration {text:?} has no unit: write \"{text}s\" for seconds or \"{text}m\" for minutes"
        ));
    }
    // A century is longer than any sensible setting and far from the limits of a timestamp.
    let parsed = parse_duration(text).filter(|time| *time <= Duration::from_hours(100 * 366 * 24));
    parsed.ok_or_else(|| {
        format!("invalid duration {text:?}: write a number with a unit, such as 30s, 5m, 1h30m, 2d or 1w")
    })
}

/// The shortest form that [`parse`] reads: `90 s` is `1m30s`.
pub fn format(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let mut text = String::new();
    let mut seconds = duration.as_secs();
    for (unit, length) in UNITS {
        if seconds >= length {
            text.push_str(&format!("{}{unit}", seconds / length));
            seconds %= length;
        }
    }
    match duration.subsec_millis() {
        0 => text,
        millis => text + &format!("{millis}ms"),
    }
}

/// The time from `earlier` to `now`. Zero when the clock went backwards.
pub fn elapsed(now: Timestamp, earlier: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(now.since(earlier)).unwrap_or(0))
}

/// `time + duration`, clamped.
pub fn after(time: Timestamp, duration: Duration) -> Timestamp {
    time.plus_micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

/// `time - duration`, clamped.
pub fn before(time: Timestamp, duration: Duration) -> Timestamp {
    time.plus_micros(i64::try_from(duration.as_micros()).map_or(i64::MIN, |micros| -micros))
}

/// For `#[serde(with = "crate::duration")]`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format(*duration))
}

/// For `#[serde(with = "crate::duration")]`.
///
/// # Errors
/// When the text is no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_and_written() {
        for (text, seconds, written) in [
            ("30s", 30, "30s"),
            ("5m", 300, "5m"),
            ("1h30m", 5_400, "1h30m"),
            ("90s", 90, "1m30s"),
            ("2d", 172_800, "2d"),
            ("1w", 604_800, "1w"),
            ("0", 0, "0s"),
        ] {
            let read = parse(text).unwrap();
            assert_eq!(read, Duration::from_secs(seconds), "{text}");
            assert_eq!(format(read), written);
        }
        assert_eq!(parse("1s500ms").unwrap(), Duration::from_millis(1_500));
    }

    /// Users of other tools take "repeat 50" for seconds, for times and for checks.
    #[test]
    fn a_number_without_a_unit_is_refused_with_a_suggestion() {
        let error = parse("50").unwrap_err();
        assert!(error.contains("50s") && error.contains("50m"), "{error}");
        for text in [
            "",
            "5 months",
            "m",
            "5x",
            "-5m",
            "99999999999999999999s",
            "99999999w",
        ] {
            assert!(
                parse(text).unwrap_err().contains(&format!("{text:?}")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_clock_that_went_backwards_has_not_run() {
        let later = Timestamp::from_seconds(100);
        assert_eq!(elapsed(Timestamp::from_seconds(40), later), Duration::ZERO);
        assert_eq!(elapsed(later, Timestamp::from_seconds(40)).as_secs(), 60);
    }
}
