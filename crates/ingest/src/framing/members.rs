//! Gzip members as wholes.
//!
//! Decompressing a member at once, into memory that has its size, is twice as fast as doing so in
//! pieces. A member's size stands in its last four bytes, but where it ends is only known when it
//! was decompressed; so the next thing that looks like a member's beginning is taken for the end,
//! and the checksum tells whether it was. What is not so simple (no such end, cut off, corrupt,
//! larger than memory allows) is decompressed in pieces, which gives all bytes before a fault.
//!
//! A member that is damaged ends with a fault, and reading goes on at the next thing that looks like a
//! member's beginning: members stand alone.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;

use crate::framing::memory::{Lease, Memory};

/// A larger member is decompressed in pieces, in bytes.
const MAX_MEMBER: usize = 32 << 20;
/// A piece, in bytes.
const PIECE: usize = 256 << 10;
/// So much of a piece is made at a time, in bytes: as much is lost before a fault.
const STEP: usize = 4 << 10;
/// So much of the file is read at a time, in bytes; more where no member ends in it.
const WINDOW: usize = 2 << 20;
/// The shortest member: ten bytes of header, two of nothing, eight of checksum and size.
const SHORTEST: usize = 20;
/// What of a header is looked at, in bytes.
const HEADER: usize = 10;
/// Less of it than this is worth reading on for, in bytes.
const LOW: usize = WINDOW / 4;
/// Larger members, and windows, are leased, in bytes.
const FREE: usize = 4 << 20;
/// So many members that could not be taken as wholes show that a file has no such members: looking for
/// their ends would cost more than it gives.
const MAX_FAILURES: u32 = 4;
/// So many beginnings are tried as a member's end.
const MAX_TRIES: usize = 4;
/// Deflate makes nothing smaller than this (RFC 1951 allows 1032).
const MAX_RATIO: usize = 1032;

/// The members of a file.
pub(crate) struct Members {
    /// Absent while a member is decompressed in pieces.
    window: Option<Window>,
    /// How many were begun.
    pub(crate) begun: u32,
    /// Absent when all are to be decompressed in pieces.
    whole: Option<Decompressor>,
    /// The member that is being decompressed in pieces.
    pieces: Option<GzDecoder<Window>>,
    /// Members that were not decompressed as wholes.
    failures: u32,
    /// What stands behind the last piece.
    fault: Option<io::Error>,
    /// Whether the member before was damaged: the next one is to be looked for.
    is_lost: bool,
    memory: Option<Arc<Memory>>,
    /// The room that large members take.
    lease: Option<Lease>,
}

/// A part of the file, from where it was not decompressed yet.
struct Window {
    reader: Box<dyn Read + Send>,
    data: Vec<u8>,
    /// Where the next member begins.
    at: usize,
    /// Where the member began that is being decompressed in pieces, as long as it is here: a damaged one can
    /// seem to reach into those behind it.
    mark: Option<usize>,
    /// Whether the file's last byte is in it.
    is_last: bool,
}

impl Members {
    /// The members of what the reader reads. Who wants all of it gives memory to read wholes into.
    pub(crate) fn new(reader: Box<dyn Read + Send>, memory: Option<&Arc<Memory>>) -> Self {
        let window = Window {
            reader,
            data: Vec::new(),
            at: 0,
            mark: None,
            is_last: false,
        };
        Self {
            window: Some(window),
            begun: 0,
            whole: memory.map(|_| Decompressor::new()),
            pieces: None,
            failures: 0,
            fault: None,
            is_lost: false,
            memory: memory.cloned(),
            lease: None,
        }
    }

    /// Reads a member, or a piece of one, into `buffer` from `start`, which grows when there is no
    /// room; tells how many bytes came, 0 at the end.
    pub(crate) fn read_on(&mut self, buffer: &mut Vec<u8>, start: usize) -> io::Result<usize> {
        loop {
            if self.pieces.is_some() {
                if buffer.len() < start + PIECE {
                    buffer.resize((start + PIECE).next_power_of_two(), 0);
                }
                let read = self.piece(&mut buffer[start..])?;
                if read > 0 {
                    return Ok(read);
                }
                continue;
            }
            if !self.begin()? {
                return Ok(0);
            }
            match self.member(buffer, start)? {
                // An empty member.
                Some(0) => {}
                Some(read) => return Ok(read),
                None => {
                    self.failures += 1;
                    if self.failures >= MAX_FAILURES {
                        self.whole = None;
                    }
                    self.in_pieces();
                }
            }
        }
    }

