//! The forms of messages: the words that recur in all messages of one statement of a program, and the parts that
//! vary between them.
//!
//! A form has no list of words. Two messages have the same form if they differ only in URLs, in words with digits,
//! in quoted texts and in values behind `key=`. [`super::learn`] judges by the varying parts whether a form reports
//! requests or items.

use std::hash::Hasher;
use std::iter::Peekable;
use std::str::SplitAsciiWhitespace;

use dragline_schema::host_of;
use rustc_hash::FxHasher;

use crate::parsing::duration;

/// Maximum number of words and bytes of a message that are looked at.
const MOST_WORDS: usize = 32;
const LONGEST: usize = 600;
/// Maximum number of varying parts that are kept.
pub(super) const MOST_PARTS: usize = 8;

/// A message, split into its form and its varying parts.
#[derive(Debug, Clone, Default)]
pub(super) struct Form<'m> {
    /// Equal for messages of the same form.
    pub(super) id: u64,
    /// The only URL; `None` if there are several.
    pub(super) url: Option<&'m str>,
    /// The first of all URLs.
    pub(super) first: Option<&'m str>,
    pub(super) urls: usize,
    parts: [Option<Part<'m>>; MOST_PARTS],
    len: usize,
}

/// A part that varies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Part<'m> {
    /// The key before the value, in `key=value` or `key: value`.
    pub(super) key: &'m str,
    pub(super) text: &'m str,
    /// The unit, directly after the number or as the next word.
    pub(super) unit: &'m str,
}

/// A word of a message, with what surrounds its varying part.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Token<'m> {
    /// A word without a varying part.
    Word(&'m str),
    /// The words of a name, as in `Item 17: Small blue teapot, price=24.73`; none of them recurs.
    Title,
    Url {
        before: &'m str,
        url: &'m str,
        after: &'m str,
    },
    /// A quoted text; its later words are skipped.
    Quoted {
        before: &'m str,
        part: Part<'m>,
    },
    /// A number with its unit, `after` included; the value of a key; or an id, of which nothing recurs.
    Number {
        before: &'m str,
        part: Part<'m>,
        after: &'m str,
    },
    Value {
        before: &'m str,
        part: Part<'m>,
    },
    Id {
        before: &'m str,
        part: Part<'m>,
    },
}

impl<'m> Form<'m> {
    /// Splits a message. `None` if it has several lines or is too long to be a statement's own words.
    pub(super) fn of(message: &'m str) -> Option<Self> {
        let mut form = Self::default();
        let mut hasher = FxHasher::default();
        for token in tokens(message)? {
            let (recurs, mark, part) = match token {
                Token::Word(word) => (word, b' ', None),
                Token::Title => ("", b'~', None),
                Token::Url { before, url, .. } => {
                    form.url = (form.urls == 0).then_some(url);
                    form.first = form.first.or(Some(url));
                    form.urls += 1;
                    (before, b'/', None)
                }
                Token::Quoted { before, part } => (before, b'"', Some(part)),
                Token::Value { before, part } => (before, b'=', Some(part)),
                Token::Id { before, part } => (before, b'*', Some(part)),
                Token::Number {
                    before,
                    part,
                    after,
                } => {
                    hasher.write(after.as_bytes());
                    (before, b'#', Some(part))
                }
            };
            hasher.write(recurs.as_bytes());
            hasher.write_u8(mark);
            if let Some(part) = part
                && let Some(place) = form.parts.get_mut(form.len)
            {
                *place = Some(part);
                form.len += 1;
            }
        }
        form.id = hasher.finish();
        Some(form)
    }

    /// The varying parts in their order.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part<'m>> {
        self.parts.into_iter().flatten()
    }

    pub(super) fn part(&self, index: usize) -> Option<Part<'m>> {
        self.parts.get(index).copied().flatten()
    }
}

