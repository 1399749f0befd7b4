//! The time that a platform writes before every line of a program, and the name of a stream behind it.

use std::borrow::Cow;

use dragline_schema::Level;
use jiff::tz::TimeZone;

use super::names::{before_traceback, fly, named, of_stream};
use super::{Habits, Opened};
use crate::framing::crash;
use crate::parsing::head::head;
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::{Date, Stamp};
use crate::parsing::time::{self, Before, Calendar};
use crate::parsing::without_colours;

/// Number of lines of a file that must all begin with a time, as far as it has as many, and the minimum.
const LOOKED_AT: usize = 200;
const LEAST_LINES: usize = 3;

/// What stands before every line of a file that begins like this. `None` if that is nothing, or if each line is a
/// record: then the times may be those of the program.
pub(crate) fn every_line(start: &[u8]) -> Option<Before> {
    let whole = memchr::memrchr(b'\n', start).unwrap_or(start.len());
    let lines = start[..whole].split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.trim_ascii().is_empty());
    let (mut count, mut has_streams) = (0, true);
    let (mut goes_on, mut stream_goes_on) = (false, false);
    // Where every line is indented, the blanks align columns.
    let mut is_aligned = true;
    for line in lines.take(LOOKED_AT) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_start_matches('\u{feff}').trim_end_matches('\r');
        let (_, text) = split(line)?;
        count += 1;
        is_aligned &= text.starts_with([' ', '\t']);
        goes_on |= is_continuation(line, text);
        let behind = stream_before(text);
        has_streams &= behind.is_some();
        stream_goes_on |= behind.is_some_and(|(_, text)| is_continuation(line, text));
    }
    if is_aligned {
        return (count > 0).then_some(Before::Columns);
    }
    match (count >= LEAST_LINES, has_streams && stream_goes_on, goes_on) {
        (true, true, _) => Some(Before::TimeAndStream),
        (true, false, true) => Some(Before::Time),
        _ => None,
    }
}

/// A time with a zone at the beginning of a line, and what is behind it.
fn split(line: &str) -> Option<(Stamp, &str)> {
    if line.as_bytes().get(10) != Some(&b'T') {
        return None;
    }
    let (when, length) = stamp(line)?;
    let behind = &line[length..];
    let is_end = behind.is_empty() || behind.starts_with([' ', '\t']);
    (is_end && when.offset.is_some() && when.date != Date::None)
        .then_some((when, behind))
        .map(|(when, behind)| (when, behind.get(1..).unwrap_or("")))
}

/// The name of a stream and the line behind it: `ecs/crawl/0f1e2d3c line`, `2026/03/04/[$LATEST]0a1b line`.
fn stream_before(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"/._-$[]".contains(&b);
    let is_name = name.contains('/')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().any(|b| b.is_ascii_digit())
        && name.bytes().all(is_part);
    is_name.then_some((name, rest))
}

/// Whether a text behind a line's time shows that the time is not of the record itself.
fn is_continuation(line: &str, text: &str) -> bool {
    const BEGINNINGS: [&str; 16] = [
        "{'",
        "['",
        "('",
        "'",
        "}",
        "]",
        ")",
        "│",
        "┌",
        "├",
        "└",
        "╭",
        "╰",
        "=====",
        "Traceback (most",
        "##[",
    ];
    let plain = without_colours(text);
    let has_own = || head(line).is_some_and(|head| !head.level.is_empty());
    plain.is_empty()
        || plain.starts_with("{\"")
        || BEGINNINGS.iter().any(|begin| plain.starts_with(begin))
        || is_dated(&plain)
        || (plain.starts_with([' ', '\t']) && !has_own())
}

fn is_dated(text: &str) -> bool {
    stamp(text).is_some_and(|(inner, _)| inner.date != Date::None)
}

/// A line behind a time that a platform writes before every line of a program.
pub(super) fn platform<'l>(
    line: &'l str,
    habits: &mut Habits,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<Opened<'l>> {
    if habits.before == Some(Before::Columns) {
        return None;
    }
    let (when, behind) = split(line)?;
    let mut name = "";
    let text = match habits.before {
        Some(Before::TimeAndStream) => {
            let (stream, text) = stream_before(behind).unwrap_or(("", behind));
            name = stream;
            text
        }
        _ => of_stream(behind).unwrap_or(behind),
    };
    if habits.before.is_none() {
        let before = before_traceback(text);
        if let Some(name) = before {
            habits.learn(name, false);
        }
        habits.platform_times |=
            before.is_some() || text.len() < behind.len() || is_inside(line, text);
        if !habits.platform_times {
            return None;
        }
    }
    let (level, text) = of_step(text);
    Some(Opened {
        is_own: text.starts_with("##["),
        text: Cow::Borrowed(text),
        level,
        time: time::instant(&when, zone, calendar).map(|(time, _)| time),
        stream: Cow::Borrowed(name),
        ..Opened::default()
    })
}

