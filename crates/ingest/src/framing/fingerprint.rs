//! Identifies a file by its text, also after it has grown, or was renamed or compressed.
//!
//! Logs of different runs may start with the same text for many kilobytes: banners, settings, versions. So a
//! fingerprint covers the whole text: a hash of the entire text, and marks, which are hashes of the text up to
//! certain line ends. Marks are dense at the start of the text and increasingly sparse after it. Their positions
//! depend only on the text before them, so a longer version of a text has all marks of the shorter one.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::sample::Sampler;

/// Number of lines at the start that each have a mark.
const DENSE_LINES: usize = 256;
/// After them, the distance between marks is the length of the preceding text divided by this number.
const SPARSE: u64 = 20;

/// The fingerprint of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Length in bytes, decompressed.
    pub length: u64,
    /// Hash of the entire text.
    pub whole: u64,
    /// Positions of line ends, each with the hash of everything before it.
    pub marks: Vec<(u64, u64)>,
    /// A sample of the lines that contain a timestamp: the smallest of their hashes, in order, at most
    /// [`SAMPLED_LINES`](crate::SAMPLED_LINES).
    #[serde(default)]
    pub lines: Vec<u64>,
}

/// Result of comparing how two texts start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alike {
    /// One text is the start of the other, or they are equal.
    Yes,
    /// All marks of the shorter text match. The text between its last mark and its end cannot be compared.
    UpToLastMark,
    /// The texts differ.
    No,
}

impl Fingerprint {
    /// Compares how the two texts start.
    pub fn compare(&self, other: &Self) -> Alike {
        if self.length == other.length {
            return Alike::of(self.whole == other.whole);
        }
        let (short, long) = if self.length < other.length {
            (self, other)
        } else {
            (other, self)
        };
        if short.marks.is_empty() || !long.marks.starts_with(&short.marks) {
            return Alike::No;
        }
        let next = long.marks[short.marks.len() - 1..].iter();
        match next.clone().find(|(at, _)| *at == short.length) {
            Some((_, hash)) => Alike::of(*hash == short.whole),
            None => Alike::UpToLastMark,
        }
    }
}

impl Alike {
    fn of(is_same: bool) -> Self {
        if is_same { Self::Yes } else { Self::No }
    }
}

/// Computes the fingerprint of a text that arrives in pieces.
#[derive(Default)]
pub(crate) struct Tap {
    hasher: Xxh3,
    length: u64,
    marks: Vec<(u64, u64)>,
    sampler: Sampler,
}

impl Tap {
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.sampler.update(bytes);
        while let Some(end) = self.next_mark(bytes) {
            let (line, rest) = bytes.split_at(end);
            self.add(line);
            self.marks.push((self.length, self.hasher.digest()));
            bytes = rest;
        }
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// Index in these bytes at which to set the next mark.
    fn next_mark(&self, bytes: &[u8]) -> Option<usize> {
        let is_dense = self.marks.len() < DENSE_LINES;
        let last = self.marks.last().map_or(0, |(at, _)| *at);
        let from = if is_dense { last } else { last + last / SPARSE };
        let from = usize::try_from(from.saturating_sub(self.length)).ok()?;
        let searched = bytes.get(from..)?;
        memchr::memchr(b'\n', searched).map(|at| from + at + 1)
    }

    pub(crate) fn finish(&self) -> Fingerprint {
        Fingerprint {
            length: self.length,
            whole: self.hasher.digest(),
            marks: self.marks.clone(),
            lines: self.sampler.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &[u8], piece: usize) -> Fingerprint {
        let mut tap = Tap::default();
        text.chunks(piece).for_each(|piece| tap.update(piece));
        tap.finish()
    }

    proptest! {
        #[test]
        fn a_text_is_known_again_when_it_goes_on(
            lines in prop::collection::vec("[a-d]{0,30}", 2..700),
            cut: prop::sample::Index,
            pieces in (1usize..5000, 1usize..5000),
        ) {
            let text = lines.join("\n") + "\n";
            let cut = 1 + cut.index(lines.len() - 1);
            let before = lines[..cut].join("\n") + "\n";
            let whole = of(text.as_bytes(), pieces.0);
            prop_assert_eq!(&whole, &of(text.as_bytes(), pieces.1));
            let start = of(before.as_bytes(), pieces.1);
            prop_assert_ne!(whole.compare(&start), Alike::No);
            prop_assert_eq!(whole.compare(&whole), Alike::Yes);
            // The same length or longer, and different text after the same start.
            let other = of(format!("{before}x\n{text}").as_bytes(), pieces.0);
            let expected = if cut < DENSE_LINES { Alike::No } else { other.compare(&whole) };
            prop_assert_eq!(other.compare(&whole), expected);
        }
    }

    #[test]
    fn a_banner_of_many_lines_does_not_make_two_logs_one() {
        let banner = "setting = value\n".repeat(200);
        let a = of(format!("{banner}a\n").as_bytes(), 100);
        let b = of(format!("{banner}b\nand more\n").as_bytes(), 100);
        assert_eq!(a.compare(&b), Alike::No);
        assert_eq!(a.compare(&of(b"", 1)), Alike::No);
    }
}
