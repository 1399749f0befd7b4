//! A sample of a text's lines, by which texts that share lines are found, wherever these stand.
//!
//! Of the hashes of all lines the smallest are kept (a bottom-k sketch: Cohen and Kaplan, *Summarizing data
//! using bottom-k sketches*, PODC 2007): two texts with the same line keep it or drop it alike. Only lines
//! that seem to say when they were written are taken: others stand in every run's log. Those at a text's
//! beginning are not, as runs that begin in the same second say the same of themselves.

use xxhash_rust::xxh3::xxh3_64;

/// So many lines are kept.
pub const SIZE: usize = 128;
/// Of a line so much is looked at, in bytes.
const LOOKED_AT: usize = 512;
/// A time stands in the first bytes of a text line; in a JSON object it can stand anywhere.
const HEAD: usize = 64;
/// A date and a time have so many digits.
const DIGITS: usize = 10;
/// So many lines at the beginning are passed over.
const BANNER: usize = 40;

/// Takes the sample of a text that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    /// The beginning of the line that is not complete.
    begun: Vec<u8>,
    /// In order.
    smallest: Vec<u64>,
    /// Lines that say when they were written, so far.
    dated: usize,
}

impl Sampler {
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if self.begun.is_empty() {
                let end = end.min(LOOKED_AT);
                self.take(&bytes[..end]);
            } else {
                self.begin(&bytes[..end]);
                let line = std::mem::take(&mut self.begun);
                self.take(&line);
            }
            bytes = &bytes[end + 1..];
        }
        self.begin(bytes);
    }

    fn begin(&mut self, bytes: &[u8]) {
        let room = LOOKED_AT - self.begun.len();
        self.begun
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn take(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !says_when(line) {
            return;
        }
        self.dated += 1;
        if self.dated <= BANNER {
            return;
        }
        let hash = xxh3_64(line);
        let smallest = &mut self.smallest;
        if smallest.len() == SIZE && smallest.last() <= Some(&hash) {
            return;
        }
        if let Err(place) = smallest.binary_search(&hash) {
            smallest.insert(place, hash);
            smallest.truncate(SIZE);
        }
    }

    /// The smallest hashes, in order.
    pub(crate) fn finish(&self) -> Vec<u64> {
        self.smallest.clone()
    }
}

fn says_when(line: &[u8]) -> bool {
    let head = if line.starts_with(b"{") {
        line
    } else {
        &line[..line.len().min(HEAD)]
    };
    head.iter().filter(|byte| byte.is_ascii_digit()).count() >= DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, piece: usize) -> Vec<u64> {
        let mut sampler = Sampler::default();
        text.as_bytes()
            .chunks(piece)
            .for_each(|piece| sampler.update(piece));
        sampler.finish()
    }

    #[test]
    fn only_lines_that_say_when_are_taken() {
        let begun = "2026-03-04 11:22:33 x\n".repeat(BANNER);
        let of = |text: &str| of(&(begun.clone() + text), 7).len();
        let text = "2026-03-04 11:22:33 one\n{'BOT_NAME': 'shop'}\nplain\n";
        assert_eq!(of(text), 1);
        assert_eq!(of("{\"msg\":\"x\",\"time\":1772623353123}\n"), 1);
        assert_eq!(of(""), 0);
    }

    proptest! {
        #[test]
        fn a_part_has_what_the_whole_has_of_it(
            count in 1usize..600,
            piece in 1usize..2000,
            from: prop::sample::Index,
        ) {
            let line = |n| format!("2026-03-04 11:22:33 {n}\n");
            let lines: Vec<String> = (0..count).map(line).collect();
            let whole = of(&lines.concat(), piece);
            prop_assert_eq!(&whole, &of(&lines.concat(), 4096));
            let part = of(&lines[from.index(count)..].concat(), piece);
            let hashes = lines.iter().skip(BANNER).map(|line| xxh3_64(line.trim_end().as_bytes()));
            let all: std::collections::BTreeSet<u64> = hashes.collect();
            prop_assert!(whole.iter().eq(all.iter().take(SIZE)));
            // What is small enough for the whole to have kept it, it has.
            let largest = if whole.len() < SIZE { u64::MAX } else { whole[SIZE - 1] };
            let mut small = part.iter().filter(|hash| **hash <= largest);
            prop_assert!(small.all(|hash| whole.contains(hash)));
        }
    }
}
