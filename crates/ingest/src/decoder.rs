//! Lines into records.

use std::borrow::Cow;

use dragline_schema::{
    Dialect, Event, Position, Problem, ProblemKind, Record, ScraperError, Sink, Timestamp, clip,
};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::json;
use crate::json::otlp::Export;
use crate::lines::HOLE;
use crate::lines::append;
use crate::options::ReadOptions;
use crate::prefix;
use crate::pretty::{Object, Pretty};
use crate::scrapy::{self, Scrapy};
use crate::text::{self, Text, crawlee, logfmt, without_colours};
use crate::traceback;

/// This much of a bad line is shown.
const SHOWN: usize = 120;
/// The raw text of a crash is kept up to this size.
const MAX_CRASH: usize = 256 << 10;

/// The decoder of a family's lines.
pub(crate) struct Decoder {
    options: ReadOptions,
    scrapy: Scrapy,
    text: Text,
    crash: Option<Crash>,
    context: Context,
    /// Whether the line before was no record: a traceback behind it belongs to a text that we
    /// cannot read.
    after_text: bool,
    zoneless: u64,
    /// Whether a line was met that others may belong to.
    needs_order: bool,
    marks: json::Marks,
    /// Of the last line, for the next one.
    head: Option<Box<json::Head>>,
    /// An object over many lines that has begun.
    pretty: Option<Pretty>,
    /// Lines that a container's runtime cut into pieces, as far as they came: of standard output, and of
    /// standard error.
    pieces: [Option<Pieces>; 2],
    /// When the runtime took the line: what says when a line that does not say so itself was written.
    taken_at: Option<Timestamp>,
    /// Looks at the times of all records, before every sink; absent while it does.
    clock: Option<Box<Clock>>,
}

/// A traceback that stands between JSON lines, as uncaught exceptions leave it.
struct Crash {
    text: String,
    at: Position,
}

/// A line that comes in pieces.
struct Pieces {
    text: String,
    at: Position,
    /// Of all pieces; the text ends at the limit of a line.
    bytes: usize,
}

/// Whose lines came last: a raw traceback belongs to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Context {
    timestamp: Option<Timestamp>,
    scraper_id: Option<String>,
    site: Option<String>,
    run_id: Option<String>,
}

/// What a file's reading depends on besides the file.
#[derive(Serialize, Deserialize)]
struct State<'s> {
    context: Cow<'s, Context>,
    scrapy: scrapy::State,
    crawlee: crawlee::State,
}

impl Decoder {
    pub(crate) fn new(family: &str, options: &ReadOptions) -> Self {
        Self {
            options: options.clone(),
            scrapy: Scrapy::new(family),
            text: Text::new(family),
            crash: None,
            context: Context::default(),
            after_text: false,
            zoneless: 0,
            needs_order: false,
            marks: json::Marks::default(),
            head: None,
            pretty: None,
            pieces: [None, None],
            taken_at: None,
            clock: Some(Box::new(Clock::new(&options.zone))),
        }
    }

    pub(crate) fn options(&self) -> &ReadOptions {
        &self.options
    }

    /// Records of the file whose time names no zone.
    pub(crate) fn zoneless(&self) -> u64 {
        self.zoneless
    }

    /// Whether, since the file's beginning, a line was met that others may belong to: then lines mean
    /// what they mean only in their order.
    pub(crate) fn needs_order(&self) -> bool {
        self.needs_order || self.clock.as_ref().is_some_and(|clock| clock.needs_order)
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
        self.after_text = false;
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
        for pieces in std::mem::take(&mut self.pieces).into_iter().flatten() {
            self.joined(pieces, false, sink);
        }
        self.flush_pretty(sink);
        self.flush(sink);
    }

