//! JSON of other writers into records.

use std::borrow::Cow;

use dragline_schema::{
    Cause, Dialect, Event, Level, ProductAction, ProductProcessed, Record, Request, ScraperError,
    Timestamp, Value, host_of,
};
use jiff::tz::TimeZone;

use super::alias::{Slot, duration_unit, slot_of, without_container};
use super::fields::Object;
use super::{Decoded, node};
use crate::{time, traceback};

/// The best value found for each slot.
#[derive(Default)]
struct Slots<'a> {
    values: [Option<(usize, Value<'a>)>; Slot::COUNT],
    duration_ms: Option<f64>,
    has_item: bool,
    /// The record names a status and says that there is none.
    status_is_null: bool,
    /// Something that tells one item from another: needed beside a word such as `scraped`.
    has_identity: bool,
    /// JSON lists of exceptions (structlog) and of spans (tracing).
    exceptions: Option<Cow<'a, str>>,
    spans: Option<Cow<'a, str>>,
}

/// Reads an object of any writer; `None` when it says neither when nor on which level nor what.
pub(crate) fn decode<'a>(object: &Object<'a>, zone: &TimeZone) -> Option<Decoded<'a>> {
    let dialect = dialect_of(object);
    let is_null_status =
        |key: &str, raw: &str| raw == "null" && matches!(slot_of(key), Some((Slot::Status, _)));
    let slots = Slots {
        status_is_null: object
            .fields
            .iter()
            .any(|(key, raw)| is_null_status(key, raw.get())),
        ..Slots::default()
    };
    let mut decoded = slots.decode(object.flatten(), dialect, zone)?;
    if let Event::ScraperError(error) = &mut decoded.record.event {
        node::complete(object, error);
    }
    Some(decoded)
}

/// Reads the fields of a record that is no JSON.
pub(crate) fn decode_fields<'a>(
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
    dialect: Dialect,
    zone: &TimeZone,
) -> Option<Decoded<'a>> {
    Slots::default().decode(fields, dialect, zone)
}

/// A value in a text: a number where it is one.
pub(crate) fn value_of_text(text: &str) -> Value<'_> {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(['e', 'E']);
    let number = is_number.then(|| super::fields::number(text)).flatten();
    number.unwrap_or(Value::Str(Cow::Borrowed(text)))
}

impl<'a> Slots<'a> {
    fn decode(
        mut self,
        fields: Vec<(Cow<'a, str>, Value<'a>)>,
        dialect: Dialect,
        zone: &TimeZone,
    ) -> Option<Decoded<'a>> {
        let slots = &mut self;
        for (path, value) in fields {
            slots.offer(&path, value);
        }
        slots.read_spans();
        let level = slots
            .take(Slot::Level)
            .and_then(|value| level_of(&value, dialect));
        let (timestamp, zoned) = slots
            .take(Slot::Timestamp)
            .and_then(|value| time_of(&value, zone))
            .map_or((None, true), |(time, zoned)| (Some(time), zoned));
        let message = slots.take_text(Slot::Message);
        if message.is_none() && (level.is_none() || timestamp.is_none()) {
            return None;
        }
        let mut record = Record {
            timestamp,
            level,
            target: slots.take_text(Slot::Target),
            scraper_id: slots.take_text(Slot::ScraperId),
            run_id: slots.take_text(Slot::RunId),
            site: slots.take_text(Slot::Site),
            message,
            dialect,
            ..Record::default()
        };
        let (event, is_unjudged) = slots.event(&record);
        record.event = event;
        record.is_unjudged = is_unjudged;
        Some(Decoded { record, zoned })
    }
}

/// Reads what an object says of an error, whatever else it says: as if it were one. `None` when it
/// says nothing of any.
pub(crate) fn decode_error<'a>(object: &Object<'a>) -> Option<Record<'a>> {
    let mut slots = Slots::default();
    let mut causes = None;
    let mut consecutive_failures = None;
    for (path, value) in object.flatten() {
        match &*path {
            "causes" => causes = value.as_json().map(dragline_schema::Json),
            "consecutive_failures" => consecutive_failures = value.as_u64(),
            _ => slots.offer(&path, value),
        }
    }
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

