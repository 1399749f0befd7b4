//! Reads one family of files in order.

use std::path::Path;
use std::sync::Arc;

use dragline_schema::{ProblemKind, Sink};

use crate::backwards::Lines;
use crate::calendar;
use crate::decoder::Decoder;
use crate::discover::Family;
use crate::found::LogFile;
use crate::framing::fingerprint::Fingerprint;
use crate::framing::hole::report_hole;
use crate::framing::lines::{Fault, Line, LineReader};
use crate::framing::open::{Source, read_start};
use crate::framing::report;
use crate::options::ReadOptions;
use crate::parsing::time::Calendar;
use crate::split;

/// Minimum file size for reading with several threads, in bytes.
const WORTH_THREADS: u64 = 2 << 20;

/// Number of lines between checks for cancellation.
const LINES_BETWEEN_LOOKS: u64 = 1 << 16;

/// Totals of one file that was read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileSummary {
    /// The file's path.
    pub path: String,
    /// Its size on disk.
    pub bytes: u64,
    /// Number of readable bytes after decompression.
    pub text_bytes: u64,
    /// Number of readable lines.
    pub lines: u64,
    /// Number of records whose time has no zone.
    pub zoneless: u64,
    /// The zone of the times without one, in seconds east of Greenwich, if the envelopes around the lines show it.
    pub zone: Option<i32>,
    /// Whether it is a truncated compressed file.
    pub truncated: bool,
    /// Fingerprint of its text, if [`ReadOptions::fingerprints`] is set.
    pub fingerprint: Option<Fingerprint>,
}

/// Reads a family, passes everything to the sink, and returns the totals of each file.
pub fn read_family(
    family: &Family,
    options: &ReadOptions,
    sink: &mut dyn Sink,
) -> Vec<FileSummary> {
    let mut reader = FamilyReader::new(&family.name, options);
    let read = |file| reader.read(file, sink);
    let summaries = family.files.iter().map(read).collect();
    reader.finish(sink);
    summaries
}

/// Reads the files of a family one by one.
///
/// The meaning of a file's lines can depend on earlier files: Scrapy's lines do not name their run.
/// [`FamilyReader::state`] is everything that the reading of a file depends on besides the file itself. So a
/// caller that cached the result of a file for the same state need not read it again.
pub struct FamilyReader {
    family: String,
    decoder: Decoder,
}

impl FamilyReader {
    /// Creates a reader that has read nothing yet.
    pub fn new(family: &str, options: &ReadOptions) -> Self {
        Self {
            family: family.to_owned(),
            decoder: Decoder::new(family, options),
        }
    }

    /// Reads the family's next file and passes everything to the sink.
    pub fn read(&mut self, file: &LogFile, sink: &mut dyn Sink) -> FileSummary {
        sink.file(&file.source);
        self.decoder.begin_file(file.source.modified, false);
        let mut summary = FileSummary {
            path: file.source.path.clone(),
            bytes: file.bytes,
            text_bytes: 0,
            lines: 0,
            zoneless: 0,
            zone: None,
            truncated: false,
            fingerprint: None,
        };
        let options = self.decoder.options();
        let max_line = options.max_line;
        let watch = Arc::clone(&options.watch);
        let calendar = self.calendar(file);
        self.decoder.set_calendar(calendar);
        let taught = self.decoder.study(file, calendar);
        self.decoder.learn(taught);
        let options = self.decoder.options();
        let source = match Source::open(&file.path, &options.watch, &options.memory) {
            Ok(source) => source.tapped(options.fingerprints),
            Err(error) => {
                let detail = format!("cannot read the file: {error}");
                report(sink, ProblemKind::UnreadableFile, None, &detail);
                return summary;
            }
        };
        let mut reader = LineReader::new(source, max_line);
        let mut taken = 0u64;
        if calendar.descends {
            self.read_backwards(&mut reader, sink);
        }
        while let Some(line) = reader.next_line() {
            self.take(&line, sink);
            taken += 1;
            // One chunk of an archive can contain millions of lines.
            if taken.is_multiple_of(LINES_BETWEEN_LOOKS) && watch.is_cancelled() {
                break;
            }
        }
        self.decoder.end_file(sink);
        (summary.text_bytes, summary.lines) = reader.totals();
        summary.zoneless = self.decoder.zoneless();
        summary.zone = self.decoder.zone();
        summary.fingerprint = reader.fingerprint();
        for fault in reader.faults() {
            summary.truncated |= is_cut(fault);
            report_fault(fault, sink);
        }
        summary
    }

    /// The file's calendar, for its ambiguous times.
    fn calendar(&self, file: &LogFile) -> Calendar {
        let options = self.decoder.options();
        let order = options.dates.or(self.decoder.order());
        calendar::of(&file.path, file.source.modified, order, &options.watch)
    }

