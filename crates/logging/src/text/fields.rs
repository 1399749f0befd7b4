//! The fields of a line, as the recorder writes it.

/// Takes one field after another from a line.
pub(super) struct Fields<'l> {
    rest: &'l str,
}

impl<'l> Fields<'l> {
    /// The fields of a line; `None` when it is not an object.
    pub(super) fn of(line: &'l str) -> Option<Self> {
        let rest = line.strip_prefix('{')?;
        Some(Self { rest })
    }

    /// The next key, still escaped, with its JSON value. `Some(None)`: there are no more. `None`: the line is
    /// not in the wire format.
    #[allow(
        clippy::option_option,
        reason = "`?` on the outer one ends the rendering"
    )]
    pub(super) fn next(&mut self) -> Option<Option<(&'l str, &'l str)>> {
        if let Some(end) = self.rest.strip_prefix('}') {
            return matches!(end, "" | "\n").then_some(None);
        }
        let rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
        let (key, rest) = rest.split_at(string_end(rest.as_bytes())?);
        let rest = rest.strip_prefix(':')?;
        let (value, rest) = rest.split_at(value_end(rest.as_bytes())?);
        self.rest = rest;
        Some(Some((&key[1..key.len() - 1], value)))
    }
}

/// The length of the JSON string at the start.
fn string_end(json: &[u8]) -> Option<usize> {
    if json.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        if json[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The length of the JSON value at the start.
fn value_end(json: &[u8]) -> Option<usize> {
    match json.first()? {
        b'"' => string_end(json),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0_u32);
            loop {
                match json.get(at)? {
                    b'"' => at += string_end(&json[at..])? - 1,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => memchr::memchr2(b',', b'}', json).filter(|len| *len > 0),
    }
}

/// Decodes the contents of a JSON string.
pub(super) fn decode(contents: &str, out: &mut String) {
    out.clear();
    let mut rest = contents;
    while let Some((clean, escaped)) = rest.split_once('\\') {
        out.push_str(clean);
        let (c, len) = unescape(escaped);
        out.push(c);
        rest = escaped.get(len..).unwrap_or_default();
    }
    out.push_str(rest);
}

/// The character of an escape sequence after its backslash, and the sequence's length.
fn unescape(escaped: &str) -> (char, usize) {
    let unit = |text: Option<&str>| u32::from_str_radix(text?, 16).ok();
    match escaped.as_bytes().first() {
        Some(b'n') => ('\n', 1),
        Some(b'r') => ('\r', 1),
        Some(b't') => ('\t', 1),
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'u') => {
            let first = unit(escaped.get(1..5)).unwrap_or(0xfffd);
            // The recorder escapes control characters only; serialisers may write surrogate pairs.
            let second = unit(
                escaped
                    .get(5..)
                    .and_then(|text| text.strip_prefix("\\u")?.get(..4)),
            );
            match (char::from_u32(first), second) {
                (Some(c), _) => (c, 5),
                (None, Some(second)) if first < 0xdc00 && (0xdc00..0xe000).contains(&second) => {
                    let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    (
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
                        11,
                    )
                }
                _ => (char::REPLACEMENT_CHARACTER, 5),
            }
        }
        Some(ascii @ (b'"' | b'\\' | b'/')) => (char::from(*ascii), 1),
        _ => (char::REPLACEMENT_CHARACTER, 0),
    }
}
