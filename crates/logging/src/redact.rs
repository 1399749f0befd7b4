//! Redacts secrets: values whose names indicate a secret, and credentials in URLs.

use dragline_schema::wire;
use serde_json::Value;

/// Words that, if they are in the list of names, also match at the end of a longer word (`dbpassword`),
/// optionally followed by digits (`csrftoken2`).
const STRONG: [&str; 7] = [
    "password",
    "passwd",
    "token",
    "secret",
    "cookie",
    "credential",
    "sessid",
];

const SHORTEST_STRONG: usize = "token".len();

/// Whether `word` is longer than `strong` and ends with it, ignoring trailing digits.
fn is_around(word: &[u8], strong: &[u8]) -> bool {
    let letters = word.iter().rposition(|byte| !byte.is_ascii_digit());
    let word = &word[..letters.map_or(0, |last| last + 1)];
    let ends = |word: &[u8]| {
        word.len() >= strong.len() && word[word.len() - strong.len()..].eq_ignore_ascii_case(strong)
    };
    word.len() > strong.len() && ends(word)
}

/// The replacement for a secret.
pub(crate) const MARK: &str = "[redacted]";

/// Determines which names hold secrets.
///
/// A name matches if its words contain the words of a listed name in sequence: `api_key` matches
/// `X-Api-Key`, `apiKey` and `shop_api_key`, and `token` matches `csrf_token` but not `tokens_used`.
#[derive(Clone, Debug)]
pub(crate) struct Redactor {
    /// The words of each name, in lower case.
    names: Vec<Vec<String>>,
    /// The words of each name, joined.
    joined: Vec<String>,
    /// A quick filter that excludes most words: indexed by the low five bits of a word's first letter, with
    /// a bit for each possible length.
    shapes: [u32; 32],
    /// The words of [`STRONG`] that are listed.
    strong: Vec<&'static [u8]>,
    urls: bool,
}

impl Redactor {
    /// Creates a redactor for values with these names and, if `urls` is set, for credentials in URLs.
    pub(crate) fn new(names: &[String], urls: bool) -> Self {
        let names: Vec<Vec<String>> = names
            .iter()
            .map(|name| {
                Words(name.as_bytes())
                    .map(|word| String::from_utf8_lossy(word).to_lowercase())
                    .collect()
            })
            .filter(|words: &Vec<String>| !words.is_empty())
            .collect();
        let joined: Vec<String> = names.iter().map(|name| name.concat()).collect();
        let is_listed = |strong: &&str| joined.iter().any(|name| name == strong);
        let strong = STRONG.iter().copied().filter(is_listed);
        let strong = strong.map(str::as_bytes).collect();
        let mut shapes = [0; 32];
        for word in names.iter().map(|name| &name[0]).chain(&joined) {
            let (letter, length) = shape(word.as_bytes());
            shapes[letter] |= length;
        }
        Self {
            names,
            joined,
            shapes,
            strong,
            urls,
        }
    }

    /// Whether a value with this name is a secret.
    pub(crate) fn is_secret(&self, name: &str) -> bool {
        self.is_secret_key(name.as_bytes())
    }

