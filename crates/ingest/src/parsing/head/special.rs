//! Heads and parts of heads that only their writer has.

use dragline_schema::Dialect;

use super::level::{is_capital, level};
use super::names::is_name_alone;
use super::{Head, stamp};
use crate::parsing::time::stamp::Date;

/// Python's warnings: `/srv/a.py:21: SyntaxWarning: message`.
pub(super) fn warning(line: &str) -> Option<Head<'_>> {
    let (place, rest) = line.split_once(".py:")?;
    let (number, rest) = rest.split_once(": ")?;
    let (name, message) = rest.split_once(": ")?;
    let is_one = name.ends_with("Warning")
        && !place.contains(' ')
        && number.bytes().all(|b| b.is_ascii_digit());
    is_one.then_some(Head {
        dialect: Dialect::Text,
        time: None,
        level: "WARNING",
        logger: None,
        message,
        body: message,
        level_at: 0,
        time_at: 0,
        spans: Vec::new(),
        thread: None,
    })
}

/// glog's and klog's: `I0610 04:00:01.832039 140329780861824 walk.py:31] message`.
pub(super) fn google(line: &str) -> Option<Head<'_>> {
    let digits = line.get(1..5)?;
    let rest = line.get(6..)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) || line.as_bytes()[5] != b' ' {
        return None;
    }
    let (mut time, _) = stamp(rest)?;
    if time.date != Date::None {
        return None;
    }
    let number: u32 = digits.parse().ok()?;
    time.date = Date::MonthDay((number / 100) as i8, (number % 100) as i8);
    let (_, message) = line.split_once("] ")?;
    Some(Head {
        dialect: Dialect::Text,
        time: Some(time),
        level: &line[..1],
        logger: None,
        message,
        body: message,
        level_at: 0,
        time_at: 0,
        spans: Vec::new(),
        thread: line.split(' ').nth(2),
    })
}

/// Django's ` module 4711 139871 message`: the module, and how long all three are.
pub(super) fn module_and_numbers(rest: &str) -> Option<(&str, usize)> {
    let (name, numbers) = rest.strip_prefix(' ')?.split_once(' ')?;
    let (process, behind) = numbers.split_once(' ')?;
    let (thread, _) = behind.split_once(' ')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_told = is_name_alone(name)
        && !is_number(name)
        && is_number(process)
        && is_number(thread)
        && thread.len() > 4;
    is_told.then(|| (name, 1 + name.len() + 1 + process.len() + 1 + thread.len()))
}

/// Where a message comes from, when no level stands between: Go's `main.go:9: message`, debug's
/// `shop:fetch message`.
pub(super) fn source(message: &str) -> Option<(&str, &str)> {
    let (word, rest) = message.split_once(' ')?;
    let (name, last) = word.strip_suffix(':').unwrap_or(word).rsplit_once(':')?;
    let is_number = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    let is_place = word.ends_with(':') && is_number && name.contains('.') && is_name_alone(name);
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    let is_namespace = !word.ends_with(':') && word.split(':').all(is_part);
    let bare = word.strip_suffix(':').unwrap_or(word);
    (is_place || is_namespace).then_some((bare, rest))
}

/// A level that nothing but its place tells, for lines whose time stands in an envelope: `LEVEL message`,
/// `name LEVEL message`.
pub(crate) fn weak(line: &str) -> Option<Head<'_>> {
    // What is indented is a part of what stands before it.
    let (first, rest) = line
        .split_once(' ')
        .filter(|(first, _)| !first.is_empty())?;
    let is_level = |word: &str| {
        is_capital(word) && level(word, false).is_some_and(|(level, _)| level.len() == word.len())
    };
    let (logger, found, message) = if is_level(first) {
        (None, first, rest)
    } else {
        let (second, message) = rest.split_once(' ')?;
        let is_name = is_name_alone(first) && is_level(second);
        is_name.then_some((Some(first), second, message))?
    };
    Some(Head {
        dialect: Dialect::Text,
        time: None,
        level: found,
        logger,
        message: message.trim_start(),
        body: message,
        level_at: 0,
        time_at: 0,
        spans: Vec::new(),
        thread: None,
    })
}

/// Twisted's `[namespace#level] message`.
pub(super) fn namespace(message: &str) -> Option<(&str, &str, &str)> {
    let (group, message) = message.strip_prefix('[')?.split_once("] ")?;
    let (name, word) = group.rsplit_once('#')?;
    let is_level = level(word, true).is_some_and(|(level, _)| level.len() == word.len());
    (is_level && is_name_alone(name)).then_some((name, word, message))
}

/// Where what begins with a brace ends, behind its own closing one.
pub(super) fn brace_end(text: &str) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' if !in_text => depth += 1,
            b'}' if !in_text => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}
