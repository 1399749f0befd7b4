//! Collects the best value for each slot from a record's fields.

use std::borrow::Cow;

use dragline_schema::Value;

use super::alias::Slot;
use super::level::Scale;
use super::role::{Kind, Role, TEMPLATE, context_slot};
use crate::meaning::traceback;
use crate::parsing::duration;

/// The best value found for each slot.
#[derive(Default)]
pub(super) struct Slots<'a> {
    pub(super) values: [Option<(usize, Value<'a>)>; Slot::COUNT],
    pub(super) duration_ms: Option<f64>,
    /// The nanoseconds of log4j2's `instant`.
    pub(super) nanoseconds: Option<u64>,
    /// The time zone, if a separate field contains it.
    pub(super) zone: Option<jiff::tz::TimeZone>,
    /// The scale implied by the name of the field with a numeric level.
    pub(super) level_scale: Option<Scale>,
    /// Whether the message is a template with placeholders for other fields.
    pub(super) is_template: bool,
    pub(super) scale: Scale,
    /// Whether it is Serilog's compact format.
    pub(super) is_compact: bool,
    /// Whether the keys are in zerolog's order.
    pub(super) is_zerolog: bool,
    /// Whether the keys are in logrus's order.
    pub(super) is_logrus: bool,
    pub(super) has_item: bool,
    /// Whether the record has a status field without a value.
    pub(super) status_is_null: bool,
    /// Whether a field identifies an item: required in addition to a word such as `scraped`.
    pub(super) has_identity: bool,
    /// JSON lists of exceptions (structlog) and of spans (tracing).
    pub(super) exceptions: Option<Cow<'a, str>>,
    pub(super) spans: Option<Cow<'a, str>>,
}

impl<'a> Slots<'a> {
    /// Takes a field's value according to its role.
    pub(super) fn offer(&mut self, role: &Role, value: Value<'a>) {
        match role.kind {
            Kind::Plain => self.offer_plain(role, value),
            Kind::Spans => self.spans = value.as_json(),
            Kind::Span => {
                if let Some((slot, rank)) = role.slot {
                    self.put(slot, rank, value);
                }
            }
            Kind::Zone => {
                if let Value::Str(name) = &value {
                    self.zone = jiff::tz::TimeZone::get(name).ok();
                }
            }
            Kind::Nanoseconds => self.nanoseconds = value.as_u64(),
        }
    }

    fn offer_plain(&mut self, role: &Role, value: Value<'a>) {
        self.has_item |= role.item.is_item(&value);
        // A field `name` is the logger's name unless it contains spaces.
        let is_title = role.is_name && matches!(&value, Value::Str(text) if text.contains(' '));
        self.has_identity |= role.is_identity || is_title;
        if let Some(unit) = role.unit(&value) {
            let milliseconds = value.as_f64().map(|number| number * unit);
            let milliseconds = milliseconds.or_else(|| with_unit(&value));
            let milliseconds = milliseconds.map(|n| self.by_writer(role, &value, n));
            self.duration_ms = self.duration_ms.or(milliseconds);
            return;
        }
        if role.is_exception && matches!(value, Value::Json(_)) {
            self.exceptions = value.as_json();
            return;
        }
        if let Some((slot, rank)) = role.slot {
            self.fill(slot, rank, role, value);
        }
    }

    /// Takes a value for a slot if it is suitable; otherwise redirects or ignores it.
    fn fill(&mut self, slot: Slot, rank: usize, role: &Role, value: Value<'a>) {
        match (slot, &value) {
            (Slot::Level, number) if number.as_u64().is_some() => {
                // A level name takes precedence over a number.
                self.put(slot, rank + 100, value);
                self.level_scale = role.scale;
            }
            (Slot::Status, Value::Str(text)) if is_nothing(text) => self.status_is_null = true,
            // The repr of a Python object: only one with a quoted name identifies a scraper.
            (Slot::ScraperId, Value::Str(text)) if is_shown_object(text) => {
                let named = text
                    .split_once('\'')
                    .and_then(|(_, rest)| rest.split_once('\''));
                if let Some((name, _)) = named.filter(|(name, _)| !name.is_empty()) {
                    self.put(slot, rank, Value::Str(name.to_owned().into()));
                }
            }
            // Datadog writes the level as `status`.
            (Slot::Status, Value::Str(text)) if is_level_as_status(text) => {
                self.put(Slot::Level, 90, value);
            }
            // A list of lines.
            (Slot::Traceback | Slot::Message | Slot::ErrorMessage, Value::Json(list))
                if list.starts_with('[') =>
            {
                if let Some(text) = joined(list, slot) {
                    self.put(slot, rank, Value::Str(text.into()));
                }
            }
            (Slot::Message | Slot::ErrorMessage, Value::Json(_)) => {}
            (Slot::Message, Value::Str(_)) if rank >= TEMPLATE => {
                self.is_template = self.values[slot as usize].is_none();
                self.put(slot, rank, value);
            }
            // jsoup's `URL=[http://shop.test/]`.
            (Slot::Url, Value::Str(text)) if text.starts_with('[') && text.ends_with(']') => {
                let bare = text[1..text.len() - 1].to_owned();
                self.put(slot, rank, Value::Str(bare.into()));
            }
            // A whole traceback in a field that other writers use for a message.
            (Slot::ErrorMessage, Value::Str(text)) if traceback::parse(text).is_some() => {
                self.put(Slot::Traceback, rank, value);
            }
            // Only an error type, in addition to a message.
            (Slot::ErrorMessage, Value::Str(text)) if role.is_error && is_type_name(text) => {
                self.put(Slot::ErrorType, 50, value);
            }
            _ => self.put(slot, rank, value),
        }
    }

    /// Corrects durations without a unit from Go's loggers: zerolog writes fractional milliseconds, logrus
    /// nanoseconds, which are too large to be milliseconds.
    fn by_writer(&self, role: &Role, value: &Value<'_>, milliseconds: f64) -> f64 {
        const LONGEST_MS: u64 = 1_000_000;
        match value {
            Value::F64(number) if role.is_bare && self.is_zerolog => *number,
            Value::U64(number) if role.is_bare && (self.is_logrus || *number >= LONGEST_MS) => {
                *number as f64 / 1e6
            }
            _ => milliseconds,
        }
    }

    /// Takes a text for a slot unchanged; `false` if the slot treats this text specially.
    #[inline]
    pub(super) fn put_text(&mut self, slot: Slot, rank: usize, text: &'a str) -> bool {
        let is_special = match slot {
            // A number in quotes.
            Slot::Level => !text.starts_with(|c: char| c.is_ascii_alphabetic()),
            // jsoup's `[http://shop.test/]`.
            Slot::Url => text.starts_with('['),
            // The repr of a Python object.
            Slot::ScraperId => is_shown_object(text),
            _ => false,
        };
        if !is_special {
            self.put(slot, rank, Value::Str(Cow::Borrowed(text)));
        }
        !is_special
    }

    /// Takes a whole number for a slot.
    #[inline]
    pub(super) fn put_number(&mut self, slot: Slot, rank: usize, number: u64, role: &Role) {
        if slot == Slot::Level {
            self.level_scale = role.scale;
            // A level name takes precedence over a number.
            return self.put(slot, rank + 100, Value::U64(number));
        }
        self.put(slot, rank, Value::U64(number));
    }

    #[inline]
    pub(super) fn put(&mut self, slot: Slot, rank: usize, value: Value<'a>) {
        let place = &mut self.values[slot as usize];
        // If a name occurs twice, the last value wins, as in JSON.
        if place.as_ref().is_none_or(|(held, _)| rank <= *held) {
            *place = Some((rank, value));
        }
    }

    #[inline]
    pub(super) fn take(&mut self, slot: Slot) -> Option<Value<'a>> {
        self.values[slot as usize].take().map(|(_, value)| value)
    }

    #[inline]
    pub(super) fn take_text(&mut self, slot: Slot) -> Option<Cow<'a, str>> {
        match self.take(slot)? {
            Value::Str(text) => Some(text),
            Value::U64(n) => Some(n.to_string().into()),
            Value::I64(n) => Some(n.to_string().into()),
            _ => None,
        }
    }

    /// Takes context fields from the list of spans, `[root … leaf]`; the innermost span wins.
    pub(super) fn read_spans(&mut self) {
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

    /// Takes the value of a field that the user mapped to a duration.
    pub(super) fn mapped_duration(&mut self, value: &Value<'a>, unit: f64) {
        let milliseconds = value.as_f64().map(|number| number * unit);
        self.duration_ms = milliseconds.or_else(|| with_unit(value));
    }
}

