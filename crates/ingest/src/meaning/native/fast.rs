//! Fast parser for lines of the wire format in their usual form.
//!
//! A flat object of plain strings and numbers, without spaces between its parts, is read in one
//! pass over its quotation marks; values are borrowed from the line. Anything else (an escape, an
//! unexpected nested value, a space, a syntax error) is left to the general parser, which reads
//! the line from the start. For every line that this parser reads, both produce the same record; a
//! property test checks that.

use std::borrow::Cow;

use dragline_schema::{Record, Value};

use super as native;
use super::head::Head;
use crate::parsing::marks::Marks;
use crate::parsing::number;

/// How a line was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// It could not be read; the content of the record is invalid.
    No,
    /// With the shared fields of the previous line.
    ByHead,
    /// Completely, without shared fields.
    Whole,
}

/// Reads a line of Dragline's recorder into an empty record.
pub(crate) fn decode<'l>(
    line: &'l [u8],
    head: &'l Head,
    marks: &mut Marks,
    record: &mut Record<'l>,
) -> Read {
    let (rest, begin, how) = match head.read(line, record) {
        Some(behind) => (&line[behind..], b',', Read::ByHead),
        None => (line, b'{', Read::Whole),
    };
    let is_native = members(rest, begin, marks, record).is_some()
        && record.timestamp.is_some()
        && record.seq.is_some()
        && record.writer_id.is_some();
    if is_native { how } else { Read::No }
}

fn members<'l>(
    rest: &'l [u8],
    begin: u8,
    marks: &mut Marks,
    record: &mut Record<'l>,
) -> Option<()> {
    let text = simdutf8::basic::from_utf8(rest).ok()?;
    let marks = marks.of(rest).filter(|marks| !marks.has_escapes)?;
    let mut members = Members::of(text, marks.places, begin)?;
    while let Some(key) = members.key() {
        let Member::Value(value) = members.value()? else {
            continue;
        };
        // An event's own fields never have the same names as the fields common to all lines.
        if let Err(value) = record.event.set(key, value) {
            native::set(record, key, value);
        }
    }
    members.is_whole().then_some(())
}

/// Iterates over the members of a flat object.
struct Members<'l, 'm> {
    line: &'l str,
    /// Offsets of the opening and closing quotation marks.
    quoted: &'m [[u32; 2]],
    /// End of the last member read.
    at: usize,
}

impl<'l, 'm> Members<'l, 'm> {
    /// The members of an object from its opening brace, or from the comma after a member.
    fn of(line: &'l str, marks: &'m [u32], begin: u8) -> Option<Self> {
        let (quoted, []) = marks.as_chunks::<2>() else {
            return None;
        };
        let first = quoted.first().map_or(0, |[mark, _]| *mark as usize);
        (line.as_bytes().first() == Some(&begin) && first == 1 || quoted.is_empty()).then_some(
            Self {
                line,
                quoted,
                at: 0,
            },
        )
    }

    /// The next key; `None` after the last member.
    fn key(&self) -> Option<&'l str> {
        let [begin, end] = *self.quoted.first()?;
        Some(&self.line[begin as usize + 1..end as usize])
    }

    /// Reads the next member's value and advances to the following member.
    #[inline]
    fn value(&mut self) -> Option<Member<'l>> {
        let bytes = self.line.as_bytes();
        let (&[_, key_end], rest) = self.quoted.split_first()?;
        let at = key_end as usize + 2;
        if bytes.get(at - 1) != Some(&b':') {
            return None;
        }
        let (value, end) = if bytes.get(at) == Some(&b'"') {
            let (&[begin, end], rest) = rest.split_first()?;
            self.quoted = rest;
            let text = &self.line[begin as usize + 1..end as usize];
            (
                Member::Value(Value::Str(Cow::Borrowed(text))),
                end as usize + 1,
            )
        } else {
            // A scalar extends to the comma before the next key, or to the end of the object.
            self.quoted = rest;
            let next = rest
                .first()
                .map_or(bytes.len(), |[begin, _]| *begin as usize);
            let end = next - 1;
            (scalar(self.line.get(at..end)?)?, end)
        };
        if let Some([begin, _]) = self.quoted.first()
            && (bytes.get(end) != Some(&b',') || *begin as usize != end + 1)
        {
            return None;
        }
        self.at = end;
        Some(value)
    }

    /// Whether only the closing brace follows the last member.
    fn is_whole(&self) -> bool {
        self.quoted.is_empty() && self.line.as_bytes()[self.at..] == *b"}"
    }
}

