//! Level names in heads.

pub(super) const CAPITALS: [&str; 45] = [
    "WARNUNG",
    "SCHWERWIEGEND",
    "AVERTISSEMENT",
    "ADVERTENCIA",
    "AVVERTENZA",
    "GRAVE",
    "ERR",
    "INFO",
    "ERROR",
    "WARNING",
    "DEBUG",
    "WARN",
    "CRITICAL",
    "TRACE",
    "FATAL",
    "NOTICE",
    "SUCCESS",
    "SEVERE",
    "INFORMATION",
    "VERBOSE",
    "ALERT",
    "EMERGENCY",
    "EMERG",
    "PANIC",
    "DPANIC",
    "CRIT",
    "VERB",
    "TRC",
    "DBG",
    "INF",
    "WRN",
    "FTL",
    "VRB",
    "SFAIL",
    "PERF",
    "FINE",
    "FINER",
    "FINEST",
    "WARNI",
    "CRITI",
    "ERRO",
    "DEBU",
    "FATA",
    "PANI",
    // NestJS, PostgreSQL.
    "LOG",
];

pub(super) const SMALL: [&str; 24] = [
    "fail",
    "dbug",
    "trce",
    "info",
    "error",
    "warning",
    "debug",
    "warn",
    "critical",
    "trace",
    "fatal",
    "notice",
    "success",
    "verbose",
    "silly",
    "http",
    "alert",
    "emerg",
    "crit",
    "err",
    "panic",
    "dpanic",
    "information",
    "exception",
];

/// The level at the start of a text, and the number of bytes after the word that belong to it.
pub(super) fn level(text: &str, small_too: bool) -> Option<(&str, usize)> {
    let bytes = text.as_bytes();
    let length = bytes
        .iter()
        .take(14)
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    if !(3..=13).contains(&length) {
        return None;
    }
    let word = &text[..length];
    let next = bytes.get(length).copied().unwrap_or(b' ');
    // `http` is an npm level, and also the start of most URLs.
    if next == b'_'
        || bytes[length..].starts_with(b"://")
        || next.is_ascii_digit()
        || (next == b'.' && bytes.get(length + 1).is_some_and(u8::is_ascii_alphabetic))
    {
        return None;
    }
    let is_known = if bytes[0].is_ascii_uppercase() && bytes[1].is_ascii_uppercase() {
        CAPITALS.contains(&word)
    } else {
        small_too
            && SMALL.iter().any(|known| known.eq_ignore_ascii_case(word))
            && word[1..].bytes().all(|b| b.is_ascii_lowercase())
    };
    // slog's `ERROR+2`.
    let more = match &bytes[length..] {
        [b'+' | b'-', digit, rest @ ..] if digit.is_ascii_digit() => {
            2 + rest.iter().take_while(|b| b.is_ascii_digit()).count()
        }
        _ => 0,
    };
    is_known.then_some((word, more))
}

/// A one-letter level next to a time or a bar.
pub(super) fn letter(text: &str) -> Option<&str> {
    match text.as_bytes() {
        [
            b'T' | b'D' | b'I' | b'W' | b'E' | b'F' | b'C',
            b' ',
            digit,
            ..,
        ] if digit.is_ascii_digit() => Some(&text[..1]),
        [
            b'D' | b'I' | b'W' | b'E' | b'F' | b'A',
            b',',
            b' ',
            b'[',
            ..,
        ] => Some(&text[..1]),
        _ => None,
    }
}

/// A one-letter level in brackets, alone or before a logger's name: `[E]`, `[I:shop.fetch]`.
pub(super) fn bracketed_letter(text: &str) -> Option<&str> {
    match text.as_bytes() {
        [
            b'T' | b'D' | b'I' | b'W' | b'E' | b'F' | b'C' | b'V',
            b']',
            ..,
        ] => Some(&text[..1]),
        [
            b'T' | b'D' | b'I' | b'W' | b'E' | b'F' | b'C' | b'V',
            b':',
            next,
            ..,
        ] if next.is_ascii_lowercase() => Some(&text[..1]),
        _ => None,
    }
}

/// A one-letter level directly after a time: `TIME E shop:`, `TIME E/shop:`, `TIME | E | shop`.
pub(super) fn letter_behind_time(text: &str) -> Option<&str> {
    match text.as_bytes() {
        [
            b'T' | b'D' | b'I' | b'W' | b'E' | b'F' | b'C' | b'V',
            b' ' | b'/' | b'|' | b']',
            ..,
        ] => Some(&text[..1]),
        _ => None,
    }
}

/// Whether the text after a level's word shows that the word is separate.
pub(super) fn ends_level(behind: &str, in_brackets: bool) -> bool {
    match behind.as_bytes() {
        []
        | [
            b':' | b'|' | b']' | b')' | b'\t' | b';' | b'/' | b'[' | b'}' | b'>',
            ..,
        ]
        | [b' ', b' ' | b'-' | b'|' | b':' | b']' | b'[' | b'!', ..] => true,
        [b',', ..] => in_brackets,
        // Kodi's `info <general>: message`.
        [b' ', b'<', ..] => names_component(&behind[2..]),
        _ => behind.starts_with('】'),
    }
}

/// Whether a text begins with the name of a component that ends in `>:`.
fn names_component(text: &str) -> bool {
    const LONGEST_NAME: usize = 32;
    let name = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    (1..=LONGEST_NAME).contains(&name) && text[name..].starts_with(">:")
}

pub(super) fn is_capital(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_uppercase())
}

pub(super) fn is_lower(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}
