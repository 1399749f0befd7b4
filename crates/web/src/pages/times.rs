//! Times on pages. Each is a `<time>`, which the script shows in the reader's zone: also those in the sentences of the
//! backend, which are UTC, so that a page has one zone.

use dragline_charts::escape;
use dragline_schema::Timestamp;

use super::html::{Html, UNKNOWN};

impl Html {
    /// A time: as short as `now` allows. The script shows it in the reader's zone.
    pub(super) fn time(time: Option<Timestamp>, now: Timestamp) -> Self {
        let Some(time) = time else {
            return Self::text(UNKNOWN);
        };
        Self::stamp(time, &short(time, now, false), "")
    }

    /// A time to the second, as short as `now` allows.
    pub(super) fn time_seconds(time: Option<Timestamp>, now: Timestamp) -> Self {
        let Some(time) = time else {
            return Self::text(UNKNOWN);
        };
        Self::stamp(time, &short(time, now, true), " data-seconds=\"short\"")
    }

    /// A date and a time to the second.
    pub(super) fn second(time: Timestamp) -> Self {
        let iso = time.to_string();
        Self::stamp(
            time,
            &format!("{} {}", &iso[..10], &iso[11..19]),
            " data-seconds",
        )
    }

    /// Sentences of the backend: what is between backticks is code, and times are times.
    pub(super) fn sentence(text: &str, now: Timestamp) -> Self {
        let parts: Vec<&str> = text.split('`').collect();
        let has_code = !parts.len().is_multiple_of(2);
        if !has_code {
            return Self(with_times(text, now));
        }
        let part = |(place, part): (usize, &&str)| match place % 2 {
            0 => with_times(part, now),
            _ => format!("<code>{}</code>", escape(part)),
        };
        Self(parts.iter().enumerate().map(part).collect())
    }

    fn stamp(time: Timestamp, shown: &str, more: &str) -> Self {
        let iso = time.to_string();
        let whole = format!("{} {} UTC", &iso[..10], &iso[11..19]);
        Self(format!(
            "<time datetime=\"{iso}\" title=\"{whole}\"{more}>{shown}</time>"
        ))
    }
}

/// A sentence as text alone: its times say that they are UTC.
pub(super) fn in_utc(text: &str) -> String {
    let mut out = String::new();
    each_part(text, |part| match part {
        Part::Text(text) => out.push_str(text),
        Part::Time(time) => {
            let iso = time.to_string();
            out.push_str(&format!("{} {} UTC", &iso[..10], &iso[11..16]));
        }
    });
    out
}

fn with_times(text: &str, now: Timestamp) -> String {
    let mut out = String::new();
    each_part(text, |part| match part {
        Part::Text(text) => out.push_str(&escape(text)),
        Part::Time(time) => out.push_str(&Html::time(Some(time), now).0),
    });
    out
}

enum Part<'t> {
    Text(&'t str),
    Time(Timestamp),
}

/// Splits a sentence at its times.
fn each_part<'t>(text: &'t str, mut take: impl FnMut(Part<'t>)) {
    let mut from = 0;
    let mut at = 0;
    while at < text.len() {
        let is_start = at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric();
        let Some((time, length)) = text.get(at..).filter(|_| is_start).and_then(time_at) else {
            at += 1;
            continue;
        };
        take(Part::Text(&text[from..at]));
        take(Part::Time(time));
        at += length;
        from = at;
    }
    take(Part::Text(&text[from..]));
}

/// The time at the start of a text, and its length: `2026-11-29 00:03`, with or without ` UTC`, or RFC 3339 in UTC.
fn time_at(text: &str) -> Option<(Timestamp, usize)> {
    const SHAPE: &[u8] = b"0000-00-00 00:00";
    let head = text.as_bytes().get(..SHAPE.len())?;
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b' ' => matches!(byte, b' ' | b'T'),
        _ => byte == shape,
    };
    if !head.iter().zip(SHAPE).all(fits) {
        return None;
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut length = SHAPE.len();
    let mut rest = &text[length..];
    let mut seconds = "00";
    if let Some(after) = rest.strip_prefix(':').filter(|after| digits(after) == 2) {
        seconds = &after[..2];
        rest = &after[2..];
        let fraction = rest.strip_prefix('.').map_or(0, |after| 1 + digits(after));
        rest = &rest[fraction..];
    }
    length = text.len() - rest.len();
    // Another zone, or more digits, is something else.
    let is_more = |c: char| c.is_ascii_digit() || c == '+';
    if rest.starts_with(is_more) || rest.strip_prefix(':').is_some_and(|rest| digits(rest) > 0) {
        return None;
    }
    let zone = [" UTC", "Z"]
        .into_iter()
        .find(|zone| rest.starts_with(zone));
    length += zone.map_or(0, str::len);
    let whole = format!("{}T{}:{seconds}Z", &text[..10], &text[11..16]);
    Some((Timestamp::parse(&whole).ok()?, length))
}

/// The time of day today, the day this year, or the whole date.
fn short(time: Timestamp, now: Timestamp, has_seconds: bool) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (at, today) = (time.to_civil(), now.to_civil());
    let mut clock = format!("{:02}:{:02}", at.hour(), at.minute());
    if has_seconds {
        clock.push_str(&format!(":{:02}", at.second()));
    }
    if at.date() == today.date() {
        return clock;
    }
    if at.year() == today.year() {
        let month = MONTHS[at.month() as usize - 1];
        return format!("{} {month} {clock}", at.day());
    }
    format!("{} {clock}", at.date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_sentences_are_times() {
        let now = Timestamp::parse("2026-12-02T12:00:00Z").unwrap();
        let shown = |text: &str| Html::sentence(text, now).0;
        assert_eq!(
            shown("fell since 2026-11-29 00:03; pages"),
            "fell since <time datetime=\"2026-11-29T00:03:00.000000Z\" title=\"2026-11-29 00:03:00 UTC\">29 Nov 00:03</time>; pages"
        );
        for text in [
            "by 2026-12-02 06:13 UTC, and",
            "seen 2026-12-02T06:13:31.563009Z.",
            "äö (2026-12-02 06:13)",
            "since 2026-12-02 06:13: a line",
        ] {
            assert!(shown(text).contains(">06:13</time>"), "{text}");
            assert!(
                !shown(text).contains("563009") && !shown(text).contains("UTC, "),
                "{text}"
            );
        }
        for text in [
            "2026-11-29",
            "x2026-12-02 06:13",
            "2026-12-02 06:13+02:00",
            "2026-99-02 06:13",
            "2026-12-02 06:1",
            "`2026-12-02 06:13`",
        ] {
            assert!(!shown(text).contains("<time"), "{text}: {}", shown(text));
        }
        assert_eq!(shown("<b> `<i>`"), "&lt;b&gt; <code>&lt;i&gt;</code>");
    }

    #[test]
    fn a_title_alone_says_that_it_is_utc() {
        assert_eq!(
            in_utc("fell since 2026-11-29 00:03; by 2026-12-02 06:13 UTC"),
            "fell since 2026-11-29 00:03 UTC; by 2026-12-02 06:13 UTC"
        );
    }
}