    /// Hands over what is known only at the family's end.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) {
        self.scrapy.finish(sink);
    }

    pub(crate) fn state(&self) -> Vec<u8> {
        let state = State {
            context: Cow::Borrowed(&self.context),
            scrapy: self.scrapy.state(),
            crawlee: self.text.crawlee().state(),
        };
        // Texts, numbers and lists always serialise.
        serde_json::to_vec(&state).unwrap_or_default()
    }

    pub(crate) fn restore(&mut self, state: &[u8]) -> bool {
        let Ok(state) = serde_json::from_slice::<State<'_>>(state) else {
            return false;
        };
        self.context = state.context.into_owned();
        self.scrapy.restore(state.scrapy);
        self.text.crawlee_mut().restore(state.crawlee);
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
                && let Some(begun) = Scrapy::begin(line, at, &self.options.zone)
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
        self.pieces.iter().any(Option::is_some)
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
            self.pieces[0].as_ref().map(|pieces| pieces.at),
            self.pieces[1].as_ref().map(|pieces| pieces.at),
        ];
        places.into_iter().flatten().min_by_key(|at| at.offset)
    }

    /// Takes a line out of what a container's runtime put around it.
    fn wrapped(&mut self, line: &str, at: Position, complete: bool, sink: &mut dyn Sink) {
        let unwrapped = prefix::unwrap(line);
        self.taken_at = unwrapped.time;
        let stream = usize::from(unwrapped.is_stderr);
        if !unwrapped.is_piece && self.pieces[stream].is_none() {
            return self.whole(&unwrapped.text, at, complete, sink);
        }
        self.needs_order = true;
        let mut pieces = self.pieces[stream].take().unwrap_or(Pieces {
            text: String::new(),
            at,
            bytes: 0,
        });
        pieces.bytes += unwrapped.text.len();
        if pieces.bytes <= self.options.max_line {
            pieces.text.push_str(&unwrapped.text);
        }
        if unwrapped.is_piece {
            self.pieces[stream] = Some(pieces);
        } else {
            self.joined(pieces, complete, sink);
        }
    }

    /// Takes a line whose pieces were put together.
    fn joined(&mut self, pieces: Pieces, complete: bool, sink: &mut dyn Sink) {
        let Pieces { text, at, bytes } = pieces;
        let limit = self.options.max_line;
        if bytes > limit {
            let detail = format!("a line of {bytes} bytes; the limit is {limit}");
            return report(sink, ProblemKind::OversizedLine, Some(at), &detail);
        }
        self.whole(&text, at, complete, sink);
    }

    /// Takes a line as its writer wrote it.
    fn whole(&mut self, line: &str, at: Position, complete: bool, sink: &mut dyn Sink) {
        if let Some(pretty) = &mut self.pretty {
            match pretty.go_on(line) {
                Object::Open => return,
                Object::Whole(text) => {
                    let at = pretty.at;
                    self.pretty = None;
                    if !self.json(&text, at, sink) {
                        self.bad(&text, at, true, sink);
                    }
                    return;
                }
                Object::Broken => self.flush_pretty(sink),
            }
        }
        if Pretty::begins(line) && !self.is_in_text() {
            self.needs_order = true;
            self.pretty = Some(Pretty::new(line, at));
            return;
        }
        let is_record = if starts_with_brace(line) {
            self.json(line, at, sink)
        } else {
            self.logfmt(line, at, sink)
        };
        if !is_record {
            self.text(line, at, complete, sink);
        }
    }

    /// Takes what stands before and behind NUL bytes, each as a line of its own: what was torn by a power
    /// loss, and what its program wrote next.
    fn around_hole(&mut self, hole: &Hole<'_>, at: Position, complete: bool, sink: &mut dyn Sink) {
        self.needs_order = true;
        if !hole.before.is_empty() {
            self.wrapped(hole.before, at, hole.behind.is_empty() && complete, sink);
        }
        let behind = (hole.before.len() + hole.zeros) as u64;
        report_hole(at, hole.zeros as u64, sink);
        if !hole.behind.is_empty() {
            let at = Position {
                offset: at.offset + behind,
                ..at
            };
            self.wrapped(hole.behind, at, complete, sink);
        }
    }

    /// Takes a line of a text log.
    fn text(&mut self, line: &str, at: Position, complete: bool, sink: &mut dyn Sink) {
        self.needs_order = true;
        if let Some(hole) = Hole::find(line) {
            return self.around_hole(&hole, at, complete, sink);
        }
        let line = &*without_colours(line);
        let options = &self.options;
        let custom = options
            .dialects
            .iter()
            .find_map(|dialect| dialect.begin(line, at));
        if custom.is_none()
            && let Some(begun) = Scrapy::begin(line, at, &options.zone)
        {
            return self.open_scrapy(begun, sink);
        }
        if let Some(begun) = custom.or_else(|| text::begin(line, at)) {
            return match self.scrapy.claim(begun, &self.options.zone) {
                Ok(begun) => self.open_scrapy(begun, sink),
                Err(begun) => {
                    self.flush(sink);
                    self.text.open(*begun, self.taken_at);
                }
            };
        }
        if self.scrapy.is_open() {
            return self.scrapy.go_on(line);
        }
        if self.text.is_open() {
            return self.text.go_on(line);
        }
        if line.trim().is_empty() && self.crash.is_none() {
            return;
        }
        if !self.crash_line(line, at) {
            self.bad(line, at, complete, sink);
        }
    }

    fn open_scrapy(&mut self, begun: scrapy::Pending, sink: &mut dyn Sink) {
        self.needs_order = true;
        self.flush(sink);
        self.zoneless += 1;
        self.scrapy.open(begun);
    }

    /// Counts a line that is in no format that we know.
    fn bad(&mut self, line: &str, at: Position, complete: bool, sink: &mut dyn Sink) {
        self.after_text = true;
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
            self.bad(pretty.text(), pretty.at, true, sink);
        }
    }

    /// Takes a line that the recorder wrote, if it looks as predicted.
    fn predicted(&mut self, bytes: &[u8], at: Position, sink: &mut dyn Sink) -> bool {
        if self.is_in_text() || self.pretty.is_some() || self.has_pieces() {
            return false;
        }
        // The record borrows from the head, and the rest of the decoder takes the record.
        let mut head = self.head.take().unwrap_or_default();
        let mut record = json::empty();
        let read = json::fast::decode(bytes, &head, &mut self.marks, &mut record);
        if read != json::fast::Read::No {
            self.take(&record, true, at, sink);
        }
        if read == json::fast::Read::Whole {
            let other = Box::new(json::Head::of(bytes, &record));
            drop(record);
            head = other;
        }
        self.head = Some(head);
        read != json::fast::Read::No
    }

    /// Takes a line that is a JSON record, or several.
    fn json(&mut self, line: &str, at: Position, sink: &mut dyn Sink) -> bool {
        let repaired;
        let (line, object) = if let Some(object) = json::Object::parse(line) {
            (line, object)
        } else {
            let Some(text) = json::without_nan(line) else {
                return false;
            };
            repaired = text;
            let Some(object) = json::Object::parse(&repaired) else {
                return false;
            };
            (&*repaired, object)
        };
        let mut take = |fields| {
            self.fields(fields, Dialect::Otlp, line, at, sink);
        };
        if let Some(export) = json::otlp::each_record(&object, &mut take) {
            report_export(&export, line, at, sink);
            return true;
        }
        if let Some(job) = scrapy::logparser::read(&object) {
            self.needs_order = true;
            self.flush(sink);
            self.scrapy.tell_job(&job, at, &self.options.zone, sink);
            return true;
        }
        let options = (&self.options.zone, &*self.options.map);
        let decoded = json::decode(&object, options.0, options.1);
        decoded.is_some_and(|decoded| self.decoded(decoded, line, at, sink))
    }

    /// Takes a line that is a logfmt record.
    fn logfmt(&mut self, line: &str, at: Position, sink: &mut dyn Sink) -> bool {
        logfmt::fields(line)
            .is_some_and(|fields| self.fields(fields, Dialect::Logfmt, line, at, sink))
    }

    /// Takes a record that is no object of its own line.
    fn fields(
        &mut self,
        fields: json::Fields<'_>,
        dialect: Dialect,
        line: &str,
        at: Position,
        sink: &mut dyn Sink,
    ) -> bool {
        let options = &self.options;
        let decoded = json::decode_fields(fields, dialect, &options.zone, &options.map);
        decoded.is_some_and(|decoded| self.decoded(decoded, line, at, sink))
    }

    /// Takes a record that is a line, unless it is a part of a text.
    fn decoded(
        &mut self,
        decoded: json::Decoded<'_>,
        line: &str,
        at: Position,
        sink: &mut dyn Sink,
    ) -> bool {
        let json::Decoded { mut record, zoned } = decoded;
        record.is_zoneless = !zoned;
        if record.timestamp.is_none() {
            // An item in Scrapy's text may be JSON; a record names its time.
            if self.is_in_text() {
                return false;
            }
            record.timestamp = self.taken_at;
        }
        if record.timestamp.is_none() {
            report(sink, ProblemKind::NoTimestamp, Some(at), clip(line, SHOWN));
        }
        if crawlee::is_of(&record) {
            self.needs_order = true;
            self.flush(sink);
            self.text
                .crawlee_mut()
                .tell_json(line, &mut record, at, sink);
        }
        self.take(&record, zoned, at, sink);
        true
    }

    /// Hands a record over that is a line.
    fn take(&mut self, record: &Record<'_>, zoned: bool, at: Position, sink: &mut dyn Sink) {
        if self.is_in_text() {
            self.flush_texts(sink);
        }
        self.flush_crash(sink);
        self.zoneless += u64::from(!zoned);
        self.after_text = false;
        self.context.remember(record);
        sink.record(record, at);
    }

    /// Whether a text record is open that lines may continue.
    fn is_in_text(&self) -> bool {
        self.scrapy.is_open() || self.text.is_open()
    }

    /// Hands over the text record that is open.
    fn flush_texts(&mut self, sink: &mut dyn Sink) {
        self.scrapy.flush(sink);
        let options = &self.options;
        self.zoneless += self.text.flush(&options.zone, &options.map, sink);
    }

    /// Takes a line of a raw traceback: from its first line to the exception, and what is indented.
    fn crash_line(&mut self, line: &str, at: Position) -> bool {
        let begins = line.starts_with("Traceback (most recent call last)");
        if begins && self.crash.is_none() && !self.after_text {
            self.crash = Some(Crash {
                text: line.to_owned(),
                at,
            });
            return true;
        }
        let Some(crash) = &mut self.crash else {
            return false;
        };
        append(&mut crash.text, line, MAX_CRASH);
        true
    }

    /// Hands over a raw traceback as one record.
    fn flush_crash(&mut self, sink: &mut dyn Sink) {
        let Some(crash) = self.crash.take() else {
            return;
        };
        let parsed = traceback::parse(&crash.text).unwrap_or_default();
        let record = Record {
            timestamp: self.context.timestamp,
            level: Some(dragline_schema::Level::Critical),
            scraper_id: self.context.scraper_id.as_deref().map(Into::into),
            site: self.context.site.as_deref().map(Into::into),
            run_id: self.context.run_id.as_deref().map(Into::into),
            message: Some("uncaught exception".into()),
            event: Event::ScraperError(ScraperError {
                error_type: Some(parsed.error_type.into()),
                error_message: Some(parsed.message.into()),
                traceback: Some(crash.text.as_str().into()),
                function: parsed.function.map(Into::into),
                ..ScraperError::default()
            }),
            dialect: Dialect::Json,
            ..Record::default()
        };
        sink.record(&record, crash.at);
    }
}

