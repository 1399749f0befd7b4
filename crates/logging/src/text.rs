//! Renders lines of the wire format as text for people.

use std::fmt::Write as _;

use serde_json::{Map, Value};

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

/// Keys printed in a fixed position, and keys not printed at all.
const SHOWN: [&str; 9] = [
    "timestamp",
    "level",
    "target",
    "scraper_id",
    "site",
    "writer_id",
    "seq",
    "event_type",
    "message",
];

/// Renders a batch for a text file.
pub(crate) fn render_lines(lines: &Lines) -> Lines {
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
        out.bytes
            .extend_from_slice(render(line, Style::Full).as_bytes());
    }
    out.cuts.extend(cuts.map(|_| out.bytes.len()));
    out
}

/// Renders one line, including the line feed. A line that is not in the wire format is shown unchanged.
pub(crate) fn render(line: &[u8], style: Style) -> String {
    match serde_json::from_slice::<Map<String, Value>>(line) {
        Ok(fields) => render_fields(&fields, style),
        Err(_) => String::from_utf8_lossy(line).into_owned(),
    }
}

fn render_fields(fields: &Map<String, Value>, style: Style) -> String {
    let text = |key| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let paint = Paint(style == Style::Human { colour: true });
    let is_human = style != Style::Full;
    let time = text("timestamp");
    let time = if is_human {
        time.get(11..23).unwrap_or(time)
    } else {
        time
    };
    let level = text("level");
    let mut out = format!("{} {}", paint.dim(time), paint.level(level));
    let (scraper, site) = (text("scraper_id"), text("site"));
    if !scraper.is_empty() {
        let _ = write!(out, " {}", paint.bold(&plain(scraper)));
        if !is_human && !site.is_empty() {
            let _ = write!(out, "@{}", plain(site));
        }
    } else if text("target") != "dragline" {
        let _ = write!(out, " {}:", paint.dim(&plain(text("target"))));
    }
    for key in ["event_type", "message"] {
        if !text(key).is_empty() {
            let _ = write!(out, " {}", plain(text(key)));
        }
    }
    for (key, value) in fields {
        // The end of a run has many counts that are 0 for most scrapers.
        let is_nothing = text("event_type") == "scraper_end" && *value == 0;
        let is_hidden = is_human && (key == "run_id" || key == "traceback" || is_nothing);
        if !SHOWN.contains(&&**key) && !is_hidden {
            let _ = write!(
                out,
                " {}{}",
                paint.dim(&format!("{key}=")),
                plain_value(value)
            );
        }
    }
    if is_human {
        for line in text("traceback").lines() {
            let _ = write!(out, "\n    {}", plain(line));
        }
    }
    out.push('\n');
    out
}

/// Renders a value after its key. A single word is not quoted.
fn plain_value(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let is_word = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
            if !text.is_empty() && text.chars().all(is_word) {
                text.clone()
            } else {
                plain(&value.to_string())
            }
        }
        other => plain(&other.to_string()),
    }
}

/// Escapes line breaks and control characters that a terminal would interpret.
fn plain(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    let shown = |c: char| -> String {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(shown).collect()
}

/// Adds colours, if enabled.
struct Paint(bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn level(&self, level: &str) -> String {
        let code = match level {
            "ERROR" => "31;1",
            "WARN" => "33",
            "INFO" => "32",
            _ => "34",
        };
        self.with(code, &format!("{level:<5}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
