//! One JSON object a line: Dragline's own, or any other writer's.

mod alias;
mod fields;
mod foreign;
mod native;

use dragline_schema::Record;
use jiff::tz::TimeZone;

pub(crate) use fields::{Object, without_nan};

/// A record, and whether its time named a zone.
pub(crate) struct Decoded<'a> {
    pub(crate) record: Record<'a>,
    pub(crate) zoned: bool,
}

/// Decodes a line that begins with a brace; `None` when it is no JSON object, or one that says
/// neither when nor what.
pub(crate) fn decode<'a>(object: &Object<'a>, zone: &TimeZone) -> Option<Decoded<'a>> {
    if object.is_native() {
        return native::decode(object).map(|record| Decoded {
            record,
            zoned: true,
        });
    }
    foreign::decode(object, zone)
}