impl Context {
    /// What is known after the lines that the other is of.
    pub(crate) fn follow(&mut self, other: Self) {
        let Self {
            timestamp,
            scraper_id,
            site,
            run_id,
        } = std::mem::take(self);
        *self = Self {
            timestamp: other.timestamp.or(timestamp),
            scraper_id: other.scraper_id.or(scraper_id),
            site: other.site.or(site),
            run_id: other.run_id.or(run_id),
        };
    }

    fn remember(&mut self, record: &Record<'_>) {
        self.timestamp = record.timestamp.or(self.timestamp);
        let keep = |held: &mut Option<String>, new: Option<&str>| {
            if new.is_some() && held.as_deref() != new {
                *held = new.map(str::to_owned);
            }
        };
        keep(&mut self.scraper_id, record.scraper_id.as_deref());
        keep(&mut self.site, record.site.as_deref());
        keep(&mut self.run_id, record.run_id.as_deref());
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

pub(crate) fn report(sink: &mut dyn Sink, kind: ProblemKind, at: Option<Position>, detail: &str) {
    sink.problem(&Problem { kind, at, detail });
}

/// NUL bytes within a line.
struct Hole<'l> {
    before: &'l str,
    zeros: usize,
    behind: &'l str,
}

impl<'l> Hole<'l> {
    /// The first hole: so many that they are no part of a text, or those at its end.
    fn find(line: &'l str) -> Option<Self> {
        let mut from = 0;
        while let Some(at) = memchr::memchr(0, &line.as_bytes()[from..]) {
            let at = from + at;
            let rest = &line.as_bytes()[at..];
            let zeros = rest.iter().take_while(|byte| **byte == 0).count();
            if zeros >= HOLE || zeros == rest.len() {
                return Some(Self {
                    before: &line[..at],
                    zeros,
                    behind: &line[at + zeros..],
                });
            }
            from = at + zeros;
        }
        None
    }
}

/// Reports what an export holds beside records.
fn report_export(export: &Export, line: &str, at: Position, sink: &mut dyn Sink) {
    let others = export.others.join(" and ");
    let why = match export {
        Export { lost: 1.., .. } => format!(
            "an OpenTelemetry export in which {} of {} log records are none",
            export.lost,
            export.lost + export.records
        ),
        Export { records: 0, .. } if !others.is_empty() => {
            format!("OpenTelemetry {others}, not logs")
        }
        _ if !others.is_empty() => format!("OpenTelemetry {others} beside logs"),
        Export {
            records: 0,
            is_empty: false,
            ..
        } => "an OpenTelemetry export in which no log record was found".to_owned(),
        _ => return,
    };
    let detail = format!("{why}: {}", clip(line, SHOWN));
    report(sink, ProblemKind::BadLine, Some(at), &detail);
}

/// Reports NUL bytes that were passed over.
pub(crate) fn report_hole(at: Position, bytes: u64, sink: &mut dyn Sink) {
    let detail = format!(
        "{bytes} NUL bytes, as a file has that was truncated under its writer or cut by a power loss: passed over"
    );
    report(sink, ProblemKind::NulBytes, Some(at), &detail);
}
