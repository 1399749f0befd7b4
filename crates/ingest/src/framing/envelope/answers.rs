//! Records in responses of log services: lists in objects that contain no message themselves.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::object::{TIMES, contained, is_known, payload};
use super::workers;
use crate::parsing::Object;

/// Members that may be lists of records.
const LISTS: [&str; 10] = [
    "events",
    "entries",
    "hits",
    "logs",
    "records",
    "Records",
    "logEvents",
    "results",
    "data",
    "result",
];

/// Whether a member of that name may contain records.
pub(crate) fn is_list(key: &str) -> bool {
    LISTS.contains(&key)
}

/// The records that an object contains. `None` if it is a record itself, or contains none.
pub(crate) fn members<'a>(object: &Object<'a>) -> Option<Vec<Cow<'a, str>>> {
    let field = |name: &str| member(object, name);
    if let Some(source) = field("_source").filter(|raw| raw.starts_with('{')) {
        return Some(vec![Cow::Borrowed(source)]);
    }
    // Splunk: one record per object.
    if let Some(result) = field("result").filter(|raw| raw.contains("\"_raw\"")) {
        return Some(vec![Cow::Borrowed(result)]);
    }
    if let Some(records) = workers::records(object) {
        return Some(records);
    }
    let says = ["message", "msg", "level", "event", "log"];
    if says.iter().any(|name| field(name).is_some()) {
        return None;
    }
    let raw = LISTS.iter().find_map(|name| field(name))?;
    if raw.starts_with('{') {
        // Elasticsearch responses: `hits.hits`. Loki: `data.result`.
        return members(&Object::parse(raw)?);
    }
    let list: Vec<&'a RawValue> = serde_json::from_str(raw).ok()?;
    let records = list.iter().map(|raw| records_of(raw.get()));
    let records: Vec<Cow<'a, str>> = records.collect::<Option<Vec<_>>>()?.concat();
    (!records.is_empty()).then_some(records)
}

fn member<'a>(object: &Object<'a>, name: &str) -> Option<&'a str> {
    let mut fields = object.fields.iter();
    fields
        .find(|(key, _)| key == name)
        .map(|(_, raw)| raw.get())
}

/// The records of one member of a list.
fn records_of(raw: &str) -> Option<Vec<Cow<'_, str>>> {
    const NAMES: [&str; 9] = [
        "message",
        "msg",
        "timestamp",
        "time",
        "@timestamp",
        "_source",
        "textPayload",
        "jsonPayload",
        "LogMessage",
    ];
    if raw.starts_with('[') {
        return Some(vec![Cow::Owned(of_pairs(raw)?)]);
    }
    let object = Object::parse(raw)?;
    if NAMES.iter().any(|name| member(&object, name).is_some()) {
        return Some(vec![Cow::Borrowed(raw)]);
    }
    // Datadog: the original record is in `attributes`.
    if let Some(attributes) = member(&object, "attributes").filter(|raw| raw.starts_with('{')) {
        return Some(vec![Cow::Borrowed(attributes)]);
    }
    if let Some(fields) = member(&object, "fields").filter(|raw| raw.starts_with('{')) {
        return Some(vec![Cow::Owned(of_lists(fields)?)]);
    }
    streams(&object)
}

/// The rows of `CloudWatch` Insights: `[{"field": "@message", "value": "…"}]`.
fn of_pairs(raw: &str) -> Option<String> {
    let pairs: Vec<Map<String, Value>> = serde_json::from_str(raw).ok()?;
    let mut row = Map::new();
    for mut pair in pairs {
        let name = pair.get("field")?.as_str()?.to_owned();
        if name != "@ptr" {
            row.insert(name, pair.remove("value")?);
        }
    }
    serde_json::to_string(&row).ok()
}

/// Elasticsearch's `fields`: every value is a list.
fn of_lists(raw: &str) -> Option<String> {
    let fields: Map<String, Value> = serde_json::from_str(raw).ok()?;
    let single = |value: Value| match value {
        Value::Array(mut list) if list.len() == 1 => list.remove(0),
        other => other,
    };
    let fields = fields.into_iter().map(|(key, value)| (key, single(value)));
    serde_json::to_string(&fields.collect::<Map<_, _>>()).ok()
}

