//! A followed file: its read position, and the data that identifies it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use dragline_schema::{Position, ProblemKind, Sink};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::decoder::Decoder;
use crate::framing::hole::report_hole;
use crate::framing::lines::{HOLE, Line, LineReader};
use crate::framing::open::{Source, read_start};
use crate::framing::report;
use crate::options::ReadOptions;
use crate::read::told;
use crate::watch::Watch;

/// Number of bytes at the start that identify a file …
pub(super) const HEAD: usize = 1024;
/// … and number of bytes before the read position that identify it.
pub(super) const TAIL: usize = 256;
/// Number of bytes per read.
const CHUNK: usize = 256 << 10;

/// Minimum size of a complete archive, in bytes.
pub(super) const SHORTEST: u64 = 9;
/// Number of lines of an archive between two checks for cancellation.
const LINES_BETWEEN_LOOKS: u64 = 1 << 12;

/// The read position of a file, and the data that identifies it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Start of the next line, in decompressed bytes from the start of the file.
    pub(super) offset: u64,
    /// Number of lines before `offset`.
    pub(super) line: u64,
    /// Whether the line at `offset` is too long and is being skipped.
    pub(super) is_skipping: bool,
    /// Number of bytes that `head` is the hash of.
    pub(super) head_length: u64,
    pub(super) head: u64,
    /// End of the bytes that `tail` is the hash of.
    pub(super) tail_end: u64,
    pub(super) tail_length: u64,
    pub(super) tail: u64,
    /// The number of the text, if texts are followed and not lines; see [`TextFollower`](super::TextFollower).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) text: u64,
    /// Where the text begins in the file, if the beginning is the text of another file.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) base: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Something that could not be read, and its position.
pub(super) type Trouble = (ProblemKind, Option<Position>, String);

/// Whether a file contains what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Same {
    Yes,
    No,
    /// The file is compressed and incomplete, or the comparison was cancelled.
    Unclear,
}

/// The first bytes of a file, which distinguish most files.
pub(super) struct Beginning {
    bytes: Vec<u8>,
    hash: u64,
    /// Whether there may be more bytes that cannot be read yet.
    is_open: bool,
}

impl Beginning {
    pub(super) fn of(path: &Path, is_packed: bool) -> Self {
        let read = || -> io::Result<(Vec<u8>, bool)> {
            if !is_packed {
                let mut bytes = Vec::new();
                File::open(path)?
                    .take(HEAD as u64)
                    .read_to_end(&mut bytes)?;
                return Ok((bytes, false));
            }
            let is_begun = path.metadata()?.len() < SHORTEST;
            let mut source = Source::open_in_pieces(path)?;
            let (bytes, fault) = read_start(&mut source, HEAD);
            Ok((bytes, is_begun || fault.is_some()))
        };
        let (bytes, is_open) = read().unwrap_or((Vec::new(), true));
        Self {
            hash: xxh3_64(&bytes),
            bytes,
            is_open,
        }
    }

    /// Decides by the first bytes whether it is a different file. `None` if more of it must be compared.
    fn tells(&self, progress: &Progress) -> Option<Same> {
        let length = progress.head_length as usize;
        if self.bytes.len() < length {
            return Some(if self.is_open {
                Same::Unclear
            } else {
                Same::No
            });
        }
        let hash = if length == self.bytes.len() {
            self.hash
        } else {
            xxh3_64(&self.bytes[..length])
        };
        (hash != progress.head).then_some(Same::No)
    }
}

impl Progress {
    /// Whether a follower can have written it. Prevents numbers from a damaged state file from being used as lengths.
    pub(super) fn is_plausible(&self) -> bool {
        const LARGEST: u64 = 1 << 62;
        let is_within = self.offset.max(self.line).max(self.tail_end) < LARGEST;
        is_within
            && self.head_length <= HEAD as u64
            && self.tail_length <= (TAIL as u64).min(self.tail_end)
    }

    /// Whether nothing was read.
    pub(super) fn is_empty(&self) -> bool {
        self.tail_end == 0
    }

    /// The position of an earlier line in the same file.
    pub(super) fn rewound(&self, to: Position) -> Self {
        Self {
            offset: to.offset,
            line: to.line.saturating_sub(1),
            is_skipping: false,
            ..self.clone()
        }
    }

