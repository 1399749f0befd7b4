//! Resolves ambiguous times of a file: which of two numbers is the month, on which day times without a date were
//! written, in which zone those without one are, and when a file without any times was begun.
//!
//! A single line is often ambiguous while a later one is not. So a file whose first times are ambiguous is
//! scanned before it is read.

use std::path::Path;
use std::sync::Arc;

use dragline_schema::Timestamp;
use jiff::civil;

use crate::backwards;
use crate::framing::envelope::before;
use crate::framing::open::{Source, read_start};
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::{Date, Stamp};
use crate::parsing::time::{Calendar, DateOrder};
use crate::parsing::without_colours;
use crate::watch::Watch;
use crate::zone::Evidence;

/// Maximum number of bytes of a file that are scanned to resolve ambiguous dates.
const LOOKED_AT: u64 = 256 << 20;
/// The first lines that contain a time decide whether a file has ambiguous times: at most this many lines,
/// within the first `FIRST_BYTES` bytes.
const FIRST_LINES: usize = 50;
const FIRST_BYTES: usize = 64 << 10;
/// A line's time is searched for in this many bytes at its start.
const WITHIN: usize = 200;

/// A record's own time is in this many bytes at its start.
const HEAD: usize = 64;

/// The calendar of a file. `order` is the date order that the user gave, or that another file of the same log
/// showed.
pub(crate) fn of(
    path: &Path,
    written: Option<Timestamp>,
    order: Option<DateOrder>,
    watch: &Arc<Watch>,
) -> Calendar {
    let mut calendar = Calendar {
        order,
        is_year_first: None,
        is_undecided: false,
        day: None,
        written: written.map(|time| time.to_civil().date()),
        begun: None,
        grown: None,
        offset: None,
        before: None,
        descends: false,
    };
    let Ok(mut source) = Source::open_in_pieces(path) else {
        return calendar;
    };
    let (start, _) = read_start(&mut source, FIRST_BYTES);
    calendar.before = before::every_line(&start);
    calendar.descends = backwards::descends(&start);
    let lines = start.split(|byte| *byte == b'\n');
    let times = lines.filter_map(|line| Some((line, time_in(line)?)));
    let (mut is_open, mut is_dayless, mut told) = (false, false, None);
    let (mut is_timed, mut is_short) = (false, false);
    let mut evidence = Evidence::default();
    for (line, found) in times.take(FIRST_LINES) {
        is_timed |= time_in(&line[..line.len().min(HEAD)]).is_some();
        is_open |= matches!(found.date, Date::Either(..));
        is_short |= matches!(found.date, Date::Short(..));
        is_dayless |= found.date == Date::None;
        evidence.look_at(&without_colours(&String::from_utf8_lossy(line)));
        // Later lines may be ambiguous even if these are not.
        told = told.or_else(|| order_of(line, &mut <_>::default()));
    }
    if is_dayless {
        calendar.day = day_in(path);
    }
    if !is_timed {
        calendar.begun = begun_in(path);
        calendar.grown = written.zip(size_of(path));
    }
    calendar.offset = evidence.offset();
    calendar.order = calendar.order.or(told);
    if is_open && calendar.order.is_none() {
        calendar.order = order_in(path, watch);
    }
    if is_short {
        calendar.is_year_first = is_year_first(path, watch);
    }
    calendar.is_undecided = is_open && calendar.order.is_none();
    calendar
}

/// The first time in a line.
fn time_in(line: &[u8]) -> Option<Stamp> {
    let line = line.trim_ascii_start();
    let line = &line[..line.len().min(WITHIN)];
    let text = String::from_utf8_lossy(line);
    let text = without_colours(&text);
    let mut from = 0;
    let bytes = text.as_bytes();
    while from < bytes.len() {
        let is_begin = bytes[from].is_ascii_alphanumeric()
            && (from == 0 || !bytes[from - 1].is_ascii_alphanumeric());
        if is_begin && let Some((found, _)) = stamp(&text[from..]) {
            return Some(found);
        }
        from += 1;
    }
    None
}

