//! Heads and parts of heads that are specific to one logging library.

use dragline_schema::Dialect;

use super::level::{is_capital, level};
use super::names::is_name_alone;
use super::scan::Scan;
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
        level: "WARNING",
        ..timeless(message)
    })
}

/// A step padded with dots, followed by a symbol: `[FETCH]... ↓ message`, as `Crawl4AI` writes; in files, a time
/// precedes it.
pub(super) fn padded(line: &str) -> Option<Head<'_>> {
    if !line.as_bytes().get(1)?.is_ascii_digit() {
        return step(line);
    }
    let dots = memchr::memmem::find(line.as_bytes(), b"].")?;
    let begin = line[..dots].rfind('[').filter(|begin| *begin > 2)?;
    let (time, length) = stamp(&line[1..])?;
    let head = step(&line[begin..]).filter(|_| length + 3 == begin)?;
    Some(Head {
        time: Some(time),
        time_at: 1,
        ..head
    })
}

fn step(line: &str) -> Option<Head<'_>> {
    let (step, rest) = line.strip_prefix('[')?.split_once(']')?;
    let behind = rest.trim_start_matches('.').strip_prefix(' ')?;
    let mut signs = behind.chars();
    let sign = signs.next().filter(|sign| !sign.is_ascii())?;
    let is_sign = signs.next() == Some(' ');
    let is_step = step.len() > 2 && step.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    if !is_sign || !is_step {
        return None;
    }
    let message = behind[sign.len_utf8()..].trim_start();
    Some(Head {
        level: level(step, true).map_or("", |(level, _)| level),
        logger: Some(step),
        ..timeless(message)
    })
}

/// consola's ` ERROR  message`, pterm's `  ERROR   message`: a level as a badge.
pub(super) fn badge(line: &str) -> Option<Head<'_>> {
    let bare = line.strip_prefix(' ')?;
    let (bare, behind) = bare
        .strip_prefix(' ')
        .map_or((bare, "  "), |bare| (bare, "   "));
    // Laravel's `   INFO  message`.
    let (bare, behind) = bare
        .strip_prefix(' ')
        .map_or((bare, behind), |bare| (bare, "  "));
    let bare = Some(bare).filter(|bare| is_capital_at(bare))?;
    let (found, more) = level(bare, false)?;
    let message = bare[found.len() + more..].strip_prefix(behind)?;
    is_capital(found).then_some(())?;
    let message = message.trim_start();
    Some(Head {
        level: found,
        ..timeless(message)
    })
}

/// A task of Laravel's console, led by dots to its result: `  2026-05-04 02:00:02 App\Jobs\Scrape ........ 100.20ms DONE`.
pub(super) fn task(line: &str) -> Option<Head<'_>> {
    let bare = line.strip_prefix("  ")?;
    if !bare.starts_with(|c: char| c.is_ascii_digit()) || !bare.contains(" ....") {
        return None;
    }
    let (_, result) = bare.trim_end().rsplit_once(' ')?;
    // A failure was logged by the task, or is an error by its words.
    if !matches!(result, "RUNNING" | "DONE" | "SKIPPED" | "FAIL") {
        return None;
    }
    let (time, length) = stamp(bare)?;
    Some(Head {
        time: Some(time),
        time_at: 2,
        level: "INFO",
        ..timeless(bare[length..].trim())
    })
}

fn is_capital_at(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
}

/// A symbol for the level: `✖ message`, signale's `[scope] › ✖  error     message`. Returns `None` for symbols that
/// do not stand for a level.
pub(super) fn sign(line: &str) -> Option<Head<'_>> {
    let behind_scope = line.strip_prefix('[').and_then(|rest| {
        let (scope, rest) = rest.split_once("] ")?;
        is_name_alone(scope).then_some((scope, rest.strip_prefix("› ").unwrap_or(rest)))
    });
    let (scope, text) = behind_scope.map_or((None, line), |(scope, text)| (Some(scope), text));
    let sign = text.chars().next()?;
    let of_sign = match sign {
        '✖' | '✗' | '✘' | '×' => "error",
        '⚠' | '‼' => "warn",
        '✔' | '✓' | 'ℹ' | '◐' | '◑' | '▶' | '☒' | '★' | '☑' | '●' | '…' | '❯' => {
            "info"
        }
        '⚙' | '⬤' | '🐛' => "debug",
        // Other symbols are printed by programs, not by loggers.
        _ => return None,
    };
    let rest = text[sign.len_utf8()..].trim_start_matches(['\u{fe0f}', '\u{fe0e}']);
    let message = rest.strip_prefix(' ')?.trim_start();
    // signale writes its label after the symbol.
    let label = message.split_once("  ").and_then(|(label, rest)| {
        let found = level(label, true).filter(|(found, _)| found.len() == label.len());
        let is_label = !label.is_empty() && label.bytes().all(|b| b.is_ascii_lowercase());
        is_label.then_some((found.map_or(of_sign, |(level, _)| level), rest.trim_start()))
    });
    let (found, message) = label.unwrap_or((of_sign, message));
    (!message.is_empty()).then(|| Head {
        level: found,
        logger: scope,
        ..timeless(message)
    })
}

