//! Splits a line into words and replaces the variable parts.

/// The placeholder for a variable part.
pub(super) const VARIABLE: &str = "<*>";

/// Top-level domains that mark a dotted name as a host; only those common in logs.
const DOMAINS: [&str; 24] = [
    "com",
    "net",
    "org",
    "edu",
    "gov",
    "io",
    "de",
    "hk",
    "cn",
    "jp",
    "uk",
    "fr",
    "ru",
    "info",
    "tw",
    "br",
    "it",
    "nl",
    "us",
    "eu",
    "ch",
    "at",
    "local",
    "localdomain",
];
/// Words in dates; variable when next to a number.
const CALENDAR: [&str; 30] = [
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun",
    "jul", "aug", "sep", "oct", "nov", "dec", "am", "pm", "utc", "gmt", "edt", "est", "pst", "cst",
    "cest", "cet", "pdt",
];
/// Units, which are merged into the number before them.
const UNITS: [&str; 35] = [
    "bytes", "byte", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "b", "k", "m", "ms", "us", "ns",
    "s", "sec", "secs", "second", "seconds", "min", "mins", "minutes", "minute", "h", "hour",
    "hours", "days", "day", "times", "time", "px", "chars", "rows", "%",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Variable,
    /// A word or a punctuation mark, as a range of the line.
    Text(u32, u32),
}

/// The tokens of one line; reused between lines to avoid allocation.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    found: Vec<Token>,
    kept: Vec<Token>,
}

impl Tokens {
    /// Writes the line's tokens into `into`, separated by spaces.
    ///
    /// Numbers, ids, paths, hosts, addresses, dates, values after `=` and quoted sentences become
    /// `<*>`; a list of them becomes a single `<*>`. Full stops at the end of a sentence are dropped.
    pub(super) fn mask(&mut self, line: &str, into: &mut String) {
        self.scan(line.as_bytes());
        self.fold(line);
        into.clear();
        for token in &self.kept {
            if !into.is_empty() {
                into.push(' ');
            }
            into.push_str(text_of(line, *token));
        }
    }

    fn scan(&mut self, line: &[u8]) {
        self.found.clear();
        let mut at = 0;
        let mut after_equals = false;
        while at < line.len() {
            let byte = line[at];
            if byte.is_ascii_whitespace() {
                (at, after_equals) = (at + 1, false);
            } else if let Some(end) = special(line, at) {
                self.found.push(Token::Variable);
                (at, after_equals) = (end, false);
            } else if is_word(byte) {
                let end = end_of(line, at, is_word);
                self.word(line, at, end, after_equals);
                (at, after_equals) = (end, false);
            } else {
                self.found.push(Token::Text(at as u32, at as u32 + 1));
                (at, after_equals) = (at + 1, byte == b'=');
            }
        }
    }

