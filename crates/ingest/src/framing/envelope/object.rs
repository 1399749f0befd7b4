//! Objects around a record: collectors and platforms write the program's line into one of their members.

use std::borrow::Cow;
use std::collections::HashMap;

use dragline_schema::{Level, Timestamp, Value};

use super::{answers, streams};
use crate::parsing::head::head;
use crate::parsing::time::{self, Local};
use crate::parsing::{Object, scalar};

/// Members that contain the line, the most reliable first.
const PAYLOADS: [&str; 16] = [
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
    "Log_s",
    "event",
];
/// Those that no program's own record has.
const SURE: [&str; 7] = [
    "textPayload",
    "Log",
    "Log_s",
    "LogMessage",
    "LogEntry",
    "_raw",
    "line",
];
/// Members that only log collectors add.
const COLLECTORS: [&str; 11] = [
    "agent",
    "kubernetes",
    "docker",
    "stream",
    "container_id",
    "container_name",
    "logStreamName",
    "ingestionTime",
    "@metadata",
    "_SYSTEMD_UNIT",
    "__REALTIME_TIMESTAMP",
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
    /// Whether the object has only the line and one other member.
    pub(crate) is_pair: bool,
    /// Hash of the object's keys.
    pub(crate) keys: u64,
}

/// Whether a key describes the envelope, if the line is in member `payload`.
pub(super) fn is_known(key: &str, payload: &str) -> bool {
    key == payload
        || KNOWN.contains(&key)
        || key.starts_with('_')
        || key.starts_with("container_")
        || key.starts_with("ecs_")
        || key.starts_with("SYSLOG_")
        || key.starts_with("CODE_")
        || (payload == "Log_s" && is_of_log_analytics(key))
        || matches!(key, "PRIORITY" | "MESSAGE_ID")
}

/// Whether a column is one of those that Azure adds to a container's line. The ends name types.
fn is_of_log_analytics(key: &str) -> bool {
    let is_typed = key.len() > 2
        && ["_s", "_d", "_t", "_b", "_g"]
            .iter()
            .any(|end| key.ends_with(end));
    is_typed
        || matches!(
            key,
            "TableName" | "TimeGenerated" | "TenantId" | "SourceSystem" | "Type" | "Computer"
        )
}

/// Whether an object is a record of loguru's, which keeps its fields in an object of its own.
fn is_logurus(object: &Object<'_>) -> bool {
    let is_text = field(object, "text").is_some_and(|raw| raw.get().starts_with('"'));
    let record = field(object, "record").and_then(|raw| Object::parse(raw.get()));
    is_text
        && record.is_some_and(|record| {
            field(&record, "level").is_some() && field(&record, "message").is_some()
        })
}

/// Whether an object is a line in the JSON that pm2 writes around a program's.
fn is_pm2s(object: &Object<'_>) -> bool {
    const KEYS: [&str; 5] = ["message", "timestamp", "type", "process_id", "app_name"];
    object.fields.len() == KEYS.len() && object.fields.iter().all(|(key, _)| KEYS.contains(&&**key))
}

/// Whether an object has only a line and a time, and the line is a record: `{"timestamp": …, "message": "INFO …"}`.
fn is_pair(object: &Object<'_>, payload: &str, text: &str) -> bool {
    let is_one = |key: &str| key == payload || TIMES.contains(&key);
    object.fields.len() == 2
        && object.fields.iter().all(|(key, _)| is_one(key))
        && head(text).is_some_and(|head| !head.level.is_empty() && head.logger.is_some())
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
pub(super) fn contained<'a>(object: &Object<'a>) -> Option<(usize, Object<'a>)> {
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
pub(super) fn payload(object: &Object<'_>) -> Option<(&'static str, usize)> {
    PAYLOADS.iter().find_map(|name| {
        let is_one = |(key, raw): &(Cow<'_, str>, &serde_json::value::RawValue)| {
            let raw = raw.get();
            key == name && (raw.starts_with('"') || (raw.starts_with('[') && *name == "MESSAGE"))
        };
        Some((*name, object.fields.iter().position(is_one)?))
    })
}

/// Members that contain the time of a record.
pub(super) const TIMES: [&str; 11] = [
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

pub(super) fn field<'a>(
    object: &Object<'a>,
    name: &str,
) -> Option<&'a serde_json::value::RawValue> {
    let mut fields = object.fields.iter();
    fields.find(|(key, _)| key == name).map(|(_, raw)| *raw)
}

