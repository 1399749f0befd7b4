//! logfmt: a record on one line that consists of `key=value` pairs. Values with blanks are quoted.

use std::borrow::Cow;

use dragline_schema::Value;

use crate::parsing::value_of_text;

/// The fields of a logfmt line. `None` unless the line consists only of pairs and bare words, and the pairs include
/// two of these three: a time, a level, a message.
pub(crate) fn fields(line: &str) -> Option<Vec<(Cow<'_, str>, Value<'_>)>> {
    if !may_begin(line) {
        return None;
    }
    let mut fields = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ', '"']).unwrap_or(rest.len());
        let key = &rest[..end];
        if !is_key(key) {
            return None;
        }
        rest = &rest[end..];
        let Some(after) = rest.strip_prefix('=') else {
            // A bare word is a flag. A word that contains a quote is not logfmt.
            if rest.starts_with('"') || fields.is_empty() {
                return None;
            }
            rest = rest.trim_start();
            continue;
        };
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let quoted = quote.and_then(|quote| quoted_text(&after[1..], quote));
        let (value, after) = if let Some((text, after)) = quoted {
            (Value::Str(text), after)
        } else if quote == Some('"') {
            return None;
        } else if let Some(end) = list_end(after) {
            (Value::Str(Cow::Borrowed(&after[..end])), &after[end..])
        } else {
            let end = after.find(' ').unwrap_or(after.len());
            (value_of_text(&after[..end]), &after[end..])
        };
        fields.push((Cow::Borrowed(key), value));
        if !after.is_empty() && !after.starts_with(' ') {
            return None;
        }
        rest = after.trim_start();
    }
    let has = |names: &[&str]| fields.iter().any(|(key, _)| names.contains(&&**key));
    let says_when = has(&["time", "ts", "timestamp", "t"]);
    let says_how = has(&["level", "lvl", "severity"]);
    let says_what = has(&["msg", "message", "event"]);
    (u8::from(says_when) + u8::from(says_how) + u8::from(says_what) >= 2).then_some(fields)
}

/// Fast path: whether a line may start with a pair. Most lines do not.
fn may_begin(line: &str) -> bool {
    let bytes = line.trim_ascii_start().as_bytes();
    match bytes.iter().position(|byte| !is_part(*byte)) {
        Some(end) => bytes[end] == b'=' || !bytes[end].is_ascii(),
        None => false,
    }
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@' | b'/')
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(is_part)
}

/// The end of a list or a dict in Python's notation, which may contain blanks.
fn list_end(text: &str) -> Option<usize> {
    if !text.starts_with(['[', '{', '(']) {
        return None;
    }
    let (mut depth, mut quote) = (0i32, None);
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'[' | b'{' | b'(') => depth += 1,
            (None, b']' | b'}' | b')') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// A text up to its closing quote, and the text after the quote.
fn quoted_text(text: &str, quote: char) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find([quote, '\\'])?;
    if text[end..].starts_with(quote) {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut plain = text[..end].to_owned();
    let mut characters = text[end..].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => {
                return Some((Cow::Owned(plain), &text[end + at + 1..]));
            }
            '\\' => plain.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            other => plain.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pairs_with_and_without_quotes() {
        let line = r#"ts=2026-03-04T11:22:33Z level=error msg="it \"broke\"\nbadly" url=https://a.test/?q=1 status=503 took=12ms retry"#;
        let shown: Vec<String> = fields(line)
            .unwrap()
            .iter()
            .map(|(key, value)| format!("{key}={value:?}"))
            .collect();
        assert_eq!(
            shown,
            [
                "ts=Str(\"2026-03-04T11:22:33Z\")",
                "level=Str(\"error\")",
                "msg=Str(\"it \\\"broke\\\"\\nbadly\")",
                "url=Str(\"https://a.test/?q=1\")",
                "status=U64(503)",
                "took=Str(\"12ms\")",
            ]
        );
    }

    #[test]
    fn what_is_no_logfmt() {
        for line in [
            "",
            "level=info",
            "url=https://a.test/ status=200",
            "a message with level=info msg=x",
            "level=info msg=\"unclosed",
            "level=info msg=\"a\"b",
            "[2026] level=info msg=x",
        ] {
            assert!(fields(line).is_none(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_left(text in "(level=|msg=\"|\\PC{0,5}| |\"|\\\\){0,12}") {
            let _ = fields(&text);
        }
    }
}
