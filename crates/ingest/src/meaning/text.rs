//! Text logs whose records begin with a head and may go on over lines.
//!
//! A head says when, how loud and who ([`head`], and [`crawlee`]'s). A line without one continues the record
//! before it when it looks like a part of it ([`body`]). What the text says of requests, items and errors is
//! read like the fields of a JSON record, from `key=value` words. A line that is nothing but such words is a
//! record by itself ([`logfmt`](crate::parsing::logfmt)).

use std::borrow::Cow;
use std::sync::Arc;

use dragline_schema::{
    Dialect, Event, Level, Own, Position, Problem, ProblemKind, Record, Sink, Timestamp, Value,
    clip,
};

use super::crawlee::{self, Crawlee};
use super::foreign::{decode_each, url_in};
use super::item::{item_kind, says_item};
use super::map::Map;
use super::told::{boxed, reasons, told_error};
use super::traceback;
use crate::framing::body::{self, Body};
use crate::framing::crash::{self, Extent};
use crate::framing::lines::append;
use crate::parsing::Object;
use crate::parsing::head::{Head, Layouts};
use crate::parsing::pairs::pairs;
use crate::parsing::time::stamp::Stamp;
use crate::parsing::time::{self, Local};
use crate::parsing::{self, head, indented, pairs};

/// A record's text is kept up to this size; more lines of it are read and left out.
const MAX_RECORD: usize = 1 << 20;
/// The levels that only zerolog's console writes so; its durations are milliseconds.
const ZEROLOG: [&str; 6] = ["TRC", "DBG", "INF", "WRN", "ERR", "FTL"];
/// This much of a line without a time is shown.
const SHOWN: usize = 120;

/// The decoder of one family of files.
pub(crate) struct Text {
    pending: Option<Begun>,
    crawlee: Crawlee,
    console: Option<Console>,
    layouts: Layouts,
}

/// A console that says when only once a second, as rich's.
#[derive(Clone, Copy)]
struct Console {
    /// In which column its levels stand, or its messages where it writes none.
    column: usize,
    has_level: bool,
    /// In which column messages go on that are too long for a line.
    message_at: usize,
    /// What it said last.
    when: Stamp,
}

/// When a record was written, as its head says it.
#[derive(Debug, Clone)]
pub(crate) enum When {
    Stamp(Stamp),
    /// In a usual form, as text.
    Text(String),
    /// In a form that the user describes.
    Described(String, Arc<str>),
}

/// A record that a line began, and whose lines may go on.
pub(crate) struct Begun {
    dialect: Dialect,
    when: Option<When>,
    /// When an envelope's writer took the line, and how loud it found it.
    taken_at: Option<Timestamp>,
    given_level: Option<Level>,
    /// Empty when the line does not say.
    pub(crate) level: String,
    pub(crate) logger: Option<String>,
    /// The message, and in further lines what follows it.
    pub(crate) text: String,
    /// Whatever else the head says.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) at: Position,
    body: Body,
    /// How far the crash goes that the record logged.
    extent: Option<Extent>,
    had_crash: bool,
    /// Whether a console wrote it that breaks long messages.
    is_console: bool,
    /// Whether its message is on the next line.
    awaits_message: bool,
}

/// What stands behind so many blanks, when that is no blank.
fn behind_blanks(line: &str, column: usize) -> Option<&str> {
    let (blanks, rest) = line.split_at_checked(column)?;
    let is_apart = !rest.is_empty() && !rest.starts_with(' ');
    (is_apart && blanks.bytes().all(|b| b == b' ')).then_some(rest)
}

impl Console {
    /// The record of a line whose time is that of the line before.
    fn record(&self, rest: &str, at: Position) -> Option<Begun> {
        let mut begun = if self.has_level {
            let head =
                head::head(rest).filter(|head| head.time.is_none() && !head.level.is_empty())?;
            of_head(&head, rest, at)
        } else {
            Begun::plain(rest, at)
        };
        let has_place = begun.without_place(true);
        begun.when = Some(When::Stamp(self.when));
        begun.is_console = true;
        (self.has_level || has_place).then_some(begun)
    }
}

