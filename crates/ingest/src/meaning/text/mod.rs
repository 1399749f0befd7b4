//! Text logs whose records start with a header and may continue over several lines.
//!
//! A header contains time, level and logger ([`crate::parsing::head`], and [`crawlee`] for Crawlee). A line without a header
//! continues the previous record if it looks like a part of it ([`body`](crate::framing::body)). Requests, items and errors are
//! read from `key=value` pairs in the text, like from the fields of a JSON record. A line that consists only of
//! such pairs is a record by itself ([`logfmt`](crate::parsing::logfmt)).

mod begun;
mod console;

use std::sync::Arc;

use dragline_schema::{
    Dialect, Level, Position, Problem, ProblemKind, Record, Sink, Timestamp, clip,
};

pub(crate) use self::console::Debug;
use self::console::{Console, behind_blanks};
use super::crawlee::{self, Crawlee};
use super::lacking;
use super::map::Map;
use crate::framing::body::{Body, Until};
use crate::framing::crash::Extent;
use crate::framing::lines::append;
use crate::parsing::head::{Head, Layouts};
use crate::parsing::time::Local;
use crate::parsing::time::stamp::{Date, Stamp};

/// Maximum size of a record's text in bytes; further lines are read and dropped.
const MAX_RECORD: usize = 1 << 20;
/// Level names used only by zerolog's console, whose durations are in milliseconds.
const ZEROLOG: [&str; 6] = ["TRC", "DBG", "INF", "WRN", "ERR", "FTL"];
/// Maximum length of a line quoted in a problem.
const SHOWN: usize = 120;

/// The decoder of one family of files.
pub(crate) struct Text {
    pending: Option<Begun>,
    crawlee: Crawlee,
    console: Option<Console>,
    layouts: Layouts,
    /// Whether npm's `debug` wrote lines of the file on a terminal.
    has_debug: bool,
    /// Whether the last line was blank.
    is_after_blank: bool,
    /// Whether Monolog's records of the file end with a blank or a bracket.
    has_signed: bool,
    /// Whether levels of the file are written as words of a sentence: `TIME Info message`.
    has_titled: bool,
    /// Whether any record of the file has no time.
    has_timeless: bool,
    /// A crash that followed the last record, and that was of another error.
    crash: Option<(String, Position)>,
}

/// A record's time, as in its header.
#[derive(Debug, Clone)]
pub(crate) enum When {
    Stamp(Stamp),
    /// Text in a common format.
    Text(String),
    /// Text and its user-defined format.
    Described(String, Arc<str>),
}

/// The first line of a record, which may be that of the open one again.
#[derive(Clone, Copy)]
pub(crate) struct Message<'m> {
    pub(crate) text: &'m str,
    pub(crate) level: Option<Level>,
    pub(crate) logger: Option<&'m str>,
    pub(crate) time: Option<Timestamp>,
}

/// A record that a line started and that may continue.
pub(crate) struct Begun {
    dialect: Dialect,
    when: Option<When>,
    /// Time and level from an envelope around the line.
    taken_at: Option<Timestamp>,
    given_level: Option<Level>,
    /// Empty if the line has none.
    pub(crate) level: String,
    pub(crate) logger: Option<String>,
    /// The message, and continuation lines after it.
    pub(crate) text: String,
    /// Other fields of the header.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) at: Position,
    body: Body,
    /// The extent of the crash that the record logs, while inside it.
    extent: Option<Extent>,
    had_crash: bool,
    /// Whether it was written by a console that wraps long messages.
    is_console: bool,
    /// Whether its message is on the next line.
    awaits_message: bool,
    /// Whether further lines follow, each behind the record's logger.
    awaits_end: bool,
    /// Whether the lines after the first are fields, from the start of the line on.
    lists_fields: bool,
    /// Where the message begins in its line.
    message_at: usize,
    /// How many of its lines a second handler has repeated directly behind it.
    echoed: usize,
}