/// Looks at the lines of a file until one of them decides.
fn first_told<T>(
    path: &Path,
    watch: &Arc<Watch>,
    mut tell: impl FnMut(&[u8]) -> Option<T>,
) -> Option<T> {
    let mut source = Source::open_quietly(path, watch).ok()?;
    let (mut left, mut told, mut rest) = (LOOKED_AT, None, Vec::new());
    source.each_piece(|piece| {
        rest.extend_from_slice(piece);
        let mut from = 0;
        while let Some(end) = memchr::memchr(b'\n', &rest[from..]) {
            let line = &rest[from..from + end];
            from += end + 1;
            told = tell(line);
            if told.is_some() {
                break;
            }
        }
        rest.drain(..from);
        if rest.len() > 1 << 20 {
            rest.clear();
        }
        left = left.saturating_sub(piece.len() as u64);
        told.is_none() && left > 0
    });
    told.or_else(|| tell(&rest))
}

/// Whether the year is the first number of dates with three of two digits: the number that changes is the day.
fn is_year_first(path: &Path, watch: &Arc<Watch>) -> Option<bool> {
    let mut seen: Option<(i8, i8)> = None;
    first_told(path, watch, |line| {
        let Date::Short(first, _, last) = time_in(line)?.date else {
            return None;
        };
        let held = *seen.get_or_insert((first, last));
        match (held.0 == first, held.1 == last) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    })
}

/// Determines the date order from a date with a number above twelve.
fn order_in(path: &Path, watch: &Arc<Watch>) -> Option<DateOrder> {
    // The numbers seen in first and second position, used if no date is conclusive.
    let mut days: (Vec<i8>, Vec<i8>) = (Vec::new(), Vec::new());
    let told = first_told(path, watch, |line| order_of(line, &mut days));
    // The number that changes within one file is the day.
    told.or(match (days.0.len(), days.1.len()) {
        (2.., 1) => Some(DateOrder::DayFirst),
        (1, 2..) => Some(DateOrder::MonthFirst),
        _ => None,
    })
}

