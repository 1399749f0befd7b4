//! The user's own fields of a record: fields of its line that are not part of the record itself.
//!
//! They are extracted only on request; until then a record keeps its source line.

use std::borrow::Cow;

use dragline_schema::{Dialect, Own, Record, Value, wire};

use crate::meaning::is_own;
use crate::meaning::map::Map;
use crate::parsing::pairs::pairs;
use crate::parsing::{Object, logfmt, value_of_text};

/// The user's own fields of a record, in line order, named without their enclosing containers.
///
/// Fields that the record already has are excluded, as are those that logging libraries add: process, thread,
/// source location. In text logs, the fields are the pairs in the message.
///
/// ```
/// use dragline_ingest::own_fields;
/// use dragline_schema::{Own, Record};
///
/// let line = br#"{"level":"info","time":1772623353,"msg":"x","shelf":"A7","extra":{"depth":2}}"#;
/// let record = Record { own: Own::Line(line.into()), dialect: dragline_schema::Dialect::Json, ..Record::default() };
/// let names: Vec<String> = own_fields(&record).into_iter().map(|(name, _)| name.into_owned()).collect();
/// assert_eq!(names, ["shelf", "depth"]);
/// ```
pub fn own_fields<'r>(record: &'r Record<'_>) -> Vec<(Cow<'r, str>, Value<'r>)> {
    let mut fields = Vec::new();
    match &record.own {
        Own::Line(line) => {
            let text = std::str::from_utf8(line).unwrap_or_default().trim();
            if let Some(object) = Object::parse(text) {
                fields.extend(of_object(&object, record));
            } else if let Some(found) = logfmt::fields(text) {
                fields.extend(found.into_iter().filter(|(name, _)| is_own(name).is_some()));
            }
        }
        Own::Pairs(pairs) => {
            let own = pairs.iter().filter(|(name, _)| is_own(name).is_some());
            fields.extend(own.map(|(name, value)| (Cow::Borrowed(&**name), value_of_text(value))));
        }
        Own::None => {}
    }
    if !matches!(record.own, Own::Line(_)) {
        let message = record.message.as_deref().unwrap_or_default();
        fields.extend(pairs(message).filter(|(name, _)| is_own(name).is_some()));
    }
    fields
}

/// The numeric fields of a record that the user named in `[map.stats]`.
pub fn own_stats(record: &Record<'_>, map: &Map) -> Vec<(String, f64)> {
    let number = |(field, value): (Cow<'_, str>, Value<'_>)| {
        let name = map.stat_of(&field)?;
        Some((name.to_owned(), value.as_f64()?))
    };
    own_fields(record).into_iter().filter_map(number).collect()
}

/// The user's own fields as a JSON object; `None` if there are none.
pub fn own_fields_json(record: &Record<'_>) -> Option<String> {
    let fields = own_fields(record);
    if fields.is_empty() {
        return None;
    }
    let mut text = Vec::new();
    let mut object = wire::Object::begin(&mut text);
    for (name, value) in &fields {
        object.value(name, value);
    }
    object.end();
    String::from_utf8(text).ok()
}

/// The user's own fields of a JSON object.
fn of_object<'r>(
    object: &Object<'r>,
    record: &Record<'_>,
) -> impl Iterator<Item = (Cow<'r, str>, Value<'r>)> {
    let is_native = record.dialect == Dialect::Dragline;
    let typed = record.event.event_type();
    let is_told = move |name: &str| {
        wire::HEAD.contains(&name) || typed.is_some_and(|kind| kind.fields().contains(&name))
    };
    object
        .flatten()
        .into_iter()
        .filter_map(move |(path, value)| {
            if is_native {
                if is_told(&path) || matches!(&*path, "file" | "line") {
                    return None;
                }
                let name = path.strip_prefix(wire::USER_PREFIX).map(str::to_owned);
                return Some((name.map_or(path, Cow::Owned), value));
            }
            let name = is_own(&path)?;
            let name = if name.len() == path.len() {
                path
            } else {
                Cow::Owned(name.to_owned())
            };
            (!is_told(&name)).then_some((name, value))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dragline_schema::{Event, Request};

    fn names(record: &Record<'_>) -> String {
        let fields = own_fields(record).into_iter();
        let fields = fields.map(|(name, value)| format!("{name}={value:?}"));
        fields.collect::<Vec<_>>().join(" ")
    }

    fn of_line(dialect: Dialect, line: &str) -> String {
        names(&Record {
            dialect,
            own: Own::Line(line.as_bytes().into()),
            ..Record::default()
        })
    }

    #[test]
    fn what_a_record_says_already_is_none_of_its_own() {
        for (dialect, line, expected) in [
            (
                Dialect::PinoJson,
                r#"{"level":30,"time":1,"pid":1,"hostname":"h","msg":"x","req":{"url":"http://x/"},"responseTime":4,"shelf":7}"#,
                "shelf=U64(7)",
            ),
            (
                Dialect::LoguruJson,
                r#"{"text":"x","record":{"elapsed":{"seconds":1},"extra":{"depth":2},"function":"f","message":"x","time":{"timestamp":1}}}"#,
                "depth=U64(2)",
            ),
            (
                Dialect::Dragline,
                r#"{"timestamp":"2026-03-04T11:22:33.000007Z","level":"INFO","writer_id":"a","seq":1,"user.seq":5,"shelf":"A","file":"a.rs","line":3}"#,
                "seq=U64(5) shelf=Str(\"A\")",
            ),
            (
                Dialect::Logfmt,
                "ts=1 level=info msg=\"a b\" url=http://x/ status=200 shard=3",
                "shard=U64(3)",
            ),
            (Dialect::Json, "no object", ""),
        ] {
            assert_eq!(of_line(dialect, line), expected, "{line}");
        }
        let typed = Record {
            event: Event::Request(Request::default()),
            own: Own::Line(br#"{"event_type":"request","attempt":2,"ring":"b"}"#.into()),
            ..Record::default()
        };
        assert_eq!(names(&typed), "ring=Str(\"b\")");
        let text = Record {
            message: Some("fetched url=http://x/ status=200 depth=2".into()),
            own: Own::Pairs(vec![("batch".to_owned(), "7".to_owned())].into()),
            dialect: Dialect::Text,
            ..Record::default()
        };
        assert_eq!(names(&text), "batch=U64(7) depth=U64(2)");
        let json = own_fields_json(&text);
        assert_eq!(json.as_deref(), Some(r#"{"batch":7,"depth":2}"#));
        assert_eq!(own_fields_json(&Record::default()), None);
    }
}
