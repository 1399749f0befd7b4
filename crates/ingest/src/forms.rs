//! Learns the wordings of a log before it is read.
//!
//! A line is read by what it says itself. A program that words its messages in a way that the reader does not know is
//! understood only from several of its lines: so the beginning of a file is read twice, first to learn
//! ([`crate::meaning::learn`]), then to pass it on.

use std::sync::Arc;

use dragline_schema::Position;

use crate::decoder::Decoder;
use crate::found::LogFile;
use crate::framing::open::{Source, read_start};
use crate::meaning::learn::{Learned, Learner};
use crate::options::ReadOptions;
use crate::parsing::time::Calendar;

/// Number of bytes of a file that are read to learn.
const LOOKED_AT: usize = 128 << 10;
/// Number of files of a log that are read to learn.
pub(crate) const MOST_FILES: u8 = 8;

/// The forms of messages that a file teaches.
pub(crate) fn of(
    family: &str,
    file: &LogFile,
    options: &ReadOptions,
    calendar: Calendar,
) -> Learned {
    let Ok(mut source) = Source::open_in_pieces(&file.path) else {
        return Learned::default();
    };
    let (start, _) = read_start(&mut source, LOOKED_AT);
    if is_known(&start) {
        return Learned::default();
    }
    let end = memchr::memrchr(b'\n', &start).unwrap_or(start.len());
    // What earlier files taught would be taken for what the reader understands by itself.
    let mut options = options.clone();
    options.map = Arc::new(options.map.with_learned(Learned::default()));
    let mut decoder = Decoder::new(family, &options);
    decoder.begin_file(file.source.modified, true);
    decoder.set_calendar(calendar);
    let mut learner = Learner::default();
    let mut offset = 0;
    for (number, line) in start[..end].split(|byte| *byte == b'\n').enumerate() {
        let at = Position {
            line: number as u64 + 1,
            offset,
            ..Position::default()
        };
        offset += line.len() as u64 + 1;
        decoder.line(
            line.strip_suffix(b"\r").unwrap_or(line),
            at,
            true,
            &mut learner,
        );
    }
    decoder.end_file(&mut learner);
    learner.learned()
}

/// Whether a text's writer is known by its first line: nothing needs to be learned of the recorder and of Scrapy.
fn is_known(start: &[u8]) -> bool {
    let line = start
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    line.starts_with(br#"{"timestamp":""#)
        && memchr::memmem::find(line, br#""event_type":""#).is_some()
        || memchr::memmem::find(line, b"[scrapy.").is_some()
}
