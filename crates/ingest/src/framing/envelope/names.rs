//! Names before lines: of containers, programs and files.

use std::borrow::Cow;

use dragline_schema::Level;
use jiff::tz::TimeZone;

use super::service::without_replica;
use super::{Habits, LONGEST_NAME, Opened, is_dated, stream};
use crate::parsing::Object;
use crate::parsing::head::head;
use crate::parsing::time::{self, Calendar, stamp};

/// `mint.walk: {"level":…}`, `tag⇥{"log":…}`: a name, then a record.
pub(super) fn before_object<'l>(line: &'l str, habits: &mut Habits) -> Option<Opened<'l>> {
    let start = &line[..line.floor_char_boundary(LONGEST_NAME)];
    let at = start.find("{\"")?;
    let (name, text) = line.split_at(at);
    let is_part = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '/' | ':' | ' ' | '\t')
    };
    let bare = name.trim_end().trim_end_matches(':');
    let is_name = name.chars().all(is_part)
        && name.ends_with([' ', '\t'])
        && (!bare.contains(' ') || bare.contains('/'))
        && (name.ends_with(": ") || name.ends_with('\t') || name.ends_with("  "))
        && Level::from_word(bare).is_none();
    if !is_name || !Object::parse(text).is_some_and(|object| is_whole_record(&object)) {
        return None;
    }
    habits.learn(name, true);
    habits.behind_prefix(line)
}

/// `==> walk.log <==`: the file that the following lines come from.
pub(super) fn section(line: &str) -> Option<&str> {
    line.strip_prefix("==> ")?.strip_suffix(" <==")
}

/// A line that `grep -n` printed from a file, or a context line: `walk.log:4:line`, `walk.log-5-line`. Groups are
/// separated by `--`.
pub(super) fn grepped<'l>(line: &'l str, known: &mut Vec<String>) -> Option<Opened<'l>> {
    const MOST_FILES: usize = 64;
    if line == "--" && !known.is_empty() {
        return Some(Opened {
            is_own: true,
            ..Opened::default()
        });
    }
    let behind = |rest: &'l str| {
        let sign = rest
            .chars()
            .next()
            .filter(|sign| matches!(sign, ':' | '-'))?;
        let (number, text) = rest[1..].split_once(sign)?;
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        is_number.then_some(text)
    };
    for name in known.iter() {
        if let Some(text) = line.strip_prefix(&**name).and_then(behind) {
            return Some(stream(&line[..name.len()], text));
        }
    }
    // Names of log files have an extension.
    let bytes = &line.as_bytes()[..line.len().min(LONGEST_NAME)];
    let dot = bytes.iter().position(|b| matches!(b, b'.' | b' ' | b':'))?;
    if bytes[dot] != b'.' {
        return None;
    }
    let end = dot + line[dot..].find([':', '-', ' '])?;
    let (name, text) = (&line[..end], behind(&line[end..])?);
    let is_name = name.bytes().any(|b| b.is_ascii_alphabetic()) && known.len() < MOST_FILES;
    let is_record = is_dated(text) && head(text).is_some_and(|head| !head.level.is_empty());
    if !is_name || !(is_record || text.starts_with("{\"")) {
        return None;
    }
    known.push(name.to_owned());
    Some(stream(name, text))
}

/// The text before a record's own time, if it is not part of a head: a file name, a URL, the name of a job.
pub(crate) fn before_record(line: &str) -> Option<&str> {
    let start = line.floor_char_boundary(LONGEST_NAME);
    let word = line[..start].find([' ', '\t']).map_or(start, |at| at + 1);
    let ends = line[..word].match_indices([' ', '\t', ':']);
    let is_record = |at: &usize| {
        let rest = &line[at + 1..];
        is_dated(rest) && head(rest).is_some_and(|head| !head.level.is_empty())
    };
    let at = ends
        .map(|(at, _)| at)
        .filter(|at| *at > 0)
        .find(is_record)?;
    // In `[MainThread::2026-…] INFO:` the text is a part of the head.
    let before = &line[..=at];
    let open = before.matches('[').count();
    (open == before.matches(']').count()).then_some(before)
}

