//! Builds records from other writers' fields: JSON objects, and fields extracted from text.

use std::borrow::Cow;
use std::cell::RefCell;

use dragline_schema::{
    Dialect, Event, EventType, Level, ProductAction, ProductProcessed, Record, Request,
    ScraperError, Timestamp, Value, host_of,
};

use regex::Regex;

use super::alias::{Slot, slot_of};
use super::item::item_kind;
use super::keys::Keys;
use super::level::level_of;
use super::role::{PathId, Paths, ROOT, Role};
use super::slots::Slots;
use super::{naming, node, prose, told};
use crate::meaning::map::{Map, Mapped, Meaning};
use crate::parsing::Fields;
use crate::parsing::Object;
use crate::parsing::pairs::pairs;
use crate::parsing::template::rendered;
use crate::parsing::time::{self, Local};

mod eliot;
mod event;
mod words;

pub(crate) use self::eliot::is_eliots;

thread_local! {
    /// Paths of the fields seen so far, because the same fields recur.
    static PATHS: RefCell<Paths> = RefCell::default();
}

/// Calls `work` with the known paths. Calls must not be nested.
fn with_paths<T>(work: impl FnOnce(&mut Paths) -> T) -> T {
    PATHS.with_borrow_mut(|paths| {
        paths.begin();
        work(paths)
    })
}

/// The fields of a record with the ids of their paths.
type Placed<'a> = [(PathId, Value<'a>)];

/// Decodes a JSON object of any writer. `None` if it is not a log record: it has no message, no request, and no
/// time with a level or an error.
pub(crate) fn decode<'a>(object: &Object<'a>, local: &Local, map: &Map) -> Option<Record<'a>> {
    let keys = Keys::of(object);
    let is_null_status =
        |key: &str, raw: &str| raw == "null" && matches!(slot_of(key), Some((Slot::Status, _)));
    let time = object.fields.iter().find(|(key, _)| key == "time");
    let mut slots = Slots {
        status_is_null: object
            .fields
            .iter()
            .any(|(key, raw)| is_null_status(key, raw.get())),
        scale: keys.scale(time.map(|(_, raw)| raw.get())),
        is_compact: keys.has("@t"),
        is_zerolog: is_zerolog(object),
        is_logrus: keys.is_logrus(object),
        ..Slots::default()
    };
    let mut record = Record::default();
    let is_record = with_paths(|paths| {
        let fields = object.flatten_as(&ROOT, &mut |parent, key| paths.child(*parent, key));
        slots.decode(fields, keys.dialect(), paths, (local, map), &mut record)
    });
    if !is_record {
        return None;
    }
    if is_eliots(object) {
        eliot::complete(object, &mut record);
    }
    if let Event::ScraperError(error) = &mut record.event {
        node::complete(object, error);
    }
    told::complete(&mut record);
    Some(record)
}

/// Decodes a list of fields into a record. Returns whether they form one.
pub(crate) fn decode_fields<'a>(
    fields: Fields<'a>,
    dialect: Dialect,
    how: (&Local, &Map),
    record: &mut Record<'a>,
) -> bool {
    let each = |take: &mut dyn FnMut(&str, Value<'a>)| {
        for (path, value) in fields {
            take(&path, value);
        }
    };
    decode_each(each, dialect, how, record)
}

/// Decodes the fields that `each` passes to its callback, with their paths. Returns whether they form a record.
pub(crate) fn decode_each<'a>(
    each: impl FnOnce(&mut dyn FnMut(&str, Value<'a>)),
    dialect: Dialect,
    how: (&Local, &Map),
    record: &mut Record<'a>,
) -> bool {
    with_paths(|paths| {
        let mut placed = Vec::with_capacity(16);
        each(&mut |path, value| placed.push((paths.child(ROOT, path), value)));
        Slots::default().decode(placed, dialect, paths, how, record)
    })
}

/// The event of a record with an `event_type` of the wire format. Other writers than the recorder have one if
/// they follow Dragline's recipes.
fn typed_event<'a>(fields: &Placed<'a>, paths: &Paths) -> Option<Event<'a>> {
    let is_type = |(path, _): &&(PathId, _)| paths.role(*path).is_event_type;
    let (_, name) = fields.iter().find(is_type)?;
    let Value::Str(name) = name else { return None };
    let mut event = EventType::from_name(name)?.empty();
    for (path, value) in fields {
        // Unknown fields are the user's own.
        let _ = event.set(paths.bare(*path), value.clone());
    }
    Some(event)
}

