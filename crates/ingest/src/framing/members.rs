//! Decompresses whole gzip members.
//!
//! Decompressing a member at once, into memory of its final size, is twice as fast as decompressing it in pieces.
//! The last four bytes of a member hold its size, but its end is known only after decompression. So the next bytes
//! that look like the start of a member are assumed to be the end, and the checksum confirms it. All other members
//! (no such end, truncated, corrupt, larger than memory allows) are decompressed in pieces, which returns all bytes
//! before an error.
//!
//! A damaged member ends with an error, and reading continues at the next bytes that look like the start of a
//! member: members are independent of each other.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;

use crate::framing::memory::{Lease, Memory};

/// Maximum size of a member that is decompressed at once, in bytes.
const MAX_MEMBER: usize = 32 << 20;
/// Size of a piece, in bytes.
const PIECE: usize = 256 << 10;
/// Number of bytes decompressed per step within a piece. At most this many bytes are lost before an error.
const STEP: usize = 4 << 10;
/// Number of bytes of the file read at a time. More if no member ends within them.
const WINDOW: usize = 2 << 20;
/// Size of the shortest member: ten bytes of header, two of empty data, eight of checksum and size.
const SHORTEST: usize = 20;
/// Number of header bytes that are checked.
const HEADER: usize = 10;
/// With fewer bytes than this left in the window, more are read.
const LOW: usize = WINDOW / 4;
/// Members and windows above this size, in bytes, need a memory lease.
const FREE: usize = 4 << 20;
/// After this many members that could not be decompressed at once, the rest of the file is decompressed in pieces:
/// searching for their ends would cost more than it saves.
const MAX_FAILURES: u32 = 4;
/// Maximum number of candidates tried as the end of a member.
const MAX_TRIES: usize = 4;
/// Maximum compression ratio of Deflate (RFC 1951 allows 1032).
const MAX_RATIO: usize = 1032;

/// The members of a file.
pub(crate) struct Members {
    /// `None` while a member is decompressed in pieces.
    window: Option<Window>,
    /// Number of members started.
    pub(crate) begun: u32,
    /// `None` when all members are decompressed in pieces.
    whole: Option<Decompressor>,
    /// The member that is being decompressed in pieces.
    pieces: Option<GzDecoder<Window>>,
    /// Number of members that were not decompressed at once.
    failures: u32,
    /// The error to return after the last piece.
    fault: Option<io::Error>,
    /// Whether the previous member was damaged, so that the start of the next one must be searched for.
    is_lost: bool,
    memory: Option<Arc<Memory>>,
    /// The memory leased for large members.
    lease: Option<Lease>,
}

/// The part of the file that is not decompressed yet.
struct Window {
    reader: Box<dyn Read + Send>,
    data: Vec<u8>,
    /// Start of the next member.
    at: usize,
    /// Start of the member that is being decompressed in pieces, while it is still in the window. A damaged member
    /// can seem to extend into those after it.
    mark: Option<usize>,
    /// Whether the window contains the file's last byte.
    is_last: bool,
}

impl Members {
    /// The members that the reader reads. With `memory`, members are decompressed at once, which suits callers that
    /// read the whole file.
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

    /// Reads a member, or a piece of one, into `buffer` from `start`, growing it if there is no space. Returns the
    /// number of bytes read, 0 at the end.
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

    /// Reads a piece into the given buffer without growing it.
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

    /// Starts the next member. Returns `false` if there is none.
    fn begin(&mut self) -> io::Result<bool> {
        let Some(window) = &mut self.window else {
            return Ok(false);
        };
        if std::mem::take(&mut self.is_lost) && !window.skip_to_header()? {
            return Ok(false);
        }
        // Tapes and block devices leave zeros between and after members.
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

    /// Decompresses the member at once. Returns `None` if that is not possible.
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

    /// The next piece. Returns 0 at the end of the member.
    ///
    /// A decompressor that meets an error does not report what it decompressed before, so each call requests few
    /// bytes.
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

    /// Gives up the rest of the member. The search for the next one starts right after this member's first byte.
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

/// Whether memory for large members is available. It is leased once per file.
fn has_room(lease: &mut Option<Lease>, memory: Option<&Arc<Memory>>) -> bool {
    if lease.is_none() {
        // Room for the window and for the text.
        *lease = memory.and_then(|memory| memory.lease(2 * MAX_MEMBER));
    }
    lease.is_some()
}

impl Window {
    /// Number of bytes available from the start of the next member.
    fn held(&self) -> usize {
        self.data.len() - self.at
    }

    /// Moves to the next bytes that look like the start of a member. Returns `false` if there are none.
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
            // Keeps a header that is cut off at the end of the window.
            let kept = if self.is_last { 0 } else { HEADER - 1 };
            self.at += rest.len().saturating_sub(kept);
            if self.is_last {
                return Ok(false);
            }
        }
    }

    /// Reads until `wanted` bytes from the start of the next member are available, or the file ends.
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

/// Positions of bytes that look like a member's header.
fn headers(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let is_header = |at: &usize| {
        // Deflate, no reserved flag, a known level and system (RFC 1952).
        matches!(bytes[*at..], [0x1f, 0x8b, 8, flags, _, _, _, _, level, system, ..]
            if flags & 0xe0 == 0 && matches!(level, 0 | 2 | 4) && (system <= 13 || system == 255))
    };
    memchr::memmem::find_iter(bytes, &[0x1f, 0x8b, 8]).filter(is_header)
}

/// Candidates for the end of the first member: possible starts of the next one, and the end of the bytes.
fn ends(rest: &[u8], is_last: bool) -> impl Iterator<Item = usize> {
    let lasts = is_last.then_some(()).into_iter().flat_map(|()| {
        let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
        // The size field of a small member ends with zeros.
        [rest.len(), rest.len() - zeros]
    });
    headers(rest).chain(lasts).filter(|end| *end >= SHORTEST)
}

/// The size that a member ending at `end` states.
fn size_before(rest: &[u8], end: usize) -> Option<usize> {
    let size = rest[..end].last_chunk::<4>()?;
    Some(u32::from_le_bytes(*size) as usize)
}

/// The end of the member that decompressed to this text: after the first occurrence of its checksum and size.
///
/// The decompressor accepts trailing bytes after a member. If zeros follow a member, or the next member looks the
/// same, the candidate may be the end of a later member.
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

        /// A later end that looks like the end of the first member would swallow everything between.
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

        /// A text that contains starts of members, stored uncompressed.
        #[test]
        fn what_looks_like_a_member_within_one_is_none(count in 1usize..9) {
            let text = gzip(b"inner", 6).repeat(count);
            prop_assert_eq!(read_all(&gzip(&text, 0)), (text, 1, true));
        }

        /// The data after a damaged member is read, and so is the data in it before the damage.
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
            // After the header, within the data.
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
                // The flipped bit is unused, after the last code.
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
