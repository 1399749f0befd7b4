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
    let bytes = text.as_bytes();
    if bytes.len() >= 19 && bytes[2] == b'.' && bytes[5] == b'.' && text.is_ascii() {
        // Day, month and year with points between them, as in German.
        let (day, month, year) = (&text[..2], &text[3..5], &text[6..10]);
        let iso = format!("{year}-{month}-{day}{}", &text[10..]);
        return parse_text(&iso, zone);
    }
    if let Ok(civil) = text.parse() {
        return Some((in_zone(civil, zone)?, false));
    }
    from_epoch(text.parse().ok()?).map(|time| (time, true))
}

/// Reads a time in a form that the user describes, in the terms of strptime.
pub(crate) fn parse_as(text: &str, format: &str, zone: &TimeZone) -> Option<(Timestamp, bool)> {
    let parsed = jiff::fmt::strtime::parse(format, text).ok()?;
    if let Ok(time) = parsed.to_timestamp() {
        return Some((time.into(), true));
    }
    Some((in_zone(parsed.to_datetime().ok()?, zone)?, false))
}

fn in_zone(civil: jiff::civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let time = zone.to_ambiguous_timestamp(civil).compatible().ok()?;
    Some(time.into())
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
            "04.03.2026 11:22:33,500",
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
    fn a_described_form_is_read_as_described() {
        let expected = Timestamp::parse("2026-03-04T11:22:33Z").unwrap();
        let read = |text, format| parse_as(text, format, &TimeZone::UTC);
        assert_eq!(
            read("4/3/26 11:22:33", "%d/%m/%y %H:%M:%S"),
            Some((expected, false))
        );
        let zoned = read("Mar 04 2026 12:22:33 +0100", "%b %d %Y %H:%M:%S %z");
        assert_eq!(zoned, Some((expected, true)));
        assert_eq!(read("never", "%d/%m/%y %H:%M:%S"), None);
    }

    #[test]
    fn other_numbers_and_words_are_no_times() {
        for text in ["", "42", "yesterday", "11:22:33", "-1772623353", "1e300"] {
            assert_eq!(parse_text(text, &TimeZone::UTC), None, "{text}");
        }
    }
}
