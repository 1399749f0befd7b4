//! Removes envelopes: what container runtimes, platforms, process managers and syslog write around a program's lines.
//!
//! An envelope contains data that the line may lack: the time of capture, the stream or program, the level. Values
//! in the line itself take precedence. Lines of several programs may be mixed. The lines of each program are
//! assembled separately, so the envelope names the stream.

mod agents;
pub(crate) mod answers;
pub(crate) mod before;
mod names;
pub(crate) mod object;
mod service;
mod streams;
mod syslog;
mod workers;

use std::borrow::Cow;

use dragline_schema::{Level, Timestamp};
use jiff::tz::TimeZone;

use crate::framing::crash;
use crate::parsing::head::head;
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::{Date, Stamp};
use crate::parsing::time::{self, Before, Calendar};
use crate::parsing::{Object, scalar};

pub(crate) use self::names::before_record;
use self::names::{bare, before_object, bracketed, fly, kubectl, named, scalingo};
pub(crate) use self::service::{service_of, without_replica};
pub(crate) use self::syslog::severity;
use self::syslog::{journal, since_boot, syslog, tagged};

/// Maximum length of a program's name with the blanks after it, in bytes.
const LONGEST_NAME: usize = 100;

/// A line without its outermost envelope, and the envelope's data.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Opened<'l> {
    pub(crate) text: Cow<'l, str>,
    /// When the envelope's writer received the line.
    pub(crate) time: Option<Timestamp>,
    pub(crate) level: Option<Level>,
    /// The stream that the line belongs to, where lines of several streams are mixed.
    pub(crate) stream: Cow<'l, str>,
    /// Whether the line continues in the next line of the same stream.
    pub(crate) is_piece: bool,
    /// Whether the envelope's writer wrote the line itself.
    pub(crate) is_own: bool,
}

/// What earlier lines of the file showed about its envelopes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Habits {
    /// What a platform writes before every line, as the beginning of the file showed.
    pub(crate) before: Option<Before>,
    /// A platform writes a time before every line.
    pub(crate) platform_times: bool,
    /// Another program writes a time in a format of its own before every line, and that many blanks more than one.
    times_before: bool,
    blanks: usize,
    /// Another program writes the time elapsed since an earlier line before every line.
    clocks_before: bool,
    /// The file that the following lines come from, as `tail -f` states it for several files.
    section: Option<String>,
    /// Files whose lines `grep` numbered.
    grepped: Vec<String>,
    /// Texts found before the times of records, or before objects.
    prefixes: Vec<Prefix>,
    /// Objects that contained text records, identified by their keys.
    pub(crate) objects: Vec<u64>,
    /// The Worker's event that the following lines belong to.
    event: Option<workers::Event>,
    /// Names that precede lines without a separator after them.
    pub(crate) bare_names: Vec<String>,
    /// What `stern` writes before the lines of each pod.
    pods: Vec<String>,
}

/// A text before the lines of a program.
#[derive(Debug, Clone, PartialEq)]
struct Prefix {
    text: String,
    /// Whether the lines after it form a stream of their own. Otherwise it may be part of record heads.
    is_stream: bool,
}

/// Maximum number of prefixes kept.
const MOST_PREFIXES: usize = 64;

impl Habits {
    /// Remembers the text before a record's time, to recognize it before other lines. Returns whether the prefix is
    /// known.
    pub(crate) fn learn(&mut self, prefix: &str, is_stream: bool) -> bool {
        let may_be = (2..=LONGEST_NAME).contains(&prefix.len())
            && prefix.ends_with([' ', '\t', ':'])
            && prefix.bytes().any(|b| b.is_ascii_alphanumeric())
            && self.prefixes.len() < MOST_PREFIXES;
        if let Some(known) = self.prefixes.iter().find(|known| known.text == prefix) {
            return known.is_stream == is_stream;
        }
        if may_be {
            self.prefixes.push(Prefix {
                text: prefix.to_owned(),
                is_stream,
            });
        }
        may_be
    }