/// Mojo's short form: `[18955] [e] message`, a process and a letter.
pub(super) fn process_and_letter(line: &str) -> Option<Head<'_>> {
    let (process, rest) = line.strip_prefix('[')?.split_once("] [")?;
    let message = rest.get(1..)?.strip_prefix("] ")?;
    let is_process = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
    let found = match rest.as_bytes()[0] {
        b't' => "trace",
        b'd' => "debug",
        b'i' => "info",
        b'w' => "warn",
        b'e' => "error",
        b'f' => "fatal",
        _ => return None,
    };
    is_process.then(|| Head {
        level: found,
        ..timeless(message)
    })
}

/// Twisted's form behind a time: `[scrapyd.launcher#error] message`.
pub(super) fn namespace_and_level(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (namespace, word) = name.split_once('#')?;
    let is_level = level(word, true).is_some_and(|(found, more)| found.len() + more == word.len());
    let message = rest.strip_prefix(' ')?;
    (is_level && is_name_alone(namespace)).then_some((namespace, word, message))
}

/// gallery-dl's form: `[downloader.http][warning] message`, a logger and a level, without anything between them.
pub(super) fn logger_and_level(line: &str) -> Option<Head<'_>> {
    let (logger, rest) = line.strip_prefix('[')?.split_once("][")?;
    let (word, message) = rest.split_once(']')?;
    let is_logger = is_capital_or_small(logger) && is_name_with_dashes(logger);
    let is_whole = level(word, true).is_some_and(|(found, more)| found.len() + more == word.len());
    let is_one = is_logger
        && is_whole
        && level(logger, true).is_none()
        && (message.is_empty() || message.starts_with(' '));
    is_one.then(|| Head {
        level: word,
        logger: Some(logger),
        ..timeless(message.trim_start())
    })
}

fn is_capital_or_small(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn is_name_with_dashes(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// Python's `%(levelno)s:%(name)s:%(message)s`: `20:shop.walk:message`.
pub(super) fn numbered(line: &str) -> Option<Head<'_>> {
    let (number, rest) = line.split_once(':')?;
    let (name, message) = rest.split_once(':')?;
    let found = match number {
        "10" => "debug",
        "20" => "info",
        "30" => "warn",
        "40" => "error",
        "50" => "critical",
        _ => return None,
    };
    // `20:15:03` is a time.
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (is_name && is_name_alone(name)).then(|| Head {
        level: found,
        logger: Some(name),
        ..timeless(message.trim_start())
    })
}

/// A head that has only a message.
pub(super) fn timeless(message: &str) -> Head<'_> {
    Head {
        dialect: Dialect::Text,
        time: None,
        level: "",
        logger: None,
        message,
        body: message,
        level_at: 0,
        time_at: 0,
        spans: Vec::new(),
        thread: None,
    }
}

/// glog and klog: `I0610 04:00:01.832039 140329780861824 walk.py:31] message`.
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

/// A letter for the level directly before the time: `E2026-04-03 02:24:16,975 [shop.fetch] message`.
pub(super) fn glued(line: &str) -> Option<Head<'_>> {
    let head = Scan::new(line.get(1..)?).head()?;
    let is_dated = head.time.is_some_and(|time| time.date != Date::None);
    (is_dated && head.time_at == 0).then(|| Head {
        level: &line[..1],
        level_at: 0,
        time_at: 1,
        ..head
    })
}

/// Django's ` module 4711 139871 message`: the module, and the length of all three parts.
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

/// The source of a message if no level precedes it: Go's `main.go:9: message`, debug's `shop:fetch message`.
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

/// A line behind a time without the blanks before its level: what is left of `TIME  INFO message` and of
/// `TIME   [Information]   message` is a record, and no part of one.
pub(crate) fn without_indent(line: &str) -> &str {
    let bare = line.trim_start_matches(' ');
    if bare.len() == line.len() {
        return line;
    }
    let word = bare.split([' ', ':']).next().unwrap_or_default();
    let in_brackets = word
        .strip_prefix('[')
        .and_then(|word| word.strip_suffix(']'));
    let is_bracketed = in_brackets
        .is_some_and(|word| level(word, true).is_some_and(|(found, _)| found.len() == word.len()));
    if is_level(word) || is_bracketed {
        bare
    } else {
        line
    }
}

fn is_level(word: &str) -> bool {
    is_capital(word) && level(word, false).is_some_and(|(level, _)| level.len() == word.len())
}

/// A level recognized only by its position, for lines whose time is in an envelope: `LEVEL message`,
/// `name LEVEL message`.
pub(crate) fn weak(line: &str) -> Option<Head<'_>> {
    // Sidekiq writes process, thread and job as pairs: `pid=2 tid=206y INFO: message`.
    let mut line = line;
    while let Some((pair, rest)) = line.split_once(' ')
        && pair.contains('=')
        && !pair.starts_with('=')
    {
        line = rest;
    }
    // Indented lines continue the record before them.
    let (first, rest) = line
        .split_once(' ')
        .filter(|(first, _)| !first.is_empty())?;
    let first = first.strip_suffix(':').unwrap_or(first);
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

/// The end of a text that starts with a brace: after the matching closing brace.
pub(crate) fn brace_end(text: &str) -> Option<usize> {
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
