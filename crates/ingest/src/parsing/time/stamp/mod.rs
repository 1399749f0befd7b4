//! Parses a time at the start of a text, in the formats that people and programs use.
//!
//! The result contains only the parts in the text: a date in one of the usual orders or none, a time of day, an
//! offset or none. The caller, who knows the file, resolves the rest: which of two numbers is the month, the date of
//! a time without one, the time zone of a time without one.

use jiff::civil;

/// A time as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) date: Date,
    pub(crate) time: civil::Time,
    /// Seconds east of Greenwich, if the text contains a time zone.
    pub(crate) offset: Option<i32>,
}

/// A date as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Date {
    Known(civil::Date),
    /// Two numbers, either of which may be the month, and the year.
    Either(i8, i8, i16),
    /// Without a year.
    MonthDay(i8, i8),
    /// Three two-digit numbers separated by dashes. The year is the first or the last.
    Short(i8, i8, i8),
    None,
}

/// Which of two ambiguous numbers of a date comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum DateOrder {
    /// `31/12/2026`
    DayFirst,
    /// `12/31/2026`
    MonthFirst,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Abbreviations of time zones, in minutes east of Greenwich. Ambiguous abbreviations are excluded.
pub(super) const ZONES: [(&str, i32); 30] = [
    ("UTC", 0),
    ("GMT", 0),
    ("UCT", 0),
    ("WET", 0),
    ("WEST", 60),
    ("CET", 60),
    ("MEZ", 60),
    ("CEST", 120),
    ("MESZ", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    ("SAST", 120),
    ("EAT", 180),
    ("WIB", 420),
    ("HKT", 480),
    ("SGT", 480),
    ("AWST", 480),
    ("JST", 540),
    ("KST", 540),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
    ("EST", -300),
    ("EDT", -240),
    ("CDT", -300),
    ("MST", -420),
    ("PST", -480),
    ("PDT", -420),
];

/// Reads a text from its start.
#[derive(Clone, Copy)]
struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == byte && self.at < self.bytes.len();
        self.at += usize::from(is_there);
        is_there
    }

    fn eat_any(&mut self, bytes: &[u8]) -> Option<u8> {
        let byte = self.peek();
        (self.at < self.bytes.len() && bytes.contains(&byte)).then(|| {
            self.at += 1;
            byte
        })
    }

    fn blanks(&mut self) -> usize {
        let before = self.at;
        while self.peek() == b' ' {
            self.at += 1;
        }
        self.at - before
    }

    /// A number with `least` to `most` digits, and its number of digits.
    fn digits(&mut self, least: usize, most: usize) -> Option<(u32, usize)> {
        let rest = &self.bytes[self.at..];
        let count = rest
            .iter()
            .take(most + 1)
            .take_while(|b| b.is_ascii_digit())
            .count();
        if count < least || count > most {
            return None;
        }
        let number = rest[..count]
            .iter()
            .fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
        self.at += count;
        Some((number, count))
    }

    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        self.digits(least, most).map(|(number, _)| number)
    }

    /// A word of ASCII letters.
    fn word(&mut self) -> &'t str {
        let rest = &self.bytes[self.at..];
        let count = rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        self.at += count;
        // The bytes are ASCII letters.
        std::str::from_utf8(&rest[..count]).unwrap_or_default()
    }

    fn try_to<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.at;
        let read = read(self);
        if read.is_none() {
            self.at = before;
        }
        read
    }
}

/// The time at the start of a text, in any format, and its length in bytes.
pub(super) fn any(text: &str) -> Option<(Stamp, usize)> {
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
    };
    let first = reader.peek();
    if !first.is_ascii_alphanumeric() {
        return None;
    }
    let stamp = if first.is_ascii_digit() {
        numeric(&mut reader)
    } else {
        if !may_name_a_date(reader.bytes) {
            return None;
        }
        worded(&mut reader)
    }?;
    // `10:22:33x` is part of something else.
    let next = reader.peek();
    (!next.is_ascii_alphanumeric() && next != b'_').then_some((stamp, reader.at))
}

/// The time in a text that contains nothing else.
pub(crate) fn whole(text: &str) -> Option<Stamp> {
    let (stamp, end) = any(text)?;
    let rest = text[end..].trim();
    // JavaScript appends the name of the time zone.
    let is_word = rest.starts_with('(') && rest.ends_with(')');
    (rest.is_empty() || is_word).then_some(stamp)
}

