//! Objects around a record: collectors and platforms write the program's line into one of their members.

use std::borrow::Cow;
use std::collections::HashMap;

use dragline_schema::{Level, Timestamp, Value};

use super::answers;
use crate::parsing::time::{self, Local};
use crate::parsing::{Object, scalar};

/// Members that contain the line, the most reliable first.
const PAYLOADS: [&str; 15] = [
    "log",
    "line",
    "textPayload",
    "MESSAGE",
    "message",
    "msg",
    "event_message",
    "_msg",
    "@message",
    "Log",
    "LogMessage",
    "LogEntry",
    "Message",
    "_raw",
    "event",
];
/// Those that no program's own record has.
const SURE: [&str; 6] = [
    "textPayload",
    "Log",
    "LogMessage",
    "LogEntry",
    "_raw",
    "line",
];
/// Members that only log collectors add.
const COLLECTORS: [&str; 9] = [
    "agent",
    "kubernetes",
    "docker",
    "stream",
    "container_id",
    "container_name",
    "logStreamName",
    "@metadata",
    "_SYSTEMD_UNIT",
];
/// Members that describe the envelope, not the record.
const KNOWN: [&str; 44] = [
    "log",
    "@metadata",
    "@version",
    "event",
    "fileset",
    "cloud",
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
    "dt",
    "datetime",
];
/// Members in which platforms keep the fields that an agent took from a program: the line may be one of them.
const CONTAINERS: [&str; 5] = ["jsonPayload", "data", "payload", "Properties", "properties"];
/// A line in an object, and the data that the object has about it.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) time: Option<Timestamp>,
    pub(crate) level: Option<Level>,
    /// The stream that the line belongs to.
    pub(crate) stream: String,
    /// Whether the line was written as a list of bytes.
    pub(crate) is_bytes: bool,
    /// Whether the object has only members that envelopes have.
    pub(crate) is_envelope: bool,
    /// Whether the line certainly comes from a program, whatever it looks like.
    pub(crate) is_sure: bool,
    /// Hash of the object's keys.
    pub(crate) keys: u64,
}

/// Whether a key describes the envelope, if the line is in member `payload`.
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

/// Where another record may be in an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Payload {
    /// Index of the member whose object contains the payload, instead of the object itself.
    pub(crate) container: Option<usize>,
    /// Index of the payload, if there is one.
    pub(crate) place: Option<usize>,
}

/// The payload of an object that is certainly a record itself. `None` if the object may be something else.
pub(crate) fn payload_of_a_record(object: &Object<'_>) -> Option<Payload> {
    let is_export = |key: &str| {
        key == "_source"
            || key.starts_with("resource")
            || key.ends_with("UnixNano")
            || key.ends_with("_unix_nano")
            || matches!(
                key,
                "logparser_version" | "log_categories" | "type" | "result" | "fields"
            )
            || answers::is_list(key)
    };
    if object.fields.iter().any(|(key, _)| is_export(key)) {
        return None;
    }
    let is_record = |object: &Object<'_>, payload: Option<(&str, usize)>| {
        let name = payload.map_or("", |(name, _)| name);
        let mut keys = object.fields.iter().map(|(key, _)| &**key);
        !keys.all(|key| is_known(key, name)) && !SURE.contains(&name)
    };
    if let Some((container, inner)) = contained(object) {
        let payload = payload(&inner);
        return is_record(&inner, payload).then_some(Payload {
            container: Some(container),
            place: payload.map(|(_, at)| at),
        });
    }
    let payload = payload(object);
    is_record(object, payload).then_some(Payload {
        container: None,
        place: payload.map(|(_, at)| at),
    })
}

/// The object in the only member that does not describe the envelope, and that member's index.
fn contained<'a>(object: &Object<'a>) -> Option<(usize, Object<'a>)> {
    let mut fields = object.fields.iter();
    let is_container = |key: &str, raw: &str| CONTAINERS.contains(&key) && raw.starts_with('{');
    let at = fields.position(|(key, raw)| is_container(key, raw.get()))?;
    let name = &*object.fields[at].0;
    let is_envelope = object.fields.iter().all(|(key, _)| is_known(key, name));
    let inner = (is_envelope && payload(object).is_none()).then_some(object.fields[at].1)?;
    Some((at, Object::parse(inner.get())?))
}

/// Whether a member of that name may be a payload.
pub(crate) fn is_payload(key: &str) -> bool {
    PAYLOADS.contains(&key)
}

/// The member that contains a line: its name and its index.
fn payload(object: &Object<'_>) -> Option<(&'static str, usize)> {
    PAYLOADS.iter().find_map(|name| {
        let is_one = |(key, raw): &(Cow<'_, str>, &serde_json::value::RawValue)| {
            let raw = raw.get();
            key == name && (raw.starts_with('"') || (raw.starts_with('[') && *name == "MESSAGE"))
        };
        Some((*name, object.fields.iter().position(is_one)?))
    })
}

