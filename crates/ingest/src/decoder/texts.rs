//! Lines of text logs: determines which record or crash they start or continue.

use std::borrow::Cow;

use dragline_schema::{Dialect, Level, Position, Record, Sink, clip};

use super::crashes::{Handled, Next};
use super::fate::Fate;
use super::{DEEPEST, Decoder, MOST_STREAMS, SHOWN};
use crate::framing::bar::{behind_bar, is_bar};
use crate::framing::crash::{self, Crash, error_line};
use crate::framing::envelope::{self, Opened};
use crate::framing::hole::Hole;
use crate::framing::report;
use crate::meaning::scrapy::{self, Scrapy};
use crate::meaning::text::{Begun, Debug};
use crate::meaning::{self, process};
use crate::parsing::time::stamp::Date;
use crate::parsing::{head, indented, without_colours};

impl Decoder {
    /// Decodes a line of a text log.
    pub(super) fn text(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Fate {
        self.needs_order = true;
        let plain;
        let mut line = line;
        // Fast path: most lines contain none of these bytes.
        if memchr::memchr3(0, b'\x1b', b'\r', line.as_bytes()).is_some() {
            if let Some(hole) = Hole::find(line) {
                return self.around_hole(&hole, at, complete, sink);
            }
            plain = without_colours(line);
            line = &*plain;
            if line.contains('\r') {
                return self.redrawn(line, at, complete, depth, sink);
            }
        }
        // A terminal also echoes what was typed.
        let line = behind_bar(line);
        let line = line.strip_prefix("^C").unwrap_or(line);
        self.plain(line, at, complete, depth, sink)
    }

    /// Decodes a line of a text log, without terminal artifacts.
    pub(super) fn plain(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Fate {
        if self.text.echoes(line) {
            return self.doubled(at);
        }
        let mut dialects = self.options.dialects.iter();
        let custom = dialects.find_map(|dialect| dialect.begin(line, at));
        if let Some(crash) = self.crash.as_mut().filter(|crash| crash.is_sure())
            && Scrapy::begin(line, at, &self.local).is_none()
            && !begins_indented(line)
            && crash.go_on(line)
        {
            return Fate::Part;
        }
        if let Some(begun) = custom {
            return self.begun(begun, sink);
        }
        // A line with an exception does not start a record of its own.
        let is_told = crash::is_sure(line)
            || ((self.crash.is_some() || self.is_in_crash()) && error_line(line).is_some());
        if is_told {
            return self.behind(line, at, complete, sink);
        }
        if let Some(begun) = Scrapy::begin(line, at, &self.local) {
            return self.open_scrapy(begun, sink);
        }
        let head = self.text.head(line).filter(|_| !is_tag(line));
        let head = head.or_else(|| self.taken_at.and_then(|_| head::weak(line)));
        let has_envelope = self.taken_at.is_some() || self.given_level.is_some();
        if !has_envelope && head.as_ref().is_some_and(|head| self.text.quotes(head)) {
            return self.behind(line, at, complete, sink);
        }
        if depth < DEEPEST
            && let Some(name) = head
                .as_ref()
                .filter(|head| is_worker(head))
                .and_then(|h| h.thread)
            && self.worker.as_deref() != Some(name)
        {
            return self.of_worker(name, line, at, complete, depth, sink);
        }
        if let Some(fate) = self.of_console(head.as_ref(), line, at, sink) {
            return fate;
        }
        let is_timeless = head.as_ref().is_none_or(|head| head.time.is_none());
        if is_timeless
            && depth < DEEPEST
            && let Some(prefix) = envelope::before_record(line)
            && self.habits.learn(prefix, true)
        {
            return self.unwrapped(line, at, complete, depth, sink);
        }
        if let Some(head) = &head {
            if self.is_redirected
                && is_worker(head)
                && let Some((_, body)) = line.split_once("] ")
                && (self.awaits(body) || body.starts_with("Traceback (most"))
            {
                return self.behind(body, at, complete, sink);
            }
            if depth < DEEPEST
                && let Some(fate) = self.nested(head, at, complete, depth, sink)
            {
                return fate;
            }
            if head.time_at > 0 && head.level_at > head.time_at {
                self.habits.learn(&line[..head.time_at], false);
            }
        }
        match self.text.begin(line, head, at) {
            Some(begun) => self.begun(begun, sink),
            None => self.behind(line, at, complete, sink),
        }
    }

    /// Handles a line of a logger that writes its name before each line of a record. `None` if the line is none.
    fn of_console(
        &mut self,
        head: Option<&head::Head<'_>>,
        line: &str,
        at: Position,
        sink: &mut dyn Sink,
    ) -> Option<Fate> {
        match head {
            Some(head) => {
                let is_part = head.time.is_none() && self.text.take_headed(head, line);
                is_part.then_some(Fate::Part)
            }
            None if line.starts_with("  ") => Some(match self.text.debug(line, at)? {
                Debug::Part => Fate::Part,
                Debug::Begun(begun) => self.begun(*begun, sink),
            }),
            None => None,
        }
    }

    /// Enters a line that a second handler wrote.
    fn doubled(&mut self, at: Position) -> Fate {
        self.ledger.doubled(at);
        Fate::Part
    }

    /// Opens a record that a line started.
    pub(super) fn begun(&mut self, mut begun: Begun, sink: &mut dyn Sink) -> Fate {
        if self.text.is_again(&begun, &self.local) {
            return self.doubled(begun.at);
        }
        if self.text.complete(&mut begun) {
            return Fate::Part;
        }
        if let Some(begun) = self.scrapy.claim(&mut begun, &self.local, self.taken_at) {
            return self.open_scrapy(begun, sink);
        }
        if self.crash.is_some() {
            let time = begun.timestamp(&self.local).map(|(time, _)| time);
            self.next = Some(Next {
                at: time.or(self.taken_at),
                is_start: meaning::is_start(&begun.text),
                is_fatal: meaning::is_fatal(&begun.text),
            });
        }
        self.flush(sink);
        self.is_redirected = false;
        self.open(begun, sink);
        Fate::Record
    }

    /// Opens a record. One of a supervisor is complete: the lines of other streams after it depend on it.
    fn open(&mut self, begun: Begun, sink: &mut dyn Sink) {
        let is_supervisors = process::told(&begun.text).is_some();
        self.text.open(begun, self.taken_at, self.given_level);
        if is_supervisors {
            self.flush(sink);
        }
    }

    /// Handles a line that starts no record: part of the open record, a crash, or a line of unknown format.
    pub(super) fn behind(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        sink: &mut dyn Sink,
    ) -> Fate {
        if let Some(name) = &self.inner
            && !self.is_in_text()
            && self.crash.is_none()
            && let Some(own) = self.streams.get_mut(name)
            && (own.is_in_text() || own.crash.is_some())
        {
            return own.behind(line, at, complete, sink);
        }
        if process::told(line).is_some() {
            return self.of_supervisor(line, at, sink);
        }
        let is_blank = line.trim().is_empty();
        let was_in_crash = self.is_in_crash();
        if self.scrapy.go_on(line) {
            return if is_blank { Fate::Blank } else { Fate::Part };
        }
        if self.text.go_on(line) {
            let is_sure = was_in_crash || self.is_in_crash() || indented::is_part(line);
            return match is_blank {
                true => Fate::Blank,
                false if is_sure => Fate::Part,
                false => Fate::Loose,
            };
        }
        if let Some(crash) = &mut self.crash
            && crash.go_on(line)
        {
            return Fate::Part;
        }
        if is_blank {
            self.text.pass_blank();
            return Fate::Blank;
        }
        if let Some(crash) = Crash::begin(line, at) {
            let before = self.text.pending_text().or(self.scrapy.pending_text());
            let before = before.map(str::to_owned);
            let of_scrapy = || Some((Some(self.scrapy.logged_at()?), Level::Info));
            let logged = self.text.logged(&self.local).or_else(of_scrapy);
            self.handled = logged.map(|(at, level)| Handled { at, level });
            self.flush(sink);
            self.crash = Some(crash);
            self.before_crash = before;
            self.crash_at = self.taken_at;
            return Fate::Record;
        }
        self.flush(sink);
        if self.taken_at.is_some() || self.given_level.is_some() {
            // The envelope provides a time or a level that the line lacks.
            self.open(Begun::plain(line, at), sink);
            return Fate::Record;
        }
        if let Some(level) = meaning::level_of(line) {
            return self.printed(Begun::plain(line, at).at_level(level), sink);
        }
        Self::bad(line, at, complete, sink)
    }

    /// Opens a record that a program printed between others, at the time of the last one.
    fn printed(&mut self, begun: Begun, sink: &mut dyn Sink) -> Fate {
        self.needs_order = true;
        // In a file without times they are estimated.
        let has_times = self.local.calendar.begun.is_none();
        let time = self.context.timestamp.filter(|_| has_times);
        self.text.open(begun, time, None);
        self.flush(sink);
        Fate::Record
    }

    /// Emits what a supervisor says in a line without a head. It stands directly behind the last line of the program.
    fn of_supervisor(&mut self, line: &str, at: Position, sink: &mut dyn Sink) -> Fate {
        self.flush(sink);
        if self.taken_at.is_some() || self.given_level.is_some() {
            self.open(Begun::plain(line, at), sink);
            return Fate::Record;
        }
        self.flush_all(sink);
        let streams = self.streams.values().map(|own| own.context.timestamp);
        let time = streams.max().flatten().max(self.context.timestamp);
        let own = |text: &Option<String>| text.clone().map(Cow::Owned);
        let mut record = Record {
            timestamp: time,
            scraper_id: own(&self.context.scraper_id),
            site: own(&self.context.site),
            run_id: own(&self.context.run_id),
            is_run_guessed: self.context.is_run_guessed,
            message: Some(line.trim_end().into()),
            dialect: Dialect::Text,
            ..Record::default()
        };
        process::complete(&mut record);
        if time.is_none() {
            report(sink, self.local.timeless(), Some(at), clip(line, SHOWN));
        }
        sink.record(&record, at);
        Fate::Record
    }

    /// Decodes what a terminal would show of a line that was redrawn repeatedly.
    pub(super) fn redrawn(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Fate {
        let mut fate = Fate::Around;
        let mut parts = line.split('\r').filter(|part| !part.trim().is_empty());
        let mut next = parts.next();
        while let Some(part) = next {
            next = parts.next();
            // A frame without a head is overwritten by the next one.
            let is_overwritten = next.is_some() && head::head(part).is_none();
            let is_frame = is_bar(part) && behind_bar(part).len() == part.len();
            if !is_frame && (!is_overwritten || part.starts_with('{')) {
                fate = fate.max(self.whole(part, at, complete, depth, sink));
            }
        }
        fate
    }

    /// Decodes a line whose message is a record of its own, which a worker, a scheduler or a pipe wrote within its
    /// own record.
    pub(super) fn nested<'l>(
        &mut self,
        head: &head::Head<'l>,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Option<Fate> {
        head.time?;
        let name = head.thread.or(head.logger).unwrap_or_default();
        let own = if self.streams.is_empty() {
            None
        } else {
            self.streams.get(&format!("in {name}"))
        };
        let as_line = |body: &'l str| {
            let message = body.trim_start();
            if own.is_some_and(|own| own.awaits(body)) {
                Some(body)
            } else {
                envelope::is_record(message).then_some(message)
            }
        };
        // `child: ` precedes all lines of a program that another one started.
        let behind_name = || {
            let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
            let name = head.body.bytes().take_while(is_part).count();
            let rest = head.body[name..].strip_prefix(':')?;
            as_line(rest.strip_prefix(' ').unwrap_or(rest))
        };
        // Prefect writes the name of the run: `Flow run 'x' - line`.
        let behind_dash = || {
            let bytes = head.body.as_bytes();
            let is_dash =
                |at: &usize| *at > 0 && bytes[at - 1] == b' ' && bytes.get(at + 1) == Some(&b' ');
            let at = memchr::memchr_iter(b'-', bytes).find(is_dash)?;
            as_line(&head.body[at + 2..])
        };
        let text = as_line(head.body)
            .or_else(behind_name)
            .or_else(behind_dash)?;
        self.drop_copy(text);
        if is_worker(head)
            && let Some(begun) = Scrapy::begin(text, at, &self.local)
        {
            let fate = self.open_scrapy(begun, sink);
            self.is_redirected = true;
            return Some(fate);
        }
        self.flush(sink);
        self.inner = Some(format!("in {name}"));
        let opened = Opened {
            text: Cow::Borrowed(text),
            time: head
                .time
                .and_then(|time| self.local.instant(&time))
                .map(|(time, _)| time),
            // A scheduler writes INFO for all lines of its programs.
            level: Level::from_word(head.level).filter(|level| *level > Level::Info),
            stream: Cow::Owned(format!("in {name}")),
            ..Opened::default()
        };
        Some(self.opened(&opened, at, complete, depth + 1, sink))
    }

    /// Decodes a line of one of several processes that write to the same file. Each process has its own decoder.
    fn of_worker(
        &mut self,
        name: &str,
        line: &str,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Fate {
        self.flush(sink);
        let key = format!("worker {name}");
        let taken = (self.taken_at, self.given_level);
        if self.streams.len() >= MOST_STREAMS && !self.streams.contains_key(&key) {
            return self.behind(line, at, complete, sink);
        }
        let own = self.stream(&key);
        own.worker = Some(name.to_owned());
        (own.taken_at, own.given_level) = taken;
        let fate = own.plain(line, at, complete, depth, sink);
        self.inner = Some(key);
        fate
    }

    /// Drops the open record if the nested one has the same message. This happens when two handlers write it, for
    /// example when a worker's output is redirected to its own log. The nested record contains more.
    fn drop_copy(&mut self, text: &str) {
        let pending = self.scrapy.pending_text().or(self.text.pending_text());
        let first = pending
            .and_then(|text| text.lines().next())
            .unwrap_or_default();
        let message = head::head(text).map_or("", |head| head.message);
        if !message.is_empty() && message.trim_end() == first.trim_end() {
            self.text.drop_pending();
            self.scrapy.drop_pending();
            self.ledger.repeated += 1;
        }
    }

    /// Whether the line continues an open crash or text.
    pub(super) fn awaits(&self, line: &str) -> bool {
        let is_open = self.crash.is_some() || self.is_in_crash();
        let is_indented = line.starts_with([' ', '\t']) || line.is_empty();
        let is_part = is_indented || error_line(line).is_some() || crash::is_more(line);
        let is_waited_for = self.scrapy.awaits() || self.text.awaits();
        let extents = [self.text.extent(), self.crash.as_ref().map(Crash::extent)];
        let is_of_traceback = extents.into_iter().flatten().any(|extent| {
            let is_error = extent.awaits_error() && !crash::split_type(line).0.is_empty();
            is_error || extent.awaits_dedented(line)
        });
        (is_open && is_part)
            || is_of_traceback
            || (is_indented && self.is_in_text())
            || (is_waited_for && head::head(line).is_none())
    }

    pub(super) fn is_in_crash(&self) -> bool {
        self.scrapy.is_in_crash() || self.text.is_in_crash()
    }

    pub(super) fn open_scrapy(&mut self, mut begun: scrapy::Pending, sink: &mut dyn Sink) -> Fate {
        self.needs_order = true;
        begun.taken(&self.local, self.taken_at);
        if self.text.repeats(&begun.message(), &self.local) {
            return self.doubled(begun.at());
        }
        if self.scrapy.completes(&begun) {
            return Fate::Part;
        }
        self.next = self.crash.as_ref().map(|_| Next {
            at: begun.time(),
            is_start: false,
            is_fatal: false,
        });
        self.flush(sink);
        self.is_redirected = false;
        self.zoneless += 1;
        self.scrapy.open(begun);
        Fate::Record
    }
}

/// Whether an indented line is the head of a record: tracing's pretty format begins like this.
fn begins_indented(line: &str) -> bool {
    let bare = line.trim_start_matches(' ');
    bare.len() < line.len()
        && bare.starts_with(|c: char| c.is_ascii_digit())
        && head::head(bare).is_some_and(|head| {
            let has_date = head.time.is_some_and(|time| time.date != Date::None);
            has_date && !head.level.is_empty()
        })
}

/// Whether a line is a tag with attributes, such as `<error code="500"/>`: no level is written in this form.
fn is_tag(line: &str) -> bool {
    line.starts_with('<')
        && line.trim_end().ends_with('>')
        && line.find(' ').is_some_and(|blank| {
            let name = &line[1..blank];
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphabetic())
                && line[blank..].contains("=\"")
        })
}

/// Whether a head contains the name of a pool process, as Celery's:
/// `[2026-03-04 11:22:33,123: INFO/ForkPoolWorker-1]`.
fn is_worker(head: &head::Head<'_>) -> bool {
    head.time.is_some() && head.thread.is_some_and(|name| name.contains("PoolWorker-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_indented_head_begins_a_record() {
        assert!(begins_indented(
            "  2026-02-15T18:40:25.389800Z ERROR shelf: worker died"
        ));
        for line in [
            "  2026-02-15T18:40:25Z x",
            "    at src/main.rs:52",
            "2026-02-15T18:40:25Z ERROR x: y",
        ] {
            assert!(!begins_indented(line), "{line}");
        }
    }
}
