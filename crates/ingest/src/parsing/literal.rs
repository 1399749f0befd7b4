//! Python literals of a statistics dump: a `pprint`ed dict, which is not JSON.

use dragline_schema::Timestamp;

/// A value in the dump.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Int(i64),
    Float(f64),
    Text(String),
    Time(Timestamp),
    /// `None`, booleans, and all values that are not used.
    Other,
}

/// Maximum count. A larger number is an error and would overflow a sum.
const MAX_COUNT: u64 = 1_000_000_000_000_000;

impl Literal {
    /// The value as a count: a non-negative integer, in any notation.
    pub(crate) fn count(&self) -> Option<u64> {
        let count = match self {
            Self::Int(number) => u64::try_from(*number).ok()?,
            Self::Float(number) if *number >= 0.0 && number.fract() == 0.0 => *number as u64,
            _ => return None,
        };
        (count <= MAX_COUNT).then_some(count)
    }

    /// The value as a number.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }
}

/// Limit of the parser's work: maximum number of times each byte is read.
const WORK: usize = 64;
/// Maximum nesting depth.
const MAX_DEPTH: usize = 32;

/// Parses a dict with text keys. `None` if the text is not a dict.
pub(crate) fn parse_dict(text: &str) -> Option<Vec<(String, Literal)>> {
    let mut parser = Parser {
        rest: text,
        left: text.len() * WORK + WORK,
    };
    parser.dict(0)
}

/// Parses a dict with text keys, and also returns its values in their original notation. `None` if the text is not a
/// dict.
pub(crate) fn parse_settings(text: &str) -> Option<Vec<(String, Literal, &str)>> {
    let mut parser = Parser {
        rest: text,
        left: text.len() * WORK + WORK,
    };
    if !parser.eat('{') {
        return None;
    }
    let mut entries = Vec::new();
    while !parser.eat('}') {
        let key = parser.value(1)?;
        if !parser.eat(':') {
            return None;
        }
        let before = parser.rest;
        let value = parser.value_or_other(1)?;
        let raw = before[..before.len() - parser.rest.len()].trim();
        if let Literal::Text(key) = key {
            entries.push((key, value, raw));
        }
        if !parser.eat(',') {
            return parser.eat('}').then_some(entries);
        }
    }
    Some(entries)
}

struct Parser<'t> {
    rest: &'t str,
    /// Number of bytes that may still be read. Needed because unreadable text is read again at each depth.
    left: usize,
}

impl Parser<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Accounts for bytes that were read. `None` if the limit is exceeded.
    fn charge(&mut self, bytes: usize) -> Option<()> {
        self.left = self.left.checked_sub(bytes)?;
        Some(())
    }

    fn eat(&mut self, token: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn dict(&mut self, depth: usize) -> Option<Vec<(String, Literal)>> {
        if depth > MAX_DEPTH || !self.eat('{') {
            return None;
        }
        let mut entries = Vec::new();
        while !self.eat('}') {
            let key = self.value(depth + 1)?;
            if !self.eat(':') {
                return None;
            }
            let value = self.value_or_other(depth + 1)?;
            if let Literal::Text(key) = key {
                entries.push((key, value));
            }
            if !self.eat(',') {
                return self.eat('}').then_some(entries);
            }
        }
        Some(entries)
    }

    /// A value. Skips a value that cannot be parsed, such as `<object at 0x7f>` or a set.
    fn value_or_other(&mut self, depth: usize) -> Option<Literal> {
        let before = self.rest;
        let read = self.value(depth);
        self.skip_space();
        if read.is_some() && self.rest.starts_with([',', '}']) {
            return read;
        }
        self.rest = before;
        self.skip_value();
        let skipped = &before[..before.len() - self.rest.len()];
        self.charge(skipped.len())?;
        (!skipped.trim().is_empty() && !self.rest.is_empty()).then_some(Literal::Other)
    }

    /// Moves to the comma or the bracket after a value.
    fn skip_value(&mut self) {
        let mut open = 0usize;
        let mut quote = None;
        let mut is_escaped = false;
        for (at, c) in self.rest.char_indices() {
            match (quote, c) {
                _ if is_escaped => is_escaped = false,
                (Some(_), '\\') => is_escaped = true,
                (Some(own), c) if own == c => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None, '(' | '[' | '{' | '<') => open += 1,
                (None, ',' | '}') if open == 0 => {
                    self.rest = &self.rest[at..];
                    return;
                }
                (None, ')' | ']' | '}' | '>') => open = open.saturating_sub(1),
                _ => {}
            }
        }
        self.rest = "";
    }

    fn value(&mut self, depth: usize) -> Option<Literal> {
        self.charge(1)?;
        self.skip_space();
        match self.rest.chars().next()? {
            '\'' | '"' => self.text(),
            // Python 2 wrote `u'…'`, and bytes are `b'…'`.
            'u' | 'b' | 'r' | 'U' | 'B' | 'R' if self.rest[1..].starts_with(['\'', '"']) => {
                self.rest = &self.rest[1..];
                self.text()
            }
            '{' => self.dict(depth).map(|_| Literal::Other),
            open @ ('[' | '(') => self.sequence(open, depth),
            c if c.is_ascii_digit() || c == '-' || c == '.' => self.number(),
            c if c.is_alphabetic() || c == '_' => self.name(depth),
            _ => None,
        }
    }

    /// A string. Adjacent strings are concatenated.
    fn text(&mut self) -> Option<Literal> {
        let mut text = String::new();
        loop {
            let quote = self.rest.chars().next()?;
            let mut chars = self.rest[1..].char_indices();
            let end = loop {
                let (at, c) = chars.next()?;
                if c == quote {
                    break at;
                }
                if c != '\\' {
                    text.push(c);
                    continue;
                }
                match chars.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    // Codes such as \x00 are kept unchanged, because no caller needs them decoded.
                    c @ ('x' | 'u' | 'U') => text.extend(['\\', c]),
                    c => text.push(c),
                }
            };
            self.rest = &self.rest[1 + end + quote.len_utf8()..];
            self.charge(end)?;
            self.skip_space();
            if !self.rest.starts_with(['\'', '"']) {
                return Some(Literal::Text(text));
            }
        }
    }

    fn number(&mut self) -> Option<Literal> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E' | '_')))
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        // Python 2's long numbers.
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        number
            .parse()
            .map(Literal::Int)
            .or_else(|_| number.parse().map(Literal::Float))
            .ok()
    }

    fn sequence(&mut self, open: char, depth: usize) -> Option<Literal> {
        let close = if open == '[' { ']' } else { ')' };
        if depth > MAX_DEPTH || !self.eat(open) {
            return None;
        }
        while !self.eat(close) {
            self.value(depth + 1)?;
            // `name=value` in a call.
            if self.eat('=') {
                self.value(depth + 1)?;
            }
            if !self.eat(',') {
                return self.eat(close).then_some(Literal::Other);
            }
        }
        Some(Literal::Other)
    }

    /// A name, a constant or a call.
    fn name(&mut self, depth: usize) -> Option<Literal> {
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let arguments = rest;
        self.rest = rest;
        if !self.rest.starts_with('(') {
            return Some(Literal::Other);
        }
        self.sequence('(', depth)?;
        if name == "datetime.datetime" {
            let length = arguments.len() - self.rest.len();
            return Some(datetime(&arguments[1..length - 1]).map_or(Literal::Other, Literal::Time));
        }
        // A number in a library's type: `np.int64(1400)`, `Decimal('8')`.
        let length = arguments.len() - self.rest.len();
        let inside = arguments[1..length - 1].trim_matches(['\'', '"']);
        Some(inside.parse().map_or(Literal::Other, Literal::Int))
    }
}

