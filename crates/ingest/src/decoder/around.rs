//! Removes envelopes around lines and joins lines that belong together.

use std::sync::Arc;

use dragline_schema::{Position, ProblemKind, Sink};
use xxhash_rust::xxh3::xxh3_64;

use super::fate::Fate;
use super::{Context, DEEPEST, Decoder, MOST_STREAMS, Pieces, starts_with_brace};
use crate::framing::document::{Document, Taken};
use crate::framing::envelope::{self, Opened};
use crate::framing::hole::{Hole, report_hole};
use crate::framing::journal::{self, Entry};
use crate::framing::listed::Listed;
use crate::framing::octets::Octets;
use crate::framing::report;
use crate::framing::table::{Row, Table};
use crate::meaning::scrapy::Scrapy;
use crate::meaning::text::Text;
use crate::parsing::head;
use crate::parsing::{Object, inspect, without_colours};

impl Decoder {
    /// Decodes a line that may have envelopes.
    pub(super) fn wrapped(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        sink: &mut dyn Sink,
    ) -> Fate {
        (self.taken_at, self.given_level) = (None, None);
        self.unwrapped(line, at, complete, 0, sink)
    }

    /// Decodes a line that was found within `depth` envelopes.
    pub(super) fn unwrapped(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Fate {
        let local = (&self.local.zone, &self.local.calendar);
        let is_inside = self.pretty.is_some() || self.crash.is_some();
        let may_be = depth < DEEPEST && !(is_inside && line.starts_with([' ', '\t']));
        // A colour sequence for the name precedes it.
        let plain = without_colours(if line.starts_with('\u{1b}') { line } else { "" });
        let line = if plain.is_empty() { line } else { &*plain };
        let opened = may_be
            .then(|| envelope::open(line, &mut self.habits, local.0, local.1))
            .flatten();
        match opened {
            None => self.whole(line, at, complete, depth, sink),
            Some(opened) if opened.is_own => Fate::Around,
            Some(opened) => self.opened(&opened, at, complete, depth + 1, sink),
        }
    }

    /// Decodes the content of an envelope.
    pub(super) fn opened(
        &mut self,
        opened: &Opened<'_>,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Fate {
        let taken_at = opened.time.or(self.taken_at);
        let level = opened.level.or(self.given_level);
        let own = if opened.stream.is_empty() {
            self
        } else {
            let context = &self.context;
            let context = Context {
                timestamp: taken_at.or(context.timestamp),
                ..Context::default()
            };
            // Crawlee's warnings and errors are in another stream than the start of its run.
            let is_other = opened.stream.contains("stderr") && !self.streams.is_empty();
            let output = is_other.then(|| opened.stream.replace("stderr", "stdout"));
            let output = output.and_then(|name| self.streams.get(&name));
            let crawlee = output.map(|output| output.text.crawlee().state());
            let own = self.stream(&opened.stream);
            own.context.follow(context);
            if let Some(state) = crawlee
                && own.text.crawlee().is_before(&state)
            {
                own.flush(sink);
                own.text.crawlee_mut().restore(state);
            }
            own
        };
        (own.taken_at, own.given_level) = (taken_at, level);
        if !opened.is_piece && own.pieces.is_none() {
            // Syslog daemons write line ends in this form.
            let end = if opened.text.contains("#012") {
                "#012"
            } else {
                "\n"
            };
            if opened.text.contains(end) {
                own.needs_order = true;
                let mut fate = Fate::Blank;
                for line in opened.text.split(end) {
                    fate = fate.max(own.unwrapped(line, at, complete, depth, sink));
                    (own.taken_at, own.given_level) = (taken_at, level);
                }
                return fate;
            }
            let text = if taken_at.is_some() {
                head::without_indent(&opened.text)
            } else {
                &opened.text
            };
            return own.unwrapped(text, at, complete, depth, sink);
        }
        own.needs_order = true;
        let mut pieces = own.pieces.take().unwrap_or(Pieces {
            text: String::new(),
            at,
            bytes: 0,
        });
        pieces.bytes += opened.text.len();
        if pieces.bytes <= own.options.max_line {
            pieces.text.push_str(&opened.text);
        }
        if opened.is_piece {
            own.pieces = Some(pieces);
            return Fate::Part;
        }
        own.joined(pieces, complete, sink)
    }

    /// The decoder of a stream.
    pub(super) fn stream(&mut self, name: &str) -> &mut Self {
        if self.streams.len() >= MOST_STREAMS && !self.streams.contains_key(name) {
            return self;
        }
        let (family, options, calendar) = (&self.family, &self.options, self.local.calendar);
        let outer = &self.service;
        self.streams.entry(name.to_owned()).or_insert_with(|| {
            // Two programs may start in the same second.
            let mut own = Self::new(family, options);
            own.scrapy = Scrapy::new(&format!("{family} {name}"), Arc::clone(&options.map));
            own.number = xxh3_64(format!("{family} {name}").as_bytes()) as u32;
            if let Some(program) = program_of(name) {
                own.text = Text::new(&format!("{family} {program}"));
            }
            own.local.set_calendar(calendar);
            own.service = envelope::service_of(name).or_else(|| outer.clone());
            Box::new(own)
        })
    }

    /// Decodes a line that was joined from its pieces.
    pub(super) fn joined(&mut self, pieces: Pieces, complete: bool, sink: &mut dyn Sink) -> Fate {
        let Pieces { text, at, bytes } = pieces;
        let limit = self.options.max_line;
        if bytes > limit {
            let detail = format!("a line of {bytes} bytes; the limit is {limit}");
            report(sink, ProblemKind::OversizedLine, Some(at), &detail);
            return Fate::Bad;
        }
        self.unwrapped(&text, at, complete, 1, sink)
    }

    /// Decodes a line without an envelope.
    pub(super) fn whole(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Fate {
        let line = line.trim_start_matches('\u{feff}');
        if self.pretty.is_some()
            && let Some(fate) = self.document(line, at, depth, sink)
        {
            return fate;
        }
        if Document::begins(line) && !self.is_in_text() {
            self.needs_order = true;
            let mut document = Document::new(at);
            // The first line never completes the value.
            let _ = document.go_on(line);
            self.pretty = Some(document);
            // The line that ends the value returns its fate.
            return Fate::Part;
        }
        let fate = if starts_with_brace(line) {
            self.json(line, at, depth, sink)
        } else {
            let several = self.several(line, at, depth, sink);
            several.or_else(|| self.logfmt(line, at, sink).then_some(Fate::Record))
        };
        if let Some(fate) = fate {
            return fate;
        }
        // An object without a record is not text, whatever it contains.
        let is_object = starts_with_brace(line) && Object::parse(line).is_some();
        if is_object && self.options.dialects.is_empty() {
            self.needs_order = true;
            return self.behind(line, at, complete, sink);
        }
        self.text(line, at, complete, depth, sink)
    }

    /// Handles a line of an open multi-line object. `None` if the line does not belong to it.
    pub(super) fn document(
        &mut self,
        line: &str,
        at: Position,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Option<Fate> {
        let document = self.pretty.as_mut()?;
        let plain;
        let mut line = line;
        if line.contains('\u{1b}') {
            plain = without_colours(line);
            line = &*plain;
        }
        let begun_at = if document.is_between() {
            at
        } else {
            document.at
        };
        let (whole, is_open) = match document.go_on(line) {
            Taken::Open(whole) => (whole, true),
            Taken::Whole(whole) => (whole, false),
            Taken::Broken(whole) => {
                self.each_whole(&whole, begun_at, depth, sink);
                self.flush_pretty(sink);
                return None;
            }
        };
        if !is_open {
            self.pretty = None;
        }
        let fate = self.each_whole(&whole, begun_at, depth, sink);
        if let Some(document) = &mut self.pretty
            && document.has_just_begun()
        {
            document.at = at;
        }
        Some(fate)
    }

    /// Handles a line of a format whose records span lines. `None` if the line is not in such a format.
    pub(super) fn packed(
        &mut self,
        line: &str,
        at: Position,
        complete: bool,
        sink: &mut dyn Sink,
    ) -> Option<Fate> {
        let may_be_counted = line.starts_with(|c: char| c.is_ascii_digit());
        if self.octets.is_some() || (may_be_counted && Octets::begins(line)) {
            self.needs_order = true;
            let begun_at = self.octets.as_ref().map_or(at, |open| open.at);
            let (whole, open) = Octets::take(self.octets.take(), line, at);
            let mut fate = Fate::Part;
            for (nth, text) in whole.iter().enumerate() {
                let at = if nth == 0 { begun_at } else { at };
                fate = fate.max(self.wrapped(text, at, complete, sink));
            }
            self.octets = open;
            return Some(fate);
        }
        self.of_journal(line, at, sink)
            .or_else(|| self.of_list(line, at, sink))
            .or_else(|| self.of_table(line, at, sink))
    }

    /// Handles a line of a file whose first line names its columns. `None` if the line does not belong to the table.
    fn of_table(&mut self, line: &str, at: Position, sink: &mut dyn Sink) -> Option<Fate> {
        if at.line == 1 && self.table.is_none() {
            self.table = Some(Table::begin(line)?);
            self.needs_order = true;
            return Some(Fate::Around);
        }
        match self.table.as_mut()?.take(line) {
            Row::Whole(object) => {
                (self.taken_at, self.given_level) = (None, None);
                let fate = self.json(&object, at, 0, sink);
                Some(fate.unwrap_or_else(|| Self::bad(line, at, true, sink)))
            }
            Row::Part => Some(Fate::Part),
            Row::Other => None,
        }
    }

    /// Handles a line of a multi-line entry written by `journalctl`. `None` if the line does not belong to one.
    fn of_journal(&mut self, line: &str, at: Position, sink: &mut dyn Sink) -> Option<Fate> {
        if let Some(entry) = &mut self.entry {
            match entry.go_on(line) {
                journal::Taken::Part => return Some(Fate::Part),
                journal::Taken::End => {
                    self.flush_entry(sink);
                    return Some(Fate::Blank);
                }
                journal::Taken::Other => self.flush_entry(sink),
            }
        }
        let may_begin = match line.as_bytes() {
            [b'_', ..] => true,
            [first, .., b']'] => first.is_ascii_uppercase(),
            _ => false,
        };
        if !may_begin || !self.is_between() {
            return None;
        }
        let entry = Entry::begin(line, at)?;
        self.needs_order = true;
        self.entry = Some(entry);
        // The entry's content is a line of a program.
        Some(Fate::Part)
    }

    /// Handles a line of a record that lists its fields. `None` if the line does not belong to one.
    fn of_list(&mut self, line: &str, at: Position, sink: &mut dyn Sink) -> Option<Fate> {
        if let Some(listed) = &mut self.listed {
            match listed.go_on(line) {
                journal::Taken::Part => return Some(Fate::Part),
                journal::Taken::End => {
                    self.flush_listed(sink);
                    return Some(Fate::Blank);
                }
                journal::Taken::Other => self.flush_listed(sink),
            }
        }
        if !Listed::may_begin(line) || !self.is_between() || self.is_in_text() {
            return None;
        }
        let listed = Listed::begin(line, at)?;
        self.needs_order = true;
        self.listed = Some(listed);
        Some(Fate::Part)
    }

    /// Decodes the open record that lists its fields, which is complete.
    pub(super) fn flush_listed(&mut self, sink: &mut dyn Sink) {
        let Some(listed) = self.listed.take() else {
            return;
        };
        if listed.is_bare() {
            self.wrapped(listed.text(), listed.at, true, sink);
            return;
        }
        (self.taken_at, self.given_level) = (None, None);
        let object = listed.to_object();
        let fate = object.and_then(|object| self.json(&object, listed.at, 0, sink));
        if fate.is_none() {
            Self::each_bad(listed.text(), listed.at, sink);
        }
    }

    /// Decodes the open journal entry, which is complete.
    pub(super) fn flush_entry(&mut self, sink: &mut dyn Sink) {
        let Some(entry) = self.entry.take() else {
            return;
        };
        let at = entry.at;
        let object = entry.into_object();
        (self.taken_at, self.given_level) = (None, None);
        if self.json(&object, at, 0, sink).is_none() {
            Self::bad(&object, at, true, sink);
        }
    }

    /// Decodes complete multi-line objects.
    fn each_whole(
        &mut self,
        whole: &[String],
        at: Position,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Fate {
        let mut fate = Fate::Part;
        for text in whole {
            let own = self.json(text, at, depth, sink);
            let own = own.or_else(|| self.json(&inspect::to_json(text)?, at, depth, sink));
            fate = fate.max(own.unwrap_or_else(|| Self::each_bad(text, at, sink)));
        }
        fate
    }

    /// Decodes the text before and after NUL bytes as separate lines: the line torn by a power failure, and what the
    /// program wrote next.
    pub(super) fn around_hole(
        &mut self,
        hole: &Hole<'_>,
        at: Position,
        complete: bool,
        sink: &mut dyn Sink,
    ) -> Fate {
        self.needs_order = true;
        if !hole.before.is_empty() {
            self.whole(hole.before, at, hole.behind.is_empty() && complete, 1, sink);
        }
        let behind = (hole.before.len() + hole.zeros) as u64;
        report_hole(at, hole.zeros as u64, sink);
        if !hole.behind.is_empty() {
            let at = Position {
                offset: at.offset + behind,
                ..at
            };
            self.whole(hole.behind, at, complete, 1, sink);
        }
        // Missing bytes are a problem, whatever else the line contained.
        Fate::Bad
    }
}

/// The program that writes a stream, without the words for its standard streams: both are of one run. `None` if the
/// stream names no program.
fn program_of(stream: &str) -> Option<String> {
    let is_name = |word: &&str| !matches!(*word, "stdout" | "stderr" | "docker" | "json" | "");
    let words: Vec<&str> = stream.split(' ').filter(is_name).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
