//! Envelopes of lines that an agent or a tool printed: Fluentd, Fluent Bit, command-line tools of clouds, multilog,
//! server-sent events.

use std::borrow::Cow;

use dragline_schema::{Level, Timestamp};
use jiff::tz::TimeZone;

use super::{Opened, severity};
use crate::parsing::time::stamp;
use crate::parsing::time::stamp::Date;
use crate::parsing::time::{self, Calendar};

/// Fluentd's standard output: `2026-03-04 10:00:00.120300000 +0000 tag: {…}`.
pub(super) fn fluentd<'l>(
    line: &'l str,
    zone: &TimeZone,
    calendar: &Calendar,
) -> Option<Opened<'l>> {
    // Fast path: most lines with a time have no time zone at these positions.
    let zone_at = |at: usize| matches!(line.as_bytes().get(at..at + 2), Some(b" +" | b" -"));
    if !zone_at(29) && !zone_at(19) {
        return None;
    }
    let (before, _) = line.split_once(": {\"")?;
    let text = &line[before.len() + 2..];
    let (when, length) = stamp(before)?;
    let tag = before[length..].strip_prefix(' ')?;
    let is_tag = !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_graphic() && b != b'|');
    (is_tag && tag.contains('.') && when.offset.is_some() && when.date != Date::None).then(|| {
        Opened {
            text: Cow::Borrowed(text),
            time: time::instant(&when, zone, calendar).map(|(time, _)| time),
            ..Opened::default()
        }
    })
}

/// Fluent Bit's standard output: `[0] tag: [[1772618400.12, {}], {"log"=>"line"}]`. Older versions write only the
/// time. Fluent Bit escapes nothing, so a value ends where the next one starts.
pub(super) fn fluent_bit(line: &str) -> Option<Opened<'_>> {
    let (number, rest) = line.strip_prefix('[')?.split_once("] ")?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (tag, rest) = rest.split_once(": [")?;
    let (time, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (time, rest) = rest.split_once(", {")?;
            (time, rest.split_once("], {")?.1)
        }
        None => rest.split_once(", {")?,
    };
    // The line end is not escaped, so the text after it is on the next line.
    let is_cut = !rest.ends_with("}]");
    let fields = rest.strip_suffix("}]").unwrap_or(rest);
    let value = |name: &str| {
        let begin = fields.find(&format!("\"{name}\"=>\""))? + name.len() + 5;
        let value = &fields[begin..];
        let mut ends = value.match_indices("\", \"").map(|(end, _)| end);
        let end = ends.find(|end| begins_with_key(&value[*end + 4..]));
        let last = value.rfind('"').filter(|_| !is_cut);
        let end = end.or(last).unwrap_or(value.len());
        Some(&value[..end])
    };
    let Some(text) = value("log").or_else(|| value("message")) else {
        // A parsed record: restores the object, unless a value needs escaping.
        let object = format!("{{{}}}", fields.replace("\"=>", "\":"));
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&object).ok()?;
        return Some(Opened {
            text: Cow::Owned(object),
            time: time.parse().ok().and_then(time::from_epoch),
            ..Opened::default()
        });
    };
    let text = text.trim_end_matches('\n');
    // Some versions escape the text.
    let text = if text.starts_with("{\\\"") {
        Cow::Owned(text.replace("\\\"", "\"").replace("\\\\", "\\"))
    } else {
        Cow::Borrowed(text)
    };
    let stream = value("stream").or_else(|| value("source"));
    let container = value("container_name").unwrap_or_default();
    Some(Opened {
        is_piece: value("_p") == Some("P") || value("logtag") == Some("P"),
        text,
        time: time.parse().ok().and_then(time::from_epoch),
        stream: Cow::Owned(format!("{tag} {}{container}", stream.unwrap_or_default())),
        ..Opened::default()
    })
}

/// Whether a text begins with a name and the sign before its value: `log"=>`.
fn begins_with_key(text: &str) -> bool {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let length = text.bytes().take_while(|b| is_part(b)).count();
    length > 0 && text[length..].starts_with("\"=>")
}

/// The rest of an entry after the line end in its value: `", "stream"=>"stdout"}]`.
pub(super) fn behind_fluent_bit(line: &str) -> Option<Opened<'_>> {
    let is_rest = line.starts_with("\", \"") && line.ends_with("}]") && line.contains("\"=>");
    (is_rest || line == "\"}]").then(|| Opened {
        is_own: true,
        ..Opened::default()
    })
}

/// Text output of `CloudWatch` queries: `1772618400120⇥line`.
pub(super) fn in_milliseconds(line: &str) -> Option<Opened<'_>> {
    let (time, text) = line.split_at_checked(13)?;
    let text = text.strip_prefix('\t')?;
    time.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    Some(Opened {
        text: Cow::Borrowed(text),
        time: Some(time::from_epoch(time.parse().ok()?)?),
        ..Opened::default()
    })
}

/// Text output of `CloudWatch` events: `EVENTS⇥id⇥taken⇥stream⇥line⇥written`, with times in milliseconds.
pub(super) fn events(line: &str) -> Option<Opened<'_>> {
    let rest = line.strip_prefix("EVENTS\t")?;
    let mut parts = rest.splitn(4, '\t');
    let (id, taken) = (parts.next()?, parts.next()?);
    let (stream, rest) = (parts.next()?, parts.next()?);
    let (text, written) = rest.rsplit_once('\t').unwrap_or((rest, taken));
    if !id.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Opened {
        text: Cow::Borrowed(text),
        time: Some(time::from_epoch(written.parse().ok()?)?),
        stream: Cow::Borrowed(stream),
        ..Opened::default()
    })
}