/// Milliseconds of a duration with a unit in its text: `0.052s`, `59 ms`, `3.54µs`.
fn with_unit(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Str(text) => duration::milliseconds(text),
        _ => None,
    }
}

/// Whether a text is the repr of a Python object: `<Spider 'shop' at 0x7f0c>`.
fn is_shown_object(text: &str) -> bool {
    text.starts_with('<') && text.ends_with('>') && text.contains(" at 0x")
}

/// Whether a status is the name of a level, not an outcome.
fn is_level_as_status(text: &str) -> bool {
    matches!(
        text,
        "error"
            | "warn"
            | "warning"
            | "info"
            | "debug"
            | "critical"
            | "notice"
            | "emergency"
            | "alert"
    )
}

/// Whether a text means that there is no value.
fn is_nothing(text: &str) -> bool {
    matches!(
        text,
        "" | "None" | "null" | "nil" | "undefined" | "-" | "N/A" | "n/a" | "NaN"
    )
}

/// Joins the texts of a JSON list: lines of a stack, words of a message.
fn joined(list: &str, slot: Slot) -> Option<String> {
    let list: Vec<serde_json::Value> = serde_json::from_str(list).ok()?;
    let texts: Vec<&str> = list.iter().filter_map(|value| value.as_str()).collect();
    let between = if slot == Slot::Traceback { "\n" } else { " " };
    (!texts.is_empty()).then(|| texts.join(between))
}

/// Whether a text is a single CamelCase word.
fn is_type_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || c == '.' || c == '_')
}