    /// Whether the file with this beginning contains what was read.
    pub(super) fn compare(
        &self,
        beginning: &Beginning,
        path: &Path,
        is_packed: bool,
        watch: &Arc<Watch>,
    ) -> Same {
        let told = beginning.tells(self);
        told.unwrap_or_else(|| self.compare_all(path, is_packed, watch))
    }

    /// Whether the file contains what was read.
    pub(super) fn compare_all(&self, path: &Path, is_packed: bool, watch: &Arc<Watch>) -> Same {
        let found = if is_packed {
            self.windows_of_archive(path, watch)
        } else {
            self.windows_of_plain(path)
        };
        if watch.is_cancelled() {
            return Same::Unclear;
        }
        match found {
            Ok(Some((head, tail))) => {
                let is_same = xxh3_64(&head) == self.head && xxh3_64(&tail) == self.tail;
                if is_same { Same::Yes } else { Same::No }
            }
            // Fewer bytes, and no more will follow.
            Ok(None) => Same::No,
            Err(_) => Same::Unclear,
        }
    }

    fn windows_of_plain(&self, path: &Path) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        let mut file = File::open(path)?;
        if file.metadata()?.len() < self.tail_end {
            return Ok(None);
        }
        let mut head = vec![0; self.head_length as usize];
        file.read_exact(&mut head)?;
        let mut tail = vec![0; self.tail_length as usize];
        file.seek(SeekFrom::Start(self.tail_end - self.tail_length))?;
        file.read_exact(&mut tail)?;
        Ok(Some((head, tail)))
    }

    fn windows_of_archive(
        &self,
        path: &Path,
        watch: &Arc<Watch>,
    ) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        if path.metadata()?.len() < SHORTEST {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut source = Source::open_quietly(path, watch)?;
        let (head, fault) = read_start(&mut source, self.head_length as usize);
        if let Some(fault) = fault {
            return Err(fault);
        }
        if xxh3_64(&head) != self.head {
            // Another file, or still incomplete.
            let is_short = (head.len() as u64) < self.head_length;
            return Ok((!is_short).then_some((head, Vec::new())));
        }
        let mut at = head.len() as u64;
        let mut window = head.clone();
        while at < self.tail_end && !watch.is_cancelled() {
            let wanted = (self.tail_end - at).min(CHUNK as u64) as usize;
            let (piece, fault) = read_start(&mut source, wanted);
            if let Some(fault) = fault {
                return Err(fault);
            }
            if piece.is_empty() {
                return Ok(None);
            }
            at += piece.len() as u64;
            window.extend(piece);
            let surplus = window.len().saturating_sub(TAIL);
            window.drain(..surplus);
        }
        // The head may extend beyond the end of the tail. After a cancellation, the result is not used.
        let end = window.len() - at.saturating_sub(self.tail_end) as usize;
        let begin = end.saturating_sub(self.tail_length as usize);
        Ok(Some((head, window[begin..end].to_vec())))
    }
}

/// Collects the identifying bytes of a file while it is read.
#[derive(Default)]
pub(super) struct Windows {
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
}

impl Windows {
    /// The windows for the part of the file that was read before.
    fn of(progress: &Progress, path: &Path) -> io::Result<Self> {
        if progress.is_empty() {
            return Ok(Self {
                head: Vec::new(),
                tail: Vec::new(),
            });
        }
        let found = progress.windows_of_plain(path)?;
        let (head, mut tail) = found.unwrap_or_default();
        if progress.offset < progress.tail_end {
            // Reading continues before the end of the stored tail.
            let mut file = File::open(path)?;
            let begin = progress.offset.saturating_sub(TAIL as u64);
            tail = vec![0; (progress.offset - begin) as usize];
            file.seek(SeekFrom::Start(begin))?;
            file.read_exact(&mut tail)?;
        }
        let known = (progress.offset as usize).min(head.len());
        Ok(Self {
            head: head[..known].to_vec(),
            tail,
        })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let missing = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        let kept = &bytes[bytes.len().saturating_sub(TAIL)..];
        self.tail.extend_from_slice(kept);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
    }

    fn note(&self, progress: &mut Progress) {
        self.note_until(progress.offset, progress);
    }

    /// Stores what identifies the first `end` bytes, which were pushed.
    pub(super) fn note_until(&self, end: u64, progress: &mut Progress) {
        progress.head_length = self.head.len() as u64;
        progress.head = xxh3_64(&self.head);
        progress.tail_end = end;
        progress.tail_length = self.tail.len() as u64;
        progress.tail = xxh3_64(&self.tail);
    }
}

