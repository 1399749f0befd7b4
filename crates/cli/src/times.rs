//! Times as people type them.

use anyhow::{Context as _, bail};
use dragline_schema::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};

/// Now, or what `SOURCE_DATE_EPOCH` says, so that the same logs give the same report to the byte.
pub(crate) fn now() -> anyhow::Result<Timestamp> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => {
            let seconds = text.trim().parse().with_context(|| {
                format!("SOURCE_DATE_EPOCH is {text:?}, which is no number of seconds")
            })?;
            Ok(Timestamp::from_seconds(seconds))
        }
        Err(_) => Ok(jiff::Timestamp::now().into()),
    }
}

/// A time zone's name.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    if name.eq_ignore_ascii_case("local") {
        return Ok(TimeZone::system());
    }
    TimeZone::get(name)
        .map_err(|_| format!("{name:?} is no time zone such as UTC or Europe/Berlin"))
}

/// RFC 3339, a date, a time without a zone, `today`, `yesterday`, or how long ago (`90m`, `36h`,
/// `7d`, `2w`).
pub(crate) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    if let Ok(time) = Timestamp::parse(text) {
        return Ok(time);
    }
    let today = now.to_jiff().to_zoned(zone.clone()).date();
    let midnight = |date: Date| -> anyhow::Result<Timestamp> {
        Ok(date.to_zoned(zone.clone())?.timestamp().into())
    };
    match text {
        "today" => return midnight(today),
        "yesterday" => return midnight(today.yesterday()?),
        _ => {}
    }
    if let Some(span) = ago(text) {
        return Ok(now
            .to_jiff()
            .to_zoned(zone.clone())
            .checked_sub(span)?
            .timestamp()
            .into());
    }
    if let Ok(date) = text.parse::<Date>()
        && text.len() == 10
    {
        return midnight(date);
    }
    if let Ok(civil) = text.parse::<jiff::civil::DateTime>() {
        return Ok(civil.to_zoned(zone.clone())?.timestamp().into());
    }
    bail!("{text:?} is no time: use RFC 3339, a date such as 2026-03-04, `yesterday`, or `7d`")
}

fn ago(text: &str) -> Option<Span> {
    let unit = text.chars().next_back()?;
    let number: i64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .ok()
        .filter(|n| *n >= 0)?;
    // Longer than any log: out of jiff's range it would panic.
    if number > 1_000_000 {
        return None;
    }
    match unit {
        'm' => Some(number.minutes()),
        'h' => Some(number.hours()),
        'd' => Some(number.days()),
        'w' if number < 100_000 => Some(number.weeks()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        let now = Timestamp::parse("2026-03-04T11:22:33Z").unwrap();
        let berlin = zone("Europe/Berlin").unwrap();
        for (text, expected) in [
            ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            ("2026-03-01", "2026-02-28T23:00:00Z"),
            ("2026-03-01T12:00:00", "2026-03-01T11:00:00Z"),
            ("today", "2026-03-03T23:00:00Z"),
            ("yesterday", "2026-03-02T23:00:00Z"),
            ("90m", "2026-03-04T09:52:33Z"),
            ("7d", "2026-02-25T11:22:33Z"),
            ("2w", "2026-02-18T11:22:33Z"),
        ] {
            let expected = Timestamp::parse(expected).unwrap();
            assert_eq!(parse(text, now, &berlin).unwrap(), expected, "{text}");
        }
        for text in ["", "soon", "7", "-7d", "2026-13-01", "99999999999d", "ü"] {
            assert!(parse(text, now, &berlin).is_err(), "{text}");
        }
    }
}
