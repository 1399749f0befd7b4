//! Splits bytes into lines, with bounded memory.

use std::io;

use dragline_schema::Position;

use crate::framing::fingerprint::Fingerprint;
use crate::framing::open::Source;

/// A line, or what the file contains instead of one.
pub(crate) enum Line<'l> {
    /// A line without its line end, and whether it had one.
    Text {
        bytes: &'l [u8],
        at: Position,
        complete: bool,
    },
    /// A line longer than the limit, which was skipped.
    Oversized { at: Position, bytes: u64 },
    /// NUL bytes at the start of a line, which were skipped. They appear where a file was truncated while its writer
    /// kept it open, or after a power loss.
    Hole { at: Position, bytes: u64 },
}

/// A part of a file that could not be read.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Position where the text stops.
    pub(crate) at: Position,
    pub(crate) error: io::Error,
    /// Whether anything was read after it.
    pub(crate) goes_on: bool,
    /// Whether the rest of the file was skipped because too many parts are damaged.
    pub(crate) is_too_much: bool,
}

/// Minimum number of consecutive NUL bytes that count as a hole rather than as text.
pub(crate) const HOLE: usize = 16;
/// Maximum number of faults kept per file.
const MAX_FAULTS: usize = 1000;

/// Splits a source into lines.
pub(crate) struct LineReader {
    source: Source,
    buffer: Vec<u8>,
    /// The unread part of `buffer`.
    start: usize,
    end: usize,
    /// Position of `start`.
    next: Position,
    /// Offsets of the members that start after `next`.
    members: std::collections::VecDeque<u64>,
    max_line: usize,
    at_end: bool,
    faults: Vec<Fault>,
    /// Index in `buffer` at which a fault interrupts the text.
    cut: Option<usize>,
}