    fn is_secret_key(&self, name: &[u8]) -> bool {
        let mut rest = Words(name);
        // Try to match the listed names starting at each word.
        while let Some(first) = rest.clone().next() {
            // Most words are too short to contain one of these.
            if first.len() > SHORTEST_STRONG
                && self.strong.iter().any(|strong| is_around(first, strong))
            {
                return true;
            }
            let (letter, length) = shape(first);
            if self.shapes[letter] & length != 0 {
                let begins_here = |name: &Vec<String>| {
                    let mut here = rest.clone();
                    name.iter().all(|word| {
                        here.next()
                            .is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()))
                    })
                };
                let is_one = |joined: &String| first.eq_ignore_ascii_case(joined.as_bytes());
                if self.names.iter().any(begins_here) || self.joined.iter().any(is_one) {
                    return true;
                }
            }
            rest.next();
        }
        false
    }

    /// Redacts credentials in the URLs of the JSON text in `out` from `start` on.
    pub(crate) fn scrub_urls(&self, out: &mut Vec<u8>, start: usize) {
        if !self.urls {
            return;
        }
        let mut from = start;
        while let Some(colon) = memchr::memchr(b':', &out[from..]) {
            from += colon + 1;
            if !out[from..].starts_with(b"//") {
                continue;
            }
            from += 2;
            let (len, has_credentials) = self.look_at_url(&out[from..]);
            from = if has_credentials {
                self.scrub_url(out, from)
            } else {
                from + len
            };
        }
    }

    /// The length of the authority at the start of a URL, and whether the URL contains anything to redact.
    /// Most URLs do not, so this scans them once without changing anything.
    fn look_at_url(&self, url: &[u8]) -> (usize, bool) {
        let mut is_authority = true;
        let mut is_query = false;
        let mut authority = url.len();
        let mut is_odd = false;
        let mut key = None;
        for (at, byte) in url.iter().enumerate() {
            match URL_BYTES[usize::from(*byte)] {
                UrlByte::End => return (authority.min(at), false),
                UrlByte::At if is_authority || is_odd => return (at, true),
                UrlByte::Path if is_authority => {
                    is_authority = false;
                    authority = at;
                    is_odd = has_odd_port(&url[..at]);
                }
                UrlByte::At | UrlByte::Path | UrlByte::Other => {}
                UrlByte::Parameters => {
                    if is_authority {
                        authority = at;
                        is_odd = has_odd_port(&url[..at]);
                    }
                    is_authority = false;
                    is_query = true;
                    key = Some(at + 1);
                }
                UrlByte::Next => key = is_query.then_some(at + 1),
                UrlByte::Equals => {
                    if let Some(start) = key.take()
                        && self.is_secret_parameter(&url[start..at])
                    {
                        return (at, true);
                    }
                }
            }
        }
        (authority, false)
    }

    /// Redacts the credentials in the URL whose authority starts at `start`, and returns the end of the
    /// authority. Another URL may follow it, as in the URLs of proxies and archives.
    fn scrub_url(&self, out: &mut Vec<u8>, start: usize) -> usize {
        let mut end = out[start..]
            .iter()
            .position(|byte| URL_BYTES[usize::from(*byte)] == UrlByte::End)
            .map_or(out.len(), |len| start + len);
        let authority_end = out[start..end]
            .iter()
            .position(|byte| matches!(byte, b'/' | b'?' | b'#' | b';'))
            .map_or(end, |len| start + len);
        let mut at = authority_end;
        // A password that contains a slash ends the authority early, so look for the `@` in the whole URL.
        let users_end = if has_odd_port(&out[start..authority_end]) {
            end
        } else {
            authority_end
        };
        if let Some(user) = memchr::memrchr(b'@', &out[start..users_end]) {
            at = at.max(start + user);
            out.splice(start..start + user, MARK.bytes());
            at = at + MARK.len() - user;
            end = end + MARK.len() - user;
        }
        let authority_end = at;
        // Parameters start after `?` and `#`, and further ones after `&` and `;`.
        let mut is_query = false;
        while let Some(len) = next_parameter(&out[at..end], is_query) {
            is_query = true;
            at += len;
            let rest = &out[at..end];
            let parameter = &rest[..next_parameter(rest, true).map_or(rest.len(), |len| len - 1)];
            let key = memchr::memchr(b'=', parameter).map(|len| &parameter[..len]);
            if let Some(key) = key
                && self.is_secret_parameter(key)
            {
                let (from, to) = (at + key.len() + 1, at + parameter.len());
                out.splice(from..to, MARK.bytes());
                end = end + MARK.len() - (to - from);
                at = from + MARK.len();
            }
        }
        authority_end
    }

    /// Whether URLs are redacted.
    pub(crate) fn redacts_urls(&self) -> bool {
        self.urls
    }

    /// Whether a URL parameter holds a secret. Some names count as secret only in URLs.
    fn is_secret_parameter(&self, name: &[u8]) -> bool {
        const ONLY_THERE: [&[u8]; 5] = [b"key", b"sig", b"auth", b"pass", b"jwt"];
        ONLY_THERE
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
            || self.is_secret_key(name)
    }

    /// Appends an object or array with its secrets redacted and its texts truncated at `limit` bytes.
    /// Invalid JSON is written as a text.
    pub(crate) fn push_json(&self, json: &str, limit: usize, out: &mut Vec<u8>) {
        let start = out.len();
        match serde_json::from_str::<Value>(json) {
            Ok(mut value) => {
                self.redact(&mut value, limit);
                let text = value.to_string();
                if text.len() <= limit.saturating_mul(4) {
                    out.extend_from_slice(text.as_bytes());
                } else {
                    // Too long in total, although no single text is too long.
                    let mut object = wire::Object::begin(out);
                    object.text("cut", &cut_mark(limit.saturating_mul(4)));
                    object.end();
                }
            }
            Err(_) => push_cut_text(json, limit, out),
        }
        self.scrub_urls(out, start);
    }

    fn redact(&self, value: &mut Value, limit: usize) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if self.is_secret(key) && !value.is_null() {
                        *value = MARK.into();
                    } else {
                        self.redact(value, limit);
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|v| self.redact(v, limit)),
            Value::String(text) if text.len() > limit => {
                text.truncate(text.floor_char_boundary(limit));
                text.push_str(&cut_mark(limit));
            }
            _ => {}
        }
    }
}