/// A regular expression for all messages of a message's form, with groups named `url`, `status`, `bytes` and
/// `response_time_ms` or `response_time_seconds`, as `[[map.events]]` takes them. `None` if the message is too long or
/// has several lines.
///
/// ```
/// let pattern = dragline_ingest::message_pattern("munched https://shop.test/p/1 in 310 ms").unwrap();
/// assert_eq!(pattern, r"^munched\s+(?P<url>https?://\S+?)\s+in\s+(?P<response_time_ms>[\d.]+)\s+ms$");
/// ```
pub fn pattern(message: &str) -> Option<String> {
    let mut named: Vec<&str> = Vec::new();
    let mut group = |name: &'static str, pattern: &str| {
        if named.contains(&name) {
            return pattern.to_owned();
        }
        named.push(name);
        format!("(?P<{name}>{pattern})")
    };
    let words = tokens(message)?.map(|token| match token {
        Token::Word(word) => regex::escape(word),
        Token::Title => ".+?".to_owned(),
        Token::Url { before, after, .. } => {
            let url = group("url", r"https?://\S+?");
            format!("{}{url}{}", regex::escape(before), regex::escape(after))
        }
        Token::Quoted { before, .. } => format!("{}\"[^\"]*\"", regex::escape(before)),
        Token::Number {
            before,
            part,
            after,
        } => {
            let number = if part.status().is_some() && part.unit.is_empty() {
                group("status", r"\d{3}")
            } else if let Some(name) = part.duration_name() {
                group(name, r"[\d.]+")
            } else if part.bytes().is_some() && matches!(part.unit, "B" | "bytes" | "byte") {
                group("bytes", r"\d+")
            } else {
                r"[\d.,+-]+".to_owned()
            };
            format!("{}{number}{}", regex::escape(before), regex::escape(after))
        }
        Token::Value { before, .. } | Token::Id { before, .. } => {
            format!("{}\\S+", regex::escape(before))
        }
    });
    let words: Vec<String> = words.collect();
    let end = if words.len() < MOST_WORDS { "$" } else { "" };
    Some(format!("^{}{end}", words.join(r"\s+")))
}

/// The words of a message, without the later words of quoted texts.
fn tokens(message: &str) -> Option<impl Iterator<Item = Token<'_>>> {
    let is_one = memchr::memchr(b'\n', message.as_bytes()).is_none();
    (message.len() <= LONGEST && is_one).then(|| {
        Tokens {
            words: message.split_ascii_whitespace().peekable(),
            quote: None,
            key: "",
            is_behind_id: false,
        }
        .take(MOST_WORDS)
    })
}

struct Tokens<'m> {
    words: Peekable<SplitAsciiWhitespace<'m>>,
    /// The mark that ends the open quoted text.
    quote: Option<char>,
    /// The word before, if it is a key.
    key: &'m str,
    /// Whether the word before is an id or a number with a colon.
    is_behind_id: bool,
}

/// Maximum number of words of a title.
const LONGEST_TITLE: usize = 12;

impl Tokens<'_> {
    /// Skips a title that begins with `first`: a capital letter behind an id, words up to a comma, and then a key with
    /// its value. Words that say that something did not happen are no title.
    fn skip_title(&mut self, first: &str) -> bool {
        if !first.starts_with(char::is_uppercase) {
            return false;
        }
        let mut ahead = self.words.clone();
        let mut word = first;
        for _ in 0..LONGEST_TITLE {
            if word.contains('=') || url_at(word).is_some() || super::denial::is_denied(word) {
                return false;
            }
            let Some(next) = ahead.peek().copied() else {
                return false;
            };
            if word.ends_with([',', ';']) {
                let is_pair = next.split_once('=').is_some_and(|(name, _)| is_name(name));
                if is_pair {
                    self.words = ahead;
                }
                return is_pair;
            }
            ahead.next();
            word = next;
        }
        false
    }
}

impl<'m> Iterator for Tokens<'m> {
    type Item = Token<'m>;

