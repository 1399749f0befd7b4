//! Converts objects in Node's notation (`util.inspect`, `console.log`) to JSON: keys without quotes, strings in any
//! of three quotes, `undefined`, `[Object]`, class names
//! (<https://nodejs.org/api/util.html#utilinspectobject-options>).

/// Maximum nesting depth of values.
const DEEPEST: usize = 64;

/// The JSON of such an object. `None` if the text is not one.
pub(crate) fn to_json(text: &str) -> Option<String> {
    let mut reader = Reader {
        rest: text.trim(),
        json: String::with_capacity(text.len()),
    };
    if !reader.rest.starts_with('{') {
        return None;
    }
    reader.value(0)?;
    reader.rest.trim().is_empty().then_some(reader.json)
}

struct Reader<'t> {
    rest: &'t str,
    json: String,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn takes(&mut self, sign: char) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        self.skip();
        match self.rest.chars().next()? {
            '{' => self.object(depth),
            '[' => self.list(depth),
            '\'' | '"' | '`' => self.text(),
            _ => match error_end(self.rest) {
                Some(end) => self.error(end, depth),
                None => self.word(depth),
            },
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.rest = &self.rest[1..];
        self.json.push('{');
        let mut is_first = true;
        while !self.takes('}') {
            if !is_first {
                self.json.push(',');
            }
            is_first = false;
            self.key()?;
            self.json.push(':');
            self.value(depth + 1)?;
            let is_end = self.rest.trim_start().starts_with('}');
            if !self.takes(',') && !is_end {
                return None;
            }
        }
        self.json.push('}');
        Some(())
    }

    /// `key:`, `'key':`, `[cause]:`, the `=>` of a map, and Ruby's `:key=>`.
    fn key(&mut self) -> Option<()> {
        self.skip();
        let is_symbol = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '"');
        if let Some(symbol) = self.rest.strip_prefix(':')
            && symbol.starts_with(is_symbol)
        {
            self.rest = symbol;
            let end = symbol.find("=>").filter(|_| !symbol.starts_with('"'));
            if let Some(end) = end {
                self.quote(symbol[..end].trim());
                self.rest = &symbol[end..];
            }
        }
        if self.rest.starts_with("=>") {
            // The symbol was taken.
        } else if self.rest.starts_with(['\'', '"']) {
            self.text()?;
        } else {
            let end = self.rest.find([':', ',', '{', '}', '\n', '\'', '"'])?;
            let key = self.rest[..end].trim_matches(['[', ']', ' ']);
            let is_key = !key.is_empty() && !key.contains(char::is_whitespace);
            is_key.then(|| self.quote(key))?;
            self.rest = &self.rest[end..];
        }
        self.skip();
        let rest = self
            .rest
            .strip_prefix(':')
            .or_else(|| self.rest.strip_prefix("=>"))?;
        self.rest = rest;
        Some(())
    }

    fn list(&mut self, depth: usize) -> Option<()> {
        // `[Object]`, `[Function: f]`, `[Circular *1]`: placeholders without content.
        let inner = &self.rest[1..];
        let end = inner.find([']', ',', '\n', '{', '\'']).unwrap_or(0);
        let told = &inner[..end];
        if inner[end..].starts_with(']') && told.starts_with(|c: char| c.is_ascii_uppercase()) {
            self.quote(&self.rest[..end + 2]);
            self.rest = &inner[end + 1..];
            return Some(());
        }
        self.rest = inner;
        self.json.push('[');
        let mut is_first = true;
        while !self.takes(']') {
            if self.rest.starts_with("... ") {
                // `... 12 more items`
                self.rest = &self.rest[self.rest.find(['\n', ']'])?..];
                continue;
            }
            if !is_first {
                self.json.push(',');
            }
            is_first = false;
            self.value(depth + 1)?;
            let is_end = self.rest.trim_start().starts_with(']');
            if !self.takes(',') && !is_end {
                return None;
            }
        }
        self.json.push(']');
        Some(())
    }

    /// A quoted string, including parts that `+` appends on the following lines.
    fn text(&mut self) -> Option<()> {
        let mut text = String::new();
        loop {
            let quote = self.rest.chars().next()?;
            let mut chars = self.rest[1..].char_indices();
            let end = loop {
                match chars.next()? {
                    (_, '\\') => match chars.next()?.1 {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        other => text.push(other),
                    },
                    (at, c) if c == quote => break at,
                    (_, c) => text.push(c),
                }
            };
            self.rest = &self.rest[end + 2..];
            let more = self
                .rest
                .trim_start()
                .strip_prefix('+')
                .map(str::trim_start);
            match more.filter(|more| more.starts_with(['\'', '"', '`'])) {
                Some(more) => self.rest = more,
                None => break,
            }
        }
        self.quote(&text);
        Some(())
    }

    /// An error with its stack, up to `end`, and its properties.
    fn error(&mut self, end: usize, depth: usize) -> Option<()> {
        let text = self.rest[..end].trim_end();
        let has_properties = text.ends_with(" {");
        let text = text.trim_end_matches([',', '{', ' ']);
        self.quote(text);
        let written = self.json.len();
        self.rest = &self.rest[text.len()..];
        if has_properties {
            self.value(depth + 1)?;
            self.json.truncate(written);
        }
        Some(())
    }

    /// A number, a time, a word, or a class name before an object.
    fn word(&mut self, depth: usize) -> Option<()> {
        let end = self.rest.find([',', '}', ']', '\n', '{', '[', '\'', '"']);
        let end = end.unwrap_or(self.rest.len());
        let word = self.rest[..end].trim();
        if word.is_empty() {
            return None;
        }
        let behind = &self.rest[end..];
        // `Product {`, `Map(2) {`, `Set(1) [`
        let is_class = behind.starts_with(['{', '[']) && self.rest[..end].ends_with(' ');
        self.rest = behind;
        if is_class {
            return self.value(depth + 1);
        }
        match word {
            "undefined" | "nil" | "NaN" | "Infinity" | "-Infinity" => self.json.push_str("null"),
            "true" | "false" | "null" => self.json.push_str(word),
            "-0" => self.json.push('0'),
            _ => match word.trim_end_matches('n').parse::<serde_json::Number>() {
                Ok(number) => self.json.push_str(&number.to_string()),
                Err(_) => self.quote(word),
            },
        }
        Some(())
    }

    fn quote(&mut self, text: &str) {
        self.json
            .push_str(&serde_json::Value::from(text).to_string());
    }
}

