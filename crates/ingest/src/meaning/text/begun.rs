//! An open text record: takes continuation lines, and is decoded when it is complete.

use std::borrow::Cow;

use dragline_schema::{Dialect, Event, Level, Own, Position, Record, Timestamp, Value};

use super::super::foreign::{decode_each, owned, url_in};
use super::super::item::{item_kind, says_item};
use super::super::map::Map;
use super::super::told::{boxed, reasons, told_error};
use super::super::traceback;
use super::super::{answer, monolog, process};
use super::{Begun, MAX_RECORD, When, ZEROLOG};
use crate::framing::body::{self, Body};
use crate::framing::crash::{self, Extent};
use crate::parsing::Object;
use crate::parsing::pairs::pairs;
use crate::parsing::time::{self, Local};
use crate::parsing::{self, indented, pairs, printed};

impl Begun {
    pub(crate) fn new(
        dialect: Dialect,
        when: Option<When>,
        level: &str,
        logger: Option<&str>,
        message: &str,
        at: Position,
    ) -> Self {
        Self {
            dialect,
            when,
            taken_at: None,
            given_level: None,
            level: level.to_owned(),
            logger: logger.map(str::to_owned),
            text: message.to_owned(),
            fields: Vec::new(),
            at,
            body: Body::of(message),
            extent: None,
            had_crash: false,
            is_console: false,
            awaits_message: false,
            awaits_end: false,
            lists_fields: false,
            message_at: 0,
            echoed: 0,
        }
    }

    /// Starts a record from a line without a header.
    pub(crate) fn plain(line: &str, at: Position) -> Self {
        Self::new(Dialect::Text, None, "", None, line.trim_end(), at)
    }

