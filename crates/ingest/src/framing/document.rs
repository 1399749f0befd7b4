//! JSON and similar object notations that are not one object per line: objects and arrays over several lines,
//! objects that follow each other without a line end, or with commas or separators between them.
//!
//! Members of a list are returned one by one, each as soon as it is complete. So a list may have any length.

use dragline_schema::Position;

/// Maximum size of an object's text.
const MAX_OBJECT: usize = 8 << 20;

/// An open JSON value.
pub(crate) struct Document {
    text: String,
    depth: usize,
    /// The nesting depth of the objects to return: 1 within a list, otherwise 0.
    base: usize,
    /// The quote character of the open string. JSON has one, other notations have several.
    quote: Option<u8>,
    escaped: bool,
    /// Position of the first line.
    pub(crate) at: Position,
    /// Number of lines of the open object.
    lines: usize,
    /// Whether any object was completed.
    has_given: bool,
}

/// How a line relates to an open value.
pub(crate) enum Taken {
    /// The value continues after this line. Contains the objects completed so far.
    Open(Vec<String>),
    /// The value ends with this line.
    Whole(Vec<String>),
    /// The line does not belong to the value, or only its start does. Contains the objects completed before that.
    Broken(Vec<String>),
}

impl Document {
    /// Whether a line starts a value of several lines: an opening bracket that is not closed on the same line.
    pub(crate) fn begins(line: &str) -> bool {
        let line = line.trim_end();
        match line.as_bytes() {
            [b'{' | b'['] => true,
            // `{"a": {` and `{"a": 1,`: the ways in which printers break lines.
            [b'{', b'"', .., b',' | b'{' | b'[']
            | [b'[', b'{', .., b',' | b'{' | b'[']
            | [b'[', b'{'] => {
                let mut document = Self::new(Position::default());
                document.feed(line).is_ok() && document.depth > 0 && document.quote.is_none()
            }
            _ => false,
        }
    }

    pub(crate) fn new(at: Position) -> Self {
        Self {
            text: String::new(),
            depth: 0,
            base: 0,
            quote: None,
            escaped: false,
            at,
            lines: 0,
            has_given: false,
        }
    }

    /// Whether no object is open.
    pub(crate) fn is_between(&self) -> bool {
        self.depth == self.base
    }

    /// Whether the last line started the open object.
    pub(crate) fn has_just_begun(&self) -> bool {
        self.lines == 0 && !self.is_between()
    }

    /// The text of the open object so far. For a list without any object, its bracket.
    pub(crate) fn text(&self) -> &str {
        match &*self.text {
            "" if !self.has_given => "[",
            text => text,
        }
    }

    /// Consumes the next line.
    pub(crate) fn go_on(&mut self, line: &str) -> Taken {
        let first = line.as_bytes().first().copied().unwrap_or(b' ');
        let is_part = matches!(
            first,
            b' ' | b'\t' | b'{' | b'}' | b'[' | b']' | b',' | b'"'
        ) || self.depth == self.base;
        // A separate record where a member should be: the open value will never end.
        let is_other = first == b'{'
            && self.depth > self.base
            && line.len() > 1
            && self.lines > 0
            && !self.text.trim_end().ends_with([':', ',', '[', '{']);
        if !is_part || is_other || self.text.len() + line.len() > MAX_OBJECT {
            return Taken::Broken(Vec::new());
        }
        self.lines += 1;
        match self.feed(line) {
            Err(whole) => Taken::Broken(whole),
            Ok(whole) if self.depth == 0 => Taken::Whole(whole),
            Ok(whole) => Taken::Open(whole),
        }
    }

    /// Consumes a text and returns the objects completed in it. Returns them as an error if invalid JSON follows.
    fn feed(&mut self, text: &str) -> Result<Vec<String>, Vec<String>> {
        let mut whole = Vec::new();
        let mut begin = (self.depth > self.base).then_some(0);
        for (at, byte) in text.bytes().enumerate() {
            if let Some(quote) = self.quote {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    _ if byte == quote => self.quote = None,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'[' if self.depth == 0 => {
                    self.depth = 1;
                    self.base = 1;
                }
                b'{' | b'[' => {
                    if self.depth == self.base {
                        begin = Some(at);
                        self.lines = 0;
                    }
                    self.depth += 1;
                }
                b'}' | b']' => {
                    let Some(depth) = self.depth.checked_sub(1) else {
                        self.has_given |= !whole.is_empty();
                        return Err(whole);
                    };
                    self.depth = depth;
                    if self.depth == self.base
                        && let Some(begin) = begin.take()
                    {
                        self.text.push_str(&text[begin..=at]);
                        whole.push(std::mem::take(&mut self.text));
                    } else if self.depth < self.base {
                        self.base = 0;
                    }
                }
                b'"' | b'\'' if self.depth > self.base => self.quote = Some(byte),
                b' ' | b'\t' | b',' | b'\r' | 0x1e => {}
                // Only separators may appear between the values of a list.
                _ if self.depth == self.base => {
                    self.has_given |= !whole.is_empty();
                    return Err(whole);
                }
                _ => {}
            }
        }
        if let Some(begin) = begin {
            self.text.push_str(&text[begin..]);
            self.text.push('\n');
        }
        self.has_given |= !whole.is_empty();
        Ok(whole)
    }
}

/// The objects of a line that holds several, or one with separators around it. `None` if the line holds anything
/// else.
pub(crate) fn objects(line: &str) -> Option<Vec<String>> {
    let mut document = Document::new(Position::default());
    let line = line.trim_matches(['\u{1e}', ' ']);
    let whole = document.feed(line).ok()?;
    (document.depth == 0 && !whole.is_empty()).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, bool) {
        let mut document = Document::new(Position::default());
        let mut all = Vec::new();
        for line in text.lines() {
            match document.go_on(line) {
                Taken::Open(whole) => all.extend(whole),
                Taken::Whole(whole) => {
                    all.extend(whole);
                    return (all, true);
                }
                Taken::Broken(whole) => {
                    all.extend(whole);
                    return (all, false);
                }
            }
        }
        (all, false)
    }

    #[test]
    fn values_over_lines_are_taken_apart() {
        let (found, is_whole) = read("{\n  \"a\": {\n  },\n  \"b\": \"}{\"\n}\n");
        assert!(is_whole && found.len() == 1, "{found:?}");
        let (found, is_whole) = read("[\n  {\n    \"a\": [1, 2]\n  },\n  {\"b\": 2}\n]\n");
        assert!(is_whole);
        assert_eq!(found, ["{\n    \"a\": [1, 2]\n  }", "{\"b\": 2}"]);
        assert!(!read("{\n2026-03-04 x\n").1);
        let (found, is_whole) = read("[\n  {\n    \"a\": 1\n  }, what\n");
        assert_eq!((found.len(), is_whole), (1, false));
        assert!(Document::begins("{ ") && Document::begins("[") && !Document::begins("{\"a\":1}"));
        assert!(!Document::begins("{\"a\":\"torn, {"));
    }

    #[test]
    fn several_on_a_line_are_taken_apart() {
        for (line, count) in [
            ("{\"a\":1}{\"b\":\"}\"}", 2),
            ("[{\"a\":1},{\"b\":2}]", 2),
            ("{\"a\":1},", 1),
            ("\u{1e}{\"a\":1}", 1),
            ("[{\"a\":1}", 0),
            ("{\"a\":1} x", 0),
            ("[INFO] x", 0),
        ] {
            assert_eq!(
                objects(line).map_or(0, |found| found.len()),
                count,
                "{line}"
            );
        }
    }
}
