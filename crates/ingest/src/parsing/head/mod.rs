//! Parses the head of a text record, with its parts in any order.
//!
//! A head has a time and a level, and around them a logger, a process, a thread, a source position. Every program
//! may define its own format, so this module has no list of formats. It reads a line part by part: times and levels
//! are recognized by their form. A text before, between or after them is part of the head if it looks like one (in
//! brackets, a dotted name, a number, followed by a bar or a dash). The rest is the message.
//!
//! A level alone also makes a head if it is placed as in a head. So does a time alone.

mod late;
mod layout;
mod level;
mod names;
mod part;
mod scan;
mod special;

use dragline_schema::Dialect;

pub(crate) use self::layout::Layouts;
use self::level::{
    bracketed_letter, ends_level, is_capital, is_lower, letter, letter_behind_time, level,
};
use self::names::{
    dialect_of, is_dotted, is_group_of_head, is_logger, is_module, is_name, is_name_alone,
    is_thread, logger_of,
};
use self::part::{Found, Part};
use self::scan::{LONGEST_GROUP, Scan};
use self::special::{
    badge, glued, google, logger_and_level, module_and_numbers, namespace, namespace_and_level,
    numbered, padded, process_and_letter, sign, source, task, warning,
};
pub(crate) use self::special::{brace_end, weak, without_indent};
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::{Date, Stamp};

/// The head of a record.
#[derive(Debug, PartialEq)]
pub(crate) struct Head<'l> {
    pub(crate) dialect: Dialect,
    /// `None` if the line has no time.
    pub(crate) time: Option<Stamp>,
    /// Empty if the line has no level.
    pub(crate) level: &'l str,
    pub(crate) logger: Option<&'l str>,
    pub(crate) message: &'l str,
    /// The message with its leading blanks.
    pub(crate) body: &'l str,
    /// Offset of the level in the line, for records without a time of their own.
    pub(crate) level_at: usize,
    /// Offset of the time in the line.
    pub(crate) time_at: usize,
    /// The text within the braces of tracing's spans.
    pub(crate) spans: Vec<&'l str>,
    /// The thread or process, which distinguishes lines that are mixed.
    pub(crate) thread: Option<&'l str>,
}

/// Maximum number of parts of a head, and maximum length in bytes.
const MOST_PARTS: usize = 8;
const LONGEST: usize = 240;

/// Parses a line's head.
pub(crate) fn head(line: &str) -> Option<Head<'_>> {
    let bytes = line.as_bytes();
    match bytes.first()? {
        b' ' => badge(line)
            .or_else(|| task(line))
            .or_else(|| indented(line))
            .or_else(|| late::counted(line)),
        b'I' | b'W' | b'E' | b'F' | b'D' | b'C' if bytes.get(1).is_some_and(u8::is_ascii_digit) => {
            google(line).or_else(|| glued(line))
        }
        b'\t' => None,
        b'1'..=b'5' if bytes.get(1..3) == Some(b"0:") => numbered(line)
            .or_else(|| Scan::new(line).head())
            .or_else(|| late::counted(line)),
        0xc3 | 0xe2 | 0xf0 => sign(line).or_else(|| Scan::new(line).head()),
        b'[' => padded(line)
            .or_else(|| process_and_letter(line))
            .or_else(|| logger_and_level(line))
            .or_else(|| late::roarr(line))
            .or_else(|| Scan::new(line).head())
            .or_else(|| sign(line)),
        b'=' => late::erlang(line).or_else(|| Scan::new(line).head()),
        _ => Scan::new(line)
            .head()
            .or_else(|| warning(line))
            .or_else(|| late::counted(line))
            .or_else(|| late::npmlog(line)),
    }
}

/// tracing's pretty heads are indented. Any other indented line continues a record.
fn indented(line: &str) -> Option<Head<'_>> {
    let bare = line.trim_start_matches(' ');
    if line.len() - bare.len() > 4 || !bare.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let head = Scan::new(bare).head()?;
    let is_whole = head
        .time
        .is_some_and(|time| time.date != Date::None && time.offset.is_some());
    (is_whole && !head.level.is_empty()).then_some(head)
}