impl LineReader {
    pub(crate) fn new(source: Source, max_line: usize) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            next: Position {
                member: 0,
                line: 1,
                offset: 0,
            },
            members: std::collections::VecDeque::new(),
            max_line,
            at_end: false,
            faults: Vec::new(),
            cut: None,
        }
    }

    /// The parts that could not be read.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The fingerprint of the text, if the source computes it.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        self.source.fingerprint()
    }

    /// Number of bytes read, after decompression, and number of lines.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.next.offset, self.next.line - 1)
    }

    /// The next line. `None` at the end.
    pub(crate) fn next_line(&mut self) -> Option<Line<'_>> {
        let mut searched = 0;
        loop {
            let end = self.cut.unwrap_or(self.end);
            let unread = &self.buffer[self.start..end];
            if searched == 0 && unread.first() == Some(&0) {
                return Some(self.skip_hole());
            }
            if let Some(length) = memchr::memchr(b'\n', &unread[searched..]).map(|n| n + searched) {
                return Some(self.emit(length, true));
            }
            searched = unread.len();
            if searched > self.max_line {
                return Some(self.skip_oversized());
            }
            if self.cut.take().is_some() {
                // The text after a fault is a new line.
                if searched > 0 {
                    return Some(self.emit(searched, false));
                }
                continue;
            }
            if self.at_end {
                return (searched > 0).then(|| self.emit(searched, false));
            }
            self.fill();
        }
    }

    /// Skips NUL bytes, also across several buffers.
    fn skip_hole(&mut self) -> Line<'_> {
        let at = self.next;
        let mut bytes = 0;
        loop {
            let end = self.cut.unwrap_or(self.end);
            let unread = &self.buffer[self.start..end];
            let zeros = unread.iter().take_while(|byte| **byte == 0).count();
            let is_over = zeros < unread.len();
            bytes += zeros as u64;
            self.start += zeros;
            self.next.offset += zeros as u64;
            if is_over || self.cut.is_some() || self.at_end {
                return Line::Hole { at, bytes };
            }
            self.fill();
        }
    }

    fn emit(&mut self, length: usize, complete: bool) -> Line<'_> {
        let at = self.advance(length, complete);
        let bytes = &self.buffer[self.start - length - usize::from(complete)..][..length];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if length > self.max_line {
            return Line::Oversized {
                at,
                bytes: length as u64,
            };
        }
        Line::Text {
            bytes,
            at,
            complete,
        }
    }

    /// Moves past a line and returns the line's position.
    fn advance(&mut self, length: usize, complete: bool) -> Position {
        let at = self.next;
        let taken = length + usize::from(complete);
        self.start += taken;
        self.next.offset += taken as u64;
        self.next.line += 1;
        while self
            .members
            .front()
            .is_some_and(|offset| *offset <= self.next.offset)
        {
            self.members.pop_front();
            self.next.member += 1;
        }
        at
    }

    /// Drops bytes up to the end of the line.
    fn skip_oversized(&mut self) -> Line<'_> {
        let mut length = 0u64;
        let at = self.next;
        loop {
            let end = self.cut.unwrap_or(self.end);
            let unread = &self.buffer[self.start..end];
            if let Some(rest) = memchr::memchr(b'\n', unread) {
                length += rest as u64;
                self.advance(rest, true);
                return Line::Oversized { at, bytes: length };
            }
            length += unread.len() as u64;
            self.next.offset += unread.len() as u64;
            self.start = end;
            if self.cut.take().is_some() || self.at_end {
                self.next.line += 1;
                return Line::Oversized { at, bytes: length };
            }
            self.fill();
        }
    }

    fn fill(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let members = self.source.members();
        match self.source.read_on(&mut self.buffer, self.end) {
            Ok(0) => self.at_end = true,
            Ok(read) => {
                // A read never crosses a member boundary.
                for _ in members..self.source.members() {
                    self.members
                        .push_back(self.next.offset + (self.end - self.start) as u64);
                }
                self.end += read;
                if let Some(fault) = self.faults.last_mut() {
                    fault.goes_on = true;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.fault(error),
        }
    }

    fn fault(&mut self, error: io::Error) {
        self.cut = Some(self.end);
        self.at_end = self.faults.len() + 1 >= MAX_FAULTS;
        let at = Position {
            offset: self.next.offset + (self.end - self.start) as u64,
            ..self.next
        };
        self.faults.push(Fault {
            at,
            error,
            goes_on: false,
            is_too_much: self.at_end,
        });
    }
}

/// Appends a line to a record's text, unless the text would exceed the limit.
pub(crate) fn append(text: &mut String, line: &str, limit: usize) {
    if text.len() + line.len() < limit {
        text.push('\n');
        text.push_str(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_all(text: &[u8], max_line: usize) -> (Vec<(Vec<u8>, Position, bool)>, u64) {
        let mut reader = LineReader::new(Source::bytes(text.to_vec()), max_line);
        let mut lines = Vec::new();
        let mut oversized = 0;
        while let Some(line) = reader.next_line() {
            match line {
                Line::Text {
                    bytes,
                    at,
                    complete,
                } => lines.push((bytes.to_vec(), at, complete)),
                Line::Oversized { .. } => oversized += 1,
                Line::Hole { .. } => {}
            }
        }
        (lines, oversized)
    }

    proptest! {
        #[test]
        fn lines_stand_where_they_say(text in "[a-c\n]{0,200}") {
            let (lines, _) = read_all(text.as_bytes(), 1 << 20);
            let expected: Vec<&str> = text.split_inclusive('\n').collect();
            prop_assert_eq!(lines.len(), expected.len());
            for (index, ((bytes, at, complete), expected)) in lines.iter().zip(&expected).enumerate() {
                prop_assert_eq!(bytes.as_slice(), expected.trim_end_matches('\n').as_bytes());
                prop_assert_eq!(*complete, expected.ends_with('\n'));
                prop_assert_eq!(at.line, index as u64 + 1);
                prop_assert!(text[at.offset as usize..].starts_with(expected));
            }
        }
    }

    #[test]
    fn nul_bytes_where_a_line_should_begin_are_passed_over() {
        let hole = vec![0; 3_000_000];
        let text = [b"one\n", &*hole, b"two\nth\0ree\n", &hole[..5]].concat();
        let mut reader = LineReader::new(Source::bytes(text), 1_000_000);
        let (mut lines, mut holes) = (Vec::new(), Vec::new());
        while let Some(line) = reader.next_line() {
            match line {
                Line::Text { bytes, at, .. } => lines.push((bytes.to_vec(), at.line, at.offset)),
                Line::Hole { at, bytes } => holes.push((at.offset, bytes)),
                Line::Oversized { .. } => panic!("no line is so long"),
            }
        }
        let expected = [
            (&b"one"[..], 1, 0),
            (b"two", 2, 3_000_004),
            (b"th\0ree", 3, 3_000_008),
        ];
        assert_eq!(
            lines,
            expected.map(|(text, line, at)| (text.to_vec(), line, at))
        );
        assert_eq!(holes, [(4, 3_000_000), (3_000_015, 5)]);
    }

    #[test]
    fn an_oversized_line_costs_only_itself() {
        let mut text = b"before\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3_000_000));
        text.extend_from_slice(b"\nafter\r\nlast");
        let (lines, oversized) = read_all(&text, 1_000_000);
        let texts: Vec<&[u8]> = lines.iter().map(|(bytes, ..)| bytes.as_slice()).collect();
        assert_eq!(texts, [&b"before"[..], b"after", b"last"]);
        assert_eq!(oversized, 1);
        assert_eq!(
            lines[1].1,
            Position {
                member: 0,
                line: 3,
                offset: 3_000_008
            }
        );
    }
}