/// Which writer it is, by the keys that only it has.
fn dialect_of(object: &Object<'_>) -> Dialect {
    let has = |name: &str| object.fields.iter().any(|(key, _)| key == name);
    if has("record") && has("text") {
        Dialect::LoguruJson
    } else if has("level") && has("time") && has("pid") && has("hostname") {
        Dialect::PinoJson
    } else if has("target") && (has("fields") || has("spans") || has("span")) {
        Dialect::TracingJson
    } else {
        Dialect::Json
    }
}

impl<'a> Slots<'a> {
    fn offer(&mut self, path: &str, value: Value<'a>) {
        if matches!(path, "spans" | "fields.spans") {
            self.spans = value.as_json();
            return;
        }
        if let Some(name) = path.strip_prefix("span.") {
            // The innermost span stands in `spans` too, when that is written.
            if let Some((slot, rank)) = context_slot(name) {
                self.put(slot, 100 + rank, value);
            }
            return;
        }
        // loguru's own `elapsed` is the program's age.
        let own = without_container(path);
        self.has_item |= is_item(own, &value);
        self.has_identity |= matches!(own, "url" | "name" | "title" | "sku" | "id")
            || own.starts_with("item_")
            || own.starts_with("product_");
        let is_fraction = matches!(value, Value::F64(_));
        if let Some(unit) = duration_unit(own, is_fraction) {
            let milliseconds = value.as_f64().map(|number| number * unit);
            let milliseconds = milliseconds.or_else(|| with_unit(&value));
            self.duration_ms = self.duration_ms.or(milliseconds);
            return;
        }
        if own == "exception" && matches!(value, Value::Json(_)) {
            self.exceptions = value.as_json();
            return;
        }
        let Some((slot, rank)) = slot_of(own) else {
            return;
        };
        match (slot, &value) {
            // A whole traceback under a name that others use for a message.
            (Slot::ErrorMessage, Value::Str(text)) if traceback::parse(text).is_some() => {
                self.put(Slot::Traceback, rank, value);
            }
            // An error's type alone, beside a text.
            (Slot::ErrorMessage, Value::Str(text)) if own == "error" && is_type_name(text) => {
                self.put(Slot::ErrorType, 50, value);
            }
            _ => self.put(slot, rank, value),
        }
    }

    fn put(&mut self, slot: Slot, rank: usize, value: Value<'a>) {
        let place = &mut self.values[slot as usize];
        // Of two values under one name the last wins, as in JSON.
        if place.as_ref().is_none_or(|(held, _)| rank <= *held) {
            *place = Some((rank, value));
        }
    }

