//! A JSON object, split into fields without copying text that needs no unescaping.

use std::borrow::Cow;
use std::fmt;

use dragline_schema::Value;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::number;

/// Nested objects are flattened down to this depth. Deeper ones remain JSON text.
pub(crate) const MAX_DEPTH: usize = 5;
/// Maximum number of fields up to which nested objects are flattened.
const MAX_FIELDS: usize = 400;

/// The fields of an object, in order. Their values remain JSON text.
#[derive(Debug, Default)]
pub(crate) struct Object<'a> {
    pub(crate) fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object::default();
                while let Some(Key(key)) = map.next_key()? {
                    object.fields.push((key, map.next_value()?));
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A key, borrowed if it needs no unescaping.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'a> Object<'a> {
    /// Parses one object.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// Whether it is a line of Dragline's own wire format.
    pub(crate) fn is_native(&self) -> bool {
        let has = |name: &str| self.fields.iter().any(|(key, _)| key == name);
        has("writer_id") && has("seq") && has("timestamp")
    }

    /// All fields. Keys of nested objects become paths joined by dots. Arrays remain JSON text. Nulls are omitted.
    pub(crate) fn flatten(&self) -> Vec<(Cow<'a, str>, Value<'a>)> {
        self.flatten_as(&Cow::Borrowed(""), &mut |path, key| {
            if path.is_empty() {
                key.clone()
            } else {
                Cow::Owned(format!("{path}.{key}"))
            }
        })
    }

    /// Like [`Self::flatten`], but `name` builds each path from the path of the enclosing object and the key.
    pub(crate) fn flatten_as<P>(
        &self,
        root: &P,
        name: &mut impl FnMut(&P, &Cow<'a, str>) -> P,
    ) -> Vec<(P, Value<'a>)> {
        let mut flat = Vec::with_capacity(self.fields.len() + 8);
        self.flatten_into(root, 1, name, &mut flat);
        flat
    }

    fn flatten_into<P>(
        &self,
        parent: &P,
        depth: usize,
        name: &mut impl FnMut(&P, &Cow<'a, str>) -> P,
        flat: &mut Vec<(P, Value<'a>)>,
    ) {
        for (key, raw) in &self.fields {
            let path = name(parent, key);
            let nested = (raw.get().starts_with('{') && depth < MAX_DEPTH)
                .then(|| Self::parse(raw.get()))
                .flatten();
            match nested {
                Some(object) if flat.len() < MAX_FIELDS => {
                    object.flatten_into(&path, depth + 1, name, flat);
                }
                _ => flat.extend(scalar(raw).map(|value| (path, value))),
            }
        }
    }
}

/// A value. `None` for null. Arrays and objects remain JSON text.
pub(crate) fn scalar(raw: &RawValue) -> Option<Value<'_>> {
    let text = raw.get();
    match text.as_bytes().first()? {
        b'"' => unescape(text).map(Value::Str),
        b'{' | b'[' => Some(Value::Json(Cow::Borrowed(text))),
        b't' => Some(Value::Bool(true)),
        b'f' => Some(Value::Bool(false)),
        b'n' => None,
        _ => number::any(text),
    }
}

/// The text of a JSON string, borrowed if it has no escapes.
pub(crate) fn unescape(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.get(1..json.len() - 1)?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_some() {
        if let Some(text) = unescaped(inner) {
            return Some(Cow::Owned(text));
        }
        let text = serde_json::from_str(json).ok();
        let text = text.or_else(|| serde_json::from_str(&without_lone_surrogates(json)?).ok());
        text.map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// Unescapes a text that contains only one-letter escapes. `None` if it contains any other.
fn unescaped(inner: &str) -> Option<String> {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        text.push_str(&rest[..at]);
        text.push(match rest.as_bytes().get(at + 1)? {
            b'n' => '\n',
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            _ => return None,
        });
        rest = &rest[at + 2..];
    }
    text.push_str(rest);
    Some(text)
}

/// Whether the content of a string contains only one-letter escapes, all of them valid.
pub(crate) fn is_plainly_escaped(inner: &str) -> bool {
    let mut rest = inner.as_bytes();
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let is_known = rest.get(at + 1).is_some_and(|c| br#""\/bfnrt"#.contains(c));
        if !is_known {
            return false;
        }
        rest = &rest[at + 2..];
    }
    true
}

/// Replaces lone surrogates in JSON with U+FFFD (replacement character). JavaScript and Python write them where they
/// cut a text within a character. `None` if there is nothing to replace.
pub fn without_lone_surrogates(json: &str) -> Option<String> {
    let unit = |at: usize| -> Option<u16> {
        let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(json.len());
    let (mut at, mut kept) = (0, 0);
    while let Some(found) = json[at..].find('\\') {
        at += found;
        at += match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str(&json[kept..at]);
                out.push_str("\\ufffd");
                kept = at + 6;
                6
            }
            // Any other escape has at least one more character, which must not be read as the start of another
            // escape.
            _ => 1 + json[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    out.push_str(&json[kept..]);
    (kept > 0).then_some(out)
}

/// Replaces `NaN`, `Infinity` and `-Infinity`, which Python writes unquoted, with nulls. `None` if there is nothing
/// to replace.
pub(crate) fn without_nan(line: &str) -> Option<String> {
    if !line.contains("NaN") && !line.contains("Infinity") {
        return None;
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    let mut in_string = false;
    let mut replaced = false;
    while let Some(next) = rest.chars().next() {
        if in_string {
            let end = rest.find(['"', '\\']).unwrap_or(rest.len());
            let escape = usize::from(rest[end..].starts_with('\\'));
            let mut stop = (end + 1 + escape).min(rest.len());
            while !rest.is_char_boundary(stop) {
                stop += 1;
            }
            in_string = escape == 1;
            out.push_str(&rest[..stop]);
            rest = &rest[stop..];
            continue;
        }
        let token = ["NaN", "-Infinity", "Infinity"]
            .into_iter()
            .find(|t| rest.starts_with(t));
        let taken = token.map_or(next.len_utf8(), str::len);
        out.push_str(if token.is_some() {
            "null"
        } else {
            &rest[..taken]
        });
        replaced |= token.is_some();
        in_string = next == '"';
        rest = &rest[taken..];
    }
    replaced.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nested_objects_become_paths_and_nulls_vanish() {
        let line = r#"{"a":{"b":1,"c":{"d":"x\ny"}},"n":null,"l":[1],"a.b":2.5,"t":true,"i":-3}"#;
        let flat = Object::parse(line).unwrap().flatten();
        let shown: Vec<String> = flat.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        assert_eq!(
            shown,
            [
                "a.b=U64(1)",
                "a.c.d=Str(\"x\\ny\")",
                "l=Json(\"[1]\")",
                "a.b=F64(2.5)",
                "t=Bool(true)",
                "i=I64(-3)"
            ],
        );
    }

    #[test]
    fn half_a_character_becomes_a_replacement() {
        for (json, text) in [
            (r#""page \ud83d""#, "page \u{fffd}"),
            (
                r#""\ud83d\ude00 \ude00\ud83d\ud83d\ude00""#,
                "\u{1f600} \u{fffd}\u{fffd}\u{1f600}",
            ),
            (r#""\\ud83d \n\u00e4""#, "\\ud83d \nä"),
        ] {
            assert_eq!(unescape(json).unwrap(), text, "{json}");
        }
        assert_eq!(without_lone_surrogates(r#""\ud83d\ude00""#), None);
    }

    #[test]
    fn nan_becomes_null_outside_of_strings_only() {
        assert_eq!(
            without_nan(r#"{"a":NaN,"b":-Infinity,"c":"NaN \" Infinity","d":[Infinity]}"#).unwrap(),
            r#"{"a":null,"b":null,"c":"NaN \" Infinity","d":[null]}"#,
        );
        assert_eq!(without_nan(r#"{"a":"NaN"}"#), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_helpers_panic(text in "\\PC*") {
            let _ = without_nan(&text);
            let _ = Object::parse(&text).map(|object| object.flatten());
        }
    }
}
