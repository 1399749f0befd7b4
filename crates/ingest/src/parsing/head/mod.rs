//! The head of a text record, in whatever order its parts stand.
//!
//! A head says when, how loud and who: a time, a level, and around them a logger, a process, a thread, a
//! place in the source. Formats are made up by everybody, so there is no list of them. A line is read part by
//! part: what is a time or a level is known by itself, and what stands before, between and behind them is a
//! part of the head when it looks like one (in brackets, a dotted name, a number, behind a bar or a dash).
//! The rest is the message.
//!
//! A level alone makes a head where it stands as heads have it; a time alone does, too.

mod layout;
mod level;
mod names;
mod special;

use dragline_schema::Dialect;

pub(crate) use self::layout::Layouts;
use self::level::{
    bracketed_letter, ends_level, is_capital, is_lower, letter, letter_behind_time, level,
};
use self::names::{
    dialect_of, is_dotted, is_group_of_head, is_logger, is_module, is_name, is_name_alone,
    is_place, is_thread, logger_of,
};
pub(crate) use self::special::weak;
use self::special::{
    badge, brace_end, google, module_and_numbers, namespace, numbered, padded, process_and_letter,
    sign, source, warning,
};
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::{Date, Stamp};

/// The beginning of a record.
#[derive(Debug, PartialEq)]
pub(crate) struct Head<'l> {
    pub(crate) dialect: Dialect,
    /// Not every writer says when.
    pub(crate) time: Option<Stamp>,
    /// Empty when the line does not say.
    pub(crate) level: &'l str,
    pub(crate) logger: Option<&'l str>,
    pub(crate) message: &'l str,
    /// The same with the blanks that it begins with.
    pub(crate) body: &'l str,
    /// Where the level stands in the line, for records without their own time.
    pub(crate) level_at: usize,
    /// Where its time stands in the line.
    pub(crate) time_at: usize,
    /// What stands in the braces of tracing's spans.
    pub(crate) spans: Vec<&'l str>,
    /// The thread or process, which tells mixed lines apart.
    pub(crate) thread: Option<&'l str>,
}

/// No head has more parts, or is longer, in bytes.
const MOST_PARTS: usize = 8;
const LONGEST: usize = 240;
/// A part in brackets is no longer, in bytes.
const LONGEST_GROUP: usize = 100;

/// A part that is neither time nor level.
#[derive(Debug, Clone, Copy)]
struct Part<'l> {
    text: &'l str,
    in_brackets: bool,
    /// Whether what stands behind it ends a part of a head: more than one blank.
    is_ended: bool,
}

/// Reads a line's head.
pub(crate) fn head(line: &str) -> Option<Head<'_>> {
    let bytes = line.as_bytes();
    match bytes.first()? {
        b' ' => badge(line).or_else(|| indented(line)),
        b'I' | b'W' | b'E' | b'F' | b'D' | b'C' if bytes.get(1).is_some_and(u8::is_ascii_digit) => {
            google(line)
        }
        b'\t' => None,
        b'1'..=b'5' if bytes.get(1..3) == Some(b"0:") => {
            numbered(line).or_else(|| Scan::new(line).head())
        }
        0xc3 | 0xe2 | 0xf0 => sign(line).or_else(|| Scan::new(line).head()),
        b'[' => padded(line)
            .or_else(|| process_and_letter(line))
            .or_else(|| Scan::new(line).head())
            .or_else(|| sign(line)),
        _ => Scan::new(line).head().or_else(|| warning(line)),
    }
}

/// tracing's pretty heads are indented; anything else that is continues a record.
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

/// Walks over a line's parts.
struct Scan<'l> {
    line: &'l str,
    at: usize,
    /// Brackets that are open around a part.
    open: usize,
}

impl<'l> Scan<'l> {
    fn new(line: &'l str) -> Self {
        Self {
            line,
            at: 0,
            open: 0,
        }
    }