/// What a step reports to GitHub Actions: `##[error]Process completed with exit code 1.` Other such lines are the
/// platform's.
fn of_step(text: &str) -> (Option<Level>, &str) {
    let marks = [("##[error]", Level::Error), ("##[warning]", Level::Warn)];
    let mut told = marks
        .iter()
        .filter_map(|(mark, level)| Some((Some(*level), text.strip_prefix(mark)?)));
    told.next().unwrap_or((None, text))
}

/// Whether the text behind a time is a line of its own: then a platform wrote the time.
fn is_inside(line: &str, text: &str) -> bool {
    if text.starts_with('\u{1b}') {
        let plain = without_colours(text);
        return is_dated(&plain) || plain.starts_with(['│', '┌', '├', '└', '╭', '╰']);
    }
    text.starts_with('{')
        || text.starts_with("##[")
        || text.trim_start().starts_with("Traceback (most")
        || text.starts_with(['│', '┌', '├', '└'])
        || (text.starts_with("  ")
            && !text.trim_start().is_empty()
            && (head(line).is_none_or(|head| head.level.is_empty())
                || crash::error_line(text.trim_start()).is_some()))
        || text.starts_with('\t')
        || named(text).is_some()
        || fly(text).is_some()
        || behind_tab(text)
        || is_dated(text)
}

/// Whether an object follows a tab.
fn behind_tab(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'\t', bytes).any(|at| bytes[at + 1..].starts_with(b"{\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(lines: &[&str]) -> Option<Before> {
        every_line(lines.join("\n").as_bytes())
    }

    #[test]
    fn a_time_before_lines_that_continue_others_is_a_platforms() {
        let lines = [
            "2026-03-04T09:30:00.100Z INFO shop: settings:",
            "2026-03-04T09:30:00.100Z {'BOT_NAME': 'fleet',",
            "2026-03-04T09:30:00.100Z  'DELAY': 1}",
            "",
        ];
        assert_eq!(before(&lines), Some(Before::Time));
        let streams = lines.map(|line| line.replace("Z ", "Z ecs/crawl/0f1e2d3c4b5a "));
        let streams: Vec<&str> = streams.iter().map(|line| &**line).collect();
        assert_eq!(before(&streams), Some(Before::TimeAndStream));
        let coloured = "2026-03-04T09:30:00.100Z \u{1b}[31m╭─\u{1b}[0m box";
        assert_eq!(
            before(&[lines[0], lines[0], coloured, ""]),
            Some(Before::Time)
        );
    }

    #[test]
    fn the_time_of_records_is_their_own() {
        let record = "2026-03-04T09:30:00.100Z INFO shop: fetched";
        assert_eq!(before(&[record, record, record, ""]), None);
        let padded = "2026-03-04T09:30:00.100Z  INFO shop: fetched";
        assert_eq!(before(&[padded, padded, padded, ""]), Some(Before::Columns));
        // Columns that are aligned by blanks.
        let columns = "2026-03-04T09:30:00.100Z   200   5123 https://a.test/";
        assert_eq!(before(&[columns, columns, ""]), Some(Before::Columns));
        assert_eq!(before(&[record, columns, ""]), None);
        // A line without a time.
        let indented = "2026-03-04T09:30:00.100Z   at walk.js:1";
        assert_eq!(
            before(&[record, indented, "at walk.js:1", record, ""]),
            None
        );
        assert_eq!(before(&[record, indented, ""]), None);
    }

    #[test]
    fn a_line_shows_that_the_time_before_it_is_a_platforms() {
        let time = "2026-03-04T09:30:00.100Z ";
        let is_inside = |text: &str| is_inside(&format!("{time}{text}"), text);
        for text in [
            "{\"msg\":\"x\"}",
            "\u{1b}[2m2026-03-04T09:30:00Z\u{1b}[0m [info] x",
            "\u{1b}[31m╭─\u{1b}[0m box",
            "2026-03-04 09:30:00 INFO x",
            "\tat a.b",
        ] {
            assert!(is_inside(text), "{text}");
        }
        assert!(!is_inside("INFO shop: x") && !is_inside("\u{1b}[32mINFO\u{1b}[0m shop: x"));
    }

    #[test]
    fn streams_are_paths() {
        let name = |text| stream_before(text).map(|(name, _)| name);
        assert_eq!(name("ecs/crawl/0f1e2d x"), Some("ecs/crawl/0f1e2d"));
        assert_eq!(
            name("2026/03/04/[$LATEST]0a1b"),
            Some("2026/03/04/[$LATEST]0a1b")
        );
        for other in [
            "/app/walk.py:10 x",
            "walk/main.go:17 x",
            "shop/fetch x",
            "GET x",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
