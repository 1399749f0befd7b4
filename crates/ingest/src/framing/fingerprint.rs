//! What tells one file's text from another's, however it grew, was renamed or packed.
//!
//! Logs of different runs may begin with the same words for many kilobytes: banners, settings, versions.
//! So a fingerprint is of the whole text: a hash of everything up to its end, and marks, hashes up to ends
//! of lines, close together where the text begins and ever further apart. Where marks are set depends on
//! the text before them only, so that a text that goes on has all marks of the shorter one.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::sample::Sampler;

/// Each of the first lines has a mark.
const DENSE_LINES: usize = 256;
/// Behind them marks are apart by one of so many parts of what is before.
const SPARSE: u64 = 20;

/// What a text is known by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// In bytes, decompressed.
    pub length: u64,
    /// The hash of all of it.
    pub whole: u64,
    /// Places behind ends of lines, and the hash of everything before.
    pub marks: Vec<(u64, u64)>,
    /// A sample of the lines that say when they were written: of their hashes the smallest, in order, at
    /// most [`SAMPLED_LINES`](crate::SAMPLED_LINES).
    #[serde(default)]
    pub lines: Vec<u64>,
}

/// How two texts begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alike {
    /// One is the other's beginning, or they are the same.
    Yes,
    /// All marks of the shorter one agree; between the last one and its end nothing is known.
    UpToLastMark,
    /// They differ.
    No,
}

impl Fingerprint {
    /// How the text and another begin.
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

/// Takes a fingerprint of a text that comes in pieces.
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

    /// Where in these bytes the next mark is to be set.
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
            // The same length or more, and other words behind the same beginning.
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