/// The text before a traceback's first line: the name of a stream, such as `ecs/walker/0a1b `.
pub(super) fn before_traceback(text: &str) -> Option<&str> {
    // It is a single word.
    let end = memchr::memchr(b' ', text.as_bytes())?;
    let name = &text[..=end];
    if !text[name.len()..].starts_with("Traceback (most recent call last)") {
        return None;
    }
    let is_name = name.len() > 1 && name.ends_with(' ') && !name[..name.len() - 1].contains(' ');
    is_name.then_some(name)
}

/// Fly's `app[148e21b2] ams [info]line`.
pub(super) fn fly(line: &str) -> Option<Opened<'_>> {
    let (name, rest) = line.strip_prefix("app[")?.split_once("] ")?;
    let (region, rest) = rest.split_once(" [")?;
    let (level, text) = rest.split_once(']')?;
    let is_one = name.bytes().all(|b| b.is_ascii_alphanumeric()) && region.len() == 3;
    let _ = Level::from_word(level)?;
    is_one.then(|| stream(name, text))
}

/// Scalingo's `2026-04-15 10:30:42.268601265 +0200 CEST[worker-1] line`.
pub(super) fn scalingo<'l>(
    line: &'l str,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<Opened<'l>> {
    let bytes = line.as_bytes();
    if bytes.len() < 36 || bytes[10] != b' ' || bytes[19] != b'.' {
        return None;
    }
    let (_, rest) = line.split_at_checked(20)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let offset = rest[digits..]
        .strip_prefix(" +")
        .or_else(|| rest[digits..].strip_prefix(" -"))?;
    let (offset, named) = offset.split_at_checked(4)?;
    let (short, rest) = named.strip_prefix(' ')?.split_once('[')?;
    let (name, text) = rest
        .split_once("] ")
        .or_else(|| Some((rest.strip_suffix(']')?, "")))?;
    let is_one = offset.bytes().all(|b| b.is_ascii_digit())
        && (1..=5).contains(&short.len())
        && short.bytes().all(|b| b.is_ascii_uppercase())
        && is_name_with_dash(name);
    let length = line.len() - named.len();
    let (when, _) = stamp(&line[..length]).filter(|_| is_one)?;
    Some(Opened {
        time: time::instant(&when, zone, calendar).map(|(time, _)| time),
        ..stream(name, text)
    })
}

fn is_name_with_dash(name: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(is_part)
}

/// GitLab's `01E line`: the stream of a job.
pub(super) fn of_stream(text: &str) -> Option<&str> {
    match text.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9', b'O' | b'E', b' ' | b'+', ..] => Some(&text[4..]),
        [b'0'..=b'9', b'0'..=b'9', b'O' | b'E'] => Some(""),
        _ => None,
    }
}

/// `name-1  | line`, `0|name  | line`, `2026-03-05 16:00:03 name-1  | line`, `@app/bot:start: {…}`.
pub(super) fn named(line: &str) -> Option<Opened<'_>> {
    let start = &line[..line.floor_char_boundary(LONGEST_NAME)];
    let mut from = 0;
    while let Some(bar) = memchr::memchr(b'|', &start.as_bytes()[from..]).map(|at| at + from) {
        let name = line[..bar].trim_end();
        let rest = &line[bar + 1..];
        // pm2 numbers its programs.
        if !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_digit())
            && from == 0
            && !rest.starts_with(' ')
        {
            from = bar + 1;
            continue;
        }
        let text = match rest.strip_prefix(' ') {
            Some(text) => text,
            None if rest.is_empty() => rest,
            None => return None,
        };
        let name = match stamp(name) {
            Some((_, length)) => name[length..].trim_start(),
            None => name,
        };
        // Podman's names are in brackets.
        let inner = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let name = inner.unwrap_or(name);
        let is_part =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '|' | '@' | '/');
        let is_name = !name.is_empty()
            && name.chars().all(is_part)
            && name.bytes().any(|b| b.is_ascii_alphabetic());
        // `ERROR | message` is a log format. Containers do not have such names.
        return (is_name && Level::from_word(name).is_none()).then(|| stream(name, text));
    }
    None
}

