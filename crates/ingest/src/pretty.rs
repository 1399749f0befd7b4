//! JSON objects over many lines, one after the other, as `JSON.stringify(x, null, 2)` writes them.

use dragline_schema::Position;

/// An object's text is kept up to this size.
const MAX_OBJECT: usize = 1 << 20;

/// An object that has begun.
pub(crate) struct Pretty {
    text: String,
    /// Where its first line stands.
    pub(crate) at: Position,
}

/// What a line makes of an open object.
pub(crate) enum Object {
    /// There is more of it.
    Open,
    /// The line was its last.
    Whole(String),
    /// The line is none of it.
    Broken,
}

impl Pretty {
    /// Whether a line begins an object: nothing but a brace, at the line's start.
    pub(crate) fn begins(line: &str) -> bool {
        line.starts_with('{') && line[1..].trim_end().is_empty()
    }

    pub(crate) fn new(line: &str, at: Position) -> Self {
        Self {
            text: line.to_owned(),
            at,
        }
    }

    /// What came of it so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Takes the next line. All lines but the last are indented.
    pub(crate) fn go_on(&mut self, line: &str) -> Object {
        let is_last = line.trim_end().trim_end_matches(',') == "}";
        if !is_last && !line.starts_with([' ', '\t']) {
            return Object::Broken;
        }
        if self.text.len() + line.len() > MAX_OBJECT {
            return Object::Broken;
        }
        self.text.push('\n');
        if !is_last {
            self.text.push_str(line);
            return Object::Open;
        }
        self.text.push('}');
        Object::Whole(std::mem::take(&mut self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_ends_with_a_brace_at_a_lines_start() {
        let mut object = Pretty::new("{", Position::default());
        assert!(matches!(object.go_on("  \"a\": {"), Object::Open));
        assert!(matches!(object.go_on("  },"), Object::Open));
        assert!(matches!(object.go_on("  \"b\": 1"), Object::Open));
        let Object::Whole(text) = object.go_on("}") else {
            panic!("not whole")
        };
        assert_eq!(text, "{\n  \"a\": {\n  },\n  \"b\": 1\n}");
        let mut object = Pretty::new("{", Position::default());
        assert!(matches!(object.go_on("2026-03-04 x"), Object::Broken));
        assert!(Pretty::begins("{ ") && !Pretty::begins("{\"a\":1}") && !Pretty::begins("["));
    }
}
