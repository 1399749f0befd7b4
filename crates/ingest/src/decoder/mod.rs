//! Lines into records.

mod context;
mod crashes;
mod objects;

use std::borrow::Cow;
use std::collections::BTreeMap;

use dragline_schema::{Level, Position, ProblemKind, Record, Sink, Timestamp, clip};
use serde::{Deserialize, Serialize};

pub(crate) use self::context::Context;
use self::context::Remembering;
use crate::clock::Clock;
use crate::framing::bar::{behind_bar, is_bar};
use crate::framing::crash::{self, Crash, error_line};
use crate::framing::document::{Document, Taken};
use crate::framing::envelope::{self, Habits, Opened};
use crate::framing::hole::{Hole, report_hole};
use crate::framing::report;
use crate::meaning::native::{self, Head};
use crate::meaning::scrapy::{self, Scrapy};
use crate::meaning::text::{Begun, Text};
use crate::meaning::{Shapes, crawlee};
use crate::options::ReadOptions;
use crate::parsing::marks::Marks;
use crate::parsing::time::{Calendar, DateOrder, Local};
use crate::parsing::{head, without_colours};

/// This much of a bad line is shown.
const SHOWN: usize = 120;
/// Envelopes in envelopes are opened so deep.
const DEEPEST: u32 = 3;
/// So many streams are put together by themselves.
const MOST_STREAMS: usize = 256;

/// The decoder of a family's lines.
pub(crate) struct Decoder {
    options: ReadOptions,
    scrapy: Scrapy,
    text: Text,
    crash: Option<Crash>,
    /// The text of the record before it.
    before_crash: Option<String>,
    context: Context,
    zoneless: u64,
    /// Whether a line was met that others may belong to.
    needs_order: bool,
    marks: Marks,
    /// Of other writers' objects.
    shapes: Shapes,
    /// Of the last line, for the next one.
    head: Option<Box<Head>>,
    /// JSON over many lines that has begun.
    pretty: Option<Document>,
    /// A line that a container's runtime cut into pieces, as far as they came.
    pieces: Option<Pieces>,
    /// When an envelope's writer took the line, and how loud it found it: what holds where the line itself
    /// does not say.
    taken_at: Option<Timestamp>,
    given_level: Option<Level>,
    /// When the envelope of the crash's first line was written.
    crash_at: Option<Timestamp>,
    family: String,
    /// Where and when the times of the current file are.
    local: Local,
    habits: Habits,
    /// The lines of several programs in one file, each by themselves.
    streams: BTreeMap<String, Box<Decoder>>,
    /// Looks at the times of all records, before every sink; absent while it does.
    clock: Option<Box<Clock>>,
}

/// A line that comes in pieces.
struct Pieces {
    text: String,
    at: Position,
    /// Of all pieces; the text ends at the limit of a line.
    bytes: usize,
}

/// What a file's reading depends on besides the file.
#[derive(Serialize, Deserialize)]
struct State<'s> {
    context: Cow<'s, Context>,
    scrapy: scrapy::State,
    crawlee: crawlee::State,
    /// Which of two numbers of a date stands first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<DateOrder>,
    /// The states of the streams in it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    streams: BTreeMap<String, String>,
}

impl Decoder {
    pub(crate) fn new(family: &str, options: &ReadOptions) -> Self {
        Self {
            options: options.clone(),
            scrapy: Scrapy::new(family),
            text: Text::new(family),
            crash: None,
            before_crash: None,
            context: Context::default(),
            zoneless: 0,
            needs_order: false,
            marks: Marks::default(),
            shapes: Shapes::default(),
            head: None,
            pretty: None,
            pieces: None,
            taken_at: None,
            given_level: None,
            crash_at: None,
            family: family.to_owned(),
            local: Local::new(&options.zone),
            habits: Habits::default(),
            streams: BTreeMap::new(),
            clock: Some(Box::new(Clock::new(&options.zone))),
        }
    }

    pub(crate) fn options(&self) -> &ReadOptions {
        &self.options
    }

    /// Records of the file whose time names no zone.
    pub(crate) fn zoneless(&self) -> u64 {
        self.zoneless + self.streams.values().map(|own| own.zoneless()).sum::<u64>()
    }