impl Progress {
    /// The unfinished line at the end of a plain file, and its position. `None` if it is too long.
    pub(super) fn unended(&self, path: &Path, max_line: usize) -> Option<(Vec<u8>, Position)> {
        if self.is_skipping {
            return None;
        }
        let mut file = File::open(path).ok()?;
        file.seek(SeekFrom::Start(self.offset)).ok()?;
        let mut rest = Vec::new();
        file.take(max_line as u64 + 1).read_to_end(&mut rest).ok()?;
        let is_line = rest.len() <= max_line && !rest.contains(&b'\n');
        let at = Position {
            member: 0,
            line: self.line + 1,
            offset: self.offset,
        };
        (is_line && rest.iter().any(|byte| *byte != 0)).then_some((rest, at))
    }

    /// Reads the complete new lines of a plain file, up to its end or `limit`, or until cancelled. Without a decoder
    /// they are skipped. Returns the number of lines.
    pub(super) fn read_plain(
        &mut self,
        path: &Path,
        limit: u64,
        options: &ReadOptions,
        mut take: Option<(&mut Decoder, &mut (dyn Sink + '_))>,
    ) -> io::Result<u64> {
        let max_line = options.max_line;
        let mut windows = Windows::of(self, path)?;
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        let before = self.line;
        let mut buffer: Vec<u8> = Vec::new();
        let mut filled = 0;
        let mut hole = 0;
        while self.offset + hole + (filled as u64) < limit && !options.watch.is_cancelled() {
            buffer.resize(filled + CHUNK, 0);
            let room = (limit - self.offset - hole - filled as u64).min(CHUNK as u64) as usize;
            let read = file.read(&mut buffer[filled..filled + room])?;
            if read == 0 {
                break;
            }
            let searched = filled;
            filled += read;
            let mut start = 0;
            let mut from = searched;
            while let Some(end) = memchr::memchr(b'\n', &buffer[from..filled]) {
                let end = from + end;
                self.pass_hole(&mut hole, &mut windows, &mut take);
                self.line(&buffer[start..end], max_line, &mut take);
                windows.push(&buffer[start..=end]);
                self.offset += (end + 1 - start) as u64;
                start = end + 1;
                from = start;
            }
            let rest = &buffer[start..filled];
            if rest.len() >= HOLE && !self.is_skipping && rest.iter().all(|byte| *byte == 0) {
                // The writer may have preallocated space and fill it later. The zeros are skipped together with the
                // text after them.
                hole += rest.len() as u64;
                start = filled;
            } else if rest.len() > max_line {
                // The line is already known to be too long.
                self.pass_hole(&mut hole, &mut windows, &mut take);
                windows.push(rest);
                self.offset += rest.len() as u64;
                self.is_skipping = true;
                start = filled;
            }
            buffer.copy_within(start..filled, 0);
            filled -= start;
        }
        windows.note(self);
        Ok(self.line - before)
    }

    /// Skips NUL bytes at the start of a line.
    fn pass_hole(
        &mut self,
        hole: &mut u64,
        windows: &mut Windows,
        take: &mut Option<(&mut Decoder, &mut (dyn Sink + '_))>,
    ) {
        let bytes = std::mem::take(hole);
        if bytes == 0 {
            return;
        }
        if let Some((_, sink)) = take {
            let at = Position {
                member: 0,
                line: self.line + 1,
                offset: self.offset,
            };
            report_hole(at, bytes, *sink);
        }
        self.offset += bytes;
        // No more than this number of bytes is compared.
        windows.push(&[0; HEAD][..bytes.min(HEAD as u64) as usize]);
    }

    /// Handles one line of a plain file, without its line end.
    fn line(
        &mut self,
        bytes: &[u8],
        max_line: usize,
        take: &mut Option<(&mut Decoder, &mut (dyn Sink + '_))>,
    ) {
        self.line += 1;
        let at = Position {
            member: 0,
            line: self.line,
            offset: self.offset,
        };
        let is_oversized = std::mem::take(&mut self.is_skipping);
        let Some((decoder, sink)) = take else {
            return;
        };
        if is_oversized {
            let detail = format!("a line longer than the limit of {max_line} bytes");
            report(*sink, ProblemKind::OversizedLine, Some(at), &detail);
        } else {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            if zeros > 0 {
                report_hole(at, zeros as u64, *sink);
            }
            let bytes = &bytes[zeros..];
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            decoder.line(bytes, at, true, *sink);
        }
    }

    /// Reads the new lines of an archive, until cancelled. In a complete archive, the last line counts even without
    /// a line end. Calls `begin` before each line. Returns the number of lines, and what could not be read.
    pub(super) fn read_archive(
        &mut self,
        path: &Path,
        decoder: &mut Decoder,
        sink: &mut dyn Sink,
        begin: &mut dyn FnMut(&mut Decoder, &mut dyn Sink),
    ) -> io::Result<(u64, Vec<Trouble>)> {
        let options = decoder.options();
        let source = Source::open(path, &options.watch, &options.memory)?;
        let (max_line, watch) = (options.max_line, Arc::clone(&options.watch));
        let mut reader = LineReader::new(source, max_line);
        let wanted = self.offset;
        let (mut count, mut taken) = (0, 0u64);
        // The last line counts only if nothing follows it.
        let mut last: Option<(Vec<u8>, Position)> = None;
        while let Some(line) = reader.next_line() {
            taken += 1;
            if taken.is_multiple_of(LINES_BETWEEN_LOOKS) && watch.is_cancelled() {
                break;
            }
            let (at, length) = match &line {
                Line::Text { bytes, at, .. } => (*at, bytes.len() as u64),
                Line::Oversized { at, bytes } => (*at, *bytes),
                Line::Hole { at, bytes } => {
                    if at.offset >= wanted {
                        begin(decoder, sink);
                        report_hole(*at, *bytes, sink);
                    }
                    continue;
                }
            };
            let is_new = at.offset >= wanted;
            match line {
                Line::Text {
                    bytes,
                    complete: false,
                    ..
                } => last = Some((bytes.to_vec(), at)),
                Line::Text { bytes, .. } => {
                    if is_new {
                        begin(decoder, sink);
                        decoder.line(bytes, at, true, sink);
                    }
                    self.advance(at, length + 1, &mut count, is_new);
                }
                Line::Oversized { .. } => {
                    if is_new {
                        begin(decoder, sink);
                        let detail = format!("a line of {length} bytes; the limit is {max_line}");
                        report(sink, ProblemKind::OversizedLine, Some(at), &detail);
                    }
                    self.advance(at, length + 1, &mut count, is_new);
                }
                Line::Hole { .. } => {}
            }
        }
        let is_whole = reader.faults().is_empty() && !watch.is_cancelled();
        if let Some((bytes, at)) = last.filter(|(_, at)| is_whole && at.offset >= wanted) {
            begin(decoder, sink);
            decoder.line(&bytes, at, false, sink);
            self.advance(at, bytes.len() as u64, &mut count, true);
        }
        if self.offset > wanted {
            self.note_archive(path)?;
        }
        let trouble = |fault| {
            let (kind, detail) = told(fault);
            (kind, Some(fault.at), detail)
        };
        Ok((count, reader.faults().iter().map(trouble).collect()))
    }

    /// Stores the bytes that identify the part of an archive that was read.
    fn note_archive(&mut self, path: &Path) -> io::Result<()> {
        let mut source = Source::open_in_pieces(path)?;
        let mut windows = Windows {
            head: Vec::new(),
            tail: Vec::new(),
        };
        let mut left = self.offset;
        while left > 0 {
            let (piece, _) = read_start(&mut source, left.min(CHUNK as u64) as usize);
            if piece.is_empty() {
                break;
            }
            windows.push(&piece);
            left -= piece.len() as u64;
        }
        windows.note(self);
        Ok(())
    }

    /// Skips the entire content of an archive.
    pub(super) fn pass_archive(&mut self, path: &Path, watch: &Arc<Watch>) -> io::Result<()> {
        let mut windows = Windows {
            head: Vec::new(),
            tail: Vec::new(),
        };
        Source::open_quietly(path, watch)?.each_piece(|piece| {
            self.offset += piece.len() as u64;
            self.line += memchr::memchr_iter(b'\n', piece).count() as u64;
            windows.push(piece);
            true
        });
        windows.note(self);
        Ok(())
    }

    /// A position in an archive without identifying data.
    pub(super) fn at(offset: u64) -> Self {
        Self {
            offset,
            ..Self::default()
        }
    }

    fn advance(&mut self, at: Position, length: u64, count: &mut u64, is_new: bool) {
        if is_new {
            *count += 1;
            self.line = at.line;
            self.offset = at.offset + length;
        }
    }
}