    /// A line after a known prefix.
    fn behind_prefix<'l>(&self, line: &'l str) -> Option<Opened<'l>> {
        let prefix = self.prefixes.iter().find(|known| {
            line.starts_with(&known.text)
                || (line.len() + 1 == known.text.len() && known.text.starts_with(line))
        })?;
        let rest = line.get(prefix.text.len()..).unwrap_or("");
        if prefix.is_stream {
            return Some(Opened {
                text: Cow::Borrowed(rest),
                stream: Cow::Owned(format!("behind {}", prefix.text)),
                ..Opened::default()
            });
        }
        // The prefix may be part of the record's own head.
        (!is_dated(rest)).then(|| Opened {
            text: Cow::Borrowed(rest),
            ..Opened::default()
        })
    }
}

fn is_dated(text: &str) -> bool {
    let bare = text.strip_prefix('[').unwrap_or(text);
    stamp(bare).is_some_and(|(when, _)| when.date != Date::None)
}

/// Removes the outermost envelope around a line.
pub(crate) fn open<'l>(
    line: &'l str,
    habits: &mut Habits,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<Opened<'l>> {
    let first = *line.as_bytes().first()?;
    if !habits.prefixes.is_empty()
        && first != b' '
        && let Some(opened) = habits.behind_prefix(line)
    {
        return Some(opened);
    }
    if first == b'='
        && let Some(name) = names::section(line)
    {
        habits.section = Some(name.to_owned());
        return Some(Opened {
            text: Cow::Borrowed(line),
            is_own: true,
            ..Opened::default()
        });
    }
    if let Some(name) = &habits.section {
        return Some(Opened {
            text: Cow::Borrowed(line),
            stream: Cow::Owned(format!("section {name}")),
            ..Opened::default()
        });
    }
    if !matches!(first, b'{' | b'[' | b'<' | b' ')
        && let Some(opened) = names::grepped(line, &mut habits.grepped)
    {
        return Some(opened);
    }
    if let Some(event) = habits.event
        && matches!(first, b' ' | 0xe2)
        && let Some(opened) = workers::of_event(line, event.time)
    {
        return Some(opened);
    }
    // Most lines have no envelope, and the first byte shows it.
    match first {
        b'{' => docker(line),
        b'0'..=b'9' => container(line)
            .or_else(|| scalingo(line, zone, calendar))
            .or_else(|| journal(line, zone, calendar))
            .or_else(|| before::platform(line, habits, zone, calendar))
            .or_else(|| agents::fluentd(line, zone, calendar))
            .or_else(|| since(line, habits))
            .or_else(|| stamped(line, habits, zone, calendar))
            .or_else(|| tagged(line, zone, calendar))
            .or_else(|| agents::in_milliseconds(line))
            .or_else(|| named(line)),
        b'[' => agents::fluent_bit(line)
            .or_else(|| kubectl(line))
            .or_else(|| named(line))
            .or_else(|| bracketed(line))
            .or_else(|| since_boot(line))
            .or_else(|| stamped(line, habits, zone, calendar)),
        b'<' => syslog(line, zone, calendar).or_else(|| agents::priority(line)),
        b'A'..=b'Z' => journal(line, zone, calendar)
            .or_else(|| stamped(line, habits, zone, calendar))
            .or_else(|| tagged(line, zone, calendar))
            .or_else(|| own(line))
            .or_else(|| agents::events(line))
            .or_else(|| named(line))
            .or_else(|| bare(line, habits))
            .or_else(|| before_object(line, habits))
            .or_else(|| workers::event(line, habits, zone, calendar)),
        b'*' | b'#' => own(line),
        b'+' | b'-' => names::stern(line),
        b'"' => {
            agents::behind_fluent_bit(line).or_else(|| workers::event(line, habits, zone, calendar))
        }
        b'a'..=b'z' | b'@' | b'_' => agents::tai64n(line)
            .or_else(|| agents::sent(line))
            .or_else(|| fly(line))
            .or_else(|| named(line))
            .or_else(|| bare(line, habits))
            .or_else(|| before_object(line, habits)),
        _ => None,
    }
}

