//! Text logs whose records begin with a head and may go on over lines.
//!
//! A head says when, how loud and who, in one of the orders of [`plain`], or as Crawlee writes it
//! ([`crawlee`]). A line without one continues the record before it: tracebacks and stacks, the
//! JSON that Crawlee puts on a line of its own, boxes of statistics. What the text says of requests,
//! items and errors is read like the fields of a JSON record, from `key=value` words. A line that is
//! nothing but such words is a record by itself ([`logfmt`]).

pub(crate) mod crawlee;
pub(crate) mod logfmt;
mod plain;

use std::borrow::Cow;
use std::sync::Arc;

use dragline_schema::{
    Dialect, Event, Position, Problem, ProblemKind, Sink, Timestamp, Value, clip,
};
use jiff::tz::TimeZone;

use self::crawlee::Crawlee;
use crate::lines::append;
use crate::map::Map;
use crate::{json, time, traceback};

/// A record's text is kept up to this size; more lines of it are read and left out.
const MAX_RECORD: usize = 1 << 20;
/// What a line is about that begins with one of them and goes on in pairs.
const ITEMS: [&str; 4] = ["item", "product", "article", "story"];
/// The levels that only zerolog's console writes so; its durations are milliseconds.
const ZEROLOG: [&str; 6] = ["TRC", "DBG", "INF", "WRN", "ERR", "FTL"];
/// This much of a line without a time is shown.
const SHOWN: usize = 120;

/// The beginning of a record.
#[derive(Debug, PartialEq)]
struct Head<'l> {
    dialect: Dialect,
    /// As it is written; not every writer says when.
    time: Option<&'l str>,
    level: &'l str,
    logger: Option<&'l str>,
    message: &'l str,
}

/// The decoder of one family of files.
pub(crate) struct Text {
    pending: Option<Begun>,
    crawlee: Crawlee,
}

/// A record that a line began, and whose lines may go on.
pub(crate) struct Begun {
    dialect: Dialect,
    time: Option<String>,
    /// How the time is written, when it is in no usual form.
    pub(crate) time_format: Option<Arc<str>>,
    /// When a container's runtime took the line.
    taken_at: Option<Timestamp>,
    /// Empty when the line does not say.
    pub(crate) level: String,
    pub(crate) logger: Option<String>,
    /// The message, and in further lines what follows it.
    pub(crate) text: String,
    /// Whatever else the head says.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) at: Position,
}

/// What a line begins; `None` when it begins no record.
pub(crate) fn begin(line: &str, at: Position) -> Option<Begun> {
    let head = crawlee::head(line).or_else(|| plain::head(line))?;
    let dialect = match head.logger {
        Some(logger) if head.dialect == Dialect::Text && crawlee::is_logger(logger) => {
            Dialect::CrawleePython
        }
        _ => head.dialect,
    };
    Some(Begun::new(
        dialect,
        head.time,
        head.level,
        head.logger,
        head.message,
        at,
    ))
}

impl Text {
    pub(crate) fn new(family: &str) -> Self {
        Self {
            pending: None,
            crawlee: Crawlee::new(family),
        }
    }

    /// The runs of Crawlee's, whose lines may be JSON, too.
    pub(crate) fn crawlee(&self) -> &Crawlee {
        &self.crawlee
    }

    /// The same, to be changed.
    pub(crate) fn crawlee_mut(&mut self) -> &mut Crawlee {
        &mut self.crawlee
    }

    /// Opens the record that a line began; the one before it is to be flushed first.
    pub(crate) fn open(&mut self, begun: Begun, taken_at: Option<Timestamp>) {
        self.pending = Some(Begun { taken_at, ..begun });
    }

    /// Whether a record is open that the next line may continue.
    pub(crate) fn is_open(&self) -> bool {
        self.pending.is_some()
    }

    /// Where the open record begins.
    pub(crate) fn open_at(&self) -> Option<Position> {
        self.pending.as_ref().map(|pending| pending.at)
    }

    /// Takes a line that continues the open record.
    pub(crate) fn go_on(&mut self, line: &str) {
        if let Some(pending) = &mut self.pending {
            append(&mut pending.text, line, MAX_RECORD);
        }
    }

