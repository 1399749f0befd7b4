//! A slow model of the renderer: it parses the line and formats the values.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Style;

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

/// Renders one line, including the line feed. A line that is not in the wire format is shown unchanged.
pub(super) fn render(line: &[u8], style: Style) -> String {
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
