//! The best value of each kind that a record's fields have.

use std::borrow::Cow;

use dragline_schema::Value;

use super::alias::Slot;
use super::level::Scale;
use super::role::{Kind, Role, context_slot};
use crate::meaning::traceback;
use crate::parsing::duration;

/// The best value found for each slot.
#[derive(Default)]
pub(super) struct Slots<'a> {
    pub(super) values: [Option<(usize, Value<'a>)>; Slot::COUNT],
    pub(super) duration_ms: Option<f64>,
    /// What log4j2's `instant` adds to its seconds.
    pub(super) nanoseconds: Option<u64>,
    /// The zone that is named beside the time.
    pub(super) zone: Option<jiff::tz::TimeZone>,
    /// Whose numbers of levels the field has that a number stands in.
    pub(super) level_scale: Option<Scale>,
    /// Whether the message has holes that other fields fill.
    pub(super) is_template: bool,
    pub(super) scale: Scale,
    /// Whether it is Serilog's compact form.
    pub(super) is_compact: bool,
    /// Whether the keys stand as zerolog writes them.
    pub(super) is_zerolog: bool,
    /// Whether the keys stand as logrus writes them.
    pub(super) is_logrus: bool,
    pub(super) has_item: bool,
    /// The record names a status and says that there is none.
    pub(super) status_is_null: bool,
    /// Something that tells one item from another: needed beside a word such as `scraped`.
    pub(super) has_identity: bool,
    /// JSON lists of exceptions (structlog) and of spans (tracing).
    pub(super) exceptions: Option<Cow<'a, str>>,
    pub(super) spans: Option<Cow<'a, str>>,
}

impl<'a> Slots<'a> {
    /// Takes a field's value for what it says.
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
        // What is called a name is the logger's, unless it has words.
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

    /// Takes a value for a slot, as far as it is one that the slot may have.
    fn fill(&mut self, slot: Slot, rank: usize, role: &Role, value: Value<'a>) {
        match (slot, &value) {
            (Slot::Level, number) if number.as_u64().is_some() => {
                // A word says it better.
                self.put(slot, rank + 100, value);
                self.level_scale = role.scale;
            }
            (Slot::Status, Value::Str(text)) if is_nothing(text) => self.status_is_null = true,
            // An object of Python's, as it shows itself: only one that names itself names a scraper.
            (Slot::ScraperId, Value::Str(text)) if is_shown_object(text) => {
                let named = text
                    .split_once('\'')
                    .and_then(|(_, rest)| rest.split_once('\''));
                if let Some((name, _)) = named.filter(|(name, _)| !name.is_empty()) {
                    self.put(slot, rank, Value::Str(name.to_owned().into()));
                }
            }
            // Datadog's levels.
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
            // A whole traceback under a name that others use for a message.
            (Slot::ErrorMessage, Value::Str(text)) if traceback::parse(text).is_some() => {
                self.put(Slot::Traceback, rank, value);
            }
            // An error's type alone, beside a text.
            (Slot::ErrorMessage, Value::Str(text)) if role.is_error && is_type_name(text) => {
                self.put(Slot::ErrorType, 50, value);
            }
            _ => self.put(slot, rank, value),
        }
    }

    /// Go's loggers write durations without a unit, each in its own: zerolog milliseconds with a
    /// fraction, logrus nanoseconds, which nobody would take for milliseconds.
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

    /// Takes a text for a slot that takes texts as they are; `false` for one that is special there.
    #[inline]
    pub(super) fn put_text(&mut self, slot: Slot, rank: usize, text: &'a str) -> bool {
        let is_special = match slot {
            // A number in quotes.
            Slot::Level => !text.starts_with(|c: char| c.is_ascii_alphabetic()),
            // jsoup's.
            Slot::Url => text.starts_with('['),
            // An object of Python's.
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
            // A word says it better.
            return self.put(slot, rank + 100, Value::U64(number));
        }
        self.put(slot, rank, Value::U64(number));
    }

    #[inline]
    pub(super) fn put(&mut self, slot: Slot, rank: usize, value: Value<'a>) {
        let place = &mut self.values[slot as usize];
        // Of two values under one name the last wins, as in JSON.
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

    /// The context that outer spans carry: `[root … leaf]`, the innermost wins.
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

    /// A duration wherever the user says that it is one.
    pub(super) fn mapped_duration(&mut self, value: &Value<'a>, unit: f64) {
        let milliseconds = value.as_f64().map(|number| number * unit);
        self.duration_ms = milliseconds.or_else(|| with_unit(value));
    }
}

/// Milliseconds of a duration that names its unit itself: `0.052s`, `59 ms`, `3.54µs`.
fn with_unit(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Str(text) => duration::milliseconds(text),
        _ => None,
    }
}

/// Whether a text is an object of Python's, as it shows itself: `<Spider 'shop' at 0x7f0c>`.
fn is_shown_object(text: &str) -> bool {
    text.starts_with('<') && text.ends_with('>') && text.contains(" at 0x")
}

/// Words that are levels where they stand as a status, and tell of no outcome.
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

/// Words for no value.
fn is_nothing(text: &str) -> bool {
    matches!(
        text,
        "" | "None" | "null" | "nil" | "undefined" | "-" | "N/A" | "n/a" | "NaN"
    )
}

/// The texts of a list: lines of a stack, words of a message.
fn joined(list: &str, slot: Slot) -> Option<String> {
    let list: Vec<serde_json::Value> = serde_json::from_str(list).ok()?;
    let texts: Vec<&str> = list.iter().filter_map(|value| value.as_str()).collect();
    let between = if slot == Slot::Traceback { "\n" } else { " " };
    (!texts.is_empty()).then(|| texts.join(between))
}

/// Where names begin that hold templates, in the ranks of messages.
pub(super) const TEMPLATE: usize = 14;

/// One CamelCase word.
fn is_type_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || c == '.' || c == '_')
}
