//! A field's value on its way between a typed event and a line of text.

use std::borrow::Cow;

/// A value as it stands in a line: a scalar, or the JSON text of something nested.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that is not negative.
    U64(u64),
    /// A negative whole number.
    I64(i64),
    /// Any other number. JSON has no NaN and no infinity; writers turn them into `null`.
    F64(f64),
    /// Text, unescaped.
    Str(Cow<'a, str>),
    /// An array or an object as JSON text.
    Json(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// As text, when it is text.
    #[inline]
    pub fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The JSON text of something nested.
    pub fn as_json(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Json(json) => Some(json.clone()),
            _ => None,
        }
    }

    /// As a number; numbers written as strings are read too.
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

    /// As a whole number that is not negative; numbers written as strings or with decimals are
    /// read too, and rounded.
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

/// What may be a number: most texts begin with something else.
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

/// JSON text of an array or object, kept as it is.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Json<'a>(pub Cow<'a, str>);

/// A larger number counts nothing: it is a fault of the log, and would drown all others, or overflow a sum.
pub(crate) const MAX_COUNT: u64 = 1_000_000_000_000_000;

/// What can be kept longer than the bytes that it was read from.
pub(crate) trait IntoOwned {
    /// The same without a borrow.
    type Owned;
    /// Copies what is borrowed.
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

/// What a field of an event holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Text.
    Text,
    /// A whole number that is not negative.
    Count,
    /// Any number.
    Number,
    /// An array or an object, as JSON text.
    Json,
}

/// What can stand in a field of an event.
pub trait FieldValue<'a>: Sized {
    /// What it holds.
    const KIND: FieldKind;
    /// Reads the value; `None` when it is of another kind.
    fn read(value: Value<'a>) -> Option<Self>;
    /// The value as it is written.
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
