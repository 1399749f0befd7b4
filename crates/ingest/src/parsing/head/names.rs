//! Determines which parts of a head are names: loggers, threads, source positions.

use dragline_schema::Dialect;

use super::part::Part;

pub(super) fn is_dotted(text: &str) -> bool {
    let inner = text.trim_end_matches('.');
    inner.contains('.') || inner.contains("::")
}

/// A module name as in Python: `shop.fetch`, but not `shop.com`, `shop.py` or `a.b()`.
pub(super) fn is_module(text: &str) -> bool {
    const ENDS: [&str; 30] = [
        "com", "net", "org", "io", "de", "fr", "uk", "eu", "co", "ru", "cn", "test", "example",
        "local", "py", "js", "ts", "mjs", "rb", "php", "go", "json", "jsonl", "csv", "html", "xml",
        "txt", "log", "gz", "toml",
    ];
    let mut parts = text.split('.');
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    text.contains('.')
        && parts.clone().all(is_part)
        && parts.next_back().is_some_and(|last| !ENDS.contains(&last))
}

/// Names and numbers in the forms used in heads: `shop.fetch`, `shop::fetch`, `worker-2`, `#12`, `4711`.
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(b, b'_' | b'.' | b'-' | b':' | b'/' | b'@' | b'#' | b'$')
    };
    let has_sign = text
        .bytes()
        .any(|b| matches!(b, b'.' | b'_' | b'-' | b'@' | b'#' | b'$') || b.is_ascii_digit())
        || text.contains("::");
    text.bytes().all(is_part) && has_sign && !text.contains("//") && !text.ends_with('.')
}

/// `function:31`, up to a blank.
pub(super) fn is_place(text: &str) -> bool {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text[..end].rsplit_once(':').is_some_and(|(name, line)| {
        let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'<' | b'>');
        !name.is_empty()
            && name.bytes().all(is_part)
            && !line.is_empty()
            && line.bytes().all(|b| b.is_ascii_digit())
    })
}

/// A single word that could be the name of a module.
pub(super) fn is_name_alone(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}

/// A logger's name before a colon.
pub(super) fn is_logger(text: &str) -> bool {
    // `DOCUMENT_FETCHED: …`: the name of an event.
    let is_event = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if text.contains('_') && text.bytes().all(is_event) {
        return false;
    }
    if is_dotted(text) || text.contains(['_', '$']) && !text.contains('-') {
        // A module's `ValueError` is an error type, not a logger.
        let last = text.rsplit(['.', ':']).next().unwrap_or_default();
        return !is_error_type(last);
    }
    if text.contains(':') || text.contains('/') {
        return true;
    }
    let is_first_small = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    // `Timeout: …` and `URL: …` are words of the message.
    let has_hump = text
        .bytes()
        .skip(1)
        .zip(text.bytes())
        .any(|(b, a)| b.is_ascii_uppercase() && a.is_ascii_lowercase());
    (is_first_small && text.len() > 1 && !is_word_of_messages(text))
        || (has_hump && !is_error_type(text))
}

pub(super) fn is_error_type(text: &str) -> bool {
    [
        "Error",
        "Exception",
        "Timeout",
        "Failure",
        "Warning",
        "Interrupt",
        "Refused",
    ]
    .iter()
    .any(|end| text.ends_with(end))
}

/// Words before a colon that are not names of loggers.
pub(super) fn is_word_of_messages(text: &str) -> bool {
    matches!(
        text,
        "error"
            | "warning"
            | "url"
            | "status"
            | "failed"
            | "timeout"
            | "exception"
            | "response"
            | "request"
            | "code"
            | "message"
            | "note"
            | "reason"
            | "http"
            | "https"
    )
}

/// Whether a text in brackets after the level is part of the head.
pub(super) fn is_group_of_head(text: &str) -> bool {
    let has_letter = text.bytes().any(|b| b.is_ascii_alphabetic());
    let is_part = |b: u8| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'_' | b'.'
                    | b'-'
                    | b':'
                    | b'/'
                    | b'@'
                    | b'#'
                    | b'$'
                    | b' '
                    | b'['
                    | b']'
                    | b'<'
                    | b'>'
            )
    };
    let words = text.split_whitespace().count();
    !text.is_empty()
        && has_letter
        && text.bytes().all(is_part)
        && words <= 3
        && !text.contains("//")
        && !matches!(
            text,
            "GET" | "POST" | "PUT" | "HEAD" | "DELETE" | "PATCH" | "object"
        )
        && (words == 1 || text.bytes().any(|b| b.is_ascii_digit()) || text.contains(':'))
}

/// Whether a part is a thread, a process or a source position, not a logger.
pub(super) fn is_thread(text: &str) -> bool {
    const BEGINNINGS: [&str; 8] = [
        "Thread",
        "MainThread",
        "MainProcess",
        "ForkPoolWorker",
        "SpawnPoolWorker",
        "pool-",
        "Dummy-",
        "asyncio_",
    ];
    text == "main"
        || BEGINNINGS.iter().any(|begin| text.starts_with(begin))
        || text.contains(' ')
        || text.contains('#')
        || text.contains("hread-")
}

/// The logger among the parts.
pub(super) fn logger_of<'l>(parts: &[Part<'l>]) -> Option<&'l str> {
    let is_candidate = |part: &&Part<'l>| {
        let text = part.text;
        let is_place = text.rsplit_once(':').is_some_and(|(path, line)| {
            line.bytes().all(|b| b.is_ascii_digit())
                && !line.is_empty()
                // loguru's `module:function:line` is a logger.
                && !path.contains(':')
                && (path.contains(".py") || path.contains('/') || !path.contains('.'))
        });
        text.bytes().any(|b| b.is_ascii_alphabetic())
            && !is_thread(text)
            && super::level(text, false).is_none_or(|(word, _)| word.len() < text.len())
            && !is_place
            && !text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
            && text.bytes().all(|b| {
                b.is_ascii_alphanumeric()
                    || matches!(
                        b,
                        b'_' | b'.' | b'-' | b':' | b'$' | b'/' | b'@' | b'<' | b'>'
                    )
            })
    };
    let dotted = parts
        .iter()
        .filter(is_candidate)
        .find(|part| is_dotted(part.text) && part.text.rsplit('.').next() != Some("py"));
    let found = dotted.or_else(|| parts.iter().rev().find(is_candidate))?;
    Some(found.text)
}

/// The dialect that a head indicates.
pub(super) fn dialect_of(
    line: &str,
    before: &[Part<'_>],
    after: &[Part<'_>],
    logger: Option<&str>,
) -> Dialect {
    let is_place =
        logger.is_some_and(|name| name.splitn(3, ':').count() == 3 && !name.contains("::"));
    if is_place && line.contains(" | ") {
        return Dialect::Loguru;
    }
    let is_class = |name: &str| {
        name.rsplit('.')
            .next()
            .is_some_and(|last| last.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    let has_thread = before.iter().chain(after).any(|part| part.in_brackets);
    if has_thread && logger.is_some_and(|name| name.contains('.') && is_class(name)) {
        return Dialect::Java;
    }
    Dialect::Text
}