    fn next(&mut self) -> Option<Token<'m>> {
        let mut word = self.words.next()?;
        while let Some(mark) = self.quote {
            self.quote = (!word.contains(mark)).then_some(mark);
            word = self.words.next()?;
        }
        let key = std::mem::take(&mut self.key);
        if std::mem::take(&mut self.is_behind_id) && self.skip_title(word) {
            return Some(Token::Title);
        }
        let part = |key, text, unit| Part { key, text, unit };
        if let Some(at) = url_at(word) {
            let (before, rest) = word.split_at(at);
            let url = rest.trim_end_matches(ENDS);
            let after = &rest[url.len()..];
            return Some(Token::Url { before, url, after });
        }
        if let Some((at, mark)) = quote_in(word) {
            let (before, text) = word.split_at(at);
            let is_closed = text.chars().skip(1).any(|c| c == mark);
            self.quote = (!is_closed).then_some(mark);
            let key = before.trim_end_matches(['=', ':']);
            let part = part(key, text, "");
            return Some(Token::Quoted { before, part });
        }
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '+' && c != '-');
        let start = word.len()
            - word
                .trim_start_matches(|c: char| !c.is_alphanumeric() && c != '+' && c != '-')
                .len();
        if let Some((name, value)) = bare.split_once('=').filter(|(name, _)| is_name(name)) {
            let before = &word[..=start + name.len()];
            let part = part(name, value, "");
            return Some(Token::Value { before, part });
        }
        // `Status:[200]`, `size:18kB`
        if let Some((name, value)) = bare.split_once(':').filter(|(name, _)| is_name(name)) {
            let value = value.trim_start_matches(['[', '(']);
            if value.starts_with(|c: char| c.is_ascii_digit()) {
                let before = &word[..start + bare.len() - value.len()];
                let part = part(name, value, "");
                return Some(Token::Value { before, part });
            }
        }
        if !bare.bytes().any(|byte| byte.is_ascii_digit()) {
            let is_key = |name: &&str| is_name(name);
            self.key = word.strip_suffix(':').filter(is_key).unwrap_or_default();
            return Some(Token::Word(word));
        }
        let before = &word[..start];
        self.is_behind_id = word.ends_with(':');
        let is_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '+' | '-');
        let number = bare.trim_start_matches(is_number);
        let (number, unit) = bare.split_at(bare.len() - number.len());
        let number = number.trim_end_matches(['.', ',', '-']);
        if number.is_empty() || unit.bytes().any(|byte| byte.is_ascii_digit()) {
            let part = part(key, bare, "");
            return Some(Token::Id { before, part });
        }
        let after = &word[start + number.len()..];
        let next = self.words.peek().copied().unwrap_or_default();
        let next = next.trim_end_matches(ENDS);
        let is_unit = |word: &&str| UNITS.contains(word);
        let unit = if unit.is_empty() {
            Some(next).filter(is_unit).unwrap_or_default()
        } else {
            unit.trim_end_matches(ENDS)
        };
        let part = part(key, number, unit);
        Some(Token::Number {
            before,
            part,
            after,
        })
    }
}

/// Units that follow a number as a word of their own.
const UNITS: [&str; 24] = [
    "ms",
    "msec",
    "millis",
    "milliseconds",
    "millisecond",
    "s",
    "sec",
    "secs",
    "second",
    "seconds",
    "us",
    "µs",
    "B",
    "bytes",
    "byte",
    "octets",
    "kB",
    "KB",
    "kb",
    "KiB",
    "MB",
    "MiB",
    "EUR",
    "USD",
];

/// Marks behind a word that do not belong to it.
const ENDS: [char; 9] = ['"', '\'', ')', '>', ']', ',', ';', ':', '.'];

impl Part<'_> {
    /// The part as an HTTP status.
    pub(super) fn status(&self) -> Option<u16> {
        let status = (self.text.len() == 3).then(|| self.text.parse().ok())??;
        (100..600).contains(&status).then_some(status)
    }

    /// The name of a duration's group in a pattern.
    fn duration_name(&self) -> Option<&'static str> {
        match self.unit {
            "ms" | "msec" | "millis" | "milliseconds" | "millisecond" => Some("response_time_ms"),
            "s" | "sec" | "secs" | "second" | "seconds" => Some("response_time_seconds"),
            _ => None,
        }
    }

    /// The part as a duration in milliseconds: with its unit, or with the unit in the key (`duration_ms=31`).
    pub(super) fn milliseconds(&self) -> Option<f64> {
        let number = || self.text.trim_start_matches('+').parse::<f64>().ok();
        let key = self.key.to_ascii_lowercase();
        let scale = match self.unit {
            "ms" | "msec" | "millis" | "milliseconds" | "millisecond" => Some(1.0),
            "s" | "sec" | "secs" | "second" | "seconds" => Some(1e3),
            "us" | "µs" | "μs" => Some(1e-3),
            _ if key.ends_with("_ms") || key.ends_with("millis") => Some(1.0),
            _ if key.ends_with("_s") || key.ends_with("seconds") || key.ends_with("secs") => {
                Some(1e3)
            }
            _ => None,
        };
        match scale {
            Some(scale) => number().map(|number| number * scale),
            // `took=0.31s`, `1m30.5s`
            None => self
                .text
                .ends_with(|c: char| c.is_ascii_alphabetic())
                .then(|| duration::milliseconds(self.text.trim_start_matches('+')))
                .flatten(),
        }
    }

    /// The part as a size in bytes.
    pub(super) fn bytes(&self) -> Option<u64> {
        let (number, unit) = if self.unit.is_empty() {
            let end = self.text.find(|c: char| c.is_ascii_alphabetic());
            self.text.split_at(end.unwrap_or(self.text.len()))
        } else {
            (self.text, self.unit)
        };
        let key = self.key.to_ascii_lowercase();
        let scale = match unit {
            "B" | "bytes" | "byte" | "octets" => 1.0,
            "kB" | "KB" | "kb" | "KiB" | "K" => 1024.0,
            "MB" | "MiB" | "M" => 1024.0 * 1024.0,
            "" if matches!(
                &*key,
                "bytes" | "size" | "length" | "content_length" | "len"
            ) =>
            {
                1.0
            }
            _ => return None,
        };
        let number: f64 = number.replace(',', "").parse().ok()?;
        (0.0..1e12)
            .contains(&number)
            .then_some((number * scale) as u64)
    }
}

