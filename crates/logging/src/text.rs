//! Renders lines of the wire format as text for people.

mod fields;
#[cfg(test)]
mod model;

use self::fields::{Fields, decode};
use crate::queue::Lines;

/// How a line is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// All fields on one line, starting with the full timestamp.
    Full,
    /// The time of day, without ids; tracebacks on separate lines.
    Human {
        /// Whether to use colours.
        colour: bool,
    },
}

/// Renders a batch for a text file.
pub(crate) fn render_lines(lines: &Lines) -> Lines {
    let mut renderer = Renderer::new(Style::Full);
    let mut out = Lines {
        count: lines.count,
        ..Lines::default()
    };
    let mut at = 0;
    let mut cuts = lines.cuts.iter().peekable();
    for line in lines.bytes.split_inclusive(|byte| *byte == b'\n') {
        while cuts.next_if(|cut| **cut <= at).is_some() {
            out.cuts.push(out.bytes.len());
        }
        at += line.len();
        renderer.push(line, &mut out.bytes);
    }
    out.cuts.extend(cuts.map(|_| out.bytes.len()));
    out
}

/// Renders lines. It allocates nothing once its buffer is large enough.
#[derive(Debug)]
pub(crate) struct Renderer {
    style: Style,
    /// A decoded text.
    text: String,
}

/// The values of the keys with which a line begins, as they are in the line.
#[derive(Default)]
struct Head<'l> {
    time: &'l str,
    level: &'l str,
    target: &'l str,
    scraper_id: &'l str,
    site: &'l str,
    run_id: Option<&'l str>,
    event_type: &'l str,
    message: &'l str,
}

impl<'l> Head<'l> {
    /// Stores the value if the key is one of those that begin a line.
    fn take(&mut self, key: &str, value: &'l str) -> bool {
        let part = match key {
            "timestamp" => &mut self.time,
            "level" => &mut self.level,
            "target" => &mut self.target,
            "scraper_id" => &mut self.scraper_id,
            "site" => &mut self.site,
            "event_type" => &mut self.event_type,
            "message" => &mut self.message,
            "run_id" => {
                self.run_id = Some(value);
                return true;
            }
            "writer_id" | "seq" => return true,
            _ => return false,
        };
        *part = contents(value).unwrap_or_default();
        true
    }
}

impl Renderer {
    pub(crate) fn new(style: Style) -> Self {
        let text = String::new();
        Self { style, text }
    }

    /// Appends one line, including the line feed. A line that is not in the wire format is appended unchanged.
    pub(crate) fn push(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        let line_text = std::str::from_utf8(line).ok();
        if line_text
            .and_then(|line| self.push_line(line, out))
            .is_none()
        {
            out.truncate(start);
            out.extend_from_slice(String::from_utf8_lossy(line).as_bytes());
        }
    }

    fn push_line(&mut self, line: &str, out: &mut Vec<u8>) -> Option<()> {
        let is_human = self.style != Style::Full;
        let mut fields = Fields::of(line)?;
        let mut head = Head::default();
        let mut field = fields.next()?;
        while let Some((key, value)) = field
            && head.take(key, value)
        {
            field = fields.next()?;
        }
        self.push_head(&head, out);
        if let Some(run_id) = head.run_id
            && !is_human
        {
            self.push_field("run_id", run_id, out);
        }
        let mut traceback = None;
        while let Some((key, value)) = field {
            // The end of a run has many counts that are 0 for most scrapers.
            let is_nothing = head.event_type == "scraper_end" && value == "0";
            if is_human && key == "traceback" {
                traceback = contents(value);
            } else if !is_human || !is_nothing {
                self.push_field(key, value, out);
            }
            field = fields.next()?;
        }
        if let Some(traceback) = traceback {
            self.push_traceback(traceback, out);
        }
        out.push(b'\n');
        Some(())
    }

    fn push_head(&mut self, head: &Head<'_>, out: &mut Vec<u8>) {
        let is_human = self.style != Style::Full;
        let time = head.time.get(11..23).filter(|_| is_human);
        self.paint("2", time.unwrap_or(head.time), out);
        out.push(b' ');
        let colour = match head.level {
            "ERROR" => "31;1",
            "WARN" => "33",
            "INFO" => "32",
            _ => "34",
        };
        let padding = &"     "[head.level.len().min(5)..];
        self.painted(colour, out, |_, out| {
            out.extend_from_slice(head.level.as_bytes());
            out.extend_from_slice(padding.as_bytes());
        });
        if !head.scraper_id.is_empty() {
            out.push(b' ');
            self.paint("1", head.scraper_id, out);
            if !is_human && !head.site.is_empty() {
                out.push(b'@');
                self.push_text(head.site, out);
            }
        } else if head.target != "dragline" {
            out.push(b' ');
            self.paint("2", head.target, out);
            out.push(b':');
        }
        for text in [head.event_type, head.message] {
            if !text.is_empty() {
                out.push(b' ');
                self.push_text(text, out);
            }
        }
    }