fn of_head(head: &Head<'_>, line: &str, at: Position) -> Begun {
    let dialect = match head.logger {
        Some(logger) if head.dialect == Dialect::Text && crawlee::is_logger(logger) => {
            Dialect::CrawleePython
        }
        _ => head.dialect,
    };
    let when = head.time.map(When::Stamp);
    let mut begun = Begun::new(dialect, when, head.level, head.logger, head.message, at);
    for span in &head.spans {
        begun.span(span);
    }
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
        }
    }

    /// Another file begins.
    pub(crate) fn begin_file(&mut self) {
        self.layouts.begin_file();
    }

    /// The head of a line.
    pub(crate) fn head<'l>(&mut self, line: &'l str) -> Option<Head<'l>> {
        self.layouts.head(line)
    }

    /// What a line with that head begins; one that is read as rich's console writes it, or as java.util.logging does, over two
    /// lines: both depend on the lines before.
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
        let message_at = line.len() - head.message.len().min(line.len());
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

    /// Adds to an open record, which said only when and where, what the next line says: java.util.logging
    /// writes over two lines.
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

    /// The runs of Crawlee's, whose lines may be JSON, too.
    pub(crate) fn crawlee(&self) -> &Crawlee {
        &self.crawlee
    }

    /// The same, to be changed.
    pub(crate) fn crawlee_mut(&mut self) -> &mut Crawlee {
        &mut self.crawlee
    }

    /// Opens the record that a line began; the one before it is to be flushed first.
    pub(crate) fn open(
        &mut self,
        begun: Begun,
        taken_at: Option<Timestamp>,
        given_level: Option<Level>,
    ) {
        let begun = self.pending.insert(begun);
        (begun.taken_at, begun.given_level) = (taken_at, given_level);
    }

    /// Whether a record is open that the next line may continue.
    pub(crate) fn is_open(&self) -> bool {
        self.pending.is_some()
    }

    /// Forgets the open record.
    pub(crate) fn drop_pending(&mut self) {
        self.pending = None;
    }

    /// The text of the open record.
    pub(crate) fn pending_text(&self) -> Option<&str> {
        self.pending.as_ref().map(|pending| &*pending.text)
    }

    /// When the open record was written, if it is no error.
    pub(crate) fn logged_at(&self, local: &Local) -> Option<Timestamp> {
        let pending = self.pending.as_ref()?;
        let level = Level::from_word(&pending.level).or(pending.given_level)?;
        let time = pending.timestamp(local).map(|(time, _)| time);
        time.or(pending.taken_at).filter(|_| level < Level::Error)
    }

    /// Where the open record begins.
    pub(crate) fn open_at(&self) -> Option<Position> {
        self.pending.as_ref().map(|pending| pending.at)
    }

    /// Takes a line that continues the open record; `false` when it does not.
    pub(crate) fn go_on(&mut self, line: &str) -> bool {
        let Some(pending) = &mut self.pending else {
            return false;
        };
        // A console breaks its lines.
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
        let is_own = pending.takes(line);
        // .NET writes its scopes before the message.
        let is_scope = pending.awaits_message && line.trim_start().starts_with("=> ");
        if is_own && is_scope {
            return true;
        }
        if is_own && std::mem::take(&mut pending.awaits_message) {
            // .NET's console has the message behind the category.
            line.trim().clone_into(&mut pending.text);
            pending.body = Body::of(&pending.text);
        } else if is_own {
            append(&mut pending.text, line, MAX_RECORD);
        }
        is_own
    }

    /// Whether the open record waits for a line, whatever that looks like.
    pub(crate) fn awaits(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.body.awaits())
    }

    /// Whether a line is within the crash that the open record logged.
    pub(crate) fn is_in_crash(&self) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.extent.is_some())
    }

    /// Hands over the open record: nothing continues it. Gives 1 when its time names no zone.
    pub(crate) fn flush(&mut self, local: &Local, map: &Map, sink: &mut dyn Sink) -> u64 {
        let Some(pending) = self.pending.take() else {
            return 0;
        };
        let mut record = Record::default();
        if !pending.decode(local, map, &mut record) {
            let detail = clip(&pending.text, SHOWN);
            crate::framing::report(sink, ProblemKind::BadLine, Some(pending.at), detail);
            return 0;
        }
        let is_nobodys = pending.dialect == Dialect::Text && pending.logger.is_none();
        if is_nobodys && self.crawlee.is_running() {
            record.dialect = self.crawlee.dialect();
            self.crawlee.own(&mut record);
        } else if matches!(pending.dialect, Dialect::Crawlee | Dialect::CrawleePython) {
            self.crawlee
                .tell(&pending.text, &mut record, pending.at, sink);
        }
        if record.timestamp.is_none() {
            let problem = Problem {
                kind: local.timeless(),
                at: Some(pending.at),
                detail: clip(&pending.text, SHOWN),
            };
            sink.problem(&problem);
        }
        sink.record(&record, pending.at);
        u64::from(record.is_zoneless)
    }
}