    fn rest(&self) -> &'l str {
        &self.line[self.at..]
    }

    fn byte(&self, at: usize) -> u8 {
        self.line.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// Goes over what stands between parts; gives it.
    fn skip_between(&mut self) -> &'l str {
        let before = self.at;
        let bytes = self.line.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'|' | b';' | b',' | b'=' | b'*' | b'!' | b'~' | b'#' | b'>'
                | b'-' | b':' | b'/' => {}
                b']' | b')' | b'}' => self.open = self.open.saturating_sub(1),
                _ => break,
            }
            self.at += 1;
        }
        &self.line[before..self.at]
    }

    /// Goes into a bracket that a time or a level stands in.
    fn enter(&mut self) {
        while matches!(self.byte(self.at), b'[' | b'(' | b'<' | b'{') {
            let inside = self.line[self.at + 1..].trim_start_matches(' ');
            let is_known = stamp(inside).is_some()
                || level(inside, true).is_some()
                || letter(inside).is_some()
                || bracketed_letter(inside).is_some();
            if !is_known {
                return;
            }
            self.at = self.line.len() - inside.len();
            self.open += 1;
        }
    }

    /// A group in brackets, which may hold others.
    fn group(&mut self) -> Option<Part<'l>> {
        let open = self.byte(self.at);
        let close = match open {
            b'[' => b']',
            b'(' => b')',
            b'{' => b'}',
            b'<' => b'>',
            _ => return None,
        };
        let rest = &self.line.as_bytes()[self.at..];
        let mut depth = 0;
        for (place, byte) in rest.iter().enumerate().take(LONGEST_GROUP) {
            if *byte == open {
                depth += 1;
            } else if *byte == close {
                depth -= 1;
                if depth == 0 {
                    let text = self.line[self.at + 1..self.at + place].trim();
                    self.at += place + 1;
                    return Some(Part {
                        text,
                        in_brackets: true,
                        is_ended: true,
                    });
                }
            }
        }
        None
    }

    /// A word, up to what ends it.
    fn word(&mut self) -> Option<Part<'l>> {
        let begin = self.at;
        let bytes = self.line.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            let next = self.byte(self.at + 1);
            let ends = match byte {
                b' ' | b'\t' | b'|' | b';' | b',' | b']' | b')' | b'}' | b'[' | b'"' | b'\''
                | b'=' => true,
                // `a::b`, `walk.py:31` and `walk:page:31` are one.
                b':' => {
                    let is_path = next == b':' || (self.at > begin && bytes[self.at - 1] == b':');
                    let is_one =
                        is_path || next.is_ascii_digit() || is_place(&self.line[self.at + 1..]);
                    !is_one || (next == b':' && self.byte(self.at + 2) == b' ')
                }
                _ => false,
            };
            if ends {
                break;
            }
            self.at += 1;
        }
        let text = &self.line[begin..self.at];
        if text.is_empty() {
            return None;
        }
        let rest = &self.line[self.at..];
        let is_ended = matches!(
            rest.as_bytes(),
            [b'\t' | b'|' | b';' | b':' | b']' | b')' | b'}' | b',', ..]
                | [b' ', b' ' | b'[' | b'(' | b'{' | b'<' | b':', ..]
                | [b' ', b'-' | b'|', b' ', ..]
        );
        Some(Part {
            text,
            in_brackets: false,
            is_ended,
        })
    }

    fn head(mut self) -> Option<Head<'l>> {
        let mut parts: Vec<Part<'l>> = Vec::new();
        let (mut time, mut found_level): (Option<Stamp>, Option<Found<'l>>) = (None, None);
        let mut time_at = 0;
        // Where the message begins when there is nothing but a time.
        let mut behind_time = (0, 0);
        let mut plain_words = 0;
        let mut between = "";
        let mut channel = None;
        loop {
            self.enter();
            if self.at >= LONGEST || parts.len() >= MOST_PARTS || self.at >= self.line.len() {
                break;
            }
            if time.is_none()
                && let Some((found, length)) = stamp(self.rest())
            {
                // A clock in the middle of words is none of a head's.
                if found.date == Date::None && plain_words > 0 {
                    return None;
                }
                time = Some(found);
                time_at = self.at;
                self.at += length;
                behind_time = (self.at, parts.len());
                if found_level.is_some() {
                    break;
                }
                between = self.skip_between();
                continue;
            }
            if found_level.is_none() {
                let is_behind_group = parts.last().is_some_and(|part| part.in_brackets);
                let is_apart = self.open > 0 || is_hard(between) || is_behind_group;
                let is_at_start =
                    parts.is_empty() || (time.is_some() && parts.len() == behind_time.1);
                if let Some(found) = self.level(is_apart, is_at_start, time.is_some()) {
                    let is_alone = time.is_none();
                    self.at += found.length;
                    found_level = Some(found);
                    if !is_alone {
                        break;
                    }
                    // The time may stand behind.
                    let before = (self.at, self.open);
                    between = self.skip_between();
                    self.enter();
                    if stamp(self.rest()).is_some() {
                        continue;
                    }
                    (self.at, self.open) = before;
                    break;
                }
            } else {
                break;
            }
            let Some(part) = self.group().or_else(|| self.word()) else {
                break;
            };
            // Sidekiq names process, thread and job in pairs.
            if time.is_some() && !part.in_brackets && self.byte(self.at) == b'=' {
                let value = self.rest().find(' ').unwrap_or(self.rest().len());
                self.at += value;
                between = self.skip_between();
                continue;
            }
            if let Some((name, found)) = self.channel_and_level(&part) {
                channel = Some(name);
                found_level = Some(found);
                break;
            }
            let is_headlike = part.in_brackets || part.is_ended || is_name(part.text);
            if !is_headlike {
                plain_words += 1;
            }
            if plain_words > 3 {
                break;
            }
            parts.push(part);
            between = self.skip_between();
        }
        let is_level_sure = found_level.as_ref().is_some_and(|found| {
            found.is_sure
                || (plain_words == 0
                    && parts
                        .iter()
                        .all(|part| part.in_brackets || part.is_ended || is_name(part.text)))
        });
        let few_words = plain_words == 1
            || (plain_words == 2
                && time.is_some()
                && parts.iter().all(|part| is_of_process(part.text)));
        let is_told = few_words && found_level.as_ref().is_some_and(|l| is_capital(l.text));
        if found_level.is_some() && !(is_level_sure || is_told) {
            found_level = None;
        }
        let Some(found) = found_level else {
            self.at = behind_time.0;
            return self.time_alone(time?, time_at, &parts[..behind_time.1]);
        };
        if time.is_none() && !found.stands_alone(&parts, self.line) {
            return None;
        }
        let head = self.tail(time, &found, &parts, channel);
        Some(Head { time_at, ..head })
    }

    /// A level here, when it stands as heads have it.
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
        let is_usual = is_capital(word) || is_sure;
        // In the middle of words only what is written apart is a level.
        (is_usual && (is_sure || is_at_start || has_time || is_apart)).then_some(Found {
            text: word,
            length: word.len() + more,
            at: self.at,
            is_sure,
        })
    }

    /// What stands between the head and the message is passed over.
    fn message_behind(&mut self) -> &'l str {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([']', ')', '}', '>']);
        let trimmed = trimmed.trim_start_matches([' ', '\t']);
        let bare = ["- ", "| ", ": ", "-- ", "— ", "– ", ":\t", "; "]
            .iter()
            .find_map(|sign| trimmed.strip_prefix(sign));
        bare.unwrap_or(trimmed).trim_start()
    }

    /// A head that is nothing but a time, and what stands before it.
    fn time_alone(mut self, time: Stamp, time_at: usize, before: &[Part<'l>]) -> Option<Head<'l>> {
        let is_word = |p: &Part<'_>| !p.in_brackets && !is_name(p.text) && !p.is_ended;
        if before.iter().any(is_word) {
            return None;
        }
        // A number of seconds alone may be any number.
        let digits = self.line[time_at..].bytes().take(10);
        if digits.filter(u8::is_ascii_digit).count() == 10 {
            return None;
        }
        let message = self.message_behind();
        let (logger, level, message) = namespace(message)
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

    /// The parts behind time and level, and the message.
    fn tail(
        mut self,
        time: Option<Stamp>,
        found: &Found<'l>,
        before: &[Part<'l>],
        channel: Option<&'l str>,
    ) -> Head<'l> {
        let mut after: Vec<Part<'l>> = Vec::new();
        let spans = self.spans();
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
        while after.len() < 5 {
            let begin = (self.at, self.open);
            let between = self.skip_between();
            // `+1` and `/Worker-2` belong to the level.
            let is_more = between.starts_with('/') || between == "/";
            let is_colon = between == ":";
            // `logger: word: …`: the second is of the message.
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

    /// A message with the blanks before it, but for the one behind the head.
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
        // Closing brackets, then signs between blanks.
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

    /// Whether a word behind the level is a part of the head.
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
            // `LEVEL shop.fetch message`: a module, which no host or file is called like.
            [b' ', next, ..]
                if after.is_empty() && is_module(text) && !matches!(next, b' ' | b':' | b'\t') =>
            {
                true
            }
            [b' ', b' ', ..] => {
                // structlog pads the message, and has the logger or fields behind it.
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
            // `logger: message`; `TimeoutError: message` and `HTTP 429: …` are the message.
            [b':', b' ', ..] => is_name_like && is_logger(text),
            _ => false,
        }
    }
}

/// `MainProcess`, `Thread-1`, `worker_2`: what processes and threads are called, and no word of a message is.
fn is_of_process(text: &str) -> bool {
    let has_hump = text
        .bytes()
        .zip(text.bytes().skip(1))
        .any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase());
    has_hump || is_name(text)
}

/// Whether a text begins with a time that names its day.
fn is_dated(text: Option<&str>) -> bool {
    text.and_then(stamp)
        .is_some_and(|(found, _)| found.date != Date::None)
}

/// A level and where it stands.
struct Found<'l> {
    text: &'l str,
    length: usize,
    at: usize,
    /// Whether it stands apart from words.
    is_sure: bool,
}

impl Found<'_> {
    /// Whether a level without a time makes a head.
    fn stands_alone(&self, parts: &[Part<'_>], line: &str) -> bool {
        let behind = &line[self.at + self.text.len()..];
        if parts.is_empty() {
            let is_bracketed = line.starts_with(['[', '(', '<', '{']);
            let is_named = behind.starts_with(':')
                || behind.starts_with(" -")
                || behind.starts_with('\t')
                || behind.starts_with('|');
            return if is_capital(self.text) {
                is_bracketed
                    || is_named
                    || behind.starts_with([' ', '[', '|', '/', ';', ','])
                    || behind.is_empty()
            } else {
                // winston's `info: message`, `[error] message`.
                is_bracketed
                    || (behind.starts_with(": ") && self.text.len() > 3 && is_lower(self.text))
            };
        }
        // `shop.fetch - INFO - message`, `[main] INFO shop.Crawler - message`.
        let is_capital = is_capital(self.text);
        let all = parts.iter().all(|part| {
            part.in_brackets || part.is_ended || part.text.bytes().all(|b| b.is_ascii_digit())
        });
        let is_bracketed = parts.iter().any(|part| part.in_brackets);
        is_capital && all && (self.is_sure || is_bracketed)
    }
}

/// Whether what stands between two parts is more than a blank.
fn is_hard(between: &str) -> bool {
    between.len() > 1 || between.bytes().any(|b| b != b' ')
}