/// A value, or null.
pub(crate) enum Member<'l> {
    Null,
    Value(Value<'l>),
}

/// Parses a value that is not a string.
#[inline]
pub(crate) fn scalar(text: &str) -> Option<Member<'_>> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return number::plain(text).map(Member::Value);
    }
    let value = match text {
        "null" => return Some(Member::Null),
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "{}" | "[]" => Value::Json(Cow::Borrowed(text)),
        _ => number::plain(text)?,
    };
    Some(Member::Value(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parsing::Object;
    use proptest::prelude::*;

    /// Reads the line with both parsers and checks that the results are equal.
    fn both(line: &str) -> bool {
        let (head, mut fast) = (Head::default(), native::empty());
        if decode(line.as_bytes(), &head, &mut Marks::default(), &mut fast) == Read::No {
            return false;
        }
        // Read it again with what was learned from it.
        let learnt = Head::of(line.as_bytes(), &fast);
        let mut again = native::empty();
        let how = decode(line.as_bytes(), &learnt, &mut Marks::default(), &mut again);
        assert_ne!(how, Read::No);
        assert_eq!(again, fast, "{line}");
        let object = Object::parse(line).expect("what the fast path reads is JSON");
        assert!(object.is_native(), "{line}");
        assert_eq!(fast, native::decode(&object), "{line}");
        true
    }

    const HEAD: &str =
        r#""timestamp":"2026-03-02T00:00:01.275951Z","level":"INFO","writer_id":"9f","seq":7"#;

    #[test]
    fn what_the_recorder_writes_is_read_fast() {
        for rest in [
            "",
            r#","event_type":"request","message":"request","url":"https://a.test/?q=1","status_code":200,"response_time_ms":12.5,"bytes":18234"#,
            r#","event_type":"scraper_start","config":{}"#,
            r#","event_type":"product_processed","fields_missing":[],"price":-0.5,"x":null,"y":true"#,
            r#","message":"Größe ₺""#,
        ] {
            assert!(both(&format!("{{{HEAD}{rest}}}")), "{rest}");
        }
    }

    #[test]
    fn what_has_another_shape_is_left() {
        for line in [
            format!("{{{HEAD},}}"),
            format!("{{{HEAD}}} "),
            format!("{{{HEAD}}}{{}}"),
            format!("{{{HEAD},\"message\":\"a\\nb\"}}"),
            format!("{{{HEAD},\"message\":\"a\tb\"}}"),
            format!("{{{HEAD},\"bytes\":01}}"),
            format!("{{{HEAD},\"bytes\":1.}}"),
            format!("{{{HEAD},\"bytes\":-}}"),
            format!("{{{HEAD},\"config\":{{\"a\":1}}}}"),
            r#"{"timestamp":"2026-03-02T00:00:01.275951Z","level":"INFO"}"#.to_owned(),
            "{".to_owned(),
            String::new(),
        ] {
            assert!(!both(&line), "{line}");
        }
    }

    proptest! {
        #[test]
        fn both_readers_agree(
            fields in prop::collection::vec(
                ("(event_type|seq|bytes|url|message|timestamp|price|config|x|\\PC{0,3})",
                 "(\"(request|product_processed|\\PC{0,6})\"|-?[0-9]{1,21}(\\.[0-9]{1,3})?([eE][0-9])?|true|null|\\{\\}|\\[\\]|\\PC{0,4})"),
                0..6,
            ),
            separator in "(,|, |)",
        ) {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{separator}\"{key}\":{value}")).collect();
            both(&format!("{{{HEAD}{}}}", fields.concat()));
        }

        #[test]
        fn any_text_is_read_or_left(text in "\\PC*") {
            both(&text);
        }
    }
}
