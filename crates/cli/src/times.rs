//! Parsing of times in arguments.

use anyhow::{Context as _, bail};
use dragline_schema::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};

/// Returns the current time, or `SOURCE_DATE_EPOCH`, so that the same logs produce the same report byte for
/// byte.
pub(crate) fn now() -> anyhow::Result<Timestamp> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => {
            let seconds = text.trim().parse().with_context(|| {
                format!("invalid SOURCE_DATE_EPOCH {text:?}: not a number of seconds")
            })?;
            Ok(Timestamp::from_seconds(seconds))
        }
        Err(_) => Ok(jiff::Timestamp::now().into()),
    }
}

/// Parses the name of a time zone.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    if name.eq_ignore_ascii_case("local") {
        return Ok(TimeZone::system());
    }
    TimeZone::get(name)
        .map_err(|_| format!("invalid time zone {name:?}: use a name such as UTC or Europe/Berlin"))
}

/// Parses RFC 3339, a date, a time without a zone, `today`, `yesterday`, a time span before now (`90m`,
/// `36h`, `7d`, `2w`, `2 days ago`), or a day of the week.
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
        "now" => return Ok(now),
        _ => {}
    }
    if let Some(weekday) = weekday(text) {
        // The most recent such day, which may be today.
        let back = today.weekday().since(weekday);
        return midnight(today.checked_sub(i64::from(back).days())?);
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
    bail!(
        "invalid time {text:?}: use RFC 3339, a date such as 2026-03-04, `today`, `yesterday`, `monday`, `7d`, `30min` or `2 days ago`"
    )
}

/// Parses a day of the week, in full or as three letters.
fn weekday(text: &str) -> Option<Weekday> {
    let days = [
        (Weekday::Monday, "monday"),
        (Weekday::Tuesday, "tuesday"),
        (Weekday::Wednesday, "wednesday"),
        (Weekday::Thursday, "thursday"),
        (Weekday::Friday, "friday"),
        (Weekday::Saturday, "saturday"),
        (Weekday::Sunday, "sunday"),
    ];
    let text = text.to_ascii_lowercase();
    let text = text.strip_prefix("last ").unwrap_or(&text);
    let mut found = days
        .iter()
        .filter(|(_, name)| *name == text || name[..3] == *text);
    found.next().map(|(day, _)| *day)
}

/// Parses a time span before now: `90m`, `30min`, `2 days`, `2 days ago`.
fn ago(text: &str) -> Option<Span> {
    let text = text.strip_suffix("ago").unwrap_or(text).trim_end();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().ok()?;
    let unit = match unit.trim_start() {
        "m" | "min" | "mins" | "minute" | "minutes" => 'm',
        "h" | "hour" | "hours" => 'h',
        "d" | "day" | "days" => 'd',
        "w" | "week" | "weeks" => 'w',
        _ => return None,
    };
    // Longer than any log; jiff would panic outside of its range.
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
            ("30min", "2026-03-04T10:52:33Z"),
            ("2 days ago", "2026-03-02T11:22:33Z"),
            ("1 hour", "2026-03-04T10:22:33Z"),
            ("monday", "2026-03-01T23:00:00Z"),
            ("wed", "2026-03-03T23:00:00Z"),
            ("last friday", "2026-02-26T23:00:00Z"),
            ("now", "2026-03-04T11:22:33Z"),
        ] {
            let expected = Timestamp::parse(expected).unwrap();
            assert_eq!(parse(text, now, &berlin).unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "soon",
            "7",
            "-7d",
            "2026-13-01",
            "99999999999d",
            "ü",
            "2 moons ago",
        ] {
            assert!(parse(text, now, &berlin).is_err(), "{text}");
        }
    }
}