/// A time in any format before lines that have a time of their own.
fn stamped<'l>(
    line: &'l str,
    habits: &mut Habits,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<Opened<'l>> {
    let bare = line.strip_prefix('[').unwrap_or(line);
    let (when, length) = stamp(bare).filter(|(when, _)| when.date != Date::None)?;
    let rest = &bare[length..];
    let rest = if bare.len() < line.len() {
        rest.strip_prefix(']')?
    } else {
        rest
    };
    let text = [": ", " ", "\t"]
        .iter()
        .find_map(|sign| rest.strip_prefix(sign));
    let text = text.or_else(|| matches!(rest, "" | ":").then_some(""))?;
    let bare = text.trim_start_matches(' ');
    let is_inside =
        bare.starts_with("{\"") || bare.starts_with("Traceback (most") || is_dated(bare);
    let blanks = text.len() - bare.len();
    if is_inside && !habits.times_before {
        (habits.times_before, habits.blanks) = (true, blanks);
    }
    let text = &text[blanks.min(habits.blanks)..];
    let is_opened = habits.times_before
        && (is_inside || text.is_empty() || head(line).is_none_or(|head| head.level.is_empty()));
    is_opened.then(|| Opened {
        text: Cow::Borrowed(text),
        time: time::instant(&when, zone, calendar).map(|(time, _)| time),
        ..Opened::default()
    })
}

/// `00:00:01 line`, written by `ts -i` and `ts -s`: the time elapsed since the previous line, or since the first.
fn since<'l>(line: &'l str, habits: &mut Habits) -> Option<Opened<'l>> {
    if !matches!(line.as_bytes(), [_, _, b':', _, _, b':', ..]) {
        return None;
    }
    let (clock, text) = line.split_once(' ')?;
    let bytes = clock.as_bytes();
    let is_clock = bytes.len() >= 8
        && bytes
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'));
    if !is_clock {
        return None;
    }
    habits.clocks_before |= is_dated(text) || text.starts_with("{\"");
    habits.clocks_before.then(|| Opened {
        text: Cow::Borrowed(text),
        ..Opened::default()
    })
}

/// The line in an object of Docker's, which contains only the line, the stream and the time.
fn docker(line: &str) -> Option<Opened<'_>> {
    let rest = line[1..].trim_start().strip_prefix("\"log\"")?;
    if !rest.trim_start().starts_with(':') {
        return None;
    }
    let object = Object::parse(line)?;
    if object.fields.len() > 4 {
        return None;
    }
    let field = |name: &str| {
        let field = object.fields.iter().find(|(key, _)| key == name)?;
        scalar(field.1)?.into_text()
    };
    let (log, stream) = (field("log")?, field("stream")?);
    Some(Opened {
        is_piece: !log.ends_with('\n'),
        text: Cow::Owned(log.trim_end_matches(['\n', '\r']).to_owned()),
        time: field("time").and_then(|time| Timestamp::parse(&time).ok()),
        stream: Cow::Owned(format!("docker {stream}")),
        ..Opened::default()
    })
}

/// `2026-03-04T11:22:33.123456789Z stdout F line`
fn container(line: &str) -> Option<Opened<'_>> {
    if !is_time(line) {
        return None;
    }
    let (time, rest) = line.split_once(' ')?;
    let (stream, rest) = rest.split_at_checked("stdout ".len())?;
    if !matches!(stream, "stdout " | "stderr ") || !is_time(time) {
        return None;
    }
    let (tags, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_piece = match tags.split(':').next()? {
        "F" => false,
        "P" => true,
        _ => return None,
    };
    Some(Opened {
        text: Cow::Borrowed(text),
        time: Some(Timestamp::parse(time).ok()?),
        stream: Cow::Borrowed(stream),
        is_piece,
        ..Opened::default()
    })
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[13] == b':'
}

fn stream<'l>(name: &'l str, text: &'l str) -> Opened<'l> {
    Opened {
        text: Cow::Borrowed(text),
        stream: Cow::Borrowed(name),
        ..Opened::default()
    }
}

