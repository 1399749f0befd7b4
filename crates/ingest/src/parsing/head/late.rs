//! Heads without a time, or with one of an unusual form. They are tried after all others.

use dragline_schema::Dialect;

use super::level::{is_capital, level};
use super::names::{is_module, is_thread};
use super::{Head, stamp};
use crate::parsing::time::stamp::Date;

/// npmlog: `crawl WARN parse message`: a heading, a level, a prefix.
pub(super) fn npmlog(line: &str) -> Option<Head<'_>> {
    let (heading, rest) = line.split_once(' ')?;
    let (word, rest) = rest.split_once(' ')?;
    let found = match word {
        "info" => "info",
        "http" => "http",
        "verb" | "timing" => "verbose",
        "sill" => "silly",
        "notice" => "notice",
        "WARN" => "warn",
        "ERR!" => "error",
        _ => return None,
    };
    let is_heading = heading.starts_with(|c: char| c.is_ascii_lowercase())
        && heading
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    let (prefix, body) = rest.split_once(' ').unwrap_or((rest, ""));
    // npm's own requests are to its registry.
    let is_one = is_heading && heading != "npm" && !prefix.is_empty();
    is_one.then(|| Head {
        level: found,
        logger: Some(prefix),
        body,
        ..timeless(body.trim_start())
    })
}

/// Python's `%(relativeCreated)d`, the milliseconds since the program started: `184 INFO shop.walk message`,
/// `   184 MainThread INFO     message`.
pub(super) fn counted(line: &str) -> Option<Head<'_>> {
    let bare = line.trim_start_matches(' ');
    // Fast path: most lines have words here.
    if !bare.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let digits = bare.bytes().take_while(u8::is_ascii_digit).count();
    let rest = bare
        .get(digits..)?
        .strip_prefix(' ')
        .filter(|_| digits < 11)?;
    let rest = rest.trim_start_matches(' ');
    let (first, behind) = rest.split_once(' ')?;
    let (thread, rest) = if is_thread(first) {
        (Some(first), behind.trim_start())
    } else {
        (None, rest)
    };
    let (found, _) = level(rest, false).filter(|(found, more)| is_capital(found) && *more == 0)?;
    let behind = rest[found.len()..].strip_prefix(' ')?;
    let message = behind.trim_start_matches(' ');
    let named = message.split_once(' ').filter(|(name, _)| is_module(name));
    // An indented line continues a record unless it certainly starts one.
    let is_sure = thread.is_some() || named.is_some() || message.len() < behind.len();
    if digits == 0 || (bare.len() < line.len() && !is_sure) {
        return None;
    }
    let (logger, message) = named.map_or((None, message), |(name, message)| (Some(name), message));
    Some(Head {
        level: found,
        logger,
        thread,
        ..timeless(message)
    })
}

/// roarr's pretty output: `[12:04:48.070]   1ms info  @mint: message`. The second part is the time since the record
/// before.
pub(super) fn roarr(line: &str) -> Option<Head<'_>> {
    let close = memchr::memchr(b']', &line.as_bytes()[..line.len().min(32)])?;
    let rest = line[close + 1..].trim_start();
    let since = rest.split(' ').next().unwrap_or_default();
    let digits = since.bytes().take_while(u8::is_ascii_digit).count();
    let rest = match &since[digits..] {
        "ms" | "s" | "m" | "h" if digits > 0 => rest[since.len()..].trim_start(),
        _ => rest,
    };
    let (word, behind) = rest.split_once(' ')?;
    let names = behind.trim_start();
    if !names.starts_with(['@', '#'])
        || !matches!(
            word,
            "trace" | "debug" | "info" | "warn" | "error" | "fatal"
        )
    {
        return None;
    }
    let (time, length) = stamp(&line[1..]).filter(|(_, length)| length + 1 == close)?;
    let (names, message) = names
        .split_once(": ")
        .or_else(|| Some((names.strip_suffix(':')?, "")))?;
    let _ = length;
    Some(Head {
        dialect: Dialect::Text,
        time: Some(time),
        time_at: 1,
        level: word,
        logger: Some(names.split(' ').next()?.trim_start_matches(['@', '#'])),
        ..timeless(message)
    })
}

/// Erlang's reports: `=ERROR REPORT==== 30-Nov-2026::12:06:12.018824 ===`. The text is on the lines after it.
pub(super) fn erlang(line: &str) -> Option<Head<'_>> {
    let (kind, rest) = line.strip_prefix('=')?.split_once(" REPORT==== ")?;
    let rest = rest.strip_suffix(" ===")?;
    let (time, length) = stamp(rest).filter(|(time, _)| time.date != Date::None)?;
    let found = match kind {
        "CRASH" | "SUPERVISOR" | "ERROR" => "error",
        "WARNING" => "warning",
        "NOTICE" => "notice",
        "INFO" | "PROGRESS" => "info",
        "DEBUG" => "debug",
        _ => "critical",
    };
    (length == rest.len()).then(|| Head {
        time: Some(time),
        level: found,
        ..timeless("")
    })
}

fn timeless(message: &str) -> Head<'_> {
    super::special::timeless(message)
}

#[cfg(test)]
mod tests {
    use super::super::head;

    #[test]
    fn heads_that_others_do_not_have() {
        for (line, level, logger, message) in [
            (
                "crawl WARN parse p/2 has no price",
                "warn",
                Some("parse"),
                "p/2 has no price",
            ),
            (
                "crawl ERR! store     at f (a.js:1:2)",
                "error",
                Some("store"),
                "at f (a.js:1:2)",
            ),
            (
                "184 INFO shop.walk fetched",
                "INFO",
                Some("shop.walk"),
                "fetched",
            ),
            ("     2 MainThread WARNING  slow", "WARNING", None, "slow"),
            (
                "[12:04:48.070]   1ms fatal @mint #a: giving up",
                "fatal",
                Some("mint"),
                "giving up",
            ),
            (
                "[12:04:48.070]       info  @mint: on",
                "info",
                Some("mint"),
                "on",
            ),
            (
                "=ERROR REPORT==== 30-Nov-2026::12:06:12.018824 ===",
                "error",
                None,
                "",
            ),
        ] {
            let found = head(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(
                (found.level, found.logger, found.message),
                (level, logger, message),
                "{line}"
            );
        }
        for line in [
            "npm http fetch GET 200 https://registry.npmjs.org/x",
            "More info about it",
            "   2 ERROR pages",
            "12 pages",
            "=== done ===",
        ] {
            assert!(head(line).is_none(), "{line}");
        }
    }
}