impl Begun {
    pub(crate) fn new(
        dialect: Dialect,
        when: Option<When>,
        level: &str,
        logger: Option<&str>,
        message: &str,
        at: Position,
    ) -> Self {
        Self {
            dialect,
            when,
            taken_at: None,
            given_level: None,
            level: level.to_owned(),
            logger: logger.map(str::to_owned),
            text: message.to_owned(),
            fields: Vec::new(),
            at,
            body: Body::of(message),
            extent: None,
            had_crash: false,
            is_console: false,
            awaits_message: false,
        }
    }

    /// A line that says nothing but its words.
    pub(crate) fn plain(line: &str, at: Position) -> Self {
        Self::new(Dialect::Text, None, "", None, line.trim_end(), at)
    }

    /// Whether a line belongs to it.
    fn takes(&mut self, line: &str) -> bool {
        if let Some(extent) = &mut self.extent {
            if extent.takes(line) {
                return true;
            }
            self.extent = None;
        }
        let level = Level::from_word(&self.level).or(self.given_level);
        if !line.trim().is_empty()
            && let Some(extent) = Extent::begin(line)
        {
            // Groups of exceptions are always indented.
            let is_group = line.trim_start().starts_with("+ Exception Group");
            let is_indented = line.starts_with([' ', '\t']) && !is_group;
            let may_be_own = crash::may_have_logged(level) || is_indented;
            // The errors within an error stand in its braces.
            let is_inner = self.body.is_open() && line.starts_with([' ', '\t']);
            if (self.had_crash && !is_inner) || !may_be_own || extent.is_last_word(line) {
                return false;
            }
            // Where an envelope stands around each line, what is none of the crash's is a record.
            let has_envelope = self.taken_at.is_some() || self.given_level.is_some();
            self.extent = Some(if has_envelope {
                extent
            } else {
                extent.logged()
            });
            self.had_crash = true;
            return true;
        }
        self.body.takes(line)
            || self.is_failure()
            || (level >= Some(Level::Warn) && body::is_go_frame(line))
    }

    /// Whether it is Crawlee's word on a request that failed: the error stands behind it as it is.
    fn is_failure(&self) -> bool {
        const WORDS: [&str; 2] = [
            "Reclaiming failed request",
            "Request failed and reached maximum retries",
        ];
        WORDS.iter().any(|words| self.text.starts_with(words)) && self.text.len() < MAX_RECORD / 16
    }

    /// The fields of a span: `site="shop.example.org" run_id=r9`.
    fn span(&mut self, text: &str) {
        for (key, value) in pairs::span(text) {
            self.fields.push((key.to_owned(), value.to_owned()));
        }
    }

