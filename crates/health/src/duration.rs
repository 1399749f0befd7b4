//! Durations in the configuration.

use std::time::Duration;

/// Parses `800ms`, `5m`, `1d 2h`; a number without a unit is not a duration.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.trim().parse().ok()?;
    let days = jiff::SpanRelativeTo::days_are_24_hours();
    span.to_duration(days).ok()?.try_into().ok()
}

/// Microseconds of a duration, for arithmetic with timestamps.
pub(crate) fn as_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [
            ("800ms", 0.8),
            ("5m", 300.0),
            ("1d 2h", 93_600.0),
            (" 2 s ", 2.0),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_secs_f64(seconds)),
                "{text}"
            );
        }
        for text in ["", "5", "-5m", "soon", "1 month"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