    /// The record with this level.
    pub(crate) fn at_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.level);
        self
    }

    /// Whether a line belongs to this record.
    pub(super) fn takes(&mut self, line: &str) -> bool {
        if let Some(extent) = &mut self.extent {
            if extent.takes(line) {
                return true;
            }
            self.extent = None;
        }
        let level = Level::from_word(&self.level).or(self.given_level);
        if !line.trim().is_empty()
            && let Some(extent) = Extent::begin(line)
        {
            // Exception groups are always indented.
            let is_group = line.trim_start().starts_with("+ Exception Group");
            let is_indented = line.starts_with([' ', '\t']) && !is_group;
            // A program without levels dies directly behind the line of its last request.
            let is_answer = || level.is_none() && tells_answer(&self.text);
            let may_be_own = (crash::may_have_logged(level) && !is_answer()) || is_indented;
            // Nested errors are inside an error's braces.
            let is_inner = self.body.is_open() && line.starts_with([' ', '\t']);
            if (self.had_crash && !is_inner) || !may_be_own || extent.is_last_word(line) {
                return false;
            }
            // If each line has an envelope, a line that is not part of the crash starts a record.
            let has_envelope = self.taken_at.is_some() || self.given_level.is_some();
            self.extent = Some(if has_envelope {
                extent
            } else {
                extent.logged()
            });
            self.had_crash = true;
            return true;
        }
        self.body.takes(line)
            || self.is_failure()
            || (level >= Some(Level::Warn) && body::is_go_frame(line))
    }

    /// Whether only the head of the record was written so far, with its message on the next line.
    pub(super) fn is_bare(&self) -> bool {
        self.awaits_message && self.text.is_empty()
    }

    /// Splits off the crash after an error of another type: the program logged one error and died of another.
    pub(super) fn other_crash(&mut self) -> Option<String> {
        if !self.had_crash || !Level::from_word(&self.level)?.is_error() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.text.as_bytes())?;
        let (first, rest) = (&self.text[..end], &self.text[end + 1..]);
        if !rest.starts_with("Traceback (most") || !crash::is_from_outside(rest) {
            return None;
        }
        let raised = traceback::parse(rest)?;
        let causes = raised.causes.iter().map(|cause| &*cause.error_type);
        let is_raised = |name: &str| {
            let mut all = causes.clone().chain([raised.error_type]);
            all.any(|raised| raised.rsplit('.').next() == name.rsplit('.').next())
        };
        let is_part = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
        let mut names = first.split(is_part).filter(|word| is_error_name(word));
        let is_other = names.clone().next().is_some() && !names.any(is_raised);
        if !is_other {
            return None;
        }
        let crash = rest.to_owned();
        self.text.truncate(end);
        Some(crash)
    }

    /// Whether it is Crawlee's message about a failed request: the error follows unformatted.
    fn is_failure(&self) -> bool {
        const WORDS: [&str; 2] = [
            "Reclaiming failed request",
            "Request failed and reached maximum retries",
        ];
        WORDS.iter().any(|words| self.text.starts_with(words)) && self.text.len() < MAX_RECORD / 16
    }

    /// Adds the fields of a span: `site="shop.example.org" run_id=r9`.
    pub(super) fn span(&mut self, text: &str) {
        for (key, value) in pairs::span(text) {
            self.fields.push((key.to_owned(), value.to_owned()));
        }
    }

    /// Splits off the fields in tracing's pretty format: `message, key: value, key: value`.
    pub(super) fn named_fields(&mut self) {
        let Some((message, fields)) = pairs::named(&self.text) else {
            return;
        };
        let (message, fields) = (message.to_owned(), fields);
        let own = fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.fields.extend(own.collect::<Vec<_>>());
        self.text = message;
    }

    /// Splits off the logger in structlog's console format: `event                 [logger] key=value`.
    pub(super) fn console(&mut self) {
        let Some(open) = self.text.find(" [") else {
            return;
        };
        let Some(close) = self.text[open..].find(']').map(|at| at + open) else {
            return;
        };
        let name = &self.text[open + 2..close];
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        let is_padded = self.text[..open].ends_with(' ') || open >= 29;
        let behind = &self.text[close + 1..];
        let is_end = behind.trim().is_empty()
            || behind
                .split_whitespace()
                .next()
                .is_some_and(|word| word.contains('='));
        if is_name && is_padded && is_end {
            self.logger = Some(name.to_owned());
            self.text = format!("{}{}", self.text[..open].trim_end(), behind.trim_end());
        }
    }

    /// Splits off the category in .NET's console format: `info: Shop.Walker[13]`. The message follows on the same
    /// or on the next line.
    pub(super) fn category(&mut self) {
        let Some((name, rest)) = self.text.split_once('[') else {
            return;
        };
        let Some((number, message)) = rest.split_once(']') else {
            return;
        };
        let is_one = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'+'))
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && (message.is_empty() || message.starts_with(' '));
        if is_one {
            let (name, message) = (name.to_owned(), message.trim_start().to_owned());
            self.logger = Some(name);
            self.body = Body::of(&message);
            self.awaits_message = message.is_empty();
            self.text = message;
        }
    }

    /// Removes the source location that rich prints at the line's end, separated by a single space if the line is
    /// full. Returns whether there was one.
    pub(super) fn without_place(&mut self, may_be_full: bool) -> bool {
        let is_place = |place: &str| {
            place.rsplit_once(':').is_some_and(|(path, line)| {
                path.contains('.')
                    && !path.contains([' ', '/', '='])
                    && !line.is_empty()
                    && line.bytes().all(|b| b.is_ascii_digit())
            })
        };
        let text = self.text.trim_end();
        // A source location ends with a line number.
        if !text.ends_with(|c: char| c.is_ascii_digit()) {
            return false;
        }
        // A one-word message was parsed as the logger.
        if is_place(text)
            && let Some(word) = self.logger.take_if(|name| !name.contains('.'))
        {
            self.text = word;
            return true;
        }
        let parts = text.rsplit_once(' ').filter(|(before, place)| {
            let is_apart = before.ends_with(' ') || (may_be_full && place.contains(".py:"));
            is_apart && is_place(place)
        });
        let Some((before, _)) = parts else {
            return false;
        };
        self.text = before.trim_end().to_owned();
        true
    }

    /// The record's time, and whether it has a zone.
    pub(crate) fn timestamp(&self, local: &Local) -> Option<(Timestamp, bool)> {
        match self.when.as_ref()? {
            When::Stamp(stamp) => local.instant(stamp),
            When::Text(text) => local.parse(text),
            When::Described(text, format) => time::parse_as(text, format, &local.zone),
        }
    }

    /// Builds the record from its parts, like from the fields of an object. Returns whether they form one.
    pub(super) fn decode<'s>(&'s self, local: &Local, map: &Map, record: &mut Record<'s>) -> bool {
        let (first, rest) = match memchr::memchr(b'\n', self.text.as_bytes()) {
            Some(end) => (&self.text[..end], &self.text[end + 1..]),
            None => (&*self.text, ""),
        };
        let fields = |take: &mut dyn FnMut(&str, Value<'s>)| self.each_field(first, rest, take);
        if !decode_each(fields, self.dialect, (local, map), record) {
            return false;
        }
        process::complete(record);
        let is_bare = matches!(&self.when, Some(When::Stamp(stamp)) if stamp.offset.is_none());
        let taken_at = self.taken_at.filter(|_| is_bare);
        let time = self.timestamp(local);
        let time = time.map(|(time, zoned)| (local.in_season(time, taken_at), zoned));
        record.is_zoneless = time.is_some_and(|(_, zoned)| !zoned);
        record.timestamp = time.map(|(time, _)| time).or(self.taken_at);
        if !self.fields.is_empty() {
            record.own = Own::Pairs(Cow::Borrowed(&self.fields));
        }
        if let Event::ScraperError(error) = &mut record.event
            && let Some((begin, told)) = monolog::error(&self.text)
        {
            record.message = Some(Cow::Borrowed(first[..begin.min(first.len())].trim_end()));
            told.complete(error);
            return true;
        }
        if let Event::ScraperError(error) = &mut record.event
            && let Some(told) = boxed(first, rest)
        {
            let inner = crash::error_within(&told).map(|(name, _)| name.to_owned());
            error.error_type = inner.map(Cow::Owned).or(error.error_type.take());
            error.error_message = Some(Cow::Owned(told));
        } else if let Event::ScraperError(error) = &mut record.event
            && error.error_type.is_none()
            && error.error_message.is_none()
            && let Some((error_type, message)) = told_error(first, rest)
        {
            error.error_type = Some(Cow::Borrowed(error_type));
            error.error_message = Some(Cow::Borrowed(message));
        }
        if let Event::ScraperError(error) = &mut record.event
            && error.error_message.is_none()
            && error.traceback.is_none()
            && let Some(told) = reasons(first, rest)
        {
            error.error_message = Some(Cow::Owned(told));
        }
        true
    }

    /// Passes each field of the record to `take`: those of its header, those on the following lines, and the
    /// pairs and objects in its text.
    fn each_field<'s>(
        &'s self,
        first: &'s str,
        rest: &'s str,
        take: &mut dyn FnMut(&str, Value<'s>),
    ) {
        let text = |text| Value::Str(Cow::Borrowed(text));
        // The innermost span is the first, and the last value of a name counts.
        for (key, value) in pairs::spans_below(rest).into_iter().rev() {
            take(key, parsing::value_of_text(value));
        }
        take("message", text(first.trim_end()));
        // Only frames follow: the error is on the first line.
        let bare = rest.trim_start();
        let is_frames =
            crash::is_frame(bare) || bare.starts_with("---> ") || bare.starts_with("Call log:");
        // `page failed [AggregateError: message] {`
        let is_shown = first.ends_with('{') && crash::error_within(first).is_some();
        let trace = if is_frames || is_shown {
            &*self.text
        } else {
            rest
        };
        let has_trace = !trace.is_empty() && traceback::parse(trace).is_some();
        // RQ's worker writes no levels.
        let is_of_rq = || first.starts_with("Moving job to FailedJobRegistry (");
        let is_error = || crash::error_line(first).is_some() || has_trace || is_of_rq();
        if !self.level.is_empty() {
            take("level", text(&self.level));
        } else if self.given_level.is_none() && is_error() {
            take("level", text("error"));
        } else if let Some(level) = self.given_level {
            take("level", text(level.as_str()));
        }
        if let Some(logger) = &self.logger {
            take("target", text(logger));
        }
        if has_trace {
            take("traceback", text(trace));
        }
        for (path, value) in indented::fields(rest) {
            take(&path, value);
        }
        let listed = if self.lists_fields {
            printed::list(rest)
        } else if rest.is_empty() {
            Vec::new()
        } else {
            printed::fields(first, rest)
        };
        for (path, value) in listed {
            take(&path, value);
        }
        self.each_of_message(first, rest, take);
        for (key, value) in &self.fields {
            take(key, parsing::value_of_text(value));
        }
        // `item title='…' url=…`, and `Scraped '…' from …`.
        if let Some(kind) = item_kind(first) {
            take("item.kind", text(kind));
        } else if says_item(first)
            && !tells_answer(first)
            && let Some(url) = url_in(first)
        {
            take("url", text(url));
        }
    }

    /// Passes the fields in a message to `take`: those of an object at its end, otherwise the pairs.
    fn each_of_message<'s>(
        &self,
        message: &'s str,
        rest: &str,
        take: &mut dyn FnMut(&str, Value<'s>),
    ) {
        if let Some((object, name)) = tail(message) {
            for (path, value) in object.flatten() {
                match name {
                    "" => take(&path, value),
                    name => take(&format!("{name}.{path}"), value),
                }
            }
            return;
        }
        let mut message = message;
        if let Some((json, begin)) = printed::shown(message, rest)
            && let Some(object) = Object::parse(&json)
        {
            for (path, value) in object.flatten() {
                take(&path, owned(value));
            }
            message = &message[..begin];
        }
        let in_milliseconds = ZEROLOG.contains(&&*self.level);
        // Airflow names the run of its own schedule, not that of the scraper.
        let is_schedulers = || message.contains("dag_id=");
        for (key, value) in pairs(message) {
            match &*key {
                "run_id" | "job_id" if is_schedulers() => {}
                "duration" if in_milliseconds => take("duration_ms", value),
                "elapsed" if in_milliseconds => take("elapsed_ms", value),
                key => take(key, value),
            }
        }
    }
}

