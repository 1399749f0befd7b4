//! Finds many literals in a text at once.
//!
//! Each literal is represented by one of its grams of five bytes (three if the literal is shorter),
//! the one that the fewest literals share. A bitmap over gram hashes rules out nearly every position
//! of a text; where a bit is set, the literals with that gram are compared. The idea is from Wu and
//! Manber ("A fast algorithm for multi-pattern searching", 1994). They skip ahead; this code checks
//! every position, because the rules' literals are too short for long skips. The bitmap and its
//! ranks take 20 KiB and stay in the L1 cache, whereas an automaton over the same literals takes
//! megabytes; `docs/decisions/0007` has the measurements.

use rustc_hash::FxHashMap;

/// A text to search for, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Literal {
    pub(crate) text: Vec<u8>,
    /// An ASCII word boundary (`\b`) must precede it.
    pub(crate) edge_before: bool,
    /// An ASCII word boundary must follow it.
    pub(crate) edge_after: bool,
}

/// Minimum length of a literal in bytes; shorter ones are never found.
pub(crate) const MIN_LENGTH: usize = 3;

/// Gram lengths in bytes. A literal uses the longest one that fits.
const GRAMS: [usize; 2] = [3, 5];
/// Number of bits in a gram's hash.
const HASH_BITS: u32 = 17;
const WORDS: usize = 1 << (HASH_BITS - 6);

/// Compiled literals.
#[derive(Debug)]
pub(crate) struct Finder {
    /// Bitmap of the gram hashes in use.
    bits: Vec<u64>,
    /// For each word of `bits`, the number of bits set before it.
    ranks: Vec<u16>,
    /// For each set bit, the index of its first entry; the final element is the end of the last.
    starts: Vec<u32>,
    checks: Vec<Check>,
    entries: Vec<Entry>,
    /// The literals' texts, concatenated.
    texts: Vec<u8>,
}

/// Up to eight of a literal's bytes, ending with its gram, and the mask of the bits they fill:
/// enough to distinguish it from nearly all others without reading its text.
#[derive(Clone, Copy, Debug)]
struct Check {
    last: u64,
    mask: u64,
}

/// The remaining data of a literal.
#[derive(Clone, Copy, Debug)]
struct Entry {
    literal: u32,
    /// Offset of its text in [`Finder::texts`].
    text: u32,
    length: u32,
    /// Number of its bytes up to the end of its gram.
    before: u32,
    edge_before: bool,
    edge_after: bool,
    /// Whether [`Check`] already compares the whole literal.
    is_checked: bool,
}

impl Finder {
    /// Literals shorter than [`MIN_LENGTH`] are never found.
    pub(crate) fn new(literals: &[Literal]) -> Self {
        let mut common: FxHashMap<u64, u32> = FxHashMap::default();
        for literal in literals {
            grams(&literal.text).for_each(|(gram, _)| *common.entry(gram).or_default() += 1);
        }
        let mut texts = Vec::new();
        let mut hashed = Vec::new();
        for (number, literal) in (0..).zip(literals) {
            // Among equally rare grams, prefer the last: it has more bytes before it.
            let rarest = grams(&literal.text)
                .min_by_key(|(gram, end)| (common[gram], std::cmp::Reverse(*end)));
            if let Some((gram, end)) = rarest {
                let known = end.min(8);
                let check = Check {
                    last: literal.text[end - known..end].iter().copied().fold(0, roll),
                    mask: mask(known),
                };
                let entry = Entry {
                    literal: number,
                    text: texts.len() as u32,
                    length: literal.text.len() as u32,
                    before: end as u32,
                    edge_before: literal.edge_before,
                    edge_after: literal.edge_after,
                    is_checked: known == literal.text.len(),
                };
                hashed.push((hash(gram), check, entry));
                texts.extend_from_slice(&literal.text);
            }
        }
        hashed.sort_by_key(|(hash, ..)| *hash);
        let mut finder = Self {
            bits: vec![0; WORDS],
            ranks: Vec::with_capacity(WORDS),
            starts: Vec::new(),
            checks: hashed.iter().map(|(_, check, _)| *check).collect(),
            entries: hashed.iter().map(|(.., entry)| *entry).collect(),
            texts,
        };
        for (place, (hash, ..)) in (0..).zip(&hashed) {
            let (word, bit) = (hash / 64, 1 << (hash % 64));
            if finder.bits[word] & bit == 0 {
                finder.bits[word] |= bit;
                finder.starts.push(place);
            }
        }
        finder.starts.push(hashed.len() as u32);
        let mut rank = 0;
        for word in &finder.bits {
            finder.ranks.push(rank as u16);
            rank += word.count_ones();
        }
        finder
    }