/// `@400000006b0e105215b7edcc line`, written by multilog and svlogd: TAI64N, which is seconds since 1970 plus ten,
/// and nanoseconds (<https://cr.yp.to/libtai/tai64.html>).
pub(super) fn tai64n(line: &str) -> Option<Opened<'_>> {
    let label = line.get(1..25).filter(|_| line.starts_with("@4"))?;
    label.bytes().all(|b| b.is_ascii_hexdigit()).then_some(())?;
    let text = &line[25..];
    let text = text.strip_prefix(' ').or(text.is_empty().then_some(text))?;
    let seconds = u64::from_str_radix(&label[..16], 16).ok()?;
    let nanoseconds = u32::from_str_radix(&label[16..], 16).ok()?;
    let seconds = i64::try_from(seconds.checked_sub(1 << 62)?).ok()? - 10;
    Some(Opened {
        text: Cow::Borrowed(text),
        time: Some(Timestamp::from_micros(
            seconds.checked_mul(1_000_000)? + i64::from(nanoseconds / 1000),
        )),
        ..Opened::default()
    })
}

/// A server-sent event, as written by `journalctl -o json-sse` and cloud consoles: `data: {…}`.
pub(super) fn sent(line: &str) -> Option<Opened<'_>> {
    let text = line.strip_prefix("data: ")?;
    text.starts_with('{').then(|| Opened {
        text: Cow::Borrowed(text),
        ..Opened::default()
    })
}

/// The priority that a service writes before its lines for systemd: `<3>line` (sd-daemon(3)).
pub(super) fn priority(line: &str) -> Option<Opened<'_>> {
    let bytes = line.as_bytes();
    let [b'<', digit @ b'0'..=b'7', b'>', ..] = bytes else {
        return None;
    };
    let text = line[3..].strip_prefix(' ').unwrap_or(&line[3..]);
    let level: Level = severity(u64::from(digit - b'0'));
    (!text.is_empty()).then(|| Opened {
        text: Cow::Borrowed(text),
        level: Some(level),
        ..Opened::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_agents() {
        let time = |opened: &Opened<'_>| opened.time.map(|time| time.to_string());
        let at = |text: &str| Some(text.to_owned());
        let utc = (&TimeZone::UTC, &Calendar::default());
        let line = "2026-03-04 10:00:00.120300000 +0000 kube.walk.log: {\"log\":\"a\"}";
        let opened = fluentd(line, utc.0, utc.1).unwrap();
        assert_eq!(opened.text, "{\"log\":\"a\"}");
        assert!(fluentd("2026-03-04 10:00:00 INFO a: {\"b\":1}", utc.0, utc.1).is_none());

        let line = "[3] kube.a: [[1772618400.12, {}], {\"stream\"=>\"stderr\", \"log\"=>\"say \"no\", x\", \"_p\"=>\"F\"}]";
        let opened = fluent_bit(line).unwrap();
        assert_eq!(
            (&*opened.text, &*opened.stream),
            ("say \"no\", x", "kube.a stderr")
        );
        assert_eq!(time(&opened), at("2026-03-04T10:00:00.120000Z"));
        let object = r#"{"a": "b", "c": "d"}"#;
        let keys = r#""container_id"=>"9f", "container_name"=>"/crawl""#;
        for log in [object, r#"{\"a\": \"b\", \"c\": \"d\"}"#] {
            let line = format!(
                r#"[0] d: [[1772618400.12, {{}}], {{"source"=>"stderr", "log"=>"{log}", {keys}}}]"#
            );
            let opened = fluent_bit(&line).unwrap();
            assert_eq!((&*opened.text, &*opened.stream), (object, "d stderr/crawl"));
        }
        let apart = "[0] a: [[1772618400.12, {}], {\"level\"=>\"error\", \"n\"=>{\"m\"=>1}}]";
        let opened = fluent_bit(apart).unwrap();
        assert_eq!(opened.text, "{\"level\":\"error\", \"n\":{\"m\":1}}");
        let opened = fluent_bit("[0] a: [1772618400.12, {\"log\"=>\"x\"}]").unwrap();
        assert_eq!(opened.text, "x");

        let opened = in_milliseconds("1772618400120\tINFO a: b").unwrap();
        assert_eq!(time(&opened), at("2026-03-04T10:00:00.120000Z"));
        let opened = events("EVENTS\t39\t1772618401000\twalk/1\tINFO a\tb\t1772618400120").unwrap();
        assert_eq!(
            (&*opened.text, time(&opened)),
            ("INFO a\tb", at("2026-03-04T10:00:00.120000Z"))
        );

        let opened = tai64n("@400000006b0e105215b7edcc INFO a: b").unwrap();
        assert_eq!(opened.text, "INFO a: b");
        assert_eq!(time(&opened), at("2026-12-01T00:09:44.364375Z"));
        for other in [
            "@shop/bot:start: x",
            "@400000006b0e105215b7edccx",
            "@4é",
            "@400060006b0ed00\u{1db}123456 walk",
        ] {
            assert!(tai64n(other).is_none(), "{other}");
        }
        assert_eq!(priority("<3>it failed").unwrap().level, Some(Level::Error));
        assert!(priority("<p>x").is_none() && priority("<14>x").is_none());
    }
}