pub(super) fn kubectl(line: &str) -> Option<Opened<'_>> {
    let (name, text) = line.strip_prefix('[')?.split_once("] ")?;
    let is_container = name.strip_prefix("pod/")?.contains('/');
    is_container.then(|| stream(name, text))
}

/// `[worker] {…}`
pub(super) fn bracketed(line: &str) -> Option<Opened<'_>> {
    let (name, text) = line.strip_prefix('[')?.split_once("] ")?;
    let is_name = name.len() < LONGEST_NAME
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'/'));
    let is_word =
        is_name && !name.is_empty() && Level::from_word(name).is_none() && stamp(name).is_none();
    (is_word && text.starts_with("{\"")).then(|| stream(name, text))
}

/// What `stern` says of the pods whose lines it shows: `+ shop-7d9f8c6b5-x2x1z › main`.
pub(super) fn stern(line: &str) -> Option<Opened<'_>> {
    let (pod, container) = line
        .strip_prefix("+ ")
        .or_else(|| line.strip_prefix("- "))?
        .split_once(" › ")?;
    let is_name = |name: &str| !name.is_empty() && !name.contains(' ');
    (is_name(pod) && is_name(container)).then(|| Opened {
        text: Cow::Borrowed(line),
        is_own: true,
        ..Opened::default()
    })
}

/// `shop-7d9f8c6b5-x2x1z main line`, as `stern` writes it: a pod, its container, a line.
fn of_pod<'l>(line: &'l str, habits: &mut Habits) -> Option<Opened<'l>> {
    let (pod, rest) = line.split_once(' ')?;
    if without_replica(pod).len() == pod.len() {
        return None;
    }
    let (container, text) = rest.split_once(' ')?;
    let is_name = |name: &str| {
        let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        name.bytes().all(is_part) && name.bytes().any(|b| b.is_ascii_lowercase())
    };
    let is_record = || {
        text.starts_with("{\"")
            || is_dated(text)
            || head(text).is_some_and(|head| head.level_at <= 1)
    };
    if !is_name(pod) || !is_name(container) || habits.pods.len() > 64 || !is_record() {
        return None;
    }
    habits.pods.push(line[..line.len() - text.len()].to_owned());
    Some(stream(pod, text))
}

/// `name_1 2026-03-04 …`, as old versions of compose and some collectors write it.
pub(super) fn bare<'l>(line: &'l str, habits: &mut Habits) -> Option<Opened<'l>> {
    let (name, text) = line.split_once(' ')?;
    if let Some(known) = habits
        .pods
        .iter()
        .find(|known| line.starts_with(known.as_str()))
    {
        return Some(stream(name, &line[known.len()..]));
    }
    if habits.bare_names.iter().any(|known| known == name) {
        return Some(stream(name, text));
    }
    if let Some(opened) = of_pod(line, habits) {
        return Some(opened);
    }
    let text = text.trim_start_matches(' ');
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let has_number = name
        .rsplit_once(['_', '-'])
        .filter(|_| name.bytes().all(is_part))
        .is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    // `E2026-04-03 …` is a level and a date.
    let is_date = || line.get(1..).is_some_and(is_dated);
    if !has_number || is_date() || habits.bare_names.len() > 64 {
        return None;
    }
    let is_inside = text.starts_with("{\"")
        || head(text).is_some_and(|head| head.time.is_some() && !head.level.is_empty());
    if !is_inside {
        return None;
    }
    habits.bare_names.push(name.to_owned());
    Some(stream(name, text))
}

/// Whether an object is certainly a record: it has a message, and a time or a level.
fn is_whole_record(object: &Object<'_>) -> bool {
    let has = |names: &[&str]| object.fields.iter().any(|(key, _)| names.contains(&&**key));
    let says_what = has(&["msg", "message", "event", "log", "@m", "MESSAGE"]);
    let says_when = has(&["time", "timestamp", "@timestamp", "ts", "@t"]);
    says_what && (says_when || has(&["level", "levelname", "severity", "stream", "@l"]))
}