    fn take(&mut self, slot: Slot) -> Option<Value<'a>> {
        self.values[slot as usize].take().map(|(_, value)| value)
    }

    fn take_text(&mut self, slot: Slot) -> Option<Cow<'a, str>> {
        match self.take(slot)? {
            Value::Str(text) => Some(text),
            Value::U64(n) => Some(n.to_string().into()),
            Value::I64(n) => Some(n.to_string().into()),
            _ => None,
        }
    }

    /// The context that outer spans carry: `[root … leaf]`, the innermost wins.
    fn read_spans(&mut self) {
        let Some(spans) = self.spans.take() else {
            return;
        };
        let Ok(spans) = serde_json::from_str::<Vec<serde_json::Map<String, _>>>(&spans) else {
            return;
        };
        for (depth, span) in spans.into_iter().rev().enumerate() {
            for (key, value) in span {
                let Some((slot, rank)) = context_slot(&key) else {
                    continue;
                };
                let value: serde_json::Value = value;
                let value = match value {
                    serde_json::Value::String(text) => Value::Str(text.into()),
                    serde_json::Value::Number(n) => Value::Str(n.to_string().into()),
                    _ => continue,
                };
                self.put(slot, 200 + depth * 20 + rank, value);
            }
        }
    }

    /// What the record says to programs, and whether it is a request of unknown outcome.
    fn event(&mut self, record: &Record<'a>) -> (Event<'a>, bool) {
        let error = self.error();
        let url = self.take_text(Slot::Url);
        let status = self.take(Slot::Status).and_then(|value| status_of(&value));
        let is_quiet = record.level.is_none_or(|level| level < Level::Warn);
        let message = record.message.as_deref().unwrap_or_default();
        if is_quiet
            && (self.has_item || (says_item(message) && (self.has_identity || url.is_some())))
        {
            let item = ProductProcessed {
                action: Some(ProductAction::Saved.as_str().into()),
                url,
                ..ProductProcessed::default()
            };
            return (Event::ProductProcessed(item), false);
        }
        if status.is_some() || self.duration_ms.is_some() || self.status_is_null {
            let url = url
                .clone()
                .or_else(|| url_in(message).map(|url| url.to_owned().into()));
            if let Some(url) = url.filter(|_| !self.has_item) {
                let tells_failure = self.status_is_null
                    || !is_quiet
                    || error.error_type.is_some()
                    || error.error_message.is_some();
                let is_unjudged = status.is_none() && !tells_failure;
                let request = Request {
                    url: Some(url),
                    method: self.take_text(Slot::Method),
                    status_code: status,
                    response_time_ms: self.duration_ms,
                    bytes: self.take(Slot::Bytes).and_then(|value| value.as_u64()),
                    attempt: self.take(Slot::Attempt).and_then(|value| value.as_u64()),
                    error_type: error.error_type,
                    ..Request::default()
                };
                return (Event::Request(request), is_unjudged);
            }
        }
        if record.level.is_some_and(Level::is_error) {
            let error = ScraperError {
                url,
                status_code: status,
                ..error
            };
            return (Event::ScraperError(error), false);
        }
        (Event::Log, false)
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
        }
        error
    }
}

pub(super) fn causes_json(causes: &[Cause<'_>]) -> dragline_schema::Json<'static> {
    // Texts always serialise.
    dragline_schema::Json(serde_json::to_string(causes).unwrap_or_default().into())
}

/// structlog's `dict_tracebacks`: a list, the raised exception first, its causes behind it.
fn from_exception_list(list: &str, error: &mut ScraperError<'_>) {
    #[derive(serde::Deserialize)]
    struct Exception {
        exc_type: String,
        #[serde(default)]
        exc_value: String,
        #[serde(default)]
        frames: Vec<Frame>,
    }
    #[derive(serde::Deserialize)]
    struct Frame {
        #[serde(default)]
        filename: String,
        #[serde(default)]
        name: String,
    }
    let Ok(mut chain) = serde_json::from_str::<Vec<Exception>>(list) else {
        return;
    };
    if chain.is_empty() {
        return;
    }
    let raised = chain.remove(0);
    let own = raised
        .frames
        .into_iter()
        .rfind(|frame| !frame.filename.contains("site-packages"));
    error.function = own.map(|frame| frame.name.into());
    error.error_type = Some(raised.exc_type.into());
    error.error_message = Some(raised.exc_value.into());
    let causes: Vec<Cause<'_>> = chain
        .iter()
        .map(|cause| Cause {
            error_type: cause.exc_type.as_str().into(),
            error_message: cause.exc_value.as_str().into(),
        })
        .collect();
    if !causes.is_empty() {
        error.causes = Some(causes_json(&causes));
    }
}

/// Slots that a span's fields may fill for the events inside.
fn context_slot(name: &str) -> Option<(Slot, usize)> {
    slot_of(name).filter(|(slot, _)| matches!(slot, Slot::ScraperId | Slot::RunId | Slot::Site))
}

/// Whether a field is part of an item that the record carries.
/// Milliseconds of a duration that names its unit itself: `0.052s`, `59 ms`, `3.54µs`.
fn with_unit(value: &Value<'_>) -> Option<f64> {
    let Value::Str(text) = value else {
        return None;
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let scale = match unit.trim() {
        "ns" => 1e-6,
        "us" | "µs" | "μs" => 1e-3,
        "ms" => 1.0,
        "s" | "sec" | "secs" | "seconds" => 1e3,
        "m" | "min" => 6e4,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * scale)
}

fn is_item(path: &str, value: &Value<'_>) -> bool {
    const ITEMS: [&str; 4] = ["item", "product", "article", "story"];
    let Some(item) = ITEMS.iter().find(|item| path.starts_with(*item)) else {
        return false;
    };
    match &path[item.len()..] {
        "" => matches!(value, Value::Str(text) if text.starts_with('{')),
        rest => rest.starts_with('.'),
    }
}

/// What messages count.
const COUNTED: [&str; 14] = [
    "items",
    "pages",
    "products",
    "articles",
    "records",
    "rows",
    "urls",
    "results",
    "stories",
    "entries",
    "documents",
    "files",
    "listings",
    "images",
];

/// Whether a message says that an item was taken. `scraped 12 items` is a count, no item.
pub(crate) fn says_item(message: &str) -> bool {
    let is_word = |word: &str| {
        ["scraped", "stored", "extracted"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known))
    };
    let mut says = message == "item";
    let mut after_number = false;
    for word in message
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let denies = ["not", "failed", "cannot", "never"];
        if denies.iter().any(|known| word.eq_ignore_ascii_case(known))
            || (after_number && COUNTED.iter().any(|known| word.eq_ignore_ascii_case(known)))
        {
            return false;
        }
        after_number = word.bytes().all(|byte| byte.is_ascii_digit());
        says |= is_word(word);
    }
    says
}

/// One CamelCase word.
fn is_type_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || c == '.' || c == '_')
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

