//! One family of files, read in order.

use dragline_schema::{
    Dialect, Event, Position, Problem, ProblemKind, Record, ScraperError, Sink, Timestamp, clip,
};
use jiff::tz::TimeZone;

use crate::discover::{Family, LogFile};
use crate::json;
use crate::lines::{Line, LineReader, append};
use crate::open::Source;
use crate::prefix;
use crate::scrapy::Scrapy;
use crate::text::{Text, logfmt, without_colours};
use crate::traceback;

/// This much of a bad line is shown.
const SHOWN: usize = 120;
/// The raw text of a crash is kept up to this size.
const MAX_CRASH: usize = 256 << 10;

/// How to read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The zone of times that name none. Default UTC.
    pub zone: TimeZone,
    /// A longer line is a problem, not a record. In bytes; default 8 MiB.
    pub max_line: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            max_line: 8 << 20,
        }
    }
}

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSummary {
    /// The file's path.
    pub path: String,
    /// Its size on disk.
    pub bytes: u64,
    /// Bytes after decompression, as far as they could be read.
    pub text_bytes: u64,
    /// Lines, as far as they could be read.
    pub lines: u64,
    /// Records whose time names no zone.
    pub zoneless: u64,
    /// Whether it is a compressed file that ends before its end.
    pub truncated: bool,
}

/// Reads a family and hands everything to the sink; gives each file's totals.
pub fn read_family(
    family: &Family,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Vec<FileSummary> {
    let mut decoder = Decoder {
        options,
        scrapy: Scrapy::new(&family.name),
        text: Text::new(&family.name),
        crash: None,
        context: Context::default(),
        after_text: false,
        zoneless: 0,
        marks: json::Marks::default(),
        head: None,
    };
    let summaries = family
        .files
        .iter()
        .map(|file| decoder.file(file, sink))
        .collect();
    decoder.flush_crash(sink);
    decoder.text.flush(&options.zone, sink);
    decoder.scrapy.finish(sink);
    summaries
}

struct Decoder<'o> {
    options: &'o ReadOptions,
    scrapy: Scrapy,
    text: Text,
    crash: Option<Crash>,
    context: Context,
    /// Whether the line before was no record: a traceback behind it belongs to a text that we
    /// cannot read.
    after_text: bool,
    zoneless: u64,
    marks: json::Marks,
    /// Of the last line, for the next one.
    head: Option<Box<json::Head>>,
}

/// A traceback that stands between JSON lines, as uncaught exceptions leave it.
struct Crash {
    text: String,
    at: Position,
}

/// Whose lines came last: a raw traceback belongs to them.
#[derive(Default)]
struct Context {
    timestamp: Option<Timestamp>,
    scraper_id: Option<String>,
    site: Option<String>,
    run_id: Option<String>,
}