/// Formats that start with a digit.
fn numeric(reader: &mut Reader<'_>) -> Option<Stamp> {
    if let Some(stamp) = reader.try_to(epoch) {
        return Some(stamp);
    }
    let (first, count) = reader.try_to(|r| r.digits(1, 8))?;
    match (count, reader.peek()) {
        (4, b'-' | b'/' | b'.') => iso(reader, first),
        (1 | 2, b':') => {
            let time = clock(reader, first)?;
            Some(Stamp {
                date: Date::None,
                time,
                offset: zone(reader),
            })
        }
        (1 | 2, b'/' | b'.' | b'-' | b' ') => day_or_month(reader, first),
        (8, b' ' | b'T' | b'-' | b'_') => {
            let date = civil::Date::new(
                (first / 10_000) as i16,
                (first / 100 % 100) as i8,
                (first % 100) as i8,
            );
            behind(reader, Date::Known(date.ok()?))
        }
        // `250610 03:00:01`, as in tornado and glog.
        (6, b' ') => {
            let year = 2000 + (first / 10_000) as i16;
            let date = civil::Date::new(year, (first / 100 % 100) as i8, (first % 100) as i8);
            behind(reader, Date::Known(date.ok()?))
        }
        _ => None,
    }
}

/// Seconds or milliseconds since 1970, as used in heads: `1772618401.12 INFO`.
fn epoch(reader: &mut Reader<'_>) -> Option<Stamp> {
    let rest = &reader.bytes[reader.at..];
    let count = rest
        .iter()
        .take(14)
        .take_while(|b| b.is_ascii_digit())
        .count();
    if !matches!(count, 10 | 13) {
        return None;
    }
    let number = rest[..count]
        .iter()
        .fold(0i64, |n, b| n * 10 + i64::from(b - b'0'));
    reader.at += count;
    let (seconds, nanos) = match count {
        10 => (number, fraction_behind(reader, b".")),
        _ => (number / 1000, (number % 1000) as i32 * 1_000_000),
    };
    // A level or a name follows.
    if reader.peek() != b' ' || !(1_000_000_000..4_000_000_000).contains(&seconds) {
        return None;
    }
    let civil = jiff::Timestamp::new(seconds, nanos)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC);
    Some(Stamp {
        date: Date::Known(civil.date()),
        time: civil.time(),
        offset: Some(0),
    })
}

/// `2026-03-04T11:22:33`, after the year.
fn iso(reader: &mut Reader<'_>, year: u32) -> Option<Stamp> {
    let between = reader.eat_any(b"-/.")?;
    let month = if reader.peek().is_ascii_digit() {
        reader.number(1, 2)? as i8
    } else {
        month_named(reader.word())?
    };
    if !reader.eat(between) {
        return None;
    }
    let day = reader.number(1, 2)? as i8;
    let date = civil::Date::new(year as i16, month, day).ok()?;
    behind(reader, Date::Known(date))
}

/// `04/03/2026`, `04.03.2026`, `04-Mar-2026`, `4 Mar 2026`, after the first number.
fn day_or_month(reader: &mut Reader<'_>, first: u32) -> Option<Stamp> {
    let between = reader.eat_any(b"/.- ")?;
    if reader.peek().is_ascii_alphabetic() {
        let month = month_named(reader.word())?;
        reader.eat(b',');
        reader.eat_any(b"/.- ")?;
        let year = year(reader)?;
        let date = civil::Date::new(year, month, first as i8).ok()?;
        // The Common Log Format has a colon before the time, Erlang's reports have two.
        let is_behind = |r: &mut Reader<'_>| {
            let has_colon = r.eat(b':');
            r.eat(b':');
            (has_colon && r.peek().is_ascii_digit()).then_some(())
        };
        reader.try_to(is_behind);
        return if reader.bytes[reader.at - 1] == b':' {
            timed(reader, Date::Known(date))
        } else {
            behind(reader, Date::Known(date))
        };
    }
    if between == b' ' {
        return None;
    }
    let second = reader.number(1, 2)?;
    let (a, b) = (first as i8, second as i8);
    if !reader.eat(between) {
        // `11-30 08:00:00`, as on Android.
        let is_date = matches!(between, b'-' | b'/') && civil::Date::new(2024, a, b).is_ok();
        return (is_date && reader.peek() == b' ').then(|| behind(reader, Date::MonthDay(a, b)))?;
    }
    let before = reader.at;
    let year = year(reader)?;
    // `20-07-21`, `24/05/11` (Spark's and Hadoop's), and `21-07-20`: the year is first or last.
    let is_short = reader.at - before == 2;
    if is_short && (between == b'-' || (between == b'/' && a > 12)) {
        let last = (year - 2000) as i8;
        let may_be = |y: i8, m: i8, d: i8| civil::Date::new(2000 + i16::from(y), m, d).is_ok();
        return match (may_be(a, b, last), may_be(last, b, a)) {
            (false, false) if may_be(last, a, b) => {
                behind(reader, Date::Known(civil::Date::new(year, a, b).ok()?))
            }
            (false, false) => None,
            _ => behind(reader, Date::Short(a, b, last)),
        };
    }
    let date = match (a, b) {
        // Points separate day, month and year, in this order.
        _ if between == b'.' => Date::Known(civil::Date::new(year, b, a).ok()?),
        (13.., _) => Date::Known(civil::Date::new(year, b, a).ok()?),
        (_, 13..) => Date::Known(civil::Date::new(year, a, b).ok()?),
        _ if a == b => Date::Known(civil::Date::new(year, a, b).ok()?),
        _ => Date::Either(a, b, year),
    };
    behind(reader, date)
}

