//! Objects around a record: what collectors and platforms write, with the program's line in one of their members.

use std::borrow::Cow;

use dragline_schema::{Level, Timestamp, Value};

use super::fields::{Object, scalar};
use crate::time::{self, Local};

/// The members in which the line stands, the surest first.
const PAYLOADS: [&str; 8] = [
    "log",
    "line",
    "textPayload",
    "MESSAGE",
    "message",
    "msg",
    "event_message",
    "_msg",
];
/// Members that tell of the envelope, not of the record.
const KNOWN: [&str; 36] = [
    "time",
    "timestamp",
    "@timestamp",
    "date",
    "ts",
    "stream",
    "source",
    "source_type",
    "kubernetes",
    "docker",
    "labels",
    "tag",
    "tags",
    "host",
    "hostname",
    "file",
    "filename",
    "path",
    "logStreamName",
    "logGroup",
    "ingestionTime",
    "eventId",
    "id",
    "insertId",
    "logName",
    "receiveTimestamp",
    "resource",
    "severity",
    "level",
    "container",
    "pod",
    "namespace",
    "offset",
    "input",
    "agent",
    "ecs",
];
/// Lists of records, in objects that are none themselves.
const LISTS: [&str; 9] = [
    "events",
    "entries",
    "hits",
    "logs",
    "records",
    "Records",
    "logEvents",
    "results",
    "data",
];

/// A line in an object, and what the object knows of it.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) time: Option<Timestamp>,
    pub(crate) level: Option<Level>,
    /// Whose line it is.
    pub(crate) stream: String,
    /// Whether it was written byte by byte.
    pub(crate) is_bytes: bool,
    /// Whether the object has nothing but what envelopes have.
    pub(crate) is_envelope: bool,
}

/// Whether a key tells of the envelope, in one whose line stands in `payload`.
fn is_known(key: &str, payload: &str) -> bool {
    key == payload
        || KNOWN.contains(&key)
        || key.starts_with('_')
        || key.starts_with("container_")
        || key.starts_with("ecs_")
        || key.starts_with("SYSLOG_")
        || key.starts_with("CODE_")
        || matches!(key, "PRIORITY" | "MESSAGE_ID")
}

/// In which member of a record another may stand, empty when in none; `None` for an object that is, or may
/// be, no record itself.
pub(super) fn payload_of_a_record(object: &Object<'_>) -> Option<&'static str> {
    let has = |name: &str| object.fields.iter().any(|(key, _)| key == name);
    let is_export = |key: &str| {
        key == "_source"
            || key.starts_with("resource")
            || key.ends_with("UnixNano")
            || key.ends_with("_unix_nano")
            || matches!(key, "logparser_version" | "log_categories")
            || LISTS.contains(&key)
    };
    let payload = PAYLOADS.into_iter().find(|name| has(name)).unwrap_or("");
    let mut keys = object.fields.iter().map(|(key, _)| &**key);
    let is_record = !keys.clone().any(is_export) && !keys.all(|key| is_known(key, payload));
    is_record.then_some(payload)
}

/// The line that an object holds.
pub(crate) fn inside<'a>(object: &Object<'a>, local: &Local) -> Option<Inside<'a>> {
    let field = |name: &str| {
        object
            .fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, raw)| *raw)
    };
    let (name, raw) = PAYLOADS
        .iter()
        .find_map(|name| Some((*name, field(name)?)))?;
    let text = match scalar(raw)? {
        Value::Str(text) => text,
        // systemd writes bytes where a message is no plain text.
        Value::Json(list) if name == "MESSAGE" => Cow::Owned(bytes(&list)?),
        _ => return None,
    };
    let is_bytes = raw.get().starts_with('[');
    let is_envelope = object.fields.iter().all(|(key, _)| is_known(key, name));
    if !is_bytes && !is_envelope && !text.starts_with(['{', '\u{1b}']) {
        return None;
    }
    let of = |names: &[&str]| names.iter().find_map(|name| scalar(field(name)?));
    let time = of(&[
        "timestamp",
        "@timestamp",
        "time",
        "date",
        "ts",
        "__REALTIME_TIMESTAMP",
        "_time",
        "receiveTimestamp",
    ]);
    let time = time.and_then(|value| match value {
        Value::Str(text) => local.parse(&text).map(|(time, _)| time),
        number => time::from_epoch(number.as_f64()?),
    });
    let level = match of(&["PRIORITY"]) {
        Some(value) => value
            .as_u64()
            .or_else(|| value.into_text()?.parse().ok())
            .map(crate::envelope::severity),
        None => of(&["severity", "level"]).and_then(|value| Level::from_word(&value.into_text()?)),
    };
    let names = [
        "stream",
        "container_name",
        "container_id",
        "_SYSTEMD_UNIT",
        "SYSLOG_IDENTIFIER",
        "logStreamName",
        "_PID",
    ];
    let stream: Vec<String> = names
        .iter()
        .filter_map(|name| Some(scalar(field(name)?)?.into_text()?.into_owned()))
        .collect();
    Some(Inside {
        text: match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\n', '\r'])),
            Cow::Owned(text) => Cow::Owned(text.trim_end_matches(['\n', '\r']).to_owned()),
        },
        time,
        level,
        stream: format!("json {}", stream.join(" ")),
        is_bytes,
        is_envelope,
    })
}

/// A text as a list of its bytes.
fn bytes(list: &str) -> Option<String> {
    let bytes: Vec<u8> = serde_json::from_str(list).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The objects of a list, in an object that says nothing itself; the record in an export's `_source`.
pub(crate) fn members<'a>(object: &Object<'a>) -> Option<Vec<&'a str>> {
    let field = |name: &str| {
        object
            .fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, raw)| raw.get())
    };
    if let Some(source) = field("_source").filter(|raw| raw.starts_with('{')) {
        return Some(vec![source]);
    }
    let says = ["message", "msg", "level", "event", "log"]
        .iter()
        .any(|name| field(name).is_some());
    if says {
        return None;
    }
    let raw = LISTS.iter().find_map(|name| field(name))?;
    if raw.starts_with('{') {
        // Elasticsearch's answers: `hits.hits`.
        let inner: Object<'a> = Object::parse(raw)?;
        return members(&inner);
    }
    let list: Vec<&'a serde_json::value::RawValue> = serde_json::from_str(raw).ok()?;
    let objects: Vec<&str> = list
        .iter()
        .map(|raw| raw.get())
        .filter(|raw| raw.starts_with('{'))
        .collect();
    let is_records = objects.len() == list.len()
        && !objects.is_empty()
        && objects.iter().take(3).all(|raw| is_record(raw));
    is_records.then_some(objects)
}

fn is_record(raw: &str) -> bool {
    const NAMES: [&str; 8] = [
        "message",
        "msg",
        "timestamp",
        "time",
        "@timestamp",
        "_source",
        "textPayload",
        "jsonPayload",
    ];
    Object::parse(raw)
        .is_some_and(|object| object.fields.iter().any(|(key, _)| NAMES.contains(&&**key)))
}
