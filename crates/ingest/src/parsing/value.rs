//! Values of fields, from texts and from JSON.

use std::borrow::Cow;

use dragline_schema::Value;

use super::object::number;

/// The fields of a record, in order, by their paths.
pub(crate) type Fields<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// A value of its own from JSON; `None` when it is no scalar, or null.
pub(crate) fn value_of_json(json: &str) -> Option<Value<'static>> {
    Some(match serde_json::from_str(json).ok()? {
        serde_json::Value::String(text) => Value::Str(text.into()),
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Number(_) => match number(json)? {
            Value::U64(number) => Value::U64(number),
            Value::I64(number) => Value::I64(number),
            other => Value::F64(other.as_f64()?),
        },
        _ => return None,
    })
}

/// A value in a text: a number where it is one.
pub(crate) fn value_of_text(text: &str) -> Value<'_> {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(['e', 'E']);
    let number = is_number.then(|| number(text)).flatten();
    number.unwrap_or(Value::Str(Cow::Borrowed(text)))
}