/// Converts a value to an owned one.
pub(super) fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Bool(is) => Value::Bool(is),
        Value::U64(number) => Value::U64(number),
        Value::I64(number) => Value::I64(number),
        Value::F64(number) => Value::F64(number),
        Value::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
        Value::Json(json) => Value::Json(Cow::Owned(json.into_owned())),
    }
}

/// The values for placeholders of a message template; empty if there is no template.
fn holes<'a>(fields: &Placed<'a>, paths: &Paths) -> Vec<(String, Value<'a>)> {
    let has_template = fields.iter().any(|(path, _)| paths.role(*path).is_template);
    let named = |(path, value): &(PathId, Value<'a>)| (paths.bare(*path).to_owned(), value.clone());
    if has_template {
        fields.iter().map(named).collect()
    } else {
        Vec::new()
    }
}

impl<'a> Slots<'a> {
    /// Takes all fields and builds the record. Returns whether they form one.
    fn decode(
        &mut self,
        fields: Vec<(PathId, Value<'a>)>,
        dialect: Dialect,
        paths: &Paths,
        (local, map): (&Local, &Map),
        record: &mut Record<'a>,
    ) -> bool {
        let typed = typed_event(&fields, paths);
        let holes = holes(&fields, paths);
        for (path, value) in fields {
            match map.mapped(paths.path(path)) {
                Some(Mapped::Slot(slot)) => self.put(slot, 0, value),
                Some(Mapped::Duration(unit)) => self.mapped_duration(&value, unit),
                None => self.offer(paths.role(path), value),
            }
        }
        self.finish(typed, &holes, dialect, (local, map), record)
    }

    /// Builds the record from the values taken, with its explicit event and the values for placeholders in its
    /// message. Returns whether they form a record.
    pub(super) fn finish(
        &mut self,
        typed: Option<Event<'a>>,
        holes: &[(String, Value<'a>)],
        dialect: Dialect,
        (local, map): (&Local, &Map),
        record: &mut Record<'a>,
    ) -> bool {
        let slots = self;
        slots.read_spans();
        let level = slots
            .take(Slot::Level)
            .and_then(|value| level_of(&value, slots.level_scale.unwrap_or(slots.scale)))
            // Serilog omits the level `Information`.
            .or_else(|| slots.is_compact.then_some(Level::Info));
        let (timestamp, zoned) = slots.take_time(local);
        let mut message = slots.message(holes, level >= Some(Level::Error));
        // A request needs no message.
        let has = |slot: Slot| slots.values[slot as usize].is_some();
        let is_request = has(Slot::Url) && (has(Slot::Status) || slots.duration_ms.is_some());
        let says_error = has(Slot::ErrorMessage) || has(Slot::ErrorType) || has(Slot::Traceback);
        if message.is_none()
            && !is_request
            && (level.is_none() || timestamp.is_none())
            && !(says_error && timestamp.is_some())
        {
            return false;
        }
        match &message {
            Some(Cow::Borrowed(message)) => slots.read_message(message, &mut |value| value),
            Some(Cow::Owned(message)) => slots.read_message(message, &mut |value| owned(value)),
            None => {}
        }
        let target = slots.target(&mut message);
        record.timestamp = timestamp;
        record.is_zoneless = !zoned;
        record.level = level;
        record.target = target;
        let named = slots.values[Slot::ScraperId as usize].take();
        record.scraper_id = named.and_then(|(rank, value)| naming::scraper_of(rank, value));
        record.run_id = slots.take_text(Slot::RunId);
        record.site = slots.take_text(Slot::Site);
        record.message = message;
        record.dialect = dialect;
        let message = record.message.as_deref().unwrap_or_default();
        match (typed, map.meaning(message)) {
            (Some(event), _) => record.event = slots.complete(event),
            (None, Some((meaning, pattern))) => {
                record.items = slots.take_groups(pattern, message);
                (record.event, record.is_unjudged) = slots.meant(meaning, message);
            }
            (None, None) => slots.event(record, map),
        }
        event::complete_from_message(record);
        if let Event::Request(request) = &record.event
            && request.url.as_deref().is_some_and(prose::is_control)
        {
            record.event = Event::Log;
            record.is_unjudged = false;
        }
        let is_request = matches!(record.event, Event::Request(_));
        record.is_echo = is_request && record.target.as_deref().is_some_and(prose::is_library);
        true
    }

    /// The message, with the values for its placeholders.
    fn message(&mut self, holes: &[(String, Value<'a>)], is_error: bool) -> Option<Cow<'a, str>> {
        let message = self.take_text(Slot::Message)?;
        let message = if self.is_template {
            Cow::Owned(rendered(&message, holes))
        } else {
            message
        };
        // Syslog daemons escape line breaks as `#012`.
        Some(if is_error && message.contains("#012") {
            Cow::Owned(message.replace("#012", "\n"))
        } else {
            message
        })
    }

    /// The logger. Scrapy Cloud puts it into the message.
    fn target(&mut self, message: &mut Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
        let target = self.take_text(Slot::Target);
        if target.is_none()
            && let Some(text) = message
            && text.starts_with("[scrapy.")
            && let Some(end) = text.find("] ")
        {
            let logger = text[1..end].to_owned();
            *message = Some(Cow::Owned(text[end + 2..].to_owned()));
            return Some(Cow::Owned(logger));
        }
        target
    }

    /// Reads the pairs of a message that has a URL or an item, if no field has a URL.
    fn read_message<'m>(&mut self, message: &'m str, keep: &mut dyn FnMut(Value<'m>) -> Value<'a>) {
        let has_url = self.values[Slot::Url as usize].is_some();
        let kind = item_kind(message);
        let names_url = || message.starts_with("url=") || message.contains(" url=");
        if has_url || !(kind.is_some() || names_url()) {
            return;
        }
        for (key, value) in pairs(message) {
            self.offer(&Role::of(&key), keep(value));
        }
        if let Some(kind) = kind {
            self.offer(&Role::of("item.kind"), Value::Str(kind.into()));
        }
    }

    /// The record's time, and whether it has a zone.
    fn take_time(&mut self, local: &Local) -> (Option<Timestamp>, bool) {
        let time = self
            .take(Slot::Timestamp)
            .and_then(|value| match &self.zone {
                Some(zone) => time_of(&value, &Local::new(zone)),
                None => time_of(&value, local),
            });
        let more = self.nanoseconds.unwrap_or(0) / 1000;
        match time {
            Some((time, zoned)) => (Some(time.plus_micros(more as i64)), zoned),
            None => (None, true),
        }
    }

    /// Completes an explicit error event with values from other fields.
    fn complete(&mut self, event: Event<'a>) -> Event<'a> {
        let Event::ScraperError(typed) = event else {
            return event;
        };
        let found = self.error();
        Event::ScraperError(ScraperError {
            error_type: typed.error_type.clone().or(found.error_type),
            error_message: typed.error_message.clone().or(found.error_message),
            traceback: typed.traceback.clone().or(found.traceback),
            causes: typed.causes.clone().or(found.causes),
            function: typed.function.clone().or(found.function),
            ..typed
        })
    }

    /// Takes the values of a pattern's named groups where no field has them, and returns the number of items.
    fn take_groups(&mut self, pattern: &Regex, message: &str) -> Option<u32> {
        if pattern.captures_len() == 1 {
            return None;
        }
        let found = pattern.captures(message)?;
        let text = |name: &str| Some(found.name(name)?.as_str().to_owned());
        let number = |name: &str| text(name)?.parse::<f64>().ok();
        for (slot, value) in [
            (Slot::Url, text("url").map(|url| Value::Str(url.into()))),
            (Slot::Status, number("status").map(|n| Value::U64(n as u64))),
            (Slot::Bytes, number("bytes").map(|n| Value::U64(n as u64))),
        ] {
            if let (None, Some(value)) = (&self.values[slot as usize], value) {
                self.put(slot, 0, value);
            }
        }
        let seconds = number("response_time_seconds").map(|seconds| seconds * 1e3);
        self.duration_ms = self.duration_ms.or(number("response_time_ms")).or(seconds);
        text("count")?.parse().ok()
    }

    /// The event for the user-defined kind of the record, and whether it is a request of unknown outcome.
    fn meant(&mut self, meaning: Meaning, message: &str) -> (Event<'a>, bool) {
        let error = self.error();
        let url = self.take_text(Slot::Url);
        let url = url.or_else(|| url_in(message).map(|url| url.to_owned().into()));
        let status = self.take(Slot::Status).and_then(|value| status_of(&value));
        let event = match meaning {
            Meaning::Request => {
                let is_unjudged = status.is_none() && error.error_type.is_none();
                return (self.request(url, status, error.error_type), is_unjudged);
            }
            Meaning::Item | Meaning::ItemFailed => {
                let action = if meaning == Meaning::Item {
                    ProductAction::Saved
                } else {
                    ProductAction::Failed
                };
                Event::ProductProcessed(ProductProcessed {
                    action: Some(action.as_str().into()),
                    url,
                    ..ProductProcessed::default()
                })
            }
            Meaning::Error => Event::ScraperError(ScraperError {
                url,
                status_code: status,
                ..error
            }),
            Meaning::Log => Event::Log,
        };
        (event, false)
    }

    /// Builds an HTTP attempt.
    fn request(
        &mut self,
        url: Option<Cow<'a, str>>,
        status_code: Option<u16>,
        error_type: Option<Cow<'a, str>>,
    ) -> Event<'a> {
        Event::Request(Request {
            url,
            method: self.take_text(Slot::Method),
            status_code,
            response_time_ms: self.duration_ms,
            bytes: self.take(Slot::Bytes).and_then(|value| value.as_u64()),
            attempt: self.take(Slot::Attempt).and_then(|value| value.as_u64()),
            error_type,
            ..Request::default()
        })
    }
}

/// Decodes an object as an error, whatever else it contains. `None` if it does not describe an error.
pub(crate) fn decode_error<'a>(object: &Object<'a>) -> Option<Record<'a>> {
    let mut slots = Slots::default();
    let mut causes = None;
    let mut consecutive_failures = None;
    with_paths(|paths| {
        for (path, value) in object.flatten_as(&ROOT, &mut |parent, key| paths.child(*parent, key))
        {
            match paths.path(path) {
                "causes" => causes = value.as_json().map(dragline_schema::Json),
                "consecutive_failures" => consecutive_failures = value.as_u64(),
                _ => slots.offer(paths.role(path), value),
            }
        }
    });
    let site = slots.take_text(Slot::Site);
    let message = slots.take_text(Slot::Message);
    let url = slots.take_text(Slot::Url);
    let status_code = slots.take(Slot::Status).and_then(|value| status_of(&value));
    let mut error = slots.error();
    node::complete(object, &mut error);
    let says_something = message.is_some()
        || error.error_message.is_some()
        || error.error_type.is_some()
        || status_code.is_some();
    says_something.then(|| Record {
        site,
        message,
        event: Event::ScraperError(ScraperError {
            url,
            status_code,
            causes: causes.or(error.causes.clone()),
            consecutive_failures,
            ..error
        }),
        ..Record::default()
    })
}

/// Whether the first key is the level and the last one the message, as in zerolog.
pub(super) fn is_zerolog(object: &Object<'_>) -> bool {
    let is = |field: Option<&(Cow<'_, str>, _)>, name| field.is_some_and(|(key, _)| key == name);
    let fields: &[(Cow<'_, str>, &serde_json::value::RawValue)] = &object.fields;
    is(fields.first(), "level") && is(fields.last(), "message")
}

fn status_of(value: &Value<'_>) -> Option<u16> {
    value
        .as_u64()
        .and_then(|n| u16::try_from(n).ok())
        .filter(|n| (100..600).contains(n) || *n == 999)
}

/// The first URL in a text.
pub(crate) fn url_in(text: &str) -> Option<&str> {
    text.split_whitespace()
        .map(|word| word.trim_matches(['<', '>', '(', ')', '"', '\'', ',']))
        .find(|word| word.starts_with("http") && host_of(word).is_some())
}

fn time_of(value: &Value<'_>, local: &Local) -> Option<(Timestamp, bool)> {
    match value {
        Value::Str(text) => local.parse(text),
        number => time::from_epoch(number.as_f64()?).map(|time| (time, true)),
    }
}

#[cfg(test)]
mod tests;
