//! The second room: a record's text into fields. It knows nothing of scrapers, and asks nobody.

pub(crate) mod colours;
pub(crate) mod duration;
pub(crate) mod head;
pub(crate) mod indented;
pub(crate) mod inspect;
pub(crate) mod literal;
pub(crate) mod logfmt;
pub(crate) mod marks;
pub(crate) mod number;
pub(crate) mod object;
pub(crate) mod otlp;
pub(crate) mod pairs;
pub(crate) mod template;
pub(crate) mod time;
pub(crate) mod value;

pub(crate) use self::colours::without_colours;
pub(crate) use self::object::{Object, scalar};
pub(crate) use self::value::{Fields, value_of_json, value_of_text};
