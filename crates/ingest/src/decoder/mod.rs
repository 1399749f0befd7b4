//! Decodes lines into records.

mod around;
mod context;
mod crashes;
mod fate;
mod objects;
mod runs;
mod supervised;
mod texts;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use dragline_schema::{Level, Own, Position, ProblemKind, Record, Sink, Timestamp, clip};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use self::context::Context;
use self::context::Remembering;
use self::crashes::{Handled, Next};
pub(crate) use self::fate::Fate;
use self::fate::Ledger;
use self::runs::Runs;
use self::supervised::Supervised;
use crate::clock::Clock;
use crate::forms;
use crate::found::LogFile;
use crate::framing::crash::Crash;
use crate::framing::document::Document;
use crate::framing::envelope::Habits;
use crate::framing::journal::Entry;
use crate::framing::listed::Listed;
use crate::framing::octets::Octets;
use crate::framing::report;
use crate::framing::table::Table;
use crate::meaning::learn::Learned;
use crate::meaning::native::{self, Head};
use crate::meaning::process;
use crate::meaning::scrapy::{self, Scrapy};
use crate::meaning::text::Text;
use crate::meaning::{Shapes, crawlee};
use crate::options::ReadOptions;
use crate::parsing::marks::Marks;
use crate::parsing::time::{Calendar, DateOrder, Local};

/// Maximum number of bytes of a bad line that are shown.
const SHOWN: usize = 120;
/// Maximum nesting depth of envelopes.
const DEEPEST: u32 = 3;
/// Maximum number of streams that are assembled separately.
const MOST_STREAMS: usize = 256;

/// The decoder for the lines of a family of files.
pub(crate) struct Decoder {
    options: ReadOptions,
    scrapy: Scrapy,
    text: Text,
    crash: Option<Crash>,
    /// The text of the record before the crash.
    before_crash: Option<String>,
    /// That record, if it may log an exception without being an error.
    handled: Option<Handled>,
    /// The record that is about to be opened.
    next: Option<Next>,
    /// The stream of the last record that was nested in another.
    inner: Option<String>,
    /// The process that wrote these lines, if several processes write to one file.
    worker: Option<String>,
    /// Whether the open record was redirected through a worker's own log, which precedes each of its lines.
    is_redirected: bool,
    context: Context,
    /// The runs that the lines bound but do not name, and the hash of the family's name for their ids.
    runs: Runs,
    number: u32,
    /// The runs that supervisors bound.
    supervised: Supervised,
    /// The program that the envelopes around a stream's lines name.
    service: Option<String>,
    zoneless: u64,
    /// The fates of the file's lines.
    ledger: Ledger,
    /// Whether any line was found that other lines may continue.
    needs_order: bool,
    marks: Marks,
    /// The shapes of JSON objects from other programs.
    shapes: Shapes,
    /// The head of the last line, to predict the next one.
    head: Option<Box<Head>>,
    /// An open multi-line JSON value.
    pretty: Option<Document>,
    /// An open multi-line journal entry.
    entry: Option<Entry>,
    /// An open record whose fields are on lines of their own.
    listed: Option<Listed>,
    /// The columns of the file, if it is a table.
    table: Option<Table>,
    /// An open multi-line syslog message.
    octets: Option<Octets>,
    /// The pieces received so far of a line that a container runtime split.
    pieces: Option<Pieces>,
    /// The time and level from the envelope. They apply if the line itself has none.
    taken_at: Option<Timestamp>,
    given_level: Option<Level>,
    /// The envelope's time of the crash's first line.
    crash_at: Option<Timestamp>,
    family: String,
    /// The time zone and calendar of the current file.
    local: Local,
    habits: Habits,
    /// The decoders of the separate streams, for files with lines of several programs.
    streams: BTreeMap<String, Box<Decoder>>,
    /// Checks the times of all records before they reach the sink. `None` while it does so.
    clock: Option<Box<Clock>>,
    /// Number of files that forms of messages were learned from.
    taught_by: u8,
}

/// A line that arrives in pieces.
struct Pieces {
    text: String,
    at: Position,
    /// Total length of all pieces. The text is cut off at the maximum line length.
    bytes: usize,
}

