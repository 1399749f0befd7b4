//! `key=value` pairs in a message.
//!
//! Values may be quoted. A quoted text is one value, whatever it contains. An unquoted value of a key with free text
//! (an error, a reason) extends to the next key or the end of the line, because many programs do not quote such
//! texts.

use std::borrow::Cow;

use dragline_schema::Value;

use super::value_of_text;

/// Whether the values of a key are free text.
fn is_worded(key: &str) -> bool {
    matches!(
        key,
        "err"
            | "error"
            | "msg"
            | "reason"
            | "exception"
            | "exc"
            | "cause"
            | "detail"
            | "error_message"
            | "err_msg"
            | "exception_message"
            | "why"
    )
}

/// Values from the record's head take precedence over pairs in the message.
fn is_taken(key: &str) -> bool {
    matches!(
        key,
        "level" | "message" | "timestamp" | "target" | "traceback"
    )
}

/// The pairs of a message.
pub(crate) fn pairs(message: &str) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    Pairs { rest: message }
        .filter(|(key, value)| !is_taken(key) && !value.is_empty())
        .map(|(key, value)| (Cow::Borrowed(key), value_of_text(value)))
}

/// The fields within a span's braces.
pub(crate) fn span(text: &str) -> impl Iterator<Item = (&str, &str)> {
    Pairs { rest: text }.filter(|(_, value)| !value.is_empty())
}

struct Pairs<'m> {
    rest: &'m str,
}

impl<'m> Iterator for Pairs<'m> {
    type Item = (&'m str, &'m str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let bytes = self.rest.as_bytes();
            let sign = memchr::memchr3(b'=', b'"', b'\'', bytes)?;
            if bytes[sign] != b'=' {
                // Quoted text contains no pairs. An apostrophe within a word is not a quote.
                let is_inside = sign > 0 && bytes[sign - 1].is_ascii_alphanumeric();
                let end = if is_inside {
                    None
                } else {
                    quoted_end(&self.rest[sign..])
                };
                self.rest = &self.rest[sign + end.unwrap_or(1)..];
                continue;
            }
            let before = &self.rest[..sign];
            let of_key = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
            let begin = sign - bytes[..sign].iter().rev().take_while(of_key).count();
            let key = &before[begin..];
            let is_apart = begin == 0 || b" \t([{,;|".contains(&bytes[begin - 1]);
            let behind = &self.rest[sign + 1..];
            let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
                && is_apart
                && !behind.starts_with(['=', ' ']);
            if !is_key {
                self.rest = behind;
                continue;
            }
            let (value, length) = value(behind, is_worded(key));
            self.rest = &behind[length..];
            // `{spider=shop}`: the closing bracket is not part of the value.
            let value = match bytes[..begin].last() {
                Some(b'{') => value.strip_suffix('}').unwrap_or(value),
                Some(b'(') => value.strip_suffix(')').unwrap_or(value),
                Some(b'[') => value.strip_suffix(']').unwrap_or(value),
                _ => value,
            };
            return Some((key, value));
        }
    }
}

/// A value, and the length of the text that it occupies.
fn value(text: &str, is_worded: bool) -> (&str, usize) {
    if text.starts_with(['"', '\''])
        && let Some(end) = quoted_end(text)
    {
        return (&text[1..end - 1], end);
    }
    let end = if is_worded {
        before_next_key(text)
    } else {
        word_end(text)
    };
    let value = if is_worded {
        text[..end].trim_end()
    } else {
        &text[..end]
    };
    let signs = value.bytes().rev().take_while(|b| matches!(b, b',' | b';'));
    (&value[..value.len() - signs.count()], end)
}

/// The end of the first word of a text.
fn word_end(text: &str) -> usize {
    // A lookup table, because every byte of every value is checked.
    const ENDS: [bool; 256] = {
        let mut ends = [false; 256];
        let mut byte = 0;
        while byte < ends.len() {
            ends[byte] = (byte as u8).is_ascii_whitespace() || byte == 0x0b || byte >= 0x80;
            byte += 1;
        }
        ends
    };
    match text.bytes().position(|byte| ENDS[usize::from(byte)]) {
        // Other scripts have whitespace characters of their own.
        Some(at) if text.as_bytes()[at] >= 0x80 => {
            let rest = text[at..].find(char::is_whitespace);
            rest.map_or(text.len(), |rest| at + rest)
        }
        Some(at) => at,
        None => text.len(),
    }
}

