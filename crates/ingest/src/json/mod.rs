//! One JSON object a line: Dragline's own, or any other writer's.

mod alias;
mod duration;
mod exception;
mod exports;
pub(crate) mod fast;
mod fields;
mod foreign;
mod head;
mod inside;
mod item;
mod keys;
mod level;
mod marks;
mod native;
mod node;
pub(crate) mod otlp;
mod prose;
mod role;
mod shape;
mod slots;
mod template;

use crate::time::Local;
use dragline_schema::Record;

use crate::map::Map;

pub(crate) use alias::{Slot, slot_named};
pub(crate) use exception::causes_of;
pub(crate) use exports::{is_platforms, members as export_members};
pub use fields::without_lone_surrogates;
pub(crate) use fields::{Object, scalar, without_nan};
pub(crate) use foreign::{Fields, decode_fields, url_in, value_of_json, value_of_text};
pub(crate) use head::Head;
pub(crate) use inside::inside;
pub(crate) use item::says_item;
pub(crate) use marks::Marks;
pub(crate) use native::empty;
pub(crate) use shape::Shapes;

/// A record, and whether its time named a zone.
pub(crate) struct Decoded<'a> {
    pub(crate) record: Record<'a>,
    pub(crate) zoned: bool,
}

/// Decodes a line that begins with a brace; `None` when it is no JSON object, or one that says
/// neither when nor what.
pub(crate) fn decode<'a>(object: &Object<'a>, local: &Local, map: &Map) -> Option<Decoded<'a>> {
    if object.is_native() {
        return Some(Decoded {
            record: native::decode(object),
            zoned: true,
        });
    }
    foreign::decode(object, local, map)
}

/// The members of a JSON object in order, as often as they stand there, each value as its JSON text.
/// `None` when the line is no object.
///
/// ```
/// let members = dragline_ingest::members(r#"{"a":1.0,"a":[2]}"#).unwrap();
/// assert_eq!(members, [("a".into(), "1.0"), ("a".into(), "[2]")]);
/// ```
pub fn members(line: &str) -> Option<Vec<(std::borrow::Cow<'_, str>, &str)>> {
    let fields = Object::parse(line)?.fields.into_iter();
    Some(fields.map(|(key, value)| (key, value.get())).collect())
}

/// Reads a JSON object as an error, whatever its keys are called: type, message, causes, traceback,
/// status. `None` when the line is no object, or one that says nothing of an error.
///
/// ```
/// let record = dragline_ingest::decode_error(r#"{"exc_type": "KeyError", "msg": "'price'"}"#).unwrap();
/// assert_eq!(record.error_text().unwrap().error_type, "KeyError");
/// ```
pub fn decode_error(line: &str) -> Option<Record<'_>> {
    let object: Object<'_> = serde_json::from_str(line).ok()?;
    foreign::decode_error(&object)
}
