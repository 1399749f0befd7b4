//! Caches the layouts of a file's heads: the texts around the time, and the parts they contain.
//!
//! The heads of one program differ only in their times. For a given level and logger, the bytes before the time, and
//! those from the time to the message, are always the same. A line with the same bytes has the same head, if its
//! message starts with a plain word, which cannot be part of a head. Then only the time must be parsed.

use dragline_schema::Dialect;

use super::Head;
use crate::parsing::begins;
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::Date;

/// Maximum number of layouts kept per file.
const MOST: usize = 48;
/// Maximum length of a head, in bytes.
const LONGEST: usize = 200;
/// If fewer than one in four of this many lines has a known head, the cache is no longer used.
const TRIED: u32 = 512;

/// The known layouts. Recently used ones move towards the front.
#[derive(Default)]
pub(crate) struct Layouts {
    known: Vec<Layout>,
    tried: u32,
    read: u32,
}

struct Layout {
    before: Box<str>,
    /// The text from the end of the time to the message.
    behind: Box<str>,
    has_date: bool,
    level: Place,
    logger: Option<Place>,
    thread: Option<Place>,
    spans: Box<[Place]>,
    dialect: Dialect,
}

/// A part of a head, within the bytes before its time or within those after it.
#[derive(Clone, Copy)]
struct Place {
    is_behind: bool,
    begin: usize,
    end: usize,
}

impl Layouts {
    /// Starts another file: its heads may repeat even if those of the previous file did not.
    pub(crate) fn begin_file(&mut self) {
        (self.tried, self.read) = (0, 0);
    }

    /// The head of a line.
    pub(crate) fn head<'l>(&mut self, line: &'l str) -> Option<Head<'l>> {
        if self.tried >= TRIED && self.read < self.tried / 4 {
            return super::head(line);
        }
        self.tried += 1;
        if let Some((place, head)) = self.known_head(line) {
            self.read += 1;
            if place > 0 {
                self.known.swap(place, place - 1);
            }
            return Some(head);
        }
        let head = super::head(line)?;
        if let Some(layout) = Layout::of(line, &head) {
            if self.known.len() >= MOST {
                self.known.pop();
            }
            self.known.insert(0, layout);
        }
        Some(head)
    }

    fn known_head<'l>(&self, line: &'l str) -> Option<(usize, Head<'l>)> {
        let mut told = None;
        for (place, layout) in self.known.iter().enumerate() {
            let from = layout.before.len();
            if !begins(line.as_bytes(), layout.before.as_bytes()) {
                continue;
            }
            let rest = &line[from..];
            let (from_told, time) = *told.get_or_insert_with(|| (from, stamp(rest)));
            let time = if from_told == from { time } else { stamp(rest) };
            let Some((time, length)) = time else { continue };
            let behind = &rest[length..];
            if !begins(behind.as_bytes(), layout.behind.as_bytes()) {
                continue;
            }
            let message = &behind[layout.behind.len()..];
            if (time.date != Date::None) != layout.has_date || !is_message(message) {
                continue;
            }
            let text = |part: Place| {
                let from = if part.is_behind { from + length } else { 0 };
                &line[from + part.begin..from + part.end]
            };
            let level = text(layout.level);
            let head = Head {
                dialect: layout.dialect,
                time: Some(time),
                level,
                logger: layout.logger.map(text),
                message,
                body: message,
                time_at: from,
                level_at: level.as_ptr() as usize - line.as_ptr() as usize,
                spans: layout.spans.iter().map(|part| text(*part)).collect(),
                thread: layout.thread.map(text),
            };
            return Some((place, head));
        }
        None
    }
}

/// Whether a message starts with a plain word, which is not part of a head: only letters, followed by an equals
/// sign, or by a blank and a character that is not a separator.
fn is_message(message: &str) -> bool {
    let bytes = message.as_bytes();
    let letters = bytes.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    if letters == 0 || &message[..letters] == "in" {
        return false;
    }
    match &bytes[letters..] {
        [b'=', ..] => true,
        [b' ', next, ..] => {
            next.is_ascii_alphabetic() || matches!(next, b'<' | b'"' | b'\'' | b'(' | b'/')
        }
        _ => false,
    }
}