    fn word(&mut self, line: &[u8], start: usize, end: usize, is_value: bool) {
        let stops = line[start..end]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'.')
            .count();
        let end = end - stops;
        if start == end {
            let stop = Token::Text(start as u32, start as u32 + 1);
            let is_repeated = matches!(self.found.last(), Some(Token::Text(at, to)) if &line[*at as usize..*to as usize] == b".");
            if !is_repeated {
                self.found.push(stop);
            }
        } else if is_value || varies(&line[start..end]) {
            self.found.push(Token::Variable);
        } else {
            self.found.push(Token::Text(start as u32, end as u32));
        }
    }

    /// Merges tokens into the adjacent variable part: units, parts of dates, lists, sizes in parentheses.
    fn fold(&mut self, line: &str) {
        let kept = &mut self.kept;
        kept.clear();
        let is = |token: Option<&Token>, text: &str| {
            token.is_some_and(|token| text_of(line, *token) == text)
        };
        let in_calendar = |token: Option<&Token>| {
            token.is_some_and(|token| is_one_of(text_of(line, *token), &CALENDAR))
        };
        for (index, token) in self.found.iter().enumerate() {
            let mut token = *token;
            let after_variable = kept.last() == Some(&Token::Variable);
            if token != Token::Variable {
                let next = self.found.get(index + 1);
                let is_date = in_calendar(Some(&token))
                    && (after_variable || next == Some(&Token::Variable) || in_calendar(next));
                if is_date {
                    token = Token::Variable;
                } else if after_variable && is_one_of(text_of(line, token), &UNITS) {
                    continue;
                }
            }
            let before = |back: usize| kept.len().checked_sub(back).map(|place| kept[place]);
            if token == Token::Variable {
                if is(kept.last(), "<") {
                    kept.pop();
                }
                if kept.last() == Some(&Token::Variable) {
                    continue;
                }
                let joins = [",", ":", "-", ";", "x"]
                    .iter()
                    .any(|mark| is(kept.last(), mark));
                if joins && kept.len() >= 2 && kept[kept.len() - 2] == Token::Variable {
                    kept.pop();
                    continue;
                }
            } else if text_of(line, token) == ")" {
                let open = if before(1) == Some(Token::Variable) {
                    2
                } else {
                    1
                };
                if is(before(open).as_ref(), "(") && before(open + 1) == Some(Token::Variable) {
                    kept.truncate(kept.len() - open);
                    continue;
                }
            }
            kept.push(token);
        }
    }
}

fn text_of(line: &str, token: Token) -> &str {
    match token {
        Token::Variable => VARIABLE,
        // Ranges start and end at ASCII characters or at the ends of the line.
        Token::Text(start, end) => line.get(start as usize..end as usize).unwrap_or(VARIABLE),
    }
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    word.len() <= 11 && words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Letters of any script, digits, and the punctuation in names, paths and addresses.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || matches!(
            byte,
            b'_' | b'.'
                | b'-'
                | b'/'
                | b'\\'
                | b'@'
                | b'#'
                | b'$'
                | b'%'
                | b'*'
                | b'+'
                | b'~'
                | b'&'
        )
}

fn end_of(line: &[u8], start: usize, takes: impl Fn(u8) -> bool) -> usize {
    start
        + line[start..]
            .iter()
            .take_while(|byte| takes(**byte))
            .count()
}

/// Whether a word is a number, an id, a path, an address or a host.
fn varies(word: &[u8]) -> bool {
    let (mut slashes, mut stops, mut upper) = (0, 0, false);
    for byte in word {
        match byte {
            b'0'..=b'9' | b'@' | b'\\' => return true,
            b'/' => slashes += 1,
            b'.' => stops += 1,
            b'A'..=b'Z' => upper = true,
            _ => {}
        }
    }
    let is_path =
        slashes > 1 || (slashes > 0 && (stops > 0 || (word[0] == b'/' && word.len() > 1)));
    let last = || {
        word.rsplit(|byte| *byte == b'.')
            .next()
            .and_then(|part| std::str::from_utf8(part).ok())
    };
    is_path || (stops > 0 && !upper && last().is_some_and(|part| DOMAINS.contains(&part)))
}