/// Lines of the platform itself, which contain nothing about the program.
fn own(line: &str) -> Option<Opened<'_>> {
    const WORDS: [&str; 10] = [
        "START RequestId: ",
        "END RequestId: ",
        "REPORT RequestId: ",
        "INIT_START Runtime Version: ",
        "XRAY TraceId: ",
        "*** Reading remote log",
        "*** Reading local file",
        "*** Found local files",
        "# Logfile created on ",
        "Successfully created tail, ",
    ];
    WORDS
        .iter()
        .any(|words| line.starts_with(words))
        .then(|| Opened {
            text: Cow::Borrowed(line),
            is_own: true,
            ..Opened::default()
        })
}

/// Whether a text is a record of its own: the message of a record that another program wrote around it.
pub(crate) fn is_record(text: &str) -> bool {
    if text.starts_with('{') {
        return Object::parse(text).is_some_and(|object| says_record(&object));
    }
    if text.starts_with("Traceback") && crash::Extent::begin(text).is_some() {
        return true;
    }
    let first = text.as_bytes().first().copied().unwrap_or(0);
    if !(first.is_ascii_digit() || first == b'[' || first.is_ascii_uppercase()) {
        return false;
    }
    // Fast path: most messages contain no time, and no colon after the first word.
    let bytes = text.as_bytes();
    let word = bytes
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric())
        .count();
    if bytes.get(word) != Some(&b':') && !time::may_hold_clock(text) {
        return false;
    }
    head(text).is_some_and(|head| {
        let has_date = head.time.is_some_and(|time: Stamp| time.date != Date::None);
        // A clock alone is one of a head only if the head begins with it, or with the level.
        let has_clock = head.time.is_some() && head.time_at.min(head.level_at) <= 1;
        let is_basic = head.time.is_none()
            && head.logger.is_some()
            && bytes.get(head.level.len()) == Some(&b':');
        !head.level.is_empty() && (has_date || has_clock || is_basic)
    })
}

/// Whether a text may be a record of its own, as its first bytes show: the line of a program within an object.
#[inline]
pub(crate) fn may_be_record(text: &str) -> bool {
    match text.as_bytes() {
        // `I, [2026-…` and `I0304 11:22:33` among them.
        [b'{' | b'[' | b'\\' | 0x1b | b'0'..=b'9', ..] | [b'A'..=b'Z', b',' | b'0'..=b'9', ..] => {
            true
        }
        [a, b, c, rest @ ..] if [a, b, c].iter().all(|b| b.is_ascii_uppercase()) => {
            let more = rest.iter().take_while(|b| b.is_ascii_uppercase()).count();
            matches!(rest[more..], [b':', ..] | [b' ', b'[' | b' ', ..])
        }
        _ => false,
    }
}

/// The level with which a text begins: `INFO: message`, `[WARN] message`.
pub(crate) fn level_before(text: &str) -> Option<Level> {
    let found = head(text).filter(|head| head.time.is_none() && head.level_at <= 1)?;
    Level::from_word(found.level)
}

