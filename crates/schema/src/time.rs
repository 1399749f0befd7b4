//! Timestamps: microseconds since 1970-01-01T00:00:00Z.

use std::fmt;

use jiff::civil::DateTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: microseconds since the Unix epoch, UTC.
///
/// Displayed and serialised as RFC 3339 with six decimals and `Z`, as in the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is not a valid RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseTimestampError(String);

impl fmt::Display for ParseTimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid time {:?}: expected a time such as 2026-03-04T11:22:33Z",
            self.0
        )
    }
}

impl std::error::Error for ParseTimestampError {}

const MICROS: i64 = 1_000_000;

impl Timestamp {
    /// The length of the text form for years 0000 to 9999: `2026-03-04T11:22:33.123456Z`.
    pub const TEXT_LEN: usize = 27;

    /// From microseconds since the epoch; clamped to the years -9998 to 9999.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(
            jiff::Timestamp::MIN.as_microsecond(),
            jiff::Timestamp::MAX.as_microsecond(),
        ))
    }

    /// From whole seconds since the epoch; clamped like [`Timestamp::from_micros`].
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(MICROS))
    }

    /// Microseconds since the epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub fn as_seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// Microseconds past the whole second, 0 to 999,999.
    pub fn subsec_micros(self) -> u32 {
        self.0.rem_euclid(MICROS) as u32
    }

    /// `self + micros`, clamped.
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to `self`; negative when `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// Converts to a `jiff` timestamp.
    pub fn to_jiff(self) -> jiff::Timestamp {
        // The constructor clamps to jiff's range, so this never falls back.
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// The civil date and time in UTC.
    pub fn to_civil(self) -> DateTime {
        jiff::tz::TimeZone::UTC.to_datetime(self.to_jiff())
    }

    /// Parses the form that the wire format uses, `2026-03-04T11:22:33.123456Z`, and no other.
    #[inline]
    pub fn parse_exact(text: &[u8]) -> Option<Self> {
        parse_utc_micros(text)
    }

    /// Parses RFC 3339 with any offset, a `T` or a space, and 0 to 9 decimals (truncated to six).
    ///
    /// # Errors
    /// When the text is not a valid time. The error contains the text.
    pub fn parse(text: &str) -> Result<Self, ParseTimestampError> {
        let bytes = text.as_bytes();
        if let Some(fast) = Self::parse_exact(bytes).or_else(|| parse_rfc3339(bytes)) {
            return Ok(fast);
        }
        text.parse::<jiff::Timestamp>()
            .map(Self::from)
            .map_err(|_| ParseTimestampError(text.to_owned()))
    }
}

/// Parses the exact form of the wire format without the general parser.
#[inline]
fn parse_utc_micros(b: &[u8]) -> Option<Timestamp> {
    if b.len() != Timestamp::TEXT_LEN || b[10] != b'T' || b[19] != b'.' || b[26] != b'Z' {
        return None;
    }
    let micros = number(&b[20..26])?;
    Some(Timestamp::from_micros(seconds(b)? * MICROS + micros))
}

/// Parses the RFC 3339 forms of other writers: up to nine decimals, `Z` or an offset.
fn parse_rfc3339(b: &[u8]) -> Option<Timestamp> {
    let (_, rest) = b.split_at_checked(SECONDS_LEN)?;
    if !matches!(b[10], b'T' | b' ') {
        return None;
    }
    let (micros, zone) = match rest {
        [b'.', decimals @ ..] => {
            let count = decimals.iter().take_while(|b| b.is_ascii_digit()).count();
            let (digits, zone) = decimals.split_at(count);
            let kept = &digits[..count.min(6)];
            if kept.is_empty() || count > 9 {
                return None;
            }
            (number(kept)? * 10_i64.pow(6 - kept.len() as u32), zone)
        }
        zone => (0, zone),
    };
    let offset = match zone {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let (hours, minutes) = (number(&[*a, *b])?, number(&[*c, *d])?);
            let seconds = (hours * 60 + minutes) * 60;
            // `-00:00` means an unknown time zone.
            if hours > 23 || minutes > 59 || (*sign == b'-' && seconds == 0) {
                return None;
            }
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    Some(Timestamp::from_micros(
        (seconds(b)? - offset) * MICROS + micros,
    ))
}

/// The length of a time without decimals and time zone.
const SECONDS_LEN: usize = "2026-03-04T11:22:33".len();

/// Parses the time at the start of a text to seconds since the epoch, as if it were in UTC.
#[inline]
fn seconds(b: &[u8]) -> Option<i64> {
    if b[4] != b'-' || b[7] != b'-' || b[13] != b':' || b[16] != b':' {
        return None;
    }
    let (year, month, day) = (number(&b[..4])?, number(&b[5..7])?, number(&b[8..10])?);
    let (hour, minute, second) = (
        number(&b[11..13])?,
        number(&b[14..16])?,
        number(&b[17..19])?,
    );
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

#[inline]
fn number(digits: &[u8]) -> Option<i64> {
    // Two independent passes: neither the check nor the sum waits for the other.
    let are_digits = digits.iter().all(u8::is_ascii_digit);
    let add = |number: i64, digit: &u8| number * 10 + i64::from(digit & 0x0f);
    are_digits.then(|| digits.iter().fold(0, add))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date in the proleptic Gregorian calendar, for years 0 and later
/// (Howard Hinnant, "chrono-compatible low-level date algorithms", `days_from_civil`).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(time: jiff::Timestamp) -> Self {
        Self(time.as_microsecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.to_civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            self.subsec_micros(),
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wire_form_is_rfc_3339_with_six_decimals() {
        let time = Timestamp::from_micros(1_772_623_353_000_007);
        assert_eq!(time.to_string(), "2026-03-04T11:22:33.000007Z");
    }

    #[test]
    fn other_forms_of_rfc_3339_are_read() {
        let expected = Timestamp::from_micros(1_772_623_353_500_000);
        for text in [
            "2026-03-04T11:22:33.5Z",
            "2026-03-04 11:22:33.500Z",
            "2026-03-04T12:22:33.500000000+01:00",
        ] {
            assert_eq!(Timestamp::parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn no_time_is_refused_by_name() {
        for text in [
            "",
            "yesterday",
            "2026-13-04T11:22:33.000000Z",
            "2026-03-04T25:22:33.000000Z",
        ] {
            let error = Timestamp::parse(text).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_and_the_general_parser_agree(micros in 0i64..253_402_300_799_000_000) {
            let time = Timestamp::from_micros(micros);
            let text = time.to_string();
            prop_assert_eq!(parse_utc_micros(text.as_bytes()), Some(time));
            prop_assert_eq!(text.parse::<jiff::Timestamp>().unwrap().as_microsecond(), micros);
        }

        #[test]
        fn what_others_write_is_read_as_the_general_parser_reads_it(
            text in "(197[1-9]|20[0-9]{2}|9998|[0-9]{4})-[01][0-9]-[0-3][0-9][T t][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\
                     (\\.[0-9]{0,10}|,[0-9]{3}|)(Z|z|[+-][0-2][0-9]:?[0-6][0-9]|[+-]00:00|)",
        ) {
            let general = text.parse::<jiff::Timestamp>().ok().map(Timestamp::from);
            if let Some(fast) = parse_rfc3339(text.as_bytes()).filter(|fast| fast.as_micros() >= 0) {
                prop_assert_eq!(Some(fast), general);
            }
        }
    }
}
