//! Samples a text's lines, to find texts that share lines at any position.
//!
//! The smallest of all line hashes are kept (a bottom-k sketch: Cohen and Kaplan, *Summarizing data
//! using bottom-k sketches*, PODC 2007): a line that is in two texts is kept in both or in neither. Only lines
//! that seem to contain a time are sampled, because other lines recur in every run's log. The first lines of a
//! text are skipped, because runs that start in the same second write identical first lines.

use xxhash_rust::xxh3::xxh3_64;

/// Maximum number of lines kept.
pub const SIZE: usize = 128;
/// Number of bytes of a line that are hashed.
const LOOKED_AT: usize = 512;
/// In a text line, the time is within this many bytes; in a JSON object it can be anywhere.
const HEAD: usize = 64;
/// Minimum number of digits of a line with a date and a time.
const DIGITS: usize = 10;
/// Number of lines with a time that are skipped at the start of a text.
const BANNER: usize = 40;

/// Samples a text that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    /// The start of the incomplete last line.
    begun: Vec<u8>,
    /// The smallest hashes, sorted.
    smallest: Vec<u64>,
    /// Number of lines with a time so far.
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

    /// The smallest hashes, sorted.
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
            // Hashes small enough for the whole text's sample are in it.
            let largest = if whole.len() < SIZE { u64::MAX } else { whole[SIZE - 1] };
            let mut small = part.iter().filter(|hash| **hash <= largest);
            prop_assert!(small.all(|hash| whole.contains(hash)));
        }
    }
}