    /// Hands over the open record: nothing continues it. Gives 1 when its time names no zone.
    pub(crate) fn flush(&mut self, zone: &TimeZone, map: &Map, sink: &mut dyn Sink) -> u64 {
        let Some(pending) = self.pending.take() else {
            return 0;
        };
        let Some(json::Decoded { mut record, zoned }) = pending.decode(zone, map) else {
            return 0;
        };
        record.is_zoneless = !zoned && pending.time.is_some();
        if matches!(pending.dialect, Dialect::Crawlee | Dialect::CrawleePython) {
            self.crawlee
                .tell(&pending.text, &mut record, pending.at, sink);
        }
        if record.timestamp.is_none() {
            let problem = Problem {
                kind: ProblemKind::NoTimestamp,
                at: Some(pending.at),
                detail: clip(&pending.text, SHOWN),
            };
            sink.problem(&problem);
        }
        sink.record(&record, pending.at);
        u64::from(!zoned && pending.time.is_some())
    }
}

impl Begun {
    pub(crate) fn new(
        dialect: Dialect,
        time: Option<&str>,
        level: &str,
        logger: Option<&str>,
        message: &str,
        at: Position,
    ) -> Self {
        Self {
            dialect,
            time: time.map(str::to_owned),
            time_format: None,
            taken_at: None,
            level: level.to_owned(),
            logger: logger.map(str::to_owned),
            text: message.to_owned(),
            fields: Vec::new(),
            at,
        }
    }

    /// When it was written, and whether its time names a zone.
    pub(crate) fn timestamp(&self, zone: &TimeZone) -> Option<(Timestamp, bool)> {
        let text = self.time.as_deref()?;
        match &self.time_format {
            Some(format) => time::parse_as(text, format, zone),
            None => time::parse_text(text, zone),
        }
    }

    /// The record, its parts read as if they were the fields of an object.
    fn decode(&self, zone: &TimeZone, map: &Map) -> Option<json::Decoded<'_>> {
        let (first, rest) = self.text.split_once('\n').unwrap_or((&self.text, ""));
        let text = |text| Value::Str(Cow::Borrowed(text));
        let mut fields = vec![(Cow::Borrowed("message"), text(first.trim_end()))];
        if !self.level.is_empty() {
            fields.push((Cow::Borrowed("level"), text(&self.level)));
        }
        if let Some(logger) = &self.logger {
            fields.push((Cow::Borrowed("target"), text(logger)));
        }
        if traceback::parse(rest).is_some() {
            fields.push((Cow::Borrowed("traceback"), text(rest)));
        }
        match tail(first) {
            Some(object) => fields.extend(object.flatten()),
            None if ZEROLOG.contains(&&*self.level) => {
                fields.extend(pairs(first).map(|(key, value)| match &*key {
                    "duration" | "elapsed" => (Cow::Owned(format!("{key}_ms")), value),
                    _ => (key, value),
                }));
            }
            None => fields.extend(pairs(first)),
        }
        let own = self.fields.iter();
        fields.extend(own.map(|(key, value)| (Cow::Borrowed(&**key), json::value_of_text(value))));
        // `item title='…' url=…`, and `Scraped '…' from …`.
        let told = first.split_whitespace().next().unwrap_or_default();
        if first.contains('=') && ITEMS.contains(&told) {
            fields.push((Cow::Borrowed("item.kind"), text(told)));
        } else if json::says_item(first)
            && let Some(url) = json::url_in(first)
        {
            fields.push((Cow::Borrowed("url"), text(url)));
        }
        let mut decoded = json::decode_fields(fields, self.dialect, zone, map)?;
        let time = self.timestamp(zone);
        decoded.zoned = time.is_none_or(|(_, zoned)| zoned);
        decoded.record.timestamp = time.map(|(time, _)| time).or(self.taken_at);
        if let Event::ScraperError(error) = &mut decoded.record.event
            && error.error_type.is_none()
            && error.error_message.is_none()
        {
            let (error_type, message) = traceback::split_type(first);
            if !error_type.is_empty() {
                error.error_type = Some(Cow::Borrowed(error_type));
                error.error_message = Some(Cow::Borrowed(message));
            }
        }
        Some(decoded)
    }
}

/// The JSON object that a message ends with, as zap and Crawlee write their fields.
fn tail(message: &str) -> Option<json::Object<'_>> {
    if !message.ends_with('}') {
        return None;
    }
    let begin = message.find("{\"")?;
    json::Object::parse(&message[begin..])
}