    /// Whether, since the file's beginning, a line was met that others may belong to: then lines mean
    /// what they mean only in their order.
    pub(crate) fn needs_order(&self) -> bool {
        self.needs_order
            || self.clock.as_ref().is_some_and(|clock| clock.needs_order)
            || self.streams.values().any(|own| own.needs_order())
    }

    /// Whose lines came last; it is forgotten.
    pub(crate) fn take_context(&mut self) -> Context {
        std::mem::take(&mut self.context)
    }

    /// Lines came that others have read, and theirs came last.
    pub(crate) fn follow(&mut self, context: Context) {
        self.context.follow(context);
    }

    /// A file begins, which was written then; or a part of one.
    pub(crate) fn begin_file(&mut self, modified: Option<Timestamp>, is_part: bool) {
        if let Some(clock) = &mut self.clock {
            clock.begin_file(modified, is_part);
        }
        self.zoneless = 0;
        self.needs_order = false;
        self.habits = Habits::default();
        self.shapes.begin_file();
        self.text.begin_file();
        for own in self.streams.values_mut() {
            own.begin_file(modified, is_part);
        }
    }

    /// Which of two numbers of a date stands first, as far as any file told.
    pub(crate) fn order(&self) -> Option<DateOrder> {
        self.local.calendar.order
    }

    /// What the current file tells of its times.
    pub(crate) fn set_calendar(&mut self, calendar: Calendar) {
        self.local.calendar = calendar;
        for own in self.streams.values_mut() {
            own.set_calendar(calendar);
        }
    }

    /// A file ends: nothing goes on in the next, as writers that rotate do so between records.
    pub(crate) fn end_file(&mut self, sink: &mut dyn Sink) {
        self.with_clock(sink, |own, sink| own.end_lines(sink));
        if let Some(clock) = &mut self.clock {
            clock.end_file(sink);
        }
    }

    /// Lets all records pass the clock.
    fn with_clock(&mut self, sink: &mut dyn Sink, work: impl FnOnce(&mut Self, &mut dyn Sink)) {
        // It is put back as soon as the work is done.
        let mut clock = self.clock.take().unwrap_or_default();
        work(self, &mut clock.before(sink));
        self.clock = Some(clock);
    }

    fn end_lines(&mut self, sink: &mut dyn Sink) {
        if let Some(pieces) = self.pieces.take() {
            self.joined(pieces, false, sink);
        }
        self.flush_pretty(sink);
        self.flush(sink);
        for own in self.streams.values_mut() {
            own.end_lines(sink);
        }
    }

