//! Parsing: splits a record's text into fields. This module knows nothing about scrapers and uses no other stage.

pub(crate) mod colours;
pub(crate) mod duration;
pub(crate) mod head;
pub(crate) mod indented;
pub(crate) mod inspect;
pub(crate) mod literal;
pub(crate) mod logfmt;
pub(crate) mod marks;
pub(crate) mod number;
pub(crate) mod object;
pub(crate) mod otlp;
pub(crate) mod pairs;
pub(crate) mod printed;
pub(crate) mod template;
pub(crate) mod time;
pub(crate) mod value;

/// Whether a text starts with a literal. Literals are so short that calling `memcmp` for each would cost more than
/// the comparison.
#[inline]
pub(crate) fn begins(text: &[u8], literal: &[u8]) -> bool {
    let Some(text) = text.get(..literal.len()) else {
        return false;
    };
    let word = |bytes: &[u8; 8]| u64::from_ne_bytes(*bytes);
    let half = |bytes: &[u8; 4]| u32::from_ne_bytes(*bytes);
    // The last word overlaps the one before it.
    if let (Some(last), Some(known)) = (text.last_chunk(), literal.last_chunk()) {
        let (words, known_words) = (text.as_chunks().0, literal.as_chunks().0);
        let mut pairs = words.iter().zip(known_words);
        return word(last) == word(known) && pairs.all(|(a, b)| word(a) == word(b));
    }
    if let (Some(first), Some(known)) = (text.first_chunk(), literal.first_chunk())
        && let (Some(last), Some(known_last)) = (text.last_chunk(), literal.last_chunk())
    {
        return half(first) == half(known) && half(last) == half(known_last);
    }
    text.iter().eq(literal)
}

/// Splits a text at the first occurrence of an ASCII character, like `str::split_once`, which is slow for short
/// texts.
#[inline]
pub(crate) fn split_at_sign(text: &str, sign: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(sign, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

pub(crate) use self::colours::without_colours;
pub(crate) use self::object::{Object, scalar};
pub(crate) use self::value::{Fields, value_of_json, value_of_text};