    /// Reads a file whose newest line is the first from its end to its beginning. A longer file than fits in memory is
    /// read as it is from there.
    fn read_backwards(&mut self, reader: &mut LineReader, sink: &mut dyn Sink) {
        let mut lines = Lines::default();
        while !lines.is_full()
            && let Some(line) = reader.next_line()
        {
            match line {
                Line::Text {
                    bytes,
                    at,
                    complete,
                } => lines.push(bytes, at, complete),
                other => self.take(&other, sink),
            }
        }
        if lines.is_full() {
            let detail = "its newest line is the first, and it is longer than 64 MiB: what is behind them was read in the \
                          wrong order; turn it round: tac FILE | dragline report -";
            report(sink, ProblemKind::CorruptFile, None, detail);
        }
        lines.each_backwards(&mut |bytes, at, complete| {
            self.decoder.line(bytes, at, complete, sink);
        });
    }

    fn take(&mut self, line: &Line<'_>, sink: &mut dyn Sink) {
        match *line {
            Line::Text {
                bytes,
                at,
                complete,
            } => self.decoder.line(bytes, at, complete, sink),
            Line::Oversized { at, bytes } => {
                let limit = self.decoder.options().max_line;
                let detail = format!("a line of {bytes} bytes; the limit is {limit}");
                report(sink, ProblemKind::OversizedLine, Some(at), &detail);
            }
            Line::Hole { at, bytes } => report_hole(at, bytes, sink),
        }
    }

    /// Reads the family's next file with `threads` additional threads, each with its own sink created by
    /// `make`. Returns `None` if the file is too small or cannot be read in parallel: lines depend on one
    /// another, records are more than `tolerance` microseconds older than earlier ones, or there is a
    /// fault. The reader is then unchanged, and the caller must use [`FamilyReader::read`].
    pub fn read_split<S: Sink + Send>(
        &mut self,
        file: &LogFile,
        threads: usize,
        tolerance: i64,
        make: impl Fn() -> S + Sync,
    ) -> Option<(FileSummary, Vec<S>)> {
        let options = self.decoder.options();
        if threads < 2
            || self.decoder.has_runs()
            || file.bytes < WORTH_THREADS
            || !begins_with_an_object(&file.path)
        {
            return None;
        }
        let watch = &options.watch;
        let before = watch.done();
        let source = Source::open(&file.path, &options.watch, &options.memory).ok()?;
        let source = source.tapped(options.fingerprints);
        let calendar = self.calendar(file);
        if calendar.descends {
            return None;
        }
        let taught = self.decoder.study(file, calendar);
        let decoder = || {
            let mut decoder = Decoder::new(&self.family, options);
            decoder.set_calendar(calendar);
            decoder.learn(taught.clone());
            decoder
        };
        let make = || {
            let mut sink = make();
            sink.file(&file.source);
            sink
        };
        let max_line = options.max_line;
        let Some(split) = split::read(source, threads, tolerance, max_line, decoder, make) else {
            // The file will be read again.
            watch.expect(watch.done() - before);
            return None;
        };
        self.decoder.set_calendar(calendar);
        self.decoder.learn(taught);
        self.decoder.follow(split.context);
        let summary = FileSummary {
            path: file.source.path.clone(),
            bytes: file.bytes,
            text_bytes: split.bytes,
            lines: split.lines,
            zoneless: split.zoneless,
            zone: self.decoder.zone(),
            truncated: false,
            fingerprint: split.fingerprint,
        };
        Some((summary, split.sinks))
    }

    /// Everything that the reading of the next file depends on, besides that file. Two states are equal if and
    /// only if their bytes are equal.
    pub fn state(&self) -> Vec<u8> {
        self.decoder.state()
    }

    /// Restores a state. Returns `false` and changes nothing if the bytes are not a valid state.
    pub fn restore(&mut self, state: &[u8]) -> bool {
        self.decoder.restore(state)
    }

    /// Passes on what is known only at the end of the family.
    pub fn finish(mut self, sink: &mut dyn Sink) {
        self.decoder.finish(sink);
    }
}

/// Whether the file is truncated.
fn is_cut(fault: &Fault) -> bool {
    fault.error.kind() == std::io::ErrorKind::UnexpectedEof && !fault.goes_on && !fault.is_too_much
}

/// Reports a part of a file that could not be read.
fn report_fault(fault: &Fault, sink: &mut dyn Sink) {
    let (kind, detail) = told(fault);
    report(sink, kind, Some(fault.at), &detail);
}

/// Describes a part of a file that could not be read.
pub(crate) fn told(fault: &Fault) -> (ProblemKind, String) {
    let (kind, what) = if fault.is_too_much {
        (
            ProblemKind::CorruptFile,
            "a thousand parts of the file are damaged; everything after this one was skipped",
        )
    } else if is_cut(fault) {
        (
            ProblemKind::TruncatedFile,
            "the archive ends before its end",
        )
    } else if fault.goes_on {
        (
            ProblemKind::CorruptFile,
            "a part of the archive is damaged; the data after it was read",
        )
    } else {
        (
            ProblemKind::CorruptFile,
            "the file could not be read to its end",
        )
    };
    (kind, format!("{what}: {}", fault.error))
}

/// Whether a file's first line starts a JSON object.
fn begins_with_an_object(path: &Path) -> bool {
    let start = Source::open_in_pieces(path).map(|mut source| read_start(&mut source, 64).0);
    start.is_ok_and(|start| start.starts_with(b"{\""))
}
