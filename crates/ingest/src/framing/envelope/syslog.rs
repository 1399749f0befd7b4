//! Syslog (RFC 3164, RFC 5424), the systemd journal, and platforms with similar formats.

use std::borrow::Cow;

use dragline_schema::{Level, Timestamp};
use jiff::tz::TimeZone;

use super::{LONGEST_NAME, Opened, stream};
use crate::framing::crash;
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::Date;
use crate::parsing::time::{self, Calendar};

/// The kernel's clock before syslog's names: `[   90.000300] host app[184]: line`, also with the time since the entry
/// before (`-o short-delta`): `[   90.101300 <    0.101000 >] …`.
pub(super) fn since_boot(line: &str) -> Option<Opened<'_>> {
    let (time, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let is_time = time.contains('.')
        && time
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'.' | b' ' | b'<' | b'>'));
    if !is_time {
        return None;
    }
    behind_process(rest)
}

/// `1772618401.12 host app[184]: line`
fn since_1970(line: &str) -> Option<Opened<'_>> {
    let (time, rest) = line.split_once(' ')?;
    let (seconds, _) = time.split_once('.')?;
    if seconds.len() != 10 || !seconds.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let opened = behind_process(rest)?;
    Some(Opened {
        time: time::from_epoch(time.parse().ok()?),
        ..opened
    })
}

/// `host app[184]: line`
fn behind_process(rest: &str) -> Option<Opened<'_>> {
    let (words, text) = rest.split_once("]:")?;
    let text = text.strip_prefix(' ').unwrap_or(text);
    words.contains('[').then(|| stream(words, text))
}

/// `Mar 04 11:22:33 host app[184]: line` and the same with other times. Heroku's `TIME app[web.1]: line`.
pub(super) fn journal<'l>(
    line: &'l str,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<Opened<'l>> {
    let start = &line.as_bytes()[..line.len().min(LONGEST_NAME * 2)];
    memchr::memchr_iter(b']', start).find(|at| start.get(at + 1) == Some(&b':'))?;
    if let Some(opened) = since_1970(line) {
        return Some(opened);
    }
    let (when, length) = stamp(line)?;
    if when.date == Date::None {
        return None;
    }
    let rest = line[length..].strip_prefix(' ')?;
    let (words, text) = rest.split_once("]:")?;
    let (before, number) = words.rsplit_once('[')?;
    let mut names = before.split(' ');
    let (first, second) = (names.next()?, names.next());
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'[' | b'{' | b'"' | b'|'))
    };
    let is_router = matches!(first, "app" | "heroku") && when.offset.is_some();
    let is_host =
        second.is_some_and(|second| is_name(second) && number.bytes().all(|b| b.is_ascii_digit()));
    if names.next().is_some()
        || !is_name(first)
        || number.is_empty()
        || !(is_host || (second.is_none() && is_router))
    {
        return None;
    }
    Some(Opened {
        text: Cow::Borrowed(text.strip_prefix(' ').unwrap_or(text)),
        time: time::instant(&when, zone, calendar).map(|(time, _)| time),
        stream: Cow::Borrowed(words),
        ..Opened::default()
    })
}

/// Syslog lines without a process number: `Mar 04 11:22:33 host app: line`.
pub(super) fn tagged<'l>(
    line: &'l str,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<Opened<'l>> {
    let is_iso = line.as_bytes().get(10) == Some(&b'T');
    if !is_iso && !line.starts_with(|c: char| c.is_ascii_uppercase()) {
        return None;
    }
    let (when, length) = stamp(line)?;
    let is_syslogs = if is_iso {
        when.offset.is_some() && when.date != Date::None
    } else {
        matches!(when.date, Date::MonthDay(..))
    };
    let rest = line[length..].strip_prefix(' ').filter(|_| is_syslogs)?;
    let bytes = rest.as_bytes();
    let colon = memchr::memchr_iter(b':', bytes).find(|at| bytes.get(at + 1) == Some(&b' '));
    let (words, text) = match colon {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (rest.strip_suffix(':')?, ""),
    };
    let (host, tag) = words.split_once(' ')?;
    let is_word = |word: &str| {
        !word.is_empty()
            && Level::from_word(word).is_none()
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/'))
    };
    // `TIME name ValueError: message` is the end of a traceback.
    let is_error = || crash::error_line(&rest[host.len() + 1..]).is_some();
    (is_word(host) && is_word(tag) && !is_error()).then(|| Opened {
        text: Cow::Borrowed(text),
        time: time::instant(&when, zone, calendar).map(|(time, _)| time),
        stream: Cow::Borrowed(words),
        ..Opened::default()
    })
}

/// RFC 5424 and RFC 3164.
pub(super) fn syslog<'l>(
    line: &'l str,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<Opened<'l>> {
    let (priority, rest) = line[1..].split_once('>')?;
    let priority: u16 = priority.parse().ok().filter(|p| *p < 192)?;
    let level = Some(severity(u64::from(priority % 8)));
    if let Some(rest) = rest.strip_prefix("1 ") {
        let mut parts = rest.splitn(6, ' ');
        let (time, host, app, pid, _id) = (
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
        );
        let rest = parts.next()?;
        let text = match rest.strip_prefix('-') {
            Some(text) => text,
            None => &rest[end_of_data(rest)?..],
        };
        // The tag's colon was removed, but not the blank after it.
        let text = text.strip_prefix(' ').unwrap_or(text);
        let text = text
            .strip_prefix(' ')
            .unwrap_or(text)
            .trim_start_matches('\u{feff}');
        return Some(Opened {
            text: Cow::Borrowed(text),
            time: Timestamp::parse(time).ok(),
            level,
            stream: Cow::Owned(format!("{host} {app}[{pid}")),
            ..Opened::default()
        });
    }
    let opened = journal(rest, zone, calendar).or_else(|| tagged(rest, zone, calendar))?;
    Some(Opened { level, ..opened })
}

/// The end of the structured data.
fn end_of_data(text: &str) -> Option<usize> {
    let (mut in_text, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b']' if !in_text && text.as_bytes().get(at + 1) != Some(&b'[') => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Maps syslog severities to levels.
pub(crate) fn severity(number: u64) -> Level {
    match number {
        0..=2 => Level::Critical,
        3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        _ => Level::Debug,
    }
}