/// Formats that start with a letter: the name of a day or a month.
fn worded(reader: &mut Reader<'_>) -> Option<Stamp> {
    let word = reader.word();
    if !may_name_a_date(word.as_bytes()) {
        return None;
    }
    if is_day(word) {
        reader.eat(b',');
        if reader.blanks() == 0 {
            return None;
        }
        if reader.peek().is_ascii_digit() {
            let (first, count) = reader.digits(1, 4)?;
            return if count == 4 {
                iso(reader, first)
            } else {
                day_or_month(reader, first)
            };
        }
        let month = month_named(reader.word())?;
        return month_first(reader, month);
    }
    let month = month_named(word)?;
    month_first(reader, month)
}

/// `Mar 4, 2026 11:22:33`, `Mar  4 11:22:33 2026`, `Mar 4 11:22:33`, after the month.
fn month_first(reader: &mut Reader<'_>, month: i8) -> Option<Stamp> {
    reader.eat_any(b" /-.")?;
    reader.blanks();
    let day = reader.number(1, 2)? as i8;
    let has_comma = reader.eat(b',');
    let is_year = |r: &mut Reader<'_>| {
        r.eat_any(b" /-.")?;
        r.blanks();
        let year = r.number(4, 4)?;
        (r.peek() != b':').then_some(year as i16)
    };
    if let Some(year) = reader.try_to(is_year) {
        let date = civil::Date::new(year, month, day).ok()?;
        return behind(reader, Date::Known(date));
    }
    if has_comma || reader.blanks() == 0 {
        return None;
    }
    let hour = reader.number(1, 2)?;
    let time = clock(reader, hour)?;
    // The year may follow the time, with a time zone between them.
    let offset = zone(reader);
    let year = reader.try_to(|r| {
        (r.blanks() > 0).then_some(())?;
        let year = r.number(4, 4)?;
        (!matches!(r.peek(), b'-' | b'/' | b'.' | b':')).then_some(year as i16)
    });
    // A leap year accepts every date.
    let known = civil::Date::new(year.unwrap_or(2024), month, day).ok()?;
    let date = year.map_or(Date::MonthDay(month, day), |_| Date::Known(known));
    let offset = offset.or_else(|| zone(reader));
    Some(Stamp { date, time, offset })
}

fn year(reader: &mut Reader<'_>) -> Option<i16> {
    let (year, count) = reader.digits(2, 4)?;
    match count {
        4 => Some(year as i16),
        2 => Some(2000 + year as i16),
        _ => None,
    }
}

/// Whether a word starts like the name of a day or a month. Most words do not.
fn may_name_a_date(word: &[u8]) -> bool {
    let [a, b, c, ..] = word else { return false };
    let start = [a | 0x20, b | 0x20, c | 0x20];
    let is_one = |names: &[&str]| {
        names
            .iter()
            .any(|name| name.as_bytes().eq_ignore_ascii_case(&start))
    };
    matches!(
        start[0],
        b'j' | b'f' | b'm' | b'a' | b's' | b'o' | b'n' | b'd' | b't' | b'w'
    ) && (is_one(&MONTHS) || is_one(&DAYS))
}

fn is_day(word: &str) -> bool {
    word.len() >= 3
        && word.len() <= 9
        && DAYS.iter().any(|day| word[..3].eq_ignore_ascii_case(day))
        && (word.len() == 3 || word.to_ascii_lowercase().ends_with("day"))
}

fn month_named(word: &str) -> Option<i8> {
    const LONG: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let start = word.get(..3)?;
    let place = MONTHS
        .iter()
        .position(|month| start.eq_ignore_ascii_case(month))?;
    let is_whole = word.len() == 3
        || LONG[place]
            .get(..word.len())
            .is_some_and(|l| word.eq_ignore_ascii_case(l));
    is_whole.then_some(place as i8 + 1)
}