/// Members that contain the time of a record.
const TIMES: [&str; 11] = [
    "timestamp",
    "@timestamp",
    "time",
    "date",
    "ts",
    "__REALTIME_TIMESTAMP",
    "_time",
    "receiveTimestamp",
    "TimeStamp",
    "TimeGenerated",
    "LogTimestamp",
];

/// Members that name the stream of a record.
const STREAMS: [&str; 11] = [
    "stream",
    "container_name",
    "container_id",
    "_SYSTEMD_UNIT",
    "SYSLOG_IDENTIFIER",
    "logStreamName",
    "_PID",
    "podName",
    "containerName",
    "ContainerId",
    "app_name",
];

fn field<'a>(object: &Object<'a>, name: &str) -> Option<&'a serde_json::value::RawValue> {
    let mut fields = object.fields.iter();
    fields.find(|(key, _)| key == name).map(|(_, raw)| *raw)
}

/// The first of several members that the object has.
fn first<'a>(object: &Object<'a>, names: &[&str]) -> Option<Value<'a>> {
    names.iter().find_map(|name| scalar(field(object, name)?))
}

fn time_of(object: &Object<'_>, local: &Local) -> Option<Timestamp> {
    match first(object, &TIMES)? {
        Value::Str(text) => local.parse(&text).map(|(time, _)| time),
        number => time::from_epoch(number.as_f64()?),
    }
}

/// The value of a label in a list of names and values, as Render writes them:
/// `"labels": [{"name": "level", "value": "error"}]`.
fn label(object: &Object<'_>, name: &str) -> Option<String> {
    let raw = field(object, "labels")?.get();
    if !raw.starts_with('[') {
        return None;
    }
    let labels: Vec<HashMap<String, String>> = serde_json::from_str(raw).ok()?;
    let label = |label: &HashMap<String, String>| label.get("name").is_some_and(|n| n == name);
    labels.into_iter().find(label)?.remove("value")
}

fn level_of(object: &Object<'_>) -> Option<Level> {
    if let Some(level) = label(object, "level") {
        return Level::from_word(&level);
    }
    let Some(priority) = first(object, &["PRIORITY"]) else {
        return Level::from_word(&first(object, &["severity", "level"])?.into_text()?);
    };
    let number = priority.as_u64();
    let number = number.or_else(|| priority.into_text()?.parse().ok());
    number.map(super::severity)
}

/// The line that an object contains.
pub(crate) fn inside<'a>(object: &Object<'a>, local: &Local, known: &[u64]) -> Option<Inside<'a>> {
    let Some((_, inner)) = contained(object) else {
        return inside_of(object, local, known);
    };
    let inside = inside_of(&inner, local, known)?;
    Some(Inside {
        time: inside.time.or_else(|| time_of(object, local)),
        level: inside.level.or_else(|| level_of(object)),
        ..inside
    })
}

/// The line that an object contains as one of its own members.
fn inside_of<'a>(object: &Object<'a>, local: &Local, known: &[u64]) -> Option<Inside<'a>> {
    let (name, at) = payload(object)?;
    let raw = object.fields[at].1;
    let text = match scalar(raw)? {
        Value::Str(text) => text,
        // systemd writes a list of bytes if a message is not plain text.
        Value::Json(list) if name == "MESSAGE" => Cow::Owned(bytes(&list)?),
        _ => return None,
    };
    let is_bytes = raw.get().starts_with('[');
    let is_envelope = object.fields.iter().all(|(key, _)| is_known(key, name));
    let has_collector = || {
        object
            .fields
            .iter()
            .any(|(key, _)| COLLECTORS.contains(&&**key))
    };
    let is_labelled = || label(object, "level").is_some();
    let is_sure = SURE.contains(&name) || (is_envelope && (has_collector() || is_labelled()));
    let keys = keys_of(object);
    let may_be =
        text.starts_with(|c: char| matches!(c, '{' | '[' | '\u{1b}') || c.is_ascii_digit());
    if !is_bytes && !is_envelope && !is_sure && !may_be && !known.contains(&keys) {
        return None;
    }
    let stream = STREAMS.iter();
    let stream: Vec<String> = stream
        .filter_map(|name| Some(scalar(field(object, name)?)?.into_text()?.into_owned()))
        .collect();
    let instance = label(object, "instance").into_iter();
    let stream: Vec<String> = stream.into_iter().chain(instance).collect();
    Some(Inside {
        text: match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\n', '\r'])),
            Cow::Owned(text) => Cow::Owned(text.trim_end_matches(['\n', '\r']).to_owned()),
        },
        time: time_of(object, local),
        level: level_of(object),
        stream: format!("json {}", stream.join(" ")),
        is_bytes,
        is_envelope,
        is_sure,
        keys,
    })
}

/// A hash of an object's keys.
fn keys_of(object: &Object<'_>) -> u64 {
    let keys = object.fields.iter();
    keys.fold(0, |hash, (key, _)| {
        xxhash_rust::xxh3::xxh3_64_with_seed(key.as_bytes(), hash)
    })
}

/// Converts a JSON list of bytes to text.
fn bytes(list: &str) -> Option<String> {
    let bytes: Vec<u8> = serde_json::from_str(list).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
