//! Decides whether a line belongs to the record before it.
//!
//! It does if it looks like a continuation: indented, blank, a stack frame, a table, or the rest of a text that the
//! record started. Any other line starts something new: a record, a crash, or a line of unknown format.

/// State of a record's text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Body {
    /// Number of open brackets.
    depth: i32,
    /// Whether the last line announces more text: it ends with a colon or an opening bracket.
    announces: bool,
    /// Whether the first line announced a text. That text continues whatever its lines look like.
    is_quoting: bool,
    /// Whether the text is between two rulers, with which Playwright encloses its logs.
    is_ruled: bool,
    /// Whether the last line announces a bracket alone on the next one: PHP's `print_r`.
    announces_bracket: bool,
    until: Until,
    lines: u32,
}

/// What ends a text whose further lines the logger does not indent, besides the next head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Until {
    /// A line that does not look like a part of it.
    #[default]
    Shape,
    /// A blank line.
    Blank,
    /// A line with one of the [`Body::SIGNS`] at its end.
    Sign,
    /// Nothing but the next head.
    Head,
}

/// Maximum number of lines of a text with open brackets.
const MOST_LINES: u32 = 5000;

impl Body {
    /// The last signs of Monolog's records.
    pub(crate) const SIGNS: [char; 3] = [' ', ']', '}'];

    /// Sets what ends the body.
    pub(crate) fn go_on_until(&mut self, until: Until) {
        self.until = until;
    }

    /// The body of a record whose message only starts here.
    pub(crate) fn restarted(&self, message: &str) -> Self {
        Self {
            until: self.until,
            ..Self::of(message)
        }
    }

    /// The body that starts with a message.
    pub(crate) fn of(message: &str) -> Self {
        let mut body = Self::default();
        body.count(message);
        body
    }

    fn count(&mut self, line: &str) {
        self.is_ruled ^= line.starts_with("=====");
        let bytes = line.as_bytes();
        self.depth += memchr::memchr3_iter(b'{', b'[', b'(', bytes).count() as i32;
        self.depth -= memchr::memchr3_iter(b'}', b']', b')', bytes).count() as i32;
        let end = line.trim_end();
        // Scrapy writes the item on the next line.
        self.announces = end.ends_with([':', '=', '{', '[', '(', ',', '\\'])
            || (self.lines == 0 && line.starts_with("Scraped from <"));
        // Fast path: the last byte.
        self.announces_bracket = matches!(end.as_bytes().last(), Some(b'y' | b't'))
            && (end.ends_with("Array") || end.ends_with(" Object"));
        self.lines += 1;
    }

    /// Whether brackets are open.
    pub(crate) fn is_open(&self) -> bool {
        self.depth > 0
    }

    /// Whether the next line belongs to the body, whatever it looks like.
    pub(crate) fn awaits(&self) -> bool {
        self.depth > 0 || self.is_ruled || (self.announces && self.lines == 1)
    }

    /// Whether the text is one that the first line announced, with a colon at its end.
    pub(crate) fn quotes(&self) -> bool {
        self.is_quoting && self.lines < MOST_LINES
    }

    /// Whether the next line belongs to the body. If so, counts it.
    pub(crate) fn takes(&mut self, line: &str) -> bool {
        let is_own = self.belongs(line);
        if is_own {
            self.is_quoting |= self.lines == 1 && self.announces && !line.trim().is_empty();
            self.count(line);
            let is_over = match self.until {
                Until::Blank => line.trim().is_empty(),
                Until::Sign => line.ends_with(Self::SIGNS),
                Until::Shape | Until::Head => false,
            };
            if is_over {
                self.until = Until::Shape;
            }
        }
        is_own
    }