    /// Hands over what is known only at the family's end.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) {
        self.scrapy.finish(sink);
        for own in self.streams.values_mut() {
            own.finish(sink);
        }
    }

    pub(crate) fn state(&self) -> Vec<u8> {
        let state = State {
            context: Cow::Borrowed(&self.context),
            scrapy: self.scrapy.state(),
            crawlee: self.text.crawlee().state(),
            order: self.order(),
            streams: self
                .streams
                .iter()
                .map(|(key, own)| {
                    (
                        key.clone(),
                        String::from_utf8_lossy(&own.state()).into_owned(),
                    )
                })
                .collect(),
        };
        // Texts, numbers and lists always serialise.
        serde_json::to_vec(&state).unwrap_or_default()
    }

    pub(crate) fn restore(&mut self, state: &[u8]) -> bool {
        let Ok(state) = serde_json::from_slice::<State<'_>>(state) else {
            return false;
        };
        self.context = state.context.into_owned();
        self.local.calendar.order = state.order;
        self.scrapy.restore(state.scrapy);
        self.text.crawlee_mut().restore(state.crawlee);
        self.streams.clear();
        for (key, state) in state.streams {
            self.stream(&key).restore(state.as_bytes());
        }
        true
    }

    /// Takes the next line.
    pub(crate) fn line(&mut self, bytes: &[u8], at: Position, complete: bool, sink: &mut dyn Sink) {
        if bytes.is_empty() && self.is_plain() && !self.is_in_text() && self.crash.is_none() {
            return;
        }
        self.with_clock(sink, |own, sink| own.next_line(bytes, at, complete, sink));
    }

    fn next_line(&mut self, bytes: &[u8], at: Position, complete: bool, sink: &mut dyn Sink) {
        // Files that begin with a mark are put behind others.
        let bytes = without_bom(bytes);
        if self.predicted(bytes, at, sink) {
            return;
        }
        if let Ok(line) = simdutf8::basic::from_utf8(bytes) {
            // Nothing else begins like Scrapy's lines, and nothing is around them.
            if self.is_plain()
                && let Some(begun) = Scrapy::begin(line, at, &self.local)
            {
                return self.open_scrapy(begun, sink);
            }
            self.wrapped(line, at, complete, sink);
        } else {
            let line = String::from_utf8_lossy(bytes);
            self.wrapped(&line, at, complete, sink);
        }
    }

    /// Whether no line is in the making that is more than one, and the user describes none.
    fn is_plain(&self) -> bool {
        self.pretty.is_none() && !self.has_pieces() && self.options.dialects.is_empty()
    }

    fn has_pieces(&self) -> bool {
        self.pieces.is_some()
    }

    /// Hands over what is open: nothing continues it.
    pub(crate) fn flush(&mut self, sink: &mut dyn Sink) {
        self.flush_crash(sink);
        self.flush_texts(sink);
    }

    /// Where the record begins whose lines may go on.
    pub(crate) fn open_at(&self) -> Option<Position> {
        let places = [
            self.clock.as_ref().and_then(|clock| clock.held_at()),
            self.scrapy.open_at(),
            self.text.open_at(),
            self.crash.as_ref().map(|crash| crash.at),
            self.pretty.as_ref().map(|pretty| pretty.at),
            self.pieces.as_ref().map(|pieces| pieces.at),
        ];
        let streams = self.streams.values().filter_map(|own| own.open_at());
        places
            .into_iter()
            .flatten()
            .chain(streams)
            .min_by_key(|at| at.offset)
    }

    /// Takes a line out of what is around it.
    fn wrapped(&mut self, line: &str, at: Position, complete: bool, sink: &mut dyn Sink) {
        (self.taken_at, self.given_level) = (None, None);
        self.unwrapped(line, at, complete, 0, sink);
    }

    /// The same of a line in so many envelopes.
    fn unwrapped(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) {
        let local = (&self.local.zone, &self.local.calendar);
        let is_inside = self.pretty.is_some() || self.crash.is_some();
        let may_be = depth < DEEPEST && !(is_inside && line.starts_with([' ', '\t']));
        // What colours a name stands before it.
        let plain = without_colours(if line.starts_with('\u{1b}') { line } else { "" });
        let line = if plain.is_empty() { line } else { &*plain };
        let opened = may_be
            .then(|| envelope::open(line, &mut self.habits, local.0, local.1))
            .flatten();
        match opened {
            None => self.whole(line, at, complete, depth, sink),
            Some(opened) if opened.is_own => {}
            Some(opened) => self.opened(&opened, at, complete, depth + 1, sink),
        }
    }

    /// Takes what was in an envelope.
    fn opened(
        &mut self,
        opened: &Opened<'_>,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) {
        let taken_at = opened.time.or(self.taken_at);
        let level = opened.level.or(self.given_level);
        let own = if opened.stream.is_empty() {
            self
        } else {
            let context = &self.context;
            let context = Context {
                timestamp: taken_at.or(context.timestamp),
                ..Context::default()
            };
            let own = self.stream(&opened.stream);
            own.context.follow(context);
            own
        };
        (own.taken_at, own.given_level) = (taken_at, level);
        if !opened.is_piece && own.pieces.is_none() {
            // Syslog's daemons write a line's end so.
            if opened.text.contains("#012") {
                own.needs_order = true;
                let lines: Vec<&str> = opened.text.split("#012").collect();
                for line in lines {
                    own.unwrapped(line, at, complete, depth, sink);
                    (own.taken_at, own.given_level) = (taken_at, level);
                }
                return;
            }
            return own.unwrapped(&opened.text, at, complete, depth, sink);
        }
        own.needs_order = true;
        let mut pieces = own.pieces.take().unwrap_or(Pieces {
            text: String::new(),
            at,
            bytes: 0,
        });
        pieces.bytes += opened.text.len();
        if pieces.bytes <= own.options.max_line {
            pieces.text.push_str(&opened.text);
        }
        if opened.is_piece {
            own.pieces = Some(pieces);
        } else {
            own.joined(pieces, complete, sink);
        }
    }

    /// Who puts a stream together.
    fn stream(&mut self, name: &str) -> &mut Self {
        if self.streams.len() >= MOST_STREAMS && !self.streams.contains_key(name) {
            return self;
        }
        let (family, options, calendar) = (&self.family, &self.options, self.local.calendar);
        self.streams.entry(name.to_owned()).or_insert_with(|| {
            let mut own = Self::new(family, options);
            own.local.calendar = calendar;
            Box::new(own)
        })
    }

    /// Takes a line whose pieces were put together.
    fn joined(&mut self, pieces: Pieces, complete: bool, sink: &mut dyn Sink) {
        let Pieces { text, at, bytes } = pieces;
        let limit = self.options.max_line;
        if bytes > limit {
            let detail = format!("a line of {bytes} bytes; the limit is {limit}");
            return report(sink, ProblemKind::OversizedLine, Some(at), &detail);
        }
        self.unwrapped(&text, at, complete, 1, sink);
    }

    /// Takes a line as its writer wrote it.
    fn whole(&mut self, line: &str, at: Position, complete: bool, depth: u32, sink: &mut dyn Sink) {
        let line = line.trim_start_matches('\u{feff}');
        if let Some(document) = &mut self.pretty {
            let begun_at = if document.is_between() {
                at
            } else {
                document.at
            };
            let (whole, is_open) = match document.go_on(line) {
                Taken::Open(whole) => (Some(whole), true),
                Taken::Whole(whole) => (Some(whole), false),
                Taken::Broken => (None, false),
            };
            if whole.is_some() && !is_open {
                self.pretty = None;
            }
            match whole {
                Some(whole) => {
                    for text in whole {
                        if !self.json(&text, begun_at, depth, sink) {
                            Self::bad(&text, begun_at, true, sink);
                        }
                    }
                    if let Some(document) = &mut self.pretty
                        && document.has_just_begun()
                    {
                        document.at = at;
                    }
                    return;
                }
                None => self.flush_pretty(sink),
            }
        }
        if Document::begins(line) && !self.is_in_text() {
            self.needs_order = true;
            let mut document = Document::new(at);
            // What begins so goes on.
            let _ = document.go_on(line);
            self.pretty = Some(document);
            return;
        }
        let is_record = if starts_with_brace(line) {
            self.json(line, at, depth, sink)
        } else {
            self.several(line, at, depth, sink) || self.logfmt(line, at, sink)
        };
        if !is_record {
            self.text(line, at, complete, depth, sink);
        }
    }

    /// Takes what stands before and behind NUL bytes, each as a line of its own: what was torn by a power
    /// loss, and what its program wrote next.
    fn around_hole(&mut self, hole: &Hole<'_>, at: Position, complete: bool, sink: &mut dyn Sink) {
        self.needs_order = true;
        if !hole.before.is_empty() {
            self.whole(hole.before, at, hole.behind.is_empty() && complete, 1, sink);
        }
        let behind = (hole.before.len() + hole.zeros) as u64;
        report_hole(at, hole.zeros as u64, sink);
        if !hole.behind.is_empty() {
            let at = Position {
                offset: at.offset + behind,
                ..at
            };
            self.whole(hole.behind, at, complete, 1, sink);
        }
    }

    /// Takes a line of a text log.
    fn text(&mut self, line: &str, at: Position, complete: bool, depth: u32, sink: &mut dyn Sink) {
        self.needs_order = true;
        let plain;
        let mut line = line;
        // Most lines are plain.
        if memchr::memchr3(0, b'\x1b', b'\r', line.as_bytes()).is_some() {
            if let Some(hole) = Hole::find(line) {
                return self.around_hole(&hole, at, complete, sink);
            }
            plain = without_colours(line);
            line = &*plain;
            if line.contains('\r') {
                return self.redrawn(line, at, complete, depth, sink);
            }
        }
        let line = behind_bar(line);
        // A terminal shows what was typed.
        let line = line.strip_prefix("^C").unwrap_or(line);
        let mut dialects = self.options.dialects.iter();
        let custom = dialects.find_map(|dialect| dialect.begin(line, at));
        if let Some(crash) = self.crash.as_mut().filter(|crash| crash.is_sure())
            && Scrapy::begin(line, at, &self.local).is_none()
            && crash.go_on(line)
        {
            return;
        }
        // What tells an exception is not taken for a line of its own.
        let is_told = crash::is_sure(line)
            || ((self.crash.is_some() || self.is_in_crash()) && error_line(line).is_some());
        if custom.is_none()
            && !is_told
            && let Some(begun) = Scrapy::begin(line, at, &self.local)
        {
            return self.open_scrapy(begun, sink);
        }
        let head = if custom.is_some() || is_told {
            None
        } else {
            let head = self.text.head(line);
            head.or_else(|| self.taken_at.and_then(|_| head::weak(line)))
        };
        let is_timeless = custom.is_none() && head.as_ref().is_none_or(|head| head.time.is_none());
        if is_timeless
            && depth < DEEPEST
            && let Some(prefix) = envelope::before_record(line)
            && self.habits.learn(prefix, true)
        {
            return self.unwrapped(line, at, complete, depth, sink);
        }
        if let Some(head) = &head
            && depth < DEEPEST
            && self.nested(head, at, complete, depth, sink)
        {
            return;
        }
        if let Some(head) = &head
            && head.time_at > 0
            && head.level_at > head.time_at
        {
            self.habits.learn(&line[..head.time_at], false);
        }
        let begun = match custom {
            Some(begun) => Some(begun),
            None if is_told => None,
            None => self.text.begin(line, head, at),
        };
        if let Some(mut begun) = begun {
            if self.text.complete(&mut begun) {
                return;
            }
            return match self.scrapy.claim(begun, &self.local) {
                Ok(begun) => self.open_scrapy(begun, sink),
                Err(begun) => {
                    self.flush(sink);
                    self.text.open(*begun, self.taken_at, self.given_level);
                }
            };
        }
        if self.scrapy.go_on(line) || self.text.go_on(line) {
            return;
        }
        if let Some(crash) = &mut self.crash
            && crash.go_on(line)
        {
            return;
        }
        if line.trim().is_empty() {
            return;
        }
        if let Some(crash) = Crash::begin(line, at) {
            let before = self.text.pending_text().or(self.scrapy.pending_text());
            let before = before.map(str::to_owned);
            self.flush(sink);
            self.crash = Some(crash);
            self.before_crash = before;
            self.crash_at = self.taken_at;
            return;
        }
        self.flush(sink);
        if self.taken_at.is_some() || self.given_level.is_some() {
            // An envelope says what the line does not.
            self.text
                .open(Begun::plain(line, at), self.taken_at, self.given_level);
        } else {
            Self::bad(line, at, complete, sink);
        }
    }

    /// Takes what a terminal shows of a line that was drawn again and again.
    fn redrawn(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) {
        for part in line.split('\r').filter(|part| !part.trim().is_empty()) {
            if !is_bar(part) || behind_bar(part).len() < part.len() {
                self.whole(part, at, complete, depth, sink);
            }
        }
    }

    /// Takes a line whose message is a record of its own: a worker's, a scheduler's or a pipe's around it.
    fn nested<'l>(
        &mut self,
        head: &head::Head<'l>,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> bool {
        if head.time.is_none() {
            return false;
        }
        let name = head.thread.or(head.logger).unwrap_or_default();
        let own = if self.streams.is_empty() {
            None
        } else {
            self.streams.get(&format!("in {name}"))
        };
        let as_line = |body: &'l str| {
            let message = body.trim_start();
            if own.is_some_and(|own| own.awaits(body)) {
                Some(body)
            } else {
                envelope::is_record(message).then_some(message)
            }
        };
        // `child: ` stands before all lines of a program that another one started.
        let behind_name = || {
            let (name, rest) = head.body.split_once(':')?;
            let is_name = name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
            is_name.then(|| as_line(rest.strip_prefix(' ').unwrap_or(rest)))?
        };
        // Prefect names the run: `Flow run 'x' - line`.
        let behind_dash = || {
            let bytes = head.body.as_bytes();
            let is_dash =
                |at: &usize| *at > 0 && bytes[at - 1] == b' ' && bytes.get(at + 1) == Some(&b' ');
            let at = memchr::memchr_iter(b'-', bytes).find(is_dash)?;
            as_line(&head.body[at + 2..])
        };
        let Some(text) = as_line(head.body).or_else(behind_name).or_else(behind_dash) else {
            return false;
        };
        self.flush(sink);
        let opened = Opened {
            text: Cow::Borrowed(text),
            time: head
                .time
                .and_then(|time| self.local.instant(&time))
                .map(|(time, _)| time),
            // A scheduler says INFO of whatever its programs write.
            level: Level::from_word(head.level).filter(|level| *level > Level::Info),
            stream: Cow::Owned(format!("in {name}")),
            ..Opened::default()
        };
        self.opened(&opened, at, complete, depth + 1, sink);
        true
    }

    /// Whether a crash is open that the line goes on.
    fn awaits(&self, line: &str) -> bool {
        let is_open = self.crash.is_some() || self.is_in_crash();
        let is_indented = line.starts_with([' ', '\t']) || line.is_empty();
        let is_part = is_indented || error_line(line).is_some() || crash::is_more(line);
        let is_waited_for = self.scrapy.awaits() || self.text.awaits();
        (is_open && is_part)
            || (is_indented && self.is_in_text())
            || (is_waited_for && head::head(line).is_none())
    }

    fn is_in_crash(&self) -> bool {
        self.scrapy.is_in_crash() || self.text.is_in_crash()
    }

    fn open_scrapy(&mut self, begun: scrapy::Pending, sink: &mut dyn Sink) {
        self.needs_order = true;
        self.flush(sink);
        self.zoneless += 1;
        self.scrapy.open(begun);
    }

    /// Counts a line that is in no format that we know.
    fn bad(line: &str, at: Position, complete: bool, sink: &mut dyn Sink) {
        let kind = if complete {
            ProblemKind::BadLine
        } else {
            ProblemKind::TornLine
        };
        report(sink, kind, Some(at), clip(line, SHOWN));
    }

    /// Counts an object over many lines that did not end.
    fn flush_pretty(&mut self, sink: &mut dyn Sink) {
        if let Some(pretty) = self.pretty.take() {
            Self::bad(pretty.text(), pretty.at, true, sink);
        }
    }

    /// Takes a line that the recorder wrote, if it looks as predicted.
    fn predicted(&mut self, bytes: &[u8], at: Position, sink: &mut dyn Sink) -> bool {
        // The recorder begins with the time.
        let may_be = bytes.starts_with(br#"{"timestamp":""#);
        if !may_be || self.is_in_text() || self.pretty.is_some() || self.has_pieces() {
            return false;
        }
        // The record borrows from the head, and the rest of the decoder takes the record.
        let mut head = self.head.take().unwrap_or_default();
        let mut record = native::empty();
        let read = native::fast::decode(bytes, &head, &mut self.marks, &mut record);
        if read != native::fast::Read::No {
            self.take(&record, at, sink);
        }
        if read == native::fast::Read::Whole {
            let other = Box::new(Head::of(bytes, &record));
            drop(record);
            head = other;
        }
        self.head = Some(head);
        read != native::fast::Read::No
    }

    /// Hands a record over that is a line.
    fn take(&mut self, record: &Record<'_>, at: Position, sink: &mut dyn Sink) {
        if self.is_in_text() {
            self.flush_texts(sink);
        }
        self.flush_crash(sink);
        self.zoneless += u64::from(record.is_zoneless);
        self.context.remember(record);
        sink.record(record, at);
    }

    /// Whether a text record is open that lines may continue.
    fn is_in_text(&self) -> bool {
        self.scrapy.is_open() || self.text.is_open()
    }

    /// Hands over the text record that is open.
    fn flush_texts(&mut self, sink: &mut dyn Sink) {
        let mut remembering = Remembering {
            context: &mut self.context,
            sink,
        };
        self.scrapy.flush(&mut remembering);
        let mut remembering = Remembering {
            context: &mut self.context,
            sink,
        };
        self.zoneless += self
            .text
            .flush(&self.local, &self.options.map, &mut remembering);
        if let Some((run_id, _)) = self.scrapy.run()
            && self.context.run_id.as_deref() != Some(run_id)
        {
            self.context.run_id = Some(run_id.to_owned());
        }
    }
}

fn starts_with_brace(line: &str) -> bool {
    line.starts_with('{') || line.trim_start().starts_with('{')
}

fn without_bom(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        bytes = rest;
    }
    bytes
}
