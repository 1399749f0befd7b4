//! Files whose newest line is the first, as log services show and export them.
//!
//! The lines of such a file are read from its end to its beginning. Lines without a time stay behind the line that
//! they follow. The members of a list are taken apart first.

use dragline_schema::Position;
use jiff::civil;
use serde_json::value::RawValue;

use crate::framing::envelope::answers;
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::{Date, Stamp};
use crate::parsing::{Object, without_colours};

/// Number of lines with a time that are compared.
const LOOKED_AT: usize = 200;
/// Minimum number of times that are earlier than the one before.
const LEAST_STEPS: usize = 6;
/// A line's time is in this many bytes at its start, that of an object anywhere.
const HEAD: usize = 64;
/// Maximum length of a text that is read backwards, in bytes.
const MOST_BYTES: usize = 64 << 20;
/// Members that contain the time of an object.
const NAMES: [&str; 7] = [
    "timestamp",
    "@timestamp",
    "time",
    "ts",
    "TimeGenerated",
    "_time",
    "receiveTimestamp",
];

/// Whether the times of a text that begins like this descend, with few exceptions.
pub(crate) fn descends(start: &[u8]) -> bool {
    let lines = start.split(|byte| *byte == b'\n');
    let times = lines.filter_map(|line| time_of(&String::from_utf8_lossy(line)));
    let (mut last, mut steps, mut back) = (None, 0, 0);
    for time in times.take(LOOKED_AT) {
        let change = last.map_or(std::cmp::Ordering::Equal, |last| time.cmp(&last));
        steps += usize::from(change.is_ne());
        back += usize::from(change.is_lt());
        last = Some(time);
    }
    back >= LEAST_STEPS && back * 10 >= steps * 9
}

/// The time of a line, to compare it with others of the same form.
fn time_of(line: &str) -> Option<civil::DateTime> {
    let line = line.trim_ascii();
    if line.starts_with("{\"") {
        let object = Object::parse(line)?;
        let named = |name: &&str| object.fields.iter().find(|(key, _)| key == name);
        return time_in_value(NAMES.iter().find_map(named)?.1.get());
    }
    // A member of an object over several lines.
    if let Some((name, value)) = line
        .strip_prefix('"')
        .and_then(|rest| rest.split_once("\": "))
    {
        // Others repeat it.
        let is_time = matches!(name, "timestamp" | "@timestamp" | "TimeGenerated" | "time");
        return is_time.then(|| time_in_value(value))?;
    }
    let plain = without_colours(line);
    let bytes = &plain.as_bytes()[..plain.len().min(HEAD)];
    let mut words = (0..bytes.len()).filter(|at| {
        bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[*at - 1].is_ascii_alphanumeric())
    });
    civil(&words.find_map(|at| stamp(plain.get(at..)?))?.0)
}

fn time_in_value(raw: &str) -> Option<civil::DateTime> {
    let text = raw.trim_start_matches('"');
    if let Some((found, _)) = stamp(text) {
        return civil(&found);
    }
    let number = text.trim_end_matches([',', '"', ' ']).parse().ok()?;
    Some(crate::parsing::time::from_epoch(number)?.to_civil())
}

fn civil(stamp: &Stamp) -> Option<civil::DateTime> {
    match stamp.date {
        Date::Known(date) => Some(date.to_datetime(stamp.time)),
        _ => None,
    }
}

/// The lines of a file, to read them backwards.
#[derive(Default)]
pub(crate) struct Lines {
    text: Vec<u8>,
    /// Where each line begins in the text, where in the file, and whether it is complete.
    lines: Vec<(usize, Position, bool)>,
}

impl Lines {
    pub(crate) fn is_full(&self) -> bool {
        self.text.len() >= MOST_BYTES
    }

    pub(crate) fn push(&mut self, bytes: &[u8], at: Position, complete: bool) {
        self.lines.push((self.text.len(), at, complete));
        self.text.extend_from_slice(bytes);
        self.text.push(b'\n');
    }

    fn line(&self, nth: usize) -> &[u8] {
        let end = self
            .lines
            .get(nth + 1)
            .map_or(self.text.len(), |line| line.0);
        // Each line was stored with its end.
        &self.text[self.lines[nth].0..end - 1]
    }