/// The mark at the end of a truncated text.
pub(crate) fn cut_mark(limit: usize) -> String {
    format!("…[cut at {limit} bytes]")
}

/// Removes an incomplete URL authority at the end of a truncated text. It may be a password: the `@` that
/// would show it may have been cut off.
pub(crate) fn drop_cut_authority(out: &mut Vec<u8>, start: usize) {
    if let Some(at) = memchr::memmem::rfind(&out[start..], b"://") {
        let authority = start + at + 3;
        let ends = |byte: &u8| matches!(byte, 0..=b' ' | b'/' | b'?' | b'#' | b'@' | b'\\');
        if !out[authority..].iter().any(ends) {
            out.truncate(authority);
        }
    }
}

/// Appends a JSON string, truncated at `limit` bytes.
pub(crate) fn push_cut_text(text: &str, limit: usize, out: &mut Vec<u8>) {
    out.push(b'"');
    if text.len() <= limit {
        wire::push_escaped(text, out);
    } else {
        let start = out.len();
        wire::push_escaped(dragline_schema::clip(text, limit), out);
        drop_cut_authority(out, start);
        wire::push_escaped(&cut_mark(limit), out);
    }
    out.push(b'"');
}

/// Whether an authority ends with a colon and something other than a port, most likely the beginning of a
/// password.
fn has_odd_port(authority: &[u8]) -> bool {
    match memchr::memrchr(b':', authority) {
        Some(colon) => {
            let port = &authority[colon + 1..];
            !port.iter().all(u8::is_ascii_digit) && !authority.ends_with(b"]")
        }
        None => false,
    }
}

/// The first letter and the length of a word, as an index and a bit.
fn shape(word: &[u8]) -> (usize, u32) {
    let letter = word.first().unwrap_or(&0) & 31;
    (usize::from(letter), 1 << word.len().min(31))
}

/// The role of a byte in a URL inside a JSON string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UrlByte {
    Other,
    End,
    At,
    Path,
    Parameters,
    Next,
    Equals,
}

const URL_BYTES: [UrlByte; 256] = {
    let mut bytes = [UrlByte::Other; 256];
    let mut control = 0;
    while control <= 0x20 {
        bytes[control] = UrlByte::End;
        control += 1;
    }
    let ends = *b"\"\\<>`\x7f";
    let mut at = 0;
    while at < ends.len() {
        bytes[ends[at] as usize] = UrlByte::End;
        at += 1;
    }
    bytes[b'@' as usize] = UrlByte::At;
    bytes[b'/' as usize] = UrlByte::Path;
    bytes[b'?' as usize] = UrlByte::Parameters;
    bytes[b'#' as usize] = UrlByte::Parameters;
    bytes[b'&' as usize] = UrlByte::Next;
    bytes[b';' as usize] = UrlByte::Parameters;
    bytes[b'=' as usize] = UrlByte::Equals;
    bytes
};

/// The offset after the next separator that starts a parameter.
fn next_parameter(url: &[u8], is_query: bool) -> Option<usize> {
    let mark = if is_query {
        memchr::memchr3(b'&', b';', b'#', url)
    } else {
        memchr::memchr3(b'?', b'#', b';', url)
    };
    mark.map(|at| at + 1)
}

/// Iterates over the words of a name: `X-Api-Key`, `xApiKey` and `x_api_key` have the same words.
#[derive(Clone)]
struct Words<'n>(&'n [u8]);

impl<'n> Iterator for Words<'n> {
    type Item = &'n [u8];