/// The end of an error at the start of a text: of the last line of its stack.
fn error_end(text: &str) -> Option<usize> {
    let first = text.split('\n').next()?;
    let name = first.split([':', ' ', '[']).next()?;
    let is_error = (name.ends_with("Error") || name.ends_with("Exception"))
        && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_error {
        return None;
    }
    let mut end = first.len();
    for line in text.get(end + 1..)?.split('\n') {
        if !line.trim_start().starts_with("at ") {
            break;
        }
        end += 1 + line.len();
    }
    (end > first.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shown_objects_become_json() {
        for (shown, json) in [
            (
                "{ level: 'info', 'a-b': \"it's\", n: -1.5 }",
                r#"{"level":"info","a-b":"it's","n":-1.5}"#,
            ),
            (
                "{\n  at: 2026-12-01T00:08:05.872Z,\n  u: undefined,\n  big: 12n\n}",
                r#"{"at":"2026-12-01T00:08:05.872Z","u":null,"big":12}"#,
            ),
            (
                "{ a: [ 1, 2,\n ... 3 more items\n ], o: [Object], f: [Function: f] }",
                r#"{"a":[1,2],"o":"[Object]","f":"[Function: f]"}"#,
            ),
            (
                "{ p: Product { x: 1 }, m: Map(1) { 'k' => 2 }, [cause]: null }",
                r#"{"p":{"x":1},"m":{"k":2},"cause":null}"#,
            ),
            ("{ t: 'a\\n' +\n    'b' }", r#"{"t":"a\nb"}"#),
            (
                "{:url=>\"x\", :n=>200, :\"a b\"=>nil, \"c\"=>{:d=>[1, :e]}}",
                r#"{"url":"x","n":200,"a b":null,"c":{"d":[1,":e"]}}"#,
            ),
            (
                "{\n  cause: TypeError: no (reading 'x')\n      at f (a.js:1:2)\n      at g (b.js:1:2),\n  n: 1\n}",
                r#"{"cause":"TypeError: no (reading 'x')\n      at f (a.js:1:2)\n      at g (b.js:1:2)","n":1}"#,
            ),
            (
                "{ e: Error: no\n    at f (a.js:1:2) {\n  code: 'X'\n} }",
                r#"{"e":"Error: no\n    at f (a.js:1:2)"}"#,
            ),
        ] {
            assert_eq!(to_json(shown).as_deref(), Some(json), "{shown}");
        }
        for other in [
            "{",
            "{ a }",
            "{ a: }",
            "[1]",
            "x",
            "{ a: 'b }",
            "{ a: 1 } b",
        ] {
            assert_eq!(to_json(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_is_json(text in "\\{( a: |'|\"|1|,|\\{|\\}|\\[|\\]|\n|x|\\\\|\\PC{0,3}){0,16}\\}") {
            if let Some(json) = to_json(&text) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{} of {}", json, text);
            }
        }
    }
}