    /// Reads a piece into what is there.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.pieces.is_some() {
                let read = self.piece(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
            } else if self.begin()? {
                self.in_pieces();
            } else {
                return Ok(0);
            }
        }
    }

    /// Begins the next member, if there is one.
    fn begin(&mut self) -> io::Result<bool> {
        let Some(window) = &mut self.window else {
            return Ok(false);
        };
        if std::mem::take(&mut self.is_lost) && !window.skip_to_header()? {
            return Ok(false);
        }
        // Zeros are what tapes and block devices leave between members and behind them.
        loop {
            let rest = window.fill_buf()?;
            if rest.is_empty() {
                return Ok(false);
            }
            let zeros = rest.iter().take_while(|byte| **byte == 0).count();
            let is_there = zeros < rest.len();
            if self.begun > 0 {
                window.consume(zeros);
            }
            if is_there || self.begun == 0 {
                self.begun += 1;
                return Ok(true);
            }
        }
    }

    /// Decompresses the member as a whole; `None` when that is not possible.
    fn member(&mut self, buffer: &mut Vec<u8>, start: usize) -> io::Result<Option<usize>> {
        let (Some(window), Some(whole)) = (&mut self.window, &mut self.whole) else {
            return Ok(None);
        };
        let mut wanted = WINDOW;
        if window.held() < LOW {
            window.fill(wanted)?;
        }
        loop {
            let rest = &window.data[window.at..];
            for end in ends(rest, window.is_last).take(MAX_TRIES) {
                let Some(size) = size_before(rest, end) else {
                    continue;
                };
                if size > MAX_MEMBER || size > end * MAX_RATIO {
                    continue;
                }
                if size > FREE && !has_room(&mut self.lease, self.memory.as_ref()) {
                    continue;
                }
                if buffer.len() < start + size {
                    buffer.resize(start + size, 0);
                }
                let out = &mut buffer[start..start + size];
                if whole.gzip_decompress(&rest[..end], out) != Ok(size) {
                    continue;
                }
                if let Some(end) = end_of(&rest[..end], out) {
                    window.at += end;
                    return Ok(Some(size));
                }
            }
            let is_enough = window.is_last || wanted >= MAX_MEMBER;
            if is_enough || (wanted >= FREE && !has_room(&mut self.lease, self.memory.as_ref())) {
                return Ok(None);
            }
            if window.held() >= wanted {
                wanted *= 2;
            }
            window.fill(wanted)?;
        }
    }

    fn in_pieces(&mut self) {
        self.pieces = self.window.take().map(|mut window| {
            window.mark = Some(window.at);
            GzDecoder::new(window)
        });
    }

    /// The next piece; 0 at the member's end.
    ///
    /// A decompressor that meets a fault does not say what it made before, so that it is asked for little
    /// at a time.
    fn piece(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.fault.take() {
            return Err(self.lost(error));
        }
        let Some(decoder) = &mut self.pieces else {
            return Ok(0);
        };
        let mut filled = 0;
        let enough = buffer.len().min(PIECE);
        while filled < enough {
            let end = buffer.len().min(filled + STEP);
            match decoder.read(&mut buffer[filled..end]) {
                Ok(0) if filled == 0 => {
                    self.end_pieces();
                    return Ok(0);
                }
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => return Err(self.lost(error)),
                Err(error) => {
                    self.fault = Some(error);
                    break;
                }
            }
        }
        Ok(filled)
    }

    fn end_pieces(&mut self) {
        self.window = self.pieces.take().map(GzDecoder::into_inner);
        if let Some(window) = &mut self.window {
            window.mark = None;
        }
    }

    /// The rest of the member cannot be read: the next one is looked for right behind its beginning.
    fn lost(&mut self, error: io::Error) -> io::Error {
        self.window = self.pieces.take().map(GzDecoder::into_inner);
        if let Some(window) = &mut self.window
            && let Some(mark) = window.mark.take()
        {
            window.at = (mark + 1).min(window.data.len());
        }
        self.is_lost = true;
        error
    }
}