    fn push_field(&mut self, key: &str, value: &str, out: &mut Vec<u8>) {
        out.push(b' ');
        self.painted("2", out, |renderer, out| {
            renderer.push_text(key, out);
            out.push(b'=');
        });
        self.push_value(value, out);
    }

    /// Appends a value after its key. A single word is not quoted.
    fn push_value(&mut self, value: &str, out: &mut Vec<u8>) {
        let is_plain = |byte: u8| !matches!(byte, b'"' | b'=' | b' ');
        if let Some(contents) = contents(value) {
            if is_printable(contents) {
                let is_word = !contents.is_empty() && contents.bytes().all(is_plain);
                let shown = if is_word { contents } else { value };
                return out.extend_from_slice(shown.as_bytes());
            }
            decode(contents, &mut self.text);
            let is_word = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
            if !self.text.is_empty() && self.text.chars().all(is_word) {
                return out.extend_from_slice(self.text.as_bytes());
            }
        }
        push_escaped(value, out);
    }

    fn push_traceback(&mut self, contents: &str, out: &mut Vec<u8>) {
        decode(contents, &mut self.text);
        for line in self.text.lines() {
            out.extend_from_slice(b"\n    ");
            push_escaped(line, out);
        }
    }

    /// Appends the contents of a JSON string. Control characters, which a terminal would interpret, are
    /// escaped.
    fn push_text(&mut self, contents: &str, out: &mut Vec<u8>) {
        if is_printable(contents) {
            return out.extend_from_slice(contents.as_bytes());
        }
        decode(contents, &mut self.text);
        push_escaped(&self.text, out);
    }

    /// Appends the contents of a JSON string, coloured if enabled.
    fn paint(&mut self, code: &str, contents: &str, out: &mut Vec<u8>) {
        if !contents.is_empty() {
            self.painted(code, out, |renderer, out| renderer.push_text(contents, out));
        }
    }

    /// Appends what `push` appends, coloured if enabled.
    fn painted(
        &mut self,
        code: &str,
        out: &mut Vec<u8>,
        push: impl FnOnce(&mut Self, &mut Vec<u8>),
    ) {
        let has_colour = self.style == Style::Human { colour: true };
        if has_colour {
            out.extend_from_slice(b"\x1b[");
            out.extend_from_slice(code.as_bytes());
            out.push(b'm');
        }
        push(self, out);
        if has_colour {
            out.extend_from_slice(b"\x1b[0m");
        }
    }
}

