//! OTLP in JSON: one export a line, in it any number of records (OpenTelemetry's protocol,
//! *OTLP/JSON*, and its log data model).

use std::borrow::Cow;

use dragline_schema::Value;
use serde_json::Value as Json;

use super::fields::Object;
use super::foreign::Fields;

/// Lists and maps in attributes are taken apart down to this depth.
const MAX_DEPTH: usize = 5;

/// The records of an export; `None` when the object is none.
pub(crate) fn records(object: &Object<'_>) -> Option<Vec<Fields<'static>>> {
    let names = ["resourceLogs", "resource_logs"];
    let (_, raw) = object
        .fields
        .iter()
        .find(|(key, _)| names.contains(&&**key))?;
    let resources: Json = serde_json::from_str(raw.get()).ok()?;
    let mut records = Vec::new();
    for resource in items(&resources) {
        let context = attributes(&resource["resource"]["attributes"]);
        for scope in items(&resource["scopeLogs"]) {
            let logger = scope["scope"]["name"].as_str();
            records.extend(items(&scope["logRecords"]).map(|log| record(log, logger, &context)));
        }
    }
    Some(records)
}

fn items(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}

fn record(log: &Json, logger: Option<&str>, context: &Fields<'static>) -> Fields<'static> {
    let mut fields = context.clone();
    let mut text = |key: &'static str, text: &str| {
        fields.push((Cow::Borrowed(key), Value::Str(text.to_owned().into())));
    };
    let written = ["timeUnixNano", "observedTimeUnixNano"].map(|key| number_text(&log[key]));
    if let Some(nanoseconds) = written.into_iter().flatten().find(|time| time != "0") {
        text("timestamp", &nanoseconds);
    }
    let level = log["severityText"].as_str().filter(|word| !word.is_empty());
    if let Some(level) = level.or_else(|| severity(log["severityNumber"].as_u64()?)) {
        text("level", level);
    }
    if let Some(logger) = logger.filter(|name| !name.is_empty()) {
        text("target", logger);
    }
    value(&log["body"], "body", 0, &mut fields);
    fields.extend(attributes(&log["attributes"]));
    fields
}

/// Numbers of 64 bits are texts in OTLP.
fn number_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The word for a number of OTLP's: four of each.
fn severity(number: u64) -> Option<&'static str> {
    Some(match number {
        1..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warn",
        17..=20 => "error",
        21..=24 => "fatal",
        _ => return None,
    })
}

fn attributes(list: &Json) -> Fields<'static> {
    let mut fields = Vec::new();
    for attribute in items(list) {
        if let Some(key) = attribute["key"].as_str() {
            value(&attribute["value"], key, 0, &mut fields);
        }
    }
    fields
}

/// Adds a value, those within it by their paths.
fn value(any: &Json, path: &str, depth: usize, fields: &mut Fields<'static>) {
    if let Some(entries) = any["kvlistValue"]["values"].as_array() {
        for entry in entries.iter().filter(|_| depth < MAX_DEPTH) {
            let key = entry["key"].as_str().unwrap_or_default();
            value(&entry["value"], &format!("{path}.{key}"), depth + 1, fields);
        }
        return;
    }
    let found = if let Some(text) = any["stringValue"].as_str() {
        Value::Str(text.to_owned().into())
    } else if let Some(number) = number_text(&any["intValue"]) {
        match (number.parse(), number.parse()) {
            (Ok(number), _) => Value::U64(number),
            (_, Ok(number)) => Value::I64(number),
            _ => return,
        }
    } else if let Some(number) = any["doubleValue"].as_f64() {
        Value::F64(number)
    } else if let Some(truth) = any["boolValue"].as_bool() {
        Value::Bool(truth)
    } else if any["arrayValue"].is_object() {
        Value::Json(any["arrayValue"]["values"].to_string().into())
    } else {
        return;
    };
    fields.push((Cow::Owned(path.to_owned()), found));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_is_its_records() {
        let line = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"scope":{"name":"shop.http"},"logRecords":[{"timeUnixNano":"1772623353500000000","severityNumber":17,"body":{"stringValue":"failed"},"attributes":[{"key":"http.response.status_code","value":{"intValue":"503"}},{"key":"a","value":{"kvlistValue":{"values":[{"key":"b","value":{"boolValue":true}}]}}}]},{}]}]}]}"#;
        let records = records(&Object::parse(line).unwrap()).unwrap();
        assert_eq!(records.len(), 2);
        let shown: Vec<String> = records[0]
            .iter()
            .map(|(k, v)| format!("{k}={v:?}"))
            .collect();
        assert_eq!(
            shown,
            [
                "service.name=Str(\"shop\")",
                "timestamp=Str(\"1772623353500000000\")",
                "level=Str(\"error\")",
                "target=Str(\"shop.http\")",
                "body=Str(\"failed\")",
                "http.response.status_code=U64(503)",
                "a.b=Bool(true)",
            ]
        );
        assert!(super::records(&Object::parse("{\"a\":1}").unwrap()).is_none());
    }
}
