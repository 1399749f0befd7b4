//! JSON of other writers into records.

use std::borrow::Cow;
use std::cell::RefCell;

use dragline_schema::{
    Dialect, Event, EventType, Level, ProductAction, ProductProcessed, Record, Request,
    ScraperError, Timestamp, Value, host_of,
};

use super::alias::{Slot, slot_of};
use super::exception::{causes_json, causes_of, from_exception_list};
use super::item::{denies_item, item_kind, says_item};
use super::keys::Keys;
use super::level::level_of;
use super::role::{PathId, Paths, ROOT, Role};
use super::slots::Slots;
use super::{node, prose};
use crate::framing::crash;
use crate::meaning::map::{Map, Mapped, Meaning};
use crate::meaning::traceback;
use crate::parsing::Fields;
use crate::parsing::Object;
use crate::parsing::pairs::pairs;
use crate::parsing::template::rendered;
use crate::parsing::time::{self, Local};

thread_local! {
    /// The paths of all fields that came: the same come again.
    static PATHS: RefCell<Paths> = RefCell::default();
}

/// Works with the paths that are known; nothing that is done with them does so again.
fn with_paths<T>(work: impl FnOnce(&mut Paths) -> T) -> T {
    PATHS.with_borrow_mut(|paths| {
        paths.begin();
        work(paths)
    })
}

/// The fields of a record by the places of their paths.
type Placed<'a> = [(PathId, Value<'a>)];

/// Reads an object of any writer; `None` when it says neither when nor on which level nor what.
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
    if let Event::ScraperError(error) = &mut record.event {
        node::complete(object, error);
    }
    Some(record)
}

/// Reads the fields of a record that is no JSON.
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

/// Reads the fields that something tells, one after another, by their paths. Whether they are a record.
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

/// The event that a record names by its type in the wire format, as writers other than the recorder
/// do that follow a recipe.
fn typed_event<'a>(fields: &Placed<'a>, paths: &Paths) -> Option<Event<'a>> {
    let is_type = |(path, _): &&(PathId, _)| paths.role(*path).is_event_type;
    let (_, name) = fields.iter().find(is_type)?;
    let Value::Str(name) = name else { return None };
    let mut event = EventType::from_name(name)?.empty();
    for (path, value) in fields {
        // What the event does not know is the user's.
        let _ = event.set(paths.bare(*path), value.clone());
    }
    Some(event)
}

/// A value that borrows from nothing.
fn owned(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Bool(is) => Value::Bool(is),
        Value::U64(number) => Value::U64(number),
        Value::I64(number) => Value::I64(number),
        Value::F64(number) => Value::F64(number),
        Value::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
        Value::Json(json) => Value::Json(Cow::Owned(json.into_owned())),
    }
}

/// What may fill the holes of a template, when there is one.
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
    /// Takes all fields, and makes a record of them. Whether it is one.
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

    /// Makes the record of what was taken: with the event that it names, and what may fill the holes of its
    /// message. Whether it is one.
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
            // Serilog leaves the usual level out.
            .or_else(|| slots.is_compact.then_some(Level::Info));
        let (timestamp, zoned) = slots.take_time(local);
        let mut message = slots.take_text(Slot::Message);
        if slots.is_template
            && let Some(template) = &message
        {
            message = Some(Cow::Owned(rendered(template, holes)));
        }
        // Syslog's daemons write a line's end so.
        if level >= Some(Level::Error)
            && let Some(text) = &message
            && text.contains("#012")
        {
            message = Some(Cow::Owned(text.replace("#012", "\n")));
        }
        // A request says something without a word.
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
        let mut target = slots.take_text(Slot::Target);
        // Scrapy Cloud has the logger in the message.
        if target.is_none()
            && let Some(text) = &message
            && text.starts_with("[scrapy.")
            && let Some(end) = text.find("] ")
        {
            target = Some(Cow::Owned(text[1..end].to_owned()));
            message = Some(Cow::Owned(text[end + 2..].to_owned()));
        }
        record.timestamp = timestamp;
        record.is_zoneless = !zoned;
        record.level = level;
        record.target = target;
        record.scraper_id = slots.take_text(Slot::ScraperId);
        record.run_id = slots.take_text(Slot::RunId);
        record.site = slots.take_text(Slot::Site);
        record.message = message;
        record.dialect = dialect;
        let message = record.message.as_deref().unwrap_or_default();
        match (typed, map.meaning(message)) {
            (Some(event), _) => record.event = slots.complete(event),
            (None, Some(meaning)) => {
                (record.event, record.is_unjudged) = slots.meant(meaning, message);
            }
            (None, None) => slots.event(record),
        }
        complete_from_message(record);
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

    /// The pairs of a message that names a URL among them, where no field does.
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

    /// When it was, and whether that names a zone.
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

    /// An event that names its type, with what other names say of an error.
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

    /// What the user says that the record is.
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

    /// An HTTP attempt.
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

