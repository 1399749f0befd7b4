//! Reads lines of the wire format v1.

pub(crate) mod fast;
mod head;

use std::borrow::Cow;

use dragline_schema::{Dialect, Event, EventType, Level, Record, Timestamp, Value};

pub(crate) use self::head::Head;
use crate::parsing::{Object, scalar};

/// Decodes a line of Dragline's recorder. The record has no time if the line's time is invalid.
pub(crate) fn decode<'a>(object: &Object<'a>) -> Record<'a> {
    let mut record = empty();
    for (key, raw) in &object.fields {
        let Some(value) = scalar(raw) else { continue };
        set(&mut record, key, value);
    }
    record
}

/// An empty record of the recorder.
pub(crate) fn empty<'a>() -> Record<'a> {
    Record {
        dialect: Dialect::Dragline,
        ..Record::default()
    }
}

/// Sets a text field of a record.
pub(crate) type TextSetter = for<'a> fn(&mut Record<'a>, &'a str);

/// The setter for a key whose text is stored unchanged; `None` for other keys.
pub(crate) fn text_setter(key: &str) -> Option<TextSetter> {
    Some(match key {
        "target" => |record, text| record.target = Some(Cow::Borrowed(text)),
        "scraper_id" => |record, text| record.scraper_id = Some(Cow::Borrowed(text)),
        "site" => |record, text| record.site = Some(Cow::Borrowed(text)),
        "run_id" => |record, text| record.run_id = Some(Cow::Borrowed(text)),
        "writer_id" => |record, text| record.writer_id = Some(Cow::Borrowed(text)),
        "message" => |record, text| record.message = Some(Cow::Borrowed(text)),
        _ => return None,
    })
}

/// Sets a field of the record.
#[inline]
pub(crate) fn set<'a>(record: &mut Record<'a>, key: &str, value: Value<'a>) {
    let text = |value: Value<'a>| -> Option<Cow<'a, str>> { value.into_text() };
    match key {
        "timestamp" => record.timestamp = text(value).and_then(|t| Timestamp::parse(&t).ok()),
        "level" => record.level = text(value).and_then(|word| Level::from_word(&word)),
        "target" => record.target = text(value),
        "scraper_id" => record.scraper_id = text(value),
        "site" => record.site = text(value),
        "run_id" => record.run_id = text(value),
        "writer_id" => record.writer_id = text(value),
        "seq" => record.seq = value.as_u64(),
        "message" => record.message = text(value),
        "event_type" => {
            // Unknown types, of a later format or the user's own, are treated as plain log lines.
            let kind = text(value).and_then(|name| EventType::from_name(&name));
            record.event = kind.map_or(Event::Log, EventType::empty);
        }
        key => {
            // Unknown fields are the user's own and are not needed here.
            let _ = record.event.set(key, value);
        }
    }
}