/// The start of the next key, or the end of the text.
fn before_next_key(text: &str) -> usize {
    let mut from = 0;
    while let Some(sign) = text[from..].find('=').map(|at| at + from) {
        let before = &text[..sign];
        let blank = before.char_indices().rev().find(|(_, c)| c.is_whitespace());
        if let Some(begin) = blank.map(|(at, c)| at + c.len_utf8()) {
            let key = &before[begin..];
            let is_key = !key.is_empty()
                && key.starts_with(|c: char| c.is_ascii_alphabetic())
                && key
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
            // Text in parentheses belongs to the value.
            let depth = before.bytes().fold(0, |depth, byte| match byte {
                b'(' | b'[' | b'{' => depth + 1,
                b')' | b']' | b'}' => depth - 1,
                _ => depth,
            });
            if is_key && depth <= 0 {
                return begin;
            }
        }
        from = sign + 1;
    }
    text.len()
}

/// The end of a quoted text, after its closing quote.
fn quoted_end(text: &str) -> Option<usize> {
    let quote = text.as_bytes()[0];
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => {
                let next = text.as_bytes().get(at + 1).copied().unwrap_or(b' ');
                // The apostrophe in `it's` does not end the text.
                if quote == b'"' || !next.is_ascii_alphanumeric() {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The message and the fields of `message, key: value, key: value`.
pub(crate) fn named(text: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let mut fields = Vec::new();
    let mut message = text;
    // From the end, because a message may contain commas.
    while let Some((before, last)) = message.rsplit_once(", ") {
        let Some((key, value)) = last.split_once(": ") else {
            break;
        };
        let is_key = !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        if !is_key {
            break;
        }
        fields.push((key, value.trim().trim_matches('"')));
        message = before;
    }
    fields.reverse();
    (!fields.is_empty()).then_some((message, fields))
}

/// The fields of the spans on the lines below a record in tracing's pretty format:
/// `    in crate::fetch::page with url: "https://…", attempt: 1`.
pub(crate) fn spans_below(rest: &str) -> Vec<(&str, &str)> {
    // Fast path: few records have further lines, and few of these name spans.
    if rest.is_empty() || memchr::memmem::find(rest.as_bytes(), b"  in ").is_none() {
        return Vec::new();
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-' | '.');
    let fields = rest.lines().filter_map(|line| {
        let span = line.strip_prefix("  ")?.trim_start().strip_prefix("in ")?;
        let (name, fields) = span.split_once(" with ")?;
        name.chars().all(is_part).then_some(fields)
    });
    fields
        .flat_map(|fields| {
            let (first, mut others) = named(fields).unwrap_or((fields, Vec::new()));
            let first = first.split_once(": ");
            let first = first.map(|(key, value)| (key, value.trim().trim_matches('"')));
            if let Some(first) = first {
                others.insert(0, first);
            }
            others
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &str) -> Vec<String> {
        pairs(message)
            .map(|(key, value)| format!("{key}={value:?}"))
            .collect()
    }

    #[test]
    fn spans_below_a_record() {
        let rest = "    at src/fetch.rs:60\n    in shelf::page with url: \"https://x.test/a, b\", attempt: 1\n    in shelf::crawl\n    in crawl with site: x.test";
        let expected = [
            ("url", "https://x.test/a, b"),
            ("attempt", "1"),
            ("site", "x.test"),
        ];
        assert_eq!(spans_below(rest), expected);
        assert_eq!(spans_below("  in the end: with x: 1"), []);
    }

    #[test]
    fn pairs_in_every_dress() {
        assert_eq!(
            read(r#"fetched url=https://x.test/p?a=1 status=200 note="a b=c \" d" took=5"#),
            [
                "url=Str(\"https://x.test/p?a=1\")",
                "status=U64(200)",
                "note=Str(\"a b=c \\\\\\\" d\")",
                "took=U64(5)"
            ]
        );
        assert_eq!(
            read("error=connection refused by host status=502"),
            [
                "error=Str(\"connection refused by host\")",
                "status=U64(502)"
            ]
        );
        assert_eq!(
            read("error='no price' url=x"),
            ["error=Str(\"no price\")", "url=Str(\"x\")"]
        );
        assert_eq!(
            read("error=no\u{2000}price url=x"),
            ["error=Str(\"no\\u{2000}price\")", "url=Str(\"x\")"]
        );
        assert_eq!(read("it's url=x"), ["url=Str(\"x\")"]);
        assert_eq!(read("a == b, x= 1"), Vec::<String>::new());
        assert_eq!(
            read("said \"url=https://x.test status=500\""),
            Vec::<String>::new()
        );
    }

    #[test]
    fn fields_by_name() {
        let (message, fields) =
            named("fetched, a b, url: \"https://x.test/\", status: 200").unwrap();
        assert_eq!(message, "fetched, a b");
        assert_eq!(fields, [("url", "https://x.test/"), ("status", "200")]);
        assert_eq!(named("it failed: badly"), None);
    }
}
