//! Lines into records.

mod around;
mod context;
mod crashes;
mod fate;
mod objects;
mod texts;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use dragline_schema::{Level, Own, Position, ProblemKind, Record, Sink, Timestamp, clip};
use serde::{Deserialize, Serialize};

pub(crate) use self::context::Context;
use self::context::Remembering;
pub(crate) use self::fate::Fate;
use self::fate::Ledger;
use crate::clock::Clock;
use crate::framing::crash::Crash;
use crate::framing::document::Document;
use crate::framing::envelope::Habits;
use crate::framing::journal::Entry;
use crate::framing::octets::Octets;
use crate::framing::report;
use crate::meaning::native::{self, Head};
use crate::meaning::scrapy::{self, Scrapy};
use crate::meaning::text::Text;
use crate::meaning::{Shapes, crawlee};
use crate::options::ReadOptions;
use crate::parsing::marks::Marks;
use crate::parsing::time::{Calendar, DateOrder, Local};

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
    /// When that record was written, if it is one that may log an exception without being an error.
    handled_at: Option<Timestamp>,
    /// When the record was written that begins.
    next_at: Option<Timestamp>,
    /// The stream of the last record that stood within another.
    inner: Option<String>,
    /// The process whose lines these are, where several write one file.
    worker: Option<String>,
    /// Whether the open record came through a worker's own log, which then stands before each of its lines.
    is_redirected: bool,
    context: Context,
    zoneless: u64,
    /// What became of the file's lines.
    ledger: Ledger,
    /// Whether a line was met that others may belong to.
    needs_order: bool,
    marks: Marks,
    /// Of other writers' objects.
    shapes: Shapes,
    /// Of the last line, for the next one.
    head: Option<Box<Head>>,
    /// JSON over many lines that has begun.
    pretty: Option<Document>,
    /// An entry of the journal over many lines that has begun.
    entry: Option<Entry>,
    /// A message of syslog over many lines that has begun.
    octets: Option<Octets>,
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
            scrapy: Scrapy::new(family, Arc::clone(&options.map)),
            text: Text::new(family),
            crash: None,
            before_crash: None,
            handled_at: None,
            next_at: None,
            inner: None,
            worker: None,
            is_redirected: false,
            context: Context::default(),
            zoneless: 0,
            ledger: Ledger::default(),
            needs_order: false,
            marks: Marks::default(),
            shapes: Shapes::default(),
            head: None,
            pretty: None,
            entry: None,
            octets: None,
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

    /// What became of the file's lines.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How many crashes stood in the record before them, too.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn repeated(&self) -> u64 {
        let streams = self.streams.values().map(|own| own.repeated());
        self.ledger.repeated + streams.sum::<u64>()
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
        self.ledger = Ledger::default();
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
        self.ledger.note(sink);
    }

    /// Lets all records pass the clock.
    fn with_clock<T>(
        &mut self,
        sink: &mut dyn Sink,
        work: impl FnOnce(&mut Self, &mut dyn Sink) -> T,
    ) -> T {
        // It is put back as soon as the work is done.
        let mut clock = self.clock.take().unwrap_or_default();
        let done = work(self, &mut clock.before(sink));
        self.clock = Some(clock);
        done
    }

    fn end_lines(&mut self, sink: &mut dyn Sink) {
        if let Some(pieces) = self.pieces.take() {
            self.joined(pieces, false, sink);
        }
        self.flush_pretty(sink);
        self.flush_entry(sink);
        if let Some(octets) = self.octets.take() {
            let at = octets.at;
            self.wrapped(&octets.into_text(), at, false, sink);
        }
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
        let fate =
            if bytes.is_empty() && self.is_plain() && !self.is_in_text() && self.crash.is_none() {
                Fate::Blank
            } else {
                self.with_clock(sink, |own, sink| own.next_line(bytes, at, complete, sink))
            };
        self.ledger.enter(fate, at);
    }

    fn next_line(
        &mut self,
        bytes: &[u8],
        at: Position,
        complete: bool,
        sink: &mut dyn Sink,
    ) -> Fate {
        // Files that begin with a mark are put behind others.
        let bytes = without_bom(bytes);
        if self.predicted(bytes, at, sink) {
            return Fate::Record;
        }
        if let Ok(line) = simdutf8::basic::from_utf8(bytes) {
            if let Some(fate) = self.packed(line, at, complete, sink) {
                return fate;
            }
            // Nothing else begins like Scrapy's lines, and nothing is around them.
            if self.is_plain()
                && let Some(begun) = Scrapy::begin(line, at, &self.local)
            {
                return self.open_scrapy(begun, sink);
            }
            self.wrapped(line, at, complete, sink)
        } else {
            let line = String::from_utf8_lossy(bytes);
            if let Some(fate) = self.packed(&line, at, complete, sink) {
                return fate;
            }
            self.wrapped(&line, at, complete, sink)
        }
    }

    /// Whether no line is in the making that is more than one, and the user describes none.
    fn is_plain(&self) -> bool {
        self.is_between() && self.options.dialects.is_empty()
    }

    fn has_pieces(&self) -> bool {
        self.pieces.is_some()
    }

    /// Whether nothing over several lines is open.
    fn is_between(&self) -> bool {
        self.pretty.is_none() && self.entry.is_none() && self.octets.is_none() && !self.has_pieces()
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
            self.entry.as_ref().map(|entry| entry.at),
            self.octets.as_ref().map(|octets| octets.at),
            self.pieces.as_ref().map(|pieces| pieces.at),
        ];
        let streams = self.streams.values().filter_map(|own| own.open_at());
        places
            .into_iter()
            .flatten()
            .chain(streams)
            .min_by_key(|at| at.offset)
    }

    /// Counts a line that is in no format that we know.
    fn bad(line: &str, at: Position, complete: bool, sink: &mut dyn Sink) -> Fate {
        let kind = if complete {
            ProblemKind::BadLine
        } else {
            ProblemKind::TornLine
        };
        report(sink, kind, Some(at), clip(line, SHOWN));
        Fate::Bad
    }

    /// Counts the lines of an object that did not end.
    fn flush_pretty(&mut self, sink: &mut dyn Sink) {
        let Some(pretty) = self.pretty.take() else {
            return;
        };
        Self::each_bad(pretty.text(), pretty.at, sink);
    }

    /// Counts lines that are in no format together.
    fn each_bad(lines: &str, at: Position, sink: &mut dyn Sink) -> Fate {
        let mut at = at;
        for line in lines.lines() {
            Self::bad(line, at, true, sink);
            at.line += 1;
            at.offset += line.len() as u64 + 1;
        }
        Fate::Bad
    }

    /// Takes a line that the recorder wrote, if it looks as predicted.
    fn predicted(&mut self, bytes: &[u8], at: Position, sink: &mut dyn Sink) -> bool {
        // The recorder begins with the time.
        let may_be = bytes.starts_with(br#"{"timestamp":""#);
        if !may_be || self.is_in_text() || !self.is_between() {
            return false;
        }
        // The record borrows from the head, and the rest of the decoder takes the record.
        let mut head = self.head.take().unwrap_or_default();
        let mut record = native::empty();
        let read = native::fast::decode(bytes, &head, &mut self.marks, &mut record);
        if read != native::fast::Read::No {
            record.own = Own::Line(Cow::Borrowed(bytes));
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
