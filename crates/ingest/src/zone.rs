//! Finds the time zone of a program's times from the envelopes around its lines.
//!
//! Runtimes and collectors write the time at which they received a line, with its zone. A program that writes local
//! times without a zone is read a moment later: so both times differ by the offset of the program's zone, a whole
//! number of quarters of an hour. Lines that waited in a buffer differ by anything, and show nothing.

use jiff::civil;

use crate::parsing::time::stamp;
use crate::parsing::time::stamp::{Date, Stamp};

/// Both times of a line are in this many bytes at its start, or, in an object, the envelope's at its end.
const WITHIN: usize = 240;
/// Maximum number of times of a line that are compared.
const MOST_TIMES: usize = 4;
/// Minimum number of lines that must agree.
const LEAST_LINES: usize = 3;
/// A quarter of an hour, and how far from it a difference may be, in seconds.
const QUARTER: i64 = 900;
const NEAR: i64 = 60;
/// What clocks are set back or forth by, in seconds.
const SEASON: i32 = 3600;
/// No zone is further from Greenwich, in seconds.
const FURTHEST: i64 = 14 * 3600;

/// Collects the differences between the two times of lines.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// Number of lines with a time with and a time without a zone.
    lines: usize,
    /// The differences that are whole quarters, in seconds, each with the number of lines.
    offsets: Vec<(i32, usize)>,
    /// The first time without a zone.
    first: Option<civil::DateTime>,
}

impl Evidence {
    /// Looks at a line's times.
    pub(crate) fn look_at(&mut self, line: &str) {
        let start = &line[..line.floor_char_boundary(WITHIN)];
        let mut times = [None; MOST_TIMES];
        let mut count = collect(start, &mut times, 0);
        if line.starts_with('{') && line.len() > WITHIN {
            let end = &line[line
                .floor_char_boundary(line.len() - WITHIN)
                .max(start.len())..];
            count = collect(end, &mut times, count);
        }
        let times = || times[..count].iter().flatten();
        let zoned = times().find(|time| time.offset.is_some());
        let bare = times().find(|time| time.offset.is_none());
        // A date without a year is of the same one.
        let bare = bare.map(|bare| match (bare.date, zoned.map(|zoned| zoned.date)) {
            (Date::MonthDay(month, day), Some(Date::Known(other))) => Stamp {
                date: civil::Date::new(other.year(), month, day).map_or(bare.date, Date::Known),
                ..*bare
            },
            _ => *bare,
        });
        let (zoned, bare) = (zoned.and_then(civil), bare.as_ref().and_then(civil));
        let (Some((_, zoned)), Some((local, bare))) = (zoned, bare) else {
            return;
        };
        self.lines += 1;
        self.first.get_or_insert(local);
        let difference = bare - zoned;
        let offset = (difference + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
        if (difference - offset).abs() > NEAR || offset.abs() > FURTHEST {
            return;
        }
        // It is within fourteen hours.
        let offset = offset as i32;
        match self.offsets.iter_mut().find(|(known, _)| *known == offset) {
            Some((_, count)) => *count += 1,
            None => self.offsets.push((offset, 1)),
        }
    }

    /// The offset of the program's zone in seconds, if nine tenths of the lines show the same, and one of its times.
    /// When clocks are set back or forth among these lines, the others show an hour more or less.
    pub(crate) fn offset(&self) -> Option<(i32, civil::DateTime)> {
        let (offset, count) = self.offsets.iter().max_by_key(|(_, count)| *count)?;
        let around = |by: i32| {
            let mut others = self.offsets.iter();
            let other = others.find(|(other, _)| *other == offset + by);
            other.map_or(0, |(_, count)| *count)
        };
        let agree = count + around(SEASON).max(around(-SEASON));
        let is_sure = *count >= LEAST_LINES && agree * 10 >= self.lines * 9;
        is_sure.then_some((*offset, self.first?))
    }
}

/// Adds the dated times in a text to those found before. Returns their number.
fn collect(text: &str, times: &mut [Option<Stamp>; MOST_TIMES], count: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut count) = (0, count);
    while at < bytes.len() && count < MOST_TIMES {
        // Months and weekdays have names.
        let may_be = bytes[at].is_ascii_digit() || bytes[at].is_ascii_uppercase();
        let is_begin = may_be && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric());
        match is_begin.then(|| stamp(&text[at..])).flatten() {
            Some((found, length)) => {
                if matches!(found.date, Date::Known(_) | Date::MonthDay(..)) {
                    times[count] = Some(found);
                    count += 1;
                }
                at += length.max(1);
            }
            None => at += 1,
        }
    }
    count
}

/// A time as written, and its seconds since 1970: in Greenwich, if it has an offset.
fn civil(stamp: &Stamp) -> Option<(civil::DateTime, i64)> {
    let Date::Known(date) = stamp.date else {
        return None;
    };
    let civil = date.to_datetime(stamp.time);
    let there = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?.as_second();
    Some((civil, there - i64::from(stamp.offset.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(lines: &[String]) -> Option<i32> {
        let mut evidence = Evidence::default();
        for line in lines {
            evidence.look_at(line);
        }
        evidence.offset().map(|(offset, _)| offset)
    }

    #[test]
    fn both_times_of_a_line_show_the_zone() {
        let lines = |form: &dyn Fn(u32) -> String| (0..6).map(form).collect::<Vec<_>>();
        let journal = lines(&|n| {
            format!("2026-03-04T12:00:0{n}+0200 box shop[1]: 2026-03-04 12:00:0{n},1 INFO shop: x")
        });
        assert_eq!(offset(&journal), Some(7200));
        let object = lines(&|n| {
            format!(
                "{{\"log\":\"2026-03-04 05:45:0{n},1 INFO {}\",\"time\":\"2026-03-04T00:00:0{n}.5Z\"}}",
                "x".repeat(400)
            )
        });
        assert_eq!(offset(&object), Some(20700));
        // In the same zone.
        let same = lines(&|n| {
            format!("2026-03-04T12:00:0{n}Z stdout F 2026-03-04 12:00:0{n},1 INFO shop: x")
        });
        assert_eq!(offset(&same), Some(0));
        // The clocks are set back.
        let autumn = lines(&|n| {
            let local = if n < 4 { n } else { n - 4 };
            format!("2026-10-25T00:{n}0:00Z stdout F 2026-10-25 02:{local}0:00,1 INFO shop: x")
                .replace("T00:4", "T01:0")
                .replace("T00:5", "T01:1")
        });
        assert_eq!(offset(&autumn), Some(7200));
        // A month with a name.
        let named = lines(&|n| {
            format!("2026-03-04T15:59:5{n}Z stderr F Mar 04, 2026 9:59:5{n} AM shop.Crawl main")
        });
        assert_eq!(offset(&named), Some(-21600));
        // A date without a year, before a record with a zone of its own.
        let yearless =
            lines(&|n| format!("Jan 6 01:51:5{n} PM  2026-01-06T05:51:5{n}.064Z\tINFO\tx"));
        assert_eq!(offset(&yearless), Some(28800));
        // Lines from a buffer, few lines, and lines with one time.
        let late = lines(&|n| {
            format!("2026-03-04T12:40:00Z stdout F 2026-03-04 12:{n}5:00,1 INFO shop: x")
        });
        assert_eq!(offset(&late), None);
        assert_eq!(offset(&journal[..2]), None);
        assert_eq!(
            offset(&lines(&|n| format!("2026-03-04 12:00:0{n} INFO x"))),
            None
        );
    }
}