    /// tracing's pretty form has `message, key: value, key: value`.
    fn named_fields(&mut self) {
        let Some((message, fields)) = pairs::named(&self.text) else {
            return;
        };
        let (message, fields) = (message.to_owned(), fields);
        let own = fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.fields.extend(own.collect::<Vec<_>>());
        self.text = message;
    }

    /// structlog's console: `event                 [logger] key=value`.
    fn console(&mut self) {
        let Some(open) = self.text.find(" [") else {
            return;
        };
        let Some(close) = self.text[open..].find(']').map(|at| at + open) else {
            return;
        };
        let name = &self.text[open + 2..close];
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        let is_padded = self.text[..open].ends_with(' ') || open >= 29;
        let behind = &self.text[close + 1..];
        let is_end = behind.trim().is_empty()
            || behind
                .split_whitespace()
                .next()
                .is_some_and(|word| word.contains('='));
        if is_name && is_padded && is_end {
            self.logger = Some(name.to_owned());
            self.text = format!("{}{}", self.text[..open].trim_end(), behind.trim_end());
        }
    }

    /// .NET's console: `info: Shop.Walker[13]`, the message behind it or on the next line.
    fn category(&mut self) {
        let Some((name, rest)) = self.text.split_once('[') else {
            return;
        };
        let Some((number, message)) = rest.split_once(']') else {
            return;
        };
        let is_one = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+'))
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && (message.is_empty() || message.starts_with(' '));
        if is_one {
            let (name, message) = (name.to_owned(), message.trim_start().to_owned());
            self.logger = Some(name);
            self.body = Body::of(&message);
            self.awaits_message = message.is_empty();
            self.text = message;
        }
    }

    /// Takes away the place that rich puts at the line's end, behind one blank where the line is full; tells
    /// whether there was one.
    fn without_place(&mut self, may_be_full: bool) -> bool {
        let is_place = |place: &str| {
            place.rsplit_once(':').is_some_and(|(path, line)| {
                path.contains('.')
                    && !path.contains([' ', '/', '='])
                    && !line.is_empty()
                    && line.bytes().all(|b| b.is_ascii_digit())
            })
        };
        let text = self.text.trim_end();
        // It ends with the number of a line.
        if !text.ends_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        // A message of one word looks like a logger.
        if is_place(text)
            && let Some(word) = self.logger.take_if(|name| !name.contains('.'))
        {
            self.text = word;
            return true;
        }
        let parts = text.rsplit_once(' ').filter(|(before, place)| {
            let is_apart = before.ends_with(' ') || (may_be_full && place.contains(".py:"));
            is_apart && is_place(place)
        });
        let Some((before, _)) = parts else {
            return false;
        };
        self.text = before.trim_end().to_owned();
        true
    }

    /// When it was written, and whether its time names a zone.
    pub(crate) fn timestamp(&self, local: &Local) -> Option<(Timestamp, bool)> {
        match self.when.as_ref()? {
            When::Stamp(stamp) => local.instant(stamp),
            When::Text(text) => local.parse(text),
            When::Described(text, format) => time::parse_as(text, format, &local.zone),
        }
    }

