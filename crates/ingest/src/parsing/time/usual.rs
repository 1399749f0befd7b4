//! Fast path for the most common time format.

use jiff::civil;

use super::stamp::{Date, Stamp, ZONES, any};

/// The time at the start of a text, and its length in bytes.
pub(crate) fn stamp(text: &str) -> Option<(Stamp, usize)> {
    usual(text.as_bytes()).or_else(|| any(text))
}

/// Like [`stamp`], for the most common format: `2026-03-04 11:22:33,123`, without a time zone other than `Z`. `None`
/// if the full parser must decide.
pub(super) fn usual(text: &[u8]) -> Option<(Stamp, usize)> {
    const LEN: usize = "2026-03-04 11:22:33".len();
    let (b, rest) = text.split_at_checked(LEN)?;
    let is_usual = b[4] == b'-' && b[7] == b'-' && matches!(b[10], b' ' | b'T');
    if !(is_usual && b[13] == b':' && b[16] == b':') {
        return None;
    }
    let number = |digits: &[u8]| {
        let are_digits = digits.iter().all(u8::is_ascii_digit);
        are_digits.then(|| {
            digits
                .iter()
                .fold(0i16, |n, b| n * 10 + i16::from(b - b'0'))
        })
    };
    let two = |at: usize| number(&b[at..at + 2]).map(|n| n as i8);
    let date = civil::Date::new(number(&b[..4])?, two(5)?, two(8)?).ok()?;
    let (nanos, length) = match rest {
        [b'.' | b',', digits @ ..] => {
            let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
            if !(1..=9).contains(&count) {
                return None;
            }
            let add = |n: i32, b: &u8| n * 10 + i32::from(b - b'0');
            let number = digits[..count].iter().fold(0, add);
            (number * 10_i32.pow(9 - count as u32), LEN + 1 + count)
        }
        _ => (0, LEN),
    };
    let time = civil::Time::new(two(11)?, two(14)?, two(17)?, nanos).ok()?;
    let (offset, length) = match text[length..] {
        [] | [b']' | b'|' | b';' | b'\t', ..] => (None, length),
        [b'Z', ref rest @ ..]
            if !rest
                .first()
                .is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') =>
        {
            (Some(0), length + 1)
        }
        [b' ', ref rest @ ..] if is_no_zone(rest) => (None, length),
        _ => return None,
    };
    let date = Date::Known(date);
    Some((Stamp { date, time, offset }, length))
}

/// Whether the text one blank after a time is certainly neither a time zone nor AM or PM.
fn is_no_zone(text: &[u8]) -> bool {
    match text {
        [] | [b'0'..=b'9' | b'[' | b'(' | b'<' | b'|' | b'"', ..] | [b'-', b' ', ..] => true,
        [b'A'..=b'Z', ..] => {
            let letters = text.iter().take_while(|b| b.is_ascii_alphabetic()).count();
            let word = &text[..letters];
            if matches!(word, b"INFO" | b"DEBUG" | b"WARNING" | b"WARN" | b"ERROR") {
                return true;
            }
            let is_named = |(name, _): &(&str, i32)| name.as_bytes() == word;
            letters > 2 && !ZONES.iter().any(is_named)
        }
        [b'a'..=b'z', ..] => !matches!(text[0], b'a' | b'p' | b'z'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_usual_is_read_like_anything_else(
            text in "[12][0-9]{3}-[01][0-9]-[0-3][0-9][ T][012][0-9]:[0-6][0-9]:[0-6][0-9]([.,:][0-9]{0,11})?",
            behind in "|( |)(Z|UTC|CET|INFO|EST |ERROR|AM|PM|a|p|ab|pm|I|CE|\\+01:00|-0500|- |-|  |\\[|:|::|;|\\||\t|x|_|,|,1|]|5|ä)[ -~]{0,4}",
        ) {
            let line = format!("{text}{behind}");
            if let Some(read) = usual(line.as_bytes()) {
                prop_assert_eq!(Some(read), super::any(&line), "{}", line);
            }
        }
    }
}