/// `2026, 3, 4, 11, 22, 33, 123456, tzinfo=datetime.timezone.utc`. Without a time zone it is UTC, as in all of
/// Scrapy's statistics.
fn datetime(arguments: &str) -> Option<Timestamp> {
    let mut numbers = arguments
        .split(',')
        .map_while(|part| part.trim().parse::<i64>().ok());
    let mut next = || numbers.next();
    let date = jiff::civil::Date::new(
        next()?.try_into().ok()?,
        next()?.try_into().ok()?,
        next()?.try_into().ok()?,
    )
    .ok()?;
    let mut part = || next().unwrap_or(0);
    let time = jiff::civil::Time::new(
        part().try_into().ok()?,
        part().try_into().ok()?,
        part().try_into().ok()?,
        i32::try_from(part()).ok()?.checked_mul(1000)?,
    )
    .ok()?;
    jiff::tz::TimeZone::UTC
        .to_timestamp(date.to_datetime(time))
        .ok()
        .map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_read_costs_only_itself() {
        let text = r"{'sets': {'a', 'b'}, 'object': <shop.Item object at 0x7f, 'x'>, 'n': 3,
 'kind': <Kind.A: 1>, 'd': defaultdict(<class 'int'>, {'a': 1}), 'bytes': b'x', 'f': 8.0,
 'np': np.int64(1400), 'large': 36893488147419103232, 'last': 4}";
        let read = parse_dict(text).unwrap();
        let counts: Vec<(&str, u64)> = read
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), value.count()?)))
            .collect();
        assert_eq!(counts, [("n", 3), ("f", 8), ("np", 1400), ("last", 4)]);
        assert_eq!(read.len(), 10);
    }

    #[test]
    fn a_dump_is_read() {
        let text = r#"{'a/b': 3,
 "it's": 'x' 'y',
 'f': 1.5, 'n': None, 't': True, 'neg': -2,
 'when': datetime.datetime(2026, 3, 4, 11, 22, 33, 123456, tzinfo=datetime.timezone.utc),
 'day': datetime.datetime(2026, 3, 4, 0, 0),
 'nested': {'x': [1, (2,), {}]}, 'call': <skip>"#;
        let text = text.replace(", 'call': <skip>", ", 'call': f(a=1, b='}')}");
        let dict = parse_dict(&text).unwrap();
        let get = |key: &str| dict.iter().find(|(k, _)| k == key).unwrap().1.clone();
        assert_eq!(get("a/b"), Literal::Int(3));
        assert_eq!(get("it's"), Literal::Text("xy".into()));
        assert_eq!(get("f"), Literal::Float(1.5));
        assert_eq!(get("neg"), Literal::Int(-2));
        let time = |text| Literal::Time(Timestamp::parse(text).unwrap());
        assert_eq!(get("when"), time("2026-03-04T11:22:33.123456Z"));
        assert_eq!(get("day"), time("2026-03-04T00:00:00Z"));
        for other in ["n", "t", "nested", "call"] {
            assert_eq!(get(other), Literal::Other);
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_looked_at_for_ever() {
        // Each depth has a value that fails at its end, and another one after it.
        let text = "{'a': {'b': x y, 'c': ".repeat(28) + "?";
        assert_eq!(parse_dict(&text), None);
    }

    #[test]
    fn what_is_no_dict_is_refused() {
        for text in [
            "",
            "[]",
            "{'a' 1}",
            "{'a': }",
            "{'a': 1",
            "{'a': 'b",
            &"{'a':".repeat(1000),
        ] {
            assert_eq!(parse_dict(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[{}\\[\\]()'\",:a-c0-9. =\\\\ü-]{0,60}") {
            let _ = parse_dict(&text);
        }
    }
}