/// The state that decoding a file depends on, besides the file itself.
#[derive(Serialize, Deserialize)]
struct State<'s> {
    context: Cow<'s, Context>,
    scrapy: scrapy::State,
    crawlee: crawlee::State,
    #[serde(default, skip_serializing_if = "Runs::is_empty")]
    runs: Cow<'s, Runs>,
    #[serde(default, skip_serializing_if = "Supervised::is_empty")]
    supervised: Cow<'s, Supervised>,
    /// Which of two ambiguous numbers of a date comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<DateOrder>,
    /// The states of the streams in the file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    streams: BTreeMap<String, String>,
    /// The forms of messages that were learned, and the number of files that they were learned from.
    #[serde(default, skip_serializing_if = "Learned::is_empty")]
    learned: Cow<'s, Learned>,
    #[serde(default)]
    taught_by: u8,
}

impl Decoder {
    pub(crate) fn new(family: &str, options: &ReadOptions) -> Self {
        Self {
            options: options.clone(),
            scrapy: Scrapy::new(family, Arc::clone(&options.map)),
            text: Text::new(family),
            crash: None,
            before_crash: None,
            handled: None,
            next: None,
            inner: None,
            worker: None,
            is_redirected: false,
            context: Context::default(),
            runs: Runs::default(),
            number: xxh3_64(family.as_bytes()) as u32,
            supervised: Supervised::default(),
            service: None,
            zoneless: 0,
            ledger: Ledger::default(),
            needs_order: false,
            marks: Marks::default(),
            shapes: Shapes::default(),
            head: None,
            pretty: None,
            entry: None,
            listed: None,
            table: None,
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
            taught_by: 0,
        }
    }

    pub(crate) fn options(&self) -> &ReadOptions {
        &self.options
    }

    /// Number of the file's records whose time has no time zone.
    pub(crate) fn zoneless(&self) -> u64 {
        self.zoneless + self.streams.values().map(|own| own.zoneless()).sum::<u64>()
    }

    /// The zone that the file's envelopes show for times without one, in seconds east of Greenwich.
    pub(crate) fn zone(&self) -> Option<i32> {
        self.local.calendar.offset.map(|(offset, _)| offset)
    }

    /// Whether any line since the start of the file may be continued by others. If so, the lines can only be decoded
    /// in their order.
    pub(crate) fn needs_order(&self) -> bool {
        self.needs_order
            || self.local.has_turned()
            || self.clock.as_ref().is_some_and(|clock| clock.needs_order)
            || self.streams.values().any(|own| own.needs_order())
    }

    /// Whether the runs of a file's lines depend on earlier files.
    pub(crate) fn has_runs(&self) -> bool {
        !self.runs.is_empty() || !self.supervised.is_empty()
    }