    /// Calls `found` with a literal's index once per occurrence in the text, which must be in lower
    /// case.
    pub(crate) fn find(&self, text: &[u8], mut found: impl FnMut(usize)) {
        let mut last = 0;
        for (index, byte) in text.iter().copied().enumerate() {
            last = roll(last, byte);
            for length in GRAMS {
                if index + 1 >= length {
                    self.compare(last & mask(length), last, text, index + 1, &mut found);
                }
            }
        }
    }

    /// Compares the literals whose gram ends at `end`.
    #[inline]
    fn compare(
        &self,
        gram: u64,
        last: u64,
        text: &[u8],
        end: usize,
        found: &mut impl FnMut(usize),
    ) {
        let hash = hash(gram);
        let (word, bit) = (self.bits[hash / 64], 1u64 << (hash % 64));
        if word & bit == 0 {
            return;
        }
        let rank = usize::from(self.ranks[hash / 64]) + (word & (bit - 1)).count_ones() as usize;
        let (first, stop) = (self.starts[rank] as usize, self.starts[rank + 1] as usize);
        for (place, check) in (first..).zip(&self.checks[first..stop]) {
            let entry = &self.entries[place];
            if last & check.mask == check.last && self.is_at(entry, text, end) {
                found(entry.literal as usize);
            }
        }
    }

    fn is_at(&self, entry: &Entry, text: &[u8], end: usize) -> bool {
        let Some(start) = end.checked_sub(entry.before as usize) else {
            return false;
        };
        let stop = start + entry.length as usize;
        let own = || &self.texts[entry.text as usize..][..entry.length as usize];
        let is_equal = |piece: &[u8]| entry.is_checked || piece == own();
        text.get(start..stop).is_some_and(is_equal)
            && (!entry.edge_before || is_edge(text, start))
            && (!entry.edge_after || is_edge(text, stop))
    }
}

/// The grams of a text, each with its end offset.
fn grams(text: &[u8]) -> impl Iterator<Item = (u64, usize)> {
    let fits = |length: &usize| *length <= text.len();
    let length = GRAMS.into_iter().rfind(fits).unwrap_or(MIN_LENGTH);
    let windows = (length..).zip(text.windows(length));
    windows.map(|(end, window)| (window.iter().copied().fold(0, roll), end))
}

/// A mask of the lowest `length` bytes, at most eight.
const fn mask(length: usize) -> u64 {
    u64::MAX >> (64 - 8 * length)
}

/// Shifts the next byte into the last eight.
fn roll(last: u64, byte: u8) -> u64 {
    last << 8 | u64::from(byte)
}

/// Fibonacci hashing (Knuth, volume 3, 6.4).
fn hash(gram: u64) -> usize {
    (gram.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HASH_BITS)) as usize
}

/// Whether `\b` matches at this offset.
pub(crate) fn is_edge(text: &[u8], at: usize) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    is_word(at.checked_sub(1).and_then(|before| text.get(before))) != is_word(text.get(at))
}

/// Whether `\w` matches this byte.
pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn literal() -> impl Strategy<Value = Literal> {
        ("[ab :_]{3,6}", any::<bool>(), any::<bool>()).prop_map(|(text, before, after)| Literal {
            text: text.into_bytes(),
            edge_before: before,
            edge_after: after,
        })
    }

    proptest! {
        #[test]
        fn every_literal_is_found_at_every_place(
            literals in prop::collection::vec(literal(), 1..40),
            text in "[abAB :_]{0,40}",
        ) {
            let text = text.to_ascii_lowercase().into_bytes();
            let text = text.as_slice();
            let mut found = vec![0; literals.len()];
            Finder::new(&literals).find(text, |literal| found[literal] += 1);
            let expected: Vec<i32> = literals
                .iter()
                .map(|literal| {
                    let is_there = |start: &usize| {
                        let stop = start + literal.text.len();
                        text[*start..stop].eq_ignore_ascii_case(&literal.text)
                            && (!literal.edge_before || is_edge(text, *start))
                            && (!literal.edge_after || is_edge(text, stop))
                    };
                    let starts = 0..(text.len() + 1).saturating_sub(literal.text.len());
                    starts.filter(is_there).count() as i32
                })
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