impl Decoder<'_> {
    fn file(&mut self, file: &LogFile, sink: &mut dyn Sink) -> FileSummary {
        sink.file(&file.source);
        self.zoneless = 0;
        self.after_text = false;
        let mut summary = FileSummary {
            path: file.source.path.clone(),
            bytes: file.bytes,
            text_bytes: 0,
            lines: 0,
            zoneless: 0,
            truncated: false,
        };
        let source = match Source::open(&file.path) {
            Ok(source) => source,
            Err(error) => {
                let detail = format!("cannot read the file: {error}");
                report(sink, ProblemKind::UnreadableFile, None, &detail);
                return summary;
            }
        };
        let mut reader = LineReader::new(source, self.options.max_line);
        while let Some(line) = reader.next_line() {
            match line {
                Line::Text {
                    bytes,
                    at,
                    complete,
                } => {
                    let bytes = if at.offset == 0 {
                        without_bom(bytes)
                    } else {
                        bytes
                    };
                    if self.predicted(bytes, at, sink) {
                        continue;
                    }
                    if let Ok(line) = simdutf8::basic::from_utf8(bytes) {
                        self.line(line, at, complete, sink);
                    } else {
                        let line = String::from_utf8_lossy(bytes);
                        self.line(&line, at, complete, sink);
                    }
                }
                Line::Oversized { at, bytes } => {
                    let limit = self.options.max_line;
                    let detail = format!("a line of {bytes} bytes; the limit is {limit}");
                    report(sink, ProblemKind::OversizedLine, Some(at), &detail);
                }
            }
        }
        (summary.text_bytes, summary.lines) = reader.totals();
        summary.zoneless = self.zoneless;
        if let Some(error) = reader.error() {
            summary.truncated = error.kind() == std::io::ErrorKind::UnexpectedEof;
            let (kind, what) = if summary.truncated {
                (
                    ProblemKind::TruncatedFile,
                    "the archive ends before its end",
                )
            } else {
                (
                    ProblemKind::CorruptFile,
                    "the file cannot be read to its end",
                )
            };
            let at = Position {
                line: summary.lines + 1,
                offset: summary.text_bytes,
                member: 0,
            };
            report(sink, kind, Some(at), &format!("{what}: {error}"));
        }
        summary
    }

    fn line(&mut self, line: &str, at: Position, complete: bool, sink: &mut dyn Sink) {
        let mut line = line;
        while !starts_with_brace(line)
            && let Some(behind) = prefix::without(line)
        {
            line = behind;
        }
        let is_record = if starts_with_brace(line) {
            self.json(line, at, sink)
        } else {
            self.logfmt(line, at, sink)
        };
        if is_record {
            return;
        }
        let zone = &self.options.zone;
        if self.scrapy.begin(line, at, zone, sink) {
            self.zoneless += 1 + self.text.flush(zone, sink);
            return self.flush_crash(sink);
        }
        let line = &*without_colours(line);
        if let Some(begun) = Text::begin(line, at) {
            self.flush_texts(sink);
            self.text.open(begun);
            return self.flush_crash(sink);
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
        if self.crash_line(line, at) {
            return;
        }
        self.after_text = true;
        let kind = if complete {
            ProblemKind::BadLine
        } else {
            ProblemKind::TornLine
        };
        report(sink, kind, Some(at), clip(line, SHOWN));
    }

    /// Takes a line that the recorder wrote, if it looks as predicted.
    fn predicted(&mut self, bytes: &[u8], at: Position, sink: &mut dyn Sink) -> bool {
        if self.is_in_text() {
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

    /// Takes a line that is a JSON record.
    fn json(&mut self, line: &str, at: Position, sink: &mut dyn Sink) -> bool {
        let repaired;
        let object = if let Some(object) = json::Object::parse(line) {
            object
        } else {
            let Some(text) = json::without_nan(line) else {
                return false;
            };
            repaired = text;
            let Some(object) = json::Object::parse(&repaired) else {
                return false;
            };
            object
        };
        let decoded = json::decode(&object, &self.options.zone);
        decoded.is_some_and(|decoded| self.decoded(&decoded, line, at, sink))
    }

    /// Takes a line that is a logfmt record.
    fn logfmt(&mut self, line: &str, at: Position, sink: &mut dyn Sink) -> bool {
        let decode = |fields| json::decode_fields(fields, Dialect::Logfmt, &self.options.zone);
        let decoded = logfmt::fields(line).and_then(decode);
        decoded.is_some_and(|decoded| self.decoded(&decoded, line, at, sink))
    }

    /// Takes a record that is a line, unless it is a part of a text.
    fn decoded(
        &mut self,
        decoded: &json::Decoded<'_>,
        line: &str,
        at: Position,
        sink: &mut dyn Sink,
    ) -> bool {
        let json::Decoded { record, zoned } = decoded;
        if record.timestamp.is_none() {
            // An item in Scrapy's text may be JSON; a record names its time.
            if self.is_in_text() {
                return false;
            }
            report(sink, ProblemKind::NoTimestamp, Some(at), clip(line, SHOWN));
        }
        self.take(record, *zoned, at, sink);
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
        self.zoneless += self.text.flush(&self.options.zone, sink);
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
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn report(sink: &mut dyn Sink, kind: ProblemKind, at: Option<Position>, detail: &str) {
    sink.problem(&Problem { kind, at, detail });
}
