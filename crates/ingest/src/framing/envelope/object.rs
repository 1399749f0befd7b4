//! Objects around a record: what collectors and platforms write, with the program's line in one of their members.

use std::borrow::Cow;

use dragline_schema::{Level, Timestamp, Value};

use super::answers;
use crate::parsing::time::{self, Local};
use crate::parsing::{Object, scalar};

/// The members in which the line stands, the surest first.
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
/// Members that only collectors of lines write beside them.
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
/// Members that tell of the envelope, not of the record.
const KNOWN: [&str; 42] = [
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
    /// Whether the line is a program's, whatever it looks like.
    pub(crate) is_sure: bool,
    /// What tells objects of the same keys.
    pub(crate) keys: u64,
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

/// Which member of a record is the one in which another may stand: its place, when there is one.
pub(crate) struct Payload(pub(crate) Option<usize>);

/// The payload of an object that is a record itself; `None` for one that may be something else.
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
    let payload = payload(object);
    let name = payload.map_or("", |(name, _)| name);
    let mut keys = object.fields.iter().map(|(key, _)| &**key);
    let is_record = !keys.clone().any(is_export)
        && !keys.all(|key| is_known(key, name))
        && !SURE.contains(&name);
    is_record.then_some(Payload(payload.map(|(_, at)| at)))
}

/// Whether a member of that name may be a payload.
pub(crate) fn is_payload(key: &str) -> bool {
    PAYLOADS.contains(&key)
}

/// The member in which a line stands: its name and its place.
fn payload(object: &Object<'_>) -> Option<(&'static str, usize)> {
    PAYLOADS.iter().find_map(|name| {
        let is_one = |(key, raw): &(Cow<'_, str>, &serde_json::value::RawValue)| {
            let raw = raw.get();
            key == name && (raw.starts_with('"') || (raw.starts_with('[') && *name == "MESSAGE"))
        };
        Some((*name, object.fields.iter().position(is_one)?))
    })
}

/// The line that an object holds.
pub(crate) fn inside<'a>(object: &Object<'a>, local: &Local, known: &[u64]) -> Option<Inside<'a>> {
    let field = |name: &str| {
        object
            .fields
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, raw)| *raw)
    };
    let (name, at) = payload(object)?;
    let raw = object.fields[at].1;
    let text = match scalar(raw)? {
        Value::Str(text) => text,
        // systemd writes bytes where a message is no plain text.
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
    let is_sure = SURE.contains(&name) || (is_envelope && has_collector());
    let keys = keys_of(object);
    let may_be =
        text.starts_with(|c: char| matches!(c, '{' | '[' | '\u{1b}') || c.is_ascii_digit());
    if !is_bytes && !is_envelope && !is_sure && !may_be && !known.contains(&keys) {
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
        "TimeStamp",
        "TimeGenerated",
        "LogTimestamp",
    ]);
    let time = time.and_then(|value| match value {
        Value::Str(text) => local.parse(&text).map(|(time, _)| time),
        number => time::from_epoch(number.as_f64()?),
    });
    let level = match of(&["PRIORITY"]) {
        Some(value) => value
            .as_u64()
            .or_else(|| value.into_text()?.parse().ok())
            .map(super::severity),
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
        "podName",
        "containerName",
        "ContainerId",
        "app_name",
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

/// A text as a list of its bytes.
fn bytes(list: &str) -> Option<String> {
    let bytes: Vec<u8> = serde_json::from_str(list).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