    fn next(&mut self) -> Option<&'n [u8]> {
        let start = self.0.iter().position(u8::is_ascii_alphanumeric)?;
        let name = &self.0[start..];
        let goes_on = |at: usize| {
            let (before, here) = (name[at - 1], name[at]);
            let next_is_lower = || name.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            here.is_ascii_alphanumeric()
                && !(here.is_ascii_uppercase() && (before.is_ascii_lowercase() || next_is_lower()))
        };
        let end = (1..name.len())
            .find(|at| !goes_on(*at))
            .unwrap_or(name.len());
        let (word, rest) = name.split_at(end);
        self.0 = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn redactor() -> Redactor {
        let names = [
            "authorization",
            "cookie",
            "password",
            "token",
            "api_key",
            "sessid",
        ];
        Redactor::new(&names.map(str::to_owned), true)
    }

    fn scrubbed(text: &str) -> String {
        let mut out = text.as_bytes().to_vec();
        redactor().scrub_urls(&mut out, 0);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_match_by_their_words() {
        let redactor = redactor();
        for name in [
            "password",
            "Proxy-Authorization",
            "set_cookie",
            "API_KEY",
            "apiKey",
            "shopAPIKey",
            "apikey",
            "x-api-key",
            "csrf.token",
            "dbPassword",
            "dbpassword",
            "PGPASSWORD",
            "csrftoken2",
            "PHPSESSID",
        ] {
            assert!(redactor.is_secret(name), "{name}");
        }
        for name in [
            "tokens_used",
            "author",
            "key",
            "api",
            "monkey",
            "passwords_tried",
            "",
            "---",
        ] {
            assert!(!redactor.is_secret(name), "{name}");
        }
    }

    #[test]
    fn credentials_go_out_of_urls_and_nothing_else_does() {
        for (text, expected) in [
            ("http://u:p@proxy:8080", "http://[redacted]@proxy:8080"),
            ("a https://t0ken@h/x, b", "a https://[redacted]@h/x, b"),
            (
                "GET https://h/p?id=3&token=abc&page=2#api_key=1 failed",
                "GET https://h/p?id=3&token=[redacted]&page=2#api_key=[redacted] failed",
            ),
            ("https://h/p?token=", "https://h/p?token=[redacted]"),
            ("https://h/p?token", "https://h/p?token"),
            (
                "https://proxy.test/?url=https://u:p@h/x&key=k",
                "https://proxy.test/?url=https://[redacted]@h/x&key=[redacted]",
            ),
            (
                "https://web.archive.org/web/https://u:p@h/",
                "https://web.archive.org/web/https://[redacted]@h/",
            ),
            ("postgres://u:a/b#c@db/x", "postgres://[redacted]@db/x"),
            (
                "jdbc:sqlserver://h:1433;password=p",
                "jdbc:sqlserver://h:1433;password=[redacted]",
            ),
            (
                "http://a:b@h http://c:d@h",
                "http://[redacted]@h http://[redacted]@h",
            ),
        ] {
            assert_eq!(scrubbed(text), expected);
        }
        for text in [
            "https://h/@me?x=1",
            "a::b://",
            "me@example.com: hi",
            "12:30:05",
            "://",
            "",
        ] {
            assert_eq!(scrubbed(text), text);
        }
    }

    #[test]
    fn objects_are_redacted_at_any_depth_and_cut() {
        let mut out = Vec::new();
        let json =
            r#"{"a":{"headers":[{"Cookie":"x"}],"password":null,"long":"äöü","u":"http://a:b@h"}}"#;
        redactor().push_json(json, 40, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"a":{"headers":[{"Cookie":"[redacted]"}],"password":null,"long":"äöü","u":"http://[redacted]@h"}}"#,
        );
        let mut out = Vec::new();
        redactor().push_json(r#"{"long":"äöü"}"#, 3, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"cut":"…[cut at 12 bytes]"}"#
        );
    }

    #[test]
    fn a_cut_never_turns_a_password_into_a_host() {
        let mut out = Vec::new();
        push_cut_text("see https://user:hunter2@h/", 22, &mut out);
        redactor().scrub_urls(&mut out, 0);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"see https://…[cut at 22 bytes]\""
        );
    }

    proptest! {
        #[test]
        fn a_scrubbed_json_text_is_one_still(text in "([a-z:/@?&=#; \"\\\\\n]|token|password)*") {
            let mut out = Vec::new();
            push_cut_text(&text, 40, &mut out);
            redactor().scrub_urls(&mut out, 0);
            let read: Result<String, _> = serde_json::from_slice(&out);
            prop_assert!(read.is_ok(), "{:?}", String::from_utf8_lossy(&out));
        }
    }
}