    /// Makes the record, its parts read as if they were the fields of an object. Whether it is one.
    fn decode<'s>(&'s self, local: &Local, map: &Map, record: &mut Record<'s>) -> bool {
        let (first, rest) = match memchr::memchr(b'\n', self.text.as_bytes()) {
            Some(end) => (&self.text[..end], &self.text[end + 1..]),
            None => (&*self.text, ""),
        };
        let fields = |take: &mut dyn FnMut(&str, Value<'s>)| self.each_field(first, rest, take);
        if !decode_each(fields, self.dialect, (local, map), record) {
            return false;
        }
        let time = self.timestamp(local);
        record.is_zoneless = time.is_some_and(|(_, zoned)| !zoned);
        record.timestamp = time.map(|(time, _)| time).or(self.taken_at);
        if !self.fields.is_empty() {
            record.own = Own::Pairs(Cow::Borrowed(&self.fields));
        }
        if let Event::ScraperError(error) = &mut record.event
            && let Some(told) = boxed(first, rest)
        {
            let inner = crash::error_within(&told).map(|(name, _)| name.to_owned());
            error.error_type = inner.map(Cow::Owned).or(error.error_type.take());
            error.error_message = Some(Cow::Owned(told));
        } else if let Event::ScraperError(error) = &mut record.event
            && error.error_type.is_none()
            && error.error_message.is_none()
            && let Some((error_type, message)) = told_error(first, rest)
        {
            error.error_type = Some(Cow::Borrowed(error_type));
            error.error_message = Some(Cow::Borrowed(message));
        }
        if let Event::ScraperError(error) = &mut record.event
            && error.error_message.is_none()
            && error.traceback.is_none()
            && let Some(told) = reasons(first, rest)
        {
            error.error_message = Some(Cow::Owned(told));
        }
        true
    }

    /// Hands over the fields of a record whose text is these lines: those of its head, those behind it, and the
    /// pairs and objects in its words.
    fn each_field<'s>(
        &'s self,
        first: &'s str,
        rest: &'s str,
        take: &mut dyn FnMut(&str, Value<'s>),
    ) {
        let text = |text| Value::Str(Cow::Borrowed(text));
        take("message", text(first.trim_end()));
        // Frames alone: what they are of stands on the first line.
        let bare = rest.trim_start();
        let is_frames =
            crash::is_frame(bare) || bare.starts_with("---> ") || bare.starts_with("Call log:");
        // `page failed [AggregateError: message] {`
        let is_shown = first.ends_with('{') && crash::error_within(first).is_some();
        let trace = if is_frames || is_shown {
            &*self.text
        } else {
            rest
        };
        let has_trace = !trace.is_empty() && traceback::parse(trace).is_some();
        let is_error = || crash::error_line(first).is_some() || has_trace;
        if !self.level.is_empty() {
            take("level", text(&self.level));
        } else if self.given_level.is_none() && is_error() {
            take("level", text("error"));
        } else if let Some(level) = self.given_level {
            take("level", text(level.as_str()));
        }
        if let Some(logger) = &self.logger {
            take("target", text(logger));
        }
        if has_trace {
            take("traceback", text(trace));
        }
        for (path, value) in indented::fields(rest) {
            take(&path, value);
        }
        self.each_of_message(first, take);
        for (key, value) in &self.fields {
            take(key, parsing::value_of_text(value));
        }
        // `item title='…' url=…`, and `Scraped '…' from …`.
        if let Some(kind) = item_kind(first) {
            take("item.kind", text(kind));
        } else if says_item(first)
            && let Some(url) = url_in(first)
        {
            take("url", text(url));
        }
    }

    /// Hands over the fields that stand in a message: in an object at its end, else in pairs.
    fn each_of_message<'s>(&self, message: &'s str, take: &mut dyn FnMut(&str, Value<'s>)) {
        if let Some((object, name)) = tail(message) {
            for (path, value) in object.flatten() {
                match name {
                    "" => take(&path, value),
                    name => take(&format!("{name}.{path}"), value),
                }
            }
            return;
        }
        let in_milliseconds = ZEROLOG.contains(&&*self.level);
        for (key, value) in pairs(message) {
            match &*key {
                "duration" if in_milliseconds => take("duration_ms", value),
                "elapsed" if in_milliseconds => take("elapsed_ms", value),
                key => take(key, value),
            }
        }
    }
}