/// Whether a message tells the answer to one request: a URL and a status.
fn tells_answer(text: &str) -> bool {
    const MOST_WORDS: usize = 32;
    let words: Vec<&str> = text.split_whitespace().take(MOST_WORDS).collect();
    answer::only_url(&words).is_some() && answer::status(&words).is_some()
}

/// Whether a word is the name of an error type.
fn is_error_name(word: &str) -> bool {
    let name = word.rsplit('.').next().unwrap_or_default();
    let is_type = |end: &str| name.len() > end.len() && name.ends_with(end);
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && ["Error", "Exception"].iter().any(|end| is_type(end))
}

/// The JSON object at the end of a message, as zap, Crawlee and Monolog write fields: with or without
/// parentheses, and possibly followed by other parts that the logger adds.
fn tail(message: &str) -> Option<(Object<'_>, &'static str)> {
    let message = message.trim_end();
    if !message.ends_with(['}', ']', ')']) {
        return None;
    }
    let begin = message.find("{\"")?;
    let mut values = serde_json::Deserializer::from_str(&message[begin..])
        .into_iter::<&serde_json::value::RawValue>();
    let first = values.next()?.ok()?;
    let rest = message[begin + values.byte_offset()..].trim();
    let is_end =
        matches!(rest, "" | ")" | "[]" | "[] []") || (rest.starts_with('{') && rest.ends_with('}'));
    // pino-pretty prints the name of a single field before its value.
    let name = ["err", "error"].into_iter().find(|name| {
        message[..begin]
            .trim_end()
            .strip_suffix(':')
            .is_some_and(|before| before.ends_with(name))
    });
    let object = is_end.then(|| Object::parse(first.get()))??;
    Some((object, name.unwrap_or("")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_behind_the_answer_to_a_request_is_not_logged_by_it() {
        let crash = "Traceback (most recent call last):";
        let takes = |message: &str| Begun::plain(message, Position::default()).takes(crash);
        assert!(!takes("❌ https://shop.test/deals -> 403"));
        assert!(takes("could not parse the page"));
        assert!(takes("fetching https://shop.test/deals"));
    }
}
