//! Finds many literals in a text at once.
//!
//! Of each literal one gram of five bytes (three where it is shorter) is looked for: of its grams
//! the one that fewest literals have. A bit for each gram's hash tells nearly every place of a text
//! that nothing begins near it; where a bit is set, the literals with that gram are compared. The
//! idea is Wu and Manber's ("A fast algorithm for multi-pattern searching", 1994), who skip ahead
//! where this looks everywhere: the literals of rules are too short for skips to be long. The bits
//! and their ranks take 20 KiB and stay in the nearest cache, where an automaton over the same
//! literals takes megabytes; `docs/decisions/0007` has the figures.

use rustc_hash::FxHashMap;

/// A text to look for, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Literal {
    pub(crate) text: Vec<u8>,
    /// A boundary of an ASCII word must be before it, as `\b` says.
    pub(crate) edge_before: bool,
    /// The same after it.
    pub(crate) edge_after: bool,
}

/// Shorter literals cannot be found.
pub(crate) const MIN_LENGTH: usize = 3;

/// How long grams are, in bytes: of a literal those that are not longer than it is.
const GRAMS: [usize; 2] = [3, 5];
/// Bits of a gram's hash.
const HASH_BITS: u32 = 17;
const WORDS: usize = 1 << (HASH_BITS - 6);

/// Compiled literals.
#[derive(Debug)]
pub(crate) struct Finder {
    /// A bit for each hash that some literal's gram has.
    bits: Vec<u64>,
    /// How many bits are set before each word of them.
    ranks: Vec<u16>,
    /// For each bit that is set, where its entries begin; one more, where the last one's end.
    starts: Vec<u32>,
    checks: Vec<Check>,
    entries: Vec<Entry>,
    /// The literals' texts, one after the other.
    texts: Vec<u8>,
}

/// Up to eight of a literal's bytes up to its gram's end, and which bits of eight those
/// are: enough to tell it from nearly all others without its text.
#[derive(Clone, Copy, Debug)]
struct Check {
    last: u64,
    mask: u64,
}

/// The rest of a literal.
#[derive(Clone, Copy, Debug)]
struct Entry {
    literal: u32,
    /// Where its text is in [`Finder::texts`].
    text: u32,
    length: u32,
    /// How much of it is before its gram's end.
    before: u32,
    edge_before: bool,
    edge_after: bool,
    /// The check compares all of it.
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
            // Of equally rare ones the last, which has more before it.
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

    /// Tells the number of every literal that is in the text, which is in lower case, once for each
    /// place.
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

    /// Compares the literals that have a gram which ends there.
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

/// The grams of a text, each with where it ends.
fn grams(text: &[u8]) -> impl Iterator<Item = (u64, usize)> {
    let fits = |length: &usize| *length <= text.len();
    let length = GRAMS.into_iter().rfind(fits).unwrap_or(MIN_LENGTH);
    let windows = (length..).zip(text.windows(length));
    windows.map(|(end, window)| (window.iter().copied().fold(0, roll), end))
}

/// The bits of so many bytes, eight at most.
const fn mask(length: usize) -> u64 {
    u64::MAX >> (64 - 8 * length)
}

/// The next byte behind the last ones.
fn roll(last: u64, byte: u8) -> u64 {
    last << 8 | u64::from(byte)
}

/// Fibonacci hashing (Knuth, volume 3, 6.4).
fn hash(gram: u64) -> usize {
    (gram.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HASH_BITS)) as usize
}

/// Whether `\b` holds there.
pub(crate) fn is_edge(text: &[u8], at: usize) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    is_word(at.checked_sub(1).and_then(|before| text.get(before))) != is_word(text.get(at))
}

/// Whether `\w` holds for it.
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