/// The first of several members that the object has.
pub(super) fn first<'a>(object: &Object<'a>, names: &[&str]) -> Option<Value<'a>> {
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
pub(super) fn label(object: &Object<'_>, name: &str) -> Option<String> {
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
    let Some((at, inner)) = contained(object) else {
        return inside_of(object, local, known);
    };
    if is_logurus(&inner) {
        return Some(Inside {
            text: Cow::Borrowed(object.fields[at].1.get()),
            time: time_of(object, local),
            level: level_of(object),
            stream: streams::name_of(object),
            is_bytes: false,
            is_envelope: true,
            is_sure: true,
            is_pair: false,
            keys: keys_of(object),
        });
    }
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
    let keys = keys_of(object);
    let is_in_pair =
        || object.fields.len() == 2 && (known.contains(&keys) || is_pair(object, name, &text));
    let is_sure = SURE.contains(&name)
        || (is_envelope && (has_collector() || is_labelled() || is_in_pair()))
        || is_pm2s(object);
    let may_be = super::may_be_record(&text);
    if !is_bytes && !is_envelope && !is_sure && !may_be && !known.contains(&keys) {
        return None;
    }
    Some(Inside {
        text: match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\n', '\r'])),
            Cow::Owned(text) => Cow::Owned(text.trim_end_matches(['\n', '\r']).to_owned()),
        },
        time: time_of(object, local),
        level: level_of(object),
        stream: streams::name_of(object),
        is_bytes,
        is_envelope,
        is_sure,
        is_pair: object.fields.len() == 2,
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

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn read(line: &str) -> Option<(String, bool)> {
        let object = Object::parse(line).unwrap();
        let inside = inside(&object, &Local::new(&TimeZone::UTC), &[])?;
        Some((inside.text.into_owned(), inside.is_sure))
    }

    #[test]
    fn collectors_objects_surely_contain_lines() {
        for (line, text) in [
            (
                r#"{"timestamp":1777690800120,"message":"words","ingestionTime":1777690804132}"#,
                "words",
            ),
            (
                r#"{"timestamp":1777690800120,"message":"[crawlee.x] INFO  words"}"#,
                "[crawlee.x] INFO  words",
            ),
            (
                r#"{"message":"words\n","timestamp":"2026-04-10T15:14:53Z","type":"out","process_id":1,"app_name":"a"}"#,
                "words",
            ),
            (
                r#"{"Log_s":"words","TimeGenerated":"2026-04-04T11:31:11Z","Stream_s":"stdout","TableName":"x"}"#,
                "words",
            ),
            (
                r#"{"timestamp":"2026-03-04T03:00:01Z","severity":"DEFAULT","jsonPayload":{"text":"a","record":{"level":{"name":"INFO"},"message":"a"}}}"#,
                r#"{"text":"a","record":{"level":{"name":"INFO"},"message":"a"}}"#,
            ),
        ] {
            assert_eq!(read(line), Some((text.to_owned(), true)), "{line}");
        }
        for line in [
            r#"{"timestamp":1777690800120,"message":"words"}"#,
            r#"{"message":"words","timestamp":"2026-04-10T15:14:53Z","type":"out","process_id":1,"app_name":"a","url":"x"}"#,
        ] {
            assert!(read(line).is_none_or(|(_, is_sure)| !is_sure), "{line}");
        }
    }
}