/// Whether an object has a member that is typical of records: a level, a time or a message.
fn says_record(object: &Object<'_>) -> bool {
    const NAMES: [&str; 12] = [
        "level",
        "levelname",
        "severity",
        "time",
        "timestamp",
        "@timestamp",
        "ts",
        "msg",
        "message",
        "event",
        "log",
        "@m",
    ];
    let found = object
        .fields
        .iter()
        .filter(|(key, _)| NAMES.contains(&key.to_ascii_lowercase().as_str()));
    found.count() > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: &str) -> Option<String> {
        let opened = open(
            line,
            &mut Habits::default(),
            &TimeZone::UTC,
            &Calendar::default(),
        );
        opened.map(|opened| opened.text.into_owned())
    }

    #[test]
    fn envelopes_are_opened() {
        for (line, rest) in [
            (
                "2026-03-04T11:22:33.123456789Z stdout F {\"a\":1}",
                Some("{\"a\":1}"),
            ),
            (
                "2026-03-04T11:22:33.123456789Z stderr P:x ERROR x",
                Some("ERROR x"),
            ),
            (
                "shop-1  | 2026-03-04 11:22:33,123 INFO shop: x",
                Some("2026-03-04 11:22:33,123 INFO shop: x"),
            ),
            ("shop-1  | ", Some("")),
            ("0|mint  | x", Some("x")),
            ("[pod/shop-7f/main] {\"a\":1}", Some("{\"a\":1}")),
            ("2026-03-04T11:22:33.123Z {\"a\":1}", Some("{\"a\":1}")),
            ("Mar 04 11:22:33 crawl-1 python[184]: x", Some("x")),
            ("2026-03-04T11:22:34+0100 crawl-1 node[184]: x", Some("x")),
            (
                "2026-03-05T16:00:03.123456+00:00 app[worker.1]: x",
                Some("x"),
            ),
            (
                "<11>1 2026-03-04T10:22:35.200Z crawl-1 node 184 ID47 [x@1 a=\"]b\"] failed",
                Some("failed"),
            ),
            (
                "<30>1 2026-03-04T10:22:34.123Z node-1 crawl 77 - - \u{feff}x",
                Some("x"),
            ),
            ("2026-03-05 16:00:03 scraper-1  | {}", Some("{}")),
            (
                "@shop/bot:start: {\"level\":30,\"msg\":\"a\"}",
                Some("{\"level\":30,\"msg\":\"a\"}"),
            ),
            (
                "mint.walk\t{\"log\":\"a\",\"stream\":\"stderr\"}",
                Some("{\"log\":\"a\",\"stream\":\"stderr\"}"),
            ),
            ("stats: {\"pages\": 3}", None),
            ("Nov 30 16:56:35 box mint: x", Some("x")),
            (
                "Nov 30 16:55:39 2026-11-30 16:55:39,120 INFO shop: x",
                Some("2026-11-30 16:55:39,120 INFO shop: x"),
            ),
            (
                "2026-11-30T16:54:29: Traceback (most recent call last):",
                Some("Traceback (most recent call last):"),
            ),
            (
                "Jan 6 01:51:54 PM  2026-01-06T05:51:54.064Z\tINFO\twalk/main.go:20\tstarted",
                Some("2026-01-06T05:51:54.064Z\tINFO\twalk/main.go:20\tstarted"),
            ),
            (
                "[2026-11-30 16:54:29] 2026-11-30 16:54:29,1 INFO shop: x",
                Some("2026-11-30 16:54:29,1 INFO shop: x"),
            ),
            (
                "2026-03-04T10:00:00.12Z app[148e21b2] ams [info]INFO mint: x",
                Some("app[148e21b2] ams [info]INFO mint: x"),
            ),
            ("app[148e21b2] ams [info]INFO mint: x", Some("INFO mint: x")),
            ("2026-03-04T10:00:02.120Z 01E x", Some("x")),
            ("1772618401.12 box python3[184]: x", Some("x")),
            ("[   90.000300] box python3[184]: x", Some("x")),
            ("2026-03-04T11:22:33.5Z shop ValueError: x", None),
            ("2026-03-04 11:22:33.353 | INFO     | a:b:3 - x", None),
            ("05:00:00.110 | INFO    | prefect.engine - x", None),
            ("a table | of words", None),
            ("<1>", None),
            ("ERROR | the page is gone", None),
            ("[pod] x", None),
            ("2026-03-04 11:22:33 INFO shop: x", None),
            ("2026-03-04T11:22:33.123Z INFO shop: x", None),
        ] {
            assert_eq!(text(line).as_deref(), rest, "{line}");
        }
    }

    #[test]
    fn a_runtime_says_when_and_cuts_long_lines() {
        let line =
            "{\"log\": \"half a\", \"stream\": \"stderr\", \"time\": \"2026-03-04T11:22:33.5Z\"}";
        let opened = open(
            line,
            &mut Habits::default(),
            &TimeZone::UTC,
            &Calendar::default(),
        )
        .unwrap();
        assert_eq!((&*opened.text, opened.is_piece), ("half a", true));
        assert_eq!(opened.time, Timestamp::parse("2026-03-04T11:22:33.5Z").ok());
        let other = r#"{"log":"INFO a","level":"info"}"#;
        assert_eq!(text(other), None);
    }
}
