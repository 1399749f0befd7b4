//! Where a line's quotation marks are, many bytes at a time.
//!
//! After Langdale and Lemire, "Parsing gigabytes of JSON per second" (VLDB Journal, 2019): compare
//! a block with the byte that is looked for, make bits of the answer, walk over the bits. A line
//! has some forty marks, for which as many searches cost several times as much.

use wide::u8x16;

const BLOCK: usize = 64;
/// No line that the recorder writes is longer, in bytes; for one that is, the places would take four times
/// its size.
const LONGEST: usize = 1 << 20;

/// The quotation marks of a line; kept between lines, so that nothing is allocated.
#[derive(Default)]
pub(crate) struct Marks {
    places: Vec<u32>,
}

impl Marks {
    /// Finds the marks of a line; `None` when it has a backslash, by which a mark can be a part of
    /// a text, or a control character, which JSON does not allow, or is too long.
    pub(crate) fn of(&mut self, line: &[u8]) -> Option<&[u32]> {
        if line.len() > LONGEST {
            return None;
        }
        // A mark at every byte at most; never shrunk, so that nothing is written twice.
        if self.places.len() < line.len() {
            self.places.resize(line.len(), 0);
        }
        let (mark, escape) = (u8x16::splat(b'"'), u8x16::splat(b'\\'));
        let mut escapes = u8x16::splat(0);
        let mut least = u8x16::splat(u8::MAX);
        let mut count = 0;
        let (blocks, rest) = line.as_chunks::<BLOCK>();
        let mut last = [b' '; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        for (begin, block) in (0..).step_by(BLOCK).zip(blocks.iter().chain([&last])) {
            let mut marks = 0u64;
            let (quarters, _) = block.as_chunks::<16>();
            for (shift, quarter) in (0..).step_by(16).zip(quarters) {
                let quarter = u8x16::from(*quarter);
                escapes |= quarter.simd_eq(escape);
                least = least.min(quarter);
                marks |= u64::from(quarter.simd_eq(mark).to_bitmask()) << shift;
            }
            let here = marks.count_ones() as usize;
            for place in &mut self.places[count..count + here] {
                *place = begin + marks.trailing_zeros();
                marks &= marks - 1;
            }
            count += here;
        }
        let is_plain = escapes.to_bitmask() == 0
            && least.to_array().into_iter().fold(u8::MAX, u8::min) >= 0x20;
        is_plain.then(|| &self.places[..count])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_mark_is_found(text in "[a\"\\\\\t ü]{0,80}|[a\"]{0,80}") {
            let is_plain = !text.contains(['\\', '\t']);
            let places = text.match_indices('"').map(|(place, _)| place as u32).collect::<Vec<_>>();
            let mut marks = Marks::default();
            prop_assert_eq!(marks.of(text.as_bytes()), is_plain.then_some(places.as_slice()));
        }
    }
}