/// The end of a variable part that is more than one word: a quoted sentence, a URL, a path with
/// unusual characters, an address of hexadecimal groups, a host with its port.
fn special(line: &[u8], at: usize) -> Option<usize> {
    let begins = at == 0 || !(line[at - 1].is_ascii_alphanumeric() || line[at - 1] >= 0x80);
    if !begins {
        return None;
    }
    match line[at] {
        quote @ (b'"' | b'\'') => quoted(line, at, quote),
        b'/' if at == 0 || line[at - 1] != b'.' => odd_path(line, at),
        byte if byte.is_ascii_alphanumeric() => {
            let end = end_of(line, at, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
            });
            match line.get(end) {
                Some(b':') if line[end..].starts_with(b"://") => Some(end_of(line, end, in_url)),
                Some(b':') => hex_groups(line, at).or_else(|| host_and_port(line, at, end)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The end of a quoted sentence without digits and slashes. Other quoted texts are split into words.
fn quoted(line: &[u8], at: usize, quote: u8) -> Option<usize> {
    let length = line[at + 1..]
        .iter()
        .take(200)
        .position(|byte| *byte == quote)?;
    let inside = &line[at + 1..at + 1 + length];
    let is_sentence = inside.contains(&b' ')
        && !inside
            .iter()
            .any(|byte| byte.is_ascii_digit() || *byte == b'/');
    let end = at + length + 2;
    let is_apart = quote == b'"' || !line.get(end).is_some_and(u8::is_ascii_alphanumeric);
    (is_sentence && is_apart).then_some(end)
}

fn in_url(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b')' | b']')
}

/// The end of a path `/a/…`, at white space, a quote, a bracket, a comma or a semicolon.
fn odd_path(line: &[u8], at: usize) -> Option<usize> {
    let end = end_of(line, at + 1, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
    });
    (end > at + 1 && line.get(end) == Some(&b'/')).then(|| {
        end_of(line, end, |byte| {
            in_url(byte) && !matches!(byte, b',' | b';')
        })
    })
}

/// The end of three or more groups of up to four hexadecimal digits separated by colons: MAC and IPv6 addresses.
fn hex_groups(line: &[u8], at: usize) -> Option<usize> {
    let end = end_of(line, at, |byte| byte.is_ascii_hexdigit() || byte == b':');
    let groups = &line[at..end];
    let is_group = |group: &[u8]| group.len() <= 4;
    let is_apart = !line.get(end).is_some_and(u8::is_ascii_alphanumeric);
    let is_address = || {
        groups.split(|byte| *byte == b':').all(is_group)
            && groups.split(|byte| *byte == b':').nth(2).is_some()
    };
    (is_apart && is_address()).then_some(end)
}

/// The end of a dotted name, a colon and a number.
fn host_and_port(line: &[u8], at: usize, end: usize) -> Option<usize> {
    let port = end_of(line, end + 1, |byte| byte.is_ascii_digit());
    (line[at..end].contains(&b'.') && port > end + 1).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(line: &str) -> String {
        let mut into = String::new();
        Tokens::default().mask(line, &mut into);
        into
    }

    #[test]
    fn what_varies_is_one_token() {
        for (line, masked) in [
            (
                "page 17 of https://shop.test/p/3?x=y failed.",
                "page <*> of <*> failed",
            ),
            ("took 3.2 seconds (try 2)", "took <*> ( try <*> )"),
            (
                "10.0.0.1:8080 close, 1268 bytes (1.23 KB) sent",
                "<*> close , <*> sent",
            ),
            (
                "connection from proxy.shop.com:80 at Fri Jul  1 07:57:30 2026",
                "connection from <*> at <*>",
            ),
            ("BSSID f8:4f:57:3b:ea:b2 lost", "BSSID <*> lost"),
            ("tag=\"View Lock\", name=android", "tag = <*> , name = <*>"),
            (
                "\"GET /v2/x/y?z=1&b HTTP/1.1\" status: 200",
                "\" GET <*> \" status : <*>",
            ),
            ("retries 0, 0, 5, 250 left", "retries <*> left"),
            ("größe unbekannt...", "größe unbekannt"),
        ] {
            assert_eq!(mask(line), masked);
        }
    }

    proptest! {
        #[test]
        fn any_line_is_masked(line in "\\PC{0,200}") {
            mask(&line);
        }

        #[test]
        fn numbers_leave_no_trace(a in 0u64..1_000_000, b in 0u64..1_000_000) {
            let line = |n: u64| format!("worker {n} of 10.0.0.{n} gave up on /p/{n} after {n} ms");
            prop_assert_eq!(mask(&line(a)), mask(&line(b)));
        }
    }
}
