//! Third stage, after `framing` and `parsing`: turns fields into events. Decides which role a field has, what a
//! message reports, and which run it belongs to.

mod alias;
mod answer;
mod besides;
mod bounds;
pub(crate) mod crawlee;
mod denial;
mod exception;
mod failure;
mod foreign;
pub(crate) mod form;
mod item;
mod keys;
pub(crate) mod lacking;
pub(crate) mod learn;
mod level;
mod loss;
pub(crate) mod map;
mod monolog;
mod naming;
pub(crate) mod native;
mod node;
mod plain;
pub(crate) mod process;
mod prose;
mod role;
pub(crate) mod scrapy;
mod shape;
mod slots;
pub(crate) mod text;
mod told;
pub(crate) mod traceback;
mod wording;

use dragline_schema::Record;

use self::map::Map;
use crate::parsing::Object;
use crate::parsing::time::Local;

pub(crate) use self::exception::causes_of;
pub(crate) use self::foreign::{decode_fields, is_eliots};
pub(crate) use self::plain::level_of;
pub(crate) use self::role::is_own;
pub(crate) use self::shape::Shapes;

/// Whether a message says that a run starts.
pub(crate) fn is_start(message: &str) -> bool {
    bounds::bound(message) == Some(bounds::Bound::Start)
}

/// Whether a message says that the program failed as a whole.
pub(crate) fn is_fatal(message: &str) -> bool {
    bounds::is_fatal(message, false)
}

/// Decodes a JSON object; `None` if it is not a log record.
pub(crate) fn decode<'a>(object: &Object<'a>, local: &Local, map: &Map) -> Option<Record<'a>> {
    if object.is_native() {
        return Some(native::decode(object));
    }
    foreign::decode(object, local, map)
}

/// The members of a JSON object in order, duplicates included, each value as JSON text.
/// `None` if the line is not an object.
///
/// ```
/// let members = dragline_ingest::members(r#"{"a":1.0,"a":[2]}"#).unwrap();
/// assert_eq!(members, [("a".into(), "1.0"), ("a".into(), "[2]")]);
/// ```
pub fn members(line: &str) -> Option<Vec<(std::borrow::Cow<'_, str>, &str)>> {
    let fields = Object::parse(line)?.fields.into_iter();
    Some(fields.map(|(key, value)| (key, value.get())).collect())
}

/// Decodes a JSON object as an error (type, message, causes, traceback, status), with any known key names.
/// `None` if the line is not an object, or does not describe an error.
///
/// ```
/// let record = dragline_ingest::decode_error(r#"{"exc_type": "KeyError", "msg": "'price'"}"#).unwrap();
/// assert_eq!(record.error_text().unwrap().error_type, "KeyError");
/// ```
pub fn decode_error(line: &str) -> Option<Record<'_>> {
    let object: Object<'_> = serde_json::from_str(line).ok()?;
    foreign::decode_error(&object)
}