/// Whether there is room for large members: it is leased once a file.
fn has_room(lease: &mut Option<Lease>, memory: Option<&Arc<Memory>>) -> bool {
    if lease.is_none() {
        // The window and the text.
        *lease = memory.and_then(|memory| memory.lease(2 * MAX_MEMBER));
    }
    lease.is_some()
}

impl Window {
    /// How many bytes are there from where the next member begins.
    fn held(&self) -> usize {
        self.data.len() - self.at
    }

    /// Goes to the next thing that looks like a member's beginning; `false` when there is none.
    fn skip_to_header(&mut self) -> io::Result<bool> {
        loop {
            if self.held() < HEADER {
                self.fill(PIECE)?;
            }
            let rest = &self.data[self.at..];
            if let Some(at) = headers(rest).next() {
                self.at += at;
                return Ok(true);
            }
            // A header that the window cuts in two stays in it.
            let kept = if self.is_last { 0 } else { HEADER - 1 };
            self.at += rest.len().saturating_sub(kept);
            if self.is_last {
                return Ok(false);
            }
        }
    }

    /// Makes so many bytes of the file be there, from where the next member begins, or all that are left.
    fn fill(&mut self, wanted: usize) -> io::Result<()> {
        let held = self.data.len() - self.at;
        if self.is_last || held >= wanted {
            return Ok(());
        }
        self.mark.take_if(|mark| self.at - *mark > FREE);
        let gone = self.mark.unwrap_or(self.at);
        self.data.drain(..gone);
        self.at -= gone;
        self.mark = self.mark.map(|_| 0);
        let missing = (wanted - held) as u64;
        let read = (&mut self.reader)
            .take(missing)
            .read_to_end(&mut self.data)?;
        self.is_last = (read as u64) < missing;
        Ok(())
    }
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Window {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.data.len() {
            self.fill(PIECE)?;
        }
        Ok(&self.data[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

/// Where things stand that look like a member's header.
fn headers(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let is_header = |at: &usize| {
        // Deflate, no reserved flag, a known level and system (RFC 1952).
        matches!(bytes[*at..], [0x1f, 0x8b, 8, flags, _, _, _, _, level, system, ..]
            if flags & 0xe0 == 0 && matches!(level, 0 | 2 | 4) && (system <= 13 || system == 255))
    };
    memchr::memmem::find_iter(bytes, &[0x1f, 0x8b, 8]).filter(is_header)
}

/// Where the first member may end: where the next may begin, and where the bytes end.
fn ends(rest: &[u8], is_last: bool) -> impl Iterator<Item = usize> {
    let lasts = is_last.then_some(()).into_iter().flat_map(|()| {
        let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
        // The size of a small member ends with zeros.
        [rest.len(), rest.len() - zeros]
    });
    headers(rest).chain(lasts).filter(|end| *end >= SHORTEST)
}

/// The size that a member tells which ends there.
fn size_before(rest: &[u8], end: usize) -> Option<usize> {
    let size = rest[..end].last_chunk::<4>()?;
    Some(u32::from_le_bytes(*size) as usize)
}

/// Where the member ends that gave this text: behind the first of its checksum and size.
///
/// The decompressor is content with more than a member. Where zeros follow a member, or it looks
/// like the next one, what was tried as its end may be the end of a later one.
fn end_of(tried: &[u8], text: &[u8]) -> Option<usize> {
    let mut footer = [0; 8];
    footer[..4].copy_from_slice(&libdeflater::crc32(text).to_le_bytes());
    footer[4..].copy_from_slice(&(text.len() as u32).to_le_bytes());
    let found = memchr::memmem::find(tried, &footer)?;
    Some(found + footer.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write as _;

    fn gzip(text: &[u8], level: u32) -> Vec<u8> {
        let level = flate2::Compression::new(level);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read_all(data: &[u8]) -> (Vec<u8>, u32, bool) {
        let mut members = Members::new(
            Box::new(io::Cursor::new(data.to_vec())),
            Some(&Arc::default()),
        );
        let mut buffer = Vec::new();
        let mut length = 0;
        loop {
            match members.read_on(&mut buffer, length) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(_) => return (buffer[..length].to_vec(), members.begun, false),
            }
        }
        (buffer[..length].to_vec(), members.begun, true)
    }

    proptest! {
        #[test]
        fn members_come_in_order_whatever_stands_between(
            texts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..600), 0u32..10), 1..6),
            zeros in 0usize..40,
        ) {
            let data: Vec<u8> = texts
                .iter()
                .flat_map(|(text, level)| [gzip(text, *level), vec![0; zeros]].concat())
                .collect();
            let expected: Vec<u8> = texts.iter().flat_map(|(text, _)| text.clone()).collect();
            prop_assert_eq!(read_all(&data), (expected, texts.len() as u32, true));
        }

        /// A later end that looks like the first member's would swallow all between.
        #[test]
        fn members_alike_are_all_read(
            text in prop::collection::vec(any::<u8>(), 0..20),
            other in prop::collection::vec(any::<u8>(), 250..520),
            count in 1usize..5,
            zeros in 0usize..6,
        ) {
            let alike = [gzip(&text, 0), vec![0; zeros]].concat().repeat(count);
            let data = [alike, gzip(&other, 6), vec![0; zeros]].concat();
            let expected = [text.repeat(count), other].concat();
            prop_assert_eq!(read_all(&data), (expected, count as u32 + 1, true));
        }

        /// A text with beginnings of members in it, stored as it is.
        #[test]
        fn what_looks_like_a_member_within_one_is_none(count in 1usize..9) {
            let text = gzip(b"inner", 6).repeat(count);
            prop_assert_eq!(read_all(&gzip(&text, 0)), (text, 1, true));
        }

        /// What is behind a damaged member is read, and so is what is in it before the damage.
        #[test]
        fn a_damaged_member_costs_only_itself(
            counts in prop::collection::vec(50u32..400, 3..6),
            which in 1usize..4,
            at: prop::sample::Index,
        ) {
            let text = |nth: usize, count: u32| -> Vec<u8> {
                let lines = (0..count).map(|n| n.wrapping_mul(2_654_435_761).wrapping_add(nth as u32));
                lines.flat_map(|n| format!("{nth} {n}\n").into_bytes()).collect()
            };
            let texts: Vec<Vec<u8>> = (0..).zip(&counts).map(|(nth, count)| text(nth, *count)).collect();
            let mut members: Vec<Vec<u8>> = texts.iter().map(|text| gzip(text, 6)).collect();
            let which = which.min(members.len() - 1);
            // Behind the header, where the data is.
            let at = HEADER + at.index(members[which].len() - HEADER - 8);
            members[which][at] ^= 0x10;
            let mut source = Members::new(Box::new(io::Cursor::new(members.concat())), Some(&Arc::default()));
            let (mut read, mut faults, mut buffer) = (Vec::new(), 0, Vec::new());
            loop {
                match source.read_on(&mut buffer, 0) {
                    Ok(0) => break,
                    Ok(length) => read.extend_from_slice(&buffer[..length]),
                    Err(_) => faults += 1,
                }
            }
            if faults == 0 {
                // A bit that nobody reads, behind the last code.
                prop_assert_eq!(read, texts.concat());
                return Ok(());
            }
            let before: Vec<u8> = texts[..which].concat();
            let behind: Vec<u8> = texts[which + 1..].concat();
            prop_assert!(read.starts_with(&before));
            prop_assert!(read.ends_with(&behind));
        }

        #[test]
        fn a_cut_or_corrupt_member_gives_what_is_before(cut in 1usize..2000, flip in any::<bool>()) {
            let text: Vec<u8> = (0..4000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
            let mut data = [gzip(b"first\n", 6), gzip(&text, 6)].concat();
            let at = data.len() - cut;
            if flip { data[at] ^= 0xff } else { data.truncate(at) }
            let (read, _, is_whole) = read_all(&data);
            prop_assert!(!is_whole);
            prop_assert!(read.starts_with(b"first\n"));
        }
    }
}