/// What was found of a head so far.
#[derive(Default)]
struct Search<'l> {
    parts: Vec<Part<'l>>,
    time: Option<Stamp>,
    time_at: usize,
    /// End of the time, and number of parts before it: start of the message if the head has only a time.
    behind_time: (usize, usize),
    level: Option<Found<'l>>,
    channel: Option<&'l str>,
    /// Number of words that do not look like parts of a head.
    plain_words: usize,
    /// The separator before the current part.
    between: &'l str,
}

impl Search<'_> {
    /// Discards a level that may be a word of the message.
    fn check_level(&mut self) {
        let Some(found) = &self.level else { return };
        let is_part = |part: &Part<'_>| part.in_brackets || part.is_ended || is_name(part.text);
        let is_sure = found.is_sure || (self.plain_words == 0 && self.parts.iter().all(is_part));
        let few_words = self.plain_words == 1
            || (self.plain_words == 2
                && self.time.is_some()
                && self.parts.iter().all(|part| is_of_process(part.text)));
        let is_placed = is_sure || (few_words && is_capital(found.text));
        if !is_placed {
            self.level = None;
        }
    }
}

impl<'l> Scan<'l> {
    fn head(mut self) -> Option<Head<'l>> {
        let mut found = Search::default();
        while self.step(&mut found)? {}
        found.check_level();
        let Some(level) = found.level else {
            self.at = found.behind_time.0;
            let before = &found.parts[..found.behind_time.1];
            return self.time_alone(found.time?, found.time_at, before);
        };
        if found.time.is_none() && !level.stands_alone(&found.parts, self.line) {
            return None;
        }
        let head = self.tail(found.time, &level, &found.parts, found.channel);
        Some(Head {
            time_at: found.time_at,
            ..head
        })
    }

    /// Reads the next part. Returns `false` at the end of the search, and `None` if the line has no head.
    fn step(&mut self, found: &mut Search<'l>) -> Option<bool> {
        self.enter();
        if self.at >= LONGEST || found.parts.len() >= MOST_PARTS || self.at >= self.line.len() {
            return Some(false);
        }
        if found.time.is_none()
            && let Some((time, length)) = stamp(self.rest())
        {
            // A clock in the middle of words does not belong to a head.
            if time.date == Date::None && found.plain_words > 0 {
                return None;
            }
            found.time = Some(time);
            found.time_at = self.at;
            self.at += length;
            found.behind_time = (self.at, found.parts.len());
            if found.level.is_some() {
                return Some(false);
            }
            found.between = self.skip_between();
            return Some(true);
        }
        if found.level.is_some() {
            return Some(false);
        }
        Some(match self.step_to_level(found) {
            Some(goes_on) => goes_on,
            None => self.step_to_part(found),
        })
    }

    /// Reads a level, if there is one at the current position.
    fn step_to_level(&mut self, found: &mut Search<'l>) -> Option<bool> {
        let is_behind_group = found.parts.last().is_some_and(|part| part.in_brackets);
        let is_apart = self.open > 0 || is_hard(found.between) || is_behind_group;
        let has_time = found.time.is_some();
        let is_at_start =
            found.parts.is_empty() || (has_time && found.parts.len() == found.behind_time.1);
        let level = self.level(is_apart, is_at_start, has_time)?;
        self.at += level.length;
        found.level = Some(level);
        if has_time {
            return Some(false);
        }
        // The time may follow the level.
        let before = (self.at, self.open);
        found.between = self.skip_between();
        self.enter();
        if stamp(self.rest()).is_some() {
            return Some(true);
        }
        (self.at, self.open) = before;
        Some(false)
    }

    /// Reads a part that is neither a time nor a level.
    fn step_to_part(&mut self, found: &mut Search<'l>) -> bool {
        let Some(part) = self.group().or_else(|| self.word()) else {
            return false;
        };
        // Sidekiq writes process, thread and job as pairs.
        if found.time.is_some() && !part.in_brackets && self.byte(self.at) == b'=' {
            self.at += self.rest().find(' ').unwrap_or(self.rest().len());
            found.between = self.skip_between();
            return true;
        }
        if let Some((name, level)) = self.channel_and_level(&part) {
            found.channel = Some(name);
            found.level = Some(level);
            return false;
        }
        let is_headlike = part.in_brackets || part.is_ended || is_name(part.text);
        found.plain_words += usize::from(!is_headlike);
        if found.plain_words > 3 {
            return false;
        }
        found.parts.push(part);
        found.between = self.skip_between();
        true
    }

    /// The level at the current position, if it is placed as in a head.
    fn level(&self, is_apart: bool, is_at_start: bool, has_time: bool) -> Option<Found<'l>> {
        let rest = self.rest();
        let is_first = self.at == 0 && (self.byte(1) == b',' || is_dated(rest.get(2..)));
        let single = letter(rest)
            .filter(|_| self.open > 0 || is_first)
            .or_else(|| bracketed_letter(rest).filter(|_| self.open > 0))
            .or_else(|| letter_behind_time(rest).filter(|_| has_time && is_at_start));
        if let Some(text) = single {
            return Some(Found {
                text,
                length: 1,
                at: self.at,
                is_sure: true,
            });
        }
        let (word, more) = level(rest, is_at_start || is_apart || has_time)?;
        let behind = &rest[word.len() + more..];
        let is_ended = ends_level(behind, self.open > 0);
        let is_sure = self.open > 0 || is_ended || is_apart && is_capital(word);
        // `TIME Info message`: .NET's loggers write levels as words of a sentence, which no message begins with.
        let is_titled = has_time && is_at_start && matches!(word, "Info" | "Warn" | "Debug");
        let is_usual = is_capital(word) || is_sure || is_titled;
        // In the middle of words only a level separated from them counts.
        (is_usual && (is_sure || is_at_start || has_time || is_apart)).then_some(Found {
            text: word,
            length: word.len() + more,
            at: self.at,
            is_sure,
        })
    }

    /// The message, without the separators between it and the head.
    fn message_behind(&mut self) -> &'l str {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([']', ')', '}', '>']);
        let trimmed = trimmed.trim_start_matches([' ', '\t']);
        let bare = ["- ", "| ", ": ", "-- ", "— ", "– ", ":\t", "; "]
            .iter()
            .find_map(|sign| trimmed.strip_prefix(sign));
        bare.unwrap_or(trimmed).trim_start()
    }

    /// A head that has only a time, and the parts before it.
    fn time_alone(mut self, time: Stamp, time_at: usize, before: &[Part<'l>]) -> Option<Head<'l>> {
        let is_word = |p: &Part<'_>| !p.in_brackets && !is_name(p.text) && !p.is_ended;
        if before.iter().any(is_word) {
            return None;
        }
        // A number of seconds alone could be any number.
        let digits = self.line[time_at..].bytes().take(10);
        if digits.filter(u8::is_ascii_digit).count() == 10 {
            return None;
        }
        let message = self.message_behind();
        let (logger, level, message) = namespace(message)
            .or_else(|| namespace_and_level(message))
            .or_else(|| source(message).map(|(name, message)| (name, "", message)))
            .unwrap_or(("", "", message));
        let body = self.body_of(message);
        Some(Head {
            dialect: Dialect::Text,
            time: Some(time),
            level,
            logger: Some(logger).filter(|logger| !logger.is_empty()),
            message,
            body,
            level_at: if level.is_empty() {
                0
            } else {
                level.as_ptr() as usize - self.line.as_ptr() as usize
            },
            time_at,
            spans: Vec::new(),
            thread: None,
        })
    }

    /// Monolog's `channel.LEVEL:`.
    fn channel_and_level(&self, part: &Part<'l>) -> Option<(&'l str, Found<'l>)> {
        let (name, word) = part.text.rsplit_once('.')?;
        let is_level = !part.in_brackets
            && self.byte(self.at) == b':'
            && level(word, true).is_some_and(|(l, _)| l.len() == word.len())
            && is_capital(word);
        let found = Found {
            text: word,
            length: 0,
            at: self.at - word.len(),
            is_sure: true,
        };
        is_level.then_some((name, found))
    }

    /// The parts after time and level, and the message.
    fn tail(
        mut self,
        time: Option<Stamp>,
        found: &Found<'l>,
        before: &[Part<'l>],
        channel: Option<&'l str>,
    ) -> Head<'l> {
        let spans = self.spans();
        let after = self.parts_after();
        let line_end = self.line.len();
        let message = if self.at >= line_end {
            ""
        } else {
            self.message_start()
        };
        let logger = channel
            .or_else(|| logger_of(&after))
            .or_else(|| logger_of(before));
        let dialect = dialect_of(self.line, before, &after, logger);
        Head {
            dialect,
            time,
            level: found.text,
            logger,
            message,
            body: self.body_of(message),
            level_at: found.at,
            time_at: 0,
            spans,
            thread: after
                .iter()
                .chain(before)
                .map(|part| part.text)
                .find(|text| is_thread(text)),
        }
    }

    /// The parts of the head after time and level.
    fn parts_after(&mut self) -> Vec<Part<'l>> {
        let mut after: Vec<Part<'l>> = Vec::new();
        // Flask's `INFO in module: message`.
        if let Some((name, _)) = self
            .rest()
            .strip_prefix(" in ")
            .and_then(|rest| rest.split_once(": "))
            && is_name_alone(name)
        {
            after.push(Part {
                text: name,
                in_brackets: false,
                is_ended: true,
            });
            self.at += " in ".len() + name.len();
        }
        if let Some((name, length)) = module_and_numbers(self.rest()) {
            after.push(Part {
                text: name,
                in_brackets: false,
                is_ended: true,
            });
            self.at += length;
        }
        self.skip_thread_number();
        while after.len() < 5 {
            let begin = (self.at, self.open);
            let between = self.skip_between();
            // `+1` and `/Worker-2` belong to the level.
            let is_more = between.starts_with('/') || between == "/";
            let is_colon = between == ":";
            // `logger: word: …`: the second colon belongs to the message.
            let is_behind_colon = between == ": " && !after.is_empty();
            let part = self.group().map(|part| (part, is_group_of_head(part.text)));
            let part = part.or_else(|| {
                let part = self.word()?;
                let is_part =
                    is_more || (!is_behind_colon && self.is_word_of_head(&part, is_colon, &after));
                Some((part, is_part))
            });
            let Some((part, is_part)) = part else {
                (self.at, self.open) = begin;
                break;
            };
            if !is_part {
                (self.at, self.open) = begin;
                break;
            }
            after.push(part);
        }
        after
    }

    /// Skips simplelog's number of the thread, between the level and the module: `[INFO] (3) crawl: message`.
    fn skip_thread_number(&mut self) {
        let rest = self.rest();
        let behind_level = rest.strip_prefix(']').unwrap_or(rest);
        let number = behind_level
            .strip_prefix(" (")
            .and_then(|rest| rest.split_once(") "));
        let Some((number, rest)) = number else { return };
        let name = rest
            .split(' ')
            .next()
            .and_then(|word| word.strip_suffix(':'));
        let is_number =
            (1..=3).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        if is_number && name.is_some_and(|name| is_dotted(name) || is_lower(name)) {
            self.at = self.line.len() - rest.len() - 1;
            self.open = self.open.saturating_sub(usize::from(self.open > 0));
        }
    }

    /// tracing's spans: `crawl{site=x}:page{n=8}: `, or `crawl:page: ` without fields.
    fn spans(&mut self) -> Vec<&'l str> {
        let mut spans = Vec::new();
        let before = self.at;
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
        loop {
            let rest = self.rest();
            let name = rest
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
                .count();
            if name == 0 || rest.as_bytes().get(name) != Some(&b'{') {
                break;
            }
            let Some(end) = brace_end(&rest[name..]) else {
                break;
            };
            if rest.as_bytes().get(name + end) != Some(&b':') {
                break;
            }
            spans.push(&rest[name + 1..name + end - 1]);
            self.at += name + end + 1;
        }
        if spans.is_empty() {
            self.at = before;
        }
        spans
    }

    /// The message with the blanks before it, except the one that separates it from the head.
    fn body_of(&self, message: &'l str) -> &'l str {
        let begin = self.line.len() - message.len();
        let blanks = self.line[..begin]
            .bytes()
            .rev()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count();
        &self.line[begin - blanks.saturating_sub(1)..]
    }

    fn message_start(&mut self) -> &'l str {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let mut at = 0;
        // Closing brackets, then separators surrounded by blanks.
        let blanks = bytes.iter().take_while(|byte| **byte == b' ').count();
        if self.open > 0
            && bytes
                .get(blanks)
                .is_some_and(|byte| matches!(byte, b']' | b')' | b'}'))
        {
            at = blanks;
        }
        while at < bytes.len() && matches!(bytes[at], b']' | b')' | b'}') && self.open > 0 {
            at += 1;
            self.open -= 1;
        }
        let mut rest = &rest[at..];
        if self.open > 0 {
            rest = rest.strip_prefix('】').unwrap_or(rest);
        }
        loop {
            let trimmed = rest.trim_start_matches([' ', '\t']);
            let next = [
                "- ", "| ", ": ", "-- ", ":: ", "!! ", "— ", "; ", "=> ", "> ", ": ",
            ]
            .iter()
            .find_map(|sign| trimmed.strip_prefix(sign));
            let glued = (trimmed.len() == rest.len())
                .then(|| trimmed.strip_prefix([':', ';', ']', '|', ',', '-']))
                .flatten();
            match next.or(glued) {
                Some(behind) => rest = behind,
                None if matches!(trimmed, ":" | "-" | "|") => return "",
                None => return trimmed,
            }
        }
    }

    /// Whether a word after the level is part of the head.
    fn is_word_of_head(&self, part: &Part<'l>, is_colon: bool, after: &[Part<'l>]) -> bool {
        let text = part.text;
        if text.contains("//")
            || text.starts_with(['"', '\'', '/', '$', '@'])
            || text.len() > LONGEST_GROUP
        {
            return false;
        }
        let rest = self.rest().as_bytes();
        if rest.starts_with(b"://") {
            return false;
        }
        let is_name_like = text.bytes().all(|b| {
            b.is_ascii_alphanumeric()
                || matches!(
                    b,
                    b'_' | b'.' | b'-' | b'$' | b':' | b'/' | b'@' | b'<' | b'>' | b'#'
                )
        }) && text.bytes().any(|b| b.is_ascii_alphabetic());
        let is_number = text.bytes().all(|b| b.is_ascii_digit());
        match rest {
            // `logger - message`, `logger | message`, columns.
            [b' ', b'-' | b'|' | b'>', b' ', ..] => is_name_like || is_number,
            [b' ', b'-', b'-', ..] => true,
            // `LEVEL shop.fetch message`: a module name, whose form hosts and files do not have.
            [b' ', next, ..]
                if after.is_empty() && is_module(text) && !matches!(next, b' ' | b':' | b'\t') =>
            {
                true
            }
            [b' ', b' ', ..] => {
                // structlog pads the message, and writes the logger or fields after it.
                let behind = self.rest().trim_start();
                let word = behind.split(' ').next().unwrap_or_default();
                let is_event = behind.starts_with('[') || word.contains('=');
                is_name_like && !is_event && (is_dotted(text) || after.is_empty() && is_lower(text))
            }
            // `LEVEL⇥logger⇥place⇥message⇥{…}`
            [b'\t', behind, ..] => {
                is_name_like && *behind != b'{' && (after.is_empty() || is_name(text))
            }
            [b' ', b':', b' ' | b':', ..] => is_name_like,
            // `[INFO 2026-… shop.fetch] message`
            [b']' | b'}' | b')', ..] => self.open > 0 && (is_name_like || is_number),
            // `LEVEL:logger:message`
            [b':', next, ..] if *next != b' ' => is_name_like && is_colon,
            [b';' | b'|', next, ..] if *next != b' ' => is_name_like || is_number,
            // `logger: message`. In `TimeoutError: message` and `HTTP 429: …` the word belongs to the message.
            [b':', b' ', ..] => is_name_like && is_logger(text),
            _ => false,
        }
    }
}

/// `MainProcess`, `Thread-1`, `worker_2`: forms that names of processes and threads have, and words of messages do
/// not.
fn is_of_process(text: &str) -> bool {
    let has_hump = text
        .bytes()
        .zip(text.bytes().skip(1))
        .any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase());
    has_hump || is_name(text)
}

/// Whether a text starts with a time that includes a date.
fn is_dated(text: Option<&str>) -> bool {
    text.and_then(stamp)
        .is_some_and(|(found, _)| found.date != Date::None)
}

/// Whether the separator between two parts is more than a blank.
fn is_hard(between: &str) -> bool {
    between.len() > 1 || between.bytes().any(|b| b != b' ')
}