/// Completes a head without a level whose message begins with one, in a file that writes levels as words of a
/// sentence. In other files, `Error` is a word of the message.
fn titled<'l>(head: &mut Head<'l>, line: &'l str) {
    const WORDS: [&str; 6] = ["Error", "Fatal", "Trace", "Critical", "Warning", "Verbose"];
    let Some((word, message)) = head.message.split_once(' ') else {
        return;
    };
    if WORDS.contains(&word) {
        head.level = word;
        head.level_at = line.len() - head.message.len();
        head.message = message.trim_start();
        head.body = message;
    }
}

/// The byte before a part of a line; 0 if the text is no part of the line.
fn sign_before(line: &str, part: &str) -> u8 {
    let at = (part.as_ptr() as usize).wrapping_sub(line.as_ptr() as usize);
    let at = at.checked_sub(1).filter(|_| !part.is_empty());
    at.and_then(|at| line.as_bytes().get(at))
        .copied()
        .unwrap_or(0)
}

/// Whether all that stands behind the logger is a place in the source: `crawl.py:208:`.
fn is_place(message: &str) -> bool {
    let place = message
        .strip_suffix(':')
        .and_then(|place| place.rsplit_once(':'));
    place.is_some_and(|(file, line)| {
        let is_number = !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit());
        is_number && file.contains('.') && !file.contains([' ', '/', ':'])
    })
}

fn of_head(head: &Head<'_>, line: &str, at: Position) -> Begun {
    let dialect = match head.logger {
        Some(logger) if head.dialect == Dialect::Text && crawlee::is_logger(logger) => {
            Dialect::CrawleePython
        }
        _ => head.dialect,
    };
    let when = head.time.map(When::Stamp);
    let message = if is_place(head.message) {
        ""
    } else {
        head.message
    };
    let mut begun = Begun::new(dialect, when, head.level, head.logger, message, at);
    for span in &head.spans {
        begun.span(span);
    }
    // `TIME:DEBUG:crawl.py:208:`, and the message on the next line.
    begun.awaits_message = message.is_empty() && head.time.is_some() && line.ends_with(':');
    if line.starts_with(' ') {
        begun.named_fields();
    }
    if head.logger.is_none() {
        begun.console();
        begun.category();
    }
    begun
}

impl Text {
    pub(crate) fn new(family: &str) -> Self {
        Self {
            pending: None,
            crawlee: Crawlee::new(family),
            console: None,
            layouts: Layouts::default(),
            has_debug: false,
            is_after_blank: false,
            has_signed: false,
            has_titled: false,
            has_timeless: false,
            crash: None,
        }
    }

    /// Starts the next file.
    pub(crate) fn begin_file(&mut self) {
        self.layouts.begin_file();
        self.crawlee.begin_file();
        (self.has_debug, self.is_after_blank, self.has_signed) = (false, false, false);
        (self.has_titled, self.has_timeless) = (false, false);
    }

    /// Passes a blank line that belongs to nothing.
    pub(crate) fn pass_blank(&mut self) {
        self.is_after_blank = true;
    }