/// The `key=value` words of a message.
pub(crate) fn pairs(message: &str) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
    message.split_whitespace().filter_map(|word| {
        let (key, value) = word.trim_end_matches([',', ';']).split_once('=')?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(is_part);
        // What a head says goes before what a message happens to hold.
        let is_taken = matches!(
            key,
            "level" | "message" | "timestamp" | "target" | "traceback"
        );
        let value = value.trim_matches(['"', '\'']);
        (is_key && !is_taken && !value.is_empty())
            .then(|| (Cow::Borrowed(key), json::value_of_text(value)))
    })
}

/// A line without the colours of a terminal (ECMA-48, CSI sequences).
pub(crate) fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains('\u{1b}') {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = match after.strip_prefix('[') {
            Some(sequence) => {
                let end = sequence.find(|c: char| ('\u{40}'..='\u{7e}').contains(&c));
                // The last byte of a sequence is ASCII.
                end.map_or("", |end| &sequence[end + 1..])
            }
            None => after,
        };
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_schema::{Record, SourceFile};
    use proptest::prelude::*;

    #[derive(Default)]
    struct Told(Vec<String>);

    impl Sink for Told {
        fn file(&mut self, _: &SourceFile) {}
        fn record(&mut self, record: &Record<'_>, at: Position) {
            let mut fields = Vec::new();
            record.event.each_field(&mut |name, value| {
                if name != "traceback" {
                    fields.push(format!("{name}={value:?}"));
                }
            });
            let event = record
                .event
                .event_type()
                .map_or("log", |event| event.as_str());
            let level = record.level.map_or("?", |level| level.as_str());
            let message = record.message.as_deref().unwrap_or_default();
            self.0.push(format!(
                "{} {level} {event} {message:?} {}",
                at.line,
                fields.join(" ")
            ));
        }
        fn problem(&mut self, _: &Problem<'_>) {}
    }

    fn read(text: &str) -> Vec<String> {
        let (mut decoder, mut told) = (Text::new("shop"), Told::default());
        for (line, content) in (1..).zip(text.lines()) {
            let content = without_colours(content);
            let at = Position {
                line,
                ..Position::default()
            };
            match begin(&content, at) {
                Some(begun) => {
                    decoder.flush(&TimeZone::UTC, &Map::new(), &mut told);
                    decoder.open(begun, None);
                }
                None => decoder.go_on(&content),
            }
        }
        decoder.flush(&TimeZone::UTC, &Map::new(), &mut told);
        told.0
    }

    #[test]
    fn a_message_says_what_happened_in_pairs() {
        let told = read(
            "2026-11-22 06:13:32,572 INFO news.fetch: url=http://127.0.0.1:8601/ status=200 bytes=401 elapsed=0.052s\n\
             2026-11-22 06:13:33,489 ERROR news: story failed: /article/27\n\
             Traceback (most recent call last):\n  File \"/srv/news.py\", line 61, in story\n    raise ParseError(path)\n\
             ParseError: no author in /article/27\n",
        );
        assert_eq!(told.len(), 2, "{told:?}");
        let items = read(
            "2026-11-22 06:13:32,854 INFO news: item title='Story 0' url=http://127.0.0.1:8601/article/0\n\
             [ParselCrawler] INFO  Scraped 'Blue mug' from http://127.0.0.1:8600/product/8\n",
        );
        for item in &items {
            assert!(
                item.contains("product_processed") && item.contains("url=Str"),
                "{items:?}"
            );
        }
        assert_eq!(
            told[0],
            "1 INFO request \"url=http://127.0.0.1:8601/ status=200 bytes=401 elapsed=0.052s\" \
             url=Str(\"http://127.0.0.1:8601/\") status_code=U64(200) response_time_ms=F64(52.0) bytes=U64(401)"
        );
        assert!(
            told[1].contains(
                "error_type=Str(\"ParseError\") error_message=Str(\"no author in /article/27\")"
            ),
            "{told:?}"
        );
    }

    #[test]
    fn colours_are_no_text() {
        assert_eq!(
            without_colours("\u{1b}[32mINFO\u{1b}[39m \u{1b}[1;33m x\u{1b}["),
            "INFO  x"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(2026-11-22 06:13:32,572 INFO a: |\\[x\\] WARN  |\u{1b}\\[3|ERROR X: |\\PC{0,9}|\n){0,12}") {
            read(&text);
        }
    }
}