    /// The fates of the file's lines.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Number of crashes that the preceding record also contains.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn repeated(&self) -> u64 {
        let streams = self.streams.values().map(|own| own.repeated());
        self.ledger.repeated + streams.sum::<u64>()
    }

    /// Returns the context of the last lines and resets it.
    pub(crate) fn take_context(&mut self) -> Context {
        std::mem::take(&mut self.context)
    }

    /// Updates the context after another decoder has read the lines in between.
    pub(crate) fn follow(&mut self, context: Context) {
        self.context.follow(context);
    }

    /// Starts a file that was last modified at `modified`, or a part of a file.
    pub(crate) fn begin_file(&mut self, modified: Option<Timestamp>, is_part: bool) {
        if let Some(clock) = &mut self.clock {
            clock.begin_file(modified, is_part);
        }
        self.zoneless = 0;
        self.ledger = Ledger::default();
        self.needs_order = false;
        self.habits = Habits::default();
        self.shapes.begin_file();
        self.local.begin_file();
        self.table = None;
        self.text.begin_file();
        for own in self.streams.values_mut() {
            own.begin_file(modified, is_part);
        }
    }

    /// Which of two ambiguous numbers of a date comes first, if any file has shown it.
    pub(crate) fn order(&self) -> Option<DateOrder> {
        self.local.calendar.order
    }

    /// Sets what is known about the times in the current file.
    pub(crate) fn set_calendar(&mut self, calendar: Calendar) {
        self.local.set_calendar(calendar);
        self.habits.before = calendar.before;
        for own in self.streams.values_mut() {
            own.set_calendar(calendar);
        }
    }

    /// Learns the forms of messages of the next file, unless enough files taught some already. Returns what the file
    /// teaches.
    pub(crate) fn study(&self, file: &LogFile, calendar: Calendar) -> Option<Learned> {
        (self.taught_by < forms::MOST_FILES)
            .then(|| forms::of(&self.family, file, &self.options, calendar))
    }

    /// Adds what a file taught.
    pub(crate) fn learn(&mut self, taught: Option<Learned>) {
        let Some(taught) = taught else { return };
        self.taught_by += 1;
        if !taught.is_empty() {
            let mut learned = self.options.map.learned.clone();
            learned.add(&taught);
            self.set_learned(learned);
        }
    }

    fn set_learned(&mut self, learned: Learned) {
        if self.options.map.learned == learned {
            return;
        }
        self.options.map = Arc::new(self.options.map.with_learned(learned));
        for own in self.streams.values_mut() {
            own.options.map = Arc::clone(&self.options.map);
        }
    }

    /// Ends a file. No record continues in the next file, because log writers rotate only between records.
    pub(crate) fn end_file(&mut self, sink: &mut dyn Sink) {
        self.with_clock(sink, |own, sink| own.end_lines(sink));
        if let Some(clock) = &mut self.clock {
            clock.end_file(sink);
        }
        self.ledger.note(sink);
    }

    /// Runs `work` with a sink that passes all records through the clock.
    fn with_clock<T>(
        &mut self,
        sink: &mut dyn Sink,
        work: impl FnOnce(&mut Self, &mut dyn Sink) -> T,
    ) -> T {
        // It is restored when the work is done.
        let mut clock = self.clock.take().unwrap_or_default();
        let mut supervised = std::mem::take(&mut self.supervised);
        let mut timed = clock.before(sink);
        let done = work(self, &mut supervised.before(self.number, &mut timed));
        self.supervised = supervised;
        self.clock = Some(clock);
        done
    }

    fn end_lines(&mut self, sink: &mut dyn Sink) {
        if let Some(pieces) = self.pieces.take() {
            self.joined(pieces, false, sink);
        }
        self.flush_pretty(sink);
        self.flush_entry(sink);
        self.flush_listed(sink);
        if let Some(table) = self.table.take() {
            Self::each_bad(&table.rest(), Position::default(), sink);
        }
        if let Some(octets) = self.octets.take() {
            let at = octets.at;
            self.wrapped(&octets.into_text(), at, false, sink);
        }
        self.flush(sink);
        for own in self.streams.values_mut() {
            own.end_lines(sink);
        }
    }

    /// Emits what is known only at the end of the family.
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
            runs: Cow::Borrowed(&self.runs),
            supervised: Cow::Borrowed(&self.supervised),
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
            learned: Cow::Borrowed(&self.options.map.learned),
            taught_by: self.taught_by,
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
        self.runs = state.runs.into_owned();
        self.supervised = state.supervised.into_owned();
        self.scrapy.restore(state.scrapy);
        self.text.crawlee_mut().restore(state.crawlee);
        self.taught_by = state.taught_by;
        self.set_learned(state.learned.into_owned());
        self.streams.clear();
        for (key, state) in state.streams {
            self.stream(&key).restore(state.as_bytes());
        }
        true
    }

    /// Decodes the next line.
    pub(crate) fn line(&mut self, bytes: &[u8], at: Position, complete: bool, sink: &mut dyn Sink) {
        let fate =
            if bytes.is_empty() && self.is_plain() && !self.is_in_text() && self.crash.is_none() {
                self.text.pass_blank();
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
        // Files that start with a byte order mark may have been appended to others.
        let bytes = without_bom(bytes);
        if !self.streams.is_empty() && process::may_say_end(bytes) {
            // What a program logged last comes before what its supervisor says of its end.
            self.flush_all(sink);
        }
        if self.predicted(bytes, at, sink) {
            return Fate::Record;
        }
        if let Ok(line) = simdutf8::basic::from_utf8(bytes) {
            if let Some(fate) = self.packed(line, at, complete, sink) {
                return fate;
            }
            // Only Scrapy's lines start in this form, and they have no envelope.
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

    /// Whether no multi-line value is open and the user has not defined any dialect.
    fn is_plain(&self) -> bool {
        self.is_between() && self.options.dialects.is_empty()
    }

    fn has_pieces(&self) -> bool {
        self.pieces.is_some()
    }

    /// Whether no multi-line value is open.
    fn is_between(&self) -> bool {
        self.pretty.is_none()
            && self.entry.is_none()
            && self.listed.is_none()
            && self.octets.is_none()
            && !self.has_pieces()
    }

    /// Emits the open record. Nothing can continue it.
    pub(crate) fn flush(&mut self, sink: &mut dyn Sink) {
        self.flush_crash(sink);
        self.flush_texts(sink);
    }

    /// Emits the open records of all streams.
    fn flush_all(&mut self, sink: &mut dyn Sink) {
        self.flush(sink);
        for own in self.streams.values_mut() {
            own.flush_all(sink);
        }
    }

    /// Position of the open record, if there is one.
    pub(crate) fn open_at(&self) -> Option<Position> {
        let places = [
            self.clock.as_ref().and_then(|clock| clock.held_at()),
            self.scrapy.open_at(),
            self.text.open_at(),
            self.crash.as_ref().map(|crash| crash.at),
            self.pretty.as_ref().map(|pretty| pretty.at),
            self.entry.as_ref().map(|entry| entry.at),
            self.listed.as_ref().map(|listed| listed.at),
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

    /// Reports a line of unknown format.
    fn bad(line: &str, at: Position, complete: bool, sink: &mut dyn Sink) -> Fate {
        let kind = if complete {
            ProblemKind::BadLine
        } else {
            ProblemKind::TornLine
        };
        report(sink, kind, Some(at), clip(line, SHOWN));
        Fate::Bad
    }

    /// Reports the lines of an object that did not end.
    fn flush_pretty(&mut self, sink: &mut dyn Sink) {
        let Some(pretty) = self.pretty.take() else {
            return;
        };
        Self::each_bad(pretty.text(), pretty.at, sink);
    }

    /// Reports several lines of unknown format.
    fn each_bad(lines: &str, at: Position, sink: &mut dyn Sink) -> Fate {
        let mut at = at;
        for line in lines.lines() {
            Self::bad(line, at, true, sink);
            at.line += 1;
            at.offset += line.len() as u64 + 1;
        }
        Fate::Bad
    }

    /// Decodes a line of the recorder if it has the predicted form.
    fn predicted(&mut self, bytes: &[u8], at: Position, sink: &mut dyn Sink) -> bool {
        // The recorder writes the time first.
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

    /// Emits a record that consists of one line.
    fn take(&mut self, record: &Record<'_>, at: Position, sink: &mut dyn Sink) {
        if self.is_in_text() {
            self.flush_texts(sink);
        }
        self.flush_crash(sink);
        self.zoneless += u64::from(record.is_zoneless);
        Remembering {
            context: &mut self.context,
            runs: (&mut self.runs, self.number),
            service: self.service.as_deref(),
            sink,
        }
        .record(record, at);
        // Which run the lines behind them belong to depends on these.
        self.needs_order |= !self.runs.is_empty();
    }

    /// Whether a text record is open that lines may continue.
    fn is_in_text(&self) -> bool {
        self.scrapy.is_open() || self.text.is_open()
    }

    /// Emits the open text record.
    fn flush_texts(&mut self, sink: &mut dyn Sink) {
        let mut remembering = Remembering {
            context: &mut self.context,
            runs: (&mut self.runs, self.number),
            service: self.service.as_deref(),
            sink,
        };
        self.scrapy.flush(&mut remembering);
        let mut remembering = Remembering {
            context: &mut self.context,
            runs: (&mut self.runs, self.number),
            service: self.service.as_deref(),
            sink,
        };
        self.zoneless += self
            .text
            .flush(&self.local, &self.options.map, &mut remembering);
        if let Some((text, at)) = self.text.take_crash() {
            // Another error, of which the program died directly after the record.
            self.crash = Crash::within(text, at);
            self.flush_crash(sink);
        }
        if let Some((run_id, _)) = self.scrapy.run()
            && self.context.run_id.as_deref() != Some(run_id)
        {
            self.context.run_id = Some(run_id.to_owned());
            self.context.is_run_guessed = false;
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
