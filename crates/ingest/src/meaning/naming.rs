//! Decides whether a value is the name of a scraper.
//!
//! Fields such as `service` and `job` often hold something else: how long a request took, the number of a task, the
//! text of a struct. As a name, each of these would be a scraper of its own.

use std::borrow::Cow;

use dragline_schema::Value;

use crate::parsing::duration;

/// The scraper that a field names, by its rank among the names of such fields. `None` if the value is no name.
pub(super) fn scraper_of(rank: usize, value: Value<'_>) -> Option<Cow<'_, str>> {
    // `scraper_id` says what it holds; a number in any other field counts something.
    let is_id = (rank.saturating_sub(1)) % 10 < 2;
    match value {
        Value::Str(name) if is_id => Some(name),
        Value::Str(name) => {
            let length = name_in(&name)?.len();
            Some(match name {
                Cow::Borrowed(name) => Cow::Borrowed(&name[..length]),
                Cow::Owned(mut name) => {
                    name.truncate(length);
                    Cow::Owned(name)
                }
            })
        }
        Value::U64(number) if is_id => Some(number.to_string().into()),
        Value::I64(number) if is_id => Some(number.to_string().into()),
        _ => None,
    }
}

/// The part of a text that is a name: the part before a date, because `prices-2026-05-01` is a run of `prices`.
fn name_in(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let is_other = text.contains("://")
        || bytes.iter().any(|b| matches!(b, b'{' | b'}' | b'\n'))
        || !bytes.iter().any(u8::is_ascii_alphabetic) && text.is_ascii()
        || is_random(text)
        || (bytes.first().is_some_and(u8::is_ascii_digit)
            && duration::milliseconds(text).is_some());
    if is_other {
        return None;
    }
    let name = match date_at(bytes) {
        Some(at) => text[..at].trim_end_matches(['-', '_', '.', '/', ':', ' ']),
        None => text,
    };
    (!name.is_empty()).then_some(name)
}

/// Whether a text is a hash or a UUID.
fn is_random(text: &str) -> bool {
    const SHORTEST: usize = 16;
    let is_part = |b: u8| b.is_ascii_hexdigit() || b == b'-';
    text.len() >= SHORTEST
        && text.bytes().all(is_part)
        && text.bytes().filter(u8::is_ascii_digit).count() >= 4
}

/// Where a date of this century begins: `2026-05-01`, `20260501`.
fn date_at(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, b"20").find(|at| {
        let is_apart = *at == 0 || !bytes[at - 1].is_ascii_digit();
        let rest = &bytes[at + 2..];
        let are_digits = |range: std::ops::Range<usize>| {
            let part = rest.get(range);
            part.is_some_and(|part| part.iter().all(u8::is_ascii_digit))
        };
        let is_sign = |at: usize| matches!(rest.get(at), Some(b'-' | b'_' | b'.'));
        let is_long =
            are_digits(0..2) && is_sign(2) && are_digits(3..5) && is_sign(5) && are_digits(6..8);
        is_apart && (is_long || are_digits(0..6))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_count_or_describe_are_no_names() {
        for (value, expected) in [
            ("shop", Some("shop")),
            ("shop-2", Some("shop-2")),
            ("preise täglich", Some("preise täglich")),
            ("价格", Some("价格")),
            ("prices-2026-05-01-0", Some("prices")),
            ("prices_20260501", Some("prices")),
            ("10059ms", None),
            ("1.5s", None),
            ("1000", None),
            ("Job{ID: 4c9f0, Method: GET}", None),
            ("https://shop.test/p/1", None),
            ("54e64e5e-d859-4b06-890f-2fac04054b1e", None),
            ("2026-05-01", None),
        ] {
            let name = scraper_of(10, Value::Str(value.into()));
            assert_eq!(name.as_deref(), expected, "{value}");
        }
        assert_eq!(scraper_of(10, Value::U64(1000)), None);
        assert_eq!(scraper_of(1, Value::U64(3)).as_deref(), Some("3"));
    }
}