    fn belongs(&self, line: &str) -> bool {
        let Some(first) = line.bytes().next() else {
            return true;
        };
        if matches!(first, b' ' | b'\t') || line.trim().is_empty() {
            return true;
        }
        if (self.depth > 0 || self.is_ruled) && self.lines < MOST_LINES {
            return true;
        }
        if (self.is_quoting || self.until != Until::Shape) && self.lines < MOST_LINES {
            return true;
        }
        if self.announces_bracket && line == "(" {
            return true;
        }
        let opens = matches!(first, b'{' | b'[' | b'<' | b'(' | b'"' | b'\'');
        if self.announces && (opens || self.lines == 1) {
            return true;
        }
        is_part(line)
    }
}

/// Starts of lines that never start a record in any log.
const BEGINNINGS: [&str; 62] = [
    "Stack (most recent call last)",
    "Wrapped by:",
    "The above exception was ",
    "╔",
    "║",
    "╚",
    "╟",
    "╠",
    "For more information check: ",
    "Stack backtrace:",
    "error stack:",
    "> ",
    "Stacktrace:",
    "Stack Trace:",
    "source_traceback: ",
    "File \"",
    "future: <",
    "task: <",
    "client_session: <",
    "connections: [",
    "connections: <",
    "handle: <",
    "protocol: <",
    "transport: <",
    "[s] ",
    "In [",
    "Out[",
    "Note: ",
    "Logged from file",
    "│",
    "┌",
    "├",
    "└",
    "╭",
    "╰",
    "❱",
    "─",
    "┏",
    "┃",
    "┡",
    "┗",
    "+--",
    "|",
    "}",
    "]",
    ")",
    "#0 ",
    "#1 ",
    "#2 ",
    "Caused by:",
    "... ",
    "Suppressed:",
    "[stacktrace]",
    "[previous exception]",
    "Stack trace:",
    "Call log:",
    "   at ",
    "--- End of",
    "-->",
    "======",
    "===== Luigi ",
    "\"}",
];

/// Whether a line never starts a record in any log.
fn is_part(line: &str) -> bool {
    let begins = |begin: &&str| line.starts_with(*begin);
    if BEGINNINGS.iter().any(begins) || super::crash::is_of_selenium(line) {
        return true;
    }
    // Other Python stacks: of a task, of a coroutine, of the logging call.
    if line.contains("(most recent call last)") && !line.contains("Traceback") {
        return true;
    }
    if super::crash::is_ruby_frame(line) && !line.trim_end().ends_with(')') {
        return true;
    }
    // PHP frames: `#12 /app/…`.
    line.strip_prefix('#').is_some_and(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && rest[digits..].starts_with(' ')
    })
}

/// `Type: message`: the form of an error on the line after the record that reports it.
pub(crate) fn is_typed(line: &str) -> bool {
    let Some((name, _)) = line.split_once(": ") else {
        return false;
    };
    let has_hump = name
        .bytes()
        .zip(name.bytes().skip(1))
        .any(|(a, b)| a.is_ascii_lowercase() && b.is_ascii_uppercase());
    has_hump
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}

/// A function name in the form that Go's loggers use in stacks: `net/http.(*Transport).RoundTrip`.
pub(crate) fn is_go_frame(line: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b"_./()*{}[]-,%".contains(&b) || b >= 0x80;
    line.starts_with(|c: char| c.is_ascii_lowercase())
        && line.contains('.')
        && !line.ends_with('.')
        && line.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_part_is_one() {
        let takes = |message: &str, line: &str| Body::of(message).takes(line);
        for line in [
            "",
            "  indented",
            "\tat x",
            "│ requests │",
            "}",
            "#12 /app/x.php(3): y()",
        ] {
            assert!(takes("it failed", line), "{line}");
        }
        for line in [
            "Traceback (most recent call last):",
            "item saved",
            "ValueError: x",
            "{\"a\": 1}",
            "done",
        ] {
            assert!(!takes("it failed", line), "{line}");
        }
        assert!(takes("settings:", "{'A': 1}"));
        assert!(takes("got {'a': 1,", "'b': 2}"));
    }
}