fn order_of(line: &[u8], days: &mut (Vec<i8>, Vec<i8>)) -> Option<DateOrder> {
    let found = time_in(line)?;
    if let Date::Either(first, second, _) = found.date {
        for (seen, number) in [(&mut days.0, first), (&mut days.1, second)] {
            if !seen.contains(&number) && seen.len() < 32 {
                seen.push(number);
            }
        }
        return None;
    }
    let text = String::from_utf8_lossy(&line[..line.len().min(WITHIN)]);
    let numbers = text.split(|c: char| !c.is_ascii_digit() && !matches!(c, '/' | '-' | '.'));
    for word in numbers {
        let mut parts = word.split(['/', '-', '.']);
        let (Some(first), Some(second), Some(year), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let is_year = matches!(year.len(), 2 | 4);
        let (Ok(first), Ok(second)) = (first.parse::<u8>(), second.parse::<u8>()) else {
            continue;
        };
        match (first, second) {
            (13..=31, 1..=12) if is_year => return Some(DateOrder::DayFirst),
            (1..=12, 13..=31) if is_year => return Some(DateOrder::MonthFirst),
            _ => {}
        }
    }
    None
}

/// The date in a file's name: `crawl-2026-03-04.log`, `crawl_20260304.log`.
fn day_in(path: &Path) -> Option<civil::Date> {
    let name = path.file_name()?.to_str()?;
    day_at(name).map(|(day, _)| day)
}

/// The day in a name, and the position behind it.
fn day_at(name: &str) -> Option<(civil::Date, usize)> {
    let bytes = name.as_bytes();
    (0..bytes.len()).find_map(|at| {
        if at > 0 && bytes[at - 1].is_ascii_digit() {
            return None;
        }
        let rest = name.get(at..)?;
        let digits: String = rest.chars().take(10).filter(char::is_ascii_digit).collect();
        let is_apart = rest.get(4..5).is_some_and(is_joint) && rest.get(7..8).is_some_and(is_joint);
        let is_glued = rest
            .get(..8)
            .is_some_and(|eight| eight.bytes().all(|b| b.is_ascii_digit()));
        if !(is_apart || is_glued) {
            return None;
        }
        let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i16>().ok();
        let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
        let date = civil::Date::new(year, month as i8, day as i8).ok()?;
        let end = at + if is_apart { 10 } else { 8 };
        (1990..2100).contains(&year).then_some((date, end))
    })
}

fn is_joint(text: &str) -> bool {
    matches!(text, "-" | "_" | ".")
}

/// The day and the time of day in a file's name: when the process began that wrote it.
fn begun_in(path: &Path) -> Option<civil::DateTime> {
    let name = path.file_name()?.to_str()?;
    let (day, end) = day_at(name)?;
    let rest = name.get(end..)?;
    let clock = rest.strip_prefix(['T', '-', '_', '.'])?;
    let apart = clock.get(2..3).is_some_and(is_joint) && clock.get(5..6).is_some_and(is_joint);
    let parts = if apart { [0, 3, 6] } else { [0, 2, 4] };
    let number = |at: usize| clock.get(at..at + 2)?.parse::<i8>().ok();
    let [hour, minute, second] = parts.map(number);
    let time = civil::Time::new(hour?, minute?, second?, 0).ok()?;
    Some(day.to_datetime(time))
}

/// The length of a file's text, which is unknown in an archive.
fn size_of(path: &Path) -> Option<u64> {
    let is_packed = path
        .extension()
        .is_some_and(|end| end == "gz" || end == "zst");
    let size = std::fs::metadata(path).ok()?.len();
    (!is_packed && size > 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(name: &str, text: &str) -> Calendar {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        of(&path, None, None, &Arc::default())
    }

    #[test]
    fn a_name_tells_when_a_file_without_times_was_begun() {
        let begun = |name: &str, text: &str| calendar(name, text).begun.map(|at| at.to_string());
        let expected = Some("2026-03-04T11:22:33".to_owned());
        let untimed = "INFO  CheerioCrawler: Starting the crawler.\n";
        for name in [
            "shop-20260304-112233.log",
            "shop_2026-03-04_11-22-33_123456.log",
            "20260304T112233Z.log",
        ] {
            assert_eq!(begun(name, untimed), expected, "{name}");
        }
        assert_eq!(begun("shop-2026-03-04.log", untimed), None);
        assert_eq!(begun("shop-20260304-7.log", untimed), None);
        let timed = "2026-03-04 11:22:40 INFO x\n";
        assert_eq!(begun("shop-20260304-112233.log", timed), None);
    }

    #[test]
    fn a_later_line_tells_the_order() {
        let order = |text: &str| calendar("a.log", text).order;
        assert_eq!(
            order("03/12/2025 10:00:00 INFO x\n03/13/2025 10:00:00 INFO y\n"),
            Some(DateOrder::MonthFirst)
        );
        assert_eq!(
            order("12/03/2025 10:00:00 INFO x\n13/03/2025 10:00:00 INFO y"),
            Some(DateOrder::DayFirst)
        );
        assert_eq!(order("03/12/2025 10:00:00 INFO x\n"), None);
        assert_eq!(
            order("04/03/2025 10:00:00 x\n05/03/2025 10:00:00 x\n"),
            Some(DateOrder::DayFirst)
        );
        assert_eq!(order("2025-03-12 10:00:00 INFO x\n"), None);
        // The first dates are unambiguous, the later ones are not.
        let sure = "03/31/2026 10:00:00 INFO x\n".repeat(60);
        assert_eq!(
            order(&format!("{sure}04/01/2026 10:00:00 INFO x\n")),
            Some(DateOrder::MonthFirst)
        );
        // Lines before the first time are ignored.
        let banner = "welcome\n".repeat(80);
        assert_eq!(
            order(&format!(
                "{banner}04/01/2026 10:00:00 x\n13/01/2026 10:00:00 x\n"
            )),
            Some(DateOrder::DayFirst)
        );
    }

    #[test]
    fn a_name_tells_the_day() {
        let day = |name: &str| calendar(name, "10:00:00 INFO x\n").day;
        assert_eq!(day("crawl-2026-03-04.log"), Some(civil::date(2026, 3, 4)));
        assert_eq!(day("crawl_20260304.log"), Some(civil::date(2026, 3, 4)));
        assert_eq!(day("crawl-12345678.log"), None);
        assert_eq!(day("crawl.log"), None);
    }
}
