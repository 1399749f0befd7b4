//! The values of fields, as converted between typed events and lines.

use std::borrow::Cow;

/// A value in a line: a scalar, or the JSON text of an array or object.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A non-negative integer.
    U64(u64),
    /// A negative integer.
    I64(i64),
    /// Any other number. JSON has no NaN and no infinity; they are written as `null`.
    F64(f64),
    /// Text, unescaped.
    Str(Cow<'a, str>),
    /// The JSON text of an array or object.
    Json(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// The text, if the value is text.
    #[inline]
    pub fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The JSON text, if the value is an array or object.
    pub fn as_json(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Json(json) => Some(json.clone()),
            _ => None,
        }
    }

    /// The value as a number. Numbers in strings are parsed.
    #[inline]
    pub fn as_f64(&self) -> Option<f64> {
        let number = match self {
            Self::U64(n) => *n as f64,
            Self::I64(n) => *n as f64,
            Self::F64(n) => *n,
            Self::Str(text) => number(text)?.parse().ok()?,
            Self::Bool(_) | Self::Json(_) => return None,
        };
        number.is_finite().then_some(number)
    }

    /// The value as a non-negative integer. Numbers in strings are parsed, and decimals are rounded.
    #[inline]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::U64(n) => Some(*n),
            Self::Str(text) => {
                let text = number(text)?;
                if text.bytes().all(|b| b.is_ascii_digit()) {
                    return text.parse().ok();
                }
                rounded(text.parse().ok()?)
            }
            _ => rounded(self.as_f64()?),
        }
    }
}

/// The trimmed text if it can be a number. Quickly rejects texts that start with a letter, as most do.
#[inline]
fn number(text: &str) -> Option<&str> {
    let text = match text.as_bytes() {
        [b'0'..=b'9', ..] => text,
        [first, ..] if first.is_ascii_alphabetic() => return None,
        _ => text,
    };
    Some(text.trim())
}

fn rounded(number: f64) -> Option<u64> {
    (number.is_finite() && number >= 0.0).then(|| number.round() as u64)
}

/// The JSON text of an array or object, kept unparsed.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Json<'a>(pub Cow<'a, str>);

/// The largest accepted count. A larger number is a fault in the log and would dominate all totals or overflow a sum.
pub(crate) const MAX_COUNT: u64 = 1_000_000_000_000_000;

/// Conversion to a value that can outlive the bytes it was read from.
pub(crate) trait IntoOwned {
    /// The owned type.
    type Owned;
    /// Copies the borrowed parts.
    fn into_owned(self) -> Self::Owned;
}

macro_rules! owned {
    ($($name:ty),*) => { $(
        impl IntoOwned for $name {
            type Owned = Self;
            fn into_owned(self) -> Self { self }
        }
    )* };
}
owned!(u16, u64, f64);

impl IntoOwned for Cow<'_, str> {
    type Owned = Cow<'static, str>;
    fn into_owned(self) -> Cow<'static, str> {
        Cow::Owned(Cow::into_owned(self))
    }
}

impl IntoOwned for Json<'_> {
    type Owned = Json<'static>;
    fn into_owned(self) -> Json<'static> {
        Json(IntoOwned::into_owned(self.0))
    }
}

/// The kind of value in an event field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A non-negative integer.
    Count,
    /// Any number.
    Number,
    /// The JSON text of an array or object.
    Json,
}

/// A type that an event field can have.
pub trait FieldValue<'a>: Sized {
    /// The kind of value.
    const KIND: FieldKind;
    /// Converts from a line's value; `None` when it has another kind.
    fn read(value: Value<'a>) -> Option<Self>;
    /// The value to write to a line.
    fn show(&self) -> Value<'_>;
}

impl<'a> FieldValue<'a> for Cow<'a, str> {
    const KIND: FieldKind = FieldKind::Text;
    #[inline]
    fn read(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Str(text) | Value::Json(text) => Some(text),
            Value::Bool(b) => Some(b.to_string().into()),
            Value::U64(n) => Some(n.to_string().into()),
            Value::I64(n) => Some(n.to_string().into()),
            Value::F64(n) => Some(n.to_string().into()),
        }
    }
    fn show(&self) -> Value<'_> {
        Value::Str(Cow::Borrowed(self))
    }
}

impl<'a> FieldValue<'a> for u64 {
    const KIND: FieldKind = FieldKind::Count;
    #[inline]
    fn read(value: Value<'a>) -> Option<Self> {
        value.as_u64().filter(|count| *count <= MAX_COUNT)
    }
    fn show(&self) -> Value<'_> {
        Value::U64(*self)
    }
}

impl<'a> FieldValue<'a> for u16 {
    const KIND: FieldKind = FieldKind::Count;
    #[inline]
    fn read(value: Value<'a>) -> Option<Self> {
        value.as_u64().and_then(|n| n.try_into().ok())
    }
    fn show(&self) -> Value<'_> {
        Value::U64(u64::from(*self))
    }
}

impl<'a> FieldValue<'a> for f64 {
    const KIND: FieldKind = FieldKind::Number;
    #[inline]
    fn read(value: Value<'a>) -> Option<Self> {
        value.as_f64()
    }
    fn show(&self) -> Value<'_> {
        Value::F64(*self)
    }
}

impl<'a> FieldValue<'a> for Json<'a> {
    const KIND: FieldKind = FieldKind::Json;
    #[inline]
    fn read(value: Value<'a>) -> Option<Self> {
        match value {
            Value::Json(text) => Some(Self(text)),
            _ => None,
        }
    }
    fn show(&self) -> Value<'_> {
        Value::Json(Cow::Borrowed(&self.0))
    }
}
