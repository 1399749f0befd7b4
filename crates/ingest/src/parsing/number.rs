//! Numbers in texts.

use dragline_schema::Value;

/// Parses a text as a number, in any form that Rust accepts.
pub(crate) fn any<'a>(text: &str) -> Option<Value<'a>> {
    if let Ok(number) = text.parse() {
        return Some(Value::U64(number));
    }
    let negative = text.parse().map(Value::I64);
    negative.or_else(|_| text.parse().map(Value::F64)).ok()
}

/// Parses a number in JSON's grammar (RFC 8259, section 6) without an exponent.
///
/// A positive decimal of few digits is an integer divided by a power of ten. Both are exact, so their quotient is
/// the nearest floating-point number (Clinger, "How to read floating point numbers accurately", 1990).
pub(crate) fn plain<'a>(text: &str) -> Option<Value<'a>> {
    const POWERS: [f64; 16] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let (is_negative, bytes) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        bytes => (false, bytes),
    };
    let (digits, whole) = digits(bytes, 0);
    if whole == 0 || (bytes[0] == b'0' && whole > 1) {
        return None;
    }
    let Some(behind) = bytes.get(whole) else {
        // Nineteen digits always fit.
        return if !is_negative && whole <= 19 {
            Some(Value::U64(digits))
        } else {
            any(text)
        };
    };
    let (digits, places) = self::digits(&bytes[whole + 1..], digits);
    if *behind != b'.' || places == 0 || whole + 1 + places < bytes.len() {
        return None;
    }
    if is_negative || bytes.len() > 16 {
        return any(text);
    }
    Some(Value::F64(digits as f64 / POWERS[places]))
}

/// Parses an integer in JSON's grammar that has at most nineteen digits, which always fit.
#[inline]
pub(crate) fn whole(text: &[u8]) -> Option<u64> {
    let (number, count) = digits(text, 0);
    let is_whole = count == text.len() && (1..=19).contains(&count);
    (is_whole && (text[0] != b'0' || count == 1)).then_some(number)
}

/// Appends the leading digits of a text to `number`. Returns the result and the number of digits. With too many
/// digits the result is meaningless.
#[inline]
fn digits(bytes: &[u8], number: u64) -> (u64, usize) {
    let (mut number, mut count) = (number, 0);
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    (number, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_plain_is_read_like_any_other(text in "-?[0-9]{0,21}(\\.[0-9]{0,18})?([eE][0-9])?|\\PC{0,3}") {
            if let Some(number) = plain(&text) {
                prop_assert_eq!(Some(number), super::any(&text));
            }
            let number = whole(text.as_bytes()).map(Value::U64);
            prop_assert!(number.is_none() || number == plain(&text));
        }
    }
}