/// The time after a date.
fn behind(reader: &mut Reader<'_>, date: Date) -> Option<Stamp> {
    let before = reader.at;
    reader.eat(b',');
    // `[2026-03-04] [11:22:33]`
    if reader.peek() == b']' {
        let is_next = |r: &mut Reader<'_>| {
            r.eat(b']').then_some(())?;
            r.blanks();
            (r.eat(b'[') && r.peek().is_ascii_digit()).then_some(())
        };
        reader.try_to(is_next)?;
        return timed(reader, date);
    }
    let is_apart = reader.eat_any(b"T_t-").is_some() || reader.blanks() > 0 || reader.at > before;
    is_apart.then_some(())?;
    reader.blanks();
    timed(reader, date)
}

fn timed(reader: &mut Reader<'_>, date: Date) -> Option<Stamp> {
    let (hour, count) = reader.digits(1, 6)?;
    let time = match count {
        1 | 2 => clock(reader, hour)?,
        6 => {
            let time = |n: u32| (n / 10_000, n / 100 % 100, n % 100);
            let (hour, minute, second) = time(hour);
            let nanos = fraction(reader);
            civil::Time::new(hour as i8, minute as i8, second.min(59) as i8, nanos).ok()?
        }
        _ => return None,
    };
    Some(Stamp {
        date,
        time,
        offset: zone(reader),
    })
}

/// `11:22:33.5 PM`, after the hour.
fn clock(reader: &mut Reader<'_>, hour: u32) -> Option<civil::Time> {
    let mut hour = hour as i8;
    let between = reader.eat_any(b":.")?;
    let minute = reader.number(2, 2)? as i8;
    let second = reader.try_to(|r| r.eat(between).then(|| r.number(2, 2))?);
    // With points as separators, all three numbers are required.
    if between == b'.' && second.is_none() {
        return None;
    }
    let nanos = if second.is_some() {
        fraction(reader)
    } else {
        0
    };
    let half = reader.try_to(|r| {
        r.blanks();
        match r.word() {
            "AM" | "am" | "a" => Some(false),
            "PM" | "pm" | "p" => Some(true),
            _ => None,
        }
    });
    // Without seconds, AM or PM is required.
    if second.is_none() && half.is_none() {
        return None;
    }
    match half {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(is_later) => hour = hour % 12 + if is_later { 12 } else { 0 },
        None => {}
    }
    // A leap second becomes the last second of its minute.
    let second = second
        .unwrap_or(0)
        .min(if second == Some(60) { 59 } else { 99 });
    civil::Time::new(hour, minute, second as i8, nanos).ok()
}

/// `.123`, `,123456`, `:123`, in nanoseconds.
fn fraction(reader: &mut Reader<'_>) -> i32 {
    fraction_behind(reader, b".,:")
}

fn fraction_behind(reader: &mut Reader<'_>, signs: &[u8]) -> i32 {
    let read = |r: &mut Reader<'_>| {
        r.eat_any(signs)?;
        let rest = &r.bytes[r.at..];
        let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 || count > 12 {
            return None;
        }
        let digits = rest[..count.min(9)].iter();
        let number = digits.fold(0i64, |n, b| n * 10 + i64::from(b - b'0'));
        r.at += count;
        Some(number * 10i64.pow(9 - count.min(9) as u32))
    };
    reader.try_to(read).unwrap_or(0) as i32
}

/// `Z`, `+01:00`, ` +0100`, ` CET`, `GMT+0100`, in seconds.
fn zone(reader: &mut Reader<'_>) -> Option<i32> {
    reader.try_to(|r| {
        let blanks = r.blanks();
        if blanks > 1 {
            return None;
        }
        match r.peek() {
            b'Z' | b'z' => {
                r.at += 1;
                (!r.peek().is_ascii_alphanumeric()).then_some(0)
            }
            b'+' | b'-' => offset(r),
            b'A'..=b'Z' => {
                let word = r.word();
                let (_, minutes) = ZONES.iter().find(|(name, _)| *name == word)?;
                let is_end = !r.peek().is_ascii_alphanumeric() && r.peek() != b'_';
                if !is_end {
                    return None;
                }
                let more = r.try_to(offset).unwrap_or(0);
                Some(minutes * 60 + more)
            }
            _ => None,
        }
    })
}

fn offset(reader: &mut Reader<'_>) -> Option<i32> {
    let sign = if reader.eat_any(b"+-")? == b'-' {
        -1
    } else {
        1
    };
    let (number, count) = reader.digits(2, 4)?;
    let (hours, minutes) = match count {
        4 => (number / 100, number % 100),
        2 => (
            number,
            reader
                .try_to(|r| r.eat(b':').then(|| r.number(2, 2))?)
                .unwrap_or(0),
        ),
        _ => return None,
    };
    let is_offset = hours <= 18 && minutes < 60 && !reader.peek().is_ascii_digit();
    is_offset.then_some(sign * (hours * 3600 + minutes * 60) as i32)
}

#[cfg(test)]
mod tests;