    /// Parses the header of a line.
    pub(crate) fn head<'l>(&mut self, line: &'l str) -> Option<Head<'l>> {
        let mut head = self.layouts.head(line)?;
        self.has_titled |= matches!(head.level, "Info" | "Warn" | "Debug");
        if self.has_titled && head.level.is_empty() && head.time.is_some() {
            titled(&mut head, line);
        }
        Some(head)
    }

    /// Whether the line, which begins like a record without a time, is a part of a text that the open record
    /// announced: all records of the file have times.
    pub(crate) fn quotes(&self, head: &Head<'_>) -> bool {
        let quoting = |pending: &Begun| pending.when.is_some() && pending.body.quotes();
        head.time.is_none() && !self.has_timeless && self.pending.as_ref().is_some_and(quoting)
    }

    /// Starts a record from a line with this header. The result can depend on previous lines: rich's console
    /// prints a time only when it changes.
    pub(crate) fn begin(
        &mut self,
        line: &str,
        head: Option<Head<'_>>,
        at: Position,
    ) -> Option<Begun> {
        if let Some(console) = self.console
            && let Some(rest) = behind_blanks(line, console.column)
            && let Some(begun) = console.record(rest, at)
        {
            return Some(begun);
        }
        let head = crawlee::head(line).or(head)?;
        let mut begun = of_head(&head, line, at);
        self.extend(&mut begun, &head, line);
        let message_at = line.len() - head.message.len().min(line.len());
        begun.message_at = message_at;
        let may_be = head.time.is_some()
            && head.time_at <= 1
            && (head.level_at > 2 || head.level.is_empty());
        if may_be && begun.without_place(line.starts_with('[')) {
            let has_level = !head.level.is_empty();
            let column = if has_level { head.level_at } else { message_at };
            begun.is_console = true;
            self.console = head.time.map(|when| Console {
                column,
                has_level,
                // rich's levels are eight characters wide.
                message_at: if has_level { column + 9 } else { column },
                when,
            });
        } else if !line.starts_with('[') {
            self.console = None;
        }
        Some(begun)
    }

    /// Determines how far a record extends whose logger does not indent the further lines of a message.
    fn extend(&mut self, begun: &mut Begun, head: &Head<'_>, line: &str) {
        let is_after_blank = std::mem::take(&mut self.is_after_blank);
        let has_clock = head.time.is_some_and(|time| time.date == Date::None);
        let logger = head.logger.unwrap_or_default();
        match (sign_before(line, head.level), sign_before(line, logger)) {
            // Erlang writes the text of a report below its head.
            _ if head.message.is_empty() && line.starts_with('=') => {
                begun.awaits_message = true;
                begun.lists_fields = true;
                begun.body.go_on_until(Until::Blank);
            }
            // Elixir writes a blank line before each record.
            (b'[', _) if is_after_blank && has_clock => begun.body.go_on_until(Until::Blank),
            // Monolog writes the context and the extra fields last, with blanks between them.
            (b'.', _) if head.logger.is_some() => {
                let is_end = line.ends_with(Body::SIGNS);
                self.has_signed |= is_end;
                if !is_end && self.has_signed {
                    begun.body.go_on_until(Until::Sign);
                }
            }
            // roarr lists fields.
            (_, b'@') if has_clock && line.starts_with('[') => {
                begun.lists_fields = true;
                begun.body.go_on_until(Until::Head);
            }
            // Crawl4AI quotes code.
            (_, b'[') if logger == head.level && !logger.is_empty() => {
                begun.body.go_on_until(Until::Head);
            }
            _ => {}
        }
    }

    /// Completes an open record that has only time and class with level and message from the next line:
    /// java.util.logging writes records on two lines.
    pub(crate) fn complete(&mut self, begun: &mut Begun) -> bool {
        let Some(pending) = &mut self.pending else {
            return false;
        };
        let is_second = begun.when.is_none() && begun.logger.is_none() && !begun.level.is_empty();
        let is_first =
            pending.level.is_empty() && pending.when.is_some() && !pending.text.contains('\n');
        if !is_first || !is_second {
            return false;
        }
        let (class, method) = pending.text.split_once(' ').unwrap_or((&pending.text, ""));
        let is_class = class.contains('.') && !class.contains('/') && !method.contains(' ');
        if !is_class {
            return false;
        }
        pending.logger = Some(class.to_owned());
        pending.level.clone_from(&begun.level);
        pending.text = std::mem::take(&mut begun.text);
        pending.body = Body::of(&pending.text);
        pending.dialect = Dialect::Java;
        true
    }

    /// Crawlee's runs, whose lines may also be JSON.
    pub(crate) fn crawlee(&self) -> &Crawlee {
        &self.crawlee
    }

    /// Crawlee's runs, mutable.
    pub(crate) fn crawlee_mut(&mut self) -> &mut Crawlee {
        &mut self.crawlee
    }

    /// Opens a record; the caller must flush the previous one first.
    pub(crate) fn open(
        &mut self,
        begun: Begun,
        taken_at: Option<Timestamp>,
        given_level: Option<Level>,
    ) {
        self.has_timeless |= begun.when.is_none();
        let begun = self.pending.insert(begun);
        (begun.taken_at, begun.given_level) = (taken_at, given_level);
    }

    /// Whether a record is open, which the next line may continue.
    pub(crate) fn is_open(&self) -> bool {
        self.pending.is_some()
    }

    /// Discards the open record.
    pub(crate) fn drop_pending(&mut self) {
        self.pending = None;
    }

    /// The text of the open record.
    pub(crate) fn pending_text(&self) -> Option<&str> {
        self.pending.as_ref().map(|pending| &*pending.text)
    }

    /// The open record's time and level, if the level is known and below error. The level that only an envelope gives
    /// says nothing about what the program logged: it counts as INFO.
    pub(crate) fn logged(&self, local: &Local) -> Option<(Option<Timestamp>, Level)> {
        let pending = self.pending.as_ref()?;
        let given = pending.given_level.map(|level| level.max(Level::Info));
        let given = given.map(|level| {
            if level < Level::Error {
                Level::Info
            } else {
                level
            }
        });
        let level = Level::from_word(&pending.level).or(given)?;
        let time = pending.timestamp(local).map(|(time, _)| time);
        (level < Level::Error).then_some((time.or(pending.taken_at), level))
    }

    /// The position of the open record.
    pub(crate) fn open_at(&self) -> Option<Position> {
        self.pending.as_ref().map(|pending| pending.at)
    }

    /// Whether a line is the next one of the open record again, as a second handler without a format writes it.
    pub(crate) fn echoes(&mut self, line: &str) -> bool {
        const LEAST: usize = 4;
        let Some(pending) = &mut self.pending else {
            return false;
        };
        // A program without heads may say the same twice.
        let has_head = pending.when.is_some() || !pending.level.is_empty();
        if !has_head {
            return false;
        }
        let next = pending.text.lines().nth(pending.echoed);
        let is_echo = next.is_some_and(|next| next.trim_end() == line.trim_end());
        let may_be = pending.echoed > 0 || line.len() >= LEAST;
        pending.echoed = if is_echo && may_be {
            pending.echoed + 1
        } else {
            0
        };
        is_echo && may_be
    }

    /// Whether a record is the open one again, as a second handler with another format writes it.
    pub(crate) fn is_again(&mut self, begun: &Begun, local: &Local) -> bool {
        let time = begun.timestamp(local).map(|(time, _)| time);
        let message = Message {
            text: &begun.text,
            level: Level::from_word(&begun.level),
            logger: begun.logger.as_deref(),
            time,
        };
        let is_other = |own: &Begun| own.message_at != begun.message_at;
        self.pending.as_ref().is_some_and(is_other) && self.repeats(&message, local)
    }

    /// Whether a message is that of the open record again, within the same second.
    pub(crate) fn repeats(&mut self, message: &Message<'_>, local: &Local) -> bool {
        const SOON: i64 = 1_000_000;
        let Some(pending) = &mut self.pending else {
            return false;
        };
        let time = pending.timestamp(local).map(|(time, _)| time);
        let is_soon = time
            .zip(message.time)
            .is_some_and(|(own, other)| own.since(other).abs() <= SOON);
        let first = pending.text.lines().next().unwrap_or_default();
        let is_one = is_soon
            && pending.echoed == 0
            && !first.is_empty()
            && first.trim_end() == message.text.trim_end()
            && message.logger.is_some()
            && pending.logger.as_deref() == message.logger
            && message.level.is_some()
            && Level::from_word(&pending.level) == message.level;
        pending.echoed += usize::from(is_one);
        is_one
    }

    /// Takes a line that continues the open record; `false` when it does not.
    pub(crate) fn go_on(&mut self, line: &str) -> bool {
        let Some(pending) = &mut self.pending else {
            return false;
        };
        // A console wraps long lines.
        if let Some(console) = self.console.filter(|_| pending.is_console)
            && !pending.text.contains('\n')
            && let Some(rest) = behind_blanks(line, console.message_at)
            && !rest.starts_with(['╭', '│', '┌'])
            && Extent::begin(rest).is_none()
        {
            pending.text.push(' ');
            pending.text.push_str(rest.trim_end());
            pending.body = Body::of(&pending.text);
            return true;
        }
        let is_own = pending.takes(line) || pending.is_bare();
        self.is_after_blank = line.trim().is_empty();
        // .NET writes scopes before the message.
        let is_scope = pending.awaits_message && line.trim_start().starts_with("=> ");
        if is_own && is_scope {
            return true;
        }
        if is_own && std::mem::take(&mut pending.awaits_message) {
            // .NET's console prints the message on the line after the category.
            line.trim().clone_into(&mut pending.text);
            pending.body = pending.body.restarted(&pending.text);
        } else if is_own {
            match &pending.extent {
                Some(extent) => extent.append(&mut pending.text, line, MAX_RECORD),
                None => append(&mut pending.text, line, MAX_RECORD),
            }
        }
        is_own
    }

    /// The crash that followed the last record, if that did not log it.
    pub(crate) fn take_crash(&mut self) -> Option<(String, Position)> {
        self.crash.take()
    }

    /// Whether the open record expects another line, whatever that looks like.
    pub(crate) fn awaits(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.body.awaits())
    }

    /// The extent of the crash that the open record logs, while inside it.
    pub(crate) fn extent(&self) -> Option<&Extent> {
        self.pending.as_ref()?.extent.as_ref()
    }

    /// Whether the next line may be part of a crash that the open record logs.
    pub(crate) fn is_in_crash(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.extent.is_some())
    }

    /// Passes the open record, now complete, to the sink. Returns 1 if its time has no zone, otherwise 0.
    pub(crate) fn flush(&mut self, local: &Local, map: &Map, sink: &mut dyn Sink) -> u64 {
        let Some(mut pending) = self.pending.take() else {
            return 0;
        };
        self.crash = pending.other_crash().map(|text| (text, pending.at));
        let pending = pending;
        let mut record = Record::default();
        if !pending.decode(local, map, &mut record) {
            let detail = clip(&pending.text, SHOWN);
            crate::framing::report(sink, ProblemKind::BadLine, Some(pending.at), detail);
            return 0;
        }
        lacking::complete(&mut record, &pending.text);
        let is_nobodys = pending.dialect == Dialect::Text && pending.logger.is_none();
        let is_crawlees = matches!(pending.dialect, Dialect::Crawlee | Dialect::CrawleePython)
            || (is_nobodys && self.crawlee.is_running());
        let is_timeless = record.timestamp.is_none();
        if is_timeless {
            record.timestamp = if is_crawlees {
                let runtime = self.crawlee.runtime(&pending.text);
                runtime.and_then(|runtime| local.estimate_after(runtime))
            } else {
                local.estimate_at(pending.at.offset)
            };
            record.is_zoneless = record.timestamp.is_some();
        }
        if is_nobodys && self.crawlee.is_running() {
            record.dialect = self.crawlee.dialect();
            self.crawlee.own(&mut record);
        } else if matches!(pending.dialect, Dialect::Crawlee | Dialect::CrawleePython) {
            self.crawlee
                .tell(&pending.text, &mut record, pending.at, sink);
        }
        if is_timeless {
            let kind = match record.timestamp {
                Some(_) => ProblemKind::EstimatedTime,
                None => local.timeless(),
            };
            let problem = Problem {
                kind,
                at: Some(pending.at),
                detail: clip(&pending.text, SHOWN),
            };
            sink.problem(&problem);
        }
        sink.record(&record, pending.at);
        u64::from(record.is_zoneless)
    }
}

#[cfg(test)]
mod tests;
