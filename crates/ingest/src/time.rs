//! The times of other writers.

use dragline_schema::Timestamp;
use jiff::tz::TimeZone;

/// Reads a time in any form that log writers use: RFC 3339, a space for the `T`, a comma for the
/// decimal point, an offset or none. Without one, `zone` holds, and the second value is `false`.
pub(crate) fn parse_text(text: &str, zone: &TimeZone) -> Option<(Timestamp, bool)> {
    let text = text.trim();
    if let Ok(time) = Timestamp::parse(text) {
        return Some((time, true));
    }
    if !text.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    if let Ok(civil) = text.parse::<jiff::civil::DateTime>() {
        return Some((
            zone.to_ambiguous_timestamp(civil).compatible().ok()?.into(),
            false,
        ));
    }
    from_epoch(text.parse().ok()?).map(|time| (time, true))
}

/// Reads an epoch number: seconds, milliseconds, microseconds or nanoseconds, told apart by size.
/// Numbers before 1973 in their unit are no times.
pub(crate) fn from_epoch(number: f64) -> Option<Timestamp> {
    let micros = match number {
        n if n < 1e8 => return None,
        n if n < 1e11 => n * 1e6,
        n if n < 1e14 => n * 1e3,
        n if n < 1e17 => n,
        n if n < 1e20 => n / 1e3,
        _ => return None,
    };
    Some(Timestamp::from_micros(micros.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_means_the_same_instant() {
        let expected = Timestamp::parse("2026-03-04T11:22:33.500Z").unwrap();
        for text in [
            "2026-03-04T11:22:33.5Z",
            "2026-03-04T11:22:33.500000000Z",
            "2026-03-04T12:22:33.5+01:00",
            "2026-03-04T12:22:33.500+0100",
            "2026-03-04 11:22:33.500000+00:00",
            "2026-03-04 11:22:33,500",
            "2026-03-04T11:22:33.5",
            "1772623353.5",
            "1772623353500",
        ] {
            let (time, _) = parse_text(text, &TimeZone::UTC).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(time, expected, "{text}");
        }
        assert_eq!(from_epoch(1_772_623_353_500_000.0), Some(expected));
        assert_eq!(from_epoch(1_772_623_353_500_000_000.0), Some(expected));
    }

    #[test]
    fn a_time_without_a_zone_takes_the_one_given() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let (time, zoned) = parse_text("2026-03-04 13:22:33,500", &zone).unwrap();
        assert_eq!(time, Timestamp::parse("2026-03-04T11:22:33.5Z").unwrap());
        assert!(!zoned);
    }

    #[test]
    fn other_numbers_and_words_are_no_times() {
        for text in ["", "42", "yesterday", "11:22:33", "-1772623353", "1e300"] {
            assert_eq!(parse_text(text, &TimeZone::UTC), None, "{text}");
        }
    }
}