    /// Passes on the lines, the last record first.
    pub(crate) fn each_backwards(&self, take: &mut dyn FnMut(&[u8], Position, bool)) {
        if let Some(members) = self.members() {
            for (member, at) in members.iter().rev() {
                take(member.as_bytes(), *at, true);
            }
            return;
        }
        let starts: Vec<usize> = (0..self.lines.len())
            .filter(|nth| time_of(&String::from_utf8_lossy(self.line(*nth))).is_some())
            .collect();
        // What stands before the first time is no record.
        let first = starts.first().copied().unwrap_or(self.lines.len());
        let records = starts.iter().enumerate().rev();
        let records = records.map(|(nth, begin)| {
            let end = starts.get(nth + 1).copied();
            *begin..end.unwrap_or(self.lines.len())
        });
        for nth in (0..first).chain(records.flatten()) {
            let (_, at, complete) = self.lines[nth];
            take(self.line(nth), at, complete);
        }
    }

    /// The members of the list that the text is, each on one line. `None` if it is none.
    fn members(&self) -> Option<Vec<(String, Position)>> {
        let text = std::str::from_utf8(&self.text).ok()?;
        let text = text.trim_start_matches('\u{feff}').trim();
        let is_list = text.starts_with('[') && text.ends_with(']');
        let list: Vec<String> = if is_list {
            let list: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            list.iter().map(|raw| raw.get().to_owned()).collect()
        } else if text.starts_with('{') && text.lines().next()?.trim() == "{" {
            let members = answers::members(&Object::parse(text)?)?;
            members.into_iter().map(Into::into).collect()
        } else {
            return None;
        };
        let mut from = 0;
        let place = |member: String| {
            // They are in their order in the text, unless a service wrote them as pairs.
            let begin = text[from..].find(&*member).map_or(from, |at| from + at);
            from = text.floor_char_boundary(begin + member.len());
            let nth = self.lines.partition_point(|line| line.0 <= begin).max(1) - 1;
            let at = self
                .lines
                .get(nth)
                .map_or(Position::default(), |line| line.1);
            (member.replace(['\n', '\r'], " "), at)
        };
        Some(list.into_iter().map(place).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backwards(text: &str) -> Vec<(String, u64)> {
        let (mut lines, mut read) = (Lines::default(), Vec::new());
        for (line, text) in (1..).zip(text.lines()) {
            let at = Position {
                line,
                ..Position::default()
            };
            lines.push(text.as_bytes(), at, true);
        }
        lines.each_backwards(&mut |bytes, at, _| {
            read.push((String::from_utf8_lossy(bytes).into_owned(), at.line));
        });
        read
    }

    fn lines(seconds: impl Iterator<Item = u32>, form: &str) -> String {
        let line = |second| form.replace("SS", &format!("{second:02}")) + "\n";
        seconds.map(line).collect()
    }

    #[test]
    fn most_times_of_a_text_are_earlier_than_the_one_before() {
        for form in [
            "2026-03-04T10:00:SSZ INFO x",
            "{\"msg\":\"x\",\"time\":\"2026-03-04T10:00:SSZ\"}",
            "{\"msg\":\"x\",\"ts\":17726184SS}",
            "  {\n    \"receiveTimestamp\": \"2026-03-04T10:59:59Z\",\n    \"timestamp\": \"2026-03-04T10:00:SSZ\"\n  },",
            "2026-03-04 10:00:SS INFO x\n  indented",
        ] {
            assert!(descends(lines((0..9).rev(), form).as_bytes()), "{form}");
            assert!(!descends(lines(0..9, form).as_bytes()), "{form}");
            assert!(!descends(lines((0..4).rev(), form).as_bytes()), "{form}");
            let mixed = (0..9).rev().chain(0..9);
            assert!(!descends(lines(mixed, form).as_bytes()), "{form}");
        }
    }

    #[test]
    fn records_are_turned_and_keep_their_lines() {
        let text = "# head\n2026-03-04T10:00:01Z b\n  of b\n2026-03-04T10:00:00Z a";
        let expected = [
            ("# head", 1),
            ("2026-03-04T10:00:00Z a", 4),
            ("2026-03-04T10:00:01Z b", 2),
            ("  of b", 3),
        ];
        assert_eq!(
            backwards(text),
            expected.map(|(text, line)| (text.to_owned(), line))
        );
    }

    #[test]
    fn members_of_lists_are_turned() {
        let list = "[\n  {\n    \"a\": 1\n  },\n  {\"a\": 2}\n]";
        let expected = [("{\"a\": 2}", 5), ("{     \"a\": 1   }", 2)];
        let expected = expected.map(|(text, line)| (text.to_owned(), line));
        assert_eq!(backwards(list), expected);
        let answer =
            "{\n  \"events\": [\n    {\"message\": \"b\"},\n    {\"message\": \"a\"}\n  ]\n}";
        let expected = [("{\"message\": \"a\"}", 4), ("{\"message\": \"b\"}", 3)];
        let expected = expected.map(|(text, line)| (text.to_owned(), line));
        assert_eq!(backwards(answer), expected);
    }
}