/// The JSON object that a message ends with, as zap, Crawlee and Monolog write their fields: in parentheses
/// or not, and with what else a logger adds behind it.
fn tail(message: &str) -> Option<(Object<'_>, &'static str)> {
    let message = message.trim_end();
    if !message.ends_with(['}', ']', ')']) {
        return None;
    }
    let begin = message.find("{\"")?;
    let mut values = serde_json::Deserializer::from_str(&message[begin..])
        .into_iter::<&serde_json::value::RawValue>();
    let first = values.next()?.ok()?;
    let rest = message[begin + values.byte_offset()..].trim();
    let is_end =
        matches!(rest, "" | ")" | "[]" | "[] []") || (rest.starts_with('{') && rest.ends_with('}'));
    // pino-pretty has the names of single fields before them.
    let name = ["err", "error"].into_iter().find(|name| {
        message[..begin]
            .trim_end()
            .strip_suffix(':')
            .is_some_and(|before| before.ends_with(name))
    });
    let object = is_end.then(|| Object::parse(first.get()))??;
    Some((object, name.unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_schema::{Record, SourceFile};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Told(Vec<String>);

    impl Sink for Told {
        fn file(&mut self, _: &SourceFile) {}
        fn record(&mut self, record: &Record<'_>, at: Position) {
            let mut fields = Vec::new();
            record.event.each_field(&mut |name, value| {
                if name != "traceback" {
                    fields.push(format!("{name}={value:?}"));
                }
            });
            let event = record
                .event
                .event_type()
                .map_or("log", |event| event.as_str());
            let level = record.level.map_or("?", |level| level.as_str());
            let message = record.message.as_deref().unwrap_or_default();
            self.0.push(format!(
                "{} {level} {event} {message:?} {}",
                at.line,
                fields.join(" ")
            ));
        }
        fn problem(&mut self, _: &Problem<'_>) {}
    }

    fn read(text: &str) -> Vec<String> {
        let (mut decoder, mut told) = (Text::new("shop"), Told::default());
        for (line, content) in (1..).zip(text.lines()) {
            let content = parsing::without_colours(content);
            let at = Position {
                line,
                ..Position::default()
            };
            let local = Local::new(&TimeZone::UTC);
            let head = decoder.head(&content);
            match decoder.begin(&content, head, at) {
                Some(begun) => {
                    decoder.flush(&local, &Map::new(), &mut told);
                    decoder.open(begun, None, None);
                }
                None => drop(decoder.go_on(&content)),
            }
        }
        decoder.flush(&Local::new(&TimeZone::UTC), &Map::new(), &mut told);
        told.0
    }

    #[test]
    fn a_message_says_what_happened_in_pairs() {
        let told = read(
            "2026-11-22 06:13:32,572 INFO news.fetch: url=http://127.0.0.1:8601/ status=200 bytes=401 elapsed=0.052s\n\
             2026-11-22 06:13:33,489 ERROR news: story failed: /article/27\n\
             Traceback (most recent call last):\n  File \"/srv/news.py\", line 61, in story\n    raise ParseError(path)\n\
             ParseError: no author in /article/27\n",
        );
        assert_eq!(told.len(), 2, "{told:?}");
        let items = read(
            "2026-11-22 06:13:32,854 INFO news: item title='Story 0' url=http://127.0.0.1:8601/article/0\n\
             [ParselCrawler] INFO  Scraped 'Blue mug' from http://127.0.0.1:8600/product/8\n",
        );
        for item in &items {
            assert!(
                item.contains("product_processed") && item.contains("url=Str"),
                "{items:?}"
            );
        }
        assert_eq!(
            told[0],
            "1 INFO request \"url=http://127.0.0.1:8601/ status=200 bytes=401 elapsed=0.052s\" \
             url=Str(\"http://127.0.0.1:8601/\") status_code=U64(200) response_time_ms=F64(52.0) bytes=U64(401)"
        );
        assert!(
            told[1].contains(
                "error_type=Str(\"ParseError\") error_message=Str(\"no author in /article/27\")"
            ),
            "{told:?}"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(2026-11-22 06:13:32,572 INFO a: |\\[x\\] WARN  |\u{1b}\\[3|ERROR X: |\\PC{0,9}|\n){0,12}") {
            read(&text);
        }
    }
}
