//! Gzip members as wholes.
//!
//! Decompressing a member at once, into memory that has its size, is twice as fast as doing so in
//! pieces. A member's size stands in its last four bytes, but where it ends is only known when it
//! was decompressed; so the next thing that looks like a member's beginning is taken for the end,
//! and the checksum tells whether it was. What is not so simple (no such end, cut off, corrupt,
//! larger than memory allows) is decompressed in pieces, which gives all bytes before a fault.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use libdeflater::Decompressor;

/// A larger member is decompressed in pieces, in bytes.
const MAX_MEMBER: usize = 32 << 20;
/// A piece, in bytes.
const PIECE: usize = 256 << 10;
/// The shortest member: ten bytes of header, two of nothing, eight of checksum and size.
const SHORTEST: usize = 20;
/// So many beginnings are tried as a member's end.
const MAX_TRIES: usize = 4;
/// Deflate makes nothing smaller than this (RFC 1951 allows 1032).
const MAX_RATIO: usize = 1032;

/// The members of a file that is held in memory.
pub(crate) struct Members {
    data: Vec<u8>,
    /// Where the next member begins.
    at: usize,
    /// How many were begun.
    pub(crate) begun: u32,
    whole: Decompressor,
    /// The member that is being decompressed in pieces.
    pieces: Option<GzDecoder<io::Cursor<Vec<u8>>>>,
}

impl Members {
    /// Reads the file.
    pub(crate) fn read(mut reader: impl Read, bytes: u64) -> io::Result<Self> {
        let mut data = Vec::with_capacity(bytes as usize);
        reader.read_to_end(&mut data)?;
        Ok(Self {
            data,
            at: 0,
            begun: 0,
            whole: Decompressor::new(),
            pieces: None,
        })
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
            if !self.begin() {
                return Ok(0);
            }
            match self.member(buffer, start) {
                // An empty member.
                Some(0) => {}
                Some(read) => return Ok(read),
                None => self.in_pieces(),
            }
        }
    }

    /// Begins the next member, if there is one.
    fn begin(&mut self) -> bool {
        let rest = &self.data[self.at..];
        let zeros = if self.begun > 0 {
            rest.iter().take_while(|byte| **byte == 0).count()
        } else {
            0
        };
        self.at += zeros;
        let is_there = self.at < self.data.len();
        self.begun += u32::from(is_there);
        is_there
    }

    /// Decompresses the member as a whole; `None` when that is not possible.
    fn member(&mut self, buffer: &mut Vec<u8>, start: usize) -> Option<usize> {
        let rest = &self.data[self.at..];
        for end in ends(rest).take(MAX_TRIES) {
            let size = size_before(rest, end)?;
            if size > MAX_MEMBER || size > end * MAX_RATIO {
                continue;
            }
            if buffer.len() < start + size {
                buffer.resize(start + size, 0);
            }
            let out = &mut buffer[start..start + size];
            if self.whole.gzip_decompress(&rest[..end], out) == Ok(size) {
                self.at += end;
                return Some(size);
            }
        }
        None
    }

    fn in_pieces(&mut self) {
        let rest = self.data.split_off(self.at);
        self.pieces = Some(GzDecoder::new(io::Cursor::new(rest)));
    }

    /// The next piece; 0 at the member's end.
    fn piece(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.pieces else {
            return Ok(0);
        };
        let read = decoder.read(buffer)?;
        if read == 0
            && let Some(decoder) = self.pieces.take()
        {
            let cursor = decoder.into_inner();
            self.at = cursor.position() as usize;
            self.data = cursor.into_inner();
        }
        Ok(read)
    }
}

/// Where the first member may end: where the next may begin, and where the bytes end.
fn ends(rest: &[u8]) -> impl Iterator<Item = usize> {
    let is_header = |at: &usize| {
        // Deflate, no reserved flag, a known level and system (RFC 1952).
        matches!(rest[*at..], [0x1f, 0x8b, 8, flags, _, _, _, _, level, system, ..]
            if flags & 0xe0 == 0 && matches!(level, 0 | 2 | 4) && (system <= 13 || system == 255))
    };
    let nexts = memchr::memmem::find_iter(rest, &[0x1f, 0x8b, 8]);
    let zeros = rest.iter().rev().take_while(|byte| **byte == 0).count();
    // The size of a small member ends with zeros.
    let lasts = [rest.len(), rest.len() - zeros];
    nexts
        .filter(is_header)
        .chain(lasts)
        .filter(|end| *end >= SHORTEST)
}

/// The size that a member tells which ends there.
fn size_before(rest: &[u8], end: usize) -> Option<usize> {
    let size = rest[..end].last_chunk::<4>()?;
    Some(u32::from_le_bytes(*size) as usize)
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
        let mut members = Members::read(data, data.len() as u64).unwrap();
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

        /// A text with beginnings of members in it, stored as it is.
        #[test]
        fn what_looks_like_a_member_within_one_is_none(count in 1usize..9) {
            let text = gzip(b"inner", 6).repeat(count);
            prop_assert_eq!(read_all(&gzip(&text, 0)), (text, 1, true));
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
