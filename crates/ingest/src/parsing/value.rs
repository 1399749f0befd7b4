//! Values of fields, from texts and from JSON.

use std::borrow::Cow;

use dragline_schema::Value;

use super::number;

/// The fields of a record, in order, with their paths.
pub(crate) type Fields<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// An owned value from JSON. `None` if the JSON is not a scalar, or is null.
pub(crate) fn value_of_json(json: &str) -> Option<Value<'static>> {
    Some(match serde_json::from_str(json).ok()? {
        serde_json::Value::String(text) => Value::Str(text.into()),
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Number(_) => match number::any(json)? {
            Value::U64(number) => Value::U64(number),
            Value::I64(number) => Value::I64(number),
            other => Value::F64(other.as_f64()?),
        },
        _ => return None,
    })
}

/// A value from a text: a number if the text is one, otherwise the text.
pub(crate) fn value_of_text(text: &str) -> Value<'_> {
    let bytes = text.as_bytes();
    let is_number = matches!(bytes, [b'0'..=b'9', .., b'0'..=b'9' | b'.'] | [b'0'..=b'9'])
        && memchr::memchr2(b'e', b'E', bytes).is_none();
    let read = || number::plain(text).or_else(|| number::any(text));
    let number = is_number.then(read).flatten();
    number.unwrap_or(Value::Str(Cow::Borrowed(text)))
}