/// Reads the traceback that the message of an error has, where nothing else tells of it.
fn complete_from_message(record: &mut Record<'_>) {
    let Event::ScraperError(error) = &mut record.event else {
        return;
    };
    if error.error_type.is_some() || error.traceback.is_some() {
        return;
    }
    if let Some(message) = record.message.as_deref()
        && message.contains("Traceback (most")
        && let Some(parsed) = traceback::parse(message)
    {
        error.error_type = Some(parsed.error_type.to_owned().into());
        error.error_message = Some(parsed.message.to_owned().into());
        error.function = parsed.function.map(|name| name.to_owned().into());
        error.causes = causes_of(&parsed.causes);
        error.traceback = Some(message.to_owned().into());
    }
}

/// Reads what an object says of an error, whatever else it says: as if it were one. `None` when it
/// says nothing of any.
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

/// zerolog begins with the level and ends with the message.
pub(super) fn is_zerolog(object: &Object<'_>) -> bool {
    let is = |field: Option<&(Cow<'_, str>, _)>, name| field.is_some_and(|(key, _)| key == name);
    let fields: &[(Cow<'_, str>, &serde_json::value::RawValue)] = &object.fields;
    is(fields.first(), "level") && is(fields.last(), "message")
}

impl<'a> Slots<'a> {
    /// Tells the record what it says to programs, and whether it is a request of unknown outcome.
    fn event(&mut self, record: &mut Record<'a>) {
        let error = self.error();
        let url = self.take_text(Slot::Url);
        let status = self.take(Slot::Status).and_then(|value| status_of(&value));
        let is_quiet = record.level.is_none_or(|level| level < Level::Warn);
        let message = record.message.as_deref().unwrap_or_default();
        let is_answer = status.is_some() && url.is_some() && !self.has_item;
        if is_quiet
            && !is_answer
            && !denies_item(message)
            && (self.has_item || (says_item(message) && (self.has_identity || url.is_some())))
        {
            let item = ProductProcessed {
                action: Some(ProductAction::Saved.as_str().into()),
                url,
                ..ProductProcessed::default()
            };
            record.event = Event::ProductProcessed(item);
            return;
        }
        // Where no level is named, a traceback says it.
        let is_error = record.level.is_some_and(Level::is_error)
            || (record.level.is_none() && error.traceback.is_some() && error.error_type.is_some());
        let has_attempt = self.values[Slot::Attempt as usize].is_some() && !is_quiet && !is_error;
        if status.is_some() || self.duration_ms.is_some() || self.status_is_null || has_attempt {
            let url = url
                .clone()
                .or_else(|| url_in(message).map(|url| url.to_owned().into()));
            if let Some(url) = url.filter(|_| !self.has_item) {
                let tells_failure = self.status_is_null
                    || !is_quiet
                    || error.error_type.is_some()
                    || error.error_message.is_some();
                record.is_unjudged = status.is_none() && !tells_failure;
                record.event = self.request(Some(url), status, error.error_type);
                return;
            }
        }
        if url.is_none() && !self.has_item {
            let prose = prose::request(message).map(|prose| (prose.url.to_owned(), prose));
            let prose = prose.or_else(|| prose::urllib3(message));
            let told = || prose::told(message).map(|prose| (prose.url.to_owned(), prose));
            let prose =
                prose.or_else(|| told().filter(|_| !record.level.is_some_and(Level::is_error)));
            if let Some((url, prose)) = prose {
                let method = Some(prose.method).filter(|method| !method.is_empty());
                record.event = Event::Request(Request {
                    url: Some(url.into()),
                    method: method.map(|method| method.to_owned().into()),
                    status_code: prose.status,
                    response_time_ms: prose.milliseconds,
                    bytes: prose.bytes,
                    error_type: error.error_type,
                    ..Request::default()
                });
                return;
            }
        }
        if is_error {
            record.event = Event::ScraperError(ScraperError {
                url,
                status_code: status,
                ..error
            });
        }
    }

    /// Type, message, causes and traceback, from the fields or out of the traceback.
    fn error(&mut self) -> ScraperError<'a> {
        let mut error = ScraperError {
            error_type: self.take_text(Slot::ErrorType),
            error_message: self.take_text(Slot::ErrorMessage),
            traceback: self.take_text(Slot::Traceback),
            ..ScraperError::default()
        };
        if let Some(list) = self.exceptions.take() {
            from_exception_list(&list, &mut error);
        }
        let parsed = error.traceback.as_deref().and_then(traceback::parse);
        if let Some(parsed) = parsed {
            let owned = |text: &str| (!text.is_empty()).then(|| Cow::Owned(text.to_owned()));
            let (error_type, message) = (owned(parsed.error_type), owned(parsed.message));
            let function = parsed.function.and_then(owned);
            let causes = (!parsed.causes.is_empty()).then(|| causes_json(&parsed.causes));
            // A bare `Error` or `DOMException` says less than what the writer names.
            error.error_type = error.error_type.or(error_type);
            error.error_message = error.error_message.or(message);
            error.function = error.function.or(function);
            error.causes = error.causes.or(causes);
        } else if error.error_type.is_none() {
            // `System.IO.IOException: no space` without a frame.
            let told = error
                .traceback
                .as_deref()
                .or(error.error_message.as_deref());
            let told = told
                .and_then(|text| text.lines().next())
                .and_then(crash::error_line);
            if let Some((error_type, message)) = told {
                let message = message.split("    at ").next().unwrap_or_default().trim();
                let (error_type, message) = (error_type.to_owned(), message.to_owned());
                error.error_type = Some(error_type.into());
                error.error_message = Some(message.into());
            }
        }
        error
    }
}

fn status_of(value: &Value<'_>) -> Option<u16> {
    value
        .as_u64()
        .and_then(|n| u16::try_from(n).ok())
        .filter(|n| (100..600).contains(n))
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
mod tests {
    use super::*;

    fn decoded(line: &str) -> Record<'static> {
        // Leaked: a test's line lives as long as the test.
        let line: &'static str = Box::leak(line.to_owned().into_boxed_str());
        decode(
            &Object::parse(line).unwrap(),
            &Local::new(&jiff::tz::TimeZone::UTC),
            &Map::new(),
        )
        .unwrap()
    }

    #[test]
    fn a_request_is_judged_only_by_what_its_line_tells() {
        let head = r#""time":"2026-03-04T11:22:33Z","msg":"fetch","url":"http://x/""#;
        for (level, more, status, unjudged) in [
            ("info", r#""status":200"#, Some(200), false),
            ("info", r#""elapsed_ms":5"#, None, true),
            ("info", r#""elapsed_ms":5,"status":null"#, None, false),
            ("info", r#""status":null"#, None, false),
            ("warning", r#""elapsed_ms":5"#, None, false),
            (
                "info",
                r#""elapsed_ms":5,"error_type":"ReadTimeout""#,
                None,
                false,
            ),
        ] {
            let record = decoded(&format!(r#"{{{head},"level":"{level}",{more}}}"#));
            let Event::Request(request) = &record.event else {
                panic!("{more}")
            };
            assert_eq!(
                (request.status_code, record.is_unjudged),
                (status, unjudged),
                "{more}"
            );
        }
    }

    #[test]
    fn a_record_may_name_its_event_in_our_terms() {
        let record = decoded(
            r#"{"time":1772623353123,"level":30,"msg":"x","event_type":"request","url":"http://x/","response_time_ms":7}"#,
        );
        let Event::Request(request) = &record.event else {
            panic!("{record:?}")
        };
        assert_eq!(request.response_time_ms, Some(7.0));
        assert!(!record.is_unjudged);
        let record = decoded(
            r#"{"timestamp":"2026-03-04T11:22:33Z","level":"error","event":"page failed","event_type":"scraper_error","url":"http://x/","exception":"Traceback (most recent call last):\n  File \"a.py\", line 1, in f\nKeyError: 'price'"}"#,
        );
        let Event::ScraperError(error) = &record.event else {
            panic!("{record:?}")
        };
        assert_eq!(error.error_type.as_deref(), Some("KeyError"));
        assert_eq!(error.url.as_deref(), Some("http://x/"));
    }

    #[test]
    fn the_user_says_what_fields_and_messages_mean() {
        let mut map = Map::new();
        map.field("status", "code").unwrap();
        map.field("response_time_seconds", "t").unwrap();
        map.event("^got a row", Meaning::Item).unwrap();
        map.event("scraped by hand", Meaning::Log).unwrap();
        assert!(map.field("colour", "x").is_err());
        let read = |line: &'static str| {
            let object = Object::parse(line).unwrap();
            decode(&object, &Local::new(&jiff::tz::TimeZone::UTC), &map)
                .unwrap()
                .event
        };
        let line =
            r#"{"time":1772623353,"level":"info","msg":"x","url":"http://x/","code":404,"t":0.5}"#;
        let Event::Request(request) = read(line) else {
            panic!("no request")
        };
        assert_eq!(request.status_code, Some(404));
        assert_eq!(request.response_time_ms, Some(500.0));
        let item = read(r#"{"time":1772623353,"level":"info","msg":"got a row"}"#);
        assert!(matches!(item, Event::ProductProcessed(_)));
        let log =
            read(r#"{"time":1772623353,"level":"info","msg":"scraped by hand","url":"http://x/"}"#);
        assert_eq!(log, Event::Log);
    }

    #[test]
    fn an_object_of_pythons_names_no_scraper_unless_it_names_itself() {
        for (shown, expected) in [
            ("<scrapy.crawler.Crawler object at 0x7312f3080c50>", None),
            ("<Spider 'meetups' at 0x7312f288f860>", Some("meetups")),
            ("meetups", Some("meetups")),
        ] {
            let line =
                format!(r#"{{"time":1772623353,"level":"info","msg":"x","spider":"{shown}"}}"#);
            assert_eq!(decoded(&line).scraper_id.as_deref(), expected, "{shown}");
        }
    }

    #[test]
    fn logurus_own_text_is_not_the_message() {
        let line = r#"{"text":"2026 | INFO | x - hello\n","record":{"message":"hello","level":{"name":"INFO","no":20},"time":{"timestamp":1772623353.5}}}"#;
        assert_eq!(decoded(line).message.as_deref(), Some("hello"));
    }
}