fn level_of(value: &Value<'_>, dialect: Dialect) -> Option<Level> {
    match value {
        Value::Str(word) => {
            Level::from_word(word).or_else(|| numeric_level(word.parse().ok()?, dialect))
        }
        other => numeric_level(other.as_u64()?, dialect),
    }
}

/// 10 is trace to pino and bunyan, debug to Python; 0 to 7 are syslog's; thousands logstash's.
fn numeric_level(number: u64, dialect: Dialect) -> Option<Level> {
    Some(match number {
        0..=2 => Level::Critical,
        3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        7 => Level::Debug,
        1000.. => return numeric_level(number / 1000, Dialect::Json),
        // Python begins with debug at 10, pino with trace.
        _ => {
            let steps = [
                Level::Trace,
                Level::Debug,
                Level::Info,
                Level::Warn,
                Level::Error,
            ];
            let tens = (number / 10) as usize;
            let step = if dialect == Dialect::PinoJson {
                tens.saturating_sub(1)
            } else {
                tens
            };
            steps.get(step).copied().unwrap_or(Level::Critical)
        }
    })
}

fn time_of(value: &Value<'_>, zone: &TimeZone) -> Option<(Timestamp, bool)> {
    match value {
        Value::Str(text) => time::parse_text(text, zone),
        number => time::from_epoch(number.as_f64()?).map(|time| (time, true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(line: &str) -> Record<'static> {
        // Leaked: a test's line lives as long as the test.
        let line: &'static str = Box::leak(line.to_owned().into_boxed_str());
        decode(&Object::parse(line).unwrap(), &TimeZone::UTC)
            .unwrap()
            .record
    }

    #[test]
    fn a_count_of_items_is_no_item() {
        for (message, expected) in [
            ("item scraped", true),
            ("Item 7 scraped", true),
            ("Scraped SKU-0017 from page 3", true),
            ("scraped 12 items", false),
            ("Stored jsonlines feed (51 items) in: items.jsonl", false),
            ("scraper started", false),
            ("Item scraped: 12 Monkeys", true),
            ("item could not be stored", false),
        ] {
            assert_eq!(says_item(message), expected, "{message}");
        }
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
    fn logurus_own_text_is_not_the_message() {
        let line = r#"{"text":"2026 | INFO | x - hello\n","record":{"message":"hello","level":{"name":"INFO","no":20},"time":{"timestamp":1772623353.5}}}"#;
        assert_eq!(decoded(line).message.as_deref(), Some("hello"));
    }
}