/// Position of a quotation mark in a word, and the mark that closes it.
fn quote_in(word: &str) -> Option<(usize, char)> {
    let mut last = ' ';
    let (at, mark) = word.char_indices().find(|(_, c)| {
        // Within a word it is an apostrophe.
        let is_single = *c == '\'' && !last.is_alphanumeric();
        last = *c;
        is_single || matches!(c, '"' | '“')
    })?;
    Some((at, if mark == '“' { '”' } else { mark }))
}

/// Position of a URL in a word.
fn url_at(word: &str) -> Option<usize> {
    let at = word.find("http")?;
    let rest = &word[at..];
    let is_url = rest.starts_with("http://") || rest.starts_with("https://");
    (is_url && host_of(rest.trim_end_matches(ENDS)).is_some()).then_some(at)
}

/// Whether a text can be a key.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 40
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(message: &str) -> u64 {
        Form::of(message).expect("one line").id
    }

    #[test]
    fn messages_of_one_statement_have_one_form() {
        for (a, b) in [
            (
                "grabbed https://shop.test/p/1 0.31s 18kB",
                "grabbed https://shop.test/list?page=2 12.05s 3kB",
            ),
            (
                "got sku=A17 price=12.50 from https://shop.test/p/1",
                "got sku=chair price=1 from https://shop.test/p/2",
            ),
            ("\"Blue chair\" is in", "\"Table\" is in"),
            ("Parsed 'Kettle 2' 40.99 EUR", "Parsed 'Pan' 8 EUR"),
            ("it isn't 'Kettle 2'", "it isn't 'Pan'"),
            ("page 17: ok", "page 9: ok"),
        ] {
            assert_eq!(id(a), id(b), "{a} | {b}");
        }
        for (a, b) in [
            (
                "grabbed https://shop.test/p/1 0.31s",
                "grabbed https://shop.test/p/1 310ms",
            ),
            (
                "grabbed https://shop.test/p/1",
                "skipped https://shop.test/p/1",
            ),
            ("(200) https://shop.test/p/1", "200 https://shop.test/p/1"),
        ] {
            assert_ne!(id(a), id(b), "{a} | {b}");
        }
    }

    #[test]
    fn a_name_behind_an_id_varies() {
        let of = |name: &str| id(&format!("Item p9003: {name}, price=24.73"));
        assert_eq!(of("Small teapot"), of("Large red puzzle 3"));
        assert_ne!(of("Small teapot"), of("Failed to parse"));
        assert_ne!(of("Small teapot"), of("small teapot"));
        let pattern = pattern("Item p9003: Small teapot, price=24.73").unwrap();
        assert_eq!(pattern, r"^Item\s+\S+\s+.+?\s+price=\S+$");
    }

    #[test]
    fn varying_parts_have_units() {
        let form = Form::of("(200) https://shop.test/p/1 in 0.31 s, 18.5 KiB took=310ms size=99")
            .expect("one line");
        assert_eq!(form.url, Some("https://shop.test/p/1"));
        let parts: Vec<_> = form
            .parts()
            .map(|part| (part.status(), part.milliseconds(), part.bytes()))
            .collect();
        assert_eq!(
            parts,
            [
                (Some(200), None, None),
                (None, Some(310.0), None),
                (None, None, Some(18_944)),
                (None, Some(310.0), None),
                (None, None, Some(99)),
            ]
        );
    }

    #[test]
    fn a_pattern_matches_the_messages_of_its_form() {
        let pattern = pattern("[200] munched https://shop.test/p/1, 310ms sku=A1 \"blue chair\"")
            .expect("one line");
        assert_eq!(
            pattern,
            r#"^\[(?P<status>\d{3})\]\s+munched\s+(?P<url>https?://\S+?),\s+(?P<response_time_ms>[\d.]+)ms\s+sku=\S+\s+"[^"]*"$"#
        );
        let regex = regex::Regex::new(&pattern).expect("valid");
        let other = "[503] munched https://shop.test/list?page=2, 9ms sku=B \"a table, round\"";
        let found = regex.captures(other).expect("same form");
        assert_eq!(&found["url"], "https://shop.test/list?page=2");
        assert_eq!(&found["response_time_ms"], "9");
    }

    #[test]
    fn several_urls_are_no_url() {
        let form = Form::of("from https://a.test/1 to https://b.test/2").expect("one line");
        assert_eq!((form.url, form.urls), (None, 2));
    }
}