/// The contents of a JSON string, still escaped; `None` for any other value.
fn contents(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// Whether the contents of a JSON string are what they stand for, and printable ASCII.
fn is_printable(contents: &str) -> bool {
    contents
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\')
}

/// Appends text, with its control characters escaped.
fn push_escaped(text: &str, out: &mut Vec<u8>) {
    let mut clean_from = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| c.is_control()) {
        out.extend_from_slice(&text.as_bytes()[clean_from..at]);
        for escaped in c.escape_default() {
            out.push(escaped as u8); // Escapes are ASCII.
        }
        clean_from = at + c.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[clean_from..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn render(line: &[u8], style: Style) -> String {
        let mut out = Vec::new();
        Renderer::new(style).push(line, &mut out);
        String::from_utf8(out).unwrap()
    }

    const LINE: &str = r#"{"timestamp":"2026-03-04T11:22:33.123456Z","level":"ERROR","target":"dragline","scraper_id":"shop","site":"shop.example.com","run_id":"r1","writer_id":"w","seq":3,"event_type":"scraper_error","error_type":"Timeout","error_message":"no answer\nin \u001b[31m30 s","traceback":"a\nb","context":{"page":3}}"#;

    #[test]
    fn a_line_in_each_style() {
        assert_eq!(
            render(LINE.as_bytes(), Style::Full),
            "2026-03-04T11:22:33.123456Z ERROR shop@shop.example.com scraper_error run_id=r1 error_type=Timeout error_message=\"no answer\\nin \\u001b[31m30 s\" traceback=\"a\\nb\" context={\"page\":3}\n",
        );
        assert_eq!(
            render(LINE.as_bytes(), Style::Human { colour: false }),
            "11:22:33.123 ERROR shop scraper_error error_type=Timeout error_message=\"no answer\\nin \\u001b[31m30 s\" context={\"page\":3}\n    a\n    b\n",
        );
        let coloured = render(LINE.as_bytes(), Style::Human { colour: true });
        assert!(
            coloured.contains("\u{1b}[31;1mERROR\u{1b}[0m"),
            "{coloured}"
        );
        assert_eq!(
            render(b"no line of ours\n", Style::Full),
            "no line of ours\n"
        );
        let end = br#"{"timestamp":"2026-03-04T11:22:33.123456Z","level":"INFO","target":"dragline","scraper_id":"shop","event_type":"scraper_end","message":"run ended","status":"success","products_found":0,"requests_made":3}"#;
        assert_eq!(
            render(end, Style::Human { colour: false }),
            "11:22:33.123 INFO  shop scraper_end run ended status=success requests_made=3\n",
        );
        let plain = br#"{"timestamp":"2026-03-04T11:22:33.123456Z","level":"INFO","target":"shop::list","message":"two\nlines \u001b[2J"}"#;
        assert_eq!(
            render(plain, Style::Human { colour: false }),
            "11:22:33.123 INFO  shop::list: two\\nlines \\u{1b}[2J\n",
        );
    }

    #[test]
    fn a_batch_keeps_its_cuts() {
        let line = format!("{LINE}\n");
        let lines = Lines {
            bytes: line.repeat(3).into_bytes(),
            cuts: vec![line.len(), 3 * line.len()],
            count: 3,
        };
        let text = render_lines(&lines);
        let one = text.bytes.len() / 3;
        assert_eq!(text.cuts, [one, 3 * one]);
        assert_eq!(memchr::memchr_iter(b'\n', &text.bytes).count(), 3);
    }

    /// Texts with everything that is escaped anywhere. Other serialisers write backspace and form feed in
    /// another way than the recorder.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-z=:/ ]{0,9}",
            "[\u{0}-\u{7}\u{9}-\u{b}\u{d}-\u{24}\\\\]{0,3}",
            "[\u{7b}-\u{a2}]{0,3}",
            "\\PC{0,3}",
        ];
        proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            text().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            (0..4_u64).prop_map(serde_json::Value::from),
            any::<bool>().prop_map(serde_json::Value::from),
            // The parser of the model is not exact to the last digit.
            (-8_000..8_000).prop_map(|n| serde_json::Value::from(f64::from(n) / 8.0)),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                proptest::collection::btree_map(text(), inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    fn line() -> impl Strategy<Value = String> {
        let keys = dragline_schema::wire::HEAD.map(|key| {
            let value = match key {
                "level" => prop_oneof!["INFO", "WARN", "ERROR", "DEBUG"].boxed(),
                "timestamp" => Just("2026-03-04T11:22:33.123456Z".to_owned()).boxed(),
                "event_type" => prop_oneof![text(), Just("scraper_end".to_owned())].boxed(),
                "target" => prop_oneof![text(), Just("dragline".to_owned())].boxed(),
                _ => text().boxed(),
            };
            proptest::option::of(value).prop_map(move |value| (key.to_owned(), value))
        });
        let own = prop_oneof!["[a-w_]{1,9}", Just("traceback".to_owned())];
        let fields = proptest::collection::btree_map(own, value(), 0..5);
        (keys.to_vec(), fields).prop_map(|(head, fields)| {
            let head = head
                .into_iter()
                .filter_map(|(key, text)| Some((key, text?.into())));
            let own = fields.into_iter();
            let own = own.filter(|(key, _)| !dragline_schema::wire::HEAD.contains(&key.as_str()));
            let all: serde_json::Map<_, _> = head.chain(own).collect();
            serde_json::Value::Object(all).to_string() + "\n"
        })
    }

    proptest! {
        #[test]
        fn every_line_is_rendered_as_by_the_model(line in line()) {
            for style in [
                Style::Full,
                Style::Human { colour: false },
                Style::Human { colour: true },
            ] {
                prop_assert_eq!(render(line.as_bytes(), style), model::render(line.as_bytes(), style));
            }
        }

        #[test]
        fn no_line_is_too_odd(mut line in line(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = std::mem::take(&mut line).into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            render(&bytes, Style::Full);
            render(&bytes[..at], Style::Human { colour: true });
        }
    }
}