/// Loki's streams: labels, and pairs of a time in nanoseconds and a line.
fn streams(object: &Object<'_>) -> Option<Vec<Cow<'static, str>>> {
    let labels = member(object, "stream")?;
    let mut lines: Vec<Vec<Value>> = serde_json::from_str(member(object, "values")?).ok()?;
    // The newest is the first, unless the question asked for another order.
    let time = |pair: Option<&Vec<Value>>| pair?.first()?.as_str()?.parse::<u64>().ok();
    if time(lines.first()) > time(lines.last()) {
        lines.reverse();
    }
    let record = |pair: Vec<Value>| {
        let mut pair = pair.into_iter();
        let record = serde_json::json!({
            "time": pair.next()?.as_str()?.parse::<u64>().ok()?,
            "stream": labels,
            "line": pair.next()?,
        });
        Some(Cow::Owned(record.to_string()))
    };
    lines.into_iter().map(record).collect()
}

/// Whether an object is a platform's own event: Lambda's `{"type": "platform.start", "record": …}`, pm2's
/// `{"type": "process_event", "app_name": …}`.
pub(crate) fn is_platforms(object: &Object<'_>) -> bool {
    if member(object, "app_name").is_some() && member(object, "type") == Some("\"process_event\"") {
        return true;
    }
    member(object, "type").is_some_and(|kind| kind.starts_with("\"platform."))
        && member(object, "record").is_some()
}

/// Whether a JSON document begins with rows that contain lines of programs, as the tools of clouds write them: a list
/// of envelopes, or an object with one.
pub(crate) fn begins_with_rows(document: &[u8]) -> bool {
    const LINES: [&str; 9] = [
        // Grafana's.
        "line",
        "textPayload",
        "message",
        "@message",
        "log",
        "Log_s",
        "LogEntry",
        "LogMessage",
        "MESSAGE",
    ];
    let text = String::from_utf8_lossy(document);
    let Some(list) = text.find('[').filter(|at| {
        // Nothing but the name of the list stands before it.
        text[..*at].bytes().filter(|b| *b == b'{').count() <= 1
    }) else {
        return false;
    };
    let rows = serde_json::Deserializer::from_str(text[list + 1..].trim_start());
    let Some(Ok(row)) = rows.into_iter::<&serde_json::value::RawValue>().next() else {
        return false;
    };
    let Some(row) = Object::parse(row.get()) else {
        return false;
    };
    let has_time = row.fields.iter().any(|(key, _)| TIMES.contains(&&**key));
    let is_line = payload(&row).is_some_and(|(name, _)| {
        LINES.contains(&name) && row.fields.iter().all(|(key, _)| is_known(key, name))
    });
    // An entry of Cloud Logging that is about a request may have no line at all.
    let is_entry = ["insertId", "logName"]
        .iter()
        .all(|name| member(&row, name).is_some());
    has_time && (is_line || is_entry || contained(&row).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Vec<String>> {
        let object = Object::parse(json).unwrap();
        let records = members(&object)?;
        Some(records.into_iter().map(Cow::into_owned).collect())
    }

    #[test]
    fn answers_of_services() {
        for (answer, expected) in [
            (
                r#"{"hits":{"total":1,"hits":[{"_source":{"message":"a"}}]}}"#,
                r#"{"_source":{"message":"a"}}"#,
            ),
            (
                r#"{"hits":{"hits":[{"_id":"1","fields":{"message":["a"]}}]}}"#,
                r#"{"message":"a"}"#,
            ),
            (
                r#"{"results":[[{"field":"@message","value":"a"},{"field":"@ptr","value":"x"}]]}"#,
                r#"{"@message":"a"}"#,
            ),
            (
                r#"{"data":[{"id":"1","attributes":{"message":"a"}}]}"#,
                r#"{"message":"a"}"#,
            ),
            (
                r#"{"status":"success","data":{"result":[{"stream":{"app":"x"},"values":[["1772618403120000000","a"]]}]}}"#,
                r#"{"line":"a","stream":"{\"app\":\"x\"}","time":1772618403120000000}"#,
            ),
            (
                r#"{"offset":0,"result":{"_raw":"a","_time":"b"}}"#,
                r#"{"_raw":"a","_time":"b"}"#,
            ),
        ] {
            let parsed = |json: &str| serde_json::from_str::<Value>(json).unwrap();
            let read = read(answer).unwrap_or_else(|| panic!("{answer}"));
            assert_eq!(read.len(), 1, "{answer}");
            assert_eq!(parsed(&read[0]), parsed(expected), "{answer}");
        }
        assert_eq!(read(r#"{"message":"a","data":[{"message":"b"}]}"#), None);
        assert_eq!(read(r#"{"data":[1,2]}"#), None);
    }

    #[test]
    fn documents_of_rows() {
        for document in [
            "[\n  {\n    \"timestamp\": \"2026-03-04T10:00:00Z\",\n    \"textPayload\": \"x\"\n  },",
            "[{\"TimeGenerated\": \"x\", \"Log_s\": \"x\", \"Stream_s\": \"stdout\"}]",
            "{\n  \"events\": [\n    {\"timestamp\": 1, \"message\": \"x\", \"ingestionTime\": 2}",
            "[{\"timestamp\": \"x\", \"jsonPayload\": {\"a\": 1}}]",
            "[{\"insertId\": \"x\", \"logName\": \"y\", \"httpRequest\": {\"status\": 200}, \"timestamp\": \"x\"}]",
        ] {
            assert!(begins_with_rows(document.as_bytes()), "{document}");
        }
        for document in [
            "[\n  {\n    \"title\": \"x\", \"time\": \"y\"\n  }\n]",
            "[{\"message\": \"x\", \"time\": 1, \"price\": 2}]",
            "{\n  \"name\": \"x\",\n  \"a\": {\"b\": [{\"time\": 1, \"message\": \"x\"}]}",
            "[1, 2]",
            "{",
        ] {
            assert!(!begins_with_rows(document.as_bytes()), "{document}");
        }
    }
}
