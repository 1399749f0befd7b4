//! Lines of the wire format v1.

pub(crate) mod fast;
mod head;

use std::borrow::Cow;

use dragline_schema::{Dialect, Event, EventType, Level, Record, Timestamp, Value};

pub(crate) use self::head::Head;
use crate::parsing::{Object, scalar};

/// Reads a line that Dragline's recorder wrote; one whose time cannot be read has none.
pub(crate) fn decode<'a>(object: &Object<'a>) -> Record<'a> {
    let mut record = empty();
    for (key, raw) in &object.fields {
        let Some(value) = scalar(raw) else { continue };
        set(&mut record, key, value);
    }
    record
}

/// A line of the recorder that says nothing yet.
pub(crate) fn empty<'a>() -> Record<'a> {
    Record {
        dialect: Dialect::Dragline,
        ..Record::default()
    }
}

/// How a record takes a text.
pub(crate) type TextSetter = for<'a> fn(&mut Record<'a>, &'a str);

/// How a line takes a text that it is to keep as it is; `None` for what is more than a text.
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

/// Takes a line's next field.
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
            // Of a later format, or somebody's own: a plain line.
            let kind = text(value).and_then(|name| EventType::from_name(&name));
            record.event = kind.map_or(Event::Log, EventType::empty);
        }
        key => {
            // Whatever the event does not know is the user's, and no business of ours yet.
            let _ = record.event.set(key, value);
        }
    }
}