impl Layout {
    /// The layout of a head. `None` if the head depends on more than these bytes.
    fn of(line: &str, head: &Head<'_>) -> Option<Self> {
        let begin = line.len().checked_sub(head.message.len())?;
        let is_plain = begin <= LONGEST
            && !head.level.is_empty()
            && line[begin..] == *head.message
            && head.body == head.message
            && is_message(head.message)
            && !line.starts_with(' ')
            // A number directly before a time may be part of it.
            && !line[..head.time_at]
                .trim_end_matches([':', '-', '.', '/', ' '])
                .ends_with(|c: char| c.is_ascii_digit())
            // Twisted writes the level last, and it counts only if nothing else in the line is a level.
            && !line[..head.level_at].ends_with('#');
        let time = head.time.filter(|_| is_plain)?;
        let from = head.time_at;
        let (_, length) = stamp(&line[from..])?;
        let behind = line.get(from + length..begin)?;
        // A source position makes a head one of loguru's if a bar follows anywhere in the line.
        let is_place = |name: &str| name.matches(':').count() >= 2 && !name.contains("::");
        let is_open = head.logger.is_some_and(is_place) && !line[..begin].contains(" | ");
        // A bracket that the message may or may not close.
        let count = |sign: u8| line.bytes().take(begin).filter(|b| *b == sign).count();
        let pairs = [(b'(', b')'), (b'[', b']'), (b'{', b'}'), (b'<', b'>')];
        let is_open = is_open
            || pairs
                .iter()
                .any(|(open, close)| count(*open) != count(*close));
        if !behind.ends_with(' ') || behind.contains('/') || is_open {
            return None;
        }
        let place = |part: &str| {
            let begin = part.as_ptr() as usize - line.as_ptr() as usize;
            let end = begin + part.len();
            let behind = from + length;
            if end <= from {
                Some(Place {
                    is_behind: false,
                    begin,
                    end,
                })
            } else {
                let (begin, end) = (begin.checked_sub(behind)?, end.checked_sub(behind)?);
                Some(Place {
                    is_behind: true,
                    begin,
                    end,
                })
            }
        };
        let optional = |part: Option<&str>| match part {
            Some(part) => place(part).map(Some),
            None => Some(None),
        };
        Some(Self {
            level: place(head.level)?,
            logger: optional(head.logger)?,
            thread: optional(head.thread)?,
            spans: head
                .spans
                .iter()
                .map(|span| place(span))
                .collect::<Option<_>>()?,
            before: line[..from].into(),
            behind: behind.into(),
            has_date: time.date != Date::None,
            dialect: head.dialect,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The head of the second line, as derived from the first. Equality includes the case that neither has one.
    fn both(example: &str, line: &str) -> bool {
        let mut layouts = Layouts::default();
        let _ = layouts.head(example);
        let known = layouts.known_head(line).map(|(_, head)| head);
        if let Some(known) = &known {
            assert_eq!(
                Some(known),
                super::super::head(line).as_ref(),
                "{example}\n{line}"
            );
        }
        known.is_some()
    }

    #[test]
    fn a_head_that_came_before_is_known() {
        for (example, line) in [
            (
                "2026-11-22 06:13:32,572 INFO shop: fetched url=https://x.test/",
                "2026-11-22 06:13:33,001 INFO shop: item id=1",
            ),
            (
                "[2026-11-22 06:13:32] shop.ERROR: page failed",
                "[2026-11-22 06:13:33] shop.ERROR: the end",
            ),
            (
                "2026-11-22 06:13:32.572 | INFO     | shop:run:31 - fetched url=https://x.test/",
                "2026-11-22 06:13:33.001 | INFO     | shop:run:31 - item of | two",
            ),
            (
                "2026-11-22T06:13:32.572Z  INFO run{site=a n=1}:page{n=8}: shop::walk: fetched url=1",
                "2026-11-22T06:13:33.572Z  INFO run{site=a n=1}:page{n=8}: shop::walk: item stored",
            ),
            (
                "2026-11-22 06:13:32,572 [main] INFO com.shop.Walker - fetched it",
                "2026-11-22 06:13:33,572 [main] INFO com.shop.Walker - item stored",
            ),
            (
                "INFO:2026-11-22 06:13:32,5:shop: a b",
                "INFO:2026-11-22 06:13:32,61:shop: c d",
            ),
        ] {
            assert_eq!(
                both(example, line),
                super::super::head(line)
                    .is_some_and(|h| h.body == h.message && !h.level.is_empty()),
                "{line}"
            );
        }
        assert!(!both(
            "2026-11-22 06:13:32,572 INFO shop: a b",
            "2026-11-22 06:13:33,001 WARN shop: a b"
        ));
        assert!(!both(
            "2026-11-22 06:13:32,572 INFO shop: a b",
            "06:13:33,001 INFO shop: a b"
        ));
        assert!(!both(
            "2026-11-22 06:13:32,572 INFO shop: a b",
            "2026-11-22 06:13:33,001 INFO shop: in b: c"
        ));
    }

    const PARTS: &str = "(INFO|ERROR|warning|shop:run:1|run\\{a=1\\}:|com\\.shop\\.Walker|\\| INFO     \\||\\[INFO\\]|\\(x\\)|shop|shop\\.fetch|a::b|Main|walk\\.py:31|\\[worker-1\\]|12|E)";

    proptest! {
        #[test]
        fn both_readers_agree(
            before in prop::collection::vec((PARTS, "( |  | - |: |:| \\| |/|; )"), 0..3),
            behind in prop::collection::vec(("( |  | - |: |:| \\| |/|; |\t)", PARTS), 0..4),
            time in prop::sample::subsequence(vec!["2026-11-22 06:13:32,572", "2026-11-22T06:13:33Z", "06:13:33", "[2026-11-22 06:13:32]"], 2),
            end in "( |  | - |: )",
            message in "(fetched|item|in|GET|shop|ERROR|word|a\\.b|x1|\\[z\\]) ?([a-z]{1,4}|-|:|=1|\\| x| y|  z|3 44 55555|\\{b=1\\}:| - | \\| shop:run:1 - ){0,3}",
            other in "(fetched|item|in|GET|shop|ERROR|word|a\\.b|x1|\\[z\\]) ?([a-z]{1,4}|-|:|=1|\\| x| y|  z|3 44 55555|\\{b=1\\}:| - | \\| shop:run:1 - ){0,3}",
        ) {
            let joined = |parts: &[(String, String)]| parts.iter().map(|(one, other)| [&**one, &**other].concat()).collect::<Vec<_>>().concat();
            let before = joined(&before);
            let behind = joined(&behind);
            let example = format!("{before}{}{behind}{end}{message}", time[0]);
            both(&example, &format!("{before}{}{behind}{end}{other}", time[1]));
            both(&example, &format!("{before}{}{behind}{end}{other}", time[0]));
        }
    }
}
