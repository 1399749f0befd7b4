//! Lines that are objects: records, lists of records, envelopes.

use std::borrow::Cow;

use dragline_schema::{Dialect, Own, Position, ProblemKind, Record, Sink, clip};

use super::fate::Fate;
use super::{DEEPEST, Decoder, MOST_STREAMS, SHOWN};
use crate::framing::document;
use crate::framing::envelope::{self, Opened};
use crate::framing::envelope::{answers, object as inside};
use crate::framing::report;
use crate::meaning::scrapy;
use crate::meaning::{self, crawlee, lacking};
use crate::parsing::object::without_nan;
use crate::parsing::otlp::{self, Export};
use crate::parsing::{Fields, Object, logfmt, without_colours};

impl Decoder {
    /// Decodes a line that is one JSON record or several.
    pub(super) fn json(
        &mut self,
        line: &str,
        at: Position,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Option<Fate> {
        // If objects contain text records, what an object is depends on the lines before it.
        let is_whole = self.habits.objects.is_empty();
        let mut record = Record::default();
        let (local, map) = (&self.local, &self.options.map);
        if is_whole && self.shapes.decode(line, local, map, &mut record) {
            let is_record = self.decoded(&mut record, line, at, sink);
            return is_record.then_some(Fate::Record);
        }
        let repaired;
        let (line, object) = if let Some(object) = Object::parse(line) {
            (line, object)
        } else {
            let Some(text) = without_nan(line) else {
                let several = self.several(line, at, depth, sink);
                return several.or_else(|| self.behind_torn(line, at, depth, sink));
            };
            repaired = text;
            (&*repaired, Object::parse(&repaired)?)
        };
        let mut refused = 0;
        let mut take = |fields| {
            let is_record = self.fields(fields, Dialect::Otlp, line, at, sink);
            refused += usize::from(!is_record);
        };
        if let Some(mut export) = otlp::each_record(&object, &mut take) {
            // Records without any content do not count.
            export.lost += refused;
            export.records = export.records.saturating_sub(refused);
            return Some(report_export(&export, line, at, sink));
        }
        if let Some(job) = scrapy::logparser::read(&object) {
            self.needs_order = true;
            self.flush(sink);
            self.scrapy.tell_job(&job, at, &self.local, sink);
            return Some(Fate::Record);
        }
        // Dragline's own lines have no envelope that is part of the object.
        let is_foreign = !object.is_native();
        if is_foreign
            && depth <= DEEPEST
            && let Some(list) = answers::members(&object)
        {
            // The answer of a service is no envelope of the program's.
            let depth = depth + u32::from(depth > 0);
            let each = list.iter().map(|record| {
                let fate = self.json(record, at, depth, sink);
                fate.unwrap_or_else(|| Self::bad(record, at, true, sink))
            });
            return Some(each.max().unwrap_or(Fate::Around));
        }
        if answers::is_platforms(&object) {
            return Some(Fate::Around);
        }
        if is_foreign
            && depth < DEEPEST
            && let Some(fate) = self.inside(&object, at, depth, sink)
        {
            return Some(fate);
        }
        if is_whole && !meaning::is_eliots(&object) {
            self.shapes.learn(line, &object, &self.options.map);
        }
        let mut record = meaning::decode(&object, &self.local, &self.options.map)?;
        let is_record = self.decoded(&mut record, line, at, sink);
        is_record.then_some(Fate::Record)
    }

    /// Decodes a line that contains several JSON records, or one with separators around it.
    pub(super) fn several(
        &mut self,
        line: &str,
        at: Position,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Option<Fate> {
        // Fast path: most text lines start with a letter or a digit.
        if line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return None;
        }
        let line = line.trim();
        let may_be = line.starts_with(['{', '[', '\u{1e}', ',']) && line.contains("{\"");
        if depth > DEEPEST || !may_be {
            return None;
        }
        let objects = document::objects(line)?;
        let parts = objects.iter().filter(|object| object.len() < line.len());
        let each = parts.map(|object| {
            let fate = self.json(object, at, depth + 1, sink);
            fate.unwrap_or_else(|| Self::bad(object, at, true, sink))
        });
        each.max()
    }

    /// Decodes the record behind the beginning of another one, which was cut off when its writer was killed.
    fn behind_torn(
        &mut self,
        line: &str,
        at: Position,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Option<Fate> {
        const MOST: usize = 16;
        let line = line.trim_end();
        if depth > DEEPEST || !line.starts_with("{\"") || !line.ends_with('}') {
            return None;
        }
        let begins = memchr::memmem::find_iter(line.as_bytes(), b"{\"").skip(1);
        let begin = begins
            .take(MOST)
            .find(|begin| envelope::is_record(&line[*begin..]))?;
        self.flush(sink);
        Self::bad(&line[..begin], at, true, sink);
        self.json(&line[begin..], at, depth + 1, sink);
        // The lost half is a problem, whatever came behind it.
        Some(Fate::Bad)
    }

    /// Decodes the line that an object contains.
    pub(super) fn inside(
        &mut self,
        object: &Object<'_>,
        at: Position,
        depth: u32,
        sink: &mut dyn Sink,
    ) -> Option<Fate> {
        let inside = inside::inside(object, &self.local, &self.habits.objects)?;
        let is_known = self.habits.objects.contains(&inside.keys);
        let text = without_colours(&inside.text);
        let own = self.streams.get(&inside.stream);
        let may_go_on = inside.is_envelope || is_known;
        let is_going_on = may_go_on && own.is_some_and(|own| own.awaits(&text));
        // A level that an envelope has for everything in a stream is worse than the line's own.
        let is_better = || {
            let own = envelope::level_before(&text);
            own.is_some_and(|own| is_known || inside.level.is_some_and(|level| own < level))
        };
        let is_record = inside.is_bytes
            || inside.is_sure
            || envelope::is_record(&text)
            || (may_go_on && is_better());
        if !is_record && !is_going_on {
            return None;
        }
        // Lines of the same program are in objects with the same keys.
        let is_new = !may_go_on || (inside.is_pair && inside.is_sure && !is_known);
        if is_new && !text.starts_with('{') && self.habits.objects.len() < MOST_STREAMS {
            self.habits.objects.push(inside.keys);
        }
        self.needs_order |= !text.starts_with('{');
        let opened = Opened {
            text: Cow::Borrowed(&text),
            time: inside.time,
            level: inside.level,
            stream: Cow::Owned(inside.stream),
            ..Opened::default()
        };
        Some(self.opened(&opened, at, true, depth + 1, sink))
    }

    /// Decodes a logfmt record.
    pub(super) fn logfmt(&mut self, line: &str, at: Position, sink: &mut dyn Sink) -> bool {
        logfmt::fields(line)
            .is_some_and(|fields| self.fields(fields, Dialect::Logfmt, line, at, sink))
    }

    /// Decodes a record from fields that were not parsed from a JSON object on its own line.
    pub(super) fn fields(
        &mut self,
        fields: Fields<'_>,
        dialect: Dialect,
        line: &str,
        at: Position,
        sink: &mut dyn Sink,
    ) -> bool {
        let (local, map) = (&self.local, &self.options.map);
        let mut record = Record::default();
        meaning::decode_fields(fields, dialect, (local, map), &mut record)
            && self.decoded(&mut record, line, at, sink)
    }

    /// Emits a record that consists of one line, unless it is part of a text.
    pub(super) fn decoded<'l>(
        &mut self,
        record: &mut Record<'l>,
        line: &'l str,
        at: Position,
        sink: &mut dyn Sink,
    ) -> bool {
        record.own = Own::Line(Cow::Borrowed(line.as_bytes()));
        if let Some(begun) = self.scrapy.claim_json(record, at) {
            self.open_scrapy(begun, sink);
            return true;
        }
        if record.timestamp.is_none() {
            // An item in Scrapy's text may be JSON. A record would contain its time.
            let is_record =
                self.taken_at.is_some() && record.level.is_some() && record.message.is_some();
            if self.is_in_text() && !is_record {
                return false;
            }
            record.timestamp = self.taken_at;
        }
        record.level = record.level.or(self.given_level);
        lacking::complete(record, line);
        if record.timestamp.is_none() {
            let kind = self.local.timeless();
            report(sink, kind, Some(at), clip(line, SHOWN));
        }
        if crawlee::is_of(record) {
            self.needs_order = true;
            self.flush(sink);
            self.text.crawlee_mut().tell_json(line, record, at, sink);
        }
        self.take(record, at, sink);
        true
    }
}

/// Reports the parts of an export that are not valid log records.
fn report_export(export: &Export, line: &str, at: Position, sink: &mut dyn Sink) -> Fate {
    let others = export.others.join(" and ");
    let why = match export {
        Export { lost: 1.., .. } => format!(
            "OpenTelemetry export in which {} of {} log records are invalid",
            export.lost,
            export.lost + export.records
        ),
        Export { records: 0, .. } if !others.is_empty() => {
            format!("OpenTelemetry {others}, not logs")
        }
        _ if !others.is_empty() => format!("OpenTelemetry {others} in addition to logs"),
        Export {
            records: 0,
            is_empty: false,
            ..
        } => "OpenTelemetry export without log records".to_owned(),
        Export { records: 0, .. } => return Fate::Around,
        _ => return Fate::Record,
    };
    let detail = format!("{why}: {}", clip(line, SHOWN));
    report(sink, ProblemKind::BadLine, Some(at), &detail);
    Fate::Bad
}
