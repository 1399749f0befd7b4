//! Durations that contain their unit.

use super::number;

/// Milliseconds of a duration in the notation of Go, .NET, ISO 8601 or plain text: `1m30.5s`, `00:00:01.5`,
/// `PT1.5S`, `59 ms`.
pub(crate) fn milliseconds(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('P') {
        return iso(rest);
    }
    if text.contains(':') {
        return span(text);
    }
    units(text)
}

/// Consecutive numbers with units: `2h3m`, `1.5s`, `84ms`.
fn units(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut sum = 0.0;
    let mut count = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(end);
        let behind = behind.trim_start();
        let end = behind
            .find(|c: char| c.is_ascii_digit() || c == ' ')
            .unwrap_or(behind.len());
        let (unit, more) = behind.split_at(end);
        let number = match number::plain(number) {
            Some(number) => number.as_f64()?,
            None => number.parse().ok()?,
        };
        sum += number * scale(unit)?;
        rest = more.trim_start();
        count += 1;
        if count > 6 {
            return None;
        }
    }
    (count > 0).then_some(sum)
}

fn scale(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1e-6,
        "us" | "µs" | "μs" => 1e-3,
        "ms" | "msec" | "millis" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
        "m" | "min" | "mins" | "minutes" => 6e4,
        "h" | "hr" | "hours" => 3.6e6,
        "d" | "days" => 8.64e7,
        _ => return None,
    })
}

/// .NET's `[d.]hh:mm:ss[.fffffff]`.
fn span(text: &str) -> Option<f64> {
    let mut parts = text.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    let number = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|n| n.is_finite() && *n >= 0.0)
    };
    let (days, hours) = (number(days)?, number(hours)?);
    let minutes = number(minutes).filter(|n| *n < 60.0)?;
    let seconds = number(seconds).filter(|n| *n < 60.0)?;
    Some((((days * 24.0 + hours) * 60.0 + minutes) * 60.0 + seconds) * 1e3)
}

/// ISO 8601's `P1DT2H3M4.5S`, without the leading P.
fn iso(text: &str) -> Option<f64> {
    let (days, times) = text.split_once('T').unwrap_or((text, ""));
    let mut sum = 0.0;
    let mut count = 0;
    for (part, scales) in [
        (days, [('W', 6.048e8), ('D', 8.64e7), ('Y', f64::NAN)]),
        (times, [('H', 3.6e6), ('M', 6e4), ('S', 1e3)]),
    ] {
        let mut rest = part;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c.is_ascii_alphabetic())?;
            let unit = rest[end..].chars().next()?;
            let (_, scale) = scales.iter().find(|(name, _)| *name == unit)?;
            sum += rest[..end].replace(',', ".").parse::<f64>().ok()? * scale;
            rest = &rest[end + 1..];
            count += 1;
        }
    }
    (count > 0 && sum.is_finite()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_all_kinds() {
        for (text, expected) in [
            ("0.052s", 52.0),
            ("59 ms", 59.0),
            ("1m30.5s", 90_500.0),
            ("2h3m", 7_380_000.0),
            ("1m0s", 60_000.0),
            ("500µs", 0.5),
            ("00:00:01.5000000", 1500.0),
            ("1.01:00:00", 90_000_000.0),
            ("PT1.5S", 1500.0),
            ("PT1M30S", 90_000.0),
            ("P1DT1H", 90_000_000.0),
        ] {
            let found = milliseconds(text).unwrap_or_else(|| panic!("{text}"));
            assert!((found - expected).abs() < 1e-9, "{text} {found}");
        }
        for text in ["", "12", "1.5", "x", "P", "PT", "12:30", "10 pages", "P1Y"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}
