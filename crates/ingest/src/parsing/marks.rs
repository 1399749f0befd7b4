//! Finds the quotation marks of a line, many bytes at a time.
//!
//! Based on Langdale and Lemire, "Parsing gigabytes of JSON per second" (VLDB Journal, 2019): compare a block with
//! the wanted byte, turn the result into a bit mask, and iterate over the set bits. A line has about forty quotation
//! marks, and as many separate searches would cost several times as much.

use wide::u8x16;

const BLOCK: usize = 64;
/// Maximum length of a line, in bytes. The recorder writes no longer lines, and the positions of a longer line would
/// take four times its size.
const LONGEST: usize = 1 << 20;

/// The quotation marks of a line. Reused for all lines to avoid allocations.
#[derive(Default)]
pub(crate) struct Marks {
    places: Vec<u32>,
}

/// The quotation marks of one line.
pub(crate) struct Found<'m> {
    pub(crate) places: &'m [u32],
    /// Whether the line has a backslash.
    pub(crate) has_escapes: bool,
}

impl Marks {
    /// Finds the unescaped quotation marks of a line. `None` if the line contains a control character, which JSON
    /// does not allow, or is too long.
    pub(crate) fn of(&mut self, line: &[u8]) -> Option<Found<'_>> {
        if line.len() > LONGEST {
            return None;
        }
        // At most one mark per byte. Never shrunk, to avoid repeated initialization.
        if self.places.len() < line.len() {
            self.places.resize(line.len(), 0);
        }
        let (mark, escape) = (u8x16::splat(b'"'), u8x16::splat(b'\\'));
        let (mut has_escapes, mut is_escaped) = (false, false);
        let mut least = u8x16::splat(u8::MAX);
        let mut count = 0;
        let (blocks, rest) = line.as_chunks::<BLOCK>();
        let mut last = [b' '; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        for (begin, block) in (0..).step_by(BLOCK).zip(blocks.iter().chain([&last])) {
            let (mut marks, mut escapes) = (0u64, 0u64);
            let (quarters, _) = block.as_chunks::<16>();
            for (shift, quarter) in (0..).step_by(16).zip(quarters) {
                let quarter = u8x16::from(*quarter);
                escapes |= u64::from(quarter.simd_eq(escape).to_bitmask()) << shift;
                least = least.min(quarter);
                marks |= u64::from(quarter.simd_eq(mark).to_bitmask()) << shift;
            }
            if escapes != 0 || is_escaped {
                has_escapes = true;
                marks &= !escaped(escapes, &mut is_escaped);
            }
            let here = marks.count_ones() as usize;
            for place in &mut self.places[count..count + here] {
                *place = begin + marks.trailing_zeros();
                marks &= marks - 1;
            }
            count += here;
        }
        let is_text = least.to_array().into_iter().fold(u8::MAX, u8::min) >= 0x20;
        is_text.then(|| Found {
            places: &self.places[..count],
            has_escapes,
        })
    }
}

/// The bytes of a block that backslashes escape. The last byte may escape the first byte of the next block.
fn escaped(escapes: u64, is_escaped: &mut bool) -> u64 {
    let mut escaped = u64::from(*is_escaped);
    let mut left = escapes & !escaped;
    *is_escaped = false;
    while left != 0 {
        let at = left.trailing_zeros();
        left &= left - 1;
        match 2u64.checked_shl(at).filter(|next| *next != 0) {
            Some(next) => {
                escaped |= next;
                left &= !next;
            }
            None => *is_escaped = true,
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_mark_is_found(text in "[a\"\\\\\t ü]{0,80}|[a\"\\\\]{0,200}|[a\"]{0,80}") {
            let mut escaped = false;
            let mut places = Vec::new();
            for (place, byte) in (0u32..).zip(text.bytes()) {
                if byte == b'"' && !escaped {
                    places.push(place);
                }
                escaped = byte == b'\\' && !escaped;
            }
            let mut marks = Marks::default();
            let found = marks.of(text.as_bytes());
            prop_assert_eq!(found.is_none(), text.contains('\t'));
            if let Some(found) = found {
                prop_assert_eq!(found.places, places);
                prop_assert_eq!(found.has_escapes, text.contains('\\'));
            }
        }
    }
}
